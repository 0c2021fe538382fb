"""`engine.trace`: one forward and backward pass of a recurrent model, with everything recorded.

The recurrent layer is hand-derived (engine.cells, engine.bptt). What stands around it (read-out, loss) goes through
autograd, which hands the layer e_t = ∂L/∂h_t.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from engine import bptt, given, intake
from engine.errors import DataError
from engine.given import whole
from engine.head import Head, HeadFunction, LossGradients
from engine.layer_trace import LayerTrace
from engine.norms import mean_over_samples, norm
from engine.precision import arithmetic
from engine.spec_reading import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.requests import Audit

Loss: TypeAlias = Callable[[Tensor], Tensor]
Initial: TypeAlias = Mapping[str, Tensor] | Tensor | Sequence[Tensor] | None


@dataclass(frozen=True, eq=False)
class Trace:
    """All recorded values and gradients of one forward and backward pass; immutable. Arrays are (time, batch, …)."""

    layers: Mapping[str, LayerTrace]
    """By torch's suffixes: "l0"."""
    outputs: Tensor
    """What the model answered: the layer's output (T, B, H), or that of its read-out."""
    losses: Tensor
    """(T,), one loss a step, or (1,). In a window: those of its steps."""
    head_grads: Mapping[str, Tensor]
    """Gradients of what stands after the layer, by parameter name: "readout.weight"."""
    loss: Tensor
    """(): the sum of the losses of the whole sequence, what BPTT ran on."""
    loss_grads: LossGradients | None = None
    """Each single loss's ∂L_s/∂h_t; None for a trace from a file."""
    first_step: int = 1
    """t of the first recorded step; above 1 in a window."""

    def __post_init__(self) -> None:
        for part in ("layers", "head_grads"):
            object.__setattr__(self, part, MappingProxyType(dict(getattr(self, part))))

    def __getitem__(self, name: str) -> LayerTrace:
        if name not in self.layers:
            raise DataError(f"'{name}' is no layer of this trace; it has {', '.join(self.layers)}.")
        return self.layers[name]

    @property
    def layer(self) -> LayerTrace:
        """The last recurrent layer, the one that the loss reads."""
        return list(self.layers.values())[-1]

    @property
    def steps(self) -> int:
        return self.layer.steps

    @property
    def input_grad(self) -> Tensor:
        """(T, B, D): ∂L/∂x."""
        return next(iter(self.layers.values())).input_grad

    @property
    def weight_grads(self) -> dict[str, Tensor]:
        """Every parameter's gradient by torch's full name: "weight_hh_l0", and the read-out's."""
        found = {f"{name}_{key}": g for key, layer in self.layers.items() for name, g in layer.weight_grads.items()}
        return found | dict(self.head_grads)

    def flow_row(self, loss: int = -1) -> Tensor:
        """(T,) float64: N[s, k] = ‖∂L_s/∂h_k‖, per sample, then the mean over the batch, for one of the losses.

        `loss` counts from 0, or from the end. NaN at the steps that this loss cannot reach. Raises DataError.
        """
        reached = self.flow_gradient(loss)
        norms = mean_over_samples(norm(reached, dim=2))
        row = torch.full((self.steps,), torch.nan, dtype=torch.float64, device=norms.device)
        row[: len(norms)] = norms
        return row

    def flow_gradient(self, loss: int = -1) -> Tensor:
        """(k, B, H): ∂L_s/∂h_1 … ∂L_s/∂h_k, total, k being the last step that this loss can reach."""
        if self.loss_grads is None:
            raise DataError("This trace has no single losses any more; only a freshly computed trace has them.")
        count, loss = self.loss_grads.count, whole("loss", loss)
        if not -count <= loss < count:
            raise DataError(f"There is no loss {loss}; this trace has {count}, counted from 0.")
        return self.loss_grads.flow(loss % count)[self.first_step - 1 : self.first_step - 1 + self.steps]

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
        )

    def audit(self) -> Audit:
        """Error against autograd, per quantity ("l0.grads.h"), computed afresh. See engine.audit."""
        from engine.audit import audit_trace

        return audit_trace(self)

    def numpy(self) -> dict[str, NDArray[np.floating]]:
        """Everything as read-only arrays: "l0.values.f", "l0.grads.h", "l0.weight_grads.weight_hh", "losses", …"""
        from engine.arrays import arrays_of

        return arrays_of(self)

    def save(self, path: str | Path) -> None:
        """Write the trace to a file that `gradflow PATH` opens. Raises SessionError."""
        from engine.recording import save

        save(self, path)


def trace_layer(
    recurrent: nn.Module,
    x: Tensor,
    head: HeadFunction,
    initial: Initial = None,
    head_parameters: Mapping[str, Tensor] | None = None,
) -> Trace:
    """Trace one recurrent layer and what stands after it.

    x (T, B, D); initial as in `trace`, zero where it is missing. `head` takes h (T, B, H) and returns
    (outputs, losses): a scalar, or one loss a step (T,); their sum is what BPTT runs on. Outputs None stands for h.
    `head` runs under autograd.
    `head_parameters` are tensors that require a gradient: theirs is found in `head_grads`. Nothing of the module
    changes, and neither training it nor overwriting x afterwards changes the trace. Raises DataError.
    """
    with arithmetic(x):
        layer = intake.layer(recurrent, x, initial)
        values = bptt.forward(layer.rules, layer.kernel, layer.x, layer.weights, layer.initial)
        after = Head.run(head, values["h"], head_parameters or {})
        traced = LayerTrace.from_parts(
            layer.cell, layer.activation, layer.x, layer.weights, layer.initial, values, after.grad
        )
    return Trace(
        {"l0": traced},
        after.outputs,
        after.losses,
        after.parameter_grads,
        after.losses.sum(),
        LossGradients(traced, after),
    )


def trace(
    model: Any, x: Tensor | None = None, loss: Loss | None = None, initial: Initial = None, **options: Any
) -> Trace:
    """Trace nn.RNN, nn.LSTM or nn.GRU, or an engine.Network.

    x (T, B, D), or (B, T, D) for a module with batch_first. `loss` takes the layer's output, (T, B, H) always, and
    returns a scalar, or one loss a step (T,). initial {"h": (B, H), "c": (B, H)}, or as torch takes it: h_0, or the
    LSTM's (h_0, c_0), with or without a leading 1. Works under torch.no_grad(), and leaves .grad, the training mode
    and the random state alone. A network is traced by `Network.trace`, on its own task where x is missing. Raises
    DataError.
    """
    from engine.network import Network

    if isinstance(model, Network):
        unknown = [name for name in options if name not in ("iteration", "batch")]
        if unknown:
            raise DataError(f"'{unknown[0]}' is no option of tracing a Network; iteration and batch are accepted.")
        return model.trace(x, loss, initial=initial, **options)
    if options:
        raise DataError(f"'{next(iter(options))}' is no option of tracing a {type(model).__name__}.")
    intake.refuse(model)
    x = given.sequence(x)
    read = checked_loss(loss)
    if x.dim() == 3 and model.batch_first:
        x = x.transpose(0, 1)
    return trace_layer(model, x, lambda y: (None, read(y)), initial)


def checked_loss(loss: Any) -> Loss:
    """The loss itself, if it can be called. Raises DataError."""
    accepted = "a function of the output (time, batch, feature), as loss=lambda y: …"
    if loss is None:
        raise DataError(f"loss is missing; give {accepted}")
    if not callable(loss):
        raise DataError(f"loss is {shown(loss)}; it should be {accepted}")
    found: Loss = loss
    return found


__all__ = ["Initial", "LayerTrace", "Loss", "Trace", "trace", "trace_layer"]
