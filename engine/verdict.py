"""The verdict on a gradient: vanishing, healthy or exploding, from one loss's row of the flow matrix."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.requests import Verdict

VANISHING_BELOW = 1e-6
EXPLODING_ABOVE = 1e6
"""Of the ratio between the first and the last step that the loss reaches."""


def verdict(row: NDArray[np.float64], longest: int | None = None, normal: float = 0.0) -> Verdict:
    """How the gradient of one loss fares on its way to step 1 from the last step that the loss reads.

    `row` is N[s, k] = ‖∂L_s/∂h_k‖, k = 1 …, per sample and then the mean over the samples that have step k; it is
    exactly 0 at the steps after the last one that the loss reads, for nothing comes back from there. What stands behind
    step `longest` is padding, no step of any sample (None: all are steps of some). 0/finite is vanishing, inf/finite
    exploding; a NaN, or a single step, leaves it undefined. Where the norm overflows on the way back, what comes after
    is inf − inf = NaN: exploding, not undefined.

    Healthy is only what stays within the thresholds all the way: where the norm leaves them and comes back, the verdict
    is about the step at which it is farthest out, and `first_step` is that step.

    The verdict is about the way alone. How large the norm is at all stands beside it: `log10_level`.

    `normal` is the smallest normal number of the type (engine.dtypes). A norm that ends below it stands on a floor
    where digits are lost: the ratio is then measured at the last step before that, unless that made another verdict.
    """
    row = row if longest is None else row[: max(1, longest)]
    reached = np.flatnonzero(row != 0)  # NaN is not 0 either
    last = int(reached[-1]) + 1 if reached.size else len(row)
    near, far = float(row[last - 1]), float(row[0])
    bad = np.flatnonzero(~np.isfinite(row[:last]))
    if bad.size and math.isinf(row[bad[-1]]):
        far = math.inf
    log10_ratio = _log10_ratio(far, near) if last > 1 else math.nan
    level = level_of(row[:last])
    found = Verdict(
        kind=_kind(log10_ratio),
        log10_ratio=log10_ratio,
        first_step=1,
        last_step=last,
        loss_step=last,
        log10_level=level,
    )
    subnormal = np.flatnonzero((row[:last] > 0) & (row[:last] < normal))
    if subnormal.size and far < normal:
        step = int(subnormal[-1]) + 1
        before = _log10_ratio(float(row[step]), near) if step < last else 0.0
        found = replace(found, subnormal_from=step, log10_normal=before)
        if far > 0 and step < last and _kind(before) == found.kind:
            found = replace(found, log10_ratio=before, first_step=step + 1)
    if found.kind != "healthy":
        return found
    ratios = [_log10_ratio(float(norm), near) for norm in row[:last]]
    farthest = max(range(last), key=lambda k: abs(ratios[k]))
    if _kind(ratios[farthest]) == "healthy":
        return found
    return replace(so_far(found, farthest + 1, float(row[farthest]), near), log10_level=level)


def level_of(norms: NDArray[np.float64]) -> float | None:
    """log₁₀ of the largest of some norms; None where there is none, or one is NaN or inf."""
    if not norms.size or not np.isfinite(norms).all():
        return None
    largest = float(norms.max())
    return math.log10(largest) if largest > 0 else -math.inf


def so_far(whole: Verdict, step: int, far: float, near: float) -> Verdict:
    """What the same rule says when the way back has come to a step before the first: `far` is the norm there, `near`
    that at the verdict's last step. Of the level nothing is said: it is that of the norms in between too."""
    log10_ratio = _log10_ratio(far, near)
    found = replace(whole, kind=_kind(log10_ratio), log10_ratio=log10_ratio, first_step=step, log10_level=None)
    return found if step <= whole.subnormal_from else replace(found, subnormal_from=0, log10_normal=0.0)


def _kind(log10_ratio: float) -> Literal["vanishing", "healthy", "exploding", "undefined"]:
    if math.isnan(log10_ratio):
        return "undefined"
    if log10_ratio < math.log10(VANISHING_BELOW):
        return "vanishing"
    return "exploding" if log10_ratio > math.log10(EXPLODING_ABOVE) else "healthy"


def _log10_ratio(far: float, near: float) -> float:
    """log₁₀(far/near) as a difference of logarithms, since the quotient itself can leave float64's range."""
    if math.isnan(far) or math.isnan(near) or far == near == 0.0 or math.isinf(near):
        return math.nan
    if far == 0.0:
        return -math.inf
    return math.inf if math.isinf(far) else math.log10(far) - math.log10(near)
