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
from engine.fast import GROWTH, far_from_overflow, march, slopes_of
from engine.flow import Span
from engine.flow_march import Stretch, march_back
from engine.flow_steps import Block, Prepared, by_factors, by_slopes
from engine.layer_trace import LayerTrace

Emit: TypeAlias = Callable[[range, Tensor, Tensor], None]
"""(steps, ∂L_s/∂h at those steps (steps, N, B, H), which losses the rows are). 0 where a loss does not reach a step."""

KEPT = 64 * 2**20
"""Bytes of a layer's slopes that are kept for the next losses; beyond, they are computed again for each block."""
CHUNK = 1 << 16
"""Numbers in the slopes that are prepared at once: they should stay in the cache until all rows have used them."""
STEPS = 16
"""Steps whose gradients are handed out together."""


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
        place = torch.full((self.count,), -1, device="cpu")
        place[rows] = torch.arange(len(rows), device="cpu")
        row_at = dict(zip(self.steps.tolist(), place[self.owners].tolist(), strict=True))

        def add(t: int, dh: Tensor) -> None:
            row = row_at.get(t, -1)
            if row >= 0:
                dh[row] += self.array[t]

        return add

    def sizes(self) -> Tensor:
        largest = self.array[self.steps.to(self.array.device)].abs().amax((1, 2)).cpu()
        return torch.zeros(self.count, dtype=largest.dtype, device="cpu").scatter_reduce(
            0, self.owners, largest, "amax"
        )


@dataclass(frozen=True, eq=False)
class Stacked:
    """An array for each loss, of a stretch of steps."""

    array: Tensor
    """(steps, N, B, H)."""
    first: int
    """The first of these steps, from 0. Nothing arrives at others."""

    def adding(self, rows: Tensor) -> Callable[[int, Tensor], None]:
        array = self.array
        if not torch.equal(rows, torch.arange(array.shape[1], device="cpu")):
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
        if torch.equal(rows, torch.arange(self.array.shape[1], device="cpu")):
            return self
        return Stream(self.array.new_zeros(len(self.array), len(rows), *self.array.shape[2:]), self.first)

    def take(self, other: Stream, rows: Tensor) -> None:
        if other is not self:
            self.array.index_add_(1, rows.to(self.array.device), other.array)


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
        self._ready: dict[int, Prepared] = {}
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
        block = Block(self.like, self.shape, self.on_c, len(rows), STEPS)
        product = _alone if careful else torch.matmul
        captured = not careful and march.pays(block.slots[0], abs(enters[0] - end) + 1, self.shape[1])
        n = 0
        for places in _stretches(enters[0], end, STEPS):
            prepared = self._prepared(places[0] // self.chunk) if self._quick and not careful else None
            there = []
            for t in places:
                while n < len(rows) and (enters[n] <= t if self.reverse else enters[n] >= t):
                    n += 1
                there.append(n)
            stretch = Stretch(places, there, prepared, block, arriving, own)
            if captured and (prepared is None or not any(prepared.odd[t % self.chunk] for t in places)):
                march_back(self, stretch)
            else:
                self._one_by_one(stretch, product)
            emit(places, block.slots[: len(places), :n], rows[:n])
            block.slots[0, :n] = block.slots[len(places), :n]
        if stream is not None and own is not None:
            stream.take(own, rows)

    def _one_by_one(self, stretch: Stretch, product: Callable[[Tensor, Tensor], Tensor]) -> None:
        prepared, block, own = stretch.prepared, stretch.block, stretch.stream
        for place, (t, n) in enumerate(zip(stretch.places, stretch.there, strict=True)):
            block.show(n)
            stretch.arriving(t, block.slots[place, :n])
            if self.padding is not None:
                block.slots[place, :n].masked_fill_(self.padding[t], 0.0)
            if prepared is None or prepared.odd[t % self.chunk]:
                x_side = by_factors(self.layer, self.values, self.before, t, block, place, n, product)
            else:
                mask, of_input = self.layer.mask_of(t), own is not None
                x_side = by_slopes(prepared, t % self.chunk, block, place, self.weight_hh, mask, of_input)
            to_input = None if own is None else own.at(t, n)
            if to_input is not None:
                to_input.addmm_(x_side[: len(to_input)], self.weight_ih)

    def _prepared(self, number: int) -> Prepared:
        if number in self._ready:
            return self._ready[number]
        made = self._prepare(slice(number * self.chunk, min((number + 1) * self.chunk, self.steps)))
        if self._keep:
            self._ready[number] = made
        return made

    def _prepare(self, cut: slice) -> Prepared:
        slopes = slopes_of(self.layer, self.values, self.before, cut)
        whole = {"slopes": slopes.h_side}
        whole |= {name: array for name in ("c_to_h", "kept") if (array := getattr(slopes, name)) is not None}
        if isinstance(self.rules, SidesDiffer):
            v = {name: value[cut] for name, value in self.layer.with_held(self.values).items()}
            others = self.rules.rest(v, {"h": torch.ones_like(v["h"])})
            whole |= {f"x {self.rules.gate_names.index(name)}": slope for name, slope in others.items()}
        return Prepared.of(whole, self.on_c, _odd(slopes, None if self.padding is None else self.padding[cut]).tolist())


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
    """(steps,) bool; see Prepared."""
    tiny = 0.0 if slopes.single else torch.finfo(slopes.h_side.dtype).tiny
    usual = ((sizes := slopes.h_side.abs()) >= tiny).logical_and_(sizes < torch.inf).flatten(2).all(2)
    if slopes.c_to_h is not None:
        usual &= (slopes.c_to_h.abs() >= tiny).all(2)
    return ~(usual if padding is None else usual | padding[:, :, 0]).all(1)


def _alone(side: Tensor, weight: Tensor) -> Tensor:
    """side (N, B, G·H): a product for each loss, with the sums in the order that they have there."""
    return torch.stack([one @ weight for one in side])
