"""What a single loss sends back: ∂L_s/∂h_k of every layer, by the same chain with only that loss's gradient.

Which steps a loss reaches is a matter of the graph, not of the numbers: a gradient of 0 at a step that it reaches is a
0, and at one that it does not reach there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import accumulate

import torch
from torch import Tensor

from engine import bptt
from engine.course import Course
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.pieces import Head, Part, Piece
from engine.precision import arithmetic
from engine.stack import Back, Down, Ran, down
from engine.step_pieces import joined


@dataclass(frozen=True, eq=False)
class Span:
    """Of each loss, the first and the last of the steps (from 0) that it depends on; (S,) int64 each, on the CPU.
    Where it depends on none, `first` is above `last`.

    More need not be known: a layer is reached from the outermost of them on.
    """

    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, reads: Tensor) -> Span:
        """From (S, T) bool."""
        T, some = reads.shape[1], reads.any(1)
        first = torch.where(some, reads.int().argmax(1), T)
        return cls(first, torch.where(some, T - 1 - reads.flip(1).int().argmax(1), -1))

    def joined(self, other: Span) -> Span:
        return Span(torch.minimum(self.first, other.first), torch.maximum(self.last, other.last))

    def behind(self, reverse: bool, steps: int) -> Span:
        """The steps of a layer that are reached through what is read of its output: those before the last one in the
        order in which the layer runs, of `steps` in all."""
        if reverse:
            return Span(self.first, torch.where(self.first <= self.last, steps - 1, self.last))
        return Span(torch.where(self.first <= self.last, 0, self.first), self.last)

    def steps(self, stop: int, first: int = 0) -> Tensor:
        """(S, stop − first) bool."""
        t = torch.arange(first, stop, device="cpu")
        return (t >= self.first[:, None]) & (t <= self.last[:, None])


@dataclass(frozen=True, eq=False)
class Reader:
    """What reads a level's output, and, beside that, what the level read: which of what it makes depends on what."""

    piece: Piece
    parts: tuple[Part, ...]
    """The columns of each direction, then what is read beside."""
    owners: list[Tensor | None]
    """For each part; see Piece.owners."""

    @classmethod
    def of(cls, piece: Piece, widths: Sequence[int]) -> Reader:
        ends = accumulate(widths)
        parts: list[Part] = [(0, slice(end - width, end)) for end, width in zip(ends, widths, strict=True)]
        parts += [(leaf, slice(None)) for leaf in range(1, len(piece.leaves))]
        return cls(piece, tuple(parts), piece.owners(parts))

    @property
    def step_by_step(self) -> bool:
        """Whether each step of what it makes depends on no other steps of what it reads."""
        return all(
            owner is not None and bool(((owner == torch.arange(len(owner), device="cpu")) | (owner < 0)).all())
            for owner in self.owners
        )

    def reads(self, made: Span) -> list[Tensor]:
        """(S, T) bool for each part, where losses depend on these rows of what it makes."""
        probed = []
        if any(owner is None for owner in self.owners):
            probed = self.piece.reached(made.steps(len(self.piece.graph)), self.parts)
        first, last = made.first[:, None], made.last[:, None]
        return [
            probed[place] if owner is None else (owner >= 0) & (owner >= first) & (owner <= last)
            for place, owner in enumerate(self.owners)
        ]


class LossGradients:
    """Of a whole trace; in a window too it speaks of all steps."""

    def __init__(self, layers: Mapping[str, LayerTrace], levels: Sequence[Ran], head: Head) -> None:
        self.layers = layers
        self.levels = levels
        self.head = head

    @property
    def count(self) -> int:
        return self.head.count

    @property
    def of_all_steps(self) -> bool:
        """Whether the gradients of parameters around the layers, asked again, are those of the whole sequence."""
        return True

    @property
    def many(self) -> bool:
        """Whether there are several losses, each of which can be asked for."""
        return self.count > 1

    @property
    def steps(self) -> int:
        return self._course.steps

    def judged(self) -> int:
        """The number of the last loss that reads anything: the one that the verdict rests on."""
        numbers = range(self.count - 1, -1, -1)
        return next((loss for loss in numbers if bool((self.direct(loss) != 0).any())), self.count - 1)

    def direct(self, loss: int) -> Tensor:
        """(T, B, W): ∂L_s/∂(output of the last level), without recurrence."""
        if self.count == 1:
            return self.zeroed(self.head.grads[0])
        level, spans = next(self.spans([loss]))
        widths = [self.layers[name].hidden_size for name in level.names]
        parts: Sequence[Tensor] = torch.split(self.head.of_loss(loss)[0], widths, dim=2)
        return self.zeroed(torch.cat([_read(part, span) for part, span in zip(parts, spans, strict=True)], 2))

    def zeroed(self, cotangent: Tensor) -> Tensor:
        """0 in the padding, which is no step."""
        return self._course.zeroed(cotangent)

    @property
    def _course(self) -> Course:
        return next(iter(self.layers.values())).recurrence.course

    def again(self) -> dict[str, Tensor]:
        """Everything around the recurrent layers computed afresh; see Head.again."""
        return self.head.again(lambda: joined([self.layers[name].values["h"] for name in self.levels[-1].names]))

    @cached_property
    def longest(self) -> int:
        """Steps that any sample has. What is behind them is padding: a constant, which no loss depends on."""
        layer = next(iter(self.layers.values()))
        return layer.steps if layer.lengths is None else int(layer.lengths.max())

    @cached_property
    def readers(self) -> list[Reader | None]:
        """What reads each level's output, from the last one down: the head, then the pieces between the levels; None
        where the level above reads it as it is."""
        pieces = [self.head.piece, *(level.piece() for level in reversed(self.levels[1:]))]
        found: list[Reader | None] = []
        for level, piece in zip(reversed(self.levels), pieces, strict=True):
            widths = [self.layers[name].hidden_size for name in level.names]
            found.append(None if piece is None else Reader.of(piece, widths))
        return found

    def spans(self, losses: Sequence[int]) -> Iterator[tuple[Ran, list[Span]]]:
        """From the last level down: the steps of each direction's output that each of these losses depends on."""
        numbers = torch.as_tensor(losses, dtype=torch.int64, device="cpu")
        stream = Span(numbers, numbers)  # of the losses themselves, which are what the head has made
        for level, reader in zip(reversed(self.levels), self.readers, strict=True):
            spans, beside = [stream] * len(level.names), []
            if reader is not None:
                read = [Span.of(self._clipped(reads)) for reads in reader.reads(stream)]
                spans, beside = read[: len(level.names)], read[len(level.names) :]
            yield level, spans
            ways = zip(level.names, spans, strict=True)
            reached = [span.behind(self.layers[name].reverse, self.longest) for name, span in ways]
            stream = reduce(Span.joined, [*reached, *beside])

    def _clipped(self, reads: Tensor) -> Tensor:
        return reads & (torch.arange(reads.shape[1], device="cpu") < self.longest)

    def reach(self, name: str, losses: Sequence[int] | None = None) -> Tensor:
        """(losses, T) bool, on the CPU: the steps k whose ∂L_s/∂h_k there is, zero or not; losses None: all.

        A loss reaches what is before the last step that it reads, in the order in which the layer runs; below a
        bidirectional layer, all. Raises DataError.
        """
        return self.reached(name, range(self.count) if losses is None else losses).steps(self.layers[name].steps)

    def reached(self, name: str, losses: Sequence[int]) -> Span:
        """The same as first and last step of each loss."""
        for level, spans in self.spans(losses):
            if name in level.names:
                return spans[level.names.index(name)].behind(self.layers[name].reverse, self.longest)
        raise self._no_layer(name)

    def _no_layer(self, name: str) -> DataError:
        return DataError(f"'{name}' is no layer of this trace; it has {', '.join(self.layers)}.")

    def mask(self, name: str) -> Tensor | None:
        """(T, B) bool: which samples have which steps; None: all."""
        return self.layers[name].mask

    def flow(self, loss: int, name: str) -> Tensor:
        """(T, B, H): ∂L_s/∂h_t of that layer, total; 0 at the steps that this loss cannot reach. Raises DataError."""
        if name not in self.layers:
            raise self._no_layer(name)
        if self.count == 1:
            return self.layers[name].grads["h"]
        reads: dict[str, Span] = {}
        reached: dict[str, Span] = {}
        for level, spans in self.spans([loss]):
            for one, span in zip(level.names, spans, strict=True):
                reads[one] = span
                reached[one] = span.behind(self.layers[one].reverse, self.longest)

        def back(one: str, direct: Tensor) -> LayerTrace:
            return _only(self.layers[one], _read(direct, reads[one]), reached[one])

        with arithmetic(self.head.losses):
            found = self.down(self.head.of_loss(loss), back, until=name).layers
        return found[name].grads["h"]

    def down(
        self, cotangents: Sequence[Tensor], back: Callable[[str, Tensor], Back], until: str | None = None
    ) -> Down[Back]:
        """From the head's leaves down through all levels; see engine.stack.down."""
        widths = {name: layer.hidden_size for name, layer in self.layers.items()}
        return down(self.levels, cotangents, widths, back, self._course, until)


def _read(direct: Tensor, span: Span) -> Tensor:
    """0 at the steps of (T, B, H) that the loss does not read: autograd sends it 0 times the other losses' factors
    there, and 0 · ∞ is NaN."""
    read = span.steps(len(direct))[0].to(direct.device)
    return torch.where(read[:, None, None], direct, 0.0)


def _only(layer: LayerTrace, direct: Tensor, reached: Span) -> LayerTrace:
    """The layer with the gradients that come from `direct` alone. Steps that are not reached are left out of the chain:
    a NaN there is nobody's gradient."""
    first, stop = int(reached.first), int(reached.last) + 1
    if stop <= first:
        nothing = {symbol: torch.zeros_like(grad) for symbol, grad in layer.grads.items()}
        return replace(layer, output_grads=direct, grads=nothing)
    part = layer if stop - first == layer.steps else layer.window(first + 1, stop)
    with arithmetic(direct):
        back = bptt.backward(part.recurrence, part.values, part.initial, direct[first:stop])
        grads = {s: _padded(grad, first, layer.steps) for s, grad in back.grads.items()}
    return replace(layer, output_grads=direct, grads=grads)


def _padded(grad: Tensor, first: int, steps: int) -> Tensor:
    if len(grad) == steps:
        return grad
    whole = grad.new_zeros(steps, *grad.shape[1:])
    whole[first : first + len(grad)] = grad
    return whole
