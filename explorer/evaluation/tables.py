"""A judgement's numbers as tables: exact, and as CSV with what symbols are really called."""

from __future__ import annotations

import numpy as np

from engine.training_requests import Written
from explorer.analysis.tables import Table
from explorer.evaluation.answers import Answers
from explorer.widgets.labels import label_of
from explorer.widgets.numbers import exact

CONFUSION, SCATTER, SEQUENCE, SEQUENCES = "Confusion", "Scatter", "Sequence", "Sequences"
WRITTEN = "Written by itself"


def whole_name(noun: str) -> str:
    """What all forecasts of a series are called, each year or row once."""
    return f"All {noun}s"


def tables_of(answers: Answers, n: int) -> dict[str, Table]:
    """By name; `n`: the sequence that is shown."""
    found: dict[str, Table] = {}
    if answers.kind == "series":
        if (whole := answers.whole) is not None:
            found[whole_name(whole.place_noun)] = _series(whole, 0)
        if not answers.every:
            found[SCATTER] = _sequences(answers)
        found[SEQUENCE] = _series(answers, n)
    elif answers.kind in ("symbols", "tags"):
        found[SEQUENCE] = _symbols(answers, n)
        if answers.judged.written is not None:
            found[WRITTEN] = _written(answers, answers.judged.written)
    else:
        found[SEQUENCES] = _sequences(answers)
    if answers.judged.confusion is not None:
        found[CONFUSION] = _confusion(answers)
    return found


def _series(a: Answers, n: int) -> Table:
    truth, said, errors, free = a.truth(n), a.answer(n), a.errors(n), a.free(n)
    steps = a.about(n).tolist()
    after = [] if free is None else [*range(a.length(n) + 1, a.length(n) + 1 + len(free))]
    rows = sorted({*steps, *after})
    names = [a.place_noun, a.target, "prediction"]
    came = a.came(n)
    later = {} if came is None else {t: one for t, one in zip(after, came, strict=True) if not np.isnan(one)}
    columns = [later | dict(zip(steps, truth, strict=True)), dict(zip(steps, said, strict=True))]
    if errors is not None:
        names.append("squared error")
        columns.append(dict(zip(steps, errors, strict=True)))
    if free is not None:
        names.append("running free")
        columns.append(dict(zip(after, free, strict=True)))

    def cell(row: int, column: int) -> str:
        if column == 0:
            return str(rows[row])
        value = columns[column - 1].get(rows[row])
        return "" if value is None else exact(float(value))

    return Table(tuple(names), len(rows), cell)


def _symbols(a: Answers, n: int) -> Table:
    truth, said = a.truth(n).astype(np.int64), a.answer(n).astype(np.int64)
    chances, labels = a.probabilities(n), a.judged.labels
    read = a.read(n).astype(np.int64) if a.reads_symbols else None
    names = (
        "t",
        *(() if read is None else ("read",)),
        "truth",
        "answer",
        "probability of the truth",
        "probability of the answer",
    )

    def cell(row: int, column: int) -> str:
        name = names[column]
        if name == "t":
            return str(row + 1)
        if name == "read":
            assert read is not None
            return label_of(a.judged.read_labels, read[row])
        if name in ("truth", "answer"):
            return label_of(labels, (truth if name == "truth" else said)[row])
        return exact(float(chances[row, (truth if name == "probability of the truth" else said)[row]]))

    return Table(names, len(truth), cell)


def _written(a: Answers, written: Written) -> Table:
    def cell(row: int, column: int) -> str:
        wrong = written.wrong[row]
        return (
            "likeliest" if row == 0 else "drawn",
            "".join(label_of(a.judged.labels, symbol) for symbol in written.words[row]),
            "yes" if written.belong[row] else "no",
            "" if wrong is None else str(wrong + 1),
        )[column]

    return Table(("symbols", "string", "of the language", "first wrong symbol"), len(written.words), cell)


def _sequences(a: Answers) -> Table:
    if a.kind in ("numbers", "series"):
        numbers = (a.judged.targets[:, 0], a.judged.predictions[:, 0])

        def number(row: int, column: int) -> str:
            return str(row + 1) if column == 0 else exact(float(numbers[column - 1][row]))

        return Table(("sequence", a.target, "prediction"), a.count, number)
    labels = a.judged.labels

    def cell(row: int, column: int) -> str:
        truth, said, chances = a.truth(row)[0], a.answer(row)[0], a.probabilities(row)[0]
        return (
            str(row + 1),
            label_of(labels, truth),
            label_of(labels, said),
            exact(float(chances[int(truth)])),
            exact(float(chances[int(said)])),
        )[column]

    return Table(
        ("sequence", "truth", "answer", "probability of the truth", "probability of the answer"), a.count, cell
    )


def _confusion(a: Answers) -> Table:
    counts, labels = a.judged.confusion, a.judged.labels
    assert counts is not None

    def cell(row: int, column: int) -> str:
        return label_of(labels, row) if column == 0 else str(int(counts[row, column - 1]))

    return Table(("truth \\ answer", *(label_of(labels, k) for k in range(len(counts)))), len(counts), cell)
