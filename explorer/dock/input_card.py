"""The foot of the stack as a card: the task, and where its data come from."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from engine.parameters import input_size
from engine.spec import Experiment, OwnTask, SequencesTask, SeriesTask, Task, TextTask
from engine.task_facts import facts, form
from explorer.dock.card import StackCard, count
from explorer.dock.fields import ChoiceField, NumberField, Segments, by, times
from explorer.dock.rows import RowPair, Sentence
from explorer.dock.shared_rows import batch_row, split_rows
from explorer.dock.task_edits import DERIVED_STEPS, FIELDS, changed_with, kind_of, title_of
from explorer.dock.task_field import TaskField, tip_of
from explorer.dock.words import ORDERS, SCALINGS
from explorer.theme.tokens import GAP
from explorer.widgets.elided import ElidedLabel

_STEPS_TIPS = {
    "adding": "Time steps",
    "copy": "Time steps: the delay and 20 more",
    "reber": "Time steps of the longest string; longer ones are drawn anew",
    "sunspots": "Years in a window",
    "digits": "Time steps: 8 rows, or 64 pixels",
    "series": "Rows of the data in a window",
    "sequences": "Time steps of the longest sequence",
}
_DELAY_TIPS = {
    "copy": "Steps for which ten symbols must be remembered; T is 20 more",
    "echo": "After how many steps each bit is said again",
}


class InputCard(StackCard):
    ownDataRequested = Signal()
    """Somebody wants to choose a file."""

    def __init__(self) -> None:
        super().__init__("Input", "border")
        self._noted: tuple[Experiment, str] | None = None
        whole = by(1, 1)
        self.tasks = TaskField()
        self.tasks.otherDataWanted.connect(self.ownDataRequested)
        self.note = Sentence("info", "muted")
        self.data = _DataRow()
        self.data.button.clicked.connect(self.ownDataRequested)
        self._pairs = [
            RowPair(
                self.row("steps", "T", NumberField("Time steps T", whole=True, step=whole), "Time steps"),
                batch_row(self.row),
            ),
            RowPair(
                self.row("waves", "waves", NumberField("Waves", whole=True, step=whole), "How many sines are added up"),
                self.row(
                    "noise",
                    "noise",
                    NumberField("Noise", step=times),
                    "Standard deviation of what is added to the input; the target has none",
                ),
            ),
            RowPair(
                self.row(
                    "ahead",
                    "ahead",
                    NumberField("Steps ahead", whole=True, step=whole),
                    "How many steps ahead the target lies",
                ),
                self.row(
                    "stride",
                    "stride",
                    NumberField("Stride", whole=True, step=whole),
                    "Rows from the start of one window to that of the next",
                ),
            ),
            RowPair(*split_rows(self.row, "valid.")),
        ]
        steps, sines, windows, split = self._pairs
        shortest = NumberField("Shortest sequence", whole=True, empty="all have T steps", step=by(1, 2))
        embedding = NumberField("Size of the embedding", whole=True, empty="none", step=whole)
        pixels = Segments("Read by", [("row", "by row"), ("pixel", "by pixel")])
        self.add(
            self.row("task", "task", self.tasks),
            self.data,
            self.note,
            steps,
            self.row("delay", "delay", NumberField("Delay", whole=True, step=by(1, 0))),
            self.row("shortest", "shortest", shortest, "Sequences have lengths from this to T. Empty: all have T"),
            sines,
            self.row("by", "", pixels, "8 rows of 8 pixels, or 64 pixels one after the other"),
            self.row("target", "target", ChoiceField("Target column", ()), "The column that is forecast"),
            windows,
            self.row(
                "symbols",
                "symbols",
                NumberField("Different symbols", whole=True, step=by(1, 2)),
                "The most frequent ones have numbers of their own; one stands for all others",
            ),
            self.row(
                "order",
                "order",
                Segments("Order of the windows", ORDERS),
                "Windows at random places, or each goes on where the one of the batch before ended",
            ),
            self.row(
                "scaling",
                "scaling",
                ChoiceField("Scaling", SCALINGS),
                "Of each column, fitted on the training part alone",
            ),
            split,
            self.row(
                "embedding",
                "embedding",
                embedding,
                "Size of the vectors that symbols become. Empty: none, they are read one-hot",
            ),
        )

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_experiment(self, experiment: Experiment, values: dict[str, Any], parameters: int | None) -> None:
        task, kind = experiment.task, kind_of(experiment.task)
        self.tasks.show_task(task)
        self.fill_targets(task)
        self.fill(values)
        self._say_task(task, kind)
        self.note.set_text(self._noted[1] if self._noted is not None and self._noted[0] == experiment else "")
        for name in set(self.rows) - {"task", "embedding"}:
            self.rows[name].setVisible(name in FIELDS[kind])
        for pair in self._pairs:
            pair.show_halves()
        given, embedding = form(task), experiment.model.embedding
        self.rows["embedding"].setVisible(bool(given.symbols) or embedding is not None)
        self.rows["steps"].field.setEnabled(kind not in DERIVED_STEPS)
        reads = count(given.symbols, "symbol") if given.symbols else ""
        self.chip.say(reads or count(input_size(experiment.model, task), "feature"))
        word = task.name or title_of(kind) if isinstance(task, OwnTask) else title_of(kind)
        shortest = f"{values['shortest']} … " if values["shortest"] is not None else ""
        length, batch = f"T = {shortest}{values['steps']}", str(task.batch_size)
        first, second = (word, length), ("batch", batch)
        if embedding is not None:
            counted = "" if parameters is None else count(parameters, "parameter")
            first = (word, f"{length} · batch {batch}")
            second = (f"embedding {embedding.symbols} → {embedding.size}", counted)
        self.say(f"Input, {word}", first, second)

    def set_recorded(self, steps: int, batch_size: int) -> None:
        self.chip.say("recorded")
        self.say("Input, recorded", ("", f"T = {steps} · batch {batch_size}"))
        self.data.hide()
        self.note.set_text("")
        for name in set(self.rows) - {"task", "steps", "batch_size"}:
            self.rows[name].hide()
        for pair in self._pairs:
            pair.show_halves()

    def fill_targets(self, task: Task) -> None:
        """The columns that are kept of a series."""
        field = self.rows["target"].field
        assert isinstance(field, ChoiceField)
        names = dict.fromkeys((*task.columns, task.target)) if isinstance(task, SeriesTask) else {}
        field.set_choices([(name, name) for name in names])

    def _say_task(self, task: Task, kind: str) -> None:
        """What it tests and its source, in the tips; of somebody's own data, which they are."""
        tip = tip_of(facts(task))
        self.rows["task"].setToolTip(tip)
        if not self.rows["task"].error.text():
            self.tasks.setAccessibleDescription(tip)
        self.rows["steps"].setToolTip(_STEPS_TIPS.get(kind, "Time steps"))
        self.rows["delay"].setToolTip(_DELAY_TIPS.get(kind, ""))
        self.data.setVisible(isinstance(task, OwnTask))
        if isinstance(task, OwnTask):
            self.data.say(task.name or "a file", _what(task))

    def announce(self, old: Experiment, new: Experiment) -> None:
        """Another task takes the place of one: what it brings along is said as long as that experiment is shown."""
        self._noted = (new, changed_with(old, new))


class _DataRow(QWidget):
    """Of somebody's own data: what is read of them, and a way to other ones."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = ElidedLabel(tone="muted", least=60)
        self.button = QPushButton("change…")
        self.button.setProperty("role", "small")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.label, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignRight)
        self.hide()

    def say(self, name: str, what: str) -> None:
        self.label.set_text(what, tip=f"{name}: {what}")
        self.button.setAccessibleName(f"Other data than {name}…")
        self.button.setToolTip("Open a file and choose what is read of it")


def _what(task: OwnTask) -> str:
    """ "reads 3 columns"."""
    if isinstance(task, SeriesTask):
        return f"reads {count(len(task.columns), 'column')}"
    if isinstance(task, TextTask):
        return f"by {task.level}s"
    assert isinstance(task, SequencesTask)
    return {"class": "a class for each", "tags": "a tag at every step", "value": "a number for each"}[task.answers]
