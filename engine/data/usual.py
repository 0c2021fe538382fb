"""What somebody's table is taken for where nobody has chosen: the same in the window and on the command line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.data.preview import TablePreview

Becomes: TypeAlias = Literal["series", "sequences"]


def becomes(preview: TablePreview) -> Becomes:
    """A series where there are numbers to forecast, unless the last column is a word for what they are."""
    numbers = any(column.kind == "number" and not column.problem for column in preview.columns)
    dated, last = any(column.rising and column.kind == "date" for column in preview.columns), preview.columns[-1]
    words = last.kind == "text" and last.missing < preview.rows / 2
    return "series" if numbers and (dated or not words) else "sequences"
