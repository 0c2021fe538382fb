"""From a track's key to the track."""

from __future__ import annotations

from engine.tracks import NETWORK, NORMS, parse
from explorer.stage.tracks.base import Track
from explorer.stage.tracks.curve import NormCurves
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.network import Unrolled


def make(key: str) -> Track:
    """Raises SpecError for a text that is no track."""
    track = parse(key)
    if track.what == NETWORK:
        return Unrolled(key)
    if track.what == NORMS:
        return NormCurves(key)
    return Heatmap(key)
