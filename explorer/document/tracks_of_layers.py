"""What becomes of the tracks of single layers when layers come, move, go and change their cells. Plain data.

A track without a layer is of the last one. Where that is the last no more (the stack has grown, layers have moved), the
track is named after it, so that it shows what it showed; where it has been deleted, its tracks are of the layer that is
the last now. What has no meaning any more goes, and nothing else: of a track of norms only the curves without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine import tracks
from engine.errors import SpecError
from engine.spec import CellKind
from engine.tracks import WHOLE, LayerKind, TrackSpec, read_layer
from explorer.document.tracks import DEFAULTS
from explorer.document.what_ifs import Places, followed_name


def after_edit(
    texts: Sequence[str],
    before: Mapping[str, LayerKind],
    after: Mapping[str, LayerKind],
    places: Places | None = None,
) -> Mapping[str, str]:
    """The tracks after an edit, by what they were called, from the top. `after` has a layer.

    A cell brings tracks of its own in two cases: where nobody has chosen any, so that those are there which the cell
    before it had brought; and where no track of a layer is left, since a stage without anything to see is no use.
    """
    new = after[read_layer(tuple(after))].cell
    last = read_layer(tuple(before)) if before else ""
    if not before:
        places = None  # there is nothing that could have moved
    unchosen = _unchosen(texts, before, new, places)
    found = fitting([text for text in texts if text not in unchosen], after, places, last)
    shows = any(map(_of_a_layer, found.values()))
    wanted = any(map(_of_a_layer, texts)) or not (before or texts)
    if not unchosen and (shows or not wanted):
        return found
    if not found:
        return {text: text for text in DEFAULTS[new]}
    first = next(n for n, text in enumerate(texts) if text not in found and _of_a_layer(text))
    above, below = ({t: found[t] for t in part if t in found} for part in (texts[:first], texts[first:]))
    return above | {text: text for text in _brought(new) if text not in found.values()} | below


def _unchosen(
    texts: Sequence[str], before: Mapping[str, LayerKind], new: CellKind, places: Places | None
) -> tuple[str, ...]:
    """The tracks of the last layer where they are those that its cell has brought, and another cell has its place;
    else ()."""
    last = read_layer(tuple(before)) if before else ""
    if places is not None and followed_name(last, places) is not None:
        return ()  # it is still there, and they follow it
    bare = tuple(text for text in texts if _of_a_layer(text) and not tracks.parse(text).layer)
    cells: Iterable[CellKind] = [before[last].cell] if before else DEFAULTS
    return bare if bare and any(bare == _brought(cell) for cell in cells if cell != new) else ()


def _brought(cell: CellKind) -> tuple[str, ...]:
    return tuple(text for text in DEFAULTS[cell] if _of_a_layer(text))


def _of_a_layer(text: str) -> bool:
    return tracks.parse(text).what not in WHOLE


def fitting(
    texts: Iterable[str], layers: Mapping[str, LayerKind], places: Places | None = None, last: str = ""
) -> Mapping[str, str]:
    """The tracks that the network has, by what they were called, in their order. `last`: the layer that the read-out
    read before the edit; "" where it is the same. Those of a layer that has moved move with it."""
    found: dict[str, str] = {}
    for text in texts:
        try:
            track = _fitted(tracks.parse(text), layers, places, last)
        except SpecError:
            continue
        if track is not None and str(track) not in found.values():
            found[text] = str(track)
    return found


def _fitted(track: TrackSpec, layers: Mapping[str, LayerKind], places: Places | None, last: str) -> TrackSpec | None:
    """None: it has no meaning any more."""
    if track.of:
        parts = [_fitted(tracks.parse(part), layers, places, last) for part in track.of]
        kept = [str(part) for part in parts if part is not None]
        return track.having(of=",".join(dict.fromkeys(kept))) if kept else None
    named = _named(track, layers, places, last)
    return named if named is not None and tracks.has(named, layers) else None


def _named(track: TrackSpec, layers: Mapping[str, LayerKind], places: Places | None, last: str) -> TrackSpec | None:
    """None: its layer has been deleted."""
    if track.what in WHOLE:
        return track
    name = track.layer or last
    if name and places is not None:
        name = followed_name(name, places) or ""
        if not name:
            return None if track.layer else track
    return track if not track.layer and name in ("", read_layer(tuple(layers))) else track.on(name)
