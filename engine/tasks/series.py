"""Somebody's own series: windows of it, each within one part of the data, and the target some steps ahead.

A window that begins at row s reads rows s … s + T − 1, and step t asks for row s + t + ahead. Neither it nor its
targets cross the end of a part, a missing number or a jump in time.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data import series
from engine.data.datasets import SeriesData
from engine.data.files import source_of
from engine.data.series import Prepared
from engine.errors import DataError
from engine.spec import ModelSpec, SeriesTask
from engine.tasks.batch import Batch, targets
from engine.tasks.kept_data import data_of, remembered
from engine.tasks.order import batch_of
from engine.tasks.part import Draw, Part


def batch(task: SeriesTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, columns) and the targets, scaled. Float64, CPU. Raises DataError where the data are not there, or the
    part holds no window."""
    data = prepared(task)
    starts = windows(task, draw.part)
    return at(task, model, data, starts[batch_of(len(starts), task.batch_size, draw, "series")])


def at(task: SeriesTask, model: ModelSpec, data: Prepared, starts: NDArray[np.int64]) -> Batch:
    """The windows that begin at these rows (B,)."""
    rows = starts + np.arange(task.steps)[:, None]
    asked = data.target[rows + task.ahead] if model.readout.at == "every" else data.target[rows[-1] + task.ahead]
    number = torch.from_numpy(asked)
    return Batch(torch.from_numpy(data.x[rows]), targets(model, number, number > 0.0))


def windows(task: SeriesTask, part: Part) -> NDArray[np.int64]:
    """Where the windows of a part begin (n,), n ≥ 1. Raises DataError."""
    starts = prepared(task).starts[part]
    if not len(starts):
        series.check_part(task, _data(task), part)
        raise DataError(f"The {part} part of {source_of(task.name)} is empty; a window of it is needed.")
    return starts


def _data(task: SeriesTask) -> SeriesData:
    return data_of(task, SeriesData, "no series", "task.kind 'series' needs one")


@remembered
def prepared(task: SeriesTask) -> Prepared:
    """Raises DataError."""
    return series.prepared(task, _data(task))
