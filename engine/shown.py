"""Arrays of a trace by the keys that tracks ask for (engine.tracks), for one sample of the batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import read_only
from engine.layer_trace import LayerTrace
from engine.precision import arithmetic
from engine.sources import Traced
from engine.tracks import TrackSpec, parse

Shown = NDArray[np.floating]


def array(made: Traced, key: str, sample: int) -> Shown | None:
    """Time first, read-only; None where the network has nothing of that name.

    A quantity, "l1.grads.h", is (T, H) in the trace's dtype. With "@mean", a mean over the samples that have the step,
    float64: of gradients of their magnitudes, of values as they are; NaN where no sample has it.
    """
    name, _, mean = key.partition("@")
    what, _, weight = name.partition(".weight")
    track = parse(f"{what}?weight=weight{weight}" if weight else name)
    layer = track.layer or made.last
    if layer not in made.trace.layers:
        return None
    if track.is_quantity:
        return _quantity(made, track, layer, None if mean else sample)
    return None


def _quantity(made: Traced, track: TrackSpec, layer: str, sample: int | None) -> Shown | None:
    found = _tensor(made.trace.layers[layer], track.what)
    if found is None:
        return None
    if sample is not None:
        return read_only(found[:, sample])
    name = f"{layer}.{track.what}@mean"
    if name not in made.derived:
        made.derived[name] = read_only(_mean(made.trace.layers[layer], found, of_sizes=track.is_gradient))
    return made.derived[name]


def _tensor(layer: LayerTrace, key: str) -> Tensor | None:
    kind, _, symbol = key.partition(".")
    part = layer.values if kind == "values" else layer.grads
    return part.get(symbol)


def _mean(layer: LayerTrace, array: Tensor, *, of_sizes: bool) -> Tensor:
    """(T, H) float64."""
    with arithmetic(array):
        wide = array.double().abs() if of_sizes else array.double()
        mask = layer.recurrence.course.mask
        if mask is None:
            return wide.mean(1)
        return torch.where(mask, wide, 0.0).sum(1) / mask.double().sum(1)
