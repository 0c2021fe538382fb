"""How many windows a series has room for, counted by the engine's own functions: what is promised here is what the
check counts that brings it in. No number of the file is needed for it, only where one is missing and where time jumps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.data.datasets import Missing
from engine.data.preview import Column, in_time
from engine.data.series import PART_NAMES, count_in, filled_in, lacking
from engine.data.windows import stretch, unpacked, whole_rows
from engine.spec import SeriesTask

USUAL_STEPS = (200, 100, 50, 30, 20, 10, 5, 2, 1)


@dataclass(frozen=True)
class Treated:
    """What is done with gaps and jumps in time."""

    missing: Missing = "refuse"
    time: str | None = None
    """Its jumps stop windows; None: nothing does."""
    turned: bool = False
    """Rows are read from the last one upwards."""


class Windows:
    def __init__(self, columns: Mapping[str, Column], rows: int, every: bool) -> None:
        """`every`: the model gives an answer at every step."""
        self._columns, self._rows, self._every = columns, rows, every
        self._known: tuple[object, NDArray[np.bool_], NDArray[np.int64]] | None = None

    def of_parts(self, task: SeriesTask, treated: Treated) -> list[tuple[str, int, int]]:
        """(part, rows, windows) in words and numbers."""
        whole, breaks = self._rows_of(task, treated)
        found = []
        for part, word in PART_NAMES.items():
            first, behind = stretch(self._rows, task.split, part)
            found.append((word, behind - first, count_in(task, whole, breaks, part, self._every)))
        return found

    def lacking(self, task: SeriesTask, treated: Treated) -> str:
        """Why some part holds no window, in a sentence; "" where all do."""
        whole, breaks = self._rows_of(task, treated)
        return next((said for part in PART_NAMES if (said := lacking(task, whole, breaks, part, self._every))), "")

    def fitting(self, task: SeriesTask, treated: Treated) -> int:
        """Steps to begin with: those of the task if as many windows can be learned from, else fewer."""
        tried = [task.steps, *(steps for steps in USUAL_STEPS if steps < task.steps)]
        fit = [steps for steps in tried if not self.lacking(replace(task, steps=steps), treated)]
        for steps in fit:
            whole, breaks = self._rows_of(task, treated)
            if count_in(replace(task, steps=steps), whole, breaks, "train", self._every) >= steps:
                return steps
        return fit[0] if fit else task.steps

    def _rows_of(self, task: SeriesTask, treated: Treated) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """(rows,): whether nothing is missing after the gaps are filled; and the rows that follow none."""
        used = tuple(dict.fromkeys((*task.columns, task.target)))
        key = used, treated, task.split
        if self._known is None or self._known[0] != key:
            time = self._columns.get(treated.time or "")
            jumps = b"" if time is None else time.jumped_rows
            breaks = np.flatnonzero(unpacked(jumps, self._rows)) if jumps else np.zeros(0, dtype=np.int64)
            packed = (self._columns[one].missing_rows for one in used if one in self._columns)
            gaps = [in_time(unpacked(rows, self._rows), treated.turned) for rows in packed if rows]
            whole = whole_rows(self._rows)
            if gaps:
                values = np.where(np.stack(gaps, axis=1), np.nan, 0.0)
                whole = filled_in(values, treated.missing, breaks, task.split)[1]
            self._known = key, whole, breaks
        return self._known[1:]


def parts_in_words(parts: Sequence[tuple[str, int, int]]) -> str:
    """A line each: "training: 280 rows, 260 windows"."""
    return "\n".join(
        f"{word.capitalize()}: {_many(rows, 'row')}, {_many(windows, 'window')}" for word, rows, windows in parts
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
