"""Data of somebody's own that are wanted again: looked for in a file, and known by their hash.

What was chosen when they were imported stands partly in the data themselves. So the ways in which the file can be read
are tried, until one comes to the data of that hash; or it is the file of imported data itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import get_args

from engine.data import files, store
from engine.data.cells import Reading, within
from engine.data.datasets import Data, Missing, TextData
from engine.data.preview import Preview, TextPreview, looking_at, reading_text
from engine.data.sequence_reading import Answers, SequencesChoices
from engine.data.sequences import reading_sequences
from engine.data.series import SeriesChoices, reading_series
from engine.errors import DataError
from engine.spec import OwnTask, SeriesTask, TextTask


def finding(path: str | Path, task: OwnTask) -> Reading[OwnTask]:
    """Keep the data of a task that are in a file; the task. Piece by piece. Raises DataError where other data are."""
    name = files.name_of(path)
    if files.head(path, len(store.MAGIC), store.MAX_FILE_BYTES) == store.MAGIC:
        found, digest = yield from within(files.reading(path, store.MAX_FILE_BYTES), 0.0, 0.8)
        if digest != task.data:
            raise DataError(_others(name, task))
        store.adopt(bytes(found))
        return task
    preview = yield from within(looking_at(path, as_="text" if isinstance(task, TextTask) else None), 0.0, 0.5)
    for reading in _ways(preview, task):
        try:
            data = yield from within(reading, 0.5, 0.6)
        except DataError:
            continue  # the file cannot be read in this way
        if (yield from within(store.digesting(data), 0.6, 0.7)) == task.data:
            yield from within(store.putting(data, remember=True), 0.7, 1.0)
            return task
    raise DataError(_others(name, task))


def _others(name: str, task: OwnTask) -> str:
    return f"{name} does not hold the missing data of {files.source_of(task.name)}: its SHA-256 is another."


def _ways(preview: Preview, task: OwnTask) -> Iterator[Reading[Data]]:
    """In which the file may have been read, the likeliest first."""
    if isinstance(task, TextTask):
        if preview.kind == "text":
            yield _text(preview)
    elif isinstance(task, SeriesTask):
        yield from _of_series(preview, task)
    elif preview.kind != "text":
        columns = [None, *(column.name for column in preview.columns)] if preview.kind == "table" else [None]
        for order, sequence, level in product(("file", "shuffled"), columns, ("word", "character")):
            for answer in reversed(columns):
                yield reading_sequences(
                    preview,
                    SequencesChoices(
                        answers=_answers(task.answers),
                        answer=answer,
                        sequence=sequence,
                        level="word" if level == "word" else "character",
                        cut=None,
                        order="file" if order == "file" else "shuffled",
                        split=task.split,
                    ),
                )


def _answers(given: str) -> Answers:
    return next(one for one in get_args(Answers) if one == given)


def _of_series(preview: Preview, task: SeriesTask) -> Iterator[Reading[Data]]:
    times: list[str | None] = [None]
    if preview.kind == "table":
        times += [column.name for column in preview.columns if column.rising or column.falling]
    ways: tuple[Missing, ...] = get_args(Missing)
    for missing, time, stops, turned in product(ways, times, (None, True, False), (None, False, True)):
        # Where rows rise or fall in time, it tells whether they are turned round.
        if (time is not None or stops is None) and (time is None or turned is None):
            yield reading_series(
                preview,
                SeriesChoices(
                    columns=task.columns,
                    target=task.target,
                    time=time,
                    turned=turned,
                    break_at_jumps=stops,
                    missing=missing,
                ),
            )


def _text(preview: Preview) -> Reading[Data]:
    assert isinstance(preview, TextPreview)
    _, _, found = yield from reading_text(preview.path, preview.codec)
    return TextData(found.text)
