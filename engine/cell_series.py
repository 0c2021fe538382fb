"""For the cell panel: what stands in the equations of every step, of one unit or as norms over all units."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.layer_trace import LayerTrace
from engine.norms import norm
from engine.quantities import GATES
from engine.route_shares import route_shares


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


def direct(layer: LayerTrace, state: str) -> Tensor | None:
    """(T, B, H): what reaches a state at each step from outside of the recurrence: from a loss, or the layer above;
    the last state also what is in `final_grads`. None: nothing ever reaches c."""
    given, final = layer.output_grads if state == "h" else layer.cell_grads, layer.final_grads[state]
    if not bool((final != 0).any()):  # NaN counts
        return given
    found = torch.zeros_like(layer.output_grads) if given is None else given.clone()
    if layer.reverse or layer.lengths is None:
        found[0 if layer.reverse else -1] += final
    else:
        last = layer.lengths.to(final.device) - 1
        found[last, torch.arange(len(last), device=final.device)] += final
    return found


def _extras(layer: LayerTrace, sample: int, rows: slice) -> dict[str, Tensor]:
    """(T, units) each: the states before the step, the loss's own ∂L/∂h (and ∂L/∂c, where it has any), what comes to h
    through W_hh from the step after, and both sides of every pre-activation, W_ih x + b_ih and W_hh h₋ + b_hh."""
    found = {f"values.{state}_prev": before[:, sample, rows] for state, before in layer.before.items()}
    for state in layer.rules.state_names:
        if (given := direct(layer, state)) is not None:
            found[f"grads.{state}_direct"] = given[:, sample, rows]
    found |= _between_steps(layer, sample, rows)
    H = layer.hidden_size
    given_h = layer.recurrence.dropped(layer.before["h"])
    for side, given, name in (("input", layer.x, "ih"), ("recurrent", given_h, "hh")):
        weight, bias = layer.weights[f"weight_{name}"], layer.weights.get(f"bias_{name}")
        for place, gate in enumerate(GATES[layer.cell]):
            block = slice(place * H, (place + 1) * H)
            product = torch.nn.functional.linear(
                given[:, sample], weight[block][rows], None if bias is None else bias[block][rows]
            )
            found[f"{side}.a_{gate}" if gate else f"{side}.a"] = product
    return found if layer.rules.norm is None else found | _normalisation(layer, sample, rows)


def _normalisation(layer: LayerTrace, sample: int, rows: slice) -> dict[str, Tensor]:
    """(T, units) each, per pre-activation: what stands in a = γ⊙ŝ + β and in δs = (γ⊙δa − m − ŝ⊙k)·v: "gamma.a_f",
    "normed.a_f" (ŝ), "beta.a_f", and one number a step for "spread.a_f" (v), "centre.a_f" (m), "along.a_f" (k)."""
    rules, found = layer.rules, dict[str, Tensor]()
    assert rules.norm is not None
    for gate, name in enumerate(rules.gate_names):
        s, da = layer.values["s" + name[1:]][:, sample], layer.grads[name][:, sample]
        standard, spread = rules.norm.standard(s)
        g = da * rules.norm.weight[gate]
        units = (layer.steps, len(g[0, rows]))
        found |= {
            f"gamma.{name}": rules.norm.weight[gate][rows].expand(units),
            f"beta.{name}": rules.norm.bias[gate][rows].expand(units),
            f"normed.{name}": standard[:, rows],
            f"spread.{name}": spread,
            f"centre.{name}": g.mean(-1, keepdim=True),
            f"along.{name}": (g * standard).mean(-1, keepdim=True),
        }
    return found


def holds(layer: LayerTrace, sample: int, unit: int | None) -> dict[str, Tensor]:
    """(T,) float64: where a what-if holds a gate. "held.f": 1 where the unit's is, else 0; of all units, how many are.
    "held_value.f": at what; NaN where none is, or not all at the same."""
    found = {}
    shape = layer.values["h"].shape
    for gate, held in layer.held.items():
        where, value = (part.expand(shape)[:, sample] for part in (held.where, held.value))
        if unit is not None:
            where, value = where[:, unit : unit + 1], value[:, unit : unit + 1]
        low, high = (value.masked_fill(~where, fill) for fill in (torch.inf, -torch.inf))
        low, high = low.amin(-1).double(), high.amax(-1).double()
        found[f"held.{gate}"] = where.sum(-1).double()
        found[f"held_value.{gate}"] = torch.where(low == high, low, torch.nan)
    return found


def route_series(layer: LayerTrace, sample: int) -> dict[str, Tensor]:
    """(T,) float64 of one sample: each route's share of what goes from a step to the one before (engine.route_shares),
    "route.carousel", and the logarithms of the norms, "route_log10.carousel" and "route_log10.total"."""
    parts = route_shares(layer, sample, as_traced=True)
    found = {f"route.{route}": share[:, 0] for route, share in parts.shares.items()}
    return found | {f"route_log10.{route}": size[:, 0] for route, size in parts.log10_norms.items()}


def _between_steps(layer: LayerTrace, sample: int, rows: slice) -> dict[str, Tensor]:
    """(T, units) each: "grads.h_hidden", what comes to h through W_hh from the step after, and "sent.h", what a step
    sends on that way to the one before it, or to the initial state. Of a GRU "sent.all", with the leak.

    Where truncation stops some of it: "sent.c", "sent.leak", what goes back past the weights, and "ahead.c", "ahead.h",
    what of the gradient of the state at the step after goes on to this one.
    """
    through = _through_weights(layer, sample, rows)
    found = {"grads.h_hidden": _step_after(layer, through), "sent.h": through}
    (state, gate, name) = {"rnn": ("", "", ""), "lstm": ("c", "f", "c"), "gru": ("h", "z", "leak")}[layer.cell]
    if not state:
        return found
    on = layer.passing[state][:, sample, rows]
    past = on * layer.values[gate][:, sample, rows]
    if layer.cell == "gru":
        found["sent.all"] = through if "leak" in layer.cuts else through + past
    if layer.passing is not layer.grads:
        found |= {f"sent.{name}": past, f"ahead.{state}": _step_after(layer, on)}
    return found


def crossing(layer: LayerTrace) -> dict[str, Tensor]:
    """By state, (T, B, H): what comes to it at each step from the step after, as far as truncation and cut routes let
    it."""
    through = _through_weights(layer, slice(None), slice(None))
    found = {"h": through}
    if layer.cell == "lstm":
        past = layer.passing["c"] * layer.values["f"]
        found["c"] = torch.zeros_like(past) if "carousel" in layer.cuts else past
    elif layer.cell == "gru" and "leak" not in layer.cuts:
        found["h"] = through + layer.passing["h"] * layer.values["z"]
    return {state: _step_after(layer, grads) for state, grads in found.items()}


def _step_after(layer: LayerTrace, given: Tensor) -> Tensor:
    """(T, …): of each step, what is `given` of the one after it on the layer's way; 0 where none follows."""
    nothing = torch.zeros_like(given[:1])
    return torch.cat([nothing, given[:-1]] if layer.reverse else [given[1:], nothing])


def _through_weights(layer: LayerTrace, sample: int | slice, rows: slice) -> Tensor:
    """(T, units), of several samples (T, B, units): W_hhᵀ · (hidden side of the pre-activations' gradients), as far as
    it goes to the step before."""
    of_sample = {symbol: grad[:, sample] for symbol, grad in layer.passing.items()}
    side = layer.rules.h_side(of_sample).flatten(-2)
    passed = side @ layer.recurrence.weight_back[:, rows]
    return passed if layer.drop is None else passed * layer.drop[:, sample, rows]
