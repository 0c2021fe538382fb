"""The one measure of agreement: the largest over the steps of ‖ours_t − reference_t‖ / ‖reference_t‖.

A norm over the whole array would hide exactly what this program is about: with the gradient zeroed in the first 200 of
250 steps it stays at 5e-8.

That quotient alone would fail what is right: a step can be a single number whose terms almost cancelled, and then no
computation in this precision knows it to 1e-4 of itself. So the denominator has a floor, such that an error of
ROUNDINGS·eps of the terms' size (engine.rounding) is just within the tolerance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROUNDINGS = 8
"""So many units of eps of its terms' size may a sum be off, whatever is left of it."""
NARROW = (torch.float16, torch.bfloat16)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4} | {t: ROUNDINGS * torch.finfo(t).eps for t in NARROW}
"""The narrow types have no digits to spare: eight roundings are 8e-3 in float16 and 6e-2 in bfloat16. What adds up over
the steps is in the size of the terms (engine.rounding), and nothing of that forgives an error as large as the number
itself: a gradient that is 0 where it should not be fails in every type."""


def step_errors(
    ours: Tensor,
    reference: Tensor,
    terms: Tensor | None = None,
    dtype: torch.dtype | None = None,
    between: torch.dtype | None = None,
) -> Tensor:
    """(T,) float64: the relative error of each step of two arrays (T, …) of one type.

    `terms`, of the same shape, float64: Σ|x| where an entry is Σx; where it is not finite, nothing is forgiven.
    `dtype`: what they were rounded to, where that is not the type of the arrays. `between`: what the terms were rounded
    to before they were added, where that is narrower still.

    Norms are float64 and cannot overflow. 0/0 is 0. inf and NaN must stand in the same places, else the error is inf;
    where they do, the rest of the step is compared. An entry of the reference below the type's smallest normal
    number weighs as much as that number: there, an error counts in units in the last place.
    """
    floor = torch.finfo(reference.dtype).tiny
    a, b = ours.double().flatten(1), reference.double().flatten(1)
    elsewhere = ~((a == b) | (a.isfinite() & b.isfinite()) | (a.isnan() & b.isnan())).all(1)
    finite = a.isfinite() & b.isfinite()
    a, b = torch.where(finite, a, 0.0), torch.where(finite, b, 0.0)
    scale = torch.maximum(a.abs().amax(1), b.abs().amax(1)).clamp_min(floor)[:, None]
    a, b = a / scale, b / scale
    size = torch.linalg.vector_norm(torch.maximum(b.abs(), floor / scale), dim=1)
    if terms is not None:
        rounded = dtype or reference.dtype
        share = ROUNDINGS * torch.finfo(between or rounded).eps / TOLERANCE[rounded]
        flat = terms.flatten(1)
        usable = torch.where(finite & flat.isfinite(), flat, 0.0) / scale
        size = torch.maximum(size, share * torch.linalg.vector_norm(usable, dim=1))
    errors = torch.linalg.vector_norm(a - b, dim=1) / size
    return torch.where(elsewhere, math.inf, errors)


def worst_step(
    ours: Tensor,
    reference: Tensor,
    terms: Tensor | None = None,
    dtype: torch.dtype | None = None,
    between: torch.dtype | None = None,
) -> tuple[float, int]:
    """The largest of the steps' errors and where it is, t from 1."""
    if ours.shape != reference.shape or ours.dtype != reference.dtype:
        return math.inf, 1
    errors = step_errors(ours, reference, terms, dtype, between)
    t = int(errors.argmax())
    return float(errors[t]), t + 1
