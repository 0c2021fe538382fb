"""A model over a long sequence: what is kept of it, and how one stretch is computed from that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine import bptt, fast
from engine.course import Course
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.long.inputs import Inputs
from engine.long.room import Room
from engine.long.stretches import Borders, Stretches
from engine.measure import TOLERANCE
from engine.pieces import Head
from engine.precision import arithmetic
from engine.spec_reading import kind_of
from engine.stack import Ahead, Back, Down, Layer, LayerRun, Level, ahead, down
from engine.step_pieces import Read

Tensors: TypeAlias = Mapping[str, Tensor]
StepsHead: TypeAlias = Callable[..., tuple[Tensor | None, Any]]
"""(y (n, B, W), perhaps what the last level read, steps) → (outputs, losses (n,)). Outputs None: y itself."""


class Growth:
    """Which stretches are left to the careful road because over several of them a gradient has grown beyond what the
    fast one allows itself over one (engine.fast.GROWTH): rounding has then grown with it. A tenth of that, for the
    rounding of every stretch is carried on by all the later ones."""

    def __init__(self) -> None:
        self.careful: set[tuple[str, int]] = set()
        self._sent: dict[str, float] = {}

    def told(self, name: str, stretch: int, direct: Tensor, states: Tensors) -> None:
        """Of a layer's stretches on the way back, one after the other: what the losses send to it, and the
        gradients of its states, (n, B, H) each."""
        self._sent[name] = max(self._sent.get(name, 0.0), float(direct.abs().max()))
        allowed = fast.GROWTH.get(direct.dtype, torch.inf) / 10 * self._sent[name]
        largest = max(float(grad.abs().max()) for grad in states.values())
        if allowed < largest < torch.inf:  # beyond, and not so far that the fast road has stepped aside by itself
            self.careful.add((name, stretch))


class NotYet:
    """Instead of a layer whose gradients have not come so far."""

    def to_input(self) -> Tensor:
        raise AssertionError("nothing is handed down from a level that is not complete")


@dataclass(frozen=True, eq=False)
class Again:
    """One stretch, computed again."""

    head: Head
    """What stands after the layers."""
    layers: dict[str, LayerTrace]
    past: Tensor | None
    """See Down."""


@dataclass(frozen=True, eq=False)
class Stretched:
    levels: tuple[Level, ...]
    inputs: Inputs
    head: StepsHead
    parameters: Tensors
    """Of the head, by name; they require a gradient."""
    reads_stream: bool
    """Whether the head is also given what the last level read."""
    lengths: Tensor | None
    """(B,) int64, on the layers' device; None: all samples have every step."""
    stretches: Stretches
    room: Room
    states: Borders
    grads: Borders
    losses: Tensor
    """(T,), filled stretch by stretch."""
    growth: Growth = field(default_factory=Growth)
    _asked: set[int] = field(default_factory=set)
    """Stretches whose losses are known."""
    _depends: set[int] = field(default_factory=set)
    """Those of them that read anything."""

    @property
    def layers(self) -> dict[str, Layer]:
        return {layer.name: layer for level in self.levels for layer in level.layers}

    def parameters_around(self) -> dict[str, Tensor]:
        """Of everything but the recurrent layers, by name."""
        return {
            name: p for of in (self.parameters, *(level.parameters for level in self.levels)) for name, p in of.items()
        }

    @property
    def like(self) -> Tensor:
        return self.levels[0].layers[0].weights["weight_hh"]

    def lengths_of(self, steps: slice) -> Tensor | None:
        return Course(self.stretches.steps, False, self.lengths).cut(steps.start, steps.stop).lengths

    def ahead(self, stretch: int, depth: int | None = None, known: Collection[str] | None = None) -> list[Ahead]:
        """The first `depth` levels (None: all) forward, from the states that each layer comes with.

        `known` (None: all): the layers that have come so far."""
        steps = self.stretches.cut(stretch)
        lengths = self.lengths_of(steps)
        read = Read((self.inputs.at(steps),))
        ran: list[Ahead] = []
        for level in self.levels[:depth]:
            ones = [one for one in level.layers if known is None or one.name in known]
            part = replace(level, layers=tuple(self._part(one, stretch) for one in ones))
            ran.append(ahead(part, read, lengths))
            if len(ones) == len(level.layers):
                read = ran[-1].hands_on(stream=True)
        return ran

    def _part(self, layer: Layer, stretch: int) -> Layer:
        """The layer on this stretch, as it comes to it."""
        part = replace(layer, initial=self.states.before(layer.name, stretch))
        if layer.drop is None and not layer.held:
            return part
        steps = self.stretches.cut(stretch)
        cut = layer.recurrence(self.stretches.steps, self.lengths).part(steps.start, steps.stop)
        return replace(part, drop=cut.drop, held=cut.held)

    def head_of(self, stretch: int, top: Ahead) -> Head:
        """What stands after the last level, on one stretch. Raises DataError where the losses are not one a step, or
        not what they were before."""
        steps = self.stretches.cut(stretch)
        read = top.hands_on(self.reads_stream)()
        ran = self.run_head(steps, read, stretch)
        if stretch not in self._asked:
            self._asked.add(stretch)
            self.losses[steps] = ran.losses
        elif not _same(ran.losses, self.losses[steps]):
            raise DataError(
                f"The loss of steps {steps.start + 1} to {steps.stop} is not what it was when the trace was made; what "
                "it reads (targets, a read-out's weights) must stay, and nothing may be drawn at random."
            )
        return ran

    def run_head(self, steps: slice, read: tuple[Tensor, ...], stretch: int | None = None) -> Head:
        """On any steps."""

        def of_steps(*of: Tensor) -> tuple[Tensor | None, Tensor]:
            outputs, losses = self.head(*of, steps)
            _check_losses(losses, steps)
            if losses.requires_grad:
                if stretch is not None:
                    self._depends.add(stretch)
                return outputs, losses
            # Here no loss reads anything; it hangs on a sum of nothing, so that there are gradients: 0.
            return outputs, losses + of[0].flatten(1)[:, :0].sum(1)

        return Head.run(of_steps, read, self.parameters)[0]

    @property
    def depends(self) -> bool:
        """Whether any loss so far depends on the layers' output."""
        return bool(self._depends)

    def down(
        self,
        stretch: int,
        ran: list[Ahead],
        cotangents: Sequence[Tensor],
        back: Callable[[LayerRun, Tensor], Back],
        known: Collection[str],
        depth: int,
    ) -> Down[Back]:
        """Down the last `depth` levels; see engine.stack.down. `back` is asked for the layers that are `known`, and the
        last of those levels may have others beside them."""
        runs = {run.layer.name: run for one in ran for run in one.runs}
        steps = self.stretches.cut(stretch)
        course = Course(steps.stop - steps.start, False, self.lengths_of(steps))
        whole = depth == len(ran) and all(run.layer.name in known for run in ran[0].runs)

        def of_layer(name: str, direct: Tensor) -> Back | NotYet:
            return back(runs[name], direct) if name in known else NotYet()

        gone = down(
            [one.ran for one in ran],
            cotangents,
            {name: run.width for name, run in runs.items()},
            of_layer,
            course,
            until=None if whole else ran[-depth].runs[0].layer.name,
        )
        there = {name: one for name, one in gone.layers.items() if not isinstance(one, NotYet)}
        return Down(there, gone.parameter_grads, gone.past)

    def back(
        self, stretch: int, ran: list[Ahead], head: Head, known: Collection[str], depth: int, judge: bool = False
    ) -> Down[LayerTrace]:
        """The last `depth` levels back, from the losses of the stretch and the gradients that have come to each layer,
        as far as they are `known`. `judge`: this is the first time; see Growth."""
        lengths = self.lengths_of(self.stretches.cut(stretch))

        def back(run: LayerRun, direct: Tensor) -> LayerTrace:
            layer, name = run.layer, run.layer.name
            final = self.grads.after(name, stretch)
            traced = layer.run_back(run.stream, lengths, run.values, direct, final)
            if judge:
                self.growth.told(name, stretch, direct, {s: traced.grads[s] for s in layer.initial})
            if (name, stretch) not in self.growth.careful:
                return traced
            recurrence = layer.recurrence(len(run.stream), lengths)
            before = recurrence.before(run.values, layer.initial)
            careful = bptt.backward_stepwise(recurrence, run.values, before, direct, final)
            return replace(traced, grads=careful.grads, initial_grads=careful.initial)

        return self.down(stretch, ran, head.grads, back, known, depth)

    def again(self, stretch: int) -> Again:
        """One stretch, everything, to the bit as it was."""
        with arithmetic(self.like):
            ran = self.ahead(stretch)
            head = self.head_of(stretch, ran[-1])
            gone = self.back(stretch, ran, head, self.layers, len(ran))
            return Again(head, {name: gone.layers[name] for name in self.layers}, gone.past)


def _check_losses(losses: Any, steps: slice) -> None:
    n = steps.stop - steps.start
    accepted = f"for steps {steps.start + 1} to {steps.stop} a tensor ({n},), one loss a step, is needed"
    if not isinstance(losses, Tensor):
        raise DataError(f"The loss returns {kind_of(losses)}; {accepted}.")
    if tuple(losses.shape) != (n,):
        raise DataError(f"The loss has shape {tuple(losses.shape)}; {accepted}.")


def _same(again: Tensor, before: Tensor) -> bool:
    """To the audit's tolerance: another number of threads may round otherwise."""
    tolerance = TOLERANCE.get(before.dtype, 1e-2)
    size = float(torch.where(before.isfinite(), before, 0.0).abs().max())
    return torch.allclose(again, before, rtol=tolerance, atol=tolerance * size, equal_nan=True)
