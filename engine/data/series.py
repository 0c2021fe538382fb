"""A series from somebody's own file: chosen columns, what is done where a number is missing, and the task over it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.data import scaling, store
from engine.data.arrays import as_numbers, loading, place
from engine.data.cells import Reading, finished, within
from engine.data.checking import check, check_choice
from engine.data.datasets import MAX_VALUES, Missing, SeriesData, pieces_of
from engine.data.files import name_of, source_of
from engine.data.preview import (
    ArraysPreview,
    Preview,
    TablePreview,
    breaks_usually,
    in_time,
    jump_rows,
    turned_usually,
    unchanged,
)
from engine.data.shapes import MISSING_WAYS, numbers_of, taken_for
from engine.data.table import SAID_NAME, Table, reading
from engine.data.windows import (
    BATCH_SIZE,
    DEFAULT_SPLIT,
    STEPS,
    check_split,
    count,
    lead,
    longest_run,
    reaching_back,
    starts,
    stretch,
)
from engine.errors import DataError
from engine.parts import Part
from engine.plaintext import shortened
from engine.spec_reading import shown
from engine.task_specs import SeriesTask, Split

PART_NAMES: dict[Part, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class SeriesChoices:
    columns: tuple[str, ...] | None = None
    """Those that are read; None: every column of numbers, without `time`."""
    target: str | None = None
    """The one that is forecast; None: the last of them."""
    time: str | None = None
    """A column of dates or numbers that has to rise in the order in which rows are read; None: rows are one step
    apart."""
    turned: bool | None = None
    """Rows are read from the last one upwards, of a file that begins with the newest; None: where `time` falls, or,
    without it, a column of dates does. Of a table alone."""
    break_at_jumps: bool | None = None
    """No window goes over a step in time of more than 1.5 usual ones; None: where such jumps are rare, at most 2 % of
    the steps. Only with `time`."""
    missing: Missing = "refuse"
    steps: int = STEPS
    ahead: int = 1
    stride: int = 1
    split: Split = DEFAULT_SPLIT
    scaling: scaling.Kind = "standard"
    batch_size: int = BATCH_SIZE


DEFAULT = SeriesChoices()


def import_series(preview: Preview, choices: SeriesChoices = DEFAULT) -> SeriesTask:
    """Keep the series in the store, and the task that forecasts it. The file is read again.

    Raises DataError: one sentence with line and column, also where a part holds no window.
    """
    return finished(importing_series(preview, choices))[0]


def importing_series(preview: Preview, choices: SeriesChoices) -> Reading[tuple[SeriesTask, SeriesData]]:
    """The same piece by piece, with the data, which are wanted at once."""
    check_split(choices.split)
    check_choice("missing", choices.missing, get_args(Missing))
    data, read, target = yield from within(_of(preview, choices), 0.0, 0.5)
    task = SeriesTask(
        data="0" * 64,
        name=preview.name,
        columns=read,
        target=target,
        steps=choices.steps,
        ahead=choices.ahead,
        stride=choices.stride,
        split=choices.split,
        scaling=choices.scaling,
        batch_size=choices.batch_size,
    )
    check(task, lambda part: None)
    whole = yield from within(_whole_rows(data, task.split), 0.5, 0.7)
    for part in PART_NAMES:
        if sentence := lacking(task, whole, data.breaks, part):
            raise DataError(sentence)
        yield 0.7
    kept = yield from within(store.putting(data, remember=True), 0.7, 1.0)
    return msgspec.structs.replace(task, data=kept), data


def reading_series(preview: Preview, choices: SeriesChoices) -> Reading[SeriesData]:
    """The data alone, which nobody keeps yet."""
    return (yield from _of(preview, choices))[0]


def _of(preview: Preview, choices: SeriesChoices) -> Reading[tuple[SeriesData, tuple[str, ...], str]]:
    """With the columns that are read, and the target."""
    if isinstance(preview, TablePreview):
        return (yield from _of_table(preview, choices))
    if isinstance(preview, ArraysPreview):
        return (yield from _of_arrays(preview, choices))
    raise DataError(f"'{preview.name}' is a text, and no series; a table or arrays are accepted.")


def _whole_rows(data: SeriesData, split: Split) -> Reading[NDArray[np.bool_]]:
    """(rows,): whether nothing is missing in a row after the gaps are filled, as `filled_in` finds it."""
    there = np.empty(data.values.shape, dtype=np.bool_)
    for first, behind in pieces_of(there.shape):
        np.logical_not(np.isnan(data.values[first:behind]), out=there[first:behind])
        yield 0.7 * behind / len(there)
    bounds = {edge for part in PART_NAMES for edge in stretch(len(there), split, part)}
    for column in there.T:
        if data.missing == "interpolate":
            for first, behind in pairwise(sorted({*bounds, *data.breaks.tolist()})):
                column[first:behind] = column[first:behind].any()
        elif data.missing == "last":
            column[int(np.argmax(column)) if column.any() else len(column) :] = True
        yield 0.7
    whole = np.empty(len(there), dtype=np.bool_)
    for first, behind in pieces_of(there.shape):
        whole[first:behind] = there[first:behind].all(axis=1)
        yield 0.7 + 0.3 * behind / len(there)
    return whole


@dataclass(frozen=True, eq=False)
class Prepared:
    """A series as its task sees it."""

    x: NDArray[np.float64]
    """(rows, columns), scaled; NaN only where no window reaches."""
    target: NDArray[np.float64]
    """(rows,), scaled."""
    scale: scaling.Scale
    """Of the columns that are read."""
    target_scale: scaling.Scale
    """Of one column, the target."""
    whole: NDArray[np.bool_]
    """(rows,): whether nothing is missing."""
    breaks: NDArray[np.int64]
    """Rows that do not follow the one before."""

    def starts(self, task: SeriesTask, part: Part, every: bool) -> NDArray[np.int64]:
        """Where the windows of a part begin, of steps + ahead rows each: those whose answers all lie in it."""
        return starts_in(task, self.whole, self.breaks, part, every)


def starts_in(
    task: SeriesTask, whole: NDArray[np.bool_], breaks: NDArray[np.int64], part: Part, every: bool
) -> NDArray[np.int64]:
    """The same of rows of which it is known where something is missing, and where they are broken."""
    return starts(whole, breaks, *_reach(task, len(whole), part, every), task.steps + task.ahead, task.stride)


def count_in(task: SeriesTask, whole: NDArray[np.bool_], breaks: NDArray[np.int64], part: Part, every: bool) -> int:
    """How many there are."""
    return count(whole, breaks, *_reach(task, len(whole), part, every), task.steps + task.ahead, task.stride)


def _reach(task: SeriesTask, rows: int, part: Part, every: bool) -> tuple[int, int]:
    """The first row that windows of a part may read, and the one behind the last."""
    first, behind = stretch(rows, task.split, part)
    return reaching_back(first, lead(task.steps, task.ahead, every)), behind


def prepared(task: SeriesTask, data: SeriesData) -> Prepared:
    """Raises DataError where the data have no such columns."""
    return finished(preparing(task, data))


def preparing(task: SeriesTask, data: SeriesData) -> Reading[Prepared]:
    """The same piece by piece."""
    places = _places(task, data)
    used = np.empty((len(data.values), len(places)))
    for first, behind in pieces_of(used.shape):
        used[first:behind] = data.values[first:behind, places]
        yield 0.1 * behind / len(used)
    learned = used[slice(*stretch(len(used), task.split, "train"))]
    scale = yield from within(scaling.fitting(learned, task.scaling), 0.1, 0.5)
    filled, whole = yield from within(filling_in(used, data.missing, data.breaks, task.split), 0.5, 0.8)
    scaled = yield from within(scale.scaling(filled), 0.8, 0.9)
    x = np.empty((len(scaled), len(places) - 1))
    for first, behind in pieces_of(scaled.shape):
        x[first:behind] = scaled[first:behind, :-1]
        yield 0.9 + 0.1 * behind / len(x)
    target_scale = scaling.Scale(scale.shift[-1:], scale.size[-1:])
    read = scaling.Scale(scale.shift[:-1], scale.size[:-1])
    return Prepared(x, scaled[:, -1].copy(), read, target_scale, whole, data.breaks)


def check_part(task: SeriesTask, data: SeriesData, part: Part, every: bool = False) -> None:
    """Raises DataError where a part of the data that is to be there holds no answer of a window, or with `every` no
    window's answers at every step."""
    _, whole = filled_in(_used(task, data), data.missing, data.breaks, task.split)
    if sentence := lacking(task, whole, data.breaks, part, every):
        raise DataError(sentence)


def lacking(
    task: SeriesTask, whole: NDArray[np.bool_], breaks: NDArray[np.int64], part: Part, every: bool = False
) -> str:
    """What a part that is to be there lacks to hold a window, and what to change, in a sentence; "" for nothing.

    whole, breaks: as in `starts_in`.
    """
    split = task.split
    share = {"train": 1.0, "validation": split.validation, "test": 1.0 - split.train - split.validation}
    first, behind = stretch(len(whole), split, part)
    before = first - reaching_back(first, lead(task.steps, task.ahead, every))
    rows, need = behind - first, task.steps + task.ahead
    run = longest_run(whole, breaks, first - before, behind)
    if share[part] < 1e-9 or (rows and run >= need):
        return ""
    has = f"{rows:,} {'row' if rows == 1 else 'rows'}"
    back = f" and reads {before:,} before it" if before else ""
    window = f"a window of {task.steps:,} steps with its target {task.ahead:,} ahead takes {need:,}"
    larger = f"make this part larger{', with more data' if part == 'train' else ' or 0'}"
    unbroken, advice = "", f"take fewer steps, or {larger}"
    over_jumps = longest_run(whole, breaks[:0], first - before, behind)
    if not rows:
        advice = larger
    elif over_jumps > run:
        unbroken = f", at most {run:,} of them in a row without a gap or a jump in time"
        advice = f"let windows go over jumps, or {advice}" if over_jumps >= need else advice
    elif run < rows + before:
        unbroken = f", at most {run:,} of them in a row without a gap"
    return f"The {PART_NAMES[part]} part of {source_of(task.name)} has {has}{back}{unbroken}, and {window}; {advice}."


def _used(task: SeriesTask, data: SeriesData) -> NDArray[np.float64]:
    """(rows, columns + 1): what is read, and the target last."""
    return data.values[:, _places(task, data)]


def _places(task: SeriesTask, data: SeriesData) -> list[int]:
    """Of the columns that are read, and of the target last. Raises DataError."""
    source = source_of(task.name)
    places = {name: at for at, name in enumerate(data.columns)}
    for name in (*task.columns, task.target):
        if name not in places:
            raise DataError(
                f"The data of {source} have no column {shown(name)}; they have "
                f"{', '.join(shortened(one, SAID_NAME) for one in data.columns[:20])}."
            )
    return [places[name] for name in (*task.columns, task.target)]


def filled_in(
    values: NDArray[np.float64], missing: Missing, breaks: NDArray[np.int64], split: Split
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """With what is put where a number is missing, and (rows,) whether nothing is missing any more."""
    return finished(filling_in(values, missing, breaks, split))


def filling_in(
    values: NDArray[np.float64], missing: Missing, breaks: NDArray[np.int64], split: Split
) -> Reading[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """The same piece by piece."""
    whole = yield from within(_whole_in(values), 0.0, 0.3)
    if missing not in ("interpolate", "last") or whole.all():
        return values, whole
    filled = values.copy()
    bounds = {edge for part in PART_NAMES for edge in stretch(len(values), split, part)}
    edges = sorted({*bounds, *breaks.tolist()} if missing == "interpolate" else {0, len(values)})
    for at, column in enumerate(filled.T):
        # A straight line is drawn within a part alone: over its end it would tell what is held back.
        for first, behind in pairwise(edges):
            piece = column[first:behind]
            known = np.flatnonzero(~np.isnan(piece))
            if len(known) == len(piece) or not len(known):
                continue
            if missing == "interpolate":
                piece[:] = np.interp(np.arange(len(piece)), known, piece[known])
            else:
                before = np.maximum.accumulate(np.where(np.isnan(piece), 0, np.arange(len(piece))))
                piece[:] = piece[before]
            yield 0.3 + 0.4 * (at + behind / len(values)) / filled.shape[1]
    return filled, (yield from within(_whole_in(filled), 0.7, 1.0))


def _whole_in(values: NDArray[np.float64]) -> Reading[NDArray[np.bool_]]:
    """(rows,): whether nothing is missing."""
    whole = np.empty(len(values), dtype=np.bool_)
    for first, behind in pieces_of(values.shape):
        np.logical_not(np.isnan(values[first:behind]).any(axis=1), out=whole[first:behind])
        yield behind / len(values)
    return whole


def _of_table(preview: TablePreview, choices: SeriesChoices) -> Reading[tuple[SeriesData, tuple[str, ...], str]]:
    table = yield from within(reading(preview.path, preview.options), 0.0, 0.8)
    unchanged(preview, table.sha256)
    usable = [column.name for column in preview.columns if column.kind == "number" and column.name != choices.time]
    read = tuple(usable) if choices.columns is None else choices.columns
    if not read:
        raise DataError(
            f"'{preview.name}' has no column of numbers to read; it has {_kinds(preview)}: look at the delimiter and "
            "the decimal sign."
        )
    target = choices.target or read[-1]
    kept = tuple(dict.fromkeys((*read, target)))
    if len(kept) * len(table.lines) > MAX_VALUES:
        raise DataError(f"'{preview.name}' has {len(kept)} columns of {len(table.lines):,} rows; choose fewer columns.")
    turned = turned_usually(preview, choices.time) if choices.turned is None else choices.turned
    values = np.empty((len(table.lines), len(kept)))
    for at, name in enumerate(kept):
        values[:, at] = in_time(numbers_in(table, preview, name, choices.missing, turned), turned)
        yield 0.8 + 0.2 * at / len(kept)
    return SeriesData(kept, values, choices.missing, _breaks(table, preview, choices, turned)), read, target


def _kinds(preview: TablePreview) -> str:
    return ", ".join(f"{shortened(column.name, SAID_NAME)} ({column.kind})" for column in preview.columns[:8])


def numbers_in(
    table: Table, preview: TablePreview, name: str, missing: Missing = "refuse", turned: bool = False
) -> NDArray[np.float64]:
    """A column of numbers in the order of the file, NaN where one is missing and may be. `turned`: the last row comes
    first. Raises DataError."""
    column, at = preview.column(name), index(preview, name)
    content = table.contents[at]
    if column.problem:
        raise DataError(column.problem)
    if content.kind != "number" or content.values is None:
        cell = next((cell for cell in table.column(at) if cell), "")
        what = {"date": "dates", "text": "text", "empty": "nothing but missing values"}.get(content.kind, content.kind)
        raise DataError(f"{table.place(0, at)}: the column holds {what} ({shown(cell)}); numbers are accepted.")
    absent = np.flatnonzero(content.missing)
    if len(absent) and missing == "refuse":
        others = f", and in {len(absent) - 1:,} other rows" if len(absent) > 1 else ""
        raise DataError(
            f"{table.place(int(absent[0]), at)}: a number is missing{others}; choose what is done there "
            f"({MISSING_WAYS}), or another column."
        )
    first = len(table.lines) - 1 if turned else 0
    if len(absent) and missing == "last" and first in absent:
        raise DataError(
            f"{table.place(first, at)}: the first number is missing, and there is no last value before it; leave such "
            "rows out, or take the line away."
        )
    return content.values


def index(preview: TablePreview, name: str) -> int:
    """Of a column that is there."""
    return next(at for at, column in enumerate(preview.columns) if column.name == name)


def _breaks(table: Table, preview: TablePreview, choices: SeriesChoices, turned: bool) -> NDArray[np.int64]:
    if choices.time is None:
        return np.zeros(0, dtype=np.int64)
    column, at = preview.column(choices.time), index(preview, choices.time)
    content = table.contents[at]
    if column.problem:
        raise DataError(column.problem)
    if content.values is None or content.kind not in ("number", "date"):
        cell = next((cell for cell in table.column(at) if cell), "")
        raise DataError(f"{table.place(0, at)}: {shown(cell)} is no time; dates or numbers are accepted.")
    if content.missing.any():
        row = int(np.flatnonzero(content.missing)[0])
        raise DataError(f"{table.place(row, at)}: the time is missing; every row needs one.")
    times, rows = in_time(content.values, turned), in_time(range(len(content.values)), turned)
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if len(backwards):
        row, before = rows[int(backwards[0]) + 1], rows[int(backwards[0])]
        now, then = shown(table.row(row)[at]), shown(table.row(before)[at])
        raise DataError(
            f"{table.place(row, at)}: {now} does not come after {then}, the time {'below' if turned else 'before'} it; "
            "sort the rows in the order of time, each time once, or look at which of day and month stands first."
        )
    found = jump_rows(times)
    wanted = choices.break_at_jumps
    stops = breaks_usually(len(found), len(content.values)) if wanted is None else wanted
    return found if stops else found[:0]


def _of_arrays(preview: ArraysPreview, choices: SeriesChoices) -> Reading[tuple[SeriesData, tuple[str, ...], str]]:
    name = name_of(preview.path)
    sha256, found = yield from within(loading(preview.path), 0.0, 0.5)
    unchanged(preview, sha256)
    of = taken_for(found, name)
    if of.kind != "series":
        raise DataError(f"{name} holds {preview.says}, and no series; x of (T,) or (T, D) is accepted.")
    if choices.time is not None:
        raise DataError(f"time is {shown(choices.time)}; arrays have no column of time, and nothing is accepted.")
    width = of.x.shape[1]
    names = (*(f"x{at}" for at in range(width)), *(("y",) if of.y is not None else ()))
    read = names[:width] if choices.columns is None else choices.columns
    target = choices.target or names[-1]
    for one in (*read, target):
        if one not in names:
            raise DataError(f"{name} has no column {shown(one)}; it has {', '.join(names[:20])}.")
    kept = tuple(dict.fromkeys((*read, target)))
    x = yield from within(numbers_of(of, name, choices.missing != "refuse"), 0.5, 0.8)
    y = None if of.y is None else (yield from within(_target(of.y, name, choices.missing), 0.8, 0.9))
    if choices.missing == "last" and (np.isnan(x[0]).any() or (y is not None and np.isnan(y[0]))):
        raise DataError(f"{name}, x, row 0 (from 0): a number is missing, and there is no last value before it.")
    if kept == names and y is None:
        return SeriesData(kept, x, choices.missing), read, target
    places = [names.index(one) for one in kept]
    values = np.empty((len(x), len(kept)))
    for first, behind in pieces_of(values.shape):
        for at, one_of in enumerate(places):
            values[first:behind, at] = y[first:behind] if y is not None and one_of == width else x[first:behind, one_of]
        yield 0.9 + 0.1 * behind / len(x)
    return SeriesData(kept, values, choices.missing), read, target


def _target(y: NDArray[np.generic], name: str, missing: Missing) -> Reading[NDArray[np.float64]]:
    values = yield from as_numbers(y, f"{name}, y", {0: "row"})
    if missing == "refuse" and (absent := np.isnan(values)).any():
        raise DataError(
            f"{name}, y, {place(absent, {0: 'row'})}: there is a NaN; choose what is done there ({MISSING_WAYS})."
        )
    return values
