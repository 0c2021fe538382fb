"""A network built from a spec: one recurrent layer, a linear read-out and a loss, with a what-if on top of the weights.

The base weights are what is kept and trained; the effective weights are what computes. They differ by the what-if.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from engine import device, given, tasks
from engine.checks import checked, checked_what_if
from engine.errors import DataError
from engine.given import whole
from engine.initial import DTYPES, gate_rows, initial_weights
from engine.parameters import input_size, output_size, parameter_shapes
from engine.quantities import CELL_TITLES, GATES
from engine.spec import NO_WHAT_IF, Experiment, WhatIf
from engine.tasks import Batch

if TYPE_CHECKING:
    from engine.tracing import Initial, Trace

RECURRENT = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
READOUT = ("readout.weight", "readout.bias")


class _Unset:
    """The weights come from the spec: torch's own initialisation would cost time and draw from the global generator."""

    def reset_parameters(self) -> None:
        pass


class _RNN(_Unset, nn.RNN):
    pass


class _LSTM(_Unset, nn.LSTM):
    pass


class _GRU(_Unset, nn.GRU):
    pass


class _Linear(_Unset, nn.Linear):
    pass


class Network:
    """The recurrent layer (`recurrent`, an nn.RNN, nn.LSTM or nn.GRU), the read-out (`readout`, an nn.Linear) and the
    loss of an experiment, on its device.

    `weights`: parameters by name, tensors or arrays in the experiment's dtype; None: as the seed initialises them.
    Raises SpecError for a wrong experiment and DataError for weights that do not fit it.
    """

    def __init__(
        self, experiment: Experiment, weights: Mapping[str, Any] | None = None, what_if: WhatIf = NO_WHAT_IF
    ) -> None:
        self.experiment = checked(experiment)
        self.what_if = checked_what_if(what_if)
        with torch.inference_mode(False):
            self._build(weights)

    def _build(self, weights: Mapping[str, Any] | None) -> None:
        experiment = self.experiment
        layer, task = experiment.layer, experiment.task
        self.device, self.device_note = device.resolve(
            experiment.device, experiment.dtype, task.batch_size * layer.hidden_size**2
        )
        self.dtype = DTYPES[experiment.dtype]
        self.weights: dict[str, Tensor] = {}
        """The base weights, without the what-if."""
        self.recurrent = self._recurrent()
        self.readout = _Linear(layer.hidden_size, output_size(experiment.model), device=self.device, dtype=self.dtype)
        self._parameters = {name: getattr(self.recurrent, name) for name in RECURRENT}
        self._parameters |= {"readout.weight": self.readout.weight, "readout.bias": self.readout.bias}
        self.load(initial_weights(experiment) if weights is None else checked_weights(experiment, weights))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take these base weights, and put the what-if on top of copies of them."""
        with torch.inference_mode(False), torch.no_grad():
            self.weights = {name: weights[name].to(self.device, self.dtype) for name in self._parameters}
            for name, effective in effective_weights(self.experiment, self.weights, self.what_if).items():
                self._parameters[name].copy_(effective)

    @property
    def effective(self) -> dict[str, Tensor]:
        """The parameters that compute: the base weights with the what-if on top."""
        return {name: parameter.detach() for name, parameter in self._parameters.items()}

    def batch(self, iteration: int = 0) -> Batch:
        """The data of one iteration, on the network's device. Raises DataError."""
        number = whole("iteration", iteration)
        if number < 0:
            raise DataError(f"iteration is {number}; a whole number from 0 is accepted.")
        of = self.experiment
        with torch.inference_mode(False):  # what is made there could not be differentiated
            return tasks.batch(of.task, of.model, of.seed, number, self.dtype, self.device)

    def head(self, h: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Read-out and loss of h (T, B, H): (outputs, losses).

        Loss at the last step: outputs (B, O) and the loss (), the mean over the batch and the outputs. At every step:
        outputs (T, B, O) and (T,): each step's own mean divided by T, so that their sum is the mean over everything,
        as torch's losses give it, and a learning rate means the same at every T.
        """
        at_every_step = self.experiment.model.readout.at == "every"
        outputs: Tensor = self.readout(h if at_every_step else h[-1])
        if self.experiment.model.loss == "mse":
            each = (outputs - targets).square().mean(-1)
        else:
            each = nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none").view(
                outputs.shape[:-1]
            )
        if at_every_step:
            return outputs, each.mean(-1) / len(h)
        return outputs, each.mean()

    def trace(
        self,
        x: Tensor | None = None,
        loss: Callable[[Tensor], Tensor] | None = None,
        iteration: int = 0,
        batch: Batch | None = None,
        initial: Initial = None,
    ) -> Trace:
        """Everything of one forward and backward pass.

        Of the task's batch of this iteration; or of `x` (T, B, D) with `loss`, a function of the read-out at every
        step (T, B, O) that returns a scalar or one loss a step. `initial` as in `engine.trace`, zero where it is
        missing. Raises DataError.
        """
        from engine.tracing import checked_loss, trace_layer

        head_parameters = {name: self._parameters[name] for name in READOUT}
        if x is None:
            if loss is not None:
                raise DataError("loss is given and x is not; without x, the network's own task is traced with its own.")
            data = self.batch(iteration) if batch is None else batch
            return trace_layer(self.recurrent, data.x, lambda h: self.head(h, data.targets), initial, head_parameters)
        x, read = given.sequence(x), checked_loss(loss)

        def head(h: Tensor) -> tuple[Tensor, Tensor]:
            outputs: Tensor = self.readout(h)
            return outputs.detach().clone(), read(outputs)

        return trace_layer(self.recurrent, x.to(self.device), head, initial, head_parameters)

    def _recurrent(self) -> nn.RNNBase:
        layer = self.experiment.layer
        kinds: dict[str, Callable[..., nn.RNNBase]] = {"rnn": _RNN, "lstm": _LSTM, "gru": _GRU}
        options: dict[str, Any] = {"nonlinearity": layer.activation} if layer.cell == "rnn" else {}
        return kinds[layer.cell](
            input_size(self.experiment.task), layer.hidden_size, device=self.device, dtype=self.dtype, **options
        )


def effective_weights(
    experiment: Experiment, weights: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The weights with the what-if on top; new tensors where it changes them, the same ones elsewhere."""
    effective = dict(weights)
    if what_if.recurrent_scale != 1.0:
        effective["weight_hh_l0"] = weights["weight_hh_l0"] * what_if.recurrent_scale
    cell = experiment.layer.cell
    if what_if.forget_bias != 0.0 and "f" in GATES[cell]:
        shifted = weights["bias_hh_l0"].clone()
        shifted[gate_rows(GATES[cell], "f", experiment.layer.hidden_size)] += what_if.forget_bias
        effective["bias_hh_l0"] = shifted
    return effective


def checked_weights(experiment: Experiment, weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights as tensors, if names, shapes and dtype are the experiment's. Raises DataError with a sentence."""
    expected = parameter_shapes(experiment)
    layer = experiment.layer
    whose = f"the {CELL_TITLES[layer.cell]} with {layer.hidden_size} units"
    for name in weights:
        if name not in expected:
            raise DataError(f"Weights: '{name}' is no parameter of {whose}; it has {', '.join(expected)}.")
    for name in expected:
        if name not in weights:
            raise DataError(f"Weights: '{name}' is missing; {whose} has {', '.join(expected)}.")
    return {name: _checked_weight(name, weights[name], shape, experiment, whose) for name, shape in expected.items()}


def _checked_weight(name: str, given: Any, shape: tuple[int, ...], experiment: Experiment, whose: str) -> Tensor:
    if isinstance(given, np.ndarray):
        # A copy: torch warns of read-only arrays, which is what crosses between processes.
        weight = torch.from_numpy(given.copy()) if given.dtype.kind == "f" else None
    else:
        weight = given.detach() if isinstance(given, Tensor) else None
    if weight is None:
        raise DataError(f"Weights: '{name}' is {_kind(given)}; an array or a tensor of {experiment.dtype} is accepted.")
    if weight.dtype != DTYPES[experiment.dtype]:
        dtype = str(weight.dtype).removeprefix("torch.")
        raise DataError(f"Weights: '{name}' is {dtype}; the experiment's dtype, {experiment.dtype}, is accepted.")
    if tuple(weight.shape) != shape:
        raise DataError(f"Weights: '{name}' has shape {tuple(weight.shape)}; {whose} accepts {shape}.")
    return weight


def _kind(given: Any) -> str:
    return f"an array of {given.dtype}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
