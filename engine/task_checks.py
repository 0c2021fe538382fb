"""Tasks held to their ranges, as engine.checks holds the rest of an experiment. Plain data, no torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine import reber
from engine.errors import SpecError
from engine.ranges import real, whole
from engine.spec_reading import shown
from engine.task_specs import (
    MAX_BATCH_SIZE,
    MAX_STEPS,
    AddingTask,
    CopyTask,
    DigitsTask,
    EchoTask,
    ParityTask,
    ReberTask,
    SequencesTask,
    SeriesTask,
    SinesTask,
    Split,
    SunspotsTask,
    Task,
    TemporalOrderTask,
    TextTask,
)

MAX_SYMBOLS = 50_000
MAX_COLUMNS = 4096
YEARS = 309
"""Of the sunspot series, 1700-2008."""


def check_task(task: Task) -> None:
    """Raises SpecError."""
    whole("task.batch_size", task.batch_size, 1, MAX_BATCH_SIZE)
    _CHECKS[type(task)](task)


def _steps(low: int, high: int = MAX_STEPS) -> Callable[[Any], None]:
    return lambda task: whole("task.steps", task.steps, low, high)


def _adding(task: AddingTask) -> None:
    whole("task.steps", task.steps, 2, MAX_STEPS)
    if task.shortest is not None:
        whole("task.shortest", task.shortest, 2, task.steps)


def _echo(task: EchoTask) -> None:
    whole("task.steps", task.steps, 1, MAX_STEPS)
    whole("task.delay", task.delay, 0, task.steps - 1)


def _sines(task: SinesTask) -> None:
    whole("task.steps", task.steps, 1, MAX_STEPS)
    whole("task.waves", task.waves, 1, 100)
    real("task.noise", task.noise, 0.0, 1e3)


def _series(task: SeriesTask) -> None:
    _own(task.data, task.split)
    if not 1 <= len(task.columns) <= MAX_COLUMNS:
        raise SpecError(f"task.columns has {len(task.columns)} names; 1 to {MAX_COLUMNS:,} columns are accepted.")
    if len(set(task.columns)) != len(task.columns):
        raise SpecError("task.columns names a column twice; each is read once.")
    if not task.target:
        raise SpecError("task.target is empty; the name of a column is accepted.")
    whole("task.steps", task.steps, 1, MAX_STEPS)
    whole("task.ahead", task.ahead, 1, MAX_STEPS)
    whole("task.stride", task.stride, 1, MAX_STEPS)


def _text(task: TextTask) -> None:
    _own(task.data, task.split)
    whole("task.symbols", task.symbols, 2, MAX_SYMBOLS)
    whole("task.steps", task.steps, 1, MAX_STEPS)


def _sequences(task: SequencesTask) -> None:
    _own(task.data, task.split)
    whole("task.steps", task.steps, 1, MAX_STEPS)
    if bool(task.inputs) == bool(task.symbols):
        raise SpecError(
            f"task.inputs is {task.inputs} and task.symbols is {task.symbols}; one of them is accepted, and 0 for the "
            "other."
        )
    whole("task.inputs", task.inputs, 0, MAX_COLUMNS)
    whole("task.symbols", task.symbols, 0, MAX_SYMBOLS)
    if task.answers == "value":
        whole("task.classes", task.classes, 0, 0)
    else:
        whole("task.classes", task.classes, 2, MAX_SYMBOLS)


def _own(data: str, split: Split) -> None:
    if not re.fullmatch("[0-9a-f]{64}", data):
        raise SpecError(f"task.data is {shown(data)}; the SHA-256 of the data, 64 digits 0-9 and a-f, is accepted.")
    real("task.split.train", split.train, 0.01, 1.0)
    real("task.split.validation", split.validation, 0.0, 1.0)
    if split.train + split.validation > 1.0 + 1e-9:
        raise SpecError(
            f"task.split.train {split.train:g} and task.split.validation {split.validation:g} are more than 1 together."
        )


_CHECKS: dict[type[Any], Callable[[Any], None]] = {
    AddingTask: _adding,
    CopyTask: lambda task: whole("task.delay", task.delay, 1, MAX_STEPS - 20),
    TemporalOrderTask: _steps(10),
    EchoTask: _echo,
    ParityTask: _steps(1),
    ReberTask: _steps(reber.SHORTEST - 1),
    SinesTask: _sines,
    SunspotsTask: _steps(1, YEARS - 1),
    DigitsTask: lambda task: None,
    SeriesTask: _series,
    TextTask: _text,
    SequencesTask: _sequences,
}
