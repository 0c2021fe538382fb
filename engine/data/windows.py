"""Windows of a series: in which part of it they lie, and where they begin. Numpy, no torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.parts import Part
from engine.task_specs import Split

DEFAULT_SPLIT = Split()
STEPS = 50
"""T of own data, where there are enough of them for windows of so many: whatever task has been open before."""
BATCH_SIZE = 16
"""Sequences a batch of own data, likewise."""


def check_split(split: Split) -> None:
    """Raises DataError."""
    for name, share in (("train", split.train), ("validation", split.validation)):
        if not 0.0 <= share <= 1.0:
            raise DataError(f"split.{name} is {share:g}; a share from 0 to 1 is accepted.")


def stretch(count: int, split: Split, part: Part) -> tuple[int, int]:
    """The first row of a part, and the one behind its last, of `count` rows in the order of time."""
    # A share that a person types, .7, is no binary number: 0.7·10 has to be 7.
    train = math.floor(count * split.train + 1e-9)
    validation = math.floor(count * min(split.train + split.validation, 1.0) + 1e-9)
    return {"train": (0, train), "validation": (train, validation), "test": (validation, count)}[part]


def starts(
    whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int, need: int, stride: int
) -> NDArray[np.int64]:
    """Where windows begin that need `need` rows each, all within one run of `runs`: from its beginning, `stride`
    apart."""
    found = [
        np.arange(begin, end - need + 1, stride)
        for begin, end in zip(*(side.tolist() for side in runs(whole, breaks, first, behind)), strict=True)
        if end - begin >= need
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def reaching_back(first: int, lead: int) -> int:
    """The first row that windows of a part may read, where `lead` rows of each come before the first answer asked of
    it. A part is made of answers: what a forecast reads may be older, since whoever forecasts knows the past."""
    return max(0, first - lead)


def lead(steps: int, ahead: int, every: bool) -> int:
    """Rows of a window before its first answer: with an answer at every step it is `ahead` steps after the first row,
    with one at the end it is the last."""
    return ahead + (0 if every else steps - 1)


def runs(
    whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The unbroken stretches of rows first … behind − 1: where each begins, and the row behind its end.

    whole (rows,): whether nothing is missing in a row; such rows belong to none. breaks: rows that do not follow the
    one before.
    """
    gaps = _lacking(whole[first:behind]) + first
    inside = breaks[(breaks > first) & (breaks < behind)]
    # A gap ends a run at its row and begins one behind it, a break does both at its row. Both are sorted already, which
    # a stable sort merges.
    begins = np.sort(np.concatenate(([first], gaps + 1, inside)), kind="stable")
    ends = np.sort(np.concatenate((gaps, inside, [behind])), kind="stable")
    there = ends > begins
    return begins[there], ends[there]


def whole_rows(count: int) -> NDArray[np.bool_]:
    """(count,) in which nothing is missing; takes no memory."""
    return np.broadcast_to(np.True_, count)


def _lacking(whole: NDArray[np.bool_]) -> NDArray[np.int64]:
    # Of one value in place of all of them it is enough to look at that: there may be many millions.
    return np.flatnonzero(~whole) if whole.strides[0] or not whole[:1].all() else np.zeros(0, dtype=np.int64)


def count(whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int, need: int, stride: int) -> int:
    """How many windows `starts` finds."""
    begins, ends = runs(whole, breaks, first, behind)
    return int(np.maximum(0, (ends - begins - need) // stride + 1).sum())


def longest_run(whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int) -> int:
    begins, ends = runs(whole, breaks, first, behind)
    return int((ends - begins).max()) if len(begins) else 0


def packed(rows: NDArray[np.bool_]) -> bytes:
    """Which of so many rows, in an eighth of their bytes; b"" for none."""
    return np.packbits(rows).tobytes() if rows.any() else b""


def unpacked(rows: bytes, count: int) -> NDArray[np.bool_]:
    """(count,): what was `packed`."""
    if not rows:
        return np.zeros(count, dtype=np.bool_)
    return np.unpackbits(np.frombuffer(rows, dtype=np.uint8), count=count).view(np.bool_)
