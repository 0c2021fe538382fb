"""Somebody's own text: predict the next character or word."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data import text
from engine.data.datasets import TextData
from engine.data.files import source_of
from engine.data.text import Prepared
from engine.draws import whole
from engine.errors import DataError
from engine.spec import ModelSpec, TextTask
from engine.tasks.batch import Batch
from engine.tasks.kept_data import Remembered, data_of
from engine.tasks.order import batch_of, held_back
from engine.tasks.part import Draw, Part


def batch(task: TextTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B) and the symbols one step later (T, B). Int64, CPU. Raises DataError where the data are not there, or
    the part is too short."""
    data = prepared(task)
    places = starts(task, data, draw) + np.arange(task.steps + 1)[:, None]
    symbols = torch.from_numpy(data.numbers[places].astype(np.int64))
    return Batch(symbols[:-1].contiguous(), symbols[1:].contiguous())


def starts(task: TextTask, data: Prepared, draw: Draw) -> NDArray[np.int64]:
    """Where the sequences of a batch begin, (B,)."""
    first, behind = data.parts[draw.part]
    T, B = task.steps, task.batch_size
    text.check_part(task, len(data.numbers), draw.part)
    count = pieces(task, draw.part)
    if count < 1:
        raise DataError(
            f"The {draw.part} part of {source_of(task.name)} is empty; a sequence of {T:,} steps is needed."
        )
    if draw.part != "train":
        streams = task.order == "stream" and draw.pieces is None
        pieces_ = _side_by_side(count, B, draw.number) if streams else batch_of(count, B, draw, "text")
        return first + T * pieces_
    if task.order == "stream":
        # B streams of `each` sequences, one behind the other: where one ends, the next has begun, so that a row goes on
        # from batch to batch through the whole part, and from its end to its beginning.
        each = count // B
        return first + T * ((np.arange(B) * each + draw.number) % (B * each))
    places: NDArray[np.int64] = whole((B,), 0, behind - first - T - 1, draw.generator("text")).numpy()
    return first + places


def _side_by_side(count: int, batch_size: int, number: int) -> NDArray[np.int64]:
    """Which of the pieces of a part held back are in a batch, where it is read as streams: a row goes on in the next
    batch where it ended, and every piece comes once. The longer streams come first, so that the last batch may have
    fewer rows: those that go on."""
    streams = min(batch_size, count)
    each, longer = divmod(count, streams)
    n, row = number % held_back(count, batch_size), np.arange(streams)
    begins = row * each + np.minimum(row, longer)
    return begins[: longer if n == each else streams] + n


def _prepared(task: TextTask) -> Prepared:
    return text.prepared(task, data_of(task, TextData, "no text", "task.kind 'text' needs one"))


prepared = Remembered(_prepared, most=2)
"""Raises DataError."""


def pieces(task: TextTask, part: Part) -> int:
    """Sequences side by side in a part held back."""
    first, behind = prepared(task).parts[part]
    return max(0, (behind - first - 1) // task.steps)
