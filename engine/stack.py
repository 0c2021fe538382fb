"""A stack of recurrent layers: run forward, then backward from what stands after it.

The stream is what a level reads, (T, B, D). Each level holds one layer, or the two directions of a bidirectional one,
whose outputs stand beside each other in what it hands on. Between levels stands whatever autograd differentiates
(engine.pieces): dropout, batch normalisation, a residual connection, an embedding before the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from engine import bptt
from engine.cells import Activation
from engine.course import Course
from engine.layer_trace import LayerTrace, rules_of
from engine.pieces import Head, HeadFunction, Piece
from engine.recurrence import Held, Recurrence
from engine.spec import CellKind

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
        self, stream: Tensor, lengths: Tensor | None, values: Tensors, direct: Tensor, final: Tensors | None = None
    ) -> LayerTrace:
        """Backward from direct ∂L/∂h_t (T, B, H) and, where a loss reads them, ∂L/∂(last states)."""
        back = bptt.backward(self.recurrence(len(stream), lengths), values, self.initial, direct, final)
        if final is None:
            final = {s: torch.zeros_like(state) for s, state in self.initial.items()}
        return LayerTrace(
            self.cell,
            self.activation,
            stream,
            self.weights,
            self.initial,
            values,
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
        )


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
    piece: Piece | None
    """What stands before it."""


@dataclass(frozen=True, eq=False)
class StackRun:
    """A whole pass, forward and backward."""

    layers: dict[str, LayerTrace]
    levels: tuple[Ran, ...]
    head: Head
    parameter_grads: dict[str, Tensor]
    """Of everything but the recurrent layers, by name."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """A level that has run forward."""

    level: Level
    stream: Tensor
    """(T, B, D): what its layers read."""
    values: tuple[dict[str, Tensor], ...]
    """Of each layer."""
    piece: Piece | None
    """What stands before it."""

    @cached_property
    def joined(self) -> Tensor:
        """(T, B, W): its outputs, the directions side by side."""
        return self.values[0]["h"] if len(self.values) == 1 else torch.cat([v["h"] for v in self.values], 2)


def run(
    levels: tuple[Level, ...],
    x: Tensor,
    head: HeadFunction,
    head_parameters: Tensors,
    lengths: Tensor | None = None,
    head_reads_stream: bool = False,
) -> StackRun:
    """x (T, B, D), or whatever the first level's `enter` takes. `head` is given the last level's output (T, B, W) and,
    if it reads that too, what this level read. Nothing given is changed. Raises DataError."""
    ran: list[Ahead] = []
    read: tuple[Tensor, ...] = (x,)
    for level in levels:
        ran.append(ahead(level, read, lengths))
        read = (ran[-1].joined, ran[-1].stream)
    course = Course(len(ran[-1].stream), False, lengths)
    after = Head.run(on_steps(head, course), read if head_reads_stream else read[:1], head_parameters)
    parameter_grads = dict(after.parameter_grads)
    traced: dict[str, LayerTrace] = {}
    cotangent, beside = after.grads[0], after.grads[1] if head_reads_stream else None
    for number in range(len(ran) - 1, -1, -1):
        parts = split(cotangent, [len(one.initial["h"][0]) for one in ran[number].level.layers])
        each = zip(ran[number].level.layers, ran[number].values, parts, strict=True)
        layers = {one.name: one.run_back(ran[number].stream, lengths, v, part) for one, v, part in each}
        traced = layers | traced
        if number == 0 and ran[0].piece is None:
            break
        cotangent, beside, found = handed_down(ran[number], joined_input_grad(list(layers.values()), beside))
        parameter_grads |= found
    done = tuple(Ran(tuple(layer.name for layer in one.level.layers), one.piece) for one in ran)
    return StackRun(traced, done, after, parameter_grads)


def ahead(level: Level, read: tuple[Tensor, ...], lengths: Tensor | None) -> Ahead:
    """Run a level forward. `read`: x before the first one, else (outputs of the level below, what that one read)."""
    piece, stream = None, read[0]
    if level.enter is not None:
        piece, made = Piece.run(level.enter, read, level.parameters)
        stream = made.detach()
    stream = Course(len(stream), False, lengths).zeroed(stream)
    values = [bptt.forward(one.recurrence(len(stream), lengths), stream, one.initial) for one in level.layers]
    return Ahead(level, stream, tuple(values), piece)


def handed_down(ran: Ahead, cotangent: Tensor) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """From ∂L/∂stream what a level hands to the one below: ∂L/∂(outputs of that), past it ∂L/∂(what that read), and
    the gradients of its `enter`'s parameters."""
    if ran.piece is None:
        return cotangent, None, {}
    found, of_parameters = ran.piece.back(cotangent)
    return found[0], found[1] if len(found) > 1 else None, of_parameters


def on_steps(head: HeadFunction, course: Course) -> HeadFunction:
    """The head as a function of what the layers made: nothing goes back from the padding, whatever it does there."""
    if course.mask is None:
        return head
    return lambda *of: head(*(course.zeroed(array) for array in of))


def split(cotangent: Tensor, widths: list[int]) -> list[Tensor]:
    """(T, B, W) → (T, B, H) for each direction, each an array of its own."""
    if len(widths) == 1:
        return [cotangent]
    return [part.contiguous() for part in torch.split(cotangent, widths, -1)]


def joined_input_grad(layers: list[LayerTrace], beside: Tensor | None = None) -> Tensor:
    """∂L/∂stream (T, B, D): the sum over the directions, and what reaches it past the level."""
    total = layers[0].input_grad
    for layer in layers[1:]:
        total = total + layer.input_grad
    return total if beside is None else total + beside
