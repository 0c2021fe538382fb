"""What a single loss of a long trace sends back, from its own stretch on until nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine import bptt
from engine.course import Course
from engine.long.stretched import Growth, Stretched
from engine.long.stretches import Borders, passes
from engine.norms import mean_over_samples, norm
from engine.pieces import Head
from engine.precision import arithmetic
from engine.stack import Ahead, Layer, handed_down, split

Progress: TypeAlias = Callable[[int, int], object]
"""(stretches done, of how many at most). What it raises goes through, and ends the work."""


class SingleLoss:
    """∂L_s/∂h of every layer, by the chain of engine.long.stretched with only that loss's gradient."""

    def __init__(self, model: Stretched, loss: int, finite_before: Callable[[int], bool]) -> None:
        self._model, self._loss, self._finite_before = model, loss, finite_before
        self._stretch = model.stretches.of(loss)

    @cached_property
    def _own(self) -> tuple[Head, bool]:
        """What stands after the layers on the loss's own stretch, and whether the loss reads anything."""
        with arithmetic(self._model.like):
            top = self._model.ahead(self._stretch)[-1]
            reads = self._model.probed(self._stretch, top)[self._loss - self._model.stretches.cut(self._stretch).start]
            return self._model.head_of(self._stretch, top), bool(reads.any())

    @cached_property
    def _reach(self) -> dict[str, range]:
        """The steps, from 0, whose ∂L_s/∂h_k there is, by layer; see LossGradients.reach."""
        steps, (_, reads) = self._model.stretches.steps, self._own
        first, stop = (self._loss, self._loss + 1) if reads else (0, 0)
        found: dict[str, range] = {}
        for level in reversed(self._model.levels):
            each = {one.name: range(first, steps) if one.reverse else range(stop) for one in level.layers}
            found |= each if reads else dict.fromkeys(each, range(0))
            first, stop = min(one.start for one in each.values()), max(one.stop for one in each.values())
        return found

    def row(self, name: str, steps: slice, progress: Progress | None = None) -> Tensor:
        """(n,) float64: the norm of each of these steps, per sample, then the mean; NaN where it cannot reach."""
        lengths = self._model.lengths_of(steps)
        mask = Course(steps.stop - steps.start, False, lengths).mask
        here = None if mask is None else mask.squeeze(2)
        gradient = self._norms(name, steps, progress)
        row = mean_over_samples(gradient, here)
        reach = self._reach[name]
        there = [step in reach for step in range(steps.start, steps.stop)]
        return row.masked_fill(~torch.tensor(there, device=row.device), torch.nan)

    def _norms(self, name: str, steps: slice, progress: Progress | None) -> Tensor:
        """(n, B)."""
        batch = len(self._model.layers[name].initial["h"])
        found = torch.zeros(steps.stop - steps.start, batch, dtype=torch.float64, device=self._model.like.device)
        for own, inside, gradient in self._back(name, steps, progress):
            found[own] = norm(gradient[inside], dim=2)
        return found

    def gradient(self, name: str, steps: slice) -> Tensor:
        """(n, B, H) of these steps; 0 where it cannot reach."""
        start = self._model.layers[name].initial["h"]
        found = start.new_zeros(steps.stop - steps.start, *start.shape)
        for own, inside, gradient in self._back(name, steps, None):
            found[own] = gradient[inside]
        return found

    def _back(self, name: str, steps: slice, progress: Progress | None) -> Iterator[tuple[slice, slice, Tensor]]:
        """(where in `steps`, where in the stretch, ∂L_s/∂h_t of the stretch), as far as there is any."""
        for stretch, gradient in self._stretches(name, steps, progress):
            own = self._model.stretches.cut(stretch)
            first, stop = max(own.start, steps.start), min(own.stop, steps.stop)
            if first < stop:
                there, inside = (slice(first - at, stop - at) for at in (steps.start, own.start))
                yield there, inside, gradient

    def _stretches(self, name: str, steps: slice, progress: Progress | None) -> Iterator[tuple[int, Tensor]]:
        model, count = self._model, self._model.stretches.count
        grads, growth = Borders(list(model.layers.values()), count), Growth()
        number = next(n for n, level in enumerate(model.levels) if any(one.name == name for one in level.layers))
        levels = model.levels[number:]
        todo = passes(reversed(levels))
        todo = todo[: 1 + next(n for n, one in enumerate(todo) if name in one.layers)]
        one_way = not any(one.reverse for level in levels for one in level.layers)
        known: set[str] = set()
        done, total = 0, len(todo) * count
        for one in todo:
            known |= one.layers
            for stretch in one.order(count, back=True):
                own = model.stretches.cut(stretch)
                if one_way and own.stop <= steps.start:
                    return
                reached = any(len(_inside(self._reach[layer], own)) for layer in one.layers)
                if reached:
                    with arithmetic(model.like):
                        found = self._stretch_back(stretch, one.depth, known, grads, growth)
                        for layer in one.layers:
                            grads.put_before(layer, stretch, found[layer][1])
                    if name in one.layers:
                        yield stretch, found[name][0]
                done += 1
                if progress is not None:
                    progress(done, total)
                if one_way and reached and self._nothing_left(one.layers, grads, stretch):
                    return

    def _nothing_left(self, layers: frozenset[str], grads: Borders, stretch: int) -> bool:
        """Whether an exact 0 has come out of the stretch, and stays one: 0 times what is no number would not."""
        if any(bool(grad.ne(0).any()) for name in layers for grad in grads.before(name, stretch).values()):
            return False
        return self._finite_before(self._model.stretches.cut(stretch).start)

    def _stretch_back(
        self, stretch: int, depth: int, known: set[str], grads: Borders, growth: Growth
    ) -> dict[str, tuple[Tensor, Mapping[str, Tensor]]]:
        """By layer: ∂L_s/∂h_t (n, B, H), and what reaches the states that the layer came with."""
        model = self._model
        own = model.stretches.cut(stretch)
        ran = model.ahead(stretch)
        cotangent, beside = torch.zeros_like(ran[-1].joined), None
        if stretch == self._stretch:
            of_loss = self._own[0].of_loss(self._loss - own.start)
            cotangent, beside = of_loss[0], of_loss[1] if model.reads_stream else None
        found: dict[str, tuple[Tensor, Mapping[str, Tensor]]] = {}
        for number in range(len(model.levels) - 1, len(model.levels) - 1 - depth, -1):
            level = ran[number].level
            parts = split(cotangent, [len(one.initial["h"][0]) for one in level.layers])
            cotangent = torch.zeros_like(ran[number].stream)
            for place, (one, direct) in enumerate(zip(level.layers, parts, strict=True)):
                if one.name in known:
                    found[one.name], of_input = self._layer_back(
                        one, stretch, ran[number], place, direct, grads, growth
                    )
                    cotangent = cotangent + of_input
            if not all(one.name in known for one in level.layers):
                break
            cotangent = cotangent if beside is None else cotangent + beside
            cotangent, beside, _ = handed_down(ran[number], cotangent)
        return found

    def _layer_back(
        self, layer: Layer, stretch: int, ran: Ahead, place: int, direct: Tensor, grads: Borders, growth: Growth
    ) -> tuple[tuple[Tensor, Mapping[str, Tensor]], Tensor]:
        """As in `_stretch_back`, and ∂L_s/∂x. Steps that the loss does not reach are left out of the chain: a NaN there
        is nobody's gradient. They lie at the end of the layer's way, which it comes back from."""
        n, own = len(direct), self._model.stretches.cut(stretch)
        reached = _inside(self._reach[layer.name], own)
        final = grads.after(layer.name, stretch)
        if len(reached) == 0:
            return (torch.zeros_like(direct), final), torch.zeros_like(ran.stream)
        cut = slice(reached.start, reached.stop)
        part = layer.recurrence(n, self._model.lengths_of(own)).part(cut.start, cut.stop)
        values = {symbol: value[cut] for symbol, value in ran.values[place].items()}
        sent = direct[cut].contiguous()
        back = None
        if (layer.name, stretch) not in growth.careful:
            back = bptt.backward(part, values, layer.initial, sent, final)
            if growth.too_much(layer.name, stretch, sent, {s: back.grads[s] for s in layer.initial}):
                back = None
        if back is None:
            back = bptt.backward_stepwise(part, values, part.before(values, layer.initial), sent, final)
        of_input = part.rules.x_side(back.grads).flatten(-2) @ layer.weights["weight_ih"]
        around = (0, 0, 0, 0, cut.start, n - cut.stop)
        return (pad(back.grads["h"], around), back.initial), pad(of_input, around)


def _inside(reach: range, own: slice) -> range:
    """The steps of a stretch that are reached, from the stretch's first."""
    return range(max(reach.start, own.start) - own.start, max(0, min(reach.stop, own.stop) - own.start))
