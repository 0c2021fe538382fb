"""Sequences, each with a class, a number, or a tag at every step: where they stand in a table or in arrays."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QWidget

from engine.data.array_columns import arrays_of
from engine.data.datasets import MAX_CLASSES
from engine.data.preview import ArraysPreview, Column, TablePreview
from engine.data.sequence_reading import SequencesChoices, lengths_of_rows
from engine.data.windows import stretch, unpacked
from engine.spec import SequencesTask
from engine.task_checks import MAX_SYMBOLS
from engine.task_specs import MAX_STEPS
from explorer.data_dialog.column_list import ColumnList, Offered
from explorer.data_dialog.form import NO_DATA, NOWHERE, Form, task_problem, wrong
from explorer.data_dialog.words import column_tip, kind_words, missing_words, parts_words, short
from explorer.dock.fields import ChoiceField, NumberField, Segments, by
from explorer.dock.problems import Problem
from explorer.dock.words import SCALINGS
from explorer.widgets.elided import ElidedLabel

USUAL_SYMBOLS = SequencesChoices().most_symbols
_ONE_ROW = ""
_ANSWERS = [("class", "a class"), ("tags", "tags"), ("value", "a number")]
_ORDERS = [("file", "as in the file"), ("shuffled", "shuffled once")]
_WORDS = {"class": "a class for each", "tags": "a tag at every step", "value": "a number for each"}


class SequencesForm(Form):
    def __init__(self, batch_size: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: dict[str, Column] = {}
        self._count: int | None = None
        self._symbolic = False
        self._fixed: tuple[str, ...] = ()
        self.values = {
            "answers": "class", "answer": None, "sequence": _ONE_ROW, "level": "word", "most_symbols": None,
            "cut": None, "order": "file", "train_share": 0.7, "validation_share": 0.15, "scaling": "none",
            "batch_size": batch_size,
        }  # fmt: skip
        self.label = ElidedLabel("columns that are read", tone="muted")
        self.list = ColumnList("Columns that are read")
        self.list.tickedChanged.connect(self._ticked)
        self.add(
            self.row("answers", "answer", Segments("Answer", _ANSWERS), "For each sequence, or a tag at every step"),
            self.row("answer", "it stands in", ChoiceField("Column with the answer", ())),
            self.row(
                "sequence",
                "one row is",
                ChoiceField("What tells to which sequence a row belongs", ()),
                "One row is a sequence, or a step of the sequence that a column names",
            ),
            self.label,
            self.list,
            self.row("level", "by", Segments("Level", [("word", "words"), ("character", "characters")])),
            self.row(
                "most_symbols",
                "symbols at most",
                NumberField("Different symbols at most", whole=True, empty=f"{USUAL_SYMBOLS:,}", step=by(10, 2)),
                "The most frequent symbols; one stands for all others",
            ),
            self.pair(
                self.row(
                    "cut",
                    "T at most",
                    NumberField("Steps at most", whole=True, empty="all", step=by(1, 1)),
                    "Longer sequences end there; those with tags are cut into pieces",
                ),
                self.batch_row(),
            ),
            self.row("order", "order", Segments("Order of the sequences", _ORDERS), "In which they are split"),
            self.split_rows(),
            self.row(
                "scaling", "scaling", ChoiceField("Scaling", SCALINGS), "Of each column, fitted on the training part"
            ),
        )

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_preview(self, preview: TablePreview | ArraysPreview) -> None:
        of_table = isinstance(preview, TablePreview)
        for name in ("answer", "sequence"):
            self.rows[name].setVisible(of_table)
        for part in (self.label, self.list):
            part.setVisible(of_table)
        if isinstance(preview, TablePreview):
            self._fixed = ()
            self._set_table(preview)
        else:
            of = arrays_of(preview)
            self._columns, self._count, self._symbolic = {}, len(of.x), of.x.ndim == 2
            self._fixed = ("class", "value") if of.answers == "class" else (of.answers,)
            if self.values["answers"] not in self._fixed:
                self.values["answers"] = self._fixed[0]
        self.refresh()

    def _set_table(self, preview: TablePreview) -> None:
        columns = {column.name: column for column in preview.columns}
        if columns == self._columns:
            return
        self._columns, self._count = columns, preview.rows
        names = list(columns)
        answer, sequence = self.rows["answer"].field, self.rows["sequence"].field
        assert isinstance(answer, ChoiceField)
        assert isinstance(sequence, ChoiceField)
        answer.set_choices([(name, short(name)) for name in names])
        sequence.set_choices([(_ONE_ROW, "one sequence"), *((name, f"a step; by {short(name)}") for name in names)])
        last = preview.columns[-1]
        number = last.kind == "number" and not last.problem and (last.low or 0) % 1 != 0
        self.values |= {"answer": last.name, "sequence": _ONE_ROW, "answers": "value" if number else "class"}
        self._offer()
        self._tick_usual()

    def _offer(self) -> None:
        taken = (self.values["answer"], self.values["sequence"])
        self.list.set_offered(
            [
                Offered(
                    c.name,
                    kind_words(c),
                    column_tip(c),
                    c.name not in taken and c.kind in ("number", "text") and not c.problem,
                )
                for c in self._columns.values()
            ]
        )

    def _tick_usual(self) -> None:
        """All columns of numbers; where rows are sequences and there is text, the one with most to say."""
        usable = [self._columns[one.name] for one in self.list.offered() if one.usable]
        numbers = [column.name for column in usable if column.kind == "number"]
        texts = [column for column in usable if column.kind == "text"]
        by_step = bool(self.values["sequence"])
        if texts and not (numbers and by_step):
            self.list.set_ticked([max(texts, key=lambda column: column.different or 0).name])
        else:
            self.list.set_ticked(numbers)

    def _take(self, name: str, value: object) -> None:
        self.values[name] = value
        if name in ("answer", "sequence"):
            self._offer()
            self._tick_usual()
        super()._take(name, value)

    def refresh(self) -> None:
        answers = self.rows["answers"].field
        assert isinstance(answers, Segments)
        for value, _ in _ANSWERS:
            answers.button(value).setEnabled(not self._fixed or value in self._fixed)
        if self._columns:
            ticked = [self._columns[name] for name in self.list.ticked()]
            self._symbolic = bool(ticked) and all(column.kind == "text" for column in ticked)
        by_step = bool(self.values["sequence"]) or self.values["answers"] == "tags"
        self.rows["level"].setVisible(self._symbolic and bool(self._columns) and not by_step)
        self.rows["most_symbols"].setVisible(self._symbolic)
        self.rows["scaling"].setVisible(not self._symbolic)
        self.show_pairs()
        super().refresh()

    # -- for the dialog -----------------------------------------------------------------------------------------------

    def choices(self) -> SequencesChoices:
        v = self.values
        return SequencesChoices(
            answers=v["answers"],
            answer=v["answer"] if self._columns else None,
            sequence=(v["sequence"] or None) if self._columns else None,
            inputs=self.list.ticked() if self._columns else None,
            level=v["level"],
            most_symbols=USUAL_SYMBOLS if v["most_symbols"] is None else v["most_symbols"],
            cut=v["cut"],
            order=v["order"],
            split=self.split,
            scaling="none" if self._symbolic else v["scaling"],
            batch_size=v["batch_size"],
        )

    def problem(self) -> Problem | None:
        v = self.values
        if self._columns:
            ticked = [self._columns[name] for name in self.list.ticked()]
            texts = [column for column in ticked if column.kind == "text"]
            if not ticked:
                return wrong(NOWHERE, "No column is read; tick one of text, or one or more of numbers.")
            if texts and len(ticked) > 1:
                return wrong(NOWHERE, "One column of text, or columns of numbers, can be read; untick the others.")
            answer = self._columns[v["answer"]]
            if v["answers"] != "value" and answer.missing and answer.kind == "text":
                return wrong("answer", f"{missing_words(answer)}; every row needs one.")
            if v["answers"] == "value" and self._columns[v["answer"]].kind != "number":
                return wrong("answer", f"{short(v['answer'])} holds no numbers; choose another column, or a class.")
            if v["answers"] != "value" and (said := self._wrong_classes(answer)):
                return wrong("answer", said)
            if said := self._gap(ticked):
                return wrong(NOWHERE, said)
        if v["cut"] is not None and not 1 <= v["cut"] <= MAX_STEPS:
            return wrong("cut", f"{v['cut']}: a whole number from 1 to {MAX_STEPS:,} is accepted.")
        if v["most_symbols"] is not None and not 2 <= v["most_symbols"] <= MAX_SYMBOLS:
            return wrong("most_symbols", f"{v['most_symbols']}: a whole number from 2 to {MAX_SYMBOLS:,} is accepted.")
        task = SequencesTask(
            data=NO_DATA,
            answers=v["answers"],
            steps=1,
            inputs=1,
            classes=0 if v["answers"] == "value" else 2,
            split=self.split,
            batch_size=v["batch_size"],
        )
        return task_problem(task)

    def _gap(self, ticked: list[Column]) -> str:
        """Where a number is missing that has to be there, and what can be done, in a sentence; "" where none is."""
        first = next((column for column in ticked if column.kind == "number" and column.missing), None)
        if first is None:
            return ""
        if self.values["sequence"] or self.values["answers"] == "tags":
            return f"{missing_words(first)}. Every step of a sequence needs its numbers: untick {short(first.name)}."
        count = self._count or 0
        none = np.zeros(count, dtype=np.bool_)
        packed = (column.missing_rows for column in ticked)
        absent = np.stack([unpacked(rows, count) if rows else none for rows in packed], axis=1)
        gap = lengths_of_rows(absent)[1]
        if gap is None:
            return ""
        row, step = gap
        if step is None:
            return f"{short(first.name)}: row {row + 1:,} has no number in any step; take it out of the file."
        name = short(ticked[step].name)
        return (
            f"{name} has no number in row {row + 1:,}, but a later column has one: a row that is a sequence may end "
            f"early, but has no gap; untick {name}, or let the table become a series, which can fill gaps."
        )

    def _wrong_classes(self, answer: Column) -> str:
        """Why they cannot be learned, in a sentence; "" where they can, as far as that is known."""
        v, count = self.values, answer.classes
        name, what = short(answer.name), "tags" if v["answers"] == "tags" else "classes"
        if count is None or not 2 <= count <= MAX_CLASSES:
            many = f"more than {MAX_CLASSES:,}" if count is None else f"{count:,}"
            cells = "cell" if count == 1 else "cells"
            return f"{name} has {many} different {cells}; 2 to {MAX_CLASSES:,} are accepted as {what}."
        if v["sequence"] or v["answers"] == "tags" or answer.last_new is None:
            return ""  # where its sequences end is known when they are read
        learned = stretch(self._count or 0, self.split, "train")[1]
        if count > learned:
            return (
                f"{name} has {count:,} classes, and the training part {learned:,} sequences; every class has to come "
                "in it: make it larger."
            )
        new = answer.last_new
        if v["order"] == "file" and new.row >= learned:
            return (
                f"'{new.cell}' comes first in line {new.line:,}, behind the training part; shuffle the sequences, "
                "or make that part larger."
            )
        return ""

    def summary(self) -> str:
        v = self.values
        reads = f"Sequences of {'symbols' if self._symbolic else 'numbers'}, {v['batch_size']:,} a batch, "
        reads += _WORDS[v["answers"]]
        if self._columns and v["answers"] != "value":
            reads += f", {self._columns[v['answer']].classes:,} different"
        by_step = self._columns and (v["sequence"] or v["answers"] == "tags")
        if by_step and self._symbolic and (symbols := self._columns[self.list.ticked()[0]].different) is not None:
            reads += f"; {symbols:,} different symbols in the file"
        known = self._count is not None and not (self._columns and (v["sequence"] or v["answers"] == "tags"))
        return f"{reads}\n{parts_words(self._count or 0, self.split, 'sequences')}" if known else reads

    def _ticked(self) -> None:
        self.refresh()
        self.changed.emit()
