"""A long trace while it is made: forward over all stretches and back, one stretch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from engine.course import Course
from engine.errors import DataError
from engine.long.stretched import Stretched
from engine.long.stretches import Pass, Tensors, passes
from engine.long.sums import Sums, add
from engine.long.trace import LongTrace
from engine.precision import arithmetic


class LongRun:
    """`advance()` until `finished`, then `trace` is there. Between two advances the work can be left for as long as one
    likes, or for good.

    >>> run = engine.long_run(model, x, loss)
    >>> while not run.finished:
    ...     run.advance()                              # one stretch: well under a second
    ...     print(f"{run.done} of {run.total}")
    >>> trace = run.trace
    """

    def __init__(self, model: Stretched) -> None:
        self._model = model
        self._ahead, self._back = passes(model.levels), passes(reversed(model.levels))
        self._sums = Sums(model.stretches.steps)
        self._going = self._run()
        self.done = 0
        """Stretches so far, forward and back."""
        self.total = (len(self._ahead) + len(self._back)) * model.stretches.count

    @property
    def finished(self) -> bool:
        return self.done == self.total

    def advance(self) -> None:
        """The next stretch; nothing more where all are done. Raises DataError, and then it goes no further."""
        for _ in self._going:
            self.done += 1
            return

    @cached_property
    def trace(self) -> LongTrace:
        """Raises DataError before it is finished."""
        if not self.finished:
            raise DataError(f"{self.done} of {self.total} stretches are done; the trace is there after the last.")
        like = {name: layer.weights["weight_hh"] for name, layer in self._model.layers.items()}
        return LongTrace(self._model, self._sums.rounded(like, self._model.parameters_around()))

    def _run(self) -> Iterator[None]:
        model, count = self._model, self._model.stretches.count
        for layer in model.layers.values():
            model.states.put_before(layer.name, count - 1 if layer.reverse else 0, layer.initial)
        gone: set[str] = set()
        for one in self._ahead:
            gone |= one.layers
            for stretch in one.order(count, back=False):
                with arithmetic(model.like):
                    self._go_ahead(one, stretch, gone)
                yield
        returned: set[str] = set()
        for number, one in enumerate(self._back):
            returned |= one.layers
            for stretch in one.order(count, back=True):
                with arithmetic(model.like):
                    self._go_back(one, stretch, returned, number == 0)
                if number == 0 and stretch == one.order(count, back=True)[-1] and not model.depends:
                    raise DataError("The loss does not depend on the layer's output; there is no gradient to trace.")
                yield

    def _go_ahead(self, one: Pass, stretch: int, known: set[str]) -> None:
        model = self._model
        steps = model.stretches.cut(stretch)
        lengths = model.lengths_of(steps)
        for ran in model.ahead(stretch, one.depth, known):
            for layer, values in zip(ran.level.layers, ran.values, strict=True):
                if layer.name in one.layers:
                    course = Course(steps.stop - steps.start, layer.reverse, lengths)
                    model.states.put_after(layer.name, stretch, _reached(values, layer.initial, course))

    def _go_back(self, one: Pass, stretch: int, known: set[str], first: bool) -> None:
        model = self._model
        steps = model.stretches.cut(stretch)
        ran = model.ahead(stretch)
        head = model.head_of(stretch, ran[-1])
        if first:
            if stretch in (0, model.stretches.count - 1):
                _check_own_steps(model.probed(stretch, ran[-1]), steps)
            add(self._sums.head_grads, head.parameter_grads)
        beside = head.grads[1] if model.reads_stream else None
        back = model.back(stretch, ran, head.grads[0], beside, one.depth, known, judge=True)
        for name in one.layers:
            model.grads.put_before(name, stretch, back.layers[name].initial_grads)
            self._sums.add_layer(name, steps, back.layers[name])
        for number, grads in back.parameter_grads.items():
            if any(layer.name in one.layers for layer in model.levels[number].layers):
                add(self._sums.head_grads, grads)


def _reached(values: dict[str, Tensor], initial: Tensors, course: Course) -> dict[str, Tensor]:
    """The states after a stretch; of a sample without a step in it, those before."""
    ends = {s: course.at_last(values[s]) for s in initial}
    if course.lengths is None:
        return ends
    return {s: torch.where((course.lengths > 0)[:, None], end, initial[s]) for s, end in ends.items()}


def _check_own_steps(reads: Tensor, steps: slice) -> None:
    """Stretches are gone through one at a time: what a loss read of another step would be missed at their borders."""
    elsewhere = reads.fill_diagonal_(False).nonzero()
    if len(elsewhere):
        loss, step = (int(number) + steps.start + 1 for number in elsewhere[0])
        raise DataError(
            f"The loss of step {loss} reads the output of step {step}; in a long trace a step's loss may read its own "
            "step only."
        )
