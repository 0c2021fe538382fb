"""Tasks: where the data come from. A batch is determined by task, model, seed and iteration, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from engine.spec import ModelSpec
from engine.task_facts import baseline, form
from engine.task_specs import (
    AddingTask,
    CopyTask,
    DigitsTask,
    EchoTask,
    ParityTask,
    ReberTask,
    SequencesTask,
    SeriesTask,
    SinesTask,
    SunspotsTask,
    Task,
    TemporalOrderTask,
    TextTask,
)
from engine.tasks import (
    adding,
    copying,
    digits,
    echo,
    parity,
    reber,
    sequences,
    series,
    sines,
    sunspots,
    temporal_order,
    text,
)
from engine.tasks.batch import Batch
from engine.tasks.part import Draw, Part

__all__ = ["Batch", "Part", "baseline", "batch", "drawn"]

_DRAW: dict[type[Any], Callable[[Any, ModelSpec, Draw], Batch]] = {
    AddingTask: adding.batch,
    CopyTask: copying.batch,
    TemporalOrderTask: temporal_order.batch,
    EchoTask: echo.batch,
    ParityTask: parity.batch,
    ReberTask: reber.batch,
    SinesTask: sines.batch,
    SunspotsTask: sunspots.batch,
    SeriesTask: series.batch,
    TextTask: text.batch,
    SequencesTask: sequences.batch,
    DigitsTask: digits.batch,
}


def batch(
    task: Task,
    model: ModelSpec,
    seed: int,
    iteration: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    part: Part = "train",
) -> Batch:
    """The batch of one iteration, or number `iteration` of those that a part held back is judged by. Drawn on the CPU
    in float64 and rounded to `dtype` afterwards. Symbols become one-hot vectors where the model has no embedding.

    Raises DataError where data are not there (somebody's own, or those of a package that is not installed), or a part
    of them is empty.
    """
    return drawn(task, model, Draw(seed, iteration, part), dtype, device)


def drawn(
    task: Task,
    model: ModelSpec,
    draw: Draw,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Batch:
    """The same of any draw; it may name the sequences that it wants. Raises DataError."""
    found = _DRAW[type(task)](task, model, draw)
    symbols = form(task).symbols
    if symbols and model.embedding is None:
        found = found.one_hot(symbols)
    return found.to(dtype, device)
