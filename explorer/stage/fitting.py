"""The numbers that a track shows, for a scale to be fitted to."""

from __future__ import annotations

import numpy as np

from engine.requests import Array, Excerpt
from engine.tracks import NORMS, TrackSpec, has
from explorer.stage.classified import masked_of


def shown_by(track: TrackSpec, excerpt: Excerpt) -> Array | None:
    """(T, …): the norms of its curves, a quantity's numbers without the padding; None where there are none."""
    if track.what == NORMS:
        from explorer.stage.tracks.norm_plot import chosen

        kinds, layers = excerpt.kinds(), excerpt.layers
        norms = [layers[part.layer].norms.get(part.what) for part in chosen(track, layers) if has(part, kinds)]
        there = [one for one in norms if one is not None]
        return np.stack(there, axis=1) if there else None
    data = excerpt.shown(track) if has(track, excerpt.kinds()) else None
    if data is None:
        return None
    data = data[: masked_of(track, excerpt)]
    return data if track.unit is None or track.unit >= data.shape[1] else data[:, track.unit : track.unit + 1]
