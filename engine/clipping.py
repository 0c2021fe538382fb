"""Clipping of gradients, of every kind (engine.spec.ClipSpec). Nothing is written in place; new tensors come back.

"norm"       g ·= min(1, max_norm / (‖all g‖ + 1e-6)): torch.nn.utils.clip_grad_norm_, to the bit (Pascanu et al. 2013).
"layer"      the same, each layer by itself: each recurrent layer and direction, the read-out, the embedding …
             `layer_of` tells which parameters belong together.
"parameter"  the same, each tensor by itself. What libraries call clipping by norm without "global" (Keras' clipnorm).
"value"      every entry to ±max_value: torch.nn.utils.clip_grad_value_, to the bit (Mikolov 2012).
"agc"        adaptive, unit-wise (Brock et al. 2021, eq. 3): a row's gradient G_i becomes G_i · λ‖W_i‖*/‖G_i‖ where
             ‖G_i‖ > λ‖W_i‖*, with ‖W_i‖* = max(‖W_i‖, 1e-3). Rows of a matrix are the units; a vector (bias, gain) or a
             scalar is one unit, as in the authors' code. They take a matrix with one column for a vector too; here it
             has rows, as eq. 3 says, so that an input of one number is treated like one of two.
"step"       ∂L/∂(states) at every step of the backward pass: `clip_step`, which engine.clipped_trace chains. What comes
             out is no longer a gradient of the loss.

"norm" and "layer" keep the direction (of everything, of each layer); all others turn it, so a cosine is reported.

Arithmetic: "norm", "layer" and "parameter" take their norms as torch does, in the gradients' own dtype. There a finite
1e30 has a norm of inf, which makes all gradients 0, and one inf makes inf · 0 = NaN. Torch's 1e-6 also means that they
clip a little early (from max_norm − 1e-6 on) and that clipping twice is not quite clipping once: the second time takes
another 1e-6 / max_norm. "agc" and "step" take theirs in float64, scaled, where a finite 1e30 does no harm; a unit with
an inf becomes 0 and NaN, and one with a NaN stays as it is, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from engine.checks import checked_clip
from engine.errors import DataError
from engine.figures import figure
from engine.given import with_numbers
from engine.norms import blind_norm, norm
from engine.parameters import layer_of as layer_of
from engine.precision import arithmetic
from engine.requests import ClipReport
from engine.spec import ClipSpec
from engine.spec_reading import kind_of, shown

EPSILON = 1e-6
"""Torch adds it to the norm."""
SMALLEST_NORM = 1e-3
"""Of weights, for AGC: what was initialised to zero must be able to leave it (Brock et al. 2021, ε)."""
READOUT = "readout"
"""The layer that AGC leaves alone unless told otherwise: in the paper the final linear layer is not clipped."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Clipped:
    """Gradients before and after clipping."""

    clip: ClipSpec
    before: Tensors
    """The tensors that were given, not copies: where they are written to afterwards they are no longer those before.
    `report` stays what it was."""
    grads: dict[str, Tensor]
    """After clipping, by parameter name."""
    factors: Tensors
    """What they were multiplied with, by parameter name: () where it is one factor, (rows,) for the rows of a matrix by
    AGC. Without an entry where there is none (by value). Clipped at every step: by layer name, (T, B)."""

    @cached_property
    def report(self) -> ClipReport:
        """What happened. It is made together with the gradients, so that it stays when those are written to. Only where
        that was put off (`report=False`), for training asks for the gradients alone, it is made when it is asked for.
        """
        from engine.clip_report import report

        return report(self)


def clip_grads(grads: Tensors, clip: ClipSpec, weights: Tensors | None = None) -> dict[str, Tensor]:
    """The gradients after clipping, by parameter name. As `clipped`."""
    return clipped(grads, clip, weights, report=False).grads


def clipped(grads: Tensors, clip: ClipSpec, weights: Tensors | None = None, *, report: bool = True) -> Clipped:
    """Gradients of any shapes after clipping, with the report on it. Every kind but "step".

    `weights`, the parameters by the same names and of the same shapes, are needed by "agc" and by nothing else. Without
    clipping the gradients are the ones given. `report=False`: the report is made when it is asked for, if ever; until
    then nobody may write to the gradients, before or after. Raises SpecError for a clipping that is none, and
    DataError.
    """
    made = _clipped(grads, clip, weights)
    if report:
        made.report  # noqa: B018 (it keeps itself)
    return made


def _clipped(grads: Tensors, clip: ClipSpec, weights: Tensors | None) -> Clipped:
    clip, grads = checked_clip(clip), _tensors("grads", grads)
    if not grads:
        raise DataError("There are no gradients to clip; tensors by parameter name are accepted.")
    with arithmetic(next(iter(grads.values()))):
        if clip.kind == "none":
            return Clipped(clip, grads, dict(grads), {})
        if clip.kind == "value":
            return Clipped(clip, grads, _by_value(grads, clip.max_value), {})
        if clip.kind == "agc":
            return Clipped(clip, grads, *_adaptive(grads, clip, _beside(grads, weights)))
        return Clipped(clip, grads, *_by_norm(grads, clip.max_norm, groups(grads, clip)))


def _tensors(what: str, of: Any) -> Tensors:
    """The mapping itself, if it is one of names to tensors with real numbers."""
    if not isinstance(of, Mapping):
        raise DataError(f"{what} is {kind_of(of)}; tensors by parameter name are accepted.")
    for name, tensor in of.items():
        if not isinstance(name, str):
            raise DataError(f"{what} has the name {shown(name)}; the name of a parameter is accepted.")
        if not isinstance(tensor, Tensor):
            kind = "None, which is no gradient" if tensor is None else kind_of(tensor)
            raise DataError(f"{what}['{name}'] is {kind}; a tensor is accepted, and what has none is left out.")
        if not tensor.is_floating_point():
            raise DataError(f"{what}['{name}'] is of {tensor.dtype}; a floating-point tensor is accepted.")
        with_numbers(f"{what}['{name}']", tensor)
    return of


def groups(grads: Tensors, clip: ClipSpec) -> dict[str, list[str]]:
    """Which parameters share a norm, by the name of the group. Raises DataError for "step"."""
    if clip.kind == "step":
        raise DataError(
            "Clipping at every step happens within the backward pass, not to finished gradients; "
            "engine.clipped_trace does it, of a trace."
        )
    found: dict[str, list[str]] = {}
    for name in grads:
        group = {"layer": layer_of(name), "parameter": name}.get(clip.kind, "")
        found.setdefault(group, []).append(name)
    return found


def _by_norm(grads: Tensors, max_norm: float, sharing: Mapping[str, list[str]]) -> tuple[dict[str, Tensor], Tensors]:
    after: dict[str, Tensor] = {}
    factors: dict[str, Tensor] = {}
    for names in sharing.values():
        part = [grads[name] for name in names]
        factor = torch.clamp(max_norm / (norm_in_dtype(part) + EPSILON), max=1.0)
        after |= zip(names, torch._foreach_mul(part, factor), strict=True)
        factors |= dict.fromkeys(names, factor)
    return {name: after[name] for name in grads}, factors


def norm_in_dtype(grads: list[Tensor]) -> Tensor:
    """Their norm together as torch computes it, in their own dtype: a scalar."""
    return torch.nn.utils.get_total_norm(grads, 2.0, error_if_nonfinite=False)


def _by_value(grads: Tensors, max_value: float) -> dict[str, Tensor]:
    for dtype in {grad.dtype for grad in grads.values()}:
        if max_value > torch.finfo(dtype).max:
            name, largest = str(dtype).removeprefix("torch."), figure(torch.finfo(dtype).max)
            raise DataError(f"max_value is {figure(max_value)}; {name} holds numbers up to {largest}.")
    from_below = torch._foreach_clamp_min(list(grads.values()), -max_value)
    return dict(zip(grads, torch._foreach_clamp_max(from_below, max_value), strict=True))


def _beside(grads: Tensors, weights: Tensors | None) -> Tensors:
    """The weights, if there is one of the right shape for each gradient."""
    if weights is None:
        raise DataError("weights is missing; adaptive clipping measures each gradient against its weights.")
    weights = _tensors("weights", weights)
    for name, grad in grads.items():
        if name not in weights:
            raise DataError(f"weights has no '{name}', of which there is a gradient; {tuple(grad.shape)} is needed.")
        if weights[name].shape != grad.shape:
            shape = tuple(weights[name].shape)
            raise DataError(
                f"weights['{name}'] has shape {shape}; that of its gradient, {tuple(grad.shape)}, is needed."
            )
    return weights


def _adaptive(grads: Tensors, clip: ClipSpec, weights: Tensors) -> tuple[dict[str, Tensor], Tensors]:
    after: dict[str, Tensor] = {}
    factors: dict[str, Tensor] = {}
    for name, grad in grads.items():
        if layer_of(name) == READOUT and not clip.readout:
            after[name] = grad.clone()
            continue
        limit = clip.ratio * unit_norms(weights[name]).clamp_min(SMALLEST_NORM)
        within, factors[name] = _within(grad, unit_norms(grad), limit)
        after[name] = grad.clone() if within is grad else within
    return after, factors


def unit_norms(tensor: Tensor) -> Tensor:
    """float64 norm of every unit: (rows,) of a matrix, () of a vector or a scalar."""
    return norm(tensor) if tensor.dim() < 2 else norm(tensor.flatten(1), dim=1)


def clip_step(delta: Tensors, max_norm: float) -> dict[str, Tensor]:
    """One step's ∂L/∂(states), {"h": (B, H), "c": (B, H)}, each sample to max_norm, all its states together.

    Any leading dimensions instead of B. Where a sample's norm is below max_norm nothing of it changes, to the bit. A
    mean over the batch has made each sample's share 1/B as large. What a chain of clipped steps yields is no longer a
    gradient of the loss.
    """
    return clipped_step(delta, max_norm)[0]


def clipped_step(
    delta: Tensors, max_norm: float | Tensor, look: bool = True
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """As `clip_step`, and each sample's norm before (B,) and factor (B,), both float64. A tensor is () and float64.

    `look`: whether there is anything to clip is looked at first, which spares most of the work where there is not. A
    GPU would have to be waited for; without it the numbers are the same to the bit.
    """
    size = norm if look else blind_norm
    norms = size(torch.stack([size(part, dim=-1) for part in delta.values()], -1), dim=-1)
    limit = max_norm if isinstance(max_norm, Tensor) else norms.new_full((), max_norm)
    found = {state: _within(part, norms, limit, look) for state, part in delta.items()}
    return {state: part for state, (part, _) in found.items()}, norms, next(iter(found.values()))[1]


def _within(values: Tensor, norms: Tensor, limit: Tensor, look: bool = True) -> tuple[Tensor, Tensor]:
    """(values brought down to the limit where the norm is above it, the factors); norms lead the values' dimensions.

    In float64, and divided by the norm first: the factor itself could underflow. NaN is not above the limit and stays.
    `look`: whether any is above it, before that is worked out.
    """
    fires = norms > limit
    factors = (limit / norms).masked_fill(~fires, 1.0)
    if look and not bool(fires.any()):
        return values, factors
    over = (..., *(None,) * (values.dim() - norms.dim()))
    smaller = (values.double() / norms[over] * limit.expand_as(norms)[over]).to(values.dtype)
    return torch.where(fires[over], smaller, values), factors
