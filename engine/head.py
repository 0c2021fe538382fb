"""What stands after the recurrent layer, through autograd: outputs, losses, and each loss's gradient at h."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine import bptt
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.precision import arithmetic


@dataclass(frozen=True, eq=False)
class Head:
    """The finished run of a head. Its graph is kept, on copies of what it read, so that it can be asked again."""

    outputs: Tensor
    losses: Tensor
    """(T,) or (1,)."""
    grad: Tensor
    """(T, B, H): ∂(Σ losses)/∂h, direct."""
    parameter_grads: dict[str, Tensor]
    leaf: Tensor
    graph: Tensor
    """The losses with their history."""

    @classmethod
    def run(cls, head: Callable[[Tensor], tuple[Tensor, Tensor]], h: Tensor, parameters: Mapping[str, Tensor]) -> Head:
        """h (T, B, H). Raises DataError where the losses are of the wrong shape or do not depend on h."""
        for name, parameter in parameters.items():
            if not parameter.requires_grad:
                raise DataError(f"The parameter {name} of what stands after the layer does not require a gradient.")
        leaf = h.detach().requires_grad_()
        # What autograd saves is copied (a view of the read-out's weights, say), all but h itself, which is the trace's
        # own: so the graph answers the same after somebody's next training step.
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(_Keep(leaf), _give):
            outputs, losses = head(leaf)
        if not isinstance(losses, Tensor) or losses.dim() > 1 or (losses.dim() == 1 and len(losses) != len(h)):
            shape = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
            raise DataError(f"The loss has shape {shape}; a scalar () or one loss a step ({len(h)},) is accepted.")
        if not losses.requires_grad:
            raise DataError("The loss does not depend on the layer's output; there is no gradient to trace.")
        with torch.enable_grad():
            graph = losses.reshape(-1)
            found = torch.autograd.grad(graph.sum(), [leaf, *parameters.values()], retain_graph=True, allow_unused=True)
        full = [
            torch.zeros_like(p) if g is None else g for p, g in zip([leaf, *parameters.values()], found, strict=True)
        ]
        return cls(
            outputs.detach().clone(),
            graph.detach().clone(),
            full[0].contiguous(),
            dict(zip(parameters, full[1:], strict=True)),
            leaf,
            graph,
        )


class _Keep:
    """Copies what is saved for backward, unless it lies in the memory of the given tensor."""

    def __init__(self, own: Tensor) -> None:
        self._own = own.untyped_storage().data_ptr()

    def __call__(self, tensor: Tensor) -> Any:
        return tensor if tensor.untyped_storage().data_ptr() == self._own else tensor.detach().clone()


def _give(tensor: Any) -> Any:
    return tensor


class LossGradients:
    """∂L_s/∂h_k of single losses, by the same backward chain with only that loss's e."""

    def __init__(self, layer: LayerTrace, head: Head) -> None:
        self._layer = layer
        self._head = head

    @property
    def count(self) -> int:
        return len(self._head.losses)

    def direct(self, loss: int) -> Tensor:
        """(T, B, H): ∂L_s/∂h_t, without recurrence."""
        if self.count == 1:
            return self._layer.output_grads
        with arithmetic(self._head.leaf, grad=True):
            (grad,) = torch.autograd.grad(self._head.graph[loss], self._head.leaf, retain_graph=True)
        return grad

    def flow(self, loss: int) -> Tensor:
        """(k, B, H): ∂L_s/∂h, total, for the steps 1 … k that the loss can reach: all, or with one loss a step, s."""
        layer = self._layer
        if self.count == 1:
            return layer.grads["h"]
        direct = self.direct(loss)
        reach = loss + 1
        later = direct[reach:]
        if later.numel() and bool((later != 0).any()):  # attention, or a loss that looks ahead
            reach = layer.steps
        part = layer if reach == layer.steps else layer.window(1, reach)
        with arithmetic(direct):
            back = bptt.backward(part.rules, part.values, part.initial, part.weights["weight_hh"], direct[:reach])
        return back.grads["h"]
