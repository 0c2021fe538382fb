"""Experiments that nobody has put together: of a task by its name, or of a file with somebody's own data. One layer of
16 units, trained with what engine.beginning has."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import beginning, presets
from engine.errors import DataError
from engine.presets import Preset
from engine.spec import (
    AddingTask,
    CellKind,
    Experiment,
    LayerSpec,
    ModelSpec,
    OwnTask,
    SequencesTask,
    SeriesTask,
)
from engine.task_facts import FACTS

if TYPE_CHECKING:
    from engine.data import ArraysPreview, TablePreview
    from engine.data.datasets import Missing

CELL: CellKind = "gru"
TASKS: dict[str, type] = {
    str(task.__struct_config__.tag).replace("_", "-"): task for task, facts in FACTS.items() if facts.source
}
"""Those that need nobody's data, by the name that a command knows them by: "temporal-order"."""
MISSING: dict[str, Missing] = {"interpolate": "interpolate", "last": "last", "leave-out": "leave_out"}
"""What can be done where a number is missing, by the words that a command takes."""
_MISSING_WORDS: dict[str, str] = {
    "interpolate": "a straight line is drawn",
    "last": "the last value is taken",
    "leave_out": "the rows are left out",
}
_MISSING_OPTIONS = (
    "--missing interpolate: a straight line, --missing last: the last value, --missing leave-out: leave the rows out"
)


def of_task(name: str, cell: CellKind = CELL) -> Preset:
    """The task as it is by itself, with the loss and the read-out that it needs. `name`: one of TASKS."""
    from explorer.dock.task_edits import with_task

    made = with_task(_empty(cell), name.replace("-", "_"))
    return presets.of_experiment(replace(made, task=TASKS[name]()), FACTS[TASKS[name]].title)


def of_data(
    path: Path, cell: CellKind = CELL, column: str | None = None, missing: Missing | None = None
) -> tuple[Preset, str]:
    """The data of a file with what is usual chosen, and in a sentence what that is. They are brought into the store.
    `column`: of a table, the one that is forecast; None: the last one. `missing`: what is done where a number of a
    series is missing; None: there may be none. Raises DataError."""
    from engine.data.shapes import MISSING_WAYS
    from explorer.dock.task_edits import with_task

    try:
        task = _brought(path, column, missing)
    except DataError as error:
        if not _can_be_looked_at(path):
            raise
        shows = f"gradflow {shlex.quote(str(path))} shows how it is read"
        sentence = str(error).replace(MISSING_WAYS, _MISSING_OPTIONS)  # here it is an option that one chooses by
        raise DataError(f"{sentence} {shows}, and lets one choose.") from None
    return presets.of_experiment(with_task(_empty(cell), task), path.stem), _said(task, missing)


def _empty(cell: CellKind) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell=cell),))
    return Experiment(model=model, task=AddingTask(), training=beginning.TRAINING)


def _brought(path: Path, column: str | None, missing: Missing | None) -> OwnTask:
    """Raises DataError."""
    from engine.data import (
        ArraysPreview,
        SequencesChoices,
        SeriesChoices,
        TablePreview,
        TextChoices,
        TextPreview,
        import_sequences,
        import_series,
        import_text,
        look_at,
        usual,
    )
    from engine.data.usual import becomes
    from explorer.data_dialog.arrays import arrays_of

    preview = look_at(path)
    if column is not None and not isinstance(preview, TablePreview):
        raise DataError(f"'{preview.name}' is no table, and has no column to choose.")
    if isinstance(preview, TablePreview) and becomes(preview, column) == "series":
        time = _time(preview)
        choices = SeriesChoices(target=column, time=time, steps=_steps(preview, column, time))
        return import_series(preview, dataclasses.replace(choices, missing=missing or "refuse"))
    if isinstance(preview, ArraysPreview) and arrays_of(preview).kind == "series":
        return import_series(preview, SeriesChoices(steps=_steps(preview), missing=missing or "refuse"))
    if missing is not None:
        what = "a text" if isinstance(preview, TextPreview) else "sequences"
        raise DataError(f"--missing is of a series, where a number is missing; '{preview.name}' becomes {what}.")
    if isinstance(preview, TextPreview):
        return import_text(preview, TextChoices(steps=usual.text_steps(preview.characters)))
    if isinstance(preview, TablePreview):
        return import_sequences(preview, SequencesChoices(answer=column))
    return import_sequences(preview, SequencesChoices(answers=arrays_of(preview).answers))


def _can_be_looked_at(path: Path) -> bool:
    """Whether the window has something to choose: of a ZIP archive or a file that is not there it has the sentence."""
    from engine.data import look_at
    from engine.data.peeking import lines_of

    if lines_of(path).texts:
        return True
    try:
        look_at(path)
    except DataError:
        return False
    return True


def _steps(preview: TablePreview | ArraysPreview, target: str | None = None, time: str | None = None) -> int:
    """As many rows in a window as the data dialog begins with."""
    from engine.data.preview import ArraysPreview, breaks_usually
    from engine.data.usual import STEPS
    from explorer.data_dialog.arrays import arrays_of
    from explorer.data_dialog.windows import Treated, Windows

    if isinstance(preview, ArraysPreview):
        rows, read, known = len(arrays_of(preview).x), ["x0"], {}
    else:
        rows, known = preview.rows, {column.name: column for column in preview.columns}
        fit = [column for column in preview.columns if column.kind == "number" and not column.problem]
        read = [column.name for column in fit if column.name != time]
    if not read or (target is not None and target not in known):
        return STEPS  # what is wrong is said when it is brought in
    task = SeriesTask(data="0" * 64, name=preview.name, columns=tuple(read), target=target or read[-1], steps=STEPS)
    stops = time is not None and breaks_usually(known[time].jumps, rows)
    return Windows(known, rows, every=False).fitting(task, Treated(time=time if stops else None))


def _time(preview: TablePreview) -> str | None:
    """Dates that rise from row to row, or what counts the rows in the first of several columns of numbers."""
    fit = [column for column in preview.columns if not column.problem]
    rising = [column for column in fit if column.rising and not column.missing]
    dates = [column.name for column in rising if column.kind == "date"]
    several = sum(column.kind == "number" for column in fit) > 1
    first = [column.name for column in rising if column is preview.columns[0] and several]
    return next(iter((*dates, *first)), None)


def _said(task: OwnTask, missing: Missing | None) -> str:
    """What has been chosen."""
    batch = f"{task.batch_size} a batch"
    if isinstance(task, SeriesTask):
        columns = f"{len(task.columns)} column{'' if len(task.columns) == 1 else 's'}"
        gaps = "" if missing is None else f"; where a number is missing {_MISSING_WORDS[missing]}"
        windows = f"{columns} in windows of {task.steps} rows, {batch}"
        return f"{task.name}: {windows}{gaps}; '{task.target}' is forecast one row ahead."
    if isinstance(task, SequencesTask):
        answer = {"class": "a class for each", "tags": "a tag at every step", "value": "a number for each"}
        return f"{task.name}: sequences of up to {task.steps} steps, {batch}, and {answer[task.answers]}."
    return f"{task.name}: {task.level}s in pieces of {task.steps}, {batch}; the next one is predicted."
