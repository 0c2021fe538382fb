"""For the cell panel: what stands in the equations of every step, of one unit or as norms over all units."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.layer_trace import LayerTrace
from engine.norms import norm
from engine.quantities import GATES


def of_unit(layer: LayerTrace, sample: int, unit: int) -> dict[str, Tensor]:
    """(T,) float64 by key: the values of one unit of one sample."""
    rows = slice(unit, unit + 1)
    series = {key: array[:, sample, rows] for key, array in by_key(layer).items()}
    series |= _extras(layer, sample, rows)
    return {key: array.squeeze(-1).double() for key, array in series.items()}


def extra_norms(layer: LayerTrace, sample: int) -> dict[str, Tensor]:
    """(T,) float64: norms over units, of one sample, of everything but the trace's own keys."""
    return {key: norm(array, dim=-1) for key, array in _extras(layer, sample, slice(None)).items()}


def by_key(layer: LayerTrace) -> dict[str, Tensor]:
    """(T, B, H) by key: "values.f", "grads.a_f"."""
    found = {f"values.{symbol}": layer.values[symbol] for symbol in layer.values}
    return found | {f"grads.{symbol}": layer.grads[symbol] for symbol in layer.grads}


def _extras(layer: LayerTrace, sample: int, rows: slice) -> dict[str, Tensor]:
    """(T, units) each: the states before the step, the loss's own ∂L/∂h, what comes to h through W_hh from the step
    after, and both sides of every pre-activation, W_ih x + b_ih and W_hh h₋ + b_hh."""
    found = {f"values.{state}_prev": before[:, sample, rows] for state, before in layer.before.items()}
    found["grads.h_direct"] = layer.output_grads[:, sample, rows]
    found["grads.h_hidden"] = _through_weights(layer, sample, rows)
    H = layer.hidden_size
    for side, given, name in (("input", layer.x, "ih"), ("recurrent", layer.before["h"], "hh")):
        weight, bias = layer.weights[f"weight_{name}"], layer.weights.get(f"bias_{name}")
        for place, gate in enumerate(GATES[layer.cell]):
            block = slice(place * H, (place + 1) * H)
            product = torch.nn.functional.linear(
                given[:, sample], weight[block][rows], None if bias is None else bias[block][rows]
            )
            found[f"{side}.a_{gate}" if gate else f"{side}.a"] = product
    return found


def _through_weights(layer: LayerTrace, sample: int, rows: slice) -> Tensor:
    """(T, units): W_hhᵀ · (hidden side of the pre-activations' gradients at the step after); 0 where none follows."""
    of_sample = {symbol: grad[:, sample] for symbol, grad in layer.passing.items()}
    side = layer.rules.h_side(of_sample).flatten(-2)
    passed = side @ layer.recurrence.weight_back[:, rows]
    if layer.drop is not None:
        passed = passed * layer.drop[:, sample, rows]
    nothing = passed.new_zeros(1, passed.shape[1])
    return torch.cat([nothing, passed[:-1]] if layer.reverse else [passed[1:], nothing])
