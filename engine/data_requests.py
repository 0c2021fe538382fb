"""Requests about somebody's own data: plain data, no torch. A big file takes a while to read, so that the window has it
read in the engine's process, and there piece by piece: pictures and training have their turn between two of them.

What has been read so far is remembered there, of one file at a time. It is a memory and no state: in another process
the same request begins anew, and comes to the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from engine.data import SequencesChoices, SeriesChoices, TableOptions, TextChoices
from engine.data.cells import Reading, finished, within
from engine.data.decoding import Encoding
from engine.data.finding import finding
from engine.data.peeking import Lines, looking_for_lines
from engine.data.preview import ArraysPreview, As, Preview, TablePreview, TextPreview
from engine.data.sequences import importing_sequences
from engine.data.series import importing_series, preparing
from engine.data.table import DETECTED
from engine.data.text import importing_text
from engine.spec import OwnTask

Choices: TypeAlias = SeriesChoices | TextChoices | SequencesChoices


@dataclass(frozen=True)
class LookAt:
    """What is in a file: a Preview comes back, or after `piece` seconds how far it has been read; then it is to be
    asked again."""

    path: str
    options: TableOptions = DETECTED
    as_: As | None = None
    piece: float | None = None
    """None: all of it at once."""


@dataclass(frozen=True)
class Partly:
    """A file has been read so far, 0 … 1."""

    share: float


@dataclass(frozen=True)
class Bring:
    """Keep the data of a file that was looked at: the task over them comes back, or after `piece` seconds how far it
    is, as of LookAt."""

    preview: Preview
    choices: Choices
    piece: float | None = None


@dataclass(frozen=True)
class Find:
    """Keep the data of a task that are missing, out of a file: the task comes back where they are in it, or Partly, as
    of LookAt."""

    path: str
    task: OwnTask
    piece: float | None = None


@dataclass(frozen=True)
class Peek:
    """Lines of a file around one of them, as they stand in it: Lines come back, none of what is no text; or Partly, as
    of LookAt."""

    path: str
    around: int
    encoding: Encoding | None = None
    piece: float | None = None


_under_way: list[tuple[LookAt | Bring | Find | Peek, Reading[Any]]] = []
"""What is being read, one thing at most."""


def look(request: LookAt) -> Preview | Partly:
    """Raises DataError."""
    from engine.data.preview import looking_at

    found: Preview | Partly = _go_on(request, lambda: looking_at(request.path, request.options, request.as_))
    return found


def peek(request: Peek) -> Lines | Partly:
    found: Lines | Partly = _go_on(request, lambda: looking_for_lines(request.path, request.around, request.encoding))
    return found


def bring(request: Bring | Find) -> OwnTask | Partly:
    """Raises DataError."""
    found: OwnTask | Partly = _go_on(request, lambda: _bringing(request))
    return found


def let_go(_request: object = None) -> None:
    """Nobody waits for what is being read any more, nor needs what has been."""
    from engine.data import table

    _under_way.clear()
    table.forget()


def without_rows(preview: Preview) -> Preview:
    """A preview as far as it is needed to bring the data in: what a form counts by is megabytes of a large file."""
    if isinstance(preview, TextPreview):
        return replace(preview, first_characters=(), first_words=())
    if isinstance(preview, TablePreview):
        columns = tuple(replace(column, missing_rows=b"", jumped_rows=b"") for column in preview.columns)
        return replace(preview, columns=columns)
    if isinstance(preview, ArraysPreview):
        return replace(preview, arrays=tuple(replace(one, missing_rows=()) for one in preview.arrays))
    return preview


def _go_on(request: LookAt | Bring | Find | Peek, begin: Callable[[], Reading[Any]]) -> Any:
    """With what is under way, if it is this; else from the beginning."""
    known = [reading for asked, reading in _under_way if asked == request]
    _under_way.clear()
    reading = known[0] if known else begin()
    if request.piece is None:
        return finished(reading)
    end = time.perf_counter() + request.piece
    while True:
        try:
            share = next(reading)
        except StopIteration as over:
            return over.value
        if time.perf_counter() >= end:
            _under_way.append((request, reading))
            return Partly(share)


def _bringing(request: Bring | Find) -> Reading[OwnTask]:
    if isinstance(request, Find):
        return (yield from finding(request.path, request.task))
    preview, choices = request.preview, request.choices
    if isinstance(choices, SeriesChoices):
        series_task, data = yield from within(importing_series(preview, choices), 0.0, 0.7)
        ready = yield from within(preparing(series_task, data), 0.7, 1.0)
        from engine.tasks import series  # with torch, which is there in the process that traces

        series.prepared.keep(series_task, ready)
        return series_task
    if isinstance(choices, SequencesChoices):
        return (yield from importing_sequences(preview, choices))
    task, made = yield from importing_text(preview, choices)
    from engine.tasks import text  # with torch, which is there in the process that traces

    text.prepared.keep(task, made)
    return task
