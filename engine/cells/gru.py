"""The gated recurrent unit (Cho et al. 2014) in the reset-after form of torch.nn.GRU and cuDNN.

    r, z = σ(a_r), σ(a_z)                       each a = W_ih x + b_ih + W_hh h₋ + b_hh
    q = W_hn h₋ + b_hn        a_n = W_in x + b_in + r ⊙ q        n = tanh(a_n)
    h = (1 − z) ⊙ n + z ⊙ h₋

    δh = e + δh₊ ⊙ z₊ + W_hrᵀ δa_r₊ + W_hzᵀ δa_z₊ + W_hnᵀ δq₊
    δz = δh ⊙ (h₋ − n)      δn = δh ⊙ (1 − z)      δa_n = δn ⊙ (1 − n²)
    δr = δa_n ⊙ q           δq = δa_n ⊙ r          δa_r = δr ⊙ r(1 − r)      δa_z = δz ⊙ z(1 − z)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 3, H) in the order r, z, n. The weights of
the input meet δa_n, those of the state meet δq: the two biases of n have different gradients. With layer normalisation
the sums are s (s_n = W_in x + b_in + r ⊙ q), each a = N(s) (engine.cells.norm), and δs stands where δa does for what
goes on to the weights, to q and to r.
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
from engine.cells.slopes import Slopes, both_biases, joined, sigmoid_slope, tanh_slope, through_sigmoid, through_tanh

_SUMS = ("s_r", "s_z", "s_n")


@dataclass(frozen=True, slots=True)
class GRU:
    norm: Norm | None = None

    gate_names: ClassVar[tuple[str, ...]] = ("a_r", "a_z", "a_n")
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    sum_names: ClassVar[tuple[str, ...]] = ("a_r", "a_z", "q", "a_n")
    squashed: ClassVar[tuple[str, ...]] = ("r", "z", "n")

    def gates(self, x_side: Tensor, h_side: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        (x_r, x_z, x_n), (h_r, h_z, q) = x_side.unbind(-2), h_side.unbind(-2)
        s_r, s_z = x_r + h_r, x_z + h_z
        a_r, a_z = self._normed(s_r, 0), self._normed(s_z, 1)
        r, z = hold("r", a_r.sigmoid()), hold("z", a_z.sigmoid())
        s_n = x_n + r * q
        a_n = self._normed(s_n, 2)
        sums = {} if self.norm is None else {"s_r": s_r, "s_z": s_z, "s_n": s_n}
        return sums | {"a_r": a_r, "a_z": a_z, "q": q, "a_n": a_n, "r": r, "z": z, "n": hold("n", a_n.tanh())}

    def _normed(self, s: Tensor, gate: int) -> Tensor:
        return s if self.norm is None else self.norm.one(s, gate)

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": (1 - v["z"]) * v["n"] + v["z"] * before["h"]}

    def stepper(self, room: Room) -> Stepper:
        a_rz, y_rz = room.sums[:, :, :2].unbind(0), room.gates[:, :2].transpose(1, 2).unbind(0)
        made, squashed = room.sums[:, :, 3].unbind(0), room.gates[:, 2].unbind(0)
        steps, multiply, add, subtract = (
            room.steps, room.operations.multiply, room.operations.add, room.operations.subtract
        )  # fmt: skip
        q, a_n = steps(room.sums[:, :, 2]), steps(room.sums[:, :, 3])
        r, z, n = (steps(gate) for gate in room.gates.unbind(1))
        h_before, h = steps(room.before["h"]), steps(room.after["h"])
        one, new = room.operations.ones_like(h[0]), room.operations.empty_like(h[0])

        def step(t: int) -> None:
            torch.sigmoid(a_rz[t], out=y_rz[t])
            room.hold(t, "rz")
            multiply(r[t], q[t], out=new)
            add(a_n[t], new, out=a_n[t])
            torch.tanh(made[t], out=squashed[t])
            room.hold(t, "n")
            subtract(one, z[t], out=new)
            multiply(new, n[t], out=new)
            multiply(z[t], h_before[t], out=h[t])
            add(new, h[t], out=h[t])

        return step

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"]}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        r, z, n, q, dh = v["r"], v["z"], v["n"], v["q"], d["h"]
        dz, dn = dh * (before["h"] - n), dh * (1 - z)
        da_n = through_tanh(dn, n, v.get("held_n"))
        ds_n = da_n if self.norm is None else self.norm.back(v["s_n"], da_n, 2)
        dr, dq = ds_n * q, ds_n * r
        da_r, da_z = through_sigmoid(dr, r, v.get("held_r")), through_sigmoid(dz, z, v.get("held_z"))
        found = {"r": dr, "z": dz, "n": dn, "q": dq, "a_r": da_r, "a_z": da_z, "a_n": da_n}
        if self.norm is not None:
            found |= {"s_r": self.norm.back(v["s_r"], da_r, 0), "s_z": self.norm.back(v["s_z"], da_z, 1), "s_n": ds_n}
        return found

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
        a_n = (1 - z) * tanh_slope(n, v.get("held_n"))
        torch.mul(a_n * v["q"], sigmoid_slope(r, v.get("held_r")), out=a[..., 0, :])
        torch.mul(before["h"] - n, sigmoid_slope(z, v.get("held_z")), out=a[..., 1, :])
        torch.mul(a_n, r, out=a[..., 2, :])
        return Slopes(a, kept=z)

    def rest(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"a_n": through_tanh(d["h"] * (1 - v["z"]), v["n"], v.get("held_n"))}

    @property
    def x_side_names(self) -> tuple[str, ...]:
        return self.gate_names if self.norm is None else _SUMS

    @property
    def h_side_names(self) -> tuple[str, ...]:
        return (*self.x_side_names[:2], "q")

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return joined([d[name] for name in self.x_side_names])

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return joined([d[name] for name in self.h_side_names])

    def sums_of(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        # r, z, and q, which takes nothing of x but has a bias, and what r ⊙ q is added to.
        rz_ih, n_ih = weights["weight_ih"].tensor_split([2 * len(weights["weight_ih"]) // 3])
        both = both_biases(weights)
        if both is not None:
            rz = both[: len(rz_ih)]
            both = torch.cat([rz, weights["bias_hh"][len(rz) :], weights["bias_ih"][len(rz) :]])
        return torch.cat([rz_ih, torch.zeros_like(n_ih), n_ih]), both
