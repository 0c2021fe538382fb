"""Two gradients of the same parameters side by side: norms, and the angle between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.norms import SAFE, norm, total

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pair:
    """Of one parameter, or of several together."""

    before: float
    """Norm, float64."""
    after: float
    cosine: float
    """NaN where either norm is zero or not finite."""

    @property
    def ratio(self) -> float:
        """after / before; NaN where that is not defined."""
        return self.after / self.before if self.before > 0 and math.isfinite(self.before) else math.nan


def compare(before: Tensors, after: Tensors) -> dict[str, Pair]:
    """Parameter by parameter. Tensors of the same names and shapes, any dtype."""
    return {name: _pair(before[name], after[name]) for name in before}


def together(pairs: Mapping[str, Pair]) -> Pair:
    """All of them as one vector."""
    found = list(pairs.values())
    before, after = total(pair.before for pair in found), total(pair.after for pair in found)
    if not (_usable(before) and _usable(after)):
        return Pair(before, after, math.nan)
    if all(pair.cosine == 1.0 and pair.before == pair.after for pair in found if pair.before > 0):
        return Pair(before, after, 1.0)
    weights = ((pair.cosine, (pair.before / before) * (pair.after / after)) for pair in found)
    # A part of length zero has no angle, and no say.
    return Pair(before, after, _within_one(math.fsum(cosine * weight for cosine, weight in weights if weight > 0)))


def _pair(before: Tensor, after: Tensor) -> Pair:
    size = float(norm(before))
    if after is before or torch.equal(after, before):
        return Pair(size, size, 1.0 if _usable(size) else math.nan)
    size_after = float(norm(after))
    if not (_usable(size) and _usable(size_after)):
        return Pair(size, size_after, math.nan)
    return Pair(size, size_after, _within_one(float(torch.dot(_unit(before, size), _unit(after, size_after)))))


def _unit(vector: Tensor, size: float) -> Tensor:
    unit = vector.double().flatten() / size
    # The norm of subnormal numbers is itself rounded to a few digits.
    return unit if size > SAFE[0] else unit / torch.linalg.vector_norm(unit)


def _usable(size: float) -> bool:
    return 0.0 < size < math.inf


def _within_one(cosine: float) -> float:
    return max(-1.0, min(1.0, cosine))
