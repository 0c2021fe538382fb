"""Clipping of the parameter gradients by global norm, with the semantics of torch.nn.utils.clip_grad_norm_.

grad ·= min(1, max_norm / (total + 1e-6)), where torch computes the total in the gradients' own dtype. That total can
overflow while every gradient is finite (then all of them become 0), and one inf makes inf·0 = NaN: the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.figures import figure
from engine.norms import norm, total
from engine.requests import ClipReport, ClipRow
from engine.spec import ClipSpec

EPSILON = 1e-6
"""Torch adds it to the total norm."""


@dataclass(frozen=True, eq=False)
class Clipped:
    grads: dict[str, Tensor]
    report: ClipReport


def factor_in_dtype(grads: Mapping[str, Tensor], clip: ClipSpec) -> tuple[Tensor, Tensor]:
    """(global norm, factor) as torch computes them: scalars in the gradients' dtype."""
    norm_in_dtype = torch.nn.utils.get_total_norm(list(grads.values()), 2.0, error_if_nonfinite=False)
    if clip.kind == "none":
        return norm_in_dtype, torch.ones_like(norm_in_dtype)
    return norm_in_dtype, torch.clamp(clip.max_norm / (norm_in_dtype + EPSILON), max=1.0)


def clip_grads(grads: Mapping[str, Tensor], clip: ClipSpec) -> dict[str, Tensor]:
    """The gradients as torch would leave them, to the bit; new tensors. What an update needs and nothing else."""
    return dict(grads) if clip.kind == "none" else _times(grads, factor_in_dtype(grads, clip)[1])


def _times(grads: Mapping[str, Tensor], factor: Tensor) -> dict[str, Tensor]:
    return dict(zip(grads, torch._foreach_mul(list(grads.values()), factor), strict=True))


def clipped(grads: Mapping[str, Tensor], clip: ClipSpec) -> Clipped:
    """The gradients as torch would leave them, and the report on what happened. Norms in the report are float64."""
    in_dtype = factor_in_dtype(grads, clip)
    norm_in_dtype, factor = (float(number) for number in in_dtype)
    after = dict(grads) if clip.kind == "none" else _times(grads, in_dtype[1])
    sizes = {name: float(norm(grad)) for name, grad in grads.items()}
    rows = tuple(
        ClipRow(name, size, size if after[name] is grads[name] else float(norm(after[name])))
        for name, size in sizes.items()
    )
    norm_before = total(row.before for row in rows)
    report = ClipReport(
        kind=clip.kind,
        max_norm=clip.max_norm,
        norm=norm_before,
        norm_in_dtype=norm_in_dtype,
        factor=factor,
        cosine=_cosine(grads, after, norm_before, total(row.after for row in rows)),
        rows=rows,
        sentence=_sentence(grads, clip, norm_before, norm_in_dtype, factor),
    )
    return Clipped(after, report)


def _cosine(before: Mapping[str, Tensor], after: Mapping[str, Tensor], norm_before: float, norm_after: float) -> float:
    """Cosine of the angle between two gradients, all parameters together; NaN where it is not defined."""
    if not (0.0 < norm_before < math.inf and 0.0 < norm_after < math.inf):
        return math.nan
    if all(after[name] is before[name] for name in before):
        return 1.0
    products = (
        float(torch.dot(before[name].double().flatten() / norm_before, after[name].double().flatten() / norm_after))
        for name in before
    )
    return max(-1.0, min(1.0, math.fsum(products)))


def _sentence(
    grads: Mapping[str, Tensor], clip: ClipSpec, norm_before: float, norm_in_dtype: float, factor: float
) -> str:
    if clip.kind == "none":
        return "Nothing is clipped: this experiment has no clipping."
    dtype = str(next(iter(grads.values())).dtype).removeprefix("torch.")
    if math.isnan(norm_in_dtype):
        return "A gradient is NaN, so the norm and the factor are NaN too, and clipping makes every gradient NaN."
    if any(bool(torch.isinf(grad).any()) for grad in grads.values()):
        return "A gradient is inf, so the factor is 0: inf · 0 is NaN, and clipping makes all other gradients 0."
    if math.isinf(norm_in_dtype):
        return (
            f"Every gradient is finite, but their norm, {figure(norm_before)}, overflows {dtype} to inf: "
            "the factor is 0, and clipping makes every gradient 0."
        )
    if factor == 1.0:
        return f"Nothing was clipped: the norm, {figure(norm_before)}, is below {figure(clip.max_norm)}."
    if factor == 0.0:
        return (
            f"The norm, {figure(norm_before)}, is so far above {figure(clip.max_norm)} that the factor underflows "
            f"{dtype} to 0: clipping makes every gradient 0."
        )
    return f"Clipped: the norm was {figure(norm_before)}; every gradient was multiplied by {figure(factor)}."
