"""What a single loss of a long trace sends back, from its own stretch on until nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine import bptt
from engine.course import Course
from engine.flow import Reader, Span
from engine.long.stretched import Growth, Stretched
from engine.long.stretches import Borders, passes
from engine.norms import mean_over_samples, norm
from engine.pieces import Head
from engine.precision import arithmetic
from engine.stack import LayerRun

Progress: TypeAlias = Callable[[int, int], object]
"""(stretches done, of how many at most). What it raises goes through, and ends the work."""


class SingleLoss:
    """∂L_s/∂h of every layer, by the chain of engine.long.stretched with only that loss's gradient."""

    def __init__(self, model: Stretched, loss: int, finite_before: Callable[[int], bool]) -> None:
        self._model, self._loss, self._finite_before = model, loss, finite_before
        self._stretch = model.stretches.of(loss)

    @cached_property
    def _own(self) -> tuple[Head, list[bool]]:
        """What stands after the layers on the loss's own stretch, and what of that which it is given (the output of
        each direction, what the last level read) this loss reads."""
        place = self._loss - self._model.stretches.cut(self._stretch).start
        with arithmetic(self._model.like):
            top = self._model.ahead(self._stretch)[-1]
            head = self._model.head_of(self._stretch, top)
            reader = Reader.of(head.piece, [run.width for run in top.runs])
            only = torch.zeros(len(reader.piece.graph), dtype=torch.bool, device="cpu")
            only[place] = self._loss < self._longest
            reads = [bool(part.any()) for part in reader.piece.reached(only, reader.parts)]
            return head, reads

    @property
    def _longest(self) -> int:
        """Steps that any sample has."""
        lengths = self._model.lengths
        return self._model.stretches.steps if lengths is None else int(lengths.max())

    @cached_property
    def _reach(self) -> dict[str, range]:
        """The steps, from 0, whose ∂L_s/∂h_k there is, by layer; see LossGradients.reach."""
        number, steps = torch.tensor([self._loss], device="cpu"), self._model.stretches.steps
        here, nowhere = (
            Span(number, number),
            Span(torch.tensor([steps], device="cpu"), torch.tensor([-1], device="cpu")),
        )
        spans = [here if reads else nowhere for reads in self._own[1]]
        found: dict[str, range] = {}
        for level in reversed(self._model.levels):
            each = zip(level.layers, spans, strict=False)
            reached = {one.name: span.behind(one.reverse, self._longest) for one, span in each}
            found |= {name: range(int(span.first), int(span.last) + 1) for name, span in reached.items()}
            stream = reduce(Span.joined, [*reached.values(), *spans[len(level.layers) :]])
            spans = [stream, stream]  # what stands between the levels reads all of a step
        return found

    def row(self, name: str, steps: slice, progress: Progress | None = None) -> Tensor:
        """(n,) float64: the norm of each of these steps, per sample, then the mean; NaN where it cannot reach."""
        lengths = self._model.lengths_of(steps)
        mask = Course(steps.stop - steps.start, False, lengths).mask
        here = None if mask is None else mask.squeeze(2)
        gradient = self.norms(name, steps, progress)
        row = mean_over_samples(gradient, here)
        reach = self._reach[name]
        there = [step in reach for step in range(steps.start, steps.stop)]
        return row.masked_fill(~torch.tensor(there, device=row.device), torch.nan)

    def norms(self, name: str, steps: slice, progress: Progress | None = None) -> Tensor:
        """(n, B) float64: ‖∂L_s/∂h_k‖ of each sample; 0 where it cannot reach."""
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
                            grads.put_before(layer, stretch, found[layer].initial)
                    if name in one.layers:
                        yield stretch, found[name].grad
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
    ) -> dict[str, _GoneBack]:
        """The last `depth` levels, as far as their layers are `known`."""
        model, own = self._model, self._model.stretches.cut(stretch)
        ran = model.ahead(stretch)
        if stretch == self._stretch:
            cotangents = self._own[0].of_loss(self._loss - own.start)
        else:
            cotangents = [torch.zeros_like(one) for one in (ran[-1].joined, ran[-1].stream)[: 1 + model.reads_stream]]

        def back(run: LayerRun, direct: Tensor) -> _GoneBack:
            return self._layer_back(run, stretch, direct, grads, growth)

        return model.down(stretch, ran, cotangents, back, known, depth).layers

    def _layer_back(self, run: LayerRun, stretch: int, direct: Tensor, grads: Borders, growth: Growth) -> _GoneBack:
        """Steps that the loss does not reach are left out of the chain: a NaN there is nobody's gradient. They lie at
        the end of the layer's way, which it comes back from."""
        layer, name, n, own = run.layer, run.layer.name, len(direct), self._model.stretches.cut(stretch)
        reached, final = _inside(self._reach[name], own), grads.after(name, stretch)
        if len(reached) == 0:
            return _GoneBack(torch.zeros_like(direct), final, torch.zeros_like(run.stream))
        cut = slice(reached.start, reached.stop)
        part = layer.recurrence(n, self._model.lengths_of(own)).part(cut.start, cut.stop)
        values = {symbol: value[cut] for symbol, value in run.values.items()}
        sent = direct[cut].contiguous()
        back = bptt.backward(part, values, layer.initial, sent, final)
        growth.told(name, stretch, sent, {s: back.grads[s] for s in layer.initial})
        if (name, stretch) in growth.careful:
            back = bptt.backward_stepwise(part, values, part.before(values, layer.initial), sent, final)
        of_input = part.rules.x_side(back.grads).flatten(-2) @ layer.weights["weight_ih"]
        around = (0, 0, 0, 0, cut.start, n - cut.stop)
        return _GoneBack(pad(back.grads["h"], around), back.initial, pad(of_input, around))


@dataclass(frozen=True, eq=False)
class _GoneBack:
    """A layer's stretch, with what one loss sends to it."""

    grad: Tensor
    """(n, B, H): ∂L_s/∂h_t."""
    initial: Mapping[str, Tensor]
    """What reaches the states that it came with."""
    input_grad: Tensor

    def to_input(self) -> Tensor:
        return self.input_grad


def _inside(reach: range, own: slice) -> range:
    """The steps of a stretch that are reached, from the stretch's first."""
    return range(max(reach.start, own.start) - own.start, max(0, min(reach.stop, own.stop) - own.start))
