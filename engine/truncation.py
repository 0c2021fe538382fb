"""Truncated backpropagation through time, BPTT(k2; k1) of Williams & Peng (1990): every k1 steps, k2 steps back.

With E(t) = k1 ⌈t/k1⌉, the end of the chunk that step t lies in, loss L_t reaches the steps E − k2 < k ≤ t of every
layer, and each loss is counted once. k1 = k2 is chunk and detach; k1 = 1 gives every loss k2 steps. E is that of the
whole chunk where the sequence ends within it: a loop that detaches every k1 steps has begun the last chunk where it
always would, and what a loss reaches does not hang on how many steps come after it. From k2 = k1 ⌈T/k1⌉ on nothing is
cut: full BPTT.

The losses of one chunk go back together, through a window of k2 steps. Windows that do not overlap are folded: they
become samples beside each other, (k2, windows · B, …), and go back in one pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from engine import bptt
from engine.compared import Pair, compare, together
from engine.course import Course
from engine.errors import DataError
from engine.flow import LossGradients
from engine.frozen import freeze
from engine.given import whole
from engine.layer_trace import LayerTrace
from engine.precision import arithmetic
from engine.recurrence import Held, Recurrence

if TYPE_CHECKING:
    from engine.tracing import Trace

Tensors: TypeAlias = Mapping[str, Tensor]

PAIRS = 64 * 2**20
"""Entries of `Truncated.pairs()`, at most."""
WORKSPACE = 256 * 2**20
"""Bytes of what goes back in one pass, beside the trace; a single window may take more."""
_WEIGHTED = "aqs"
"""How the symbols of what meets the weights begin: pre-activations, the GRU's q, sums before normalisation."""
ARRAYS = 24
"""(k2, B, H) each: what a window at work comes to, values and gradients, of the largest cell."""


@dataclass(frozen=True, eq=False)
class Truncated:
    """The gradients that truncation leaves, and how far they are from the full ones. Steps t and k count from 1."""

    k1: int
    k2: int
    steps: int
    """T."""
    layer_grads: Mapping[str, Tensors]
    """By layer, then by parameter: the truncated gradients of the recurrent layers."""
    head_grads: Tensors
    """Of what stands around the layers, by name. Each loss reads the read-out directly: its gradients stay what they
    are. What stands before a level gets what comes through the level."""
    grads: Tensors
    """By layer, δh (T, B, H): the sum over the losses that reach a step of their ∂L_t/∂h_k, cut as they are."""
    parameters: Mapping[str, Pair]
    """By torch's full name: norm before (full BPTT) and after, their `ratio` and `cosine`, NaN where not defined."""
    layers: Mapping[str, Pair]
    """The same by layer, all of its parameters as one vector."""
    recurrent: Pair
    """All recurrent layers' parameters as one vector."""
    overall: Pair
    """Every parameter, read-out included."""
    _one_loss: bool = field(default=False, repr=False)
    parts: Mapping[str, Part] = field(default_factory=dict, repr=False)
    """By layer, where they were asked for: every total gradient of the layer, cut the same way."""
    past_grad: Tensor | None = field(default=None, repr=False)
    """`Trace.past_grad`, where the parts were asked for, cut the same way."""

    def __post_init__(self) -> None:
        freeze(self, "layer_grads", "head_grads", "grads", "parameters", "layers", "parts")

    @property
    def weight_grads(self) -> dict[str, Tensor]:
        """Every parameter's truncated gradient by torch's full name, as `Trace.weight_grads` has the full ones."""
        found = {f"{name}_{layer}": g for layer, grads in self.layer_grads.items() for name, g in grads.items()}
        return found | dict(self.head_grads)

    def reach(self, t: int) -> range:
        """The steps that loss t reaches: max(1, E − k2 + 1) … t. A single loss is that of step T. Raises DataError."""
        t = whole("t", t)
        if not 1 <= t <= self.steps:
            raise DataError(f"t is {t}; a step from 1 to {self.steps} is accepted.")
        if self._one_loss and t < self.steps:
            return range(t, t)
        end = self.steps if self._one_loss else self.k1 * -(-t // self.k1)
        return range(max(1, end - self.k2 + 1), t + 1)

    def survives(self, t: int, k: int) -> bool:
        """Whether anything of loss t comes to step k. Raises DataError."""
        return whole("k", k) in self.reach(t)

    def pairs(self) -> Tensor:
        """(T, T) bool: which (t, k) survive. Raises DataError where that is too large to be built."""
        if self.steps**2 > PAIRS:
            raise DataError(
                f"{self.steps} steps have {self.steps**2:,} pairs; up to {PAIRS:,} are accepted: ask `reach` for "
                "single steps."
            )
        k = torch.arange(1, self.steps + 1, device="cpu")
        spans = [self.reach(t) for t in range(1, self.steps + 1)]
        first, stop = (torch.tensor([getattr(span, end) for span in spans], device="cpu") for end in ("start", "stop"))
        return (k >= first[:, None]) & (k < stop[:, None])


@dataclass(frozen=True, eq=False)
class Part:
    """What truncation leaves of a layer's recorded gradients, each the sum over the windows."""

    output_grads: Tensor
    """(T, B, H): e_t."""
    grads: dict[str, Tensor]
    """(T, B, H) each, by symbol."""
    initial_grads: dict[str, Tensor]
    """(B, H) each: what comes to the initial states through windows that begin there."""
    passing: dict[str, Tensor]
    """(T, B, H) each: of the pre-activations and the states, as far as they go on to the step before: where a window
    begins, its own do not; from step 1 they go into the initial states."""

    @classmethod
    def of(cls, layer: LayerTrace) -> Part:
        return cls(
            torch.zeros_like(layer.output_grads),
            {symbol: torch.zeros_like(grad) for symbol, grad in layer.grads.items()},
            {state: torch.zeros_like(grad) for state, grad in layer.initial_grads.items()},
            {
                symbol: torch.zeros_like(grad)
                for symbol, grad in layer.grads.items()
                if symbol[0] in _WEIGHTED or symbol in layer.rules.state_names
            },
        )

    def take(self, fold: _Fold, direct: Tensor, back: bptt.Backward, kept: Callable[[Tensor], Tensor]) -> None:
        """Add what comes to the layer in these windows."""
        fold.add(self.output_grads, kept(direct))
        for symbol, grad in back.grads.items():
            fold.add(self.grads[symbol], kept(grad))
        for symbol, grads in self.passing.items():
            on = kept(back.grads[symbol]).clone()
            on[0].masked_fill_(~fold.from_start, 0.0)
            fold.add(grads, on)
        for state, grad in back.initial.items():
            self.initial_grads[state].add_(fold.at_start(grad))


@dataclass(frozen=True)
class _Window:
    """What the losses of one chunk go back through. Steps from 0."""

    first: int
    loss: int
    """The first of the chunk's losses."""
    end: int
    """One behind its last loss."""


def truncated(trace: Trace, k1: int, k2: int, parts: bool = False) -> Truncated:
    """Truncated BPTT of a whole trace; see the module. `parts`: with every gradient of every layer.

    Of forward layers, and of a loss at every step that reads its own step. A single loss that reads nothing but the
    last step is the loss of step T; any other single loss has no terms to truncate by. Raises DataError.
    """
    k1, k2 = whole("k1", k1), whole("k2", k2)
    for name, value in (("k1", k1), ("k2", k2)):
        if value < 1:
            raise DataError(f"{name} is {value}; a whole number of steps from 1 is accepted.")
    if k2 < k1:
        raise DataError(
            f"k2 is {k2} and k1 is {k1}, so some losses would go back nowhere; a k2 of at least k1 is accepted."
        )
    flows = _truncatable(trace)
    T, one_loss = trace.steps, flows.count < trace.steps
    with arithmetic(trace.layer.x):
        back = _Back(flows, min(k2, T), parts)
        for windows in _passes(_windows(T, k1, k2, one_loss), back.at_once):
            back.take(windows)
        layers = {name: compare(trace[name].weight_grads, grads) for name, grads in back.weights.items()}
        around = flows.head.parameter_grads | back.of_pieces
        recurrent = {f"{name}_{layer}": pair for layer, pairs in layers.items() for name, pair in pairs.items()}
        parameters = recurrent | compare(trace.head_grads, around)
    return Truncated(
        k1,
        k2,
        T,
        back.weights,
        around,
        back.grads,
        parameters,
        {name: together(pairs) for name, pairs in layers.items()},
        together(recurrent),
        together(parameters),
        one_loss,
        back.parts,
        back.past,
    )


def _truncatable(trace: Trace) -> LossGradients:
    flows = trace.loss_grads
    if flows is None or flows.steps == 0:
        raise DataError(
            "This trace has no single losses any more; only one that engine.trace has just made can be truncated."
        )
    if trace.steps < flows.steps:
        raise DataError(f"This is a window of {trace.steps} steps; the whole trace, of {flows.steps}, is accepted.")
    for name, layer in trace.layers.items():
        if layer.reverse:
            raise DataError(
                f"{name} runs from the last step to the first, so it has the whole future in it; truncation of forward "
                "layers alone is accepted."
            )
    head, *between = flows.readers
    if flows.count == 1 and trace.steps > 1:
        last = torch.arange(trace.steps, device="cpu") == trace.steps - 1
        read = [owner >= 0 for owner in head.owners if owner is not None] if head is not None else []
        if any(bool((steps & ~last).any()) for steps in read):
            raise DataError(
                "The loss is one number that reads earlier steps than the last; one loss a step (T,) is accepted, or "
                "one that reads the last step alone."
            )
    elif head is not None and not head.step_by_step:
        raise DataError("Some losses read other steps than their own; one loss a step, of that step, is accepted.")
    for reader, level in zip(between, reversed(flows.levels[1:]), strict=True):
        if reader is not None and not reader.step_by_step:
            raise DataError(
                f"What stands before {level.names[0]} mixes steps, past every truncation; pieces that take each step "
                "by itself are accepted."
            )
    return flows


def _windows(T: int, k1: int, k2: int, one_loss: bool) -> Iterator[_Window]:
    if one_loss:
        yield _Window(max(0, T - k2), T - 1, T)
        return
    for loss in range(0, T, k1):
        yield _Window(max(0, loss + k1 - k2), loss, min(T, loss + k1))


def _passes(windows: Iterator[_Window], at_once: int) -> Iterator[list[_Window]]:
    """The windows in groups within which none overlaps another."""
    waiting: deque[list[_Window]] = deque()  # the one that ends first in front
    for window in windows:
        group = [window]
        if waiting and waiting[0][-1].end <= window.first:
            group = [*waiting.popleft(), window]
        if len(group) < at_once:
            waiting.append(group)
        else:
            yield group
    yield from waiting


class _Back:
    """What all windows come to together."""

    def __init__(self, flows: LossGradients, length: int, parts: bool) -> None:
        self.flows, self.length = flows, length
        layers = flows.layers
        self.parts = {name: Part.of(layer) for name, layer in layers.items()} if parts else {}
        self.weights = {
            name: {key: torch.zeros_like(weight) for key, weight in layer.weights.items()}
            for name, layer in layers.items()
        }
        self.grads = {name: torch.zeros_like(layer.values["h"]) for name, layer in layers.items()}
        self.of_pieces: dict[str, Tensor] = {}
        self.past: Tensor | None = None
        widest = max(layer.values["h"][0].numel() * layer.x.element_size() for layer in layers.values())
        self.at_once = max(1, WORKSPACE // (ARRAYS * length * widest))

    def take(self, windows: Sequence[_Window]) -> None:
        """The losses of these windows, from the head down."""
        flows, fold = self.flows, _Fold(windows, self.length, next(iter(self.flows.layers.values())))
        joined, *beside = [fold.of_losses(grad) for grad in flows.head.grads]
        for number in range(len(flows.levels) - 1, -1, -1):
            level = flows.levels[number]
            (name,) = level.names
            stream = self._layer(name, fold, joined)
            if number == 0 and self.parts:
                self._past(fold, beside)
            if number == 0 and level.enter is None:
                return
            for direct in beside:
                stream = stream + direct
            joined, beside = stream, []
            if level.enter is not None:
                grads, of_piece = level.back(fold.opened(stream))
                self._add(self.of_pieces, of_piece)
                if number > 0:
                    joined, *beside = [fold(grad) for grad in grads]

    def _layer(self, name: str, fold: _Fold, direct: Tensor) -> Tensor:
        """Adds what comes to one layer; returns ∂L/∂(what it reads), folded."""
        layer = self.flows.layers[name]
        recurrence = fold.recurrence(layer)
        kept = recurrence.course.zeroed
        values = {symbol: kept(fold(value)) for symbol, value in layer.values.items()}
        initial = {s: state[fold.steps[0]].flatten(0, 1) for s, state in layer.before.items()}
        back = bptt.backward(recurrence, values, initial, kept(direct))
        h_before = recurrence.before(values, initial)["h"]
        self._add(self.weights[name], bptt.weight_grads(recurrence, values, back.grads, kept(fold(layer.x)), h_before))
        fold.add(self.grads[name], back.grads["h"])
        if self.parts:
            self.parts[name].take(fold, direct, back, kept)
        return recurrence.rules.x_side(back.grads).flatten(-2) @ layer.weights["weight_ih"]

    def _past(self, fold: _Fold, beside: Sequence[Tensor]) -> None:
        """Adds what comes to the vectors that the first layer reads past that layer."""
        for direct in beside:
            if self.past is None:
                self.past = torch.zeros_like(next(iter(self.flows.layers.values())).x)
            fold.add(self.past, Course(self.length, False, fold.lengths).zeroed(direct))

    def _add(self, sums: dict[str, Tensor], new: Tensors) -> None:
        for name, grad in new.items():
            sums[name] = sums[name] + grad if name in sums else grad


class _Fold:
    """Windows that do not overlap, beside each other as samples: (T, B, …) → (k2, windows · B, …)."""

    def __init__(self, windows: Sequence[_Window], length: int, layer: LayerTrace) -> None:
        device = layer.x.device
        first, loss, end = torch.tensor([(w.first, w.loss, w.end) for w in windows], device=device).unbind(1)
        self.T, self.B, self.length = layer.steps, layer.batch_size, length
        steps = first + torch.arange(length, device=device)[:, None]
        self.steps = torch.minimum(steps, end - 1)
        """(k2, windows): the step that each place is, from 0; behind the last loss, padding."""
        self._has_loss = ((steps >= loss) & (steps < end)).repeat_interleave(self.B, 1)
        """(k2, windows · B). Earlier losses go back from windows of their own."""
        own = torch.full((self.B,), self.T, device=device) if layer.lengths is None else layer.lengths
        lengths = (torch.minimum(own, end[:, None]) - first[:, None]).clamp(0, length).flatten()
        self.lengths = None if bool((lengths == length).all()) else lengths

    def __call__(self, array: Tensor) -> Tensor:
        return array[self.steps].flatten(1, 2)

    def of_losses(self, direct: Tensor) -> Tensor:
        """What the windows' own losses send directly."""
        return torch.where(self._has_loss[:, :, None], self(direct), 0.0)

    def opened(self, folded: Tensor) -> Tensor:
        """(T, B, …) with 0 where no window is."""
        folded = Course(self.length, False, self.lengths).zeroed(folded)
        whole = folded.new_zeros(self.T, self.B, *folded.shape[2:])
        self.add(whole, folded)
        return whole

    def add(self, sums: Tensor, folded: Tensor) -> None:
        """`folded` is 0 in the padding."""
        sums.index_add_(0, self.steps.flatten(), folded.view(self.steps.numel(), self.B, *folded.shape[2:]))

    @property
    def from_start(self) -> Tensor:
        """(windows · B, 1) bool: whether a window begins at the first step, so that it goes into the initial states."""
        return (self.steps[0] == 0).repeat_interleave(self.B)[:, None]

    def at_start(self, states: Tensor) -> Tensor:
        """(windows · B, …) → (B, …): those of the window that begins at the first step, 0 where none does."""
        return torch.where((self.steps[0] == 0)[:, None, None], states.view(-1, self.B, *states.shape[1:]), 0.0).sum(0)

    def recurrence(self, layer: LayerTrace) -> Recurrence:
        of, drop, held = layer.recurrence, layer.drop, {}
        if drop is not None:
            drop = self(drop) if len(drop) > 1 else drop.repeat(1, self.steps.shape[1], 1)
        for gate, one in of.held.items():
            where, value = (array.expand(-1, self.B, -1) for array in (one.where, one.value))
            held[gate] = Held(self(where), self(value))
        course = Course(self.length, False, self.lengths)
        return Recurrence(of.kind, of.rules, of.weights, course, None, drop, held, of.cuts)
