"""Experiments that nobody has put together: of a task by its name, or of a file with somebody's own data. One layer of
16 units, trained with what engine.beginning has."""

from __future__ import annotations

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
    from engine.data.usual import UsualSeries

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
_NOTES = 3
"""On a table; more are counted."""


def of_task(name: str, cell: CellKind = CELL) -> Preset:
    """The task as it is by itself, with the loss and the read-out that it needs. `name`: one of TASKS."""
    from explorer.dock.task_edits import with_task

    made = with_task(_empty(cell), name.replace("-", "_"))
    return presets.of_experiment(replace(made, task=TASKS[name]()), FACTS[TASKS[name]].title)


def of_data(
    path: Path, cell: CellKind = CELL, column: str | None = None, missing: Missing | None = None
) -> tuple[Preset, str]:
    """The data of a file with what is usual chosen, and in a sentence what that is. They are brought into the store.
    `column`: of a table, the one that is forecast or the class; None: the last one that can be. `missing`: what is done
    where a number of a series is missing; None: there may be none. Raises DataError."""
    from engine.data.shapes import MISSING_WAYS
    from explorer.dock.task_edits import with_task

    try:
        task, besides = _brought(path, column, missing)
    except DataError as error:
        if not _can_be_looked_at(path):
            raise
        shows = f"gradflow {shlex.quote(str(path))} shows how it is read"
        sentence = str(error).replace(MISSING_WAYS, _MISSING_OPTIONS)  # here it is an option that one chooses by
        raise DataError(f"{sentence} {shows}, and lets one choose.") from None
    return presets.of_experiment(with_task(_empty(cell), task), path.stem), _said(task, besides, missing)


def _empty(cell: CellKind) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell=cell),))
    return Experiment(model=model, task=AddingTask(), training=beginning.TRAINING)


def _brought(path: Path, column: str | None, missing: Missing | None) -> tuple[OwnTask, str]:
    """With what is said of it besides. Raises DataError."""
    from engine.data import (
        ArraysPreview,
        SequencesChoices,
        TablePreview,
        TextChoices,
        TextPreview,
        import_sequences,
        import_text,
        look_at,
    )
    from engine.data.array_columns import arrays_of
    from engine.data.usual import becomes, text_steps

    preview = look_at(path)
    if column is not None and not isinstance(preview, TablePreview):
        raise DataError(f"'{preview.name}' is no table, and has no column to choose.")
    if isinstance(preview, TablePreview) and becomes(preview, column) == "series":
        return _series(preview, column, missing)
    if isinstance(preview, ArraysPreview) and arrays_of(preview).kind == "series":
        return _series(preview, None, missing)
    if missing is not None:
        what = "a text" if isinstance(preview, TextPreview) else "sequences"
        raise DataError(f"--missing is of a series, where a number is missing; '{preview.name}' becomes {what}.")
    if isinstance(preview, TextPreview):
        return import_text(preview, TextChoices(steps=text_steps(preview.characters))), ""
    if isinstance(preview, TablePreview):
        return import_sequences(preview, SequencesChoices(answer=column)), ""
    return import_sequences(preview, SequencesChoices(answers=arrays_of(preview).answers)), ""


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


def _series(preview: TablePreview | ArraysPreview, column: str | None, missing: Missing | None) -> tuple[OwnTask, str]:
    """With what is said of the order of its rows, and of what could be otherwise. Raises DataError also where something
    in a table does not fit: whether it counts as missing, and in which order rows are whose time is in doubt, is for a
    person to say, who has a preview before her eyes."""
    from engine.data import SeriesChoices, TablePreview, import_series
    from engine.data.usual import nothing_to_forecast, usual_series

    of_table = isinstance(preview, TablePreview)
    columns = preview.columns if isinstance(preview, TablePreview) else ()
    if misfit := next((one.problem for one in columns if one.problem), ""):
        raise DataError(misfit)
    usual = usual_series(preview, column)
    if of_table and usual.target is None:
        raise DataError(f"'{preview.name}': {nothing_to_forecast(columns)}")
    task = import_series(
        preview,
        SeriesChoices(
            columns=usual.columns,
            target=usual.target,
            time=usual.time,
            turned=usual.order.turned if of_table else None,
            break_at_jumps=usual.order.break_at_jumps,
            missing=missing or "refuse",
            steps=usual.steps,
        ),
    )
    return task, _order_said(preview, usual) if isinstance(preview, TablePreview) else ""


def _order_said(preview: TablePreview, usual: UsualSeries) -> str:
    said = "rows one step apart" if usual.time is None else f"'{usual.time}' is the time"
    if usual.order.turned:
        said += "; rows turned round: oldest first"
    if usual.time is not None and (jumps := preview.column(usual.time).jumps):
        goes = "end at" if usual.order.break_at_jumps else "go over"
        said += f"; windows {goes} {jumps:,} jump{'' if jumps == 1 else 's'} in time"
    notes = preview.notes[:_NOTES]
    more = len(preview.notes) - len(notes)
    others = (f"{more} more note{'' if more == 1 else 's'}",) if more else ()
    return f"; {said}." + (f" What could be otherwise: {'; '.join((*notes, *others))}." if notes else "")


def _said(task: OwnTask, besides: str, missing: Missing | None) -> str:
    """What has been chosen."""
    batch = f"{task.batch_size} a batch"
    if isinstance(task, SeriesTask):
        columns = f"{len(task.columns)} column{'' if len(task.columns) == 1 else 's'}"
        gaps = "" if missing is None else f"; where a number is missing {_MISSING_WORDS[missing]}"
        said = f"{task.name}: {columns} in windows of {task.steps} rows, {batch}{gaps}; "
        said += f"'{task.target}' is forecast one row ahead"
        return said + (besides or ".")
    if isinstance(task, SequencesTask):
        answer = {"class": "a class for each", "tags": "a tag at every step", "value": "a number for each"}
        return f"{task.name}: sequences of up to {task.steps} steps, {batch}, and {answer[task.answers]}."
    return f"{task.name}: {task.level}s in pieces of {task.steps}, {batch}; the next one is predicted."
