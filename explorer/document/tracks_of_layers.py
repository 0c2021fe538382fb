"""What becomes of the tracks of single layers when layers come, move and go. Plain data.

A track without a layer is of the last one. Where that is the last no more (the stack has grown, layers have moved), the
track is named after it, so that it shows what it showed; where it has been deleted, its tracks are of the layer that is
the last now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine import tracks
from engine.errors import SpecError
from engine.tracks import LayerKind, TrackSpec, read_layer
from explorer.document.what_ifs import Places, followed_name


def fitting(
    texts: Iterable[str], layers: Mapping[str, LayerKind], places: Places | None = None, last: str = ""
) -> Mapping[str, str]:
    """The tracks that the network has, by what they were called, in their order. `last`: the layer that the read-out
    read before the edit; "" where it is the same. Those of a layer that has moved move with it."""
    found: dict[str, str] = {}
    for text in texts:
        try:
            track = _followed(tracks.parse(text), layers, places, last)
            if track is None:
                continue
            tracks.check(track, layers)
        except SpecError:
            continue
        if str(track) not in found.values():
            found[text] = str(track)
    return found


def _followed(track: TrackSpec, layers: Mapping[str, LayerKind], places: Places | None, last: str) -> TrackSpec | None:
    """None: its layer has been deleted."""
    if track.of:
        parts = [_followed(tracks.parse(part), layers, places, last) for part in track.of]
        kept = [str(part) for part in parts if part is not None]
        return track.having(of=",".join(dict.fromkeys(kept))) if kept else None
    if track.what in tracks.WHOLE:
        return track
    name = track.layer or last
    if name and places is not None:
        name = followed_name(name, places) or ""
        if not name:
            return None if track.layer else track
    return track if not track.layer and name in ("", read_layer(tuple(layers))) else track.on(name)
