"""Sequences from somebody's own file, each with a class or a number, or with a tag at every step.

In a table they stand in one of two ways: one row a step, with a column that tells to which sequence it belongs; or one
row a sequence, with a column of text (read by characters or words) or a column for each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.data import scaling, store
from engine.data.cells import Reading, finished, within
from engine.data.checking import check, check_choice
from engine.data.datasets import SequencesData
from engine.data.files import source_of
from engine.data.preview import ArraysPreview, Preview, TablePreview
from engine.data.sequence_reading import Answers, Raw, SequencesChoices, cut, numbering, of_arrays, of_table
from engine.data.series import PART_NAMES
from engine.data.symbols import Level
from engine.data.windows import check_split, stretch
from engine.errors import DataError
from engine.parts import Part
from engine.plaintext import one_line
from engine.spec_reading import shown
from engine.task_checks import MAX_SYMBOLS
from engine.task_specs import MAX_STEPS, SequencesTask

SEED = 0
"""Of the one shuffle, so that the same file gives the same data."""
DEFAULT = SequencesChoices()


def import_sequences(preview: Preview, choices: SequencesChoices = DEFAULT) -> SequencesTask:
    """Keep the sequences in the store, and the task over them. The file is read again. Raises DataError."""
    return finished(importing_sequences(preview, choices))


def importing_sequences(preview: Preview, choices: SequencesChoices) -> Reading[SequencesTask]:
    """The same piece by piece."""
    _check(choices)
    data = yield from within(reading_sequences(preview, choices), 0.0, 0.8)
    task = SequencesTask(
        data="0" * 64,
        name=preview.name,
        answers=choices.answers,
        steps=int(data.lengths.max()),
        inputs=0 if data.numbers is None else data.numbers.shape[1],
        symbols=len(data.vocabulary) if data.numbers is None else 0,
        classes=len(data.labels),
        split=choices.split,
        scaling=choices.scaling,
        batch_size=choices.batch_size,
    )
    check(task, lambda part: check_part(task, data, part))
    _all_classes_are_learned(task, data)
    return msgspec.structs.replace(task, data=(yield from within(store.putting(data, remember=True), 0.8, 1.0)))


def reading_sequences(preview: Preview, choices: SequencesChoices) -> Reading[SequencesData]:
    """The data alone, which nobody keeps yet."""
    if isinstance(preview, TablePreview):
        raw = yield from within(of_table(preview, choices), 0.0, 0.6)
    elif isinstance(preview, ArraysPreview):
        raw = yield from within(of_arrays(preview, choices), 0.0, 0.6)
    else:
        raise DataError(f"'{preview.name}' is looked at as a text; open it as a table to read sequences from it.")
    raw = cut(raw, choices)
    if choices.order == "shuffled":
        order = np.random.Generator(np.random.PCG64(SEED)).permutation(len(raw.answers)).tolist()
        raw = Raw([raw.inputs[at] for at in order], [raw.answers[at] for at in order], raw.columns)
    return (yield from within(numbering(raw, choices, preview.name), 0.6, 1.0))


def _check(choices: SequencesChoices) -> None:
    """What does not stand in the task. Raises DataError."""
    check_split(choices.split)
    check_choice("answers", choices.answers, get_args(Answers))
    check_choice("level", choices.level, get_args(Level))
    check_choice("order", choices.order, ("file", "shuffled"))
    most = choices.most_symbols
    if type(most) is not int or not 2 <= most <= MAX_SYMBOLS:
        raise DataError(f"most_symbols is {shown(most)}; a whole number from 2 to {MAX_SYMBOLS:,} is accepted.")
    if choices.cut is not None and (type(choices.cut) is not int or not 1 <= choices.cut <= MAX_STEPS):
        raise DataError(f"cut is {shown(choices.cut)}; a whole number from 1 to {MAX_STEPS:,} is accepted.")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Sequences as their task sees them."""

    inputs: NDArray[np.float64] | NDArray[np.int64]
    """(all steps, D) scaled, or symbols (all steps,)."""
    answer: NDArray[np.float64] | NDArray[np.int64]
    """Classes, scaled values (sequences,), or tags (all steps,)."""
    begins: NDArray[np.int64]
    lengths: NDArray[np.int64]
    scale: scaling.Scale | None
    """Of the inputs that are numbers."""
    value_scale: scaling.Scale | None
    """Of one column, the values."""
    parts: dict[Part, tuple[int, int]]


def prepared(task: SequencesTask, data: SequencesData) -> Prepared:
    """Raises DataError where the data are of another kind than the task says."""
    source = source_of(task.name)
    inputs = 0 if data.numbers is None else data.numbers.shape[1]
    symbols = len(data.vocabulary) if data.numbers is None else 0
    classes = 0 if data.answers == "value" else len(data.labels)
    longest = int(data.lengths.max())
    is_, are = (task.answers, task.inputs, task.symbols, task.classes), (data.answers, inputs, symbols, classes)
    for field, given, right in zip(("answers", "inputs", "symbols", "classes"), is_, are, strict=True):
        if given != right:
            raise DataError(f"task.{field} is {shown(given)}, but the data of {source} have {shown(right)}.")
    if task.steps < longest:
        raise DataError(
            f"task.steps is {task.steps:,}, but the longest sequence of {source} has {longest:,} steps; import "
            "the file again to cut them."
        )
    begins = np.concatenate(([0], np.cumsum(data.lengths)[:-1]))
    parts = {part: stretch(len(data.lengths), task.split, part) for part in PART_NAMES}
    behind = parts["train"][1]
    scale = value_scale = None
    read: NDArray[np.float64] | NDArray[np.int64]
    if data.numbers is not None:
        learned = int(data.lengths[:behind].sum())
        scale = scaling.fitted(data.numbers[:learned], task.scaling)
        read = scale.scaled(data.numbers)
    else:
        assert data.symbols is not None
        read = data.symbols
    answer: NDArray[np.float64] | NDArray[np.int64] = data.answer
    if data.answers == "value":
        values = data.answer.astype(np.float64)[:, None]
        value_scale = scaling.fitted(values[:behind], task.scaling)
        answer = value_scale.scaled(values)[:, 0]
    return Prepared(read, answer, begins, data.lengths, scale, value_scale, parts)


def check_part(task: SequencesTask, data: SequencesData, part: Part) -> None:
    """Raises DataError where a part that is to be there holds no sequence."""
    source = source_of(task.name)
    first, behind = stretch(len(data.lengths), task.split, part)
    share = {"train": 1.0, "validation": task.split.validation, "test": 1 - task.split.train - task.split.validation}
    if first == behind and share[part] > 1e-9:
        or_none = "" if part == "train" else " or 0"
        raise DataError(
            f"The {PART_NAMES[part]} part of {source} has none of its {len(data.lengths):,} sequences; make this "
            f"part larger{or_none}, or bring more sequences."
        )


def _all_classes_are_learned(task: SequencesTask, data: SequencesData) -> None:
    if data.answers == "value":
        return
    behind = stretch(len(data.lengths), task.split, "train")[1]
    learned = data.answer[: int(data.lengths[:behind].sum()) if data.answers == "tags" else behind]
    never = np.setdiff1d(np.arange(len(data.labels)), learned)
    if len(never):
        label = one_line(data.labels[int(never[0])], 40)
        what = "tag" if data.answers == "tags" else "class"
        raise DataError(
            f"'{label}' never comes as a {what} in the training part, the first {task.split.train:.0%} of "
            f"{source_of(task.name)}; choose the order 'shuffled' if the file is sorted, or a larger training part."
        )
