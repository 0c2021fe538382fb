"""`engine.trace`: one forward and backward pass of a recurrent model, with everything recorded.

The recurrent layers are hand-derived (engine.cells, engine.bptt). What stands around them (read-out, loss, dropout
between layers) goes through autograd, which hands each layer e_t = ∂L/∂h_t.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from engine import given, intake
from engine.errors import DataError
from engine.flow import LossGradients
from engine.given import whole
from engine.layer_trace import LayerTrace
from engine.norms import mean_over_samples, norm
from engine.pieces import HeadFunction
from engine.precision import arithmetic
from engine.spec import NO_WHAT_IF, WhatIf
from engine.spec_reading import shown
from engine.stack import Level, OwnHead, joined_input_grad, run
from engine.what_if import changed_levels, in_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.requests import Audit, Verdict
    from engine.truncation import Truncated

Loss: TypeAlias = Callable[[Tensor], Tensor]
Initial: TypeAlias = Mapping[str, Tensor] | Mapping[str, Mapping[str, Tensor]] | Tensor | Sequence[Tensor] | None


@dataclass(frozen=True, eq=False)
class Trace:
    """All recorded values and gradients of one forward and backward pass. Arrays are (time, batch, …).

    Immutable as far as Python goes: no field can be set and no mapping changed, and neither training the model nor
    writing to x changes anything here. The tensors themselves are torch's, which knows none that cannot be written to:
    do not write into them (clone first). They are shared, among views of one array and with every window, and what is
    computed later is computed from them. The arrays of `numpy()` are read-only.
    """

    layers: Mapping[str, LayerTrace]
    """By torch's suffixes, from the input on: "l0", "l0_reverse", "l1"."""
    outputs: Tensor
    """What the model answered: the last layer's output (T, B, W), its directions side by side, or the read-out's."""
    losses: Tensor
    """(T,), one loss a step, or (1,). In a window: those of its steps. NaN where they are somebody's own."""
    head_grads: Mapping[str, Tensor]
    """Gradients of what stands around the layers, by parameter name: "readout.weight", "embedding.weight"."""
    loss: Tensor
    """(): the sum of the losses of the whole sequence, what BPTT ran on. NaN where it is somebody's own."""
    loss_grads: LossGradients | None = None
    """Each single loss's ∂L_s/∂h_t; None for a window from a file. Somebody's own (engine.record) is a single one."""
    first_step: int = 1
    """t of the first recorded step; above 1 in a window."""
    past_grad: Tensor | None = None
    """(T, B, D): the part of `input_grad` that comes past the first recurrent layer, by a residual connection around
    it; None: nothing does."""

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle is what a file is (`save`, engine.load_trace): everything but the graphs of the single losses. Of
        those it keeps the gradient of the one that `verdict` rests on; of a window, none."""
        from engine.recording import kept_of

        return _restored, (self._parts(), kept_of(self))

    def __copy__(self) -> Trace:
        return _restored(self._parts(), self.loss_grads, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Trace:
        """With tensors of its own. The graphs of the single losses, which nobody writes to, are shared."""
        return _restored(copy.deepcopy(self._parts(), memo), self.loss_grads, self)

    def _parts(self) -> dict[str, Any]:
        parts = {part.name: getattr(self, part.name) for part in fields(Trace) if part.name != "loss_grads"}
        return {name: dict(part) if isinstance(part, Mapping) else part for name, part in parts.items()}

    def __post_init__(self) -> None:
        for part in ("layers", "head_grads"):
            object.__setattr__(self, part, MappingProxyType(dict(getattr(self, part))))

    def __getitem__(self, name: str) -> LayerTrace:
        return self.layers[self._name(name)]

    def __contains__(self, name: object) -> bool:
        """Whether it has a layer of that name."""
        return name in self.layers

    def __iter__(self) -> Iterator[str]:
        """The names of its layers."""
        return iter(self.layers)

    @property
    def layer(self) -> LayerTrace:
        """The last recurrent layer, the one that the loss reads; of two directions, the forward one."""
        return next(iter(self.last_level.values()))

    @property
    def last_level(self) -> dict[str, LayerTrace]:
        """The last recurrent layer's directions, by name."""
        depth = list(self.layers)[-1].removesuffix("_reverse")
        return {name: layer for name, layer in self.layers.items() if name.removesuffix("_reverse") == depth}

    @property
    def steps(self) -> int:
        """T; in a window, its own."""
        return self.layer.steps

    @property
    def input_grad(self) -> Tensor:
        """(T, B, D): the total ∂L/∂x, through both directions of the first layer and past it; behind an embedding,
        ∂L/∂(the vectors that the first layer reads). Of a recorded trace (engine.record): as far as it comes through
        the layers of this trace."""
        lowest = [layer for name, layer in self.layers.items() if name in ("l0", "l0_reverse")]
        with arithmetic(lowest[0].x):
            return joined_input_grad(lowest, *(() if self.past_grad is None else (self.past_grad,)))

    @property
    def weight_grads(self) -> dict[str, Tensor]:
        """Every parameter's gradient by torch's full name: "weight_hh_l0", and the read-out's."""
        found = {f"{name}_{key}": g for key, layer in self.layers.items() for name, g in layer.weight_grads.items()}
        return found | dict(self.head_grads)

    def flow_row(self, loss: int = -1, layer: str | None = None) -> Tensor:
        """(T,) float64: N[s, k] = ‖∂L_s/∂h_k‖, per sample, then the mean over the batch, for one of the losses.

        `loss` counts from 0, or from the end; `layer` None: the last one. NaN at the steps that this loss cannot reach.
        A sample counts at its own steps only. Raises DataError.
        """
        flows, loss, name = self._single_losses(loss), whole("loss", loss), self._name(layer)
        # Of all steps before the window is cut out, so that a window has the same bits.
        row = mean_over_samples(norm(flows.flow(loss % flows.count, name), dim=2), flows.mask(name))
        return row.masked_fill(~flows.reach(name, [loss % flows.count])[0].to(row.device), torch.nan)[self._own_steps]

    def flow_matrix(self, layer: str = "l0", losses: Any = None, steps: tuple[int, int] | None = None) -> Tensor:
        """(losses, steps) float64: N[s, k] = ‖∂L_s/∂h_k‖ of one layer, per sample, then the mean over the batch; NaN
        where loss s cannot reach step k. A sample counts at its own steps only.

        `losses`: a slice, a range or numbers, from 0 or from the end; None: all. `steps`: first and last, both
        included, counted as in `window`; None: all of the trace. For long traces choose some of both: an answer, or
        what has to be held for it, above 256 MiB is refused. Raises DataError.
        """
        from engine.flow_matrix import flow_norms

        flows, name = self._single_losses(0), self._name(layer)
        numbers = given.numbers("losses", losses, flows.count)
        first, last = (1, self.steps) if steps is None else given.stretch("steps", steps, self.steps)
        at = self.first_step - 1
        return flow_norms(flows, name, numbers, (at + first - 1, at + last))

    def flow_gradient(self, loss: int = -1, layer: str | None = None) -> Tensor:
        """(T, B, H): ∂L_s/∂h_t of one layer, total; 0 at the steps that this loss cannot reach. Raises DataError."""
        flows = self._single_losses(loss)
        return flows.flow(whole("loss", loss) % flows.count, self._name(layer))[self._own_steps]

    def verdict(self, layer: str | None = None) -> Verdict:
        """Vanishing, healthy or exploding: how the gradient of the last loss that reads anything fares from the last
        step that it reaches back to step 1, in one layer (None: the last one). See engine.verdict. Raises DataError."""
        from engine.dtypes import smallest_normal
        from engine.verdict import verdict

        gradient, of = self.flow_gradient(self._judged(), layer), self.layers[self._name(layer)]
        row = mean_over_samples(norm(gradient, dim=2), of.mask).cpu().numpy()
        return verdict(row, of.longest, smallest_normal(str(gradient.dtype).removeprefix("torch.")))

    def _judged(self) -> int:
        return self._single_losses(0).judged()

    def truncated(self, k1: int, k2: int) -> Truncated:
        """The gradients of truncated BPTT: every k1 steps, k2 steps back. See engine.truncation. Raises DataError."""
        from engine.truncation import truncated

        return truncated(self, k1, k2)

    def _single_losses(self, loss: int) -> LossGradients:
        if self.loss_grads is None:
            raise DataError("This trace has no single losses any more; only a freshly computed trace has them.")
        count = self.loss_grads.count
        if not -count <= whole("loss", loss) < count:
            raise DataError(f"There is no loss {loss}; this trace has {count}, counted from 0.")
        return self.loss_grads

    def _name(self, layer: str | None) -> str:
        if layer is None:
            return next(iter(self.last_level))
        return given.one_of("layer", layer, self.layers, "layer of this trace")

    @property
    def _own_steps(self) -> slice:
        return slice(self.first_step - 1, self.first_step - 1 + self.steps)

    def window(self, t0: int, t1: int) -> Trace:
        """Steps t0 … t1, counted from the first recorded one as 1, both included. Raises DataError.

        Gradients stay those of the whole loss. `weight_grads` is the part of these steps; `losses` and `outputs` are
        cut where there is one a step.
        """
        t0, t1 = whole("t0", t0), whole("t1", t1)
        layers = {name: layer.window(t0, t1) for name, layer in self.layers.items()}
        T, B = self.steps, self.layer.batch_size
        one_a_step = self.outputs.dim() == 3 and self.outputs.shape[:2] == (T, B)
        return replace(
            self,
            layers=layers,
            outputs=self.outputs[t0 - 1 : t1] if one_a_step else self.outputs,
            losses=self.losses[t0 - 1 : t1] if len(self.losses) == T else self.losses,
            first_step=self.first_step + t0 - 1,
            past_grad=None if self.past_grad is None else self.past_grad[t0 - 1 : t1],
        )

    def audit(self) -> Audit:
        """Error against autograd, per quantity ("l0.grads.h"), computed afresh. See engine.audit."""
        from engine.audit import audit_trace

        return audit_trace(self)

    def numpy(self) -> dict[str, NDArray[np.floating]]:
        """Everything as read-only arrays: "l0.values.f", "l0.grads.h", "l0.weight_grads.weight_hh", "losses", …

        In the trace's own type; bfloat16, which NumPy does not have, as float32.
        """
        from engine.arrays import arrays_of

        return arrays_of(self)

    def save(self, path: str | Path) -> None:
        """Write the trace to a file that `gradflow PATH` opens. Raises SessionError."""
        from engine.recording import save

        save(self, path)


def _restored(parts: Mapping[str, Any], losses: LossGradients | None, like: Trace | None = None) -> Trace:
    return Trace(**parts, loss_grads=losses) if like is None else replace(like, **parts, loss_grads=losses)


def trace_stack(
    levels: tuple[Level, ...],
    x: Tensor,
    head: HeadFunction,
    head_parameters: Mapping[str, Tensor] | None = None,
    lengths: Tensor | None = None,
    head_reads_stream: bool = False,
    own: OwnHead | None = None,
) -> Trace:
    """Trace a stack of layers and what stands around them; see engine.stack.run.

    `head` takes the last level's output (T, B, W) and returns (outputs, losses): a scalar, or one loss a step (T,);
    their sum is what BPTT runs on. Outputs None stands for what it was given. It runs under autograd. `own`: the parts
    of a head that is the engine's own, as the levels' `enter` are: it writes to nothing, and nobody to what it reads.
    `head_parameters` are tensors that require a gradient: theirs is found in `head_grads`. Nothing of the module
    changes, and neither training it nor overwriting x afterwards changes the trace. Raises DataError.
    """
    like = levels[0].layers[0].weights["weight_hh"]
    with arithmetic(like):
        done = run(levels, x, head, head_parameters or {}, lengths, head_reads_stream, own)
        loss = done.head.losses.sum()
    flows = LossGradients(done.layers, done.levels, done.head)
    return Trace(
        done.layers, done.head.outputs, done.head.losses, done.parameter_grads, loss, flows, past_grad=done.past
    )


def trace_layer(
    recurrent: nn.Module,
    x: Tensor,
    head: HeadFunction,
    initial: Initial = None,
    head_parameters: Mapping[str, Tensor] | None = None,
    what_if: WhatIf = NO_WHAT_IF,
    budget: int | None = None,
) -> Trace:
    """Trace a torch module and what stands after it: x, initial and what_if as in `trace`, head as in `trace_stack`."""
    taken = intake.take(recurrent, x, initial)
    levels, x = taken.levels, taken.x
    if what_if is not NO_WHAT_IF:
        levels, x = changed_levels(levels, what_if, len(x)), in_type(x, what_if)
    if budget is not None:
        _check_budget(levels, len(x), budget)
    return trace_stack(levels, x, head, head_parameters, taken.lengths)


def _check_budget(levels: tuple[Level, ...], steps: int, budget: int) -> None:
    from engine.long.room import bytes_shown, recorded_a_step

    if whole("budget", budget) < 1:
        raise DataError(f"budget is {budget}; a number of bytes is accepted.")
    size = steps * recorded_a_step(levels)
    if size > budget:
        raise DataError(
            f"All {steps:,} steps take {bytes_shown(size)}, and the budget is {bytes_shown(budget)}; engine.trace_long "
            "keeps to it with checkpoints, where the loss is given step by step."
        )


def trace(model: Any, x: Any = None, loss: Loss | None = None, initial: Initial = None, **options: Any) -> Trace:
    """Trace nn.RNN, nn.LSTM or nn.GRU, one of torch's cells, or an engine.Network.

    x (T, B, D), (B, T, D) for a module with batch_first, or a packed sequence, whose padding is no step of any layer.
    `loss` takes the last layer's output, (T, B, W) always, W = H · directions, 0 in the padding, and returns a scalar,
    or one loss a step (T,). `initial` as torch takes it: h_0, or the LSTM's (h_0, c_0), each (layers · directions, B,
    H), without the leading dimension where that is 1; or by name, {"h": …, "c": …}, or by layer and name,
    {"l1": {"h": (B, H)}}. A cell is run over all steps. Works under torch.no_grad(), and leaves .grad, the training
    mode and the random state alone; in training mode, dropout between the layers is what the module's own forward
    would draw now. A parametrised weight is what that forward would make of it now (a cell's, at its first step), and
    nothing of the parametrisation changes. Hooks that a trace would not follow are refused, those of all modules too.
    `what_if` (an engine.WhatIf) is laid on top of the module's weights; its clipping is no part of a
    trace. `budget`: bytes that the trace may hold; where it would be more, it is refused with its size before anything
    is computed (making it takes up to as much again), and `engine.trace_long` traces it with checkpoints, with the same
    API, if the loss is given per step and not as one function of all outputs. A network, which has its own what-if, is
    traced by `Network.trace`, on its own task where x is missing.
    Raises DataError and SpecError.
    """
    from engine.network import Network

    if isinstance(model, Network):
        unknown = [name for name in options if name not in ("iteration", "batch", "lengths")]
        if unknown:
            raise DataError(
                f"'{unknown[0]}' is no option of tracing a Network; iteration, batch and lengths are accepted."
            )
        return model.trace(x, loss, initial=initial, **options)
    what_if, budget = options.pop("what_if", NO_WHAT_IF), options.pop("budget", None)
    if options:
        name = type(model).__name__
        raise DataError(f"'{next(iter(options))}' is no option of tracing a {name}; what_if and budget are accepted.")
    intake.refuse(model)
    if x is None:
        given.sequence(x)
    read = checked_loss(loss)
    return trace_layer(model, x, lambda y: (None, read(y)), initial, what_if=what_if, budget=budget)


def checked_loss(loss: Any) -> Loss:
    """The loss itself, if it can be called. Raises DataError."""
    accepted = "a function of the output (time, batch, feature), as loss=lambda y: …"
    if loss is None:
        raise DataError(f"loss is missing; give {accepted}")
    if not callable(loss):
        raise DataError(f"loss is {shown(loss)}; it should be {accepted}")
    found: Loss = loss
    return found


__all__ = ["Initial", "LayerTrace", "Loss", "Trace", "trace", "trace_layer", "trace_stack"]
