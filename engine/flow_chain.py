"""The chain back through one layer for many losses at once: each loss is a row of its own beside the samples.

Shapes: N losses, B samples, H units, G row blocks of the weights. At step t only those losses have a row that reach t:
they are put in the order in which they come in, so that the rows that are there are always the first ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from engine.cells import SidesDiffer
from engine.cells.slopes import Slopes
from engine.fast import GROWTH, far_from_overflow, slopes_of
from engine.flow import Span
from engine.layer_trace import LayerTrace

Emit: TypeAlias = Callable[[range, Tensor, Tensor], None]
"""(steps, ∂L_s/∂h at those steps (steps, N, B, H), which losses the rows are). 0 where a loss does not reach a step."""

KEPT = 64 * 2**20
"""Bytes of a layer's slopes that are kept for the next losses; beyond, they are computed again for each block."""
CHUNK = 1 << 16
"""Numbers in the slopes that are prepared at once: they should stay in the cache until all rows have used them."""
STEPS = 16
"""Steps whose gradients are handed out together."""
ROWS = 16
"""Rows come in so many at a time: those whose losses are not there yet are 0, and stay so where slopes are finite."""


class Arriving(Protocol):
    """∂L_s/∂(a layer's output), without recurrence, for a block of losses."""

    def adding(self, rows: Tensor) -> Callable[[int, Tensor], None]:
        """A function (t, δh) that adds what arrives at step t to δh (n, B, H), in place, for the first n of `rows`: the
        losses in the layer's own order."""

    def sizes(self) -> Tensor:
        """(N,): the largest magnitude of each loss."""


@dataclass(frozen=True, eq=False)
class Single:
    """Where each step is read by one loss only: all of them share one array."""

    array: Tensor
    """(T, B, H)."""
    steps: Tensor
    """(M,): the steps that losses of the block read, and …"""
    owners: Tensor
    """… (M,) which of them, from 0. Both on the CPU."""
    count: int

    def adding(self, rows: Tensor) -> Callable[[int, Tensor], None]:
        place = torch.full((self.count,), -1)
        place[rows] = torch.arange(len(rows))
        row_at = dict(zip(self.steps.tolist(), place[self.owners].tolist(), strict=True))

        def add(t: int, dh: Tensor) -> None:
            row = row_at.get(t, -1)
            if row >= 0:
                dh[row] += self.array[t]

        return add

    def sizes(self) -> Tensor:
        largest = self.array[self.steps.to(self.array.device)].abs().amax((1, 2)).cpu()
        return torch.zeros(self.count, dtype=largest.dtype).scatter_reduce(0, self.owners, largest, "amax")


@dataclass(frozen=True, eq=False)
class Stacked:
    """An array for each loss, of a stretch of steps."""

    array: Tensor
    """(steps, N, B, H)."""
    first: int
    """The first of these steps, from 0. Nothing arrives at others."""

    def adding(self, rows: Tensor) -> Callable[[int, Tensor], None]:
        array = self.array
        if not torch.equal(rows, torch.arange(array.shape[1])):
            array = array[:, rows.to(array.device)]

        def add(t: int, dh: Tensor) -> None:
            if 0 <= t - self.first < len(array):
                dh += array[t - self.first, : len(dh)]

        return add

    def sizes(self) -> Tensor:
        largest: Tensor = torch.linalg.vector_norm(self.array, ord=torch.inf, dim=(0, 2, 3))
        return largest.cpu()


@dataclass(frozen=True, eq=False)
class Stream:
    """∂L_s/∂(what a level reads), for a block of losses: each layer of the level adds its own."""

    array: Tensor
    """(steps, N, B, D)."""
    first: int
    """The first of these steps, from 0."""

    def at(self, t: int, n: int) -> Tensor | None:
        """(n · B, D) of the first n losses at step t; None where it is not asked for."""
        place = t - self.first
        return self.array[place, :n].flatten(0, 1) if 0 <= place < len(self.array) else None

    def in_order(self, rows: Tensor) -> Stream:
        """Itself, if these are its losses in its order; else another one to begin with, which `take` adds."""
        if torch.equal(rows, torch.arange(self.array.shape[1])):
            return self
        return Stream(self.array.new_zeros(len(self.array), len(rows), *self.array.shape[2:]), self.first)

    def take(self, other: Stream, rows: Tensor) -> None:
        if other is not self:
            self.array.index_add_(1, rows.to(self.array.device), other.array)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """The slopes of a stretch of steps, by each step's place in it."""

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


class Chain:
    """One layer, ready to take any number of losses back."""

    def __init__(self, layer: LayerTrace, kept: int = KEPT) -> None:
        """`kept`: bytes of slopes that it may keep."""
        self.layer, self.values, self.before = layer.recurrence, layer.values, layer.before
        self.rules, self.reverse = self.layer.rules, self.layer.course.reverse
        self.weight_hh, self.weight_ih = self.layer.weight_back, layer.weights["weight_ih"]
        self.shape = (layer.batch_size, len(self.rules.gate_names), layer.hidden_size)
        self.steps, self.like = layer.steps, layer.values["h"]
        self.chunk = max(1, CHUNK // math.prod(self.shape) // STEPS) * STEPS
        self.padding = None if self.layer.course.mask is None else ~self.layer.course.mask
        self._quick = (
            self.layer.plain
            and self.like.dtype in GROWTH
            and far_from_overflow([(self.before[s], self.weight_hh) for s in self.rules.state_names])
        )
        self.on_c = slopes_of(self.layer, self.values, self.before, slice(0, 1)).blocks_on_c if self._quick else 0
        """So many of the first row blocks act on c."""
        self._ready: dict[int, _Prepared] = {}
        self._keep = self.steps * math.prod(self.shape) * self.like.element_size() <= kept

    def run(
        self,
        arriving: Callable[[int, Tensor], None],
        rows: Tensor,
        enters: Sequence[int],
        end: int,
        emit: Emit,
        stream: Stream | None = None,
        careful: bool = False,
    ) -> None:
        """Back from the step at which the first of the losses comes in to the step `end`.

        `rows`: the losses' numbers, in the order in which they come in, at the steps `enters`. `arriving` (t, δh) adds
        ∂L_s/∂h_t without recurrence to the first rows of δh. `careful`: one factor after the other, and every product
        as it would be for a loss alone, so that what overflows does so where it would alone.
        """
        own = None if stream is None else stream.in_order(rows)
        block = _Block(self, len(rows))
        product = _alone if careful else torch.matmul
        n = 0
        for places in _stretches(enters[0], end, STEPS):
            prepared = self._prepared(places[0] // self.chunk) if self._quick and not careful else None
            for place, t in enumerate(places):
                while n < len(rows) and (enters[n] <= t if self.reverse else enters[n] >= t):
                    n += 1
                block.show(n)
                arriving(t, block.slots[place, :n])
                if self.padding is not None:
                    block.slots[place, :n].masked_fill_(self.padding[t], 0.0)
                if prepared is None or prepared.odd[t % self.chunk]:
                    x_side = self._by_factors(t, block, place, n, product)
                else:
                    x_side = self._by_slopes(prepared, t, block, place, own is not None)
                to_input = None if own is None else own.at(t, n)
                if to_input is not None:
                    to_input.addmm_(x_side[: len(to_input)], self.weight_ih)
            emit(places, block.slots[: len(places), :n], rows[:n])
            block.slots[0, :n] = block.slots[len(places), :n]
        if stream is not None and own is not None:
            stream.take(own, rows)

    def _by_slopes(self, slopes: _Prepared, t: int, block: _Block, place: int, of_input: bool) -> Tensor:
        """A step back: what reaches c₋, and h₋ (in the next place). Returns δa (n · B, G·H), on the input's side of the
        weights where that is asked for."""
        at, dh, to = t % self.chunk, block.dh[place], block.flat_dh[place + 1]
        if slopes.c_to_h:
            torch.mul(dh, slopes.c_to_h[at], out=block.dc)
            block.dc.add_(block.carried)
            torch.mul(block.dc_wide, slopes.of_c[at], out=block.da_of_c)
            torch.mul(block.dc, slopes.kept[at], out=block.carried)
        torch.mul(block.wide_dh[place], slopes.of_h[at], out=block.da_of_h)
        torch.mm(block.flat_da, self.weight_hh, out=to)
        mask = self.layer.mask_of(t)
        if mask is not None:
            block.dh[place + 1].mul_(mask)
        if slopes.kept and not slopes.c_to_h:
            block.dh[place + 1].addcmul_(dh, slopes.kept[at])
        if of_input:
            for gate, slope in slopes.x_only:
                torch.mul(dh, slope[at], out=block.da[:, :, gate])
        return block.flat_da

    def _by_factors(
        self, t: int, block: _Block, place: int, n: int, product: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The same by the cell's own rules, in autograd's order, for the rows that are there."""
        v, before = ({name: array[t] for name, array in arrays.items()} for arrays in (self.values, self.before))
        d = self.rules.join(v, {"h": block.slots[place, :n], "c": block.carried[:n]})
        d |= self.rules.back(self.layer.with_held(v, t), before, d)
        if self.padding is not None:
            d = {name: grad.masked_fill(self.padding[t], 0.0) for name, grad in d.items()}
        handed = self.layer.handed_back(v, d, t, product=product)
        block.slots[place + 1, :n] = handed["h"]
        if "c" in handed:
            block.carried[:n] = handed["c"]
        return self.rules.x_side(d).flatten(-2).flatten(0, 1)

    def _prepared(self, number: int) -> _Prepared:
        if number in self._ready:
            return self._ready[number]
        made = self._prepare(slice(number * self.chunk, min((number + 1) * self.chunk, self.steps)))
        if self._keep:
            self._ready[number] = made
        return made

    def _prepare(self, cut: slice) -> _Prepared:
        slopes = slopes_of(self.layer, self.values, self.before, cut)
        padding = None if self.padding is None else self.padding[cut]
        x_only = []
        if isinstance(self.rules, SidesDiffer):
            v = {name: value[cut] for name, value in self.layer.with_held(self.values).items()}
            others = self.rules.rest(v, {"h": torch.ones_like(v["h"])})
            x_only = [(self.rules.gate_names.index(name), slope.unbind(0)) for name, slope in others.items()]
        return _Prepared(
            slopes.h_side[:, :, : self.on_c].unbind(0),
            slopes.h_side[:, :, self.on_c :].unbind(0),
            () if slopes.c_to_h is None else slopes.c_to_h.unbind(0),
            () if slopes.kept is None else slopes.kept.unbind(0),
            x_only,
            _odd(slopes, padding).tolist(),
        )


class _Block:
    """The arrays of a block of losses, and views of their first rows, those that are there and at most 15 more."""

    def __init__(self, chain: Chain, losses: int) -> None:
        B, G, H = chain.shape
        new = chain.like.new_zeros
        self.slots = new(STEPS + 1, losses, B, H)
        """δh at the steps of a stretch, and of the first one behind it. Rows that are not there yet are 0."""
        self._carried, self._dc, self._da = new(losses, B, H), new(losses, B, H), new(losses, B, G, H)
        self._on_c = chain.on_c
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


def in_order(reached: Span, stretch: tuple[int, int], reverse: bool) -> tuple[Tensor, list[int], int]:
    """The losses that reach steps of `stretch` (first, stop) in the order in which a layer meets them on its way back,
    the steps at which it does, and the last step of that way."""
    first, last = reached.first, reached.last
    if reverse:
        rows = torch.argsort(first, stable=True)
        rows = rows[(first[rows] <= last[rows]) & (first[rows] < stretch[1])]
        return rows, first[rows].tolist(), min(stretch[1] - 1, int(last[rows].max()) if len(rows) else 0)
    rows = torch.argsort(-last, stable=True)
    rows = rows[(first[rows] <= last[rows]) & (last[rows] >= stretch[0])]
    return rows, last[rows].tolist(), stretch[0]


def _stretches(start: int, end: int, chunk: int) -> Iterator[range]:
    """Steps from start to end, both included, in either direction; none of the ranges crosses a multiple of `chunk`."""
    if start >= end:
        while start >= end:
            stop = max(end, start - start % chunk)
            yield range(start, stop - 1, -1)
            start = stop - 1
    else:
        while start <= end:
            stop = min(end + 1, start - start % chunk + chunk)
            yield range(start, stop)
            start = stop


def _odd(slopes: Slopes, padding: Tensor | None) -> Tensor:
    """(steps,) bool; see _Prepared."""
    tiny = 0.0 if slopes.single else torch.finfo(slopes.h_side.dtype).tiny
    usual = ((sizes := slopes.h_side.abs()) >= tiny).logical_and_(sizes < torch.inf).flatten(2).all(2)
    if slopes.c_to_h is not None:
        usual &= (slopes.c_to_h.abs() >= tiny).all(2)
    return ~(usual if padding is None else usual | padding[:, :, 0]).all(1)


def _alone(side: Tensor, weight: Tensor) -> Tensor:
    """side (N, B, G·H): a product for each loss, with the sums in the order that they have there."""
    return torch.stack([one @ weight for one in side])
