"""A network built from a spec: an embedding, a stack of recurrent layers, a read-out and a loss, with a what-if on top
of the weights.

The base weights are what is kept and trained; the effective weights are what computes. They differ by the what-if.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from engine import device, given, intake, tasks
from engine.between import AfterLayer, after_layer, attention_weights, dropout_mask, readout_of
from engine.checks import check_fit, checked, checked_what_if
from engine.errors import DataError, DeviceWarning
from engine.given import whole, with_numbers
from engine.initial import DTYPES, initial_weights
from engine.parameters import Place, parameter_shapes, places
from engine.precision import arithmetic
from engine.quantities import CELL_TITLES
from engine.spec import NO_WHAT_IF, Experiment, ModelSpec, WhatIf
from engine.spec_reading import kind_of
from engine.stack import Layer, Level, OwnHead
from engine.tasks import Batch
from engine.what_if import ARITHMETIC, cut_routes, effective_weights, held_gates

if TYPE_CHECKING:
    from engine.tracing import Initial, Trace

_KERNELS = {("lstm", "tanh"): "lstm", ("gru", "tanh"): "gru", ("rnn", "tanh"): "rnn_tanh", ("rnn", "relu"): "rnn_relu"}


class Network:
    """The network of an experiment, on its device.

    `weights`: parameters by name (engine.parameters), tensors or arrays in the experiment's dtype; None: as the seed
    initialises them. Raises SpecError for a wrong experiment or a what-if that does not fit it, and DataError for
    weights that do not. Where the device that was asked for is not there, it computes on the CPU and warns
    (DeviceWarning); `device_note` has the sentence.
    """

    def __init__(
        self, experiment: Experiment, weights: Mapping[str, Any] | None = None, what_if: WhatIf = NO_WHAT_IF
    ) -> None:
        self.experiment = checked(experiment)
        self.what_if = checked_what_if(what_if)
        check_fit(experiment.model.layers, experiment.task.steps, what_if)
        self.places = tuple(places(experiment))
        self._shapes = parameter_shapes(experiment)
        self._around = [name for name in self._shapes if "." in name]
        """The parameters of everything but the recurrent layers."""
        widest = max(layer.hidden_size for layer in experiment.model.layers)
        work = experiment.task.batch_size * widest**2
        self.device, self.device_note = device.resolve(experiment.device, experiment.dtype, work)
        if self.device_note:
            warnings.warn(self.device_note, DeviceWarning, stacklevel=2)
        self.dtype = ARITHMETIC[what_if.dtype or experiment.dtype]
        """What everything is computed in."""
        self.weights: dict[str, Tensor] = {}
        """The base weights, without the what-if, in the experiment's own type."""
        self.with_what_if: dict[str, Tensor] = {}
        """The same with the what-if on top: those that it does not change are the base's own."""
        self._effective: dict[str, Tensor] = {}
        with torch.inference_mode(False):
            self.load(initial_weights(experiment) if weights is None else weights)

    def load(self, weights: Mapping[str, Any]) -> None:
        """Take these base weights, and put the what-if on top of copies of them. `weights` as when it is made. Raises
        DataError, and then the network keeps those it has."""
        with torch.inference_mode(False), torch.no_grad():
            given = checked_weights(self.experiment, weights)
            self.take({name: weight.to(self.device) for name, weight in given.items()})

    def take(self, base: dict[str, Tensor]) -> None:
        """As `load`, of weights that are known to fit and to lie on the device, and that nobody writes to."""
        with torch.inference_mode(False), torch.no_grad():
            effective = effective_weights(self.experiment, base, self.what_if)
            self.weights, self.with_what_if = base, effective
            self._effective = {name: weight.detach().to(self.dtype, copy=True) for name, weight in effective.items()}
        for name in self._around:
            self._effective[name].requires_grad_()

    @property
    def effective(self) -> dict[str, Tensor]:
        """The parameters that compute: the base weights with the what-if on top."""
        return {name: parameter.detach() for name, parameter in self._effective.items()}

    def batch(self, iteration: int = 0) -> Batch:
        """The data of one iteration, on the network's device. Raises DataError."""
        number = whole("iteration", iteration)
        if number < 0:
            raise DataError(f"iteration is {number}; a whole number from 0 is accepted.")
        of = self.experiment
        with torch.inference_mode(False):  # what is made there could not be differentiated
            return tasks.batch(of.task, of.model, of.seed, number, self.dtype, self.device)

    def head(self, y: Tensor, targets: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read-out and loss of y (T, B, W), the last layer's output: (outputs, losses).

        Read at every step: outputs (T, B, O) and (T,): each step's own mean divided by T, so that their sum is the mean
        over everything, as torch's losses give it, and a learning rate means the same at every T; with lengths, each
        step's sum over the samples that have it, divided by all steps of all samples. Else: outputs (B, O) and the loss
        (), the mean over the batch and the outputs.
        """
        return self._head(self._effective, y, targets, lengths)

    def _head(
        self, parameters: Mapping[str, Tensor], y: Tensor, targets: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        model = self.experiment.model
        outputs = readout_of(y, model.readout.at, parameters, self.experiment.layer, lengths)
        return outputs, losses_of(model, outputs, targets, lengths)

    def attention(self, h: Tensor, read: Tensor, iteration: int = 0, lengths: Tensor | None = None) -> Tensor:
        """α (T, B): what the attention read-out weighs each step with; 0 in the padding. h (T, B, W): the last layer's
        outputs, its directions side by side; read (T, B, D): what it read. Raises DataError where there is none."""
        model = self.experiment.model
        if model.readout.at != "attention":
            raise DataError(f"The read-out is '{model.readout.at}'; only that of kind 'attention' has weights.")
        depth, like = len(model.layers) - 1, self._effective["readout.weight"].detach()
        shape = (h.shape[0], h.shape[1])
        after = after_layer(self.experiment, depth, self.effective, shape, iteration, lengths, like)
        with arithmetic(h):
            return attention_weights(h if after is None else after(h, read), self.effective, lengths)

    def trace(
        self,
        x: Tensor | None = None,
        loss: Callable[[Tensor], Tensor] | None = None,
        iteration: int = 0,
        batch: Batch | None = None,
        initial: Initial = None,
        lengths: Tensor | None = None,
    ) -> Trace:
        """Everything of one forward and backward pass.

        Of the task's batch of this iteration; or of `x` (T, B, D), for an embedding symbols (T, B), with `loss`, a
        function of the read-out that returns a scalar or one loss a step. It takes (T, B, O), the read-out at every
        step, but (B, O) for a read-out by mean or attention. `lengths` (B,): steps of each sample. `iteration` also
        draws the dropout. `initial` as in `engine.trace`, zero where it is missing. Raises DataError.
        """
        from engine.tracing import checked_loss, trace_stack

        if torch.is_inference_mode_enabled():  # what is made there could not be differentiated
            with torch.inference_mode(False):
                return self.trace(x, loss, iteration, batch, initial, lengths)
        reads_stream, own = self.experiment.layer.residual, x is None
        # What stands around the layers is computed again when it is asked for again, from what it was now.
        effective = {name: weight.detach().clone() for name, weight in self._effective.items()}
        for name in self._around:
            effective[name].requires_grad_()
        if x is None:
            if loss is not None:
                raise DataError("loss is given and x is not; without x, the network's own task is traced with its own.")
            if lengths is not None:
                raise DataError("lengths are given and x is not; the network's own task has its own.")
            data = self.batch(iteration) if batch is None else _copied(batch)
            x, lengths = data.x, data.lengths

            def read(y: Tensor) -> tuple[Tensor, Tensor]:
                return self._head(effective, y, data.targets, data.lengths)
        else:
            x, of_loss = given.sequence(x).detach().to(self.device, copy=True), checked_loss(loss)
            self.check_input(x)
            lengths = given.lengths(lengths, len(x), x.shape[1])
            at = self.experiment.model.readout.at
            where = "every" if at == "last" else at

            def read(y: Tensor) -> tuple[Tensor, Tensor]:
                outputs = readout_of(y, where, effective, self.experiment.layer, lengths)
                return outputs.detach().clone(), of_loss(outputs)

        lengths = None if lengths is None else lengths.to(self.device)
        levels, last = self._levels(effective, (len(x), x.shape[1]), initial, iteration, lengths)

        def head(*of: Tensor) -> tuple[Tensor, Tensor]:
            return read(of[0] if last is None else last(of[0], of[-1]))

        parts = OwnHead(last, read) if own else None
        return trace_stack(levels, x, head, self._head_parameters(effective), lengths, reads_stream, parts)

    def in_stretches(
        self, x: Tensor, steps: int, initial: Initial, iteration: int, lengths: Tensor | None
    ) -> tuple[tuple[Level, ...], Callable[..., Tensor], dict[str, Tensor], bool]:
        """What `engine.trace_long` runs stretch by stretch: the stack, the read-out at every step as a function of the
        last level's output, its parameters, and whether it is also given what the last level read.

        x of any of the steps. Later training leaves all of it as it is. Raises DataError for what needs all steps at
        once.
        """
        model, effective = self.experiment.model, self._effective
        if model.readout.at not in ("last", "every"):
            raise DataError(
                f"The read-out is '{model.readout.at}', which needs all steps at once; 'every' and 'last' are accepted "
                "in a long trace, and both are read at every step."
            )
        for depth, layer in enumerate(model.layers):
            if layer.dropout and layer.dropout_mask == "step":
                raise DataError(
                    f"Layer {depth} has dropout {layer.dropout:g} with a fresh mask at every step, which a long trace "
                    "does not keep; the mask 'sequence' is accepted."
                )
            if layer.batch_norm and lengths is not None:
                raise DataError(
                    f"Layer {depth} has batch normalisation, and lengths are given; a long trace accepts one of them."
                )
        self.check_input(x)
        levels, last = self._levels(effective, (steps, x.shape[1]), initial, iteration, lengths)

        def read(*of: Tensor) -> Tensor:
            y = of[0] if last is None else last(of[0], of[-1])
            return readout_of(y, "every", effective, self.experiment.layer, None)

        return levels, read, self._head_parameters(effective), self.experiment.layer.residual

    def levels(
        self, shape: tuple[int, int], initial: Initial = None, iteration: int = 0, lengths: Tensor | None = None
    ) -> tuple[tuple[Level, ...], AfterLayer | None]:
        """The stack, ready to run over a batch of this shape (T, B), with everything that an iteration draws; and what
        is done to the last layer's output. Raises DataError."""
        return self._levels(self._effective, shape, initial, iteration, lengths)

    def _head_parameters(self, effective: Mapping[str, Tensor]) -> dict[str, Tensor]:
        last = len(self.experiment.model.layers) - 1
        return self._parameters(effective, "readout.", "attention.", f"batch_norm_l{last}.")

    def _parameters(self, effective: Mapping[str, Tensor], *begins: str) -> dict[str, Tensor]:
        return {name: effective[name] for name in self._around if name.startswith(begins)}

    def _levels(
        self,
        effective: Mapping[str, Tensor],
        shape: tuple[int, int],
        initial: Initial,
        iteration: int,
        lengths: Tensor | None,
    ) -> tuple[tuple[Level, ...], AfterLayer | None]:
        T, B = shape
        experiment, like = self.experiment, effective["readout.weight"].detach()
        bare = [self._layer(place, T, B, iteration, like) for place in self.places]
        layers = iter(intake.with_initial_states(bare, initial, B, like))
        levels, after = [], None
        for depth, spec in enumerate(experiment.model.layers):
            ones = tuple(next(layers) for _ in range(2 if spec.bidirectional else 1))
            if depth == 0 and experiment.model.embedding is not None:
                enter = _embedding(effective["embedding.weight"])
                levels.append(Level(ones, enter, self._parameters(effective, "embedding.")))
            else:
                of_norm: dict[str, Tensor] = self._parameters(effective, f"batch_norm_l{depth - 1}.") if after else {}
                levels.append(Level(ones, after, of_norm))
            after = after_layer(experiment, depth, effective, (T, B), iteration, lengths, like)
        return tuple(levels), after

    def _layer(self, place: Place, steps: int, batch: int, iteration: int, like: Tensor) -> Layer:
        spec, dropped = place.spec, place.spec.recurrent_dropout
        drop = None
        if dropped is not None and dropped.p > 0:
            purpose = f"recurrent dropout {place.name}"
            shape = (steps, batch, spec.hidden_size)
            drop = dropout_mask(
                dropped.p, shape, dropped.mask == "step", self.experiment.seed, purpose, iteration, like
            )
        return Layer(
            place.name,
            spec.cell,
            spec.activation,
            {name: self._effective[f"{name}_{place.name}"].detach().clone() for name in place.shapes},
            {},
            _KERNELS.get((spec.cell, spec.activation)),
            place.reverse,
            spec.norm_eps,
            drop,
            held_gates(place.name, spec.hidden_size, self.what_if, steps, like),
            cut_routes(place.name, self.what_if),
        )

    def check_input(self, x: Tensor) -> None:
        """Raises DataError where x is not what the first layer, or the embedding, reads."""
        embedding = self.experiment.model.embedding
        if embedding is None:
            intake.check_sequence(x, self.places[0].input_size, self._effective["readout.weight"])
            return
        if x.dim() != 2 or x.is_floating_point() or 0 in x.shape:
            kind = f"{tuple(x.shape)} of {x.dtype}"
            raise DataError(f"x is {kind}; symbols (time, batch), whole numbers, are accepted before an embedding.")
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= embedding.symbols:
            raise DataError(f"x has symbols from {low} to {high}; 0 to {embedding.symbols - 1} are accepted.")


def losses_of(model: ModelSpec, outputs: Tensor, targets: Tensor, lengths: Tensor | None) -> Tensor:
    """The losses of outputs (T, B, O) or (B, O); as Network.head has them."""
    if model.loss == "mse":
        each = (outputs - targets).square().mean(-1)
    elif model.loss == "binary_cross_entropy":
        each = nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(-1)
    else:
        each = nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none").view(
            outputs.shape[:-1]
        )
    if model.readout.at != "every":
        return each.mean()
    if lengths is None:
        return each.mean(-1) / len(outputs)
    steps = torch.arange(len(outputs), device=outputs.device)[:, None]
    return torch.where(steps < lengths, each, 0.0).sum(-1) / lengths.sum()


def _copied(batch: Batch) -> Batch:
    """What somebody else may write to."""

    def copy(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.clone()

    return Batch(batch.x.clone(), batch.targets.clone(), copy(batch.lengths), copy(batch.judged))


def _embedding(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: nn.functional.embedding(x, weight)


def checked_weights(experiment: Experiment, weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights as tensors, if names, shapes and dtype are the experiment's. Raises DataError with a sentence."""
    expected = parameter_shapes(experiment)
    layers = experiment.model.layers
    whose = f"the {CELL_TITLES[layers[0].cell]} with {layers[0].hidden_size} units"
    if len(layers) > 1 or layers[0].bidirectional:
        whose = f"this network of {len(tuple(places(experiment)))} layers"
    if not isinstance(weights, Mapping):
        raise DataError(f"Weights: {kind_of(weights)} is given; tensors by parameter name are accepted.")
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
    with_numbers(f"Weights: '{name}'", weight)
    if tuple(weight.shape) != shape:
        raise DataError(f"Weights: '{name}' has shape {tuple(weight.shape)}; {whose} accepts {shape}.")
    return weight


def _kind(given: Any) -> str:
    return f"an array of {given.dtype}" if isinstance(given, np.ndarray) else kind_of(given)
