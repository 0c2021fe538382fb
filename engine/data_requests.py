"""Requests about somebody's own data: plain data, no torch. A big file takes a while to read, so that the window has it
read in the engine's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.data import SequencesChoices, SeriesChoices, TableOptions, TextChoices
from engine.data.preview import As, Preview
from engine.data.table import DETECTED
from engine.spec import OwnTask

Choices: TypeAlias = SeriesChoices | TextChoices | SequencesChoices


@dataclass(frozen=True)
class LookAt:
    """What is in a file: a Preview comes back."""

    path: str
    options: TableOptions = DETECTED
    as_: As | None = None


@dataclass(frozen=True)
class Bring:
    """Keep the data of a file that was looked at: the task over them comes back."""

    preview: Preview
    choices: Choices


def look(request: LookAt) -> Preview:
    """Raises DataError."""
    from engine.data import look_at

    return look_at(request.path, request.options, request.as_)


def bring(request: Bring) -> OwnTask:
    """Raises DataError."""
    from engine.data import import_sequences, import_series, import_text

    match request.choices:
        case SeriesChoices():
            return import_series(request.preview, request.choices)
        case TextChoices():
            return import_text(request.preview, request.choices)
    return import_sequences(request.preview, request.choices)
