"""What somebody's data become where nobody has chosen: the same in the window and on the command line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.data.checking import PARTS
from engine.data.preview import TablePreview
from engine.data.windows import DEFAULT_SPLIT, stretch

Becomes: TypeAlias = Literal["series", "sequences"]


STEPS = 50
"""T of own data, where there are enough of them for windows of so many: whatever task has been open before."""
_FEWER = (30, 20, 10, 5, 2, 1)
BATCH_SIZE = 16
"""Sequences a batch of own data, likewise."""


def becomes(preview: TablePreview, target: str | None = None) -> Becomes:
    """A series where there are numbers to forecast, unless the last column is a word for what they are, which it is
    not of rows that go on in time. `target`: a column that somebody has chosen to be answered: of numbers it is
    forecast, and any other is a class."""
    numbers = any(column.kind == "number" and not column.problem for column in preview.columns)
    chosen = next((column for column in preview.columns if column.name == target), None)
    if chosen is not None:
        return "series" if chosen.kind == "number" or (chosen.problem and numbers) else "sequences"
    dated = any(column.kind == "date" and (column.rising or column.falls) for column in preview.columns)
    last = preview.columns[-1]
    words = last.kind == "text" and last.missing < preview.rows / 2
    return "series" if numbers and (dated or not words) else "sequences"


def text_steps(length: int) -> int:
    """T of a text of so many symbols: fewer than STEPS where a part of it has no room for those and the symbol behind
    them."""
    parts = [behind - first for first, behind in (stretch(length, DEFAULT_SPLIT, part) for part in PARTS)]
    tried = (STEPS, *_FEWER)
    return next((steps for steps in tried if min(parts) > steps), STEPS)
