"""Rows of numbers, one an iteration, chunk by chunk as they come, within a budget. Plain numpy; everything here is a
pure function of what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 2**20
"""Chunks are joined up to this size: few are left, and to append costs a copy of so much at most."""

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """Of some iterations, as far apart as `Kept.stride` says."""

    first: int
    """The iteration of row 0."""
    columns: Mapping[str, Array]
    """(n, …) each."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    @property
    def nbytes(self) -> int:
        """As a file holds them, which knows no bits."""
        return sum(
            column.size * (8 if column.dtype == np.bool_ else column.itemsize) for column in self.columns.values()
        )

    def like(self, other: Rows) -> bool:
        """Whether both can be joined."""
        shapes = [{name: column.shape[1:] for name, column in one.columns.items()} for one in (self, other)]
        return shapes[0] == shapes[1]

    def mapped(self, first: int, change: Callable[[Array], Array]) -> Rows:
        return Rows(first, {name: change(column) for name, column in self.columns.items()})


@dataclass(frozen=True, eq=False)
class Kept:
    """Where they take more than the budget (bytes), only every second row is kept, then every fourth, and so on: those
    of iterations that `stride` divides."""

    budget: int
    chunks: tuple[Rows, ...] = ()
    """Without empty ones; of different shapes, where what is recorded has become another."""
    stride: int = 1

    def __len__(self) -> int:
        """Rows."""
        return sum(map(len, self.chunks))

    @property
    def nbytes(self) -> int:
        return sum(chunk.nbytes for chunk in self.chunks)

    @cached_property
    def iterations(self) -> NDArray[np.int64]:
        """(n,): of each row."""
        if not self.chunks:
            return np.zeros(0, np.int64)
        return self.chunks[0].first + self.stride * np.arange(len(self), dtype=np.int64)

    def column(self, name: str) -> Array:
        """(n, …), of rows that are all alike."""
        found = [chunk[name] for chunk in self.chunks]
        return found[0] if len(found) == 1 else _fixed(np.concatenate(found)) if found else np.zeros(0)

    def last(self, name: str, most: int) -> Array:
        """(n,): of the last rows, `most` of them at most. However many there are, no more is read."""
        parts, found = [np.zeros(0)], 0
        for chunk in reversed(self.chunks):
            if found >= most:
                break
            parts.append(chunk[name][-(most - found) :])
            found += len(parts[-1])
        return np.concatenate(parts[::-1])

    def row(self, iteration: int) -> dict[str, Any] | None:
        """The numbers of one iteration; None where there is no row of it."""
        if not self.chunks or iteration < self.chunks[0].first or (iteration - self.chunks[0].first) % self.stride:
            return None
        number = (iteration - self.chunks[0].first) // self.stride
        for chunk in self.chunks:
            if number < len(chunk):
                return {name: column[number] for name, column in chunk.columns.items()}
            number -= len(chunk)
        return None

    def appended(self, rows: Rows) -> Kept:
        """With the rows of the iterations that follow, of every one of them."""
        chunk = rows if self.stride == 1 else _every(rows, 1, self.stride)
        return replace(self, chunks=_merged((*self.chunks, chunk))).fitted()

    def until(self, iteration: int) -> Kept:
        """The rows before an iteration alone."""
        counts = (max(0, -(-(iteration - chunk.first) // self.stride)) for chunk in self.chunks)
        cut = (_first(chunk, count) for chunk, count in zip(self.chunks, counts, strict=True))
        chunks = tuple(chunk for chunk in cut if len(chunk))
        return replace(self, chunks=chunks, stride=self.stride if chunks else 1)

    def within(self, budget: int) -> Kept:
        """The same within another budget."""
        return replace(self, budget=budget).fitted()

    def fitted(self) -> Kept:
        kept = self
        while kept.nbytes > kept.budget and len(kept) > 1:
            stride = 2 * kept.stride
            chunks: tuple[Rows, ...] = ()
            for chunk in kept.chunks:
                chunks = _merged((*chunks, _every(chunk, kept.stride, stride)), even=False)
            kept = replace(kept, chunks=chunks, stride=stride)
        return kept


def _first(rows: Rows, count: int) -> Rows:
    return rows if count >= len(rows) else rows.mapped(rows.first, lambda column: column[:count])


def _every(rows: Rows, stride: int, kept: int) -> Rows:
    """Of rows `stride` iterations apart those that `kept`, a multiple, divides. Copies, so that the rest is let go."""
    first = -(-rows.first // kept) * kept
    start = (first - rows.first) // stride
    return rows.mapped(first, lambda column: _fixed(column[start :: kept // stride].copy()))


def _merged(chunks: tuple[Rows, ...], even: bool = True) -> tuple[Rows, ...]:
    """With few chunks, however many came: the last is joined with the one before, if that is no larger (`even`) and
    both fit into a block, and so on. So every row is copied a few times at most, and few are copied at once."""
    left = [*chunks[:-1], *(chunk for chunk in chunks[-1:] if len(chunk))]
    while len(left) > 1:
        before, last = left[-2:]
        if (even and len(last) < len(before)) or before.nbytes + last.nbytes > BLOCK_BYTES or not before.like(last):
            break
        left[-2:] = [_joined(before, last)]
    return tuple(left)


def _joined(before: Rows, last: Rows) -> Rows:
    return Rows(before.first, {name: _fixed(np.concatenate((before[name], last[name]))) for name in before.columns})


def _fixed(array: Array) -> Array:
    array.flags.writeable = False
    return array
