"""What was imported, as it is kept: a series, a text, or sequences with their answers. Numpy, no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data.cells import Reading, finished
from engine.data.numbers import LARGEST
from engine.errors import DataError
from engine.plaintext import one_line

Missing: TypeAlias = Literal["refuse", "interpolate", "last", "leave_out"]
"""What is done where a number is missing: nothing (there may be none); a straight line between its neighbours within
the part of the data that it is in, which looks at the next value that is known; the last value that was known; or no
window goes over it."""

MAX_VALUES = 64 * 2**20
"""Numbers, which take eight bytes each."""
MAX_SYMBOLS_KEPT = 16_000_000
"""Symbols and tags of sequences, which pass through texts of their own."""
MAX_CHARACTERS = 128 * 2**20
MAX_NAMES = 50_000
MAX_CLASSES = 1000
_AT_ONCE = 2**18
"""Numbers."""
MAX_NAME = 200


@dataclass(frozen=True, eq=False)
class SeriesData:
    """Rows in the order of time."""

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    """(rows, columns); NaN where one is missing."""
    missing: Missing = "refuse"
    breaks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Rows, from 0 and rising, that do not follow the one before: a jump in time, another sequence."""


@dataclass(frozen=True, eq=False)
class TextData:
    text: str


@dataclass(frozen=True, eq=False)
class SequencesData:
    """Sequences one after the other, in the order in which they are split."""

    answers: Literal["class", "tags", "value"]
    lengths: NDArray[np.int64]
    """(sequences,), from 1."""
    numbers: NDArray[np.float64] | None
    """(all steps, inputs), or None for symbols."""
    symbols: NDArray[np.int64] | None
    """(all steps,), numbers of `vocabulary`, or None for numbers."""
    answer: NDArray[np.int64] | NDArray[np.float64]
    """Classes or values (sequences,), or tags (all steps,)."""
    columns: tuple[str, ...] = ()
    """Of `numbers`."""
    vocabulary: tuple[str, ...] = ()
    """What each symbol stands for; 0 for every other one."""
    labels: tuple[str, ...] = ()
    """What each class or tag is called."""


Data: TypeAlias = SeriesData | TextData | SequencesData


def checked(data: Data) -> Data:
    """The data themselves, if everything in them fits together. Raises DataError."""
    finished(checking(data))
    return data


def checking(data: Data) -> Reading[None]:
    """The same piece by piece."""
    if isinstance(data, SeriesData):
        yield from _series(data)
    elif isinstance(data, TextData):
        check_length(len(data.text))
    else:
        yield from _sequences(data)


def check_length(characters: int) -> None:
    """Of a text. Raises DataError."""
    if not 1 <= characters <= MAX_CHARACTERS:
        raise DataError(f"The text has {characters:,} characters; 1 to {MAX_CHARACTERS:,} are accepted.")


def _series(data: SeriesData) -> Reading[None]:
    values, breaks = data.values, data.breaks
    if values.ndim != 2 or values.dtype != np.float64 or values.shape[1] != len(data.columns) or not values.size:
        raise DataError(f"The series has the shape {values.shape} of {values.dtype} for {len(data.columns)} columns.")
    _names("columns", data.columns)
    if len(set(data.columns)) != len(data.columns):
        raise DataError("The series has two columns of the same name.")
    yield from _numbers(values, "series", allow_missing=data.missing != "refuse")
    inside = len(breaks) == 0 or (breaks[0] > 0 and breaks[-1] < len(values) and bool((np.diff(breaks) > 0).all()))
    if breaks.ndim != 1 or breaks.dtype != np.int64 or not inside:
        raise DataError(f"The breaks of the series do not rise from 1 to {len(values) - 1:,}.")


def _sequences(data: SequencesData) -> Reading[None]:
    lengths, answer = data.lengths, data.answer
    if lengths.ndim != 1 or lengths.dtype != np.int64 or not len(lengths) or not bool((lengths >= 1).all()):
        raise DataError("The lengths of the sequences are no whole numbers from 1.")
    if bool((lengths > MAX_VALUES).any()):
        raise DataError(f"The sequences have more than {MAX_VALUES:,} steps.")
    steps = int(lengths.sum())
    if (data.numbers is None) == (data.symbols is None):
        raise DataError("The sequences hold both numbers and symbols, or neither; one of them is accepted.")
    if data.numbers is not None:
        _names("columns", data.columns)
        if data.numbers.dtype != np.float64 or data.numbers.shape != (steps, len(data.columns)) or not data.columns:
            raise DataError(f"The numbers have the shape {data.numbers.shape} for {steps:,} steps.")
        yield from _numbers(data.numbers, "sequences", allow_missing=False)
    if data.symbols is not None:
        _names("vocabulary", data.vocabulary)
        _whole("symbols", data.symbols, steps, len(data.vocabulary))
    if data.answers == "value":
        if answer.dtype != np.float64 or answer.shape != lengths.shape:
            raise DataError(f"The values have the shape {answer.shape} for {len(lengths):,} sequences.")
        yield from _numbers(answer, "answers", allow_missing=False)
    else:
        _names("labels", data.labels)
        _whole(data.answers, answer, steps if data.answers == "tags" else len(lengths), len(data.labels))


def _numbers(values: NDArray[Any], what: str, allow_missing: bool) -> Reading[None]:
    if values.size > MAX_VALUES:
        raise DataError(f"The {what} have {values.size:,} numbers; at most {MAX_VALUES:,} are accepted.")
    for first, behind in pieces_of(values.shape):
        piece = values[first:behind]
        absent = np.isnan(piece)
        if not allow_missing and bool(absent.any()):
            raise DataError(f"The {what} hold a NaN, where finite numbers are accepted.")
        if not bool((absent | (np.abs(piece) <= LARGEST)).all()):
            raise DataError(f"The {what} hold a number beyond ±1e150.")
        yield behind / len(values)


def pieces_of(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The first row of an array, and the one behind the last, of pieces that take a few milliseconds each."""
    rows = max(1, _AT_ONCE // max(1, math.prod(shape[1:])))
    for first in range(0, shape[0], rows):
        yield first, min(first + rows, shape[0])


def _whole(what: str, values: NDArray[Any], count: int, below: int) -> None:
    if values.dtype != np.int64 or values.shape != (count,) or values.size > MAX_SYMBOLS_KEPT:
        raise DataError(f"The {what} have the shape {values.shape} of {values.dtype}; ({count},) of int64 is accepted.")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < below):
        raise DataError(f"The {what} do not lie between 0 and {below - 1}.")


def _names(what: str, names: tuple[str, ...]) -> None:
    if what == "columns" and any(one_line(name, MAX_NAME) != name for name in names):
        raise DataError("The columns have a name that is no plain text on one line.")
    if len(names) > MAX_NAMES or any(len(name) > MAX_NAME for name in names):
        raise DataError(f"The {what} have {len(names):,} names; {MAX_NAMES:,} of {MAX_NAME} characters are accepted.")
