"""Layer normalisation inside a cell (Ba et al. 2016), each gate by itself: a joint one would mix the routes.

ŝ = (s − μ)/√(σ² + ε)        a = γ ⊙ ŝ + β        μ, σ² over the gate's H units, σ² without Bessel's correction

δs = (γ⊙δa − mean(γ⊙δa) − ŝ · mean(γ⊙δa⊙ŝ)) / √(σ² + ε)        δγ = Σ δa ⊙ ŝ        δβ = Σ δa
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Norm:
    """Shapes: (..., H) for one gate, whose place among the row blocks is `gate`; (..., G, H) for all of them."""

    weight: Tensor
    """γ, (G, H)."""
    bias: Tensor
    """β, (G, H)."""
    eps: float

    def all(self, s: Tensor) -> Tensor:
        """a of every gate, (..., G, H)."""
        standard, _ = self.standard(s)
        return standard * self.weight + self.bias

    def one(self, s: Tensor, gate: int) -> Tensor:
        standard, _ = self.standard(s)
        return standard * self.weight[gate] + self.bias[gate]

    def back(self, s: Tensor, da: Tensor, gate: int) -> Tensor:
        """∂L/∂s from ∂L/∂a. An exact 0 of the whole gate stays one."""
        standard, scale = self.standard(s)
        g = da * self.weight[gate]
        return (g - g.mean(-1, keepdim=True) - standard * (g * standard).mean(-1, keepdim=True)) * scale

    def terms(self, s: Mapping[str, Tensor], d: Mapping[str, Tensor], names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """What every step contributes to δγ and δβ, (..., G, H), before it is summed over steps and samples.

        `names`: the gates' "a_i", in their order.
        """
        standard = [self.standard(s["s" + name[1:]])[0] for name in names]
        gamma = torch.stack([d[name] * one for name, one in zip(names, standard, strict=True)], -2)
        return gamma, torch.stack([d[name] for name in names], -2)

    def standard(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """ŝ, and 1/√(σ² + ε) as (..., 1)."""
        centred = s - s.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return centred * scale, scale
