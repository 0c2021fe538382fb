"""The model dock by itself, for tests: what it is shown, what is typed into it, what it asks for."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from engine.spec import (
    NO_WHAT_IF,
    AddingTask,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    TrainingSpec,
    WhatIf,
)
from explorer.dock import edits
from explorer.dock.fields import NumberField
from explorer.dock.model import ModelDock
from explorer.dock.rows import FieldRow
from explorer.theme import current as theming

LSTM = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=12, init=InitSpec(forget_bias=1.0)),)),
    task=AddingTask(steps=40, batch_size=16),
    training=TrainingSpec(clip=ClipSpec(kind="norm", max_norm=1.0)),
)
RNN = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=12, activation="relu"),)),
    task=AddingTask(steps=40, batch_size=16),
)


class Asked:
    """Everything that the dock asked for."""

    def __init__(self, dock: ModelDock) -> None:
        self.experiments: list[Experiment] = []
        self.dragged: list[WhatIf] = []
        self.what_ifs: list[WhatIf] = []
        self.samples: list[int] = []
        self.units: list[object] = []
        dock.experimentEdited.connect(self.experiments.append)
        dock.whatIfDragged.connect(self.dragged.append)
        dock.whatIfEdited.connect(self.what_ifs.append)
        dock.samplePicked.connect(self.samples.append)
        dock.unitPicked.connect(self.units.append)

    def nothing(self) -> bool:
        return not (self.experiments or self.dragged or self.what_ifs or self.samples or self.units)


def dock_of(qtbot: QtBot) -> ModelDock:
    """On screen, as narrow as in the window, with an LSTM in it."""
    with theming.styled_at_the_end():
        theming.apply("dark")
        made = ModelDock()
    qtbot.addWidget(made)
    made.resize(252, 900)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    show(made, LSTM)
    return made


def show(dock: ModelDock, experiment: Experiment, what_if: WhatIf = NO_WHAT_IF, unit: int | None = None) -> None:
    size = experiment.layer.hidden_size
    dock.set_state(experiment, what_if, 0, experiment.task.batch_size, unit, size)


def row(dock: ModelDock, name: str, layer: int = 0) -> FieldRow:
    """In its card, which is opened for it."""
    for card in dock.stack.cards:
        if (name in edits.LAYER_EDITS and card is dock.stack.layers[layer]) or (
            name in card.rows and name not in edits.LAYER_EDITS
        ):
            dock.stack.open_card(card)
    found = dock.stack.layers[layer].rows if name in edits.LAYER_EDITS else dock.rows
    return found[name]


def number(dock: ModelDock, name: str) -> NumberField:
    field = row(dock, name).field
    assert isinstance(field, NumberField)
    return field


def typed(qtbot: QtBot, field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
