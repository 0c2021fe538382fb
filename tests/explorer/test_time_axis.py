"""The time axis under the mouse: the playhead follows, steps are chosen, a playhead elsewhere says where."""

from __future__ import annotations

import pytest
import synthetic
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from engine import presets
from engine.tape import Tape
from explorer.app import Explorer
from explorer.document import opening
from explorer.stage.stage import Stage
from explorer.stage.steps_dialog import StepsDialog
from explorer.theme import current as theming

T = 50
LEFT, NONE, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 500)
    stage.set_tracks(("values.h", "norms"))
    stage.set_excerpt(synthetic.excerpt("rnn", T=T, H=4))
    stage.set_position(Tape(T).position(Tape(T).parse("backward:30")))
    stage.show()
    return stage


def _at(stage: Stage, t: int, y: int = 22) -> QPoint:
    view = stage.canvas.view
    assert view is not None
    return QPoint(stage.canvas.columns.header + round(view.centre(t) / view.ratio), y)


def _drag(stage: Stage, first: int, *others: int, modifier: Qt.KeyboardModifier = NONE, y: int = 22) -> None:
    QTest.mousePress(stage.axis, LEFT, modifier, _at(stage, first, y))
    places = [_at(stage, t, y) for t in others]
    for place in places:
        QTest.mouseMove(stage.axis, place)
    QTest.mouseRelease(stage.axis, LEFT, modifier, places[-1] if places else _at(stage, first, y))


def test_a_click_on_the_axis_picks_the_step(qtbot: QtBot, stage: Stage) -> None:
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    _drag(stage, 15)
    assert picked == [15]


def test_the_flag_is_dragged_step_by_step_and_a_click_on_it_moves_nothing(qtbot: QtBot, stage: Stage) -> None:
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    _drag(stage, 30, y=8)
    assert picked == []
    _drag(stage, 30, 29, 25, 25, 28, y=8)
    assert picked == [29, 25, 28]
    QTest.mouseMove(stage.axis, _at(stage, 3))
    assert picked == [29, 25, 28], "let go"


def test_a_drag_beyond_the_axis_stays_on_its_steps(qtbot: QtBot, stage: Stage) -> None:
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    QTest.mousePress(stage.axis, LEFT, NONE, _at(stage, 3))
    QTest.mouseMove(stage.axis, QPoint(-50, 22))
    QTest.mouseRelease(stage.axis, LEFT, NONE, QPoint(-50, 22))
    assert picked == [3, 1]


def test_dragged_with_shift_it_shows_these_steps_in_either_direction(qtbot: QtBot, stage: Stage) -> None:
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    with qtbot.waitSignal(stage.time_range.changed) as said:
        _drag(stage, 10, 14, 20, modifier=SHIFT)
    assert said.args == [10, 20]
    assert stage.time_range.shown == (10, 20)
    _drag(stage, 18, 12, modifier=SHIFT)
    assert stage.time_range.shown == (12, 18)
    QTest.mouseDClick(stage.axis, LEFT, NONE, _at(stage, 15))
    assert stage.time_range.shown == (1, T)
    assert picked == []


def test_a_click_with_shift_chooses_nothing(qtbot: QtBot, stage: Stage) -> None:
    _drag(stage, 10, modifier=SHIFT)
    assert stage.time_range.shown == (1, T)


def test_a_playhead_that_is_not_on_screen_says_where_it_is_and_a_click_brings_it_back(
    qtbot: QtBot, stage: Stage
) -> None:
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    now = stage.canvas.now
    assert now is not None
    for span, text in (((5, 14), "30 ▸"), ((40, 49), "◂ 30")):
        stage.time_range.show(*span)
        assert stage.axis._flag_text(now) == text
        sign = stage.axis._chip(now)
        QTest.mouseClick(stage.axis, LEFT, NONE, sign.center().toPoint())
        first, last = stage.time_range.shown
        assert (last - first, first <= 30 <= last) == (9, True)
    assert picked == []


def test_the_dialog_takes_two_steps_that_follow_each_other(qtbot: QtBot) -> None:
    dialog = StepsDialog((1, T), T)
    qtbot.addWidget(dialog)
    dialog.first.setValue(10)
    dialog.last.setValue(9)
    assert not dialog.ok.isEnabled()
    assert "must not come before" in dialog.message.text()
    dialog.last.setValue(20)
    assert dialog.ok.isEnabled()
    assert dialog.span == (10, 20)
    assert dialog.message.text() == "11 steps"
    assert all(field.accessibleName() for field in (dialog.first, dialog.last))


def test_a_command_asks_for_the_steps_and_shows_them(explorer: Explorer, qtbot: QtBot) -> None:
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    window = explorer.window
    explorer.commands.actions["show_steps"].trigger()
    (dialog,) = window.findChildren(StepsDialog)
    dialog.first.setValue(10)
    dialog.last.setValue(20)
    dialog.findChildren(QDialogButtonBox)[0].accepted.emit()
    assert window.stage.time_range.shown == (10, 20)
    assert explorer.document.view.time_range == (10, 20)
    _drag(window.stage, 12)
    assert explorer.document.tape.moment(explorer.document.view.position).step == 12


def test_the_last_event_is_said_to_be_the_last_and_not_that_there_is_none(explorer: Explorer, qtbot: QtBot) -> None:
    explorer.show(opening.of_preset(presets.load("cliff-with-a-rope")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    count = len(excerpt.events)
    assert count
    while explorer.controller.step_event(1):
        pass
    explorer.commands.actions["next_event"].trigger()
    assert explorer.window.statusBar().currentMessage() == f"This is the last event of {count}."
    explorer.document.look(position=len(explorer.document.tape) - 1)
    if excerpt.events[-1].position(explorer.document.tape.steps) < explorer.document.view.position:
        explorer.commands.actions["next_event"].trigger()
        assert "Shift+N goes back" in explorer.window.statusBar().currentMessage()
