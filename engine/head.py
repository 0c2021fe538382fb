"""What stands after the recurrent layer, through autograd: outputs, losses, and each loss's gradient at h."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine import bptt
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.precision import arithmetic

HeadFunction: TypeAlias = Callable[[Tensor], tuple[Tensor | None, Tensor]]
"""h (T, B, H) → (outputs, losses). Outputs None: h itself is what the model answers."""


@dataclass(frozen=True, eq=False)
class Head:
    """The finished run of a head. Its graph is kept, on copies of what it read, so that it can be asked again."""

    outputs: Tensor
    losses: Tensor
    """(T,) or (1,)."""
    grad: Tensor
    """(T, B, H): ∂(Σ losses)/∂h, direct."""
    parameter_grads: dict[str, Tensor]
    answer: Tensor
    """The outputs as the head made them, of which `outputs` is a copy."""
    parameters: dict[str, Tensor]
    leaf: Tensor
    graph: Tensor
    """The losses with their history."""

    @classmethod
    def run(cls, head: HeadFunction, h: Tensor, parameters: Mapping[str, Tensor]) -> Head:
        """h (T, B, H). Raises DataError where the losses are of the wrong shape or do not depend on h.

        The head is given a copy of h, so that it may write to it. What it answers is brought to h's own type.
        """
        for name, parameter in parameters.items():
            if not parameter.requires_grad:
                raise DataError(f"The parameter {name} of what stands after the layer does not require a gradient.")
        leaf = h.detach().requires_grad_()
        # What autograd saves is copied (a view of the read-out's weights, say): so the graph answers the same after
        # somebody's next training step.
        with torch.enable_grad(), _of_inference(), torch.autograd.graph.saved_tensors_hooks(_copy, _give):
            outputs, losses = head(leaf.clone())
        _check(losses, len(h))
        with torch.enable_grad():
            graph = losses.reshape(-1).to(h)
            found = torch.autograd.grad(graph.sum(), [leaf, *parameters.values()], retain_graph=True, allow_unused=True)
        full = [
            torch.zeros_like(p) if g is None else g for p, g in zip([leaf, *parameters.values()], found, strict=True)
        ]
        return cls(
            (h if outputs is None else outputs).detach().to(h, copy=True),
            graph.detach().clone(),
            full[0].contiguous(),
            dict(zip(parameters, full[1:], strict=True)),
            leaf.detach() if outputs is None else outputs.detach().to(h),
            dict(parameters),
            leaf,
            graph,
        )


def _check(losses: Any, steps: int) -> None:
    accepted = f"a scalar () or one loss a step ({steps},) is accepted"
    if not isinstance(losses, Tensor):
        raise DataError(f"The loss returns a {type(losses).__name__}; a tensor, {accepted}.")
    if losses.dim() > 1 or (losses.dim() == 1 and len(losses) != steps):
        raise DataError(f"The loss has shape {tuple(losses.shape)}; {accepted}.")
    if losses.is_complex():
        raise DataError(f"The loss is {losses.dtype}; a real number is accepted.")
    if not losses.requires_grad:
        raise DataError("The loss does not depend on the layer's output; there is no gradient to trace.")


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _give(tensor: Tensor) -> Tensor:
    return tensor


@contextmanager
def _of_inference() -> Iterator[None]:
    """Autograd cannot use what was made in inference mode, and says so in words that speak of no loss."""
    try:
        yield
    except RuntimeError as error:
        if "nference tensor" not in str(error):
            raise
        raise DataError(
            "The loss uses a tensor that was made in torch.inference_mode(), of which there are no gradients; make it "
            "outside, or clone it under torch.inference_mode(False)."
        ) from None


class LossGradients:
    """∂L_s/∂h_k of single losses, by the same backward chain with only that loss's e."""

    def __init__(self, layer: LayerTrace, head: Head) -> None:
        self._layer = layer
        self._head = head

    @property
    def count(self) -> int:
        return len(self._head.losses)

    def judged(self) -> int:
        """The number of the last loss that reads anything: the one that the verdict rests on."""
        numbers = range(self.count - 1, -1, -1)
        return next((loss for loss in numbers if bool((self.direct(loss) != 0).any())), self.count - 1)

    def direct(self, loss: int) -> Tensor:
        """(T, B, H): ∂L_s/∂h_t, without recurrence."""
        if self.count == 1:
            return self._layer.output_grads
        with arithmetic(self._head.leaf, grad=True):
            (grad,) = torch.autograd.grad(self._head.graph[loss], self._head.leaf, retain_graph=True)
        return grad

    def again(self) -> dict[str, Tensor]:
        """Everything of the head, computed from its graph afresh: by the names of `Trace.numpy()`, and "output_grads"
        for the whole sequence. Empty where there is no graph any more."""
        head = self._head
        targets = [head.leaf, *head.parameters.values()]
        with arithmetic(head.leaf, grad=True):
            found = torch.autograd.grad(head.graph.sum(), targets, retain_graph=True, allow_unused=True)
        grads = [torch.zeros_like(t) if g is None else g for t, g in zip(targets, found, strict=True)]
        losses = head.graph.detach()
        again = {"outputs": head.answer, "losses": losses, "loss": losses.double().sum().to(losses)}
        again["output_grads"] = grads[0]
        return again | {f"head_grads.{name}": grad for name, grad in zip(head.parameters, grads[1:], strict=True)}

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
