"""Somebody's own series: windows of it, each asked about one part of the data, and the target some steps ahead.

A window that begins at row s reads rows s … s + T − 1, and step t asks for row s + t + ahead. What it is asked lies in
one part; what it reads may be older, since whoever forecasts knows the past. It never crosses the end of a part that
is learned from, a missing number or a jump in time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data import series, store
from engine.data.datasets import SeriesData
from engine.data.files import source_of
from engine.data.series import Prepared
from engine.data.windows import runs, stretch
from engine.errors import DataError
from engine.spec import ModelSpec, SeriesTask
from engine.tasks.batch import Batch, targets
from engine.tasks.kept_data import Remembered, data_of
from engine.tasks.order import batch_of
from engine.tasks.part import Draw, Part


def batch(task: SeriesTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, columns) and the targets, scaled. Float64, CPU. Raises DataError where the data are not there, or the
    part holds no window."""
    return at(task, model, prepared(task), _chosen(task, model, draw))


def asked(task: SeriesTask, model: ModelSpec, draw: Draw) -> NDArray[np.int64]:
    """Which row each window of a batch is asked about, (B,); of one answer a window."""
    return _chosen(task, model, draw) + task.steps - 1 + task.ahead


def following(task: SeriesTask, model: ModelSpec, draw: Draw, count: int) -> NDArray[np.float64]:
    """The target's column in the rows after each window of a batch, (B, count), scaled; NaN after the end of its part,
    and from the first row on in which something is missing, or that does not follow the one before."""
    data, starts = prepared(task), _chosen(task, model, draw)
    behind = stretch(len(data.target), task.split, draw.part)[1]
    begins, ends = runs(data.whole, data.breaks, 0, behind)
    end = ends[np.searchsorted(begins, starts, side="right") - 1]
    rows = starts[:, None] + task.steps + np.arange(count)
    return np.where(rows < end[:, None], data.target[np.minimum(rows, len(data.target) - 1)], np.nan)


def _chosen(task: SeriesTask, model: ModelSpec, draw: Draw) -> NDArray[np.int64]:
    starts = windows(task, draw.part, model.readout.at == "every")
    return starts[batch_of(len(starts), task.batch_size, draw, "series")]


def at(task: SeriesTask, model: ModelSpec, data: Prepared, starts: NDArray[np.int64]) -> Batch:
    """The windows that begin at these rows (B,)."""
    rows = starts + np.arange(task.steps)[:, None]
    asked = data.target[rows + task.ahead] if model.readout.at == "every" else data.target[rows[-1] + task.ahead]
    number = torch.from_numpy(asked)
    return Batch(torch.from_numpy(data.x[rows]), targets(model, number, number > 0.0))


def windows(task: SeriesTask, part: Part, every: bool) -> NDArray[np.int64]:
    """Where the windows of a part begin (n,), n ≥ 1; `every`: with an answer at every step. Raises DataError."""
    starts = _starts(str(store.folder()), task, part, every)
    if not len(starts):
        series.check_part(task, _data(task), part, every)
        raise DataError(f"The {part} part of {source_of(task.name)} is empty; a window of it is needed.")
    return starts


def count(task: SeriesTask, part: Part, every: bool) -> int:
    """How many windows a part has. Raises DataError where the data are not there."""
    return len(_starts(str(store.folder()), task, part, every))


def _data(task: SeriesTask) -> SeriesData:
    return data_of(task, SeriesData, "no series", "task.kind 'series' needs one")


@Remembered
def prepared(task: SeriesTask) -> Prepared:
    """Raises DataError."""
    return series.prepared(task, _data(task))


@lru_cache(maxsize=8)
def _starts(_folder: str, task: SeriesTask, part: Part, every: bool) -> NDArray[np.int64]:
    starts = prepared(task).starts(task, part, every)
    starts.flags.writeable = False
    return starts
