"""The gated recurrent unit (Cho et al. 2014) in the reset-after form of torch.nn.GRU and cuDNN.

    r, z = σ(a_r), σ(a_z)                       each a = W_ih x + b_ih + W_hh h₋ + b_hh
    q = W_hn h₋ + b_hn        a_n = W_in x + b_in + r ⊙ q        n = tanh(a_n)
    h = (1 − z) ⊙ n + z ⊙ h₋

    δh = e + δh₊ ⊙ z₊ + W_hrᵀ δa_r₊ + W_hzᵀ δa_z₊ + W_hnᵀ δq₊
    δz = δh ⊙ (h₋ − n)      δn = δh ⊙ (1 − z)      δa_n = δn ⊙ (1 − n²)
    δr = δa_n ⊙ q           δq = δa_n ⊙ r          δa_r = δr ⊙ r(1 − r)      δa_z = δz ⊙ z(1 − z)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 3, H) in the order r, z, n. The weights of
the input meet δa_n, those of the state meet δq: the two biases of n have different gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engine.cells.slopes import Slopes, joined, sigmoid_slope, tanh_slope, through_sigmoid, through_tanh


@dataclass(frozen=True, slots=True)
class GRU:
    gate_names: ClassVar[tuple[str, ...]] = ("a_r", "a_z", "a_n")
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    h_side_names: ClassVar[tuple[str, ...]] = ("a_r", "a_z", "q")

    def gates(self, x_side: Tensor, h_side: Tensor) -> dict[str, Tensor]:
        (x_r, x_z, x_n), (h_r, h_z, q) = x_side.unbind(-2), h_side.unbind(-2)
        a_r, a_z = x_r + h_r, x_z + h_z
        r = a_r.sigmoid()
        a_n = x_n + r * q
        return {"a_r": a_r, "a_z": a_z, "q": q, "a_n": a_n, "r": r, "z": a_z.sigmoid(), "n": a_n.tanh()}

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": (1 - v["z"]) * v["n"] + v["z"] * before["h"]}

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"]}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        r, z, n, q, dh = v["r"], v["z"], v["n"], v["q"], d["h"]
        dz, dn = dh * (before["h"] - n), dh * (1 - z)
        da_n = through_tanh(dn, n)
        dr, dq = da_n * q, da_n * r
        return {
            "r": dr, "z": dz, "n": dn, "q": dq,
            "a_r": through_sigmoid(dr, r), "a_z": through_sigmoid(dz, z), "a_n": da_n,
        }  # fmt: skip

    def carry(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"] * v["z"]}  # the leak

    def replay(
        self,
        v: Mapping[str, Tensor],
        h_before: Tensor,
        initial: Mapping[str, Tensor],
        scan: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> dict[str, Tensor]:
        return self.states(v, {"h": h_before})

    def slopes(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Slopes:
        r, z, n = v["r"], v["z"], v["n"]
        a = r.new_empty((*r.shape[:-1], 3, r.shape[-1]))
        a_n = (1 - z) * tanh_slope(n)
        torch.mul(a_n * v["q"], sigmoid_slope(r), out=a[..., 0, :])
        torch.mul(before["h"] - n, sigmoid_slope(z), out=a[..., 1, :])
        torch.mul(a_n, r, out=a[..., 2, :])
        return Slopes(a, kept=z)

    def rest(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"a_n": through_tanh(d["h"] * (1 - v["z"]), v["n"])}

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return joined([d["a_r"], d["a_z"], d["a_n"]])

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return joined([d["a_r"], d["a_z"], d["q"]])
