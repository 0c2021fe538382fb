"""Requests about somebody's own data: plain data, no torch. A big file takes a while to read, so that the window has it
read in the engine's process, and there piece by piece: pictures and training have their turn between two of them.

What has been read so far is remembered there, of one file at a time. It is a memory and no state: in another process
the same request begins anew, and comes to the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeAlias

from engine.data import SequencesChoices, SeriesChoices, TableOptions, TextChoices
from engine.data.cells import Reading
from engine.data.decoding import Encoding
from engine.data.peeking import Lines, lines_of
from engine.data.preview import As, Preview
from engine.data.table import DETECTED
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
    """Keep the data of a file that was looked at: the task over them comes back."""

    preview: Preview
    choices: Choices


@dataclass(frozen=True)
class Peek:
    """Lines of a file around one of them, as they stand in it: Lines come back, none of what is no text."""

    path: str
    around: int
    encoding: Encoding | None = None


_under_way: list[tuple[LookAt, Reading[Preview]]] = []
"""The file that is being read, at most one."""


def look(request: LookAt) -> Preview | Partly:
    """Raises DataError."""
    from engine.data.cells import finished
    from engine.data.preview import looking_at

    known = [reading for asked, reading in _under_way if asked == request]
    _under_way.clear()
    reading = known[0] if known else looking_at(request.path, request.options, request.as_)
    if request.piece is None:
        return finished(reading)
    end = time.perf_counter() + request.piece
    while True:
        try:
            share = next(reading)
        except StopIteration as over:
            found: Preview = over.value
            return found
        if time.perf_counter() >= end:
            _under_way.append((request, reading))
            return Partly(share)


def peek(request: Peek) -> Lines:
    return lines_of(request.path, request.around, request.encoding)


def let_go(_request: object = None) -> None:
    """Nobody waits for what is being read any more, nor needs what has been."""
    from engine.data import table

    _under_way.clear()
    table.forget()


def bring(request: Bring) -> OwnTask:
    """Raises DataError."""
    from engine.data import import_sequences, import_series, import_text

    match request.choices:
        case SeriesChoices():
            return import_series(request.preview, request.choices)
        case TextChoices():
            return import_text(request.preview, request.choices)
    return import_sequences(request.preview, request.choices)
