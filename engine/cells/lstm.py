"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), as in torch.nn.LSTM.

    i, f, o = σ(a_i), σ(a_f), σ(a_o)        g = tanh(a_g)        each a = W_ih x + b_ih + W_hh h₋ + b_hh
    c = f ⊙ c₋ + i ⊙ g
    h = o ⊙ tanh(c)

    δh = e + W_hhᵀ δa₊                δc = δc₊ ⊙ f₊ + δh ⊙ o ⊙ (1 − tanh²c)
    δi = δc ⊙ g      δf = δc ⊙ c₋     δg = δc ⊙ i     δo = δh ⊙ tanh(c)
    δa = δi ⊙ i(1 − i),  δf ⊙ f(1 − f),  δg ⊙ (1 − g²),  δo ⊙ o(1 − o)

e is the direct ∂L/∂h, and ₊ the step after. Shapes: (..., H), sides (..., 4, H) in the order i, f, g, o. With layer
normalisation the sums are s, each a = N(s) (engine.cells.norm), and what goes on to the weights is δs.
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

_SUMS = ("s_i", "s_f", "s_g", "s_o")


@dataclass(frozen=True, slots=True)
class LSTM:
    norm: Norm | None = None

    gate_names: ClassVar[tuple[str, ...]] = ("a_i", "a_f", "a_g", "a_o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    sum_names: ClassVar[tuple[str, ...]] = ("a_i", "a_f", "a_g", "a_o")
    squashed: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")

    def gates(self, x_side: Tensor, h_side: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        return self.squash(x_side + h_side, hold)

    def squash(self, s: Tensor, hold: Hold = as_it_is) -> dict[str, Tensor]:
        a_i, a_f, a_g, a_o = (s if self.norm is None else self.norm.all(s)).unbind(-2)
        sums = {} if self.norm is None else dict(zip(_SUMS, s.unbind(-2), strict=True))
        return sums | {
            "a_i": a_i, "a_f": a_f, "a_g": a_g, "a_o": a_o,
            "i": hold("i", a_i.sigmoid()), "f": hold("f", a_f.sigmoid()),
            "g": hold("g", a_g.tanh()), "o": hold("o", a_o.sigmoid()),
        }  # fmt: skip

    def states(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        c = v["f"] * before["c"] + v["i"] * v["g"]
        return {"h": v["o"] * c.tanh(), "c": c}

    def stepper(self, room: Room) -> Stepper:
        a, y = room.sums.unbind(0), room.gates.transpose(1, 2).unbind(0)
        a_g, y_g = room.sums[:, :, 2].unbind(0), room.gates[:, 2].unbind(0)
        assert room.tanh_c is not None
        made, squashed = room.after["c"].unbind(0), room.tanh_c.unbind(0)
        steps, multiply, add = room.steps, room.operations.multiply, room.operations.add
        i, f, g, o = (steps(gate) for gate in room.gates.unbind(1))
        c_before, c, tanh_c, h = (
            steps(array) for array in (room.before["c"], room.after["c"], room.tanh_c, room.after["h"])
        )
        i_g = room.operations.empty_like(h[0])

        def step(t: int) -> None:
            torch.sigmoid(a[t], out=y[t])  # of all four: one call less, and g is overwritten
            torch.tanh(a_g[t], out=y_g[t])
            room.hold(t, "ifgo")
            multiply(i[t], g[t], out=i_g)
            multiply(f[t], c_before[t], out=c[t])
            add(c[t], i_g, out=c[t])
            torch.tanh(made[t], out=squashed[t])
            multiply(o[t], tanh_c[t], out=h[t])

        return step

    def join(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"h": d["h"], "c": d["c"] + through_tanh(d["h"] * v["o"], v["c"].tanh())}

    def back(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        i, f, g, o = v["i"], v["f"], v["g"], v["o"]
        di, df, dg, do = d["c"] * g, d["c"] * before["c"], d["c"] * i, d["h"] * v["c"].tanh()
        found = {
            "i": di, "f": df, "g": dg, "o": do,
            "a_i": through_sigmoid(di, i, v.get("held_i")), "a_f": through_sigmoid(df, f, v.get("held_f")),
            "a_g": through_tanh(dg, g, v.get("held_g")), "a_o": through_sigmoid(do, o, v.get("held_o")),
        }  # fmt: skip
        if self.norm is not None:
            for gate, (s, a) in enumerate(zip(_SUMS, self.gate_names, strict=True)):
                found[s] = self.norm.back(v[s], found[a], gate)
        return found

    def carry(self, v: Mapping[str, Tensor], d: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"c": d["c"] * v["f"]}  # the carousel

    def replay(
        self,
        v: Mapping[str, Tensor],
        h_before: Tensor,
        initial: Mapping[str, Tensor],
        scan: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> dict[str, Tensor]:
        c = scan(v["f"], v["i"] * v["g"], initial["c"])
        tanh_c = c.tanh()
        return {"h": v["o"] * tanh_c, "c": c, "tanh_c": tanh_c}

    def slopes(self, v: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Slopes:
        i, f, g, o = v["i"], v["f"], v["g"], v["o"]
        tanh_c = v["tanh_c"] if "tanh_c" in v else v["c"].tanh()
        a = i.new_empty((*i.shape[:-1], 4, i.shape[-1]))
        torch.mul(g, sigmoid_slope(i, v.get("held_i")), out=a[..., 0, :])
        torch.mul(before["c"], sigmoid_slope(f, v.get("held_f")), out=a[..., 1, :])
        torch.mul(i, tanh_slope(g, v.get("held_g")), out=a[..., 2, :])
        torch.mul(tanh_c, sigmoid_slope(o, v.get("held_o")), out=a[..., 3, :])
        return Slopes(a, blocks_on_c=3, c_to_h=o * tanh_slope(tanh_c), kept=f)

    @property
    def x_side_names(self) -> tuple[str, ...]:
        return self.gate_names if self.norm is None else _SUMS

    @property
    def h_side_names(self) -> tuple[str, ...]:
        return self.x_side_names

    def x_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return joined([d[name] for name in self.x_side_names])

    def h_side(self, d: Mapping[str, Tensor]) -> Tensor:
        return self.x_side(d)

    def sums_of(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        return weights["weight_ih"], both_biases(weights)
