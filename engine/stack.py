"""A stack of recurrent layers: run forward, then backward from what stands after it.

The stream is what a level reads, (T, B, D). Each level holds one layer, or the two directions of a bidirectional one,
whose outputs stand beside each other in what it hands on. Between levels stands whatever autograd differentiates
(engine.pieces): dropout, batch normalisation, a residual connection, an embedding before the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor

from engine import bptt, step_pieces
from engine.cells import Activation
from engine.course import Course
from engine.layer_trace import LayerTrace, rules_of
from engine.pieces import Head, HeadFunction, Piece
from engine.recorded import Recorded
from engine.recurrence import Held, Recurrence
from engine.spec import CellKind
from engine.step_pieces import Read, StepByStep

Tensors: TypeAlias = Mapping[str, Tensor]
Enter: TypeAlias = Callable[..., Tensor]
"""Before the first level: x → stream. Later: (outputs of the level below, what it read) → stream."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer in one direction, ready to run: snapshots that nobody else holds."""

    name: str
    """Torch's suffix: "l0", "l1_reverse"."""
    cell: CellKind
    activation: Activation
    weights: Tensors
    """Without the suffix: "weight_ih", …; see LayerTrace."""
    initial: Tensors
    """{"h": (B, H)} and, for the LSTM, "c"."""
    kernel: str | None = None
    """Torch's function for the whole layer, where it has one."""
    reverse: bool = False
    norm_eps: float = 1e-5
    drop: Tensor | None = None
    held: Mapping[str, Held] = field(default_factory=dict)
    cuts: frozenset[str] = frozenset()

    def recurrence(self, steps: int, lengths: Tensor | None) -> Recurrence:
        rules = rules_of(self.cell, self.activation, self.weights, self.norm_eps)
        course = Course(steps, self.reverse, lengths)
        return Recurrence(self.cell, rules, self.weights, course, self.kernel, self.drop, self.held, self.cuts)

    def run_back(
        self,
        stream: Tensor,
        lengths: Tensor | None,
        values: Tensors,
        direct: Tensor,
        final: Tensors | None = None,
        of_c: Tensor | None = None,
    ) -> LayerTrace:
        """Backward from direct ∂L/∂h_t (T, B, H) and, where a loss reads them, ∂L/∂(last states) and ∂L/∂c_t."""
        back = bptt.backward(self.recurrence(len(stream), lengths), values, self.initial, direct, final, of_c)
        if final is None:
            final = {s: torch.zeros_like(state) for s, state in self.initial.items()}
        trace = LayerTrace(
            self.cell,
            self.activation,
            stream,
            self.weights,
            self.initial,
            dict(values),
            direct,
            final,
            back.grads,
            back.initial,
            self.reverse,
            lengths,
            self.norm_eps,
            self.drop,
            self.held,
            self.cuts,
            cell_grads=of_c,
        )
        # With padding they are arrays of their own, and as quickly made again.
        return trace.starting_from(values.before) if isinstance(values, Recorded) and lengths is None else trace


@dataclass(frozen=True, eq=False)
class Level:
    layers: tuple[Layer, ...]
    enter: Enter | None = None
    """None: the stream is what the level below gives, or x."""
    parameters: Tensors = field(default_factory=dict)
    """Of `enter`, by name; they require a gradient."""


@dataclass(frozen=True, eq=False)
class Ran:
    """A level that has run, as far as its gradients can be asked for again."""

    names: tuple[str, ...]
    enter: Enter | None
    """What stands before it."""
    read: Read
    parameters: Tensors

    def piece(self) -> Piece | None:
        """`enter` with its graph, made afresh: kept, it would be as large as the level's trace."""
        return None if self.enter is None else Piece.run(self.enter, self.read(), self.parameters, own=True)[0]

    def back(self, cotangent: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """What `enter` hands back to what it read, the outputs of the level below first, and to its parameters."""
        if isinstance(self.enter, StepByStep):
            return step_pieces.back(self.enter, self.read, self.parameters, cotangent)
        piece = self.piece()
        assert piece is not None
        return piece.back(cotangent)


@dataclass(frozen=True, eq=False)
class LayerRun:
    """A layer that has run forward."""

    layer: Layer
    stream: Tensor
    """(T, B, D): what it read."""
    values: dict[str, Tensor]

    @property
    def width(self) -> int:
        """H."""
        return self.values["h"].shape[2]


@dataclass(frozen=True, eq=False)
class Ahead:
    """A level that has run forward."""

    runs: tuple[LayerRun, ...]
    stream: Tensor
    ran: Ran

    def hands_on(self, stream: bool) -> Read:
        """Its outputs, and if that is read too its stream."""
        return Read(tuple(run.values["h"] for run in self.runs), (self.stream,) if stream else ())

    @property
    def joined(self) -> Tensor:
        """(T, B, W): its outputs, the directions side by side."""
        return self.hands_on(stream=False)()[0]


@dataclass(frozen=True, eq=False)
class OwnHead:
    """The parts of a head that is the engine's own."""

    after: StepByStep | None
    """What is done to the last level's outputs."""
    core: HeadFunction
    """What reads what that made."""


@dataclass(frozen=True, eq=False)
class StackRun:
    """A whole pass, forward and backward."""

    layers: dict[str, LayerTrace]
    levels: tuple[Ran, ...]
    head: Head
    parameter_grads: dict[str, Tensor]
    """Of everything but the recurrent layers, by name."""
    past: Tensor | None
    """See Down."""


def run(
    levels: tuple[Level, ...],
    x: Tensor,
    head: HeadFunction,
    head_parameters: Tensors,
    lengths: Tensor | None = None,
    head_reads_stream: bool = False,
    own: OwnHead | None = None,
) -> StackRun:
    """x (T, B, D), or whatever the first level's `enter` takes. `head` is given the last level's output (T, B, W) and,
    if it reads that too, what this level read. `own`: the head's parts,
    where it is the engine's own. Nothing given is changed. Raises DataError."""
    ran: list[Ahead] = []
    read = Read((x,))
    for level in levels:
        ran.append(ahead(level, read, lengths))
        read = ran[-1].hands_on(stream=True)
    steps = len(ran[-1].stream)
    read = ran[-1].hands_on(head_reads_stream)
    if own is None:
        after, cotangents = Head.run(head, read(), head_parameters)
    else:
        after, cotangents = _run_own(own, head, read, head_parameters)
    runs = {run.layer.name: run for one in ran for run in one.runs}
    done, widths = tuple(one.ran for one in ran), {name: one.width for name, one in runs.items()}
    del ran

    def back(name: str, direct: Tensor) -> LayerTrace:
        one = runs.pop(name)  # what it had to hand only for this is let go of
        return one.layer.run_back(one.stream, lengths, one.values, direct)

    gone = down(done, cotangents, widths, back, Course(steps, False, lengths))
    layers = {name: gone.layers[name] for name in widths}
    return StackRun(layers, done, after, after.parameter_grads | gone.parameter_grads, gone.past)


def _run_own(own: OwnHead, head: HeadFunction, read: Read, parameters: Tensors) -> tuple[Head, tuple[Tensor, ...]]:
    """As Head.run; what is done to the outputs first takes a few steps at a time."""
    y = read()[0] if own.after is None else step_pieces.forward(own.after, read)
    found, cotangents = Head.run(own.core, (y,), parameters, again=(head, read))
    if own.after is None:
        return found, cotangents
    grads, of_parameters = step_pieces.back(own.after, read, parameters, cotangents[0])
    for name, grad in of_parameters.items():
        found.parameter_grads[name] += grad
    return found, tuple(grads)


def ahead(level: Level, read: Read, lengths: Tensor | None) -> Ahead:
    """Run a level forward. `read`: x before the first one, else the outputs of the level below and what that read."""
    if level.enter is None:
        stream = read()[0]
    elif isinstance(level.enter, StepByStep):
        stream = step_pieces.forward(level.enter, read)
    else:
        stream = level.enter(*read()).detach()
    stream = Course(len(stream), False, lengths).zeroed(stream)
    runs = [
        LayerRun(one, stream, bptt.forward(one.recurrence(len(stream), lengths), stream, one.initial))
        for one in level.layers
    ]
    ran = Ran(tuple(one.name for one in level.layers), level.enter, read, level.parameters)
    return Ahead(tuple(runs), stream, ran)


class GoneBack(Protocol):
    """What a layer's way back comes to."""

    def to_input(self) -> Tensor:
        """(T, B, D): ∂L/∂(what the layer read), an array that nobody else holds."""


Back = TypeVar("Back", bound=GoneBack)


@dataclass(frozen=True, eq=False)
class Down(Generic[Back]):
    """What comes of going down a stack."""

    layers: dict[str, Back]
    """From the last level to the first."""
    parameter_grads: dict[str, Tensor]
    """Of the pieces between the levels, by name."""
    past: Tensor | None
    """(T, B, D): ∂L/∂(what the first level reads) as far as it comes past that level. None: nothing goes round it."""


def down(
    levels: Sequence[Ran],
    cotangents: Sequence[Tensor],
    widths: Mapping[str, int],
    back: Callable[[str, Tensor], Back],
    course: Course,
    until: str | None = None,
) -> Down[Back]:
    """From the head to the first level: what `back` made of each layer's direct ∂L/∂h (T, B, H), and ∂L/∂(parameters of
    the pieces between). `cotangents`: what the head hands back to its leaves. `until`: the layer after which it is
    enough; above the first level `past` is then not known. The padding is no step: what a loss reads there (a mean over
    all, say) flows nowhere."""
    found: dict[str, Back] = {}
    parameter_grads: dict[str, Tensor] = {}
    past: Tensor | None = None
    cotangent, beside = course.zeroed(cotangents[0]), [course.zeroed(one) for one in cotangents[1:]]
    for number in range(len(levels) - 1, -1, -1):
        level = levels[number]
        parts = split(cotangent, [widths[name] for name in level.names])
        here = {name: back(name, part) for name, part in zip(level.names, parts, strict=True)}
        found |= here
        del cotangent, parts
        if number == 0 and beside:
            past = sum_of(beside)
        if until in here or (number == 0 and level.enter is None):
            break
        cotangent, beside = joined_input_grad(list(here.values()), *beside), []
        if level.enter is not None:
            grads, of_parameters = level.back(cotangent)
            parameter_grads |= of_parameters
            if number > 0:
                cotangent, beside = course.zeroed(grads[0]), [course.zeroed(one) for one in grads[1:]]
    return Down(found, parameter_grads, past)


def sum_of(arrays: Sequence[Tensor]) -> Tensor:
    """Of one it is that one itself."""
    return arrays[0] if len(arrays) == 1 else torch.stack(tuple(arrays)).sum(0)


def split(cotangent: Tensor, widths: list[int]) -> list[Tensor]:
    """(T, B, W) → (T, B, H) for each direction, each an array of its own."""
    if len(widths) == 1:
        return [cotangent]
    return [part.contiguous() for part in torch.split(cotangent, widths, -1)]


def joined_input_grad(layers: Sequence[GoneBack], *beside: Tensor) -> Tensor:
    """∂L/∂stream (T, B, D): the sum over the directions, and what reaches it past the level."""
    total = layers[0].to_input()
    for layer in layers[1:]:
        total += layer.to_input()
    for part in beside:
        total += part
    return total
