"""The vanilla recurrent network (Elman 1990), as in torch.nn.RNN.

    a = W_ih x + b_ih + W_hh h₋ + b_hh        h = φ(a), φ = tanh, ReLU, leaky ReLU (slope 0.01), σ or the identity

    δh = e + W_hhᵀ δa₊        δa = δh ⊙ φ′, φ′ = 1 − h² (tanh), 1[a > 0] (ReLU; 0 at a = 0, as in torch), h(1 − h) (σ)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 1, H). With layer normalisation the sum is s,
a = N(s) (engine.cells.norm), and what goes on to the weights is δs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engine.cells.hold import Hold, as_it_is
from engine.cells.norm import Norm
from engine.cells.room import Room, Stepper
from engine.cells.slopes import Slopes, both_biases, sigmoid_slope, tanh_slope, through_sigmoid, through_tanh
from engine.spec import Activation

LEAK = 0.01
"""Slope of the leaky ReLU below 0: torch's default."""


@dataclass(frozen=True, slots=True)
class RNN:
    activation: Activation = "tanh"
    norm: Norm | None = None

    gate_names: ClassVar[tuple[str, ...]] = ("a",)
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    sum_names: ClassVar[tuple[str, ...]] = ("a",)
    squashed: ClassVar[tuple[str, ...]] = ()

    def gates(self, x_side: Tensor, h_side: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        return self.squash(x_side + h_side, hold)

    def squash(self, s: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        if self.norm is None:
            return {"a": s.squeeze(-2)}
        return {"s": s.squeeze(-2), "a": self.norm.all(s).squeeze(-2)}

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        match self.activation:
            case "tanh":
                return {"h": v["a"].tanh()}
            case "relu":
                return {"h": v["a"].relu()}
            case "leaky_relu":
                return {"h": torch.nn.functional.leaky_relu(v["a"], LEAK)}
            case "sigmoid":
                return {"h": v["a"].sigmoid()}
            case "identity":
                return {"h": v["a"].clone()}

    def stepper(self, room: Room) -> Stepper:
        a, h = room.sums.squeeze(2).unbind(0), room.after["h"].unbind(0)
        match self.activation:
            case "tanh":
                return lambda t: torch.tanh(a[t], out=h[t])
            case "relu":
                return lambda t: torch.clamp_min(a[t], 0.0, out=h[t])
            case "leaky_relu":  # a line with LEAK below 0, and the steeper one above
                return lambda t: torch.maximum(a[t], torch.mul(a[t], LEAK, out=h[t]), out=h[t])
            case "sigmoid":
                return lambda t: torch.sigmoid(a[t], out=h[t])
            case "identity":
                return lambda t: h[t].copy_(a[t])

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"]}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        da = self._through(d["h"], v["h"])
        return {"a": da} if self.norm is None else {"a": da, "s": self.norm.back(v["s"], da, 0)}

    def _through(self, dh: Tensor, h: Tensor) -> Tensor:
        match self.activation:
            case "tanh":
                return through_tanh(dh, h)
            case "relu":  # no product: a dead unit stops an infinite gradient too
                return torch.where(h <= 0, torch.zeros_like(dh), dh)
            case "leaky_relu":
                return torch.where(h > 0, dh, dh * LEAK)
            case "sigmoid":
                return through_sigmoid(dh, h)
            case "identity":
                return dh.clone()

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
        match self.activation:
            case "tanh":
                slope = tanh_slope(h)
            case "relu":
                slope = (h > 0).to(h.dtype)
            case "leaky_relu":
                slope = torch.where(h > 0, h.new_ones(()), h.new_full((), LEAK))
            case "sigmoid":
                slope = sigmoid_slope(h)
            case "identity":
                slope = torch.ones_like(h)
        return Slopes(slope.unsqueeze(-2), single=True)

    @property
    def x_side_names(self) -> tuple[str, ...]:
        return ("a",) if self.norm is None else ("s",)

    @property
    def h_side_names(self) -> tuple[str, ...]:
        return self.x_side_names

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return d[self.x_side_names[0]].unsqueeze(-2)

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return self.x_side(d)

    def sums_of(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return weights["weight_ih"], both_biases(weights)
