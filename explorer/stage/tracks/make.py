"""From a track's key to the track."""

from __future__ import annotations

from explorer.stage.tracks.base import Track
from explorer.stage.tracks.curve import NormCurves
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.network import Unrolled
from explorer.stage.wanted import NETWORK, NORMS


def make(key: str) -> Track:
    if key == NETWORK:
        return Unrolled(key)
    if key == NORMS:
        return NormCurves(key)
    return Heatmap(key)
