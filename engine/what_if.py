"""What-ifs: interventions on top of the weights. What is kept and trained are the base weights, never these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.checks import check_fit, checked_what_if
from engine.errors import DataError
from engine.initial import gate_rows
from engine.parameters import Place, places
from engine.quantities import GATES
from engine.recurrence import Held
from engine.spec import NO_WHAT_IF, CellKind, Experiment, LayerSpec, WhatIf
from engine.spectral_radius import scaled_to_radius
from engine.stack import Enter, Layer, Level

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
    for place in places(experiment):
        own = {name: weights[f"{name}_{place.name}"] for name in place.shapes}
        changed = effective_layer(place.name, place.spec.cell, own, what_if)
        effective |= {f"{name}_{place.name}": weight for name, weight in changed.items()}
    return effective


def effective_layer(name: str, cell: CellKind, weights: Mapping[str, Tensor], what_if: WhatIf) -> dict[str, Tensor]:
    """The same of one layer in one direction; names without the suffix. Raises DataError, also for a shift of a bias
    that the layer does not have."""
    effective = dict(weights)
    if what_if.spectral_radius is not None:
        of = f"weight_hh_{name}"
        effective["weight_hh"] = scaled_to_radius(weights["weight_hh"], what_if.spectral_radius, cell, of)
    elif what_if.recurrent_scale != 1.0:
        effective["weight_hh"] = weights["weight_hh"] * what_if.recurrent_scale
    shifts = {"f": what_if.forget_bias}
    for bias in what_if.gate_biases:
        shifts[bias.gate] = shifts.get(bias.gate, 0.0) + bias.shift
    for gate, shift in shifts.items():
        if gate not in GATES[cell] or shift == 0.0:
            continue
        # A shift before layer normalisation would cancel: there β is the gate's bias. Of n it is b_in, which shifts n's
        # pre-activation by as much as asked for; b_hn stands behind r.
        bias_name = "norm_bias" if "norm_bias" in weights else "bias_ih" if gate == "n" else "bias_hh"
        if bias_name not in weights:
            raise DataError(f"what_if shifts the bias of gate '{gate}', but layer {name} has no biases.")
        shifted = effective[bias_name].clone()
        shifted[gate_rows(GATES[cell], gate, weights["weight_hh"].shape[1])] += shift
        effective[bias_name] = shifted
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
        scale = torch.divide(*sizes).nan_to_num(nan=0.0).repeat_interleave(len(weight_hh) // rows)[:, None]
    return torch.where(scale == 0, 0.0, step / scale)


def held_gates(name: str, H: int, what_if: WhatIf, steps: int, like: Tensor) -> dict[str, Held]:
    """Where the what-if holds the gates of the layer of that name, H units, and at what: (T, 1, H) each."""
    found: dict[str, Held] = {}
    for clamp in what_if.clamps:
        if clamp.layer != name:
            continue
        held = found.setdefault(
            clamp.gate, Held(like.new_zeros(steps, 1, H, dtype=torch.bool), like.new_zeros(steps, 1, H))
        )
        span = slice(clamp.first - 1, clamp.last)
        units = list(range(H)) if clamp.units is None else list(clamp.units)
        held.where[span, :, units] = True
        held.value[span, :, units] = clamp.value
    return found


def cut_routes(name: str, what_if: WhatIf) -> frozenset[str]:
    """The routes of the layer of that name that the what-if closes to the gradient."""
    return frozenset(cut.route for cut in what_if.cuts if cut.layer == name)


def changed_levels(levels: Sequence[Level], what_if: WhatIf, steps: int) -> tuple[Level, ...]:
    """Somebody's own stack with the what-if on top of its weights, in the what-if's type where it names one.

    Raises SpecError where the what-if names what the stack does not have, and DataError where its weights cannot be
    changed so.
    """
    stack = tuple(
        LayerSpec(cell=level.layers[0].cell, hidden_size=_units(level.layers[0]), bidirectional=len(level.layers) > 1)
        for level in levels
    )
    check_fit(stack, steps, checked_what_if(what_if))
    return tuple(
        Level(
            tuple(_changed(layer, what_if, steps) for layer in level.layers),
            None if level.enter is None else _in_type(level.enter, what_if),
            level.parameters,
        )
        for level in levels
    )


def in_type(tensor: Tensor, what_if: WhatIf) -> Tensor:
    """The tensor in the what-if's type, where it names one."""
    return tensor if what_if.dtype is None else tensor.to(ARITHMETIC[what_if.dtype])


def _units(layer: Layer) -> int:
    return layer.weights["weight_hh"].shape[1]


def _changed(layer: Layer, what_if: WhatIf, steps: int) -> Layer:
    weights = effective_layer(layer.name, layer.cell, layer.weights, what_if)
    weights = {name: in_type(weight, what_if) for name, weight in weights.items()}
    return replace(
        layer,
        weights=weights,
        initial={s: in_type(state, what_if) for s, state in layer.initial.items()},
        held=held_gates(layer.name, _units(layer), what_if, steps, weights["weight_hh"]),
        cuts=cut_routes(layer.name, what_if),
    )


def _in_type(enter: Enter, what_if: WhatIf) -> Enter:
    def entered(*of: Tensor) -> Tensor:
        return in_type(enter(*of), what_if)

    return entered
