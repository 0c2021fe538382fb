"""What-ifs: interventions on top of the weights. What is kept and trained are the base weights, never these."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.initial import gate_rows
from engine.parameters import Place, places
from engine.quantities import GATES
from engine.recurrence import Held
from engine.spec import NO_WHAT_IF, Experiment, WhatIf
from engine.spectral_radius import scaled_to_radius

ARITHMETIC: dict[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def effective_weights(
    experiment: Experiment, weights: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The weights that compute, in the weights' own type: new tensors where the what-if changes them, else the same.

    Raises DataError where a block of W_hh cannot be scaled to the spectral radius.
    """
    effective = dict(weights)
    shifts = {"f": what_if.forget_bias} if what_if.forget_bias != 0.0 else {}
    for bias in what_if.gate_biases:
        shifts[bias.gate] = shifts.get(bias.gate, 0.0) + bias.shift
    for place in places(experiment):
        name = f"weight_hh_{place.name}"
        if what_if.spectral_radius is not None:
            effective[name] = scaled_to_radius(weights[name], what_if.spectral_radius, place.spec.cell, name)
        elif what_if.recurrent_scale != 1.0:
            effective[name] = weights[name] * what_if.recurrent_scale
        # A shift before layer normalisation would cancel: there β is the gate's bias.
        name = f"{'norm_bias' if place.spec.layer_norm else 'bias_hh'}_{place.name}"
        gates = GATES[place.spec.cell]
        for gate, shift in shifts.items():
            if gate in gates and shift != 0.0:
                shifted = effective[name].clone()
                shifted[gate_rows(gates, gate, place.spec.hidden_size)] += shift
                effective[name] = shifted
    return effective


def base_step(place: Place, weight_hh: Tensor, step: Tensor, what_if: WhatIf) -> Tensor:
    """What the base W_hh moves by where the effective one moves by `step`: step/s, row by row, with W_eff = s·W, and
    0 where s is 0. The factor of a spectral radius is taken as it stands before the update."""
    if what_if.spectral_radius is None:
        scale = torch.full_like(weight_hh[:, :1], what_if.recurrent_scale)
    else:
        scaled = scaled_to_radius(weight_hh, what_if.spectral_radius, place.spec.cell)
        rows = len(GATES[place.spec.cell])
        sizes = (part.reshape(rows, -1).abs().amax(1) for part in (scaled, weight_hh))
        scale = torch.divide(*sizes).repeat_interleave(len(weight_hh) // rows)[:, None]
    return torch.where(scale == 0, 0.0, step / scale)


def held_gates(place: Place, what_if: WhatIf, steps: int, like: Tensor) -> dict[str, Held]:
    """Where the what-if holds this layer's gates, and at what: (T, 1, H) each."""
    found: dict[str, Held] = {}
    H = place.spec.hidden_size
    for clamp in what_if.clamps:
        if clamp.layer != place.name:
            continue
        held = found.setdefault(
            clamp.gate, Held(like.new_zeros(steps, 1, H, dtype=torch.bool), like.new_zeros(steps, 1, H))
        )
        span = slice(clamp.first - 1, clamp.last)
        units = list(range(H)) if clamp.units is None else list(clamp.units)
        held.where[span, :, units] = True
        held.value[span, :, units] = clamp.value
    return found


def cut_routes(place: Place, what_if: WhatIf) -> frozenset[str]:
    """The routes of this layer that the what-if closes to the gradient."""
    return frozenset(cut.route for cut in what_if.cuts if cut.layer == place.name)
