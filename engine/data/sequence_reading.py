"""Sequences out of a table or arrays, each with its answer: as they stand in the file, and then numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data import scaling
from engine.data.arrays import as_numbers, loading, place
from engine.data.cells import Reading, within
from engine.data.datasets import MAX_CLASSES, MAX_NAME, MAX_SYMBOLS_KEPT, MAX_VALUES, SequencesData, pieces_of
from engine.data.files import name_of
from engine.data.preview import ArraysPreview, TablePreview, unchanged
from engine.data.series import index, numbers_in
from engine.data.shapes import numbers_of, taken_for
from engine.data.symbols import Level, vocabulary, words
from engine.data.table import SAID_NAME, Table, reading
from engine.data.windows import BATCH_SIZE, DEFAULT_SPLIT, stretch
from engine.errors import DataError
from engine.plaintext import shortened
from engine.spec_reading import shown
from engine.task_specs import MAX_STEPS, Split

Answers: TypeAlias = Literal["class", "tags", "value"]
ROWS_AT_ONCE = 1024
SYMBOLS_AT_ONCE = 2**16


@dataclass(frozen=True)
class SequencesChoices:
    answers: Answers = "class"
    answer: str | None = None
    """The column with it; None: the last one."""
    sequence: str | None = None
    """One row a step: the column that is the same in all rows of a sequence, which stand together. None: one row is one
    sequence; of tags, the whole table is one."""
    inputs: tuple[str, ...] | None = None
    """What is read: one column of text, or columns of numbers. None: every other one that can be."""
    level: Level = "word"
    """Of a column of text where one row is a sequence; where one row is a step, its cell is a symbol."""
    most_symbols: int = 2000
    cut: int | None = None
    """Sequences longer than this are cut into pieces (of tags), or end there (of the others)."""
    order: Literal["file", "shuffled"] = "file"
    """In which they are split: as they stand, in the order of time, or shuffled once, where that order means nothing
    (a file that is sorted by class)."""
    split: Split = DEFAULT_SPLIT
    scaling: scaling.Kind = "none"
    batch_size: int = BATCH_SIZE


@dataclass(frozen=True, eq=False)
class Raw:
    """Sequences before they are numbered, in the order of the file."""

    inputs: list[Any]
    """Arrays (steps, columns), or the symbols of each."""
    answers: list[Any]
    """A class or a number each, or the tags of each."""
    columns: tuple[str, ...] = ()


def of_table(preview: TablePreview, choices: SequencesChoices) -> Reading[Raw]:
    """Piece by piece, and so are the others."""
    table = yield from within(reading(preview.path, preview.options), 0.0, 0.5)
    unchanged(preview, table.sha256)
    answer = choices.answer or preview.columns[-1].name
    preview.column(answer)
    if choices.sequence is not None or choices.answers == "tags":
        return _row_a_step(table, preview, choices, answer)
    inputs = _inputs(preview, choices, answer)
    answers = _answers(table, preview, answer, choices)
    if preview.column(inputs[0]).kind == "text":
        cells = table.column(index(preview, inputs[0]))
        texts: list[Sequence[str]] = []
        for row, cell in enumerate(cells):
            text = list(words(cell)) if choices.level == "word" else cell
            if not text:
                raise DataError(
                    f"{table.place(row, index(preview, inputs[0]))}: the text is empty; one with a "
                    f"{choices.level} or more is accepted."
                )
            texts.append(text)
            if row % ROWS_AT_ONCE == 0:
                yield 0.5 + 0.5 * row / len(cells)
        return Raw(texts, answers)
    return Raw(_columns_as_steps(table, preview, inputs), answers, ("value",))


def _inputs(preview: TablePreview, choices: SequencesChoices, answer: str) -> tuple[str, ...]:
    """One column of text, or columns of numbers."""
    if choices.inputs is not None:
        if not choices.inputs or answer in choices.inputs:
            raise DataError(f"inputs are {', '.join(choices.inputs) or 'none'}; columns without the answer are needed.")
        kinds = {preview.column(name).kind for name in choices.inputs}
        if kinds == {"number"} or (kinds == {"text"} and len(choices.inputs) == 1):
            return choices.inputs
        told = ", ".join(f"{shortened(name, SAID_NAME)} ({preview.column(name).kind})" for name in choices.inputs[:8])
        raise DataError(f"inputs are {told}; one column of text, or columns of numbers, are accepted.")
    others = [column for column in preview.columns if column.name not in (answer, choices.sequence)]
    numbers = tuple(column.name for column in others if column.kind == "number")
    texts = [column for column in others if column.kind == "text"]
    if numbers and (choices.sequence is not None or not texts):
        return numbers
    if texts:
        return (max(texts, key=lambda column: column.different or 0).name,)
    if numbers:
        return numbers
    raise DataError(f"'{preview.name}' has no column of text or numbers beside the answer {shown(answer)}.")


def _answers(table: Table, preview: TablePreview, name: str, choices: SequencesChoices) -> list[Any]:
    """One a row. Raises DataError where one is missing."""
    if choices.answers == "value":
        return list(numbers_in(table, preview, name).tolist())
    at = index(preview, name)
    cells = table.column(at)
    for row, cell in enumerate(cells):
        if not cell:
            what = "tag" if choices.answers == "tags" else "class"
            raise DataError(f"{table.place(row, at)}: the {what} is missing; every row needs one.")
    return [cell[:MAX_NAME] for cell in cells]


def _columns_as_steps(table: Table, preview: TablePreview, inputs: tuple[str, ...]) -> list[NDArray[np.float64]]:
    """One row a sequence; missing numbers at the end of a row are steps that it does not have."""
    for name in inputs:
        if preview.column(name).problem:
            raise DataError(preview.column(name).problem)
    places = [index(preview, name) for name in inputs]
    values = np.column_stack([_values(table, at) for at in places])
    lengths, gap = lengths_of_rows(np.isnan(values))
    if gap is not None:
        row, step = gap
        if step is None:
            raise DataError(f"{table.place(row, places[0])}: the row has no number in any step; take the line out.")
        raise DataError(
            f"{table.place(row, places[step])}: a number is missing before others of the row, which is read as one "
            "sequence from left to right and may end early, but has no gap; leave this column out, or take the line "
            "out of the file."
        )
    return [values[row, :length, None] for row, length in enumerate(lengths.tolist())]


def lengths_of_rows(absent: NDArray[np.bool_]) -> tuple[NDArray[np.int64], tuple[int, int | None] | None]:
    """Of rows that are sequences with a column for each step, absent (rows, steps) where a number is missing: how many
    steps each has, up to its last number; and the first row that is none, with the step that is missing before others,
    or None where all are."""
    width = absent.shape[1]
    lengths = np.where(absent.all(1), 0, width - np.argmin(absent[:, ::-1], axis=1))
    if (lengths == 0).any():
        return lengths, (int(np.flatnonzero(lengths == 0)[0]), None)
    gaps = np.argwhere(absent & (np.arange(width) < lengths[:, None]))
    return lengths, (int(gaps[0, 0]), int(gaps[0, 1])) if len(gaps) else None


def _values(table: Table, at: int) -> NDArray[np.float64]:
    values = table.contents[at].values
    assert values is not None  # a column of numbers
    return values


def _row_a_step(table: Table, preview: TablePreview, choices: SequencesChoices, answer: str) -> Raw:
    inputs = _inputs(preview, choices, answer)
    bounds = _bounds(table, preview, choices.sequence)
    answers = _answers(table, preview, answer, choices)
    symbols = preview.column(inputs[0]).kind == "text"
    given: Any
    if symbols:
        at = index(preview, inputs[0])
        given = table.column(at)
        for row, cell in enumerate(given):
            if not cell:
                raise DataError(f"{table.place(row, at)}: the symbol is missing; every row needs one.")
        given = [cell[:MAX_NAME] for cell in given]
    else:
        given = np.column_stack([numbers_in(table, preview, name) for name in inputs])
    of_each: list[Any] = []
    for first, behind in bounds:
        if choices.answers == "tags":
            of_each.append(answers[first:behind])
            continue
        for row in range(first + 1, behind):
            if answers[row] != answers[first]:
                raise DataError(
                    f"{table.place(row, index(preview, answer))}: {shown(answers[row])} is another answer than "
                    f"{shown(answers[first])} in line {table.lines[first]:,} of the same sequence; one for all its "
                    "rows is accepted, or answers 'tags'."
                )
        of_each.append(answers[first])
    return Raw([given[first:behind] for first, behind in bounds], of_each, () if symbols else inputs)


def _bounds(table: Table, preview: TablePreview, sequence: str | None) -> list[tuple[int, int]]:
    """First row of each sequence, and the one behind its last."""
    if sequence is None:
        return [(0, len(table.lines))]
    preview.column(sequence)
    at = index(preview, sequence)
    cells = table.column(at)
    starts = [row for row in range(len(cells)) if row == 0 or cells[row] != cells[row - 1]]
    seen: dict[str, int] = {}
    for row in starts:
        if not cells[row]:
            raise DataError(f"{table.place(row, at)}: it is not said to which sequence the row belongs.")
        if cells[row] in seen:
            raise DataError(
                f"{table.place(row, at)}: the sequence {shown(cells[row])} stood in line "
                f"{table.lines[seen[cells[row]]]:,} already; the rows of a sequence have to stand together."
            )
        seen[cells[row]] = row
    return list(zip(starts, [*starts[1:], len(cells)], strict=True))


def of_arrays(preview: ArraysPreview, choices: SequencesChoices) -> Reading[Raw]:
    name = name_of(preview.path)
    sha256, found = yield from within(loading(preview.path), 0.0, 0.4)
    unchanged(preview, sha256)
    of = taken_for(found, name)
    if of.kind != "sequences" or of.y is None:
        raise DataError(f"{name} holds {preview.says}, and no sequences with answers; x and y are needed.")
    if (choices.answers == "tags") != (of.answers == "tags") or (of.answers == "class") < (choices.answers == "class"):
        raise DataError(f"answers is '{choices.answers}', but {name} holds {preview.says}; '{of.answers}' is accepted.")
    answers = yield from within(_of_y(of.y, choices, name), 0.4, 0.5)
    lengths = of.lengths.tolist()
    per_step = [answers[at][:length] for at, length in enumerate(lengths)] if choices.answers == "tags" else answers
    if of.x.ndim == 3:
        numbers = yield from within(numbers_of(of, name, allow_missing=False), 0.5, 1.0)
        columns = tuple(f"x{at}" for at in range(numbers.shape[2]))
        return Raw([numbers[at, :length] for at, length in enumerate(lengths)], per_step, columns)
    symbols: list[Any] = []
    for first, behind in pieces_of(of.x.shape):
        rows = zip(of.x[first:behind].tolist(), lengths[first:behind], strict=True)
        symbols += [[str(one) for one in row[:length]] for row, length in rows]
        yield 0.5 + 0.5 * behind / len(lengths)
    return Raw(symbols, per_step)


def _of_y(y: NDArray[Any], choices: SequencesChoices, name: str) -> Reading[list[Any]]:
    if choices.answers == "value":
        values = yield from as_numbers(y, f"{name}, y", {0: "sequence"})
        if (absent := np.isnan(values)).any():
            raise DataError(f"{name}, y, {place(absent, {0: 'sequence'})}: there is a NaN; a number is needed.")
        return list(values.tolist())
    found: list[Any] = []
    for first, behind in pieces_of(y.shape):
        piece = y[first:behind].tolist()
        found += [str(one) for one in piece] if y.ndim == 1 else [[str(one) for one in row] for row in piece]
        yield behind / len(y)
    return found


def cut(raw: Raw, choices: SequencesChoices) -> Raw:
    """With sequences of at most `cut` steps."""
    most = MAX_STEPS if choices.cut is None else choices.cut
    if all(len(one) <= most for one in raw.inputs):
        return raw
    if choices.answers != "tags":
        return Raw([one[:most] for one in raw.inputs], raw.answers, raw.columns)
    inputs, answers = [], []
    for one, tags in zip(raw.inputs, raw.answers, strict=True):
        for first in range(0, len(one), most):
            inputs.append(one[first : first + most])
            answers.append(tags[first : first + most])
    return Raw(inputs, answers, raw.columns)


def numbering(raw: Raw, choices: SequencesChoices, name: str) -> Reading[SequencesData]:
    """Piece by piece."""
    lengths = np.array([len(one) for one in raw.inputs], dtype=np.int64)
    most_kept = MAX_VALUES if raw.columns else MAX_SYMBOLS_KEPT
    if int(lengths.sum()) * max(1, len(raw.columns)) > most_kept:
        raise DataError(f"'{name}' has more than {most_kept:,} numbers or symbols, which is all that is kept.")
    numbers: NDArray[np.float64] | None = None
    symbols: NDArray[np.int64] | None = None
    known: tuple[str, ...] = ()
    if raw.columns:
        numbers = yield from within(_joined(raw.inputs, lengths, len(raw.columns)), 0.0, 0.6)
    else:
        most = choices.most_symbols
        texts: list[Sequence[str]] = raw.inputs
        # What is held back has no say in which symbols have a number.
        learned = texts[: stretch(len(texts), choices.split, "train")[1]]
        known = yield from within(vocabulary(learned, most), 0.0, 0.3)
        symbols = yield from within(_by_number(texts, known, lengths), 0.3, 0.6)
    if choices.answers == "value":
        return SequencesData(
            "value", lengths, numbers, symbols, np.array(raw.answers, dtype=np.float64), raw.columns, known
        )
    answers = raw.answers if choices.answers == "tags" else [raw.answers]
    found: set[str] = set()
    for at, tags in enumerate(answers):
        found.update(tags)
        if at % ROWS_AT_ONCE == 0:
            yield 0.6 + 0.1 * at / len(answers)
    labels = _labels(found, name)
    counts = lengths if choices.answers == "tags" else np.array([len(lengths)])
    answer = yield from within(_by_number(answers, labels, counts), 0.7, 1.0)
    return SequencesData(choices.answers, lengths, numbers, symbols, answer, raw.columns, known, labels)


def _joined(inputs: list[Any], lengths: NDArray[np.int64], width: int) -> Reading[NDArray[np.float64]]:
    """Arrays (steps, columns) one behind the other."""
    found = np.empty((int(lengths.sum()), width))
    begin = 0
    for at, one in enumerate(inputs):
        for first, behind in pieces_of(one.shape):
            found[begin + first : begin + behind] = one[first:behind]
            if behind - first < len(one):
                yield at / len(inputs)
        begin += len(one)
        if at % ROWS_AT_ONCE == 0:
            yield at / len(inputs)
    return found


def _by_number(
    texts: Sequence[Sequence[str]], known: Sequence[str], counts: NDArray[np.int64]
) -> Reading[NDArray[np.int64]]:
    """The numbers of all symbols one behind the other, `counts` of each text; 0 for what is not known."""
    place_of = {symbol: at for at, symbol in enumerate(known) if at}
    found = np.empty(int(counts.sum()), dtype=np.int64)
    begin = pending = 0
    for text in texts:
        for first in range(0, len(text), SYMBOLS_AT_ONCE):
            some = text[first : first + SYMBOLS_AT_ONCE]
            found[begin : begin + len(some)] = [place_of.get(one, 0) for one in some]
            begin += len(some)
            pending += len(some)
            if pending >= SYMBOLS_AT_ONCE:
                pending = 0
                yield begin / len(found)
    return found


def _labels(found: set[str], name: str) -> tuple[str, ...]:
    """In the order of numbers where all are, else of letters."""
    if not 2 <= len(found) <= MAX_CLASSES:
        answers = "answer" if len(found) == 1 else "answers"
        raise DataError(
            f"'{name}' has {len(found):,} different {answers}; 2 to {MAX_CLASSES:,} are accepted as classes (numbers "
            "are answers 'value')."
        )
    if all(label.lstrip("-").isascii() and label.lstrip("-").isdigit() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))
