"""One step back for many losses at once, each loss a row of its own beside the samples: by slopes, or by factors.

Shapes: N losses, n of them that are there, B samples, H units, G row blocks of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

ROWS = 16
"""Rows come in so many at a time: those whose losses are not there yet are 0, and stay so where slopes are finite."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """The slopes of a stretch of steps, by each step's place in it."""

    whole: Tensors
    """(steps, …) each, by name; what follows is made of them."""
    of_c: Sequence[Tensor]
    """(B, blocks, H), of the blocks that act on c."""
    of_h: Sequence[Tensor]
    c_to_h: Sequence[Tensor]
    """(B, H); none where there is no c."""
    kept: Sequence[Tensor]
    """(B, H); none where nothing goes past the weights."""
    x_only: Sequence[tuple[int, Sequence[Tensor]]]
    """Row blocks whose slope is another one on the input's side of the weights (of the GRU's a_n, not of q)."""
    odd: Sequence[bool]
    """Where a slope is 0 or subnormal, so that its product may have underflowed, which one factor after the other does
    not; or where it is no finite number."""

    @classmethod
    def of(cls, whole: Tensors, on_c: int, odd: Sequence[bool] = ()) -> Prepared:
        """`whole`: "slopes" (steps, B, G, H), the first `on_c` of them of blocks that act on c; where there is such a
        thing "c_to_h" and "kept" (steps, B, H), and "x 2" (steps, B, H) of a row block of the input's side."""
        slopes, names = whole["slopes"], ("c_to_h", "kept")
        c_to_h, kept = (whole[name].unbind(0) if name in whole else () for name in names)
        x_only = [(int(name[2:]), array.unbind(0)) for name, array in whole.items() if name.startswith("x ")]
        return cls(whole, slopes[:, :, :on_c].unbind(0), slopes[:, :, on_c:].unbind(0), c_to_h, kept, x_only, odd)


class Block:
    """The arrays of a block of losses, and views of their first rows, those that are there and at most 15 more."""

    def __init__(self, like: Tensor, shape: tuple[int, int, int], on_c: int, losses: int, steps: int) -> None:
        """`shape`: B, G, H. `on_c`: so many of the first row blocks act on c."""
        B, G, H = shape
        new = like.new_zeros
        self.slots = new(steps + 1, losses, B, H)
        """δh at the steps of a stretch, and of the first one behind it. Rows that are not there yet are 0."""
        self._carried, self._dc, self._da = new(losses, B, H), new(losses, B, H), new(losses, B, G, H)
        self._on_c = on_c
        self._shown = 0

    def show(self, n: int) -> None:
        """At least the first n rows."""
        if n <= self._shown:
            return
        n = self._shown = min(n + -n % ROWS, self.slots.shape[1])
        self.carried, self.dc, self.da = self._carried[:n], self._dc[:n], self._da[:n]
        self.dc_wide = self.dc.unsqueeze(2)
        self.da_of_c, self.da_of_h = self.da[:, :, : self._on_c], self.da[:, :, self._on_c :]
        self.flat_da = self.da.flatten(0, 1).flatten(1)
        self.dh = self.slots[:, :n].unbind(0)
        """By place: (n, B, H), and the same memory as (n, B, 1, H) and (n · B, H)."""
        self.wide_dh = [dh.unsqueeze(2) for dh in self.dh]
        self.flat_dh = [dh.flatten(0, 1) for dh in self.dh]


def by_slopes(
    slopes: Prepared, at: int, block: Block, place: int, weight_hh: Tensor, mask: Tensor | None, of_input: bool
) -> Tensor:
    """A step back: what reaches c₋, and h₋ (in the next place). Returns δa (n · B, G·H), on the input's side of the
    weights where that is asked for. `at`: the step's place among the slopes; `mask`, of recurrent dropout."""
    dh, to = block.dh[place], block.flat_dh[place + 1]
    if slopes.c_to_h:
        torch.mul(dh, slopes.c_to_h[at], out=block.dc)
        block.dc.add_(block.carried)
        torch.mul(block.dc_wide, slopes.of_c[at], out=block.da_of_c)
        torch.mul(block.dc, slopes.kept[at], out=block.carried)
    torch.mul(block.wide_dh[place], slopes.of_h[at], out=block.da_of_h)
    torch.mm(block.flat_da, weight_hh, out=to)
    if mask is not None:
        block.dh[place + 1].mul_(mask)
    if slopes.kept and not slopes.c_to_h:
        block.dh[place + 1].addcmul_(dh, slopes.kept[at])
    if of_input:
        for gate, slope in slopes.x_only:
            torch.mul(dh, slope[at], out=block.da[:, :, gate])
    return block.flat_da


def by_factors(
    layer: Recurrence,
    values: Tensors,
    before: Tensors,
    t: int,
    block: Block,
    place: int,
    n: int,
    product: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Tensor:
    """The same by the cell's own rules, in autograd's order, for the rows that are there."""
    v, b = ({name: array[t] for name, array in arrays.items()} for arrays in (values, before))
    d = layer.rules.join(v, {"h": block.slots[place, :n], "c": block.carried[:n]})
    d |= layer.rules.back(layer.with_held(v, t), b, d)
    if layer.course.mask is not None:
        padding = ~layer.course.mask[t]
        d = {name: grad.masked_fill(padding, 0.0) for name, grad in d.items()}
    handed = layer.handed_back(v, d, t, product=product)
    block.slots[place + 1, :n] = handed["h"]
    if "c" in handed:
        block.carried[:n] = handed["c"]
    return layer.rules.x_side(d).flatten(-2).flatten(0, 1)
