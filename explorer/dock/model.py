"""The model dock: the experiment as cards, what is looked at, what-ifs, training. It edits nothing, it asks."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.checks import checked
from engine.errors import SpecError
from engine.quantities import CELL_TITLES
from engine.requests import Excerpt
from engine.spec import NO_WHAT_IF, ClipSpec, Experiment, WhatIf
from explorer.dock.edits import EDITS, said_at_the_field, values
from explorer.dock.fields import ChoiceField, NumberField, Segments, by, times
from explorer.dock.rows import DockCard, FieldRow, RowPair, Sentence
from explorer.dock.what_if import WhatIfPanel
from explorer.theme.current import current
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets.elided import ElidedLabel, section_label
from explorer.widgets.stepper import Stepper

ALL_UNITS = -1
_FEATURES = {"adding": 2, "sunspots": 1}


class ModelDock(QWidget):
    """Shows an experiment or a recorded trace; every field says what is wanted with a signal."""

    experimentEdited = Signal(object)
    whatIfDragged = Signal(object)
    whatIfEdited = Signal(object)
    samplePicked = Signal(int)
    """From 0."""
    unitPicked = Signal(object)
    """From 0; None: all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Model")
        self._experiment: Experiment | None = None
        self._shown: tuple[object, ...] | None = None
        self.rows: dict[str, FieldRow] = {}

        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(PAD, PAD, PAD, PAD)
        self._column.setSpacing(GAP)
        self._column.addWidget(section_label("Model"))
        self.lock = Sentence("lock", "muted")
        self._column.addWidget(self.lock)
        self._add_cards()
        self._add_run()
        self._add_view()
        self._column.addSpacing(TIGHT)
        self._column.addWidget(section_label("What if…"))
        self.what_if = WhatIfPanel()
        self._column.addWidget(self.what_if)
        self._column.addSpacing(TIGHT)
        self._add_training()
        self._column.addStretch(1)

        for row in self.rows.values():
            row.edited.connect(self._edit)
        self.what_if.dragged.connect(self.whatIfDragged)
        self.what_if.edited.connect(self.whatIfEdited)
        self.sample.picked.connect(self._sample_picked)
        self.unit.picked.connect(self._unit_picked)

    # -- building -----------------------------------------------------------------------------------------------------

    def _row(self, name: str, label: str, field: NumberField | ChoiceField | Segments, tip: str = "") -> FieldRow:
        made = FieldRow(name, label, field, tip)
        self.rows[name] = made
        return made

    def _add_cards(self) -> None:
        whole = by(1, 1)
        self.readout_card = DockCard("Read-out", "loss")
        loss = ChoiceField("Loss", [("mse", "MSE"), ("cross_entropy", "cross-entropy")])
        at = ChoiceField("Loss taken at", [("last", "last step"), ("every", "every step")])
        self.readout_card.add(self._row("loss", "loss", loss))
        self.readout_card.add(self._row("at", "taken at", at, "Where the loss is taken"))

        self.layer_card = DockCard("Recurrent layer", "backward")
        cells = Segments("Cell", [("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
        activation = ChoiceField("Activation", [("tanh", "tanh"), ("relu", "ReLU")])
        initial = ChoiceField("Initial recurrent weights", [("default", "default"), ("orthogonal", "orthogonal")])
        self.layer_card.add(self._row("cell", "", cells))
        self.layer_card.add(self._row("hidden_size", "units", NumberField("Units", whole=True, step=whole)))
        self.layer_card.add(self._row("activation", "activation", activation))
        self.layer_card.add(
            RowPair(
                self._row(
                    "recurrent",
                    "W_hh",
                    initial,
                    "Initial recurrent weights: torch's default, or a random orthogonal matrix",
                ),
                self._row(
                    "gain", "×", NumberField("Gain", step=by(0.05, 0.0)), "Factor on the initial recurrent weights"
                ),
                (3, 1),
            )
        )
        for name, title, tip in (
            ("forget_bias", "forget bias", "Initial bias of the forget gate (both bias vectors together)"),
            ("update_bias", "update bias", "Initial bias of the update gate z; positive keeps the old state"),
        ):
            field = NumberField(title.capitalize(), empty="torch default", step=by(0.1))
            self.layer_card.add(self._row(name, title, field, f"{tip}. Empty: torch's default"))

        self.input_card = DockCard("Input", "line")
        tasks = ChoiceField("Task", [("adding", "adding problem"), ("sunspots", "sunspots")])
        self.input_card.add(self._row("task", "task", tasks))
        self.input_card.add(
            RowPair(
                self._row("steps", "T", NumberField("Time steps T", whole=True, step=whole), "Time steps"),
                self._row(
                    "batch_size", "batch", NumberField("Batch size", whole=True, step=whole), "Sequences at a time"
                ),
            )
        )
        for card in (self.readout_card, self.layer_card, self.input_card):
            self._column.addWidget(card)

    def _add_run(self) -> None:
        self.run_rows = QWidget()
        column = _tight_column(self.run_rows)
        dtypes = Segments("Number type", [("float32", "float32"), ("float64", "float64")])
        devices = [("auto", "auto"), ("cpu", "CPU"), ("cuda", "CUDA"), ("mps", "MPS")]
        column.addWidget(
            self._row("dtype", "dtype", dtypes, "Underflow and overflow are the arithmetic's, not the theory's")
        )
        column.addWidget(
            RowPair(
                self._row("seed", "seed", NumberField("Seed", whole=True, step=by(1, 0)), "Of weights and data"),
                self._row("device", "device", ChoiceField("Device", devices), "Where the trace is computed"),
                (2, 3),
            )
        )
        self._column.addWidget(self.run_rows)

    def _add_view(self) -> None:
        self.sample = Stepper("Sample of the batch")
        self.unit = Stepper("Unit")
        holder = QWidget()
        column = _tight_column(holder)
        column.setSpacing(TIGHT)
        for word, stepper, tip in (
            ("sample", self.sample, "Which sequence of the batch is shown"),
            (
                "unit",
                self.unit,
                "One unit's numbers, or norms and means over all units. Units count from 0, as in torch",
            ),
        ):
            stepper.setToolTip(tip)
            row = QHBoxLayout()
            row.setSpacing(TIGHT)
            row.addWidget(ElidedLabel(word, tone="muted"), 2)
            row.addWidget(stepper, 3)
            column.addLayout(row)
        self._column.addWidget(section_label("Looking at"))
        self._column.addWidget(holder)

    def _add_training(self) -> None:
        self._column.addWidget(section_label("Training"))
        self.training_rows = QWidget()
        column = _tight_column(self.training_rows)
        column.addWidget(
            self._row("learning_rate", "learning rate", NumberField("Learning rate", step=times), "Of plain SGD")
        )
        column.addWidget(self._row("clip", "clip", ChoiceField("Clipping", [("none", "none"), ("norm", "by norm")])))
        column.addWidget(
            self._row("max_norm", "norm ≤", NumberField("Largest norm", step=times), "Of the whole parameter gradient")
        )
        column.addWidget(
            self._row(
                "iterations",
                "iterations before",
                NumberField("Iterations before", whole=True, step=by(10, 0)),
                "Training iterations that are done before the experiment is shown",
            )
        )
        self._column.addWidget(self.training_rows)

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_state(
        self,
        experiment: Experiment,
        what_if: WhatIf,
        sample: int,
        batch_size: int,
        unit: int | None,
        hidden_size: int,
    ) -> None:
        """Show this; emits nothing. Sample and unit count from 0; unit None: all."""
        state = (experiment, what_if, sample, batch_size, unit, hidden_size)
        if state == self._shown:
            return
        self._shown = state
        self._experiment = experiment
        self._fill(values(experiment))
        self.what_if.set_what_if(what_if, experiment.layer.cell, experiment.training.clip)
        self._show_view(sample, batch_size, unit, hidden_size)
        outputs = 2 if experiment.model.loss == "cross_entropy" else 1
        self.readout_card.chip.say(f"linear {hidden_size} → {outputs}")

    def restore(self) -> None:
        """Every field shows its value again; what was typed or refused is let go."""
        for field in self.findChildren(NumberField):
            field.restore()

    def show_recorded(self, excerpt: Excerpt, reason: str) -> None:
        """A recorded trace: what is known of it, nothing to be changed but what is looked at."""
        state = (excerpt.title, excerpt.cell, excerpt.sample, excerpt.batch_size, excerpt.unit, excerpt.hidden_size)
        self._experiment = None
        self.set_locked(reason)
        if state == self._shown:
            return
        self._shown = state
        known: dict[str, Any] = {
            "cell": excerpt.cell,
            "hidden_size": excerpt.hidden_size,
            "activation": excerpt.activation,
            "steps": excerpt.steps,
            "batch_size": excerpt.batch_size,
            "dtype": excerpt.dtype,
        }
        self._fill({name: known.get(name) for name in EDITS})
        self.what_if.set_what_if(NO_WHAT_IF, excerpt.cell, ClipSpec())
        self._show_view(excerpt.sample, excerpt.batch_size, excerpt.unit, excerpt.hidden_size)
        self.readout_card.chip.say("")

    def set_locked(self, reason: str) -> None:
        """With a reason everything stays visible and nothing can be changed, but sample and unit; "" unlocks."""
        self.lock.set_text(reason)
        for part in (
            self.readout_card,
            self.layer_card,
            self.input_card,
            self.run_rows,
            self.what_if,
            self.training_rows,
        ):
            part.setEnabled(not reason)

    def _fill(self, shown: dict[str, Any]) -> None:
        for name, value in shown.items():
            self.rows[name].set_value(value)
        cell = shown["cell"]
        self.layer_card.title.set_text(f"{CELL_TITLES[cell]} layer")
        self.layer_card.chip.say(_count(shown["hidden_size"], "unit"))
        features = _FEATURES.get(shown["task"], 0)
        self.input_card.chip.say(_count(features, "feature") if features else "recorded")
        self.rows["activation"].setVisible(cell == "rnn")
        self.rows["forget_bias"].setVisible(cell == "lstm")
        self.rows["update_bias"].setVisible(cell == "gru")
        self.rows["max_norm"].setVisible(shown["clip"] == "norm")

    def _show_view(self, sample: int, batch_size: int, unit: int | None, hidden_size: int) -> None:
        self.sample.set_words("", f" of {batch_size}")
        self.sample.set_value(min(sample, batch_size - 1) + 1, 1, batch_size)
        self.unit.set_words("", "", "all units")
        shown = ALL_UNITS if unit is None else min(unit, hidden_size - 1)
        self.unit.set_value(shown, ALL_UNITS, hidden_size - 1)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _edit(self, name: str, value: object) -> None:
        if self._experiment is None:
            return
        row = self.rows[name]
        try:
            wanted = checked(EDITS[name](self._experiment, value))
        except SpecError as error:
            row.show_error(said_at_the_field(str(error)))
            if not isinstance(row.field, NumberField):
                row.field.set_value(values(self._experiment)[name])
            return
        self.experimentEdited.emit(wanted)

    def _sample_picked(self, number: int) -> None:
        self.samplePicked.emit(number - 1)

    def _unit_picked(self, unit: int) -> None:
        self.unitPicked.emit(None if unit == ALL_UNITS else unit)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(current().surface))


def _tight_column(holder: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    return column


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
