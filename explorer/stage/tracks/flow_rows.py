"""The rows of the flow over training as classes: one for every recorded iteration, log₁₀ ‖∂L/∂h_t‖ over t. No Qt.

Rows are classified once, when they come; a longer log of the same training costs its new rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.history import Log
from engine.requests import Array
from engine.rows import Rows
from explorer.stage import classes
from explorer.stage.classes import BELOW, FIRST, LAST, NAN, NOT_REACHED, PLUS_INF, UNDEFINED, ZERO
from explorer.stage.scales import Scale
from explorer.widgets.numbers import exact, power

_BLOCK = 256
"""Rows that are classified together."""
_MOST_FITTED = 500_000
_FAR = 2
"""Decades above what nearly all numbers are below."""
_CERTAIN = ((8, 6), (64, 5))
"""Up to such a size of the logarithm, its single precision is good for so many digits of the number."""


def classify(logs: Array, bad: NDArray[np.bool_], scale: Scale) -> classes.Codes:
    """(n, …) logarithms of sizes (`Records.flow`), and which rows have some that are not a number (`Records.flow_bad`).

    The bands are those of `classes.classify`: their edges are halves, and exact as logarithms.
    """
    low, high = scale.decades
    with np.errstate(invalid="ignore"):
        place = (logs.astype(np.float64) - low) / scale.band_decades
        codes: classes.Codes = (np.clip(np.nan_to_num(place, neginf=0.0), 0, scale.bands - 1)).astype(np.uint8)
        codes += FIRST
        np.putmask(codes, logs < low, BELOW)
        np.putmask(codes, logs > high, classes.ABOVE)
    np.putmask(codes, np.isneginf(logs), ZERO)
    np.putmask(codes, np.isposinf(logs), PLUS_INF)
    missing = np.isnan(logs)
    if missing.any():
        broken = bad.reshape(-1, *[1] * (logs.ndim - 1))
        np.putmask(codes, missing & broken, NAN)
        np.putmask(codes, missing & ~broken, UNDEFINED)
    return codes


def size_words(log: float) -> str:
    """The number that a logarithm of single precision stands for, with the digits that it is good for: "3.2e-9"."""
    if not np.isfinite(log):
        return "0" if log < 0 else exact(float(log))
    digits = next((digits for bound, digits in _CERTAIN if abs(log) < bound), 4)
    if abs(log) > 300:
        return power(float(log), digits)
    return exact(float(f"{10.0 ** float(log):.{digits}g}"))


class FlowRows:
    """What has been classified. `codes`: (room, T), not reached from row `count` on, and where an iteration had no such
    step."""

    def __init__(self) -> None:
        self.log = Log()
        self.scale: Scale | None = None
        self.count = 0
        self.codes: classes.Codes = np.zeros((0, 0), np.uint8)
        self._counted = np.zeros((0, len(classes.COUNTED)), np.int64)
        """By row, how many of each class."""
        self._bands = np.zeros((0, 2), np.uint8)
        """By row, the lowest and the highest code of its numbers on the scale; FIRST above LAST where there is none."""
        self._total = np.zeros(len(classes.COUNTED), np.int64)

    @property
    def steps(self) -> int:
        """T of the iterations; of those with the longest sequences, where T was changed while training."""
        return int(self.codes.shape[1])

    @property
    def first(self) -> int:
        """The iteration of row 0."""
        return self.log.flow.chunks[0].first if self.log.flow.chunks else 0

    @property
    def stride(self) -> int:
        """Iterations from one row to the next."""
        return self.log.flow.stride

    def row_of(self, iteration: int) -> int:
        """The row that an iteration is in, or would be."""
        return max(0, iteration - self.first) // self.stride

    def iteration_of(self, row: int) -> int:
        return self.first + row * self.stride

    def room_for(self, last: int) -> int:
        """Rows down to an iteration."""
        return max(self.count, self.row_of(last) + 1)

    def counts(self) -> dict[int, int]:
        """Of each class."""
        return dict(zip(classes.COUNTED, self._total.tolist(), strict=True))

    def lengths(self) -> tuple[int, ...]:
        """Every T that the iterations had, the smallest first."""
        return tuple(sorted({chunk["flow"].shape[1] for chunk in self.log.flow.chunks if len(chunk)}))

    def absent(self, steps: int) -> int:
        """How many of `steps` steps the iterations did not have, in all."""
        chunks = self.log.flow.chunks
        return sum(len(chunk) * max(0, steps - chunk["flow"].shape[1]) for chunk in chunks)

    def bands(self) -> int:
        """Bands of the scale between the smallest and the largest number on it."""
        if not self.count:
            return 0
        low, high = int(self._bands[: self.count, 0].min()), int(self._bands[: self.count, 1].max())
        return max(0, high - low + 1)

    def at(self, row: int) -> tuple[Array, bool]:
        """(T,) logarithms of a row, and whether some of them are not a number."""
        for chunk in self.log.flow.chunks:
            if row < len(chunk):
                return chunk["flow"][row], bool(chunk["flow_bad"][row])
            row -= len(chunk)
        raise IndexError(row)

    def sizes(self) -> Array:
        """(T, rows): the numbers themselves, of at most so many rows as it takes to fit a scale to them. Where a few
        iterations explode, what one in fifty is above by decades is NaN: they would leave a band to all others."""
        chunks = self.log.flow.chunks
        if not chunks:
            return np.zeros((0, 0))
        every = -(-sum(chunk["flow"].size for chunk in chunks) // _MOST_FITTED)
        logs = np.full((sum(-(-len(chunk) // every) for chunk in chunks), self.steps), np.nan)
        row = 0
        for chunk in chunks:
            some = chunk["flow"][::every]
            logs[row : row + len(some), : some.shape[1]] = some
            row += len(some)
        finite = np.isfinite(logs)
        if finite.any():
            usual = np.ceil(np.quantile(logs[finite], 0.98))
            logs[finite & (logs > usual + _FAR)] = np.nan
        found: Array = 10.0**logs.T  # of infinity infinity again
        return found

    def take(self, log: Log, scale: Scale) -> tuple[int, int]:
        """The rows (from, to) that look different from before; as many are there as the larger of both had."""
        before = self.count
        if log is self.log and scale == self.scale:
            return before, before
        kept = 0
        chunks, steps = log.flow.chunks, _steps(log)
        if scale == self.scale and steps == self.steps and _alike(log, self.log):
            kept = min(_common(self.log.flow.chunks, chunks), before, len(log.flow))
        self._total -= self._counted[kept:before].sum(axis=0)
        self.log, self.scale, self.count = log, scale, len(log.flow)
        self._make_room(self.count, steps)
        row = 0
        for chunk in chunks:
            own = chunk["flow"].shape[1]
            for start in range(max(0, kept - row), len(chunk), _BLOCK):
                part = slice(start, min(start + _BLOCK, len(chunk)))
                here = slice(row + part.start, row + part.stop)
                codes = classify(chunk["flow"][part], chunk["flow_bad"][part], scale)
                self.codes[here, :own], self.codes[here, own:] = codes, NOT_REACHED
                self._bands[here] = _ends(codes)
                self._counted[here] = np.diff(classes.counts(codes), axis=0)
            row += len(chunk)
        self._total += self._counted[kept : self.count].sum(axis=0)
        self.codes[self.count : before] = classes.NOT_REACHED
        return kept, max(before, self.count)

    def _make_room(self, rows: int, steps: int) -> None:
        if steps == self.steps and rows <= len(self.codes):
            return
        room = max(rows, 2 * len(self.codes) if steps == self.steps else 0)
        codes, counted = np.zeros((room, steps), np.uint8), np.zeros((room, len(classes.COUNTED)), np.int64)
        bands = np.zeros((room, 2), np.uint8)
        if steps == self.steps:
            kept = len(self.codes)
            codes[:kept], counted[:kept], bands[:kept] = self.codes, self._counted, self._bands
        self.codes, self._counted, self._bands = codes, counted, bands


def _ends(codes: classes.Codes) -> classes.Codes:
    """(n, 2) of codes (n, T): the least and the greatest that are places on the scale."""
    there = (codes >= FIRST) & (codes <= LAST)
    low = np.min(codes, axis=1, initial=LAST, where=there)
    return np.stack((low, np.max(codes, axis=1, initial=FIRST, where=there)), axis=1)


def _steps(log: Log) -> int:
    return max((chunk["flow"].shape[1] for chunk in log.flow.chunks), default=0)


def _alike(one: Log, other: Log) -> bool:
    """Whether row n of both is of the same iteration."""
    a, b = one.flow, other.flow
    return bool(a.chunks and b.chunks) and (a.stride, a.chunks[0].first) == (b.stride, b.chunks[0].first)


def _common(old: Sequence[Rows], new: Sequence[Rows]) -> int:
    """How many rows from the first on are the same, to the bit. A log that grows keeps its chunks or joins them, so
    that few rows have to be looked at."""
    same = 0
    for a, b in zip(old, new, strict=False):
        if a is not b:
            break
        same += 1
    rows = sum(len(chunk) for chunk in old[:same])
    for (flow, bad), (other, other_bad) in _side_by_side(old[same:], new[same:]):
        if flow.shape[1] != other.shape[1]:
            return rows
        alike = (flow.view(np.uint32) == other.view(np.uint32)).all(axis=1) & (bad == other_bad)
        if not alike.all():
            return rows + int(np.argmin(alike))
        rows += len(flow)
    return rows


_Flow = tuple[NDArray[np.float32], NDArray[np.bool_]]


def _side_by_side(old: Sequence[Rows], new: Sequence[Rows]) -> Iterator[tuple[_Flow, _Flow]]:
    """Stretches of rows that lie in one chunk of both."""
    a = b = i = j = 0
    while a < len(old) and b < len(new):
        n = min(len(old[a]) - i, len(new[b]) - j)
        yield (
            (old[a]["flow"][i : i + n], old[a]["flow_bad"][i : i + n]),
            (new[b]["flow"][j : j + n], new[b]["flow_bad"][j : j + n]),
        )
        i, j = i + n, j + n
        if i == len(old[a]):
            a, i = a + 1, 0
        if j == len(new[b]):
            b, j = b + 1, 0
