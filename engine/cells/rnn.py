"""The vanilla recurrent network (Elman 1990), as in torch.nn.RNN.

    a = W_ih x + b_ih + W_hh h₋ + b_hh        h = φ(a), φ = tanh or ReLU

    δh = e + W_hhᵀ δa₊        δa = δh ⊙ φ′, φ′ = 1 − h² (tanh) or 1[a > 0] (ReLU; 0 at a = 0, as in torch)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 1, H).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from engine.cells.slopes import Slopes, tanh_slope, through_tanh


@dataclass(frozen=True, slots=True)
class RNN:
    activation: Literal["tanh", "relu"] = "tanh"

    gate_names: ClassVar[tuple[str, ...]] = ("a",)
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    h_side_names: ClassVar[tuple[str, ...]] = ("a",)

    def gates(self, x_side: Tensor, h_side: Tensor) -> dict[str, Tensor]:
        return self.squash(x_side + h_side)

    def squash(self, a: Tensor) -> dict[str, Tensor]:
        return {"a": a.squeeze(-2)}

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": v["a"].tanh() if self.activation == "tanh" else v["a"].relu()}

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"]}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        h, dh = v["h"], d["h"]
        if self.activation == "relu":  # no product: a dead unit stops an infinite gradient too
            return {"a": torch.where(h <= 0, torch.zeros_like(dh), dh)}
        return {"a": through_tanh(dh, h)}

    def carry(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}

    def replay(
        self,
        v: Mapping[str, Tensor],
        h_before: Tensor,
        initial: Mapping[str, Tensor],
        scan: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> dict[str, Tensor]:
        return self.states(v, {"h": h_before})

    def slopes(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Slopes:
        h = v["h"]
        slope = (h > 0).to(h.dtype) if self.activation == "relu" else tanh_slope(h)
        return Slopes(slope.unsqueeze(-2), single=True)

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return d["a"].unsqueeze(-2)

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return d["a"].unsqueeze(-2)
