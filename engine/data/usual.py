"""What somebody's table is taken for where nobody has chosen: the same in the window and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.data.array_columns import series_columns
from engine.data.checking import PARTS
from engine.data.preview import ArraysPreview, Column, TablePreview, breaks_usually, turned_usually
from engine.data.window_counts import Treated, Windows
from engine.data.windows import DEFAULT_SPLIT, STEPS, stretch
from engine.plaintext import shortened
from engine.task_specs import SeriesTask

Becomes: TypeAlias = Literal["series", "sequences"]
_FEWER = (30, 20, 10, 5, 2, 1)
"""T of a text where STEPS do not fit."""
_SAID = 26
"""Letters of a column's name in a sentence."""


@dataclass(frozen=True)
class Order:
    """In which order the rows of a series are read."""

    turned: bool
    """From the last one upwards."""
    break_at_jumps: bool
    """No window goes over a jump in time."""


@dataclass(frozen=True)
class UsualSeries:
    columns: tuple[str, ...]
    """Those that are read: all of numbers that fit, without the time."""
    target: str | None
    """The column that is forecast; None: only a person can say, see `nothing_to_forecast`."""
    time: str | None
    """None: rows are one step apart."""
    order: Order
    steps: int
    """Rows in a window."""


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
    return next((steps for steps in (STEPS, *_FEWER) if min(parts) > steps), STEPS)


def usual_series(
    preview: TablePreview | ArraysPreview, target: str | None = None, steps: int = STEPS, every: bool = False
) -> UsualSeries:
    """What is usual for a series.

    target: the column that is forecast, where somebody has named it; one that is not there is kept as it is, so that
        bringing the data in says what there is.
    steps: rows in a window where there are enough of them.
    every: the model gives an answer at every step.
    """
    columns = series_columns(preview)[1] if isinstance(preview, ArraysPreview) else preview.columns
    rows = series_columns(preview)[0] if isinstance(preview, ArraysPreview) else preview.rows
    time = _time(columns)
    read = tuple(column.name for column in columns if is_read(column) and column.name != time)
    target = _target(columns) if target is None else target
    order = usual_order(preview, time)
    known = {column.name: column for column in columns}
    if read and target in known:
        task = SeriesTask(data="0" * 64, name=preview.name, columns=read, target=target, steps=steps)
        treated = Treated(time=time if order.break_at_jumps else None, turned=order.turned)
        steps = Windows(known, rows, every).fitting(task, treated)
    return UsualSeries(read, target, time, order, steps)


def usual_order(preview: TablePreview | ArraysPreview, time: str | None) -> Order:
    """With this column as the time; None: rows are one step apart. Raises DataError where there is no such column."""
    if isinstance(preview, ArraysPreview):
        return Order(turned=False, break_at_jumps=True)
    breaks = time is None or breaks_usually(preview.column(time).jumps, preview.rows)
    return Order(turned_usually(preview, time), breaks)


def is_read(column: Column) -> bool:
    """Whether a series can read it, and forecast it."""
    return column.kind == "number" and not column.problem


def nothing_to_forecast(columns: Sequence[Column]) -> str:
    """Why there is no usual target, in a sentence."""
    counting = [column for column in columns if column.counter]
    if not counting:
        return "There is no column of numbers; look at the delimiter and the decimal sign."
    others = [column for column in columns if column.problem]
    besides = f", and {shortened(others[0].name, _SAID)} holds what does not fit" if others else ""
    return f"{shortened(counting[0].name, _SAID)} only counts the rows{besides}; choose what is forecast."


def _time(columns: Sequence[Column]) -> str | None:
    """A date that rises or falls from row to row, or what counts the rows in the first of several columns."""
    ordered = [column for column in columns if (column.rising or column.falling) and not column.problem]
    dates = [column.name for column in ordered if column.kind == "date"]
    several = sum(column.kind == "number" for column in columns) > 1
    first = [column for column in ordered if column is columns[0] and several]
    counts = [column.name for column in first if column.rising or column.counter]
    return next(iter((*dates, *counts)), None)


def _target(columns: Sequence[Column]) -> str | None:
    """The last column that does not only count the rows, unless there is no other in the file."""
    fit = [column.name for column in columns if is_read(column) and (len(columns) <= 1 or not column.counter)]
    return fit[-1] if fit else None
