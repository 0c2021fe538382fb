"""The model dock: the stack, how it runs, what is looked at, what-ifs, training. It edits nothing, it asks."""

from __future__ import annotations

from msgspec.structs import replace
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from engine import beginning
from engine.checks import checked
from engine.errors import SpecError
from engine.requests import Excerpt
from engine.spec import NO_WHAT_IF, ClipSpec, Experiment, LayerSpec, ModelSpec, TrainingSpec, WhatIf
from explorer.dock.card import StackCard, count
from explorer.dock.edits import EDITS, layer_values, values, with_layer
from explorer.dock.fields import NumberField
from explorer.dock.layer_card import LayerCard
from explorer.dock.problems import Problem, problem
from explorer.dock.rows import FieldRow, Sentence
from explorer.dock.stack import StackView
from explorer.dock.training import RunRows, TrainingRows
from explorer.dock.units_field import UnitsField
from explorer.dock.what_if import WhatIfPanel
from explorer.theme.current import current
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel, section_label, small_label
from explorer.widgets.stepper import Stepper
from explorer.widgets.typed import Typed

ALL_UNITS = -1


class ModelDock(QWidget):
    """Shows an experiment or a recorded trace; every field says what is wanted with a signal."""

    experimentEdited = Signal(object)
    assembled = Signal(object)
    """Assembly: a layer was added, moved, duplicated or deleted."""
    whatIfDragged = Signal(object)
    whatIfEdited = Signal(object)
    samplePicked = Signal(int)
    """From 0."""
    unitPicked = Signal(object)
    """From 0; None: all."""
    ownDataRequested = Signal()
    """Somebody wants to bring data of his own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Model")
        self._experiment: Experiment | None = None
        self._shown: tuple[object, ...] | None = None
        self._problem: Problem | None = None
        self.stack = StackView()
        self.run_rows = RunRows()
        self.training_rows = TrainingRows()
        self.what_if = WhatIfPanel()
        self.lock = Sentence("lock", "muted")
        self.total = small_label()

        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(PAD, PAD, PAD, PAD)
        self._column.setSpacing(GAP)
        head = QHBoxLayout()
        head.addWidget(section_label("Model"))
        head.addStretch(1)
        head.addWidget(self.total)
        self._column.addLayout(head)
        self._column.addWidget(self.lock)
        self._column.addWidget(self.stack)
        self._column.addWidget(self.run_rows)
        self._add_view()
        self._column.addSpacing(TIGHT)
        self._column.addWidget(section_label("What if…"))
        self._column.addWidget(self.what_if)
        self._column.addSpacing(TIGHT)
        self.reset_training = FlatButton("reset", "Training: all fields back to how a new experiment begins")
        training = QHBoxLayout()
        training.addWidget(section_label("Training"), 1)
        training.addWidget(self.reset_training)
        self._column.addLayout(training)
        self._column.addWidget(self.training_rows)
        self._column.addStretch(1)

        self.stack.assembled.connect(self.assembled)
        self.stack.edited.connect(self._card_edited)
        self.stack.opened.connect(self._show_problem)
        self.stack.input.ownDataRequested.connect(self.ownDataRequested)
        self.run_rows.edited.connect(self._edit)
        self.training_rows.edited.connect(self._edit)
        self.reset_training.clicked.connect(self._reset_training)
        self.what_if.dragged.connect(self.whatIfDragged)
        self.what_if.edited.connect(self.whatIfEdited)
        self.sample.picked.connect(self._sample_picked)
        self.unit.picked.connect(self._unit_picked)

    @property
    def rows(self) -> dict[str, FieldRow]:
        """Every row outside of the layers, by the name of its field."""
        parts = (self.stack.readout, self.stack.input, self.run_rows, self.training_rows)
        return {name: row for part in parts for name, row in part.rows.items()}

    def _add_view(self) -> None:
        self.sample = Stepper("Sample of the batch")
        self.unit = Stepper("Unit")
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        units = "One unit's numbers, or norms and means over all units. Units count from 0, as in torch"
        for word, stepper, tip in (
            ("sample", self.sample, "Which sequence of the batch is shown"),
            ("unit", self.unit, units),
        ):
            stepper.setToolTip(tip)
            row = QHBoxLayout()
            row.setSpacing(TIGHT)
            row.addWidget(ElidedLabel(word, tone="muted"), 2)
            row.addWidget(stepper, 3)
            column.addLayout(row)
        self._column.addWidget(section_label("Looking at"))
        self._column.addWidget(holder)

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
        again = self._experiment is not None and experiment == self._experiment
        self._shown = state
        self._experiment = experiment
        if not again:
            self._show_experiment(experiment)
        layers, steps = experiment.model.layers, experiment.task.steps
        self.what_if.set_what_if(what_if, layers, experiment.training.clip, steps)
        self._show_view(sample, batch_size, unit, hidden_size)

    def _show_experiment(self, experiment: Experiment) -> None:
        self.stack.set_experiment(experiment)
        shown = values(experiment)
        self.run_rows.fill(shown)
        self.training_rows.fill(shown)
        self.reset_training.setEnabled(experiment.training != _usual_training(experiment))
        self.total.set_text(count(self.stack.parameters, "parameter") if experiment.model.layers else "")
        self._problem = _problem_of(experiment)
        self._show_problem()

    def _show_problem(self) -> None:
        """At the card that it is about; what is about all of them stands below the stack."""
        found = self._problem
        card = self.stack.card(found.card) if found is not None else None
        for one in self.stack.cards:
            one.show_problem(found if one is card else None)
        self.run_rows.show_problem(found)
        self.training_rows.show_problem(found)
        placed = card is not None or (found is not None and found.card in ("run", "training"))
        self.stack.problem.set_text("" if found is None or placed else found.sentence)

    def restore(self) -> None:
        """Every field shows its value again; what was typed or refused is let go."""
        for field in self.findChildren(QWidget):
            if isinstance(field, Typed):
                field.restore()
        self._show_problem()

    def let_go_of_refused(self) -> tuple[str, ...]:
        """Fields that show what was refused show their values again; returns what each holds: "learning rate 0.003,
        not 1e30"."""
        found = []
        for field in self.findChildren(QLineEdit):
            if isinstance(field, (NumberField, UnitsField)) and field.is_invalid():
                typed = field.text()
                field.restore()
                name = field.accessibleName()
                now = field.text() or field.placeholderText()
                found.append(f"{name[:1].lower()}{name[1:]} {now}, not {typed}")
        if found:
            self._show_problem()
        return tuple(found)

    def show_recorded(self, excerpt: Excerpt, reason: str) -> None:
        """A recorded trace: what is known of it, nothing to be changed but what is looked at."""
        state = (excerpt.title, excerpt.cell, excerpt.sample, excerpt.batch_size, excerpt.unit, excerpt.hidden_size)
        self._experiment = None
        self.set_locked(reason)
        if state == self._shown:
            return
        self._shown, self._problem = state, None
        layer = LayerSpec(cell=excerpt.cell, hidden_size=excerpt.hidden_size, activation=excerpt.activation)
        stack = self.stack
        unknown = dict.fromkeys(EDITS)
        known = unknown | {"steps": excerpt.steps, "batch_size": excerpt.batch_size, "dtype": excerpt.dtype}
        stack.set_recorded(ModelSpec(layers=(layer,)))
        stack.readout.fill(unknown)
        stack.readout.set_recorded()
        stack.input.fill(known)
        stack.input.set_recorded(excerpt.steps, excerpt.batch_size)
        stack.layers[0].set_layer(layer, 0, 1, None, known=False)
        self.run_rows.fill(known)
        self.training_rows.fill({})
        self.total.set_text("")
        self._show_problem()
        self.what_if.set_what_if(NO_WHAT_IF, (layer,), ClipSpec())
        self._show_view(excerpt.sample, excerpt.batch_size, excerpt.unit, excerpt.hidden_size)

    def set_locked(self, reason: str) -> None:
        """With a reason everything stays visible and nothing can be changed, but sample and unit; "" unlocks."""
        self.lock.set_text(reason)
        self.stack.set_locked(bool(reason))
        for part in (self.run_rows, self.what_if, self.training_rows):
            part.setEnabled(not reason)
        unusual = self._experiment is not None and self._experiment.training != _usual_training(self._experiment)
        self.reset_training.setEnabled(unusual and not reason)

    def _show_view(self, sample: int, batch_size: int, unit: int | None, hidden_size: int) -> None:
        self.sample.set_words("", f" of {batch_size}")
        self.sample.set_value(min(sample, batch_size - 1) + 1, 1, batch_size)
        self.unit.set_words("", "", "all units")
        shown = ALL_UNITS if unit is None else min(unit, hidden_size - 1)
        self.unit.set_value(shown, ALL_UNITS, hidden_size - 1)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _card_edited(self, card: StackCard, name: str, value: object) -> None:
        if self._experiment is None:
            return
        if isinstance(card, LayerCard):
            number = card.number
            was = layer_values(self._experiment.model.layers[number])[name]
            wanted = with_layer(self._experiment, number, name, value)
            self._ask(card.rows[name], wanted, f"l{number}", name, was)
        else:
            self._edit(name, value)

    def _edit(self, name: str, value: object) -> None:
        if self._experiment is None:
            return
        place = {"readout": self.stack.readout, "input": self.stack.input}
        card = next((key for key, one in place.items() if name in one.rows), "training")
        card = "run" if name in self.run_rows.rows else card
        wanted = EDITS[name](self._experiment, value)
        if name == "task":
            self.stack.input.announce(self._experiment, wanted)
        self._ask(self.rows[name], wanted, card, name, values(self._experiment)[name])

    def _reset_training(self) -> None:
        """In one step. What was trained beforehand stays, or the weights would be others."""
        if self._experiment is not None:
            self.restore()
            self.experimentEdited.emit(replace(self._experiment, training=_usual_training(self._experiment)))

    def _ask(self, row: FieldRow, wanted: Experiment, card: str, name: str, was: object) -> None:
        """A number out of its range is refused at its field. What cannot stand together is taken, and said where it
        is; it is traced when it can."""
        found = _problem_of(wanted)
        if found is not None and isinstance(row.field, NumberField) and (found.card, found.field) == (card, name):
            row.show_error(found.sentence)
            return
        self.experimentEdited.emit(wanted)

    def _sample_picked(self, number: int) -> None:
        self.samplePicked.emit(number - 1)

    def _unit_picked(self, unit: int) -> None:
        self.unitPicked.emit(None if unit == ALL_UNITS else unit)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(current().surface))


def _usual_training(experiment: Experiment) -> TrainingSpec:
    """As a new experiment begins."""
    return replace(beginning.TRAINING, iterations=experiment.training.iterations)


def _problem_of(experiment: Experiment) -> Problem | None:
    """What is wrong with it. That there is no layer yet is said where the layers will stand; here one stands in."""
    if not experiment.model.layers:
        stand_in = (LayerSpec(cell="rnn"),)
        experiment = replace(experiment, model=replace(experiment.model, layers=stand_in))
    try:
        checked(experiment)
    except SpecError as error:
        return problem(error)
    return None
