"""What a training has learned, judged on a part of the data: loss, accuracy or error in the data's own units, and the
answers to some sequences. The network is judged as it is used: without dropout, and reading the truth (unless it is to
run free)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import step_pieces, tasks
from engine.checks import checked
from engine.errors import SpecError
from engine.iterating import initial_of
from engine.judged_draws import draws
from engine.network import Network, losses_of
from engine.parameters import class_count
from engine.parts import Part
from engine.precision import arithmetic
from engine.ranges import whole
from engine.sampling import run_free
from engine.spec import Experiment, ReberTask, SeriesTask, SinesTask, SunspotsTask
from engine.spec_reading import shown
from engine.stack import Ahead, ahead
from engine.step_pieces import Read
from engine.task_facts import Shape, baseline, form, metric
from engine.task_labels import labels_of, read_labels_of
from engine.tasks import Batch, own
from engine.tasks.part import Draw
from engine.tracing import Initial
from engine.training_checks import why_not_free
from engine.training_requests import MOST_SEQUENCES, Forecasts, Judge, Judged
from engine.training_state import CARRIED, carried_shapes, parameters_of
from engine.written import foreseen, written

MOST = 10_000
"""Sequences that come along, and steps of free running."""
MOST_CLASSES = 200
"""Of a confusion matrix."""


def judge(request: Judge) -> Judged:
    """See Judged. Arrays are float64, NaN past the end of a sequence; what is scaled comes back in the data's units.

    Where training carries its states on (TrainingSpec.carry), so does judging: the part is read as streams in the order
    of time, each batch begins with the states that the one before ended with, and the first one with zeros. So it comes
    to the same as one pass over the whole part. Raises SpecError and DataError.
    """
    experiment = _without_dropout(_checked(request))
    network = Network(experiment, None if request.weights is None else parameters_of(request.weights), request.what_if)
    sums, kept, series = _Sums(experiment), _Shown(experiment, request.shown), _Forecasts(experiment)
    carried: dict[str, Tensor] = {}
    for draw in draws(experiment, request.part, request.sequences):
        batch = _drawn(network, draw)
        carried = {name: state[: batch.x.shape[1]] for name, state in carried.items()}
        outputs, losses, after = pass_through(network, batch, initial_of(network, carried))
        sums.add(batch, outputs, losses)
        kept.add(draw, batch, outputs, carried)
        series.add(draw, batch, outputs)
        carried = {name: after[name] for name in carried_shapes(experiment)}
    free, came, grammar = None, None, isinstance(experiment.task, ReberTask)
    if request.free_running and kept.count and not grammar:
        initial = initial_of(network, kept.carried)
        said = run_free(network, kept.batch, request.free_running, initial=initial).double().numpy()
        free = _fixed(said if form(experiment.task).symbols else _in_units(said, own.units(experiment.task)))
        came = kept.following(request.free_running)
    return Judged(
        part=request.part,
        sequences=sums.sequences,
        there=own.pieces(experiment.task, experiment.model, request.part),
        loss=sums.loss,
        metric=metric(experiment.task, experiment.model),
        value=sums.value,
        baseline=sums.baseline,
        persistence=sums.persistence,
        shape=shape_of(experiment),
        confusion=sums.confusion,
        labels=labels_of(experiment.task, experiment.model),
        free=free,
        came=came,
        read_labels=read_labels_of(experiment.task),
        forecasts=series.found(),
        written=written(network, request.free_running) if grammar and request.free_running else None,
        foreseen=sums.foreseen,
        **kept.arrays(),
    )


def answers(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """A forward pass alone: the outputs, (T, B, O) or (B, O), and the losses, (T,) or (), as Network.head has them."""
    outputs, losses, _ = pass_through(network, batch)
    return outputs, losses


def pass_through(network: Network, batch: Batch, initial: Initial = None) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The same from these states on; and the states of every layer after the last step, by their flat names
    (engine.training_state)."""
    shape, lengths = (batch.x.shape[0], batch.x.shape[1]), batch.lengths
    levels, last = network.levels(shape, initial, lengths=lengths)
    after: dict[str, Tensor] = {}
    with arithmetic(network.weights["readout.weight"]):
        read, ran = Read((batch.x,)), None
        for level in levels:
            ran = ahead(level, read, lengths)
            read = ran.hands_on(stream=True)
            for run in ran.runs:
                course = run.layer.recurrence(shape[0], lengths).course
                after |= {f"{CARRIED}{run.layer.name}.{s}": course.at_last(run.values[s]) for s in run.layer.initial}
        assert isinstance(ran, Ahead)
        y = ran.joined if last is None else step_pieces.forward(last, read)
        return *network.head(y, batch.targets, lengths), after


def _checked(request: Judge) -> Experiment:
    """Raises SpecError."""
    experiment = checked(request.experiment)
    if request.part not in get_args(Part):
        raise SpecError(f"part is {shown(request.part)}; {', '.join(get_args(Part))} are accepted.")
    if request.sequences is not None:
        whole("sequences", request.sequences, 1, MOST_SEQUENCES)
    whole("shown", request.shown, 0, MOST)
    whole("free_running", request.free_running, 0, MOST)
    if request.free_running and (why := why_not_free(experiment)):
        raise SpecError(f"free_running is {request.free_running}, but {why}; 0 is accepted.")
    return experiment


def _without_dropout(experiment: Experiment) -> Experiment:
    replace = msgspec.structs.replace
    layers = tuple(replace(layer, dropout=0.0, recurrent_dropout=None) for layer in experiment.model.layers)
    return replace(experiment, model=replace(experiment.model, layers=layers))


def _drawn(network: Network, draw: Draw) -> Batch:
    """Raises DataError where the part is empty."""
    of = network.experiment
    return tasks.drawn(of.task, of.model, draw, network.dtype, network.device)


class _Forecasts:
    """What is said about each place of a series."""

    def __init__(self, experiment: Experiment) -> None:
        self._task, self._model = experiment.task, experiment.model
        self._numbers = not classes_of(experiment)
        self._noun = ""
        self._found: dict[int, tuple[float, float]] = {}
        """By place; training windows come twice at times."""

    def add(self, draw: Draw, batch: Batch, outputs: Tensor) -> None:
        asked = own.asked(self._task, self._model, draw) if self._numbers else None
        if asked is None:
            return
        self._noun, places = asked
        pairs = zip(outputs.double().flatten().tolist(), batch.targets.double().flatten().tolist(), strict=True)
        self._found.update(zip(places.tolist(), pairs, strict=True))

    def found(self) -> Forecasts | None:
        if not self._found:
            return None
        units = own.units(self._task)
        said, due = np.array([self._found[place] for place in sorted(self._found)]).T
        return Forecasts(
            self._noun,
            _fixed(np.array(sorted(self._found), dtype=np.int64)),
            _fixed(_in_units(said, units)),
            _fixed(_in_units(due, units)),
        )


class _Sums:
    """Over everything that is judged."""

    def __init__(self, experiment: Experiment) -> None:
        self.sequences = 0
        self.foreseen = 0 if isinstance(experiment.task, ReberTask) else None
        """Strings of a grammar."""
        self._experiment = experiment
        self._classes = classes_of(experiment)
        self._losses: list[tuple[float, int]] = []
        self._constant_losses: list[float] = []
        self._repeated_losses: list[float] = []
        self._constant = own.constant(experiment.task, experiment.model)
        self._counts = np.zeros((self._classes, self._classes), np.int64) if self._classes <= MOST_CLASSES else None
        self._right, self._judged, self._squares = 0, 0, 0.0

    def add(self, batch: Batch, outputs: Tensor, losses: Tensor) -> None:
        model = self._experiment.model
        real = real_answers(batch, model.readout.at == "every")
        self.sequences += batch.x.shape[1]
        if self.foreseen is not None:
            self.foreseen += foreseen(batch, outputs)
        self._losses.append((float(losses.double().sum()), int(real.sum())))
        if self._constant is not None:
            constant = self._constant.to(outputs).expand_as(outputs)
            of_constant = losses_of(model, constant, batch.targets, batch.lengths)
            self._constant_losses.append(float(of_constant.double().sum()))
        if (last := own.last_read(self._experiment.task, model, batch)) is not None:
            of_last = losses_of(model, last.to(outputs), batch.targets, batch.lengths)
            self._repeated_losses.append(float(of_last.double().sum()))
        counted = real if batch.judged is None else real & batch.judged.cpu().view(real.shape)
        outputs, targets = outputs.cpu(), batch.targets.cpu()
        self._judged += int(counted.sum())
        if not self._classes:
            errors = (outputs.double() - targets.double()).view(real.shape)[counted]
            self._squares += float(errors.square().sum())
            return
        answer, truth = likeliest(outputs).view(real.shape)[counted], targets.long().view(real.shape)[counted]
        self._right += int((answer == truth).sum())
        if self._counts is not None:
            pairs = (truth * self._classes + answer).bincount(minlength=self._classes**2)
            self._counts += pairs.view(self._classes, self._classes).numpy()

    @property
    def loss(self) -> float:
        """The mean over all answers."""
        return self._mean([loss for loss, _ in self._losses])

    @property
    def baseline(self) -> float | None:
        if self._constant is not None:
            return self._mean(self._constant_losses)
        return baseline(self._experiment.task, self._experiment.model)

    @property
    def persistence(self) -> float | None:
        return self._mean(self._repeated_losses) if self._repeated_losses else None

    @property
    def value(self) -> float:
        if self._judged == 0:
            return math.nan
        if self._classes:
            return self._right / self._judged
        return math.sqrt(self._squares / self._judged) * own.units(self._experiment.task)[1]

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        return None if not self._classes or self._counts is None else _fixed(self._counts)

    def _mean(self, losses: list[float]) -> float:
        counts = [count for _, count in self._losses]
        return math.fsum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)


@dataclass(eq=False)
class _Part:
    """The first sequences of a batch, what came out of them, and the states that they began with."""

    draw: Draw
    batch: Batch
    outputs: Tensor
    carried: dict[str, Tensor]
    """{}: zeros."""


class _Shown:
    """The sequences whose answers come along."""

    def __init__(self, experiment: Experiment, most: int) -> None:
        self._experiment = experiment
        self._every = experiment.model.readout.at == "every"
        self._left = most
        self._parts: list[_Part] = []

    @property
    def count(self) -> int:
        """n."""
        return sum(part.batch.x.shape[1] for part in self._parts)

    @property
    def carried(self) -> dict[str, Tensor]:
        """What all of them began with; {}: zeros."""
        names = {name: state for part in self._parts for name, state in part.carried.items()}
        zeros = {name: torch.zeros_like(state[:1]) for name, state in names.items()}
        return {
            name: torch.cat([part.carried.get(name, zero.expand(part.batch.x.shape[1], -1)) for part in self._parts])
            for name, zero in zeros.items()
        }

    def following(self, count: int) -> NDArray[np.float64] | None:
        """Judged.came: of so many steps."""
        task, model = self._experiment.task, self._experiment.model
        found = [own.following(task, model, part.draw, count) for part in self._parts]
        rows = [one[: part.batch.x.shape[1]] for one, part in zip(found, self._parts, strict=True) if one is not None]
        return _fixed(_in_units(np.concatenate(rows), own.units(task))) if rows else None

    def add(self, draw: Draw, batch: Batch, outputs: Tensor, carried: dict[str, Tensor]) -> None:
        """`carried`: the states that its sequences began with."""
        n = min(self._left, batch.x.shape[1])
        if n == 0 and self._parts:
            return
        self._left -= n
        few = slice(n)

        def cut(answers: Tensor) -> Tensor:
            return answers[:, few] if self._every else answers[few]

        lengths = torch.full((n,), len(batch.x), device="cpu") if batch.lengths is None else batch.lengths[few]
        began = {name: state[few] for name, state in carried.items()}
        self._parts.append(_Part(draw, Batch(batch.x[:, few], cut(batch.targets), lengths), cut(outputs), began))

    @property
    def batch(self) -> Batch:
        """All of them."""
        parts, side = [part.batch for part in self._parts], 1 if self._every else 0
        return Batch(
            torch.cat([part.x for part in parts], 1),
            torch.cat([part.targets for part in parts], side),
            torch.cat([part.lengths for part in parts if part.lengths is not None]),
        )

    def arrays(self) -> dict[str, Any]:
        """The fields of Judged that are about them."""
        experiment, batch = self._experiment, self.batch
        classes, units = classes_of(experiment), own.units(experiment.task)
        outputs = torch.cat([part.outputs for part in self._parts], 1 if self._every else 0)
        assert batch.lengths is not None
        real = real_answers(batch, self._every)
        told = outputs.double().cpu()
        probabilities = None
        if classes:
            both = told if told.shape[-1] > 1 else torch.cat([torch.zeros_like(told), told], -1)
            probabilities = self._first(both.softmax(-1).masked_fill(~real[..., None], torch.nan))
        answer = likeliest(told) if classes else told.squeeze(-1)
        predictions, targets = (
            self._first(one.cpu().double().view(real.shape).masked_fill(~real, torch.nan))
            for one in (answer, batch.targets)
        )
        if not classes:
            predictions, targets = _in_units(predictions, units), _in_units(targets, units)
        series = isinstance(experiment.task, (SeriesTask, SinesTask, SunspotsTask)) and not classes
        return {
            "inputs": self._inputs(batch),
            "predictions": _fixed(predictions),
            "probabilities": None if probabilities is None else _fixed(probabilities),
            "targets": _fixed(targets),
            "lengths": _fixed(batch.lengths.cpu().numpy()),
            "errors": _fixed((predictions - targets) ** 2) if series else None,
        }

    def _inputs(self, batch: Batch) -> NDArray[np.float64]:
        x = batch.x.cpu()
        if form(self._experiment.task).symbols and x.dim() == 3:
            x = x.argmax(-1)
        found = x.double().transpose(0, 1).numpy().copy()
        if found.ndim == 3 and (units := own.input_units(self._experiment.task)) is not None:
            found = found * units[1] + units[0]
        assert batch.lengths is not None
        found[np.arange(found.shape[1]) >= batch.lengths.cpu().numpy()[:, None]] = np.nan
        return _fixed(found)

    def _first(self, answers: Tensor) -> NDArray[np.float64]:
        """Samples first: (n, T or 1, …)."""
        found: NDArray[np.float64] = (answers.transpose(0, 1) if self._every else answers[:, None]).contiguous().numpy()
        return found


def classes_of(experiment: Experiment) -> int:
    """Classes that an answer is one of; 0: it is a number."""
    return 2 if experiment.model.loss == "binary_cross_entropy" else class_count(experiment.model, experiment.task)


def shape_of(experiment: Experiment) -> Shape:
    """Of the answers: a task's bits may be told as numbers, and a yes-or-no question may be asked about its numbers."""
    shape = form(experiment.task).shape
    if not classes_of(experiment):
        return "value"
    if shape == "symbol":
        return shape
    return "tag" if experiment.model.readout.at == "every" else "class"


def likeliest(outputs: Tensor) -> Tensor:
    """(…,) int64 from outputs (…, O): logits of classes, or of one yes-or-no question."""
    return outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs[..., 0] > 0).long()


def real_answers(batch: Batch, every: bool) -> Tensor:
    """Bool, on the CPU: (B,), or (T, B) where there is one at every step: those that stand for something."""
    T, B = batch.x.shape[:2]
    if not every:
        return torch.ones(B, dtype=torch.bool, device="cpu")
    if batch.lengths is None:
        return torch.ones(T, B, dtype=torch.bool, device="cpu")
    return torch.arange(T, device="cpu")[:, None] < batch.lengths.cpu()


def _in_units(scaled: NDArray[np.float64], units: tuple[float, float]) -> NDArray[np.float64]:
    return scaled * units[1] + units[0]


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
