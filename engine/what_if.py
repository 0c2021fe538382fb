"""What-ifs: interventions on top of the weights. What is kept and trained are the base weights, never these."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.errors import DataError
from engine.parameters import Place, places
from engine.quantities import GATES
from engine.recurrence import Held
from engine.spec import NO_WHAT_IF, Experiment, WhatIf

ARITHMETIC: dict[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def gate_rows(gates: tuple[str, ...], gate: str, hidden_size: int) -> slice:
    """The rows of one gate in the stacked weight matrices and biases."""
    start = gates.index(gate) * hidden_size
    return slice(start, start + hidden_size)


def effective_weights(
    experiment: Experiment, weights: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The weights that compute, in the weights' own type: new tensors where the what-if changes them, else the same.

    Raises DataError where a block of W_hh cannot be scaled to the spectral radius.
    """
    effective = dict(weights)
    shifts = dict.fromkeys(("f",), what_if.forget_bias) if what_if.forget_bias != 0.0 else {}
    for bias in what_if.gate_biases:
        shifts[bias.gate] = shifts.get(bias.gate, 0.0) + bias.shift
    for place in places(experiment):
        gates, H = GATES[place.spec.cell], place.spec.hidden_size
        name = f"weight_hh_{place.name}"
        if what_if.spectral_radius is not None:
            effective[name] = weights[name] * scales(place, weights[name], what_if)
        elif what_if.recurrent_scale != 1.0:
            effective[name] = weights[name] * what_if.recurrent_scale
        for gate, shift in shifts.items():
            if gate in gates and shift != 0.0:
                name = f"bias_hh_{place.name}"
                shifted = effective[name].clone()
                shifted[gate_rows(gates, gate, H)] += shift
                effective[name] = shifted
    return effective


def scales(place: Place, weight_hh: Tensor, what_if: WhatIf) -> Tensor:
    """(G·H, 1): the factor on every row of a layer's W_hh that the what-if comes to. Raises DataError."""
    H = place.spec.hidden_size
    if what_if.spectral_radius is None:
        return weight_hh.new_full((len(weight_hh), 1), what_if.recurrent_scale)
    factors = []
    for gate, block in zip(GATES[place.spec.cell], weight_hh.view(-1, H, H), strict=True):
        radius = float(torch.linalg.eigvals(block.double()).abs().max()) if bool(block.isfinite().all()) else 0.0
        if radius == 0.0 and what_if.spectral_radius > 0.0:
            whose = f"of gate {gate}, " if gate else ""
            raise DataError(
                f"what_if.spectral_radius is {what_if.spectral_radius:g}, but weight_hh_{place.name} {whose}"
                "has the spectral radius 0 or none, which no factor changes; a matrix with another is accepted."
            )
        factors.append(what_if.spectral_radius / radius if radius else 1.0)
    return torch.tensor(factors).to(weight_hh).repeat_interleave(H)[:, None]


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
