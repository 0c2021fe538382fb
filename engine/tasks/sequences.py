"""Somebody's own sequences, each with a class, a tag at every step, or a number."""

from __future__ import annotations

import numpy as np
import torch

from engine.data import sequences
from engine.data.datasets import SequencesData
from engine.data.files import source_of
from engine.data.sequences import Prepared
from engine.errors import DataError
from engine.spec import ModelSpec, SequencesTask
from engine.tasks.batch import Batch
from engine.tasks.kept_data import Remembered, data_of
from engine.tasks.order import batch_of
from engine.tasks.part import Draw


def batch(task: SequencesTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, inputs), float64, or symbols (T, B), int64, 0 past the end of a sequence; classes (B,), tags (T, B), or
    values (B, 1); lengths (B,). CPU. Raises DataError where the data are not there, or the part holds none."""
    data = prepared(task)
    first, behind = data.parts[draw.part]
    if first == behind:
        raise DataError(f"The {draw.part} part of {source_of(task.name)} holds no sequence; one or more is needed.")
    chosen = first + batch_of(behind - first, task.batch_size, draw, "sequences")
    lengths = data.lengths[chosen]
    steps = np.arange(task.steps)[:, None]
    real = steps < lengths
    rows = np.where(real, data.begins[chosen] + steps, 0)
    x = data.inputs[rows]
    x[~real] = 0
    if task.answers == "tags":
        answer = data.answer[rows]
        answer[~real] = 0
    else:
        answer = data.answer[chosen]
        if task.answers == "value":
            answer = answer[:, None]
    return Batch(torch.from_numpy(x), torch.from_numpy(answer), torch.from_numpy(lengths))


@Remembered
def prepared(task: SequencesTask) -> Prepared:
    """Raises DataError."""
    return sequences.prepared(task, labelled(task))


def labelled(task: SequencesTask) -> SequencesData:
    """With the names of symbols and classes. Raises DataError."""
    return data_of(task, SequencesData, "no sequences", "task.kind 'sequences' needs them")
