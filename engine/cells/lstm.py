"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), as in torch.nn.LSTM.

    i, f, o = σ(a_i), σ(a_f), σ(a_o)        g = tanh(a_g)        each a = W_ih x + b_ih + W_hh h₋ + b_hh
    c = f ⊙ c₋ + i ⊙ g
    h = o ⊙ tanh(c)

    δh = e + W_hhᵀ δa₊                δc = δc₊ ⊙ f₊ + δh ⊙ o ⊙ (1 − tanh²c)
    δi = δc ⊙ g      δf = δc ⊙ c₋     δg = δc ⊙ i     δo = δh ⊙ tanh(c)
    δa = δi ⊙ i(1 − i),  δf ⊙ f(1 − f),  δg ⊙ (1 − g²),  δo ⊙ o(1 − o)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 4, H) in the order i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engine.cells.slopes import through_sigmoid, through_tanh


@dataclass(frozen=True, slots=True)
class LSTM:
    gate_names: ClassVar[tuple[str, ...]] = ("a_i", "a_f", "a_g", "a_o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def gates(self, x_side: Tensor, h_side: Tensor) -> dict[str, Tensor]:
        a_i, a_f, a_g, a_o = (x_side + h_side).unbind(-2)
        return {
            "a_i": a_i, "a_f": a_f, "a_g": a_g, "a_o": a_o,
            "i": a_i.sigmoid(), "f": a_f.sigmoid(), "g": a_g.tanh(), "o": a_o.sigmoid(),
        }  # fmt: skip

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        c = v["f"] * before["c"] + v["i"] * v["g"]
        return {"h": v["o"] * c.tanh(), "c": c}

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"], "c": d["c"] + through_tanh(d["h"] * v["o"], v["c"].tanh())}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        i, f, g, o = v["i"], v["f"], v["g"], v["o"]
        di, df, dg, do = d["c"] * g, d["c"] * before["c"], d["c"] * i, d["h"] * v["c"].tanh()
        return {
            "i": di, "f": df, "g": dg, "o": do,
            "a_i": through_sigmoid(di, i), "a_f": through_sigmoid(df, f),
            "a_g": through_tanh(dg, g), "a_o": through_sigmoid(do, o),
        }  # fmt: skip

    def carry(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"c": d["c"] * v["f"]}  # the carousel

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([d["a_i"], d["a_f"], d["a_g"], d["a_o"]], -2)

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return self.x_side(d)
