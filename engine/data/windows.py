"""Windows of a series: in which part of it they lie, and where they begin. Numpy, no torch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.parts import Part
from engine.task_specs import Split


def stretch(count: int, split: Split, part: Part) -> tuple[int, int]:
    """The first row of a part, and the one behind its last, of `count` rows in the order of time."""
    # A share that a person types, .7, is no binary number: 0.7·10 has to be 7.
    train = math.floor(count * split.train + 1e-9)
    validation = math.floor(count * min(split.train + split.validation, 1.0) + 1e-9)
    return {"train": (0, train), "validation": (train, validation), "test": (validation, count)}[part]


def starts(
    whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int, need: int, stride: int
) -> NDArray[np.int64]:
    """Where windows begin that need `need` rows each, all of them whole and within first … behind − 1, and none of
    them a break behind the first. From the beginning of each unbroken run, `stride` apart.

    whole (rows,): whether nothing is missing in a row.
    """
    rows = np.arange(first, behind)
    ok = whole[first:behind]
    begins = np.zeros(len(rows) + 1, dtype=bool)
    begins[: len(rows)] = ok
    begins[1 : len(rows)] &= ~ok[:-1]
    inside = breaks[(breaks > first) & (breaks < behind)] - first
    begins[inside] = ok[inside]
    ends = np.zeros(len(rows) + 1, dtype=bool)
    ends[1:] = ok
    ends[1 : len(rows)] &= ~ok[1:]
    ends[inside] |= ok[inside - 1]
    found = [
        np.arange(begin, end - need + 1, stride)
        for begin, end in zip(np.flatnonzero(begins[:-1]).tolist(), np.flatnonzero(ends).tolist(), strict=True)
        if end - begin >= need
    ]
    return np.concatenate(found) + first if found else np.zeros(0, dtype=np.int64)


def longest_run(whole: NDArray[np.bool_], breaks: NDArray[np.int64], first: int, behind: int) -> int:
    """Rows of the longest stretch without a break or a missing number."""
    cuts = np.concatenate(
        ([first - 1], np.flatnonzero(~whole[first:behind]) + first, breaks[(breaks > first) & (breaks < behind)] - 0.5)
    )
    edges = np.sort(np.concatenate((cuts, [behind])).astype(float))
    # Between two cuts lie the whole rows; a break takes none away.
    lengths = np.ceil(edges[1:] - 1e-9) - np.floor(edges[:-1] + 1e-9) - 1
    return int(max(lengths.max(), 0)) if behind > first else 0
