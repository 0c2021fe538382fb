"""What arrays from a file are taken for, by their names (x, y, lengths), axes and types. Numpy, no torch.

x              y                  taken for
(T,), (T, D)   none               a series of D columns
(T, D) float   (T,) float         a series with y as one more column, to be forecast
(T, D) float   (T,) whole, bool   one sequence with a tag at every step
(N, T) whole   (N,), (N, T)       N sequences of symbols, with a class or a number each, or a tag at every step
(N, T, D)      (N,), (N, T)       N sequences of D numbers a step, likewise

A whole y is classes, a float one numbers. lengths (N,): the steps of each sequence; without it all have T.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import as_numbers, place
from engine.data.cells import Reading, within
from engine.data.datasets import MAX_SYMBOLS_KEPT, pieces_of
from engine.errors import DataError
from engine.plaintext import one_line

MISSING_WAYS = "a straight line, the last value, leave the rows out"
"""As the window calls what can be done where a number is missing."""
_NAMES = ("x", "y", "lengths")


@dataclass(frozen=True, eq=False)
class Arrays:
    """Checked against each other; numbers not yet looked at."""

    kind: Literal["series", "sequences"]
    x: NDArray[Any]
    """Series (T, D); sequences (N, T, D), or symbols (N, T)."""
    y: NDArray[Any] | None
    """Series (T,) or None; sequences (N,) or (N, T)."""
    lengths: NDArray[np.int64]
    """(N,) of sequences."""
    answers: Literal["class", "tags", "value"] = "class"


def taken_for(found: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    """Raises DataError for names and shapes that do not fit."""
    found = _named(found, name)
    x, y = found["x"], found.get("y")
    if y is not None and y.ndim == 2 and y.shape[1] == 1 and not (x.ndim >= 2 and x.shape[:2] == y.shape):
        y = y[:, 0]
    whole = x.dtype.kind in "iub"
    if y is None:
        if x.ndim == 3:
            raise DataError(
                f"{name}: x has the shape {x.shape}, sequences, but there is no array y with what is to be answered; "
                "y of (N,) or (N, T) is accepted, or x of (T, D) for a series."
            )
        if "lengths" in found:
            raise DataError(f"{name}: there are lengths, but x of {x.shape} without y is one series; leave them out.")
        return Arrays("series", x if x.ndim == 2 else x[:, None], None, np.array([len(x)]))
    if x.ndim == 1:
        x = x[:, None]
        whole = False
    if y.ndim > 2 or len(y) != len(x) or (y.ndim == 2 and y.shape != x.shape[:2]):
        accepted = f"({len(x)},)" if x.ndim == 2 and not whole else f"({len(x)},) or {x.shape[:2]}"
        raise DataError(f"{name}: y has the shape {y.shape} beside x of {x.shape}; {accepted} is accepted.")
    if x.ndim == 2 and not whole:
        return _of_one(x, y, found, name)
    answers: Literal["class", "tags", "value"] = "class"
    if y.ndim == 2:
        answers = "tags"
        if y.dtype.kind == "f":
            raise DataError(f"{name}: y of {y.shape} is {y.dtype}; a tag at every step is a whole number.")
    elif y.dtype.kind == "f":
        answers = "value"
    for key, array in (("x", x), ("y", y)):
        if (key == "y" or x.ndim == 2) and array.size > MAX_SYMBOLS_KEPT:
            raise DataError(f"{name}: {key} of {array.shape} has more than {MAX_SYMBOLS_KEPT:,} symbols; cut it.")
    return Arrays("sequences", x, y, _lengths(found.get("lengths"), x, name), answers)


def says(found: Mapping[str, NDArray[Any]], name: str) -> str:
    """In words. Raises DataError as `taken_for`."""
    of = taken_for(found, name)
    if of.kind == "series":
        target = " and one more to be forecast" if of.y is not None else ""
        return f"a series of {len(of.x):,} steps with {_many(of.x.shape[1], 'column')}{target}"
    answer = {"class": "a class for each", "tags": "a tag at every step", "value": "a number for each"}[of.answers]
    what = f"{_many(of.x.shape[2], 'number')} a step" if of.x.ndim == 3 else "symbols"
    longest = int(of.lengths.max())
    upto = "" if int(of.lengths.min()) == longest else "up to "
    return f"{_many(len(of.x), 'sequence')} of {upto}{_many(longest, 'step')} with {what}, and {answer}"


def numbers_of(of: Arrays, name: str, allow_missing: bool) -> Reading[NDArray[np.float64]]:
    """x as float64, piece by piece. Raises DataError where a number is missing or not finite."""
    axes = {0: "row", 1: "column"} if of.kind == "series" else {0: "sequence", 1: "step", 2: "number"}
    values = yield from within(as_numbers(of.x, f"{name}, x", axes), 0.0, 0.6)
    if allow_missing:
        return values
    for first, behind in pieces_of(values.shape):
        absent = np.isnan(values[first:behind])
        if of.kind == "sequences":
            absent &= (np.arange(values.shape[1]) < of.lengths[first:behind, None])[..., None]
        if absent.any():
            raise DataError(f"{name}, x, {place(absent, axes, first)}: there is a NaN; {_REFUSED[of.kind]}.")
        yield 0.6 + 0.4 * behind / len(values)
    return values


_REFUSED = {
    "series": f"choose what is done where a number is missing ({MISSING_WAYS})",
    "sequences": "sequences without missing numbers are accepted",
}


def _named(found: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    if len(found) == 1:
        return {"x": next(iter(found.values()))}
    by_name: dict[str, NDArray[Any]] = {}
    for key, array in found.items():
        lower = key.lower()
        if lower not in _NAMES or lower in by_name:
            raise DataError(
                f"{name} has an array '{one_line(key, 40)}'; x, and y and lengths beside it, are accepted, each once."
            )
        by_name[lower] = array
    if "x" not in by_name:
        raise DataError(f"{name} has no array x; it has {', '.join(by_name)}.")
    return by_name


def _of_one(x: NDArray[Any], y: NDArray[Any], found: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    """(T, D) with y (T,)."""
    if y.ndim == 2:
        raise DataError(
            f"{name}: x of {x.shape} is {x.dtype} and y has the shape {y.shape}; sequences of numbers are (N, T, D), "
            f"here {(*x.shape, 1)}."
        )
    if "lengths" in found:
        raise DataError(f"{name}: there are lengths, but x of {x.shape} is one sequence; x of (N, T, D) is accepted.")
    if y.dtype.kind == "f":
        return Arrays("series", x, y, np.array([len(x)]))
    return Arrays("sequences", x[None], y[None], np.array([len(x)]), "tags")


def _lengths(given: NDArray[Any] | None, x: NDArray[Any], name: str) -> NDArray[np.int64]:
    count, steps = x.shape[:2]
    if given is None:
        return np.full(count, steps, dtype=np.int64)
    if given.dtype.kind not in "iu" or given.shape != (count,):
        raise DataError(
            f"{name}: lengths is {given.shape} of {given.dtype}; whole numbers ({count},) are accepted beside x of "
            f"{x.shape}."
        )
    bad = (given < 1) | (given > steps)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise DataError(f"{name}: lengths[{at}] is {given[at]}; 1 to {steps} are accepted beside x of {x.shape}.")
    return given.astype(np.int64)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
