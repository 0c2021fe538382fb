"""What a judge of data wants to know: how many batches are held back, in which units answers are, what classes are
called, and what answers of one who knows nothing but the training part would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.scaling import Scale
from engine.data.symbols import counted
from engine.spec import DigitsTask, ModelSpec, SequencesTask, SeriesTask, SinesTask, SunspotsTask, Task, TextTask
from engine.task_facts import have_names
from engine.tasks import digits, sequences, series, sunspots, text
from engine.tasks.batch import Batch
from engine.tasks.order import held_back
from engine.tasks.part import Draw, Part


def batches(task: Task, model: ModelSpec, part: Part) -> int | None:
    """Batches in which a part held back is seen once, 0 where it is empty; None: there is no end of them. Raises
    DataError where somebody's own data are not there."""
    count = pieces(task, model, part)
    return None if count is None else held_back(count, task.batch_size)


def pieces(task: Task, model: ModelSpec, part: Part) -> int | None:
    """Sequences that a part held back has; None: there is no end of them. Raises DataError where somebody's own data
    are not there."""
    count = None if part == "train" else _PIECES.get(type(task))
    return None if count is None else count(task, model.readout.at == "every", part)


def _of_sequences_held_back(task: SequencesTask, every: bool, part: Part) -> int:
    first, behind = sequences.prepared(task).parts[part]
    return behind - first


_PIECES: dict[type[Any], Callable[[Any, bool, Part], int]] = {
    SunspotsTask: lambda task, every, part: sunspots.windows_of(task, part, every)[1],
    SeriesTask: lambda task, every, part: series.count(task, part, every),
    TextTask: lambda task, every, part: text.pieces(task, part),
    DigitsTask: lambda task, every, part: len(digits.PARTS[part]),
    SequencesTask: _of_sequences_held_back,
}


def asked(task: Task, model: ModelSpec, draw: Draw) -> tuple[str, NDArray[np.int64]] | None:
    """What the answers of a batch are about, (B,), and what such a place is called; None where the task is no series of
    data, or is asked at every step. Years of the sunspots; rows of somebody's own series, from 1. Raises DataError."""
    if model.readout.at == "every":
        return None
    if isinstance(task, SunspotsTask):
        return "year", sunspots.asked(task, model, draw).numpy()
    return ("row", series.asked(task, model, draw) + 1) if isinstance(task, SeriesTask) else None


def following(task: Task, model: ModelSpec, draw: Draw, count: int) -> NDArray[np.float64] | None:
    """What came in the steps after each sequence of a batch, (B, count), scaled, as far as it is known and belongs to
    the part; else NaN. None where the task is no series of data. Raises DataError."""
    if isinstance(task, SunspotsTask):
        return sunspots.following(task, model, draw, count).numpy()
    return series.following(task, model, draw, count) if isinstance(task, SeriesTask) else None


def units(task: Task) -> tuple[float, float]:
    """(shift, size) with which an answer of a model is one in the units of the data: answer·size + shift. (0, 1) where
    nothing is scaled. Raises DataError."""
    scale: Scale | None = None
    if isinstance(task, SunspotsTask):
        scale = sunspots.scale()
    elif isinstance(task, SeriesTask):
        scale = series.prepared(task).target_scale
    elif isinstance(task, SequencesTask):
        scale = sequences.prepared(task).value_scale
    return (0.0, 1.0) if scale is None else (float(scale.shift[0]), float(scale.size[0]))


def input_units(task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The same for the numbers a step, (inputs,) each; None where they are not scaled. Raises DataError."""
    if isinstance(task, SunspotsTask):
        scale: Scale | None = sunspots.scale()
    elif isinstance(task, SeriesTask):
        scale = series.prepared(task).scale
    elif isinstance(task, SequencesTask):
        scale = sequences.prepared(task).scale
    else:
        return None
    return None if scale is None else (scale.shift, scale.size)


def last_read(task: Task, model: ModelSpec, batch: Batch) -> Tensor | None:
    """The answers, (T, B, 1) or (B, 1), of one who repeats the number that was read last, in the scale of the targets:
    the naive forecast, however many steps ahead. None where no number of a series is forecast, or where what is
    forecast is not among what is read. Raises DataError."""
    if model.loss != "mse" or not isinstance(task, (SeriesTask, SinesTask, SunspotsTask)):
        return None
    column = 0
    if isinstance(task, SeriesTask):
        if task.target not in task.columns:
            return None
        column = task.columns.index(task.target)
    read = batch.x[..., column : column + 1].double()
    if (of := input_units(task)) is not None:
        shift, size = units(task)
        read = (read * float(of[1][column]) + float(of[0][column]) - shift) / size
    return read if model.readout.at == "every" else read[-1]


def labels(task: Task) -> tuple[str, ...]:
    """What classes, tags or the next symbols are called; () of numbers and of tasks without names. Raises
    DataError."""
    if isinstance(task, TextTask):
        return text.prepared(task).labels
    return sequences.labelled(task).labels if isinstance(task, SequencesTask) else ()


def symbol_labels(task: Task) -> tuple[str, ...]:
    """What the symbols that are read are called; () of numbers and of tasks without names. Raises DataError."""
    if isinstance(task, TextTask):
        return text.prepared(task).labels
    return sequences.labelled(task).vocabulary if isinstance(task, SequencesTask) else ()


def columns(task: Task) -> tuple[str, ...]:
    """What the numbers are called that are read a step; () of symbols, of tasks without names, and of arrays, whose
    columns have none of their own. Raises DataError."""
    named: tuple[str, ...] = ()
    if isinstance(task, SeriesTask):
        named = task.columns
    elif isinstance(task, SequencesTask) and task.inputs:
        named = sequences.labelled(task).columns
    return named if have_names(named) else ()


def constant(task: Task, model: ModelSpec) -> Tensor | None:
    """The output, float64, that a model would always have if it knew nothing but how often each answer comes in the
    training part: for numbers their mean (1,), for a yes-or-no question the logit (1,), for classes their logits,
    log (n + 1)/(all + classes) (Laplace's rule: what never came is not impossible). None where the task is generated.
    Raises DataError."""
    if isinstance(task, TextTask):
        of = text.prepared(task)
        first, behind = of.parts["train"]
        return _logits(counted(of.numbers[first:behind], task.symbols))
    if isinstance(task, SequencesTask):
        return _of_sequences(task)
    if isinstance(task, SeriesTask):
        return _of_series(task, model)
    return _of_sunspots(task, model) if isinstance(task, SunspotsTask) else None


def _of_sequences(task: SequencesTask) -> Tensor:
    of = sequences.prepared(task)
    behind = of.parts["train"][1]
    learned = of.answer[: int(of.lengths[:behind].sum()) if task.answers == "tags" else behind]
    if task.answers == "value":
        return torch.tensor([float(learned.mean())], dtype=torch.float64, device="cpu")
    return _logits(np.bincount(learned.astype(np.int64), minlength=task.classes))


def _of_series(task: SeriesTask, model: ModelSpec) -> Tensor:
    every = model.readout.at == "every"
    of, starts = series.prepared(task), series.windows(task, "train", every)
    first = starts + task.ahead + (0 if every else task.steps - 1)
    asked = np.zeros(len(of.target) + 1)  # how often each row is asked for
    np.add.at(asked, first, 1.0)
    np.add.at(asked, starts + task.ahead + task.steps, -1.0)
    often = np.cumsum(asked)[:-1]
    mean = float(np.where(often > 0, of.target, 0.0) @ often / often.sum())
    return torch.tensor([mean], dtype=torch.float64, device="cpu")


def _of_sunspots(task: SunspotsTask, model: ModelSpec) -> Tensor:
    first, count = sunspots.windows_of(task, "train", model.readout.at == "every")
    asked = sunspots.windows(task, model, first + torch.arange(count, device="cpu")).targets.double()
    if model.loss == "mse":
        return asked.mean().reshape(1)
    higher = float(asked.sum())
    logits = _logits(np.array([asked.numel() - higher, higher]))
    return logits if model.loss == "cross_entropy" else (logits[1] - logits[0]).reshape(1)


def _logits(counts: NDArray[np.generic]) -> Tensor:
    often = torch.from_numpy(counts.astype(np.float64)) + 1.0
    return (often / often.sum()).log()
