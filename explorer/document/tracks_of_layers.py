"""What becomes of the tracks of single layers when layers come, move and go. Plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine import tracks
from engine.errors import SpecError
from engine.tracks import LayerKind
from explorer.document.what_ifs import Places, followed_name


def fitting(texts: Iterable[str], layers: Mapping[str, LayerKind], places: Places | None = None) -> tuple[str, ...]:
    """The tracks that the network has, each once. Those of a layer that has moved move with it."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            track = tracks.parse(text)
            if track.layer and places is not None:
                if (name := followed_name(track.layer, places)) is None:
                    continue
                track = track.on(name)
            tracks.check(track, layers)
        except SpecError:
            continue
        found[str(track)] = None
    return tuple(found)
