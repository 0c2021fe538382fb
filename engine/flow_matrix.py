"""The flow matrix, N[s, k] = ‖∂L_s/∂h_k‖: what each single loss sends back to each step of a layer.

One reverse sweep with the losses stacked as extra rows beside the samples: ∂L_s/∂(the last level's output) enters at
the steps that loss s reads, and goes on down the stack through the pieces between the levels. In a sweep are as many
losses as stay in the cache and in the budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from engine.errors import DataError
from engine.fast import GROWTH, LARGEST
from engine.flow import LossGradients, Span
from engine.flow_chain import KEPT, STEPS, Arriving, Chain, Emit, Single, Stacked, Stream, in_order
from engine.norms import mean_over_samples, norm
from engine.pieces import Piece
from engine.precision import arithmetic

ANSWER = 256 * 2**20
"""Bytes of an answer; beyond, losses and steps have to be chosen."""
WORKSPACE = 256 * 2**20
"""Bytes of what is at work at once, beside the trace, the answer, and the slopes of the layers on the way (64 MiB each
at most, engine.flow_chain)."""
IN_CACHE = 1 << 18
"""Numbers in δa of the losses that are taken back together on a CPU: more of them leave the cache, fewer spend the time
on what a step costs anyway."""

Range: TypeAlias = tuple[int, int]
"""First and stop, from 0."""
Take: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(places of the losses in the answer (N,), of the steps (K,), ∂L_s/∂h (K, N, B, H), which is only lent) → norms of
these, (K, N, B)."""


def flow_norms(
    flows: LossGradients, name: str, losses: Sequence[int], steps: Range, workspace: int | None = None
) -> Tensor:
    """(losses, steps) float64: N[s, k] of a layer, per sample, then the mean over the samples that have the step; NaN
    where loss s does not reach step k.

    `losses`: numbers from 0, each once; `steps`: first and stop, from 0. `workspace`: bytes for everything beside the
    trace and the answer; None: WORKSPACE, and the slopes besides. Raises DataError where the answer, or what has to be
    held for a single loss, is above its budget.
    """
    first, stop = steps
    _check_size(f"The flow matrix of {len(losses)} losses and {stop - first} steps", 8 * len(losses) * (stop - first))
    mask = flows.mask(name)
    mask = None if mask is None else mask[first:stop]
    if not flows.many:
        rows = torch.stack([mean_over_samples(norm(flows.flow(s, name)[first:stop], dim=2), mask) for s in losses])
        return rows.masked_fill(~flows.reach(name, losses)[:, first:stop].to(rows.device), torch.nan)
    found = flows.layers[name].x.new_zeros((len(losses), stop - first), dtype=torch.float64)

    def take(places: Tensor, at: Tensor, dh: Tensor) -> Tensor:
        norms = norm(dh, dim=3)
        there = None if mask is None else mask[at].unsqueeze(1).expand_as(norms).flatten(0, 1)
        found[places[:, None], at] = mean_over_samples(norms.flatten(0, 1), there).view(norms.shape[:2]).T
        return norms

    for places, reached in _sweeps(flows, name, losses, steps, take, workspace):
        there = reached.steps(stop, first).to(found.device)
        found[places] = found[places].masked_fill(~there, torch.nan)
    return found


def flow_gradients(flows: LossGradients, name: str, losses: Sequence[int], steps: Range) -> Tensor:
    """(losses, steps, B, H): ∂L_s/∂h_k of a layer, total; 0 where loss s does not reach step k. Arguments and errors as
    in `flow_norms`."""
    first, stop = steps
    if not flows.many:
        return torch.stack([flows.flow(s, name)[first:stop] for s in losses])
    layer = flows.layers[name]
    shape = (len(losses), stop - first, layer.batch_size, layer.hidden_size)
    _check_size(f"What {shape[0]} losses send to {shape[1]} steps", math.prod(shape) * layer.x.element_size())
    found = layer.x.new_zeros(shape)

    def take(places: Tensor, at: Tensor, dh: Tensor) -> Tensor:
        found[places[:, None], at] = dh.transpose(0, 1)
        return norm(dh, dim=3)

    for _ in _sweeps(flows, name, losses, steps, take):
        pass
    return found


def _check_size(what: str, size: int) -> None:
    if size > ANSWER:
        raise DataError(f"{what} takes {_mib(size)}; {_mib(ANSWER)} is accepted: choose fewer losses or steps.")


def _mib(size: int) -> str:
    return f"{math.ceil(size / 2**20):,} MiB"


def _sweeps(
    flows: LossGradients, name: str, losses: Sequence[int], steps: Range, take: Take, workspace: int | None = None
) -> Iterator[tuple[Tensor, Span]]:
    """Takes all losses back, a block at a time; after each, its places in the answer, and the steps it reaches.

    Where gradients run away, a sum hangs on its order: those losses are taken once more, in the order of autograd.
    """
    numbers = torch.as_tensor(losses, dtype=torch.int64, device="cpu")
    with arithmetic(flows.layers[name].x):
        sweep = _Sweep(flows, name, steps, take, workspace)
        at_once = sweep.at_once()
        for start in range(0, len(numbers), at_once):
            places = torch.arange(start, min(start + at_once, len(numbers)), device="cpu")
            reached, astray = sweep.run(numbers[places], places, careful=False)
            if bool(astray.any()):
                sweep.run(numbers[places[astray]], places[astray], careful=True)
            yield places, reached


class _Sweep:
    """The way from the losses to one layer."""

    def __init__(self, flows: LossGradients, name: str, steps: Range, take: Take, workspace: int | None = None) -> None:
        self.flows, self.name, self.steps, self.take = flows, name, steps, take
        self.like = flows.layers[name].x
        depth = next(number for number, level in enumerate(flows.levels) if name in level.names)
        self.levels = flows.levels[depth:]
        """From the layer's own one up."""
        self.readers = flows.readers[: len(self.levels)][::-1]
        """Of each level's output."""
        on_the_way = [name, *(one for level in self.levels[1:] for one in level.names)]
        # Of a workspace half is for the slopes, and half for what is at work.
        kept = KEPT if workspace is None else min(KEPT, workspace // 2 // len(on_the_way))
        # Large blocks that come and go are given back late by the allocator: to a budget smaller ones keep better.
        self.unbounded = workspace is None
        self.workspace = WORKSPACE if workspace is None else workspace // 2
        self.chains = {one: Chain(flows.layers[one], kept) for one in on_the_way}
        self.stretches = self._stretches()

    def _stretches(self) -> list[Range]:
        """For each level the steps at which its stream, and for the layer itself h, is asked for.

        A forward layer needs what arrives behind them, a reverse one what arrives before them, and so on up.
        """
        T, stretch = len(self.like), self.steps
        found: list[Range] = []
        for number, level in enumerate(self.levels):
            reader = self.readers[number - 1] if number > 0 else None
            if reader is not None and not reader.step_by_step:
                stretch = (0, T)
            found.append(stretch)
            ways = [self.chains[one].reverse for one in level.names if one in self.chains]
            stretch = (0 if any(ways) else stretch[0], T if not all(ways) else stretch[1])
        return found

    def run(self, losses: Tensor, places: Tensor, careful: bool) -> tuple[Span, Tensor]:
        """The steps of the layer that each of the losses reaches, and (N,) bool, which of them have run away."""
        arriving = self._from_head(losses)
        worst = torch.zeros(len(losses), dtype=torch.float64, device="cpu")
        astray = torch.zeros(len(losses), dtype=torch.bool, device="cpu")
        spans = list(self.flows.spans(losses.tolist()))[: len(self.levels)]
        for number, (level, of_level) in zip(range(len(self.levels) - 1, -1, -1), spans, strict=True):
            stretch = self.stretches[number]
            stream = None if number == 0 else self._stream(level.names[0], len(losses), stretch)
            emit = self._emit(worst.zero_(), places if number == 0 else None)
            size = torch.zeros(len(losses), dtype=torch.float64, device="cpu")
            # What is left of `arriving` is read beside the level.
            for name, span, direct in zip(level.names, of_level, arriving, strict=False):
                if name not in self.chains:
                    continue
                chain = self.chains[name]
                reached = span.behind(chain.reverse, self.flows.longest)
                rows, enters, end = in_order(reached, stretch, chain.reverse)
                size = torch.maximum(size, direct.sizes().double())
                if len(rows):
                    chain.run(direct.adding(rows), rows, enters, end, emit, stream, careful)
            astray |= ~(worst <= self._most(size))
            if stream is not None:
                arriving = self._below(number, stream, arriving[len(level.names) :])
        return reached, astray

    def _most(self, sizes: Tensor) -> Tensor:
        """(N,): what a loss's gradients may grow to from what arrived directly, (N,). As in engine.fast."""
        growth = GROWTH.get(self.like.dtype)
        return torch.full_like(sizes, LARGEST) if growth is None else (growth * sizes).clamp_max(LARGEST)

    def _emit(self, worst: Tensor, places: Tensor | None) -> Emit:
        """What a layer's gradients go to: the largest of each loss into `worst`, and of the layer itself the answer."""
        first, stop = self.steps

        def emit(steps: range, dh: Tensor, rows: Tensor) -> None:
            inside = [place for place, t in enumerate(steps) if first <= t < stop]
            if places is None or len(inside) < len(steps):
                largest = torch.linalg.vector_norm(dh, dim=3).amax((0, 2)).double().cpu()
                worst[rows] = torch.maximum(worst[rows], largest)
            if places is not None and inside:
                at = torch.tensor(steps[inside[0] : inside[-1] + 1], device="cpu") - first
                norms = self.take(places[rows], at.to(dh.device), dh[inside[0] : inside[-1] + 1])
                worst[rows] = torch.maximum(worst[rows], norms.amax((0, 2)).cpu())

        return emit

    def _from_head(self, losses: Tensor) -> list[Arriving]:
        """∂L_s/∂(what the head reads), direct: each direction of the last level, and the stream, if it reads that."""
        head, reader = self.flows.head, self.readers[-1]
        assert reader is not None
        place = torch.full((head.count + 1,), -1, device="cpu")  # the last one is nobody's
        place[losses] = torch.arange(len(losses), device="cpu")
        rows = []
        if any(owner is None for owner in reader.owners):
            one_hot = losses[:, None] == torch.arange(head.count, device="cpu")
            rows = head.piece.back_many(one_hot.to(head.losses))
        found: list[Arriving] = []
        for (leaf, columns), owner in zip(reader.parts, reader.owners, strict=True):
            if owner is None:
                found.append(_stacked(rows[leaf], columns))
                continue
            steps = (place[owner] >= 0).nonzero().flatten()
            steps = steps[steps < self.flows.longest]
            found.append(Single(head.grads[leaf][:, :, columns], steps, place[owner[steps]], len(losses)))
        return found

    def _stream(self, name: str, losses: int, stretch: Range) -> Stream:
        x = self.flows.layers[name].x
        return Stream(x.new_zeros(stretch[1] - stretch[0], losses, *x.shape[1:]), stretch[0])

    def _below(self, number: int, stream: Stream, beside: Sequence[Arriving]) -> list[Arriving]:
        """What arrives at each direction of the level below, and beside it."""
        first, array = stream.first, stream.array
        for direct in beside:
            add = direct.adding(torch.arange(array.shape[1], device="cpu"))
            for place, dx in enumerate(array.unbind(0)):
                add(first + place, dx)
        mask = self.flows.layers[self.name].recurrence.course.mask
        if mask is not None:
            array.masked_fill_(~mask[first : first + len(array)].unsqueeze(1), 0.0)
        reader = self.readers[number - 1]
        if reader is None:
            found, start = list[Arriving](), 0
            for name in self.levels[number - 1].names:
                columns = slice(start, start := start + self.flows.layers[name].hidden_size)
                found.append(Stacked(array[..., columns], first))
            return found
        whole = array.new_zeros(array.shape[1], len(self.like), *array.shape[2:])
        whole[:, first : first + len(array)] = array.transpose(0, 1)
        rows = reader.piece.back_many(whole)
        return [_stacked(rows[leaf], columns) for leaf, columns in reader.parts]

    def at_once(self) -> int:
        """How many losses are taken back together. Raises DataError where a single one is above the budget."""
        size = self._bytes_a_loss()
        if size > self.workspace:
            first, stop = self.steps
            raise DataError(
                f"What one loss sends through the layers above {self.name} to its steps {first + 1} to {stop} takes "
                f"{_mib(size)} at a time; {_mib(self.workspace)} is accepted: choose fewer or later steps."
            )
        most = self.workspace // size
        if self.like.device.type == "cpu":
            numbers = IN_CACHE if self.unbounded else IN_CACHE // 8
            most = min(most, max(1, numbers // max(math.prod(chain.shape) for chain in self.chains.values())))
        return most

    def _bytes_a_loss(self) -> int:
        """Of everything in a sweep, at its fullest level."""
        T, B = self.like.shape[:2]
        of_head = 0
        reader = self.readers[-1]
        if reader is not None and any(owner is None for owner in reader.owners):
            of_head = 2 * T * B * _read(reader.piece)
        most, arriving = 0, of_head
        for number in range(len(self.levels) - 1, -1, -1):
            level, (first, stop) = self.levels[number], self.stretches[number]
            chains = [self.chains[name] for name in level.names if name in self.chains]
            # What a chain has at hand, and in the check of what it has found a copy or two of that.
            work = max(B * chain.shape[2] * (3 * (STEPS + 1) + chain.shape[1] + 2) for chain in chains)
            stream = 0 if number == 0 else (stop - first) * B * self.flows.layers[level.names[0]].x.shape[2]
            most = max(most, arriving + work + stream * len(chains))
            if number > 0:
                below, across = self._width(number - 1), 0
                reader = self.readers[number - 1]
                if reader is not None:
                    across = T * B * (self.flows.layers[level.names[0]].x.shape[2] + 2 * _read(reader.piece))
                    most = max(most, stream + across)
                arriving = stream if reader is None else across
                arriving += (stop - first) * B * below * (len(self.levels[number - 1].names) > 1)
        return most * self.like.element_size()

    def _width(self, number: int) -> int:
        return sum(self.flows.layers[name].hidden_size for name in self.levels[number].names)


def _stacked(rows: Tensor, columns: slice) -> Stacked:
    """From (N, T, B, W)."""
    return Stacked(rows[..., columns].transpose(0, 1).contiguous(), 0)


def _read(piece: Piece) -> int:
    """Numbers a step and sample in all that the piece reads."""
    return sum(leaf.shape[-1] for leaf in piece.leaves)
