"""What a single loss sends back: ∂L_s/∂h_k of every layer, by the same chain with only that loss's gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from engine import bptt
from engine.course import Course
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.pieces import Head
from engine.precision import arithmetic
from engine.stack import Back, Ran, down


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
    def steps(self) -> int:
        return self._course.steps

    def judged(self) -> int:
        """The number of the last loss that reads anything: the one that the verdict rests on."""
        numbers = range(self.count - 1, -1, -1)
        return next((loss for loss in numbers if bool((self.direct(loss) != 0).any())), self.count - 1)

    def direct(self, loss: int) -> Tensor:
        """(T, B, W): ∂L_s/∂(output of the last level), without recurrence."""
        return self.zeroed(self.head.grads[0] if self.count == 1 else self.head.of_loss(loss)[0])

    def zeroed(self, cotangent: Tensor) -> Tensor:
        """0 in the padding, which is no step."""
        return self._course.zeroed(cotangent)

    @property
    def _course(self) -> Course:
        return next(iter(self.layers.values())).recurrence.course

    def again(self) -> dict[str, Tensor]:
        """Everything around the recurrent layers computed afresh; see Head.again."""
        return self.head.again()

    @cached_property
    def reads(self) -> Tensor:
        """(losses, T) bool, on the CPU: the steps of the last level's output that each loss depends on."""
        return self.head.reads()

    def reach(self, name: str) -> Tensor:
        """(losses, T) bool, on the CPU: the steps k whose ∂L_s/∂h_k there is, zero or not. A loss reaches what is
        before the last step that it reads, in the order in which the layer runs; below a bidirectional layer, all."""
        reads = self.reads
        for level in reversed(self.levels):
            reached = {layer: self._reached(layer, reads) for layer in level.names}
            if name in reached:
                return reached[name]
            reads = torch.stack([*reached.values()]).any(0)
        raise DataError(f"'{name}' is no layer of this trace; it has {', '.join(self.layers)}.")

    def _reached(self, name: str, reads: Tensor) -> Tensor:
        if self.layers[name].reverse:
            return reads.cumsum(1) > 0
        return reads.flip(1).cumsum(1).flip(1) > 0

    def mask(self, name: str) -> Tensor | None:
        """(T, B) bool: which samples have which steps; None: all."""
        return self.layers[name].mask

    def flow(self, loss: int, name: str) -> Tensor:
        """(T, B, H): ∂L_s/∂h_t of that layer, total; 0 at the steps that this loss cannot reach."""
        if self.count == 1:
            return self.layers[name].grads["h"]
        reads = self.reads[loss][None]
        reached: dict[str, Tensor] = {}
        for level in reversed(self.levels):
            reached |= {one: self._reached(one, reads)[0] for one in level.names}
            reads = torch.stack([reached[one] for one in level.names]).any(0)[None]
        if name not in self.layers:
            raise DataError(f"'{name}' is no layer of this trace; it has {', '.join(self.layers)}.")

        def back(one: str, direct: Tensor) -> LayerTrace:
            return _only(self.layers[one], direct, reached[one])

        with arithmetic(self.head.losses):
            found, _ = self.down(self.head.of_loss(loss), back, until=name)
        return found[name].grads["h"]

    def down(
        self, cotangents: Sequence[Tensor], back: Callable[[str, Tensor], Back], until: str | None = None
    ) -> tuple[dict[str, Back], dict[str, Tensor]]:
        """From the head's leaves down through all levels; see engine.stack.down."""
        widths = {name: layer.hidden_size for name, layer in self.layers.items()}
        return down(self.levels, cotangents, widths, back, self._course, until)


def _only(layer: LayerTrace, direct: Tensor, reached: Tensor) -> LayerTrace:
    """The layer with the gradients that come from `direct` alone. Steps that are not reached are left out of the chain:
    a NaN there is nobody's gradient."""
    steps = reached.nonzero().flatten().tolist()
    if not steps:
        nothing = {symbol: torch.zeros_like(grad) for symbol, grad in layer.grads.items()}
        return replace(layer, output_grads=direct, grads=nothing)
    first, stop = steps[0], steps[-1] + 1
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
