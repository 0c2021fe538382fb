"""Whoever closes a panel, the drawer or a dialog is at the stage afterwards, and sees so where keys are used."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from engine import presets
from explorer.app import Explorer
from explorer.document import opening
from explorer.stage.steps_dialog import StepsDialog
from explorer.theme import current as theming

PARTS = {"show_cell": "Ctrl+2", "show_analysis": "Ctrl+3", "show_model": "Ctrl+1", "show_drawer": "Ctrl+Shift+T"}


@pytest.fixture
def explorer(qtbot: QtBot, explorer: Explorer) -> Explorer:
    explorer.window.resize(1400, 1000)
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    explorer.window.activateWindow()
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def part_of(explorer: Explorer, name: str) -> QWidget:
    window = explorer.window
    parts = {"show_cell": window.cell, "show_analysis": window.analysis, "show_model": window.dock_area}
    return parts.get(name, window.drawer.pages)


def stop_inside(part: QWidget) -> QWidget:
    stops = part.findChildren(QWidget)
    tab = Qt.FocusPolicy.TabFocus
    return next(w for w in stops if w.focusPolicy() & tab and w.isVisible() and w.isEnabled() and not w.focusProxy())


def ring(explorer: Explorer) -> bool:
    """Whether the stage's edge is in the colour of the focus."""
    stage = explorer.window.stage
    edge = stage.grab().toImage().pixelColor(1, stage.height() // 2)
    return edge == QColor(theming.current().accent)


@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by mouse"])
@pytest.mark.parametrize("name", PARTS)
def test_what_closes_leaves_the_focus_to_the_stage(qtbot: QtBot, explorer: Explorer, name: str, by_key: bool) -> None:
    action, window = explorer.commands.actions[name], explorer.window
    if not action.isChecked():
        action.trigger()
    inside = stop_inside(part_of(explorer, name))
    inside.setFocus(Qt.FocusReason.ShortcutFocusReason if by_key else Qt.FocusReason.MouseFocusReason)
    assert part_of(explorer, name).isAncestorOf(window.focusWidget())
    action.trigger()
    assert not part_of(explorer, name).isVisible()
    assert window.focusWidget() is window.stage
    assert ring(explorer) == by_key


def test_a_shortcut_is_a_key_whatever_the_focus_has_come_by(qtbot: QtBot, explorer: Explorer) -> None:
    window = explorer.window
    unit = window.cell.findChildren(QSpinBox)[0]
    unit.setFocus(Qt.FocusReason.MouseFocusReason)
    QTest.keyClick(unit, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert not window.cell.isVisible()
    assert window.focusWidget() is window.stage
    assert ring(explorer)


def test_the_focus_that_is_elsewhere_stays_there(explorer: Explorer) -> None:
    button = stop_inside(explorer.window.transport)
    button.setFocus(Qt.FocusReason.TabFocusReason)
    explorer.commands.actions["show_cell"].trigger()
    assert explorer.window.focusWidget() is button


def test_a_panel_that_gives_way_in_a_small_window_leaves_it_too(qtbot: QtBot, explorer: Explorer) -> None:
    stop_inside(explorer.window.cell).setFocus(Qt.FocusReason.TabFocusReason)
    explorer.window.resize(800, 700)
    assert not explorer.window.cell.isVisible()
    assert explorer.window.focusWidget() is explorer.window.stage


@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by mouse"])
def test_a_dialog_gives_the_ring_back_to_who_uses_keys(qtbot: QtBot, explorer: Explorer, by_key: bool) -> None:
    stage = explorer.window.stage
    stop_inside(explorer.window.transport).setFocus()
    stage.setFocus(Qt.FocusReason.TabFocusReason if by_key else Qt.FocusReason.MouseFocusReason)
    explorer.commands.actions["show_steps"].trigger()
    QApplication.processEvents()
    dialog = explorer.window.findChildren(StepsDialog)[0]
    assert isinstance(dialog, QDialog)
    dialog.reject()
    explorer.window.activateWindow()
    qtbot.waitUntil(stage.hasFocus)
    assert ring(explorer) == by_key
