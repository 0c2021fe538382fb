"""A long trace while it is made: forward over all stretches and back, one stretch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from engine.course import Course
from engine.errors import DataError
from engine.flow import Reader
from engine.long.stretched import Stretched
from engine.long.stretches import Pass, Tensors, passes
from engine.long.sums import Sums, add
from engine.long.trace import LongTrace
from engine.pieces import Head
from engine.precision import arithmetic
from engine.stack import Level


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
        """Whether all stretches are done, forward and back, so that `trace` is there."""
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
            for run in ran.runs:
                if run.layer.name in one.layers:
                    course = Course(steps.stop - steps.start, run.layer.reverse, lengths)
                    model.states.put_after(run.layer.name, stretch, _reached(run.values, run.layer.initial, course))

    def _go_back(self, one: Pass, stretch: int, known: set[str], first: bool) -> None:
        model = self._model
        steps = model.stretches.cut(stretch)
        ran = model.ahead(stretch)
        head = model.head_of(stretch, ran[-1])
        if first:
            if stretch in (0, model.stretches.count - 1) or _mixes_steps(head, stretch):
                _check_own_steps(Reader.of(head.piece, [run.width for run in ran[-1].runs]), steps)
            add(self._sums.head_grads, head.parameter_grads)
        gone = model.back(stretch, ran, head, known, one.depth, judge=True)
        for name in one.layers:
            model.grads.put_before(name, stretch, gone.layers[name].initial_grads)
            self._sums.add_layer(name, steps, gone.layers[name])
        # A level is complete with the last of its layers; those that were before have handed this down already.
        new = {name for level in model.levels if _any_of(level, one.layers) for name in level.parameters}
        add(self._sums.head_grads, {name: grad for name, grad in gone.parameter_grads.items() if name in new})


def _any_of(level: Level, names: frozenset[str]) -> bool:
    return any(layer.name in names for layer in level.layers)


def _reached(values: dict[str, Tensor], initial: Tensors, course: Course) -> dict[str, Tensor]:
    """The states after a stretch; of a sample without a step in it, those before."""
    ends = {s: course.at_last(values[s]) for s in initial}
    if course.lengths is None:
        return ends
    return {s: torch.where((course.lengths > 0)[:, None], end, initial[s]) for s, end in ends.items()}


def _mixes_steps(head: Head, seed: int) -> bool:
    """Whether a step of what the head read has gradients of several losses, as its numbers are now, for one more of its
    backward passes: each loss is multiplied by a power of two of its own, and then each step's gradient must be the
    same times its own loss's. A power of two rounds nothing, so that in a step with one loss it is, to the bit."""
    exponents = torch.randint(-8, 9, (len(head.losses),), generator=torch.Generator().manual_seed(seed), device="cpu")
    weights = torch.exp2(exponents.double()).to(head.losses)
    found, _ = head.piece.back(weights)
    for leaf, weighted in zip(head.grads, found, strict=True):
        expected = leaf * weights.view(-1, *(1,) * (leaf.dim() - 1))
        if not bool(((weighted == expected) | (expected.isnan() & weighted.isnan())).all()):
            return True
    return False


def _check_own_steps(reader: Reader, steps: slice) -> None:
    """Stretches are gone through one at a time: what a loss read of another step would be missed at their borders."""
    if reader.step_by_step:
        return
    for loss in range(steps.stop - steps.start):
        only = torch.zeros(steps.stop - steps.start, dtype=torch.bool, device="cpu")
        only[loss] = True
        for part in reader.piece.reached(only, reader.parts):
            elsewhere = (part & ~only).nonzero().flatten().tolist()
            if elsewhere and any(bool(some.any()) for some in reader.piece.reached(only & False, reader.parts)):
                raise DataError(
                    "A factor in the loss is not finite (a division by 0, or a NaN), so that it cannot be told which "
                    "steps a loss reads; in a long trace factors that are finite are accepted."
                )
            if elsewhere:
                raise DataError(
                    f"The loss of step {steps.start + loss + 1} reads the output of step "
                    f"{steps.start + elsewhere[0] + 1}; in a long trace a step's loss may read its own step only."
                )
