"""Pieces of a model that autograd differentiates: what stands before, between and after the recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.errors import DataError
from engine.precision import arithmetic, without_anomaly_mode
from engine.spec_reading import kind_of
from engine.ways import Saved, Watch, Ways

HeadFunction: TypeAlias = Callable[..., tuple[Tensor | None, Tensor]]
"""h (T, B, H) → (outputs, losses). Outputs None: h itself is what the model answers."""
Part: TypeAlias = tuple[int, slice]
"""Of what a piece read, (T, B, W) each: the number of the leaf, and columns of it."""
AT_ONCE = 1 << 21
"""Numbers in the gradients that are asked for together; more of them are asked for one after the other."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece that has run once. Its graph stands on copies of what it read, so that it can be asked again."""

    leaves: tuple[Tensor, ...]
    """Of the shapes of what it read."""
    parameters: Mapping[str, Tensor]
    graph: Tensor
    """What it made, with its history."""
    saved: Saved

    @classmethod
    def run(
        cls,
        function: Callable[..., Any],
        inputs: Sequence[Tensor],
        parameters: Mapping[str, Tensor],
        own: bool = False,
        once: bool = False,
    ) -> tuple[Piece, Any]:
        """The piece, and whatever the function returned; its graph is that of the last tensor in it.

        The function is given copies of its inputs, so that it may write to them. `own`: it is the engine's, writes to
        nothing, and nobody writes to what it reads; then there are no copies. `once`: it is asked for numbers alone,
        not for what depends on what, so that nobody looks on. Raises DataError.
        """
        if own:
            leaves = given = tuple(one.detach().requires_grad_(one.is_floating_point()) for one in inputs)
        else:
            leaves, given = zip(*map(_entry, inputs), strict=True)
        saved, watch = Saved(copies=not own), Watch()
        if own and once:
            with torch.enable_grad(), _of_inference():
                made = function(*given)
        else:
            hooks = torch.autograd.graph.saved_tensors_hooks(saved.take, saved.give)
            with torch.enable_grad(), _of_inference(), hooks, watch:
                made = function(*given)
            saved.told(watch)
        return cls(leaves, parameters, made[-1] if isinstance(made, tuple) else made, saved), made

    def back(self, cotangent: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """∂L/∂(each leaf) and ∂L/∂(each parameter), from ∂L/∂(what it made). Leaves of whole numbers have none: 0."""
        targets = [*(leaf for leaf in self.leaves if leaf.requires_grad), *self.parameters.values()]
        with arithmetic(self.graph, grad=True):
            found = torch.autograd.grad(self.graph, targets, cotangent, retain_graph=True, allow_unused=True)
        grads = iter(torch.zeros_like(t) if g is None else g for t, g in zip(targets, found, strict=True))
        of_leaves = [next(grads) if leaf.requires_grad else torch.zeros((), device=leaf.device) for leaf in self.leaves]
        return of_leaves, dict(zip(self.parameters, grads, strict=True))

    def back_many(self, cotangents: Tensor) -> list[Tensor]:
        """∂L_s/∂(each leaf), (S, …) each, from S cotangents at once. Leaves of whole numbers are left out."""
        try:
            found = self._of_leaves(cotangents, batched=True)
        except RuntimeError:  # an operation of the user's own that knows of no batches: one after the other
            each = [self._of_leaves(one) for one in cotangents]
            found = [torch.stack(grads) for grads in zip(*each, strict=True)]
        return found

    def _of_leaves(self, cotangent: Tensor, batched: bool = False) -> list[Tensor]:
        leaves = [leaf for leaf in self.leaves if leaf.requires_grad]
        many = cotangent.shape[:1] if batched else ()
        with arithmetic(self.graph, grad=True):
            found = torch.autograd.grad(
                self.graph, leaves, cotangent, retain_graph=True, allow_unused=True, is_grads_batched=batched
            )
        return [t.new_zeros(*many, *t.shape) if g is None else g for t, g in zip(leaves, found, strict=True)]

    def reached(self, rows: Tensor, parts: Sequence[Part]) -> list[Tensor]:
        """For each part the steps of it that any of these rows of what it made depends on, whatever the numbers are:
        (T,) bool; from several choices at once, rows (S, N) bool, (S, T). All on the CPU.

        Found by NaN as a cotangent: it comes out wherever there is a way (engine.ways).
        """
        cotangent = self.graph.new_zeros(*rows.shape[:-1], *self.graph.shape)
        cotangent[rows.to(cotangent.device)] = torch.nan
        with Ways(self.saved), without_anomaly_mode():
            grads = self._of_leaves(cotangent) if rows.dim() == 1 else self.back_many(cotangent)
        found = [grad.flatten(rows.dim(), -2).sum(rows.dim()).isnan().cpu() for grad in grads]
        return [found[leaf][..., columns].any(-1) for leaf, columns in parts]

    def owners(self, parts: Sequence[Part]) -> list[Tensor | None]:
        """For each part the one row of what it made that depends on each step, −1 where none does: (T,) int64, on the
        CPU. None where two rows depend on the same step.

        A few passes that each ask for half of the rows tell whose a step is.
        """
        N = len(self.graph)
        bits = (torch.arange(N, device="cpu") >> torch.arange((N - 1).bit_length(), device="cpu")[:, None]) % 2 == 1
        choices = torch.cat([torch.ones(1, N, dtype=torch.bool, device="cpu"), bits, ~bits])
        if len(choices) * sum(leaf.numel() for leaf in self.leaves) <= AT_ONCE:
            reached = self.reached(choices, parts)
        else:
            each = zip(*(self.reached(choice, parts) for choice in choices), strict=True)
            reached = [torch.stack(of_part) for of_part in each]
        found: list[Tensor | None] = []
        for anybody, *halves in (part.unbind(0) for part in reached):
            ones, others = torch.stack(halves).chunk(2) if halves else (anybody[None][:0],) * 2
            owner = (ones.long() << torch.arange(len(ones), device="cpu")[:, None]).sum(0)
            found.append(None if bool((ones & others).any()) else owner.masked_fill(~anybody, -1))
        return found


@dataclass(frozen=True, eq=False)
class Head:
    """The finished run of what stands after the last recurrent layer, with the losses that it came to."""

    made: Callable[[], tuple[Piece, Tensor | None]]
    """The piece, and the outputs as the head made them, of which `outputs` is a copy; None: they are h. One of our own
    is made again each time, for its graph would be as large as the trace."""
    outputs: Tensor
    losses: Tensor
    """(T,) or (1,)."""
    parameter_grads: dict[str, Tensor]

    @classmethod
    def run(
        cls,
        head: HeadFunction,
        inputs: Sequence[Tensor],
        parameters: Mapping[str, Tensor],
        again: tuple[HeadFunction, Callable[[], Sequence[Tensor]]] | None = None,
    ) -> tuple[Head, tuple[Tensor, ...]]:
        """The head, and ∂(Σ losses)/∂(each of its inputs), direct.

        inputs: h (T, B, H), and whatever else the head reads. What it answers is brought to h's own type. `again`: the
        head is the engine's own (see Piece.run); it is not kept, and asked again it is this one with these inputs, of
        which the one that ran may be a part. Raises DataError where the losses are of the wrong shape or do not depend
        on h.
        """
        for name, parameter in parameters.items():
            if not parameter.requires_grad:
                raise DataError(f"The parameter {name} of what stands after the layer does not require a gradient.")
        made = _made(head, inputs, parameters, own=again is not None, once=again is not None)
        piece, outputs = made
        losses, answer = piece.graph.detach().clone(), (inputs[0] if outputs is None else outputs).clone()
        grads, of_parameters = piece.back(torch.ones_like(piece.graph))
        if again is None:
            found = partial(_same, made)
        else:
            found = partial(_made_again, *again, parameters)
        return cls(found, answer, losses, of_parameters), tuple(grad.contiguous() for grad in grads)

    @property
    def piece(self) -> Piece:
        return self.made()[0]

    @cached_property
    def grads(self) -> tuple[Tensor, ...]:
        """∂(Σ losses)/∂(each leaf), direct: of h first. A trace has them as its layers' `output_grads`."""
        return tuple(grad.contiguous() for grad in self.piece.back(torch.ones_like(self.losses))[0])

    @property
    def count(self) -> int:
        return len(self.losses)

    def of_loss(self, loss: int) -> list[Tensor]:
        """∂L_s/∂(each leaf) of one loss, direct."""
        one = torch.zeros_like(self.losses)
        one[loss] = 1.0
        return self.piece.back(one)[0]

    def again(self, h: Callable[[], Tensor]) -> dict[str, Tensor]:
        """Everything computed from the graph afresh: by the names of `Trace.numpy()`, and "leaf 0", … for what it hands
        back to what it read. `h` gives the output (T, B, W) of the last level."""
        piece, answer = self.made()
        grads, of_parameters = piece.back(torch.ones_like(self.losses))
        losses = piece.graph.detach()
        outputs = h() if answer is None else answer
        found = {"outputs": outputs, "losses": losses, "loss": losses.double().sum().to(losses)}
        found |= {f"leaf {number}": grad for number, grad in enumerate(grads)}
        return found | {f"head_grads.{name}": grad for name, grad in of_parameters.items()}


Made: TypeAlias = tuple[Piece, "Tensor | None"]
"""A head's piece, and its outputs in h's own type; None: they are h."""


def _made(
    head: HeadFunction, inputs: Sequence[Tensor], parameters: Mapping[str, Tensor], own: bool, once: bool = False
) -> Made:
    h = inputs[0]
    steps, dtype, device = len(h), h.dtype, h.device

    def function(*read: Tensor) -> tuple[Tensor | None, Tensor]:
        outputs, losses = head(*read)
        _check(losses, steps)
        return outputs, losses.reshape(-1).to(device, dtype)

    piece, (outputs, _) = Piece.run(function, inputs, parameters, own, once)
    return piece, None if outputs is None else outputs.detach().to(device, dtype)


def _made_again(head: HeadFunction, read: Callable[[], Sequence[Tensor]], parameters: Mapping[str, Tensor]) -> Made:
    with arithmetic(next(iter(parameters.values()))):
        return _made(head, read(), parameters, own=True)


def _same(made: Made) -> Made:
    return made


def _entry(read: Tensor) -> tuple[Tensor, Tensor]:
    """A leaf that takes no memory, and a copy of what is read that hangs on it. −0.0 changes no number that it is added
    to, not even 0 or −0.0."""
    if not read.is_floating_point():
        return read.detach(), read.clone()
    leaf = read.new_full((), -0.0).expand(read.shape).detach().requires_grad_()
    with torch.enable_grad():
        return leaf, read.detach() + leaf


def _check(losses: Any, steps: int) -> None:
    accepted = f"a scalar () or one loss a step ({steps},) is accepted"
    if not isinstance(losses, Tensor):
        raise DataError(f"The loss returns {kind_of(losses)}; a tensor, {accepted}.")
    if losses.dim() > 1 or (losses.dim() == 1 and len(losses) != steps):
        raise DataError(f"The loss has shape {tuple(losses.shape)}; {accepted}.")
    if losses.is_complex():
        raise DataError(f"The loss is {losses.dtype}; a real number is accepted.")
    if not losses.requires_grad:
        raise DataError("The loss does not depend on the layer's output; there is no gradient to trace.")


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
