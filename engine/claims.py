"""What a preset's text claims, in a form that is computed and not asserted. Plain data, no torch."""

from __future__ import annotations

import math
import re
from typing import Literal, TypeAlias, get_args

import numpy as np

from engine.errors import SpecError
from engine.requests import ClipReport, Excerpt
from engine.spec import Spec

ClaimQuantity: TypeAlias = Literal[
    "ratio_log10",
    "norm_log10",
    "max_log10",
    "min_log10",
    "argmax_step",
    "argmin_step",
    "inf_steps",
    "nan_steps",
    "zero_steps",
    "first_bad_step",
    "mean_value",
    "loss",
    "clip_norm_log10",
    "clip_dtype_norm_log10",
    "clip_after",
    "clip_factor",
    "clip_factor_log10",
    "clip_cosine",
]
QUANTITIES: tuple[str, ...] = get_args(ClaimQuantity)
"""
ratio_log10              the verdict's log₁₀ ratio: first step against last
norm_log10               log₁₀ of the norm of `key` at `step` (per sample, mean over the batch)
max_log10, min_log10     the largest and the smallest of those over the steps
argmax_step, argmin_step the step (from 1) at which the norm is largest or smallest, the first such step met going back
inf_steps, nan_steps, zero_steps   how many steps have such a norm
first_bad_step           the first step met going back whose norm is inf or NaN; 0 where there is none
mean_value               mean of the whole array of `key` (a value, of sample 0)
loss                     the loss
clip_norm_log10          log₁₀ of the global norm of the parameter gradients in float64
clip_dtype_norm_log10    the same as the trace's dtype computes it
clip_after               the global norm after clipping
clip_factor, clip_factor_log10, clip_cosine   of the clip report
"""


class Claim(Spec, frozen=True, kw_only=True):
    """One thing that a preset's text says."""

    says: str
    """The words, to the letter. A number in them is compared too."""
    quantity: ClaimQuantity
    low: float
    high: float
    key: str = "grads.h"
    step: int | None = None


def measure(claim: Claim, excerpt: Excerpt) -> float:
    """The claimed quantity, computed. Raises SpecError where the excerpt does not have it."""
    if claim.quantity == "loss":
        return excerpt.loss
    if claim.quantity == "ratio_log10":
        return excerpt.verdict.log10_ratio
    if claim.quantity == "mean_value":
        return float(np.mean(excerpt.arrays[claim.key], dtype=np.float64))
    if claim.quantity.startswith("clip_"):
        if excerpt.clip is None:
            raise SpecError(f"'{claim.says}' is about clipping, and this trace has none.")
        return _of_clip(claim.quantity, excerpt.clip)
    norms = np.asarray(excerpt.norms[claim.key], dtype=np.float64)
    return _of_norms(claim, norms[: excerpt.longest or len(norms)])


def _of_clip(quantity: ClaimQuantity, clip: ClipReport) -> float:
    if quantity == "clip_norm_log10":
        return log10(clip.norm)
    if quantity == "clip_dtype_norm_log10":
        return log10(clip.norm_in_dtype)
    if quantity == "clip_after":
        return math.hypot(*(row.after for row in clip.rows))
    if quantity == "clip_cosine":
        return clip.cosine
    return clip.factor if quantity == "clip_factor" else log10(clip.factor)


def _of_norms(claim: Claim, norms: np.ndarray) -> float:
    """`norms` (T,) float64, without the padding."""
    backwards = norms[::-1]
    steps = len(norms)
    match claim.quantity:
        case "norm_log10":
            if claim.step is None or not 1 <= claim.step <= steps:
                raise SpecError(f"'{claim.says}' needs a step from 1 to {steps}; it has {claim.step}.")
            return log10(norms[claim.step - 1])
        case "max_log10":
            return log10(np.max(norms))
        case "min_log10":
            return log10(np.min(norms))
        case "argmax_step":
            return float(steps - np.argmax(backwards))
        case "argmin_step":
            return float(steps - np.argmin(backwards))
        case "inf_steps":
            return float(np.isinf(norms).sum())
        case "nan_steps":
            return float(np.isnan(norms).sum())
        case "zero_steps":
            return float((norms == 0).sum())
        case "first_bad_step":
            bad = np.flatnonzero(~np.isfinite(backwards))
            return float(steps - bad[0]) if bad.size else 0.0
    raise SpecError(f"'{claim.quantity}' is no quantity of a claim.")


def log10(value: float) -> float:
    """log₁₀ with −inf for 0, and inf and NaN kept."""
    return math.log10(value) if value > 0 else (-math.inf if value == 0 else math.nan)


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER_OF_TEN = re.compile(r"10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_NUMBER = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-−]?\.\d+")


def stated(claim: Claim) -> float | None:
    """The number that the words state, in the unit of the quantity; None where they state none.

    "10⁻¹¹" states −11 for a quantity in log₁₀; a power of ten with a factor before it ("3·10⁻⁶") or a plain number
    states its logarithm there. "73 %" states .73. Raises SpecError where the words state two numbers.
    """
    text = claim.says.replace("−", "-")
    powers = _POWER_OF_TEN.findall(text)
    numbers = _NUMBER.findall(_POWER_OF_TEN.sub(" ", text))
    if len(powers) > 1 or len(numbers) > 1:
        raise SpecError(f"'{claim.says}' states more than one number.")
    if not powers and not numbers:
        return None
    value = float(numbers[0].replace(",", "")) if numbers else 1.0
    if "%" in text:
        value /= 100
    exponent = int(powers[0].translate(_SUPERSCRIPTS)) if powers else 0
    if claim.quantity.endswith("_log10"):
        return math.log10(value) + exponent
    return value * 10.0**exponent
