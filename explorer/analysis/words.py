"""What the sections say: numbers with what they mean, never more than what was measured."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis_requests import BlockPart, SlopePart
from explorer.analysis.chains import HistogramResult, SpectrumResult
from explorer.stage.scales import number
from explorer.stage.tracks.words import slope as signed
from explorer.widgets.numbers import short

NO_HALF_LIFE_YET = "The gradient's half-life is measured when the tape has come back to t\u00a0=\u00a01."
FEWEST = 4
"""Norms from which a slope may be read as a rate."""
STRAIGHT = 3.0
"""A rate is read off the line only where it falls by more than so many times its own scatter."""


def radius(block: BlockPart) -> str:
    if math.isnan(block.spectral_radius):
        return "The block holds NaN or inf: it has no eigenvalues."
    outside = int(np.count_nonzero(np.abs(block.eigenvalues) > 1))
    count = len(block.eigenvalues)
    where = "all inside the unit circle" if not outside else f"{outside:,} of {count:,} outside the unit circle"
    return f"spectral radius ρ = {short(block.spectral_radius)}, {where}\nlargest singular value σ_max = " + short(
        block.sigma_max
    )


def half_life(slope: SlopePart) -> str:
    """In words, and only where a straight line describes what was measured."""
    if math.isnan(slope.slope) or slope.used < FEWEST:
        if slope.used < slope.reached:
            return f"No half-life: of {slope.reached:,} norms {slope.used:,} are finite and not 0."
        return "No half-life: there are too few steps to measure one."
    rate = f"{signed(slope.slope)} decades a step"
    change = abs(slope.slope) * max(1, slope.used - 1)
    if change <= STRAIGHT * slope.residual:
        return f"No half-life: the gradient does not follow a straight line ({rate} ± {short(slope.residual, 2)})."
    steps = math.log10(2) / abs(slope.slope) if slope.slope else math.inf
    if math.isinf(steps):
        return "The gradient neither halves nor doubles."
    if steps < 1:
        found = f"the gradient is multiplied by {short(10.0**slope.slope, 2)} at each step back ({rate}, measured)"
    else:
        what = "half-life of the gradient" if slope.slope < 0 else "the gradient doubles every"
        found = f"{what} {short(steps, 2)} steps back ({rate}, measured)"
    if slope.used < slope.reached:
        found += f"; over the {slope.used:,} of {slope.reached:,} norms that are finite and not 0"
    return found


def lyapunov(result: SpectrumResult) -> str:
    if result.lyapunov is None:
        return ""
    found = result.lyapunov.exponents
    if not result.lyapunov.steps or np.isnan(found).any():
        return "Lyapunov exponents: none, since a Jacobian is not finite."
    dead = int(np.count_nonzero(np.isneginf(found)))
    top = float(found[0])
    if math.isinf(top):
        return f"Lyapunov exponents: all {len(found):,} are −∞: every direction is dead."
    factor = math.exp(top) if top < 700 else math.inf
    does = "the longest-lived direction grows by" if top > 0 else "even the longest-lived direction shrinks by"
    words = f"Largest Lyapunov exponent λ₁ = {short(top)} nats a step: {does} × {short(factor)} a step"
    alive = found[np.isfinite(found)]
    if len(found) > 1:
        words += f"; smallest {short(float(alive[-1]))}"
    if dead:
        words += f", and {dead:,} of {len(found):,} −∞ (dead)"
    return words + "."


def singular(result: SpectrumResult) -> str:
    """The largest singular value over the steps, and what is dead at the end of the product."""
    tops = result.step[:, 0]
    known = tops[~np.isnan(tops)]
    if not len(known):
        return "No step has a Jacobian that is finite."
    parts = [f"σ_max of a step: {power(float(known.min()))} … {power(float(known.max()))}"]
    end = result.product_dead[-1 if result.reverse else 0] if len(result.product_dead) else 0
    if end:
        parts.append(f"{int(end):,} of {result.size:,} directions of the product are dead (−∞)")
    if len(known) < len(tops):
        parts.append(f"{len(tops) - len(known):,} steps have NaN or inf in their Jacobian, or are masked")
    return "; ".join(parts) + "."


def power(log10: float) -> str:
    if math.isinf(log10):
        return "0" if log10 < 0 else "∞"
    return short(10.0**log10) if abs(log10) < 300 else f"1e{round(log10)}"


def bound(slope: SlopePart) -> str:
    return f"Pascanu's bound: {slope.bound}" if not math.isnan(slope.factor) else slope.bound


def extent(result: SpectrumResult) -> str:
    if result.chosen == result.total_steps:
        return ""
    return f"{result.chosen:,} evenly spaced of {result.total_steps:,} steps; the product goes through all."


CLASSES = ("exactly 0", "below the range", "above the range", "infinite", "not a number")


def class_counts(result: HistogramResult) -> tuple[int, ...]:
    c = result.counts
    return c.zero, c.below, c.above, c.inf, c.nan


def histogram(result: HistogramResult) -> str:
    c = result.counts
    total = c.total
    parts = [f"{total:,} numbers" + ("" if result.whole else f" of the first {c.stop:,} steps")]
    if c.largest > 0:
        parts.append(f"from {short(c.smallest)} to {short(c.largest)}")
    odd = [f"{n:,} {name}" for name, n in zip(CLASSES, class_counts(result), strict=True) if n]
    if c.subnormal:
        odd.append(f"{c.subnormal:,} subnormal")
    return " ".join(parts) + ("; " + ", ".join(odd) if odd else "") + "."


def bar(result: HistogramResult, place: int) -> str:
    """One bar: the bins from the low end, then the classes."""
    c, total = result.counts, max(1, result.counts.total)
    if place < len(c.bins):
        low, high = (result.choice.low + p / result.per_decade for p in (place, place + 1))
        name, count = f"{edge(low)} … {edge(high)}", int(c.bins[place])
    else:
        name, count = CLASSES[place - len(c.bins)], class_counts(result)[place - len(c.bins)]
    return f"{name}: {count:,} of {total:,} numbers ({short(100 * count / total, 2)} %)"


def edge(log10: float) -> str:
    whole = math.floor(log10)
    return f"1e{whole}" if log10 == whole else f"{number(10.0 ** (log10 - whole))[:4]}e{whole}"


def sentence(text: str) -> str:
    """With a capital letter at its head and a full stop at its end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
