"""Stacks that are put together in the window, for tests: by the mouse and by keys."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.spec import ModelSpec
from explorer.app import Explorer
from explorer.dock.card import StackCard
from explorer.document import opening

CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
LEFT = Qt.MouseButton.LeftButton


def begun(explorer: Explorer, qtbot: QtBot) -> Explorer:
    """With an empty document in a window that has room for every card."""
    explorer.window.resize(1400, 1300)
    explorer.show(opening.of_nothing())
    qtbot.waitExposed(explorer.window)
    explorer.window.activateWindow()
    return explorer


def settle(qtbot: QtBot, explorer: Explorer) -> Excerpt:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.controller.excerpt is not None
    return explorer.controller.excerpt


def model(explorer: Explorer) -> ModelSpec:
    assert explorer.document.experiment is not None
    return explorer.document.experiment.model


def cells(explorer: Explorer) -> list[str]:
    return [layer.cell for layer in model(explorer).layers]


def stack_of(explorer: Explorer, qtbot: QtBot, *wanted: str) -> None:
    for cell in wanted:
        explorer.window.dock.stack.add(cell)
    explorer.window.dock.stack.open_card(None)
    settle(qtbot, explorer)
    assert cells(explorer) == list(wanted)


def click(qtbot: QtBot, widget: QWidget, at: QPoint | None = None) -> None:
    assert widget.isVisible()
    assert widget.window().rect().contains(widget.mapTo(widget.window(), widget.rect().center()))
    qtbot.mouseClick(widget, LEFT, pos=widget.rect().center() if at is None else at)


def press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """To whoever has the focus, as a keyboard does."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, key, modifier)


def typed(field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    press(Qt.Key.Key_Delete)
    QTest.keyClicks(field, text)
    press(Qt.Key.Key_Return)


def head(card: StackCard) -> QPoint:
    return QPoint(30, 14)
