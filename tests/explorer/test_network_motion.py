"""The pulse between two steps: only while the tape plays slowly, and never a trace of it at rest."""

from __future__ import annotations

import pytest
import synthetic_stack
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.stage.pulse import FASTEST, Pulse
from explorer.stage.stage import Stage
from explorer.theme import current as theming

T = 20


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage, before_close_func=lambda _, kept=stage: None)
    stage.resize(1000, 420)
    stage.set_tracks(("network", "values.h"))
    stage.set_excerpt(synthetic_stack.stack((("lstm", True), ("gru", False)), T=T, loss_at="every"))
    stage.set_position(5)
    stage.show()
    QApplication.processEvents()
    return stage


def screen(stage: Stage) -> QImage:
    """What partial repaints have left on the screen."""
    QApplication.processEvents()
    return stage.screen().grabWindow(stage.winId()).toImage()


def running(stage: Stage) -> list[QTimer]:
    return [timer for timer in stage.findChildren(QTimer) if timer.isActive()]


def at_rest(stage: Stage, position: int) -> QImage:
    stage.set_motion(0.0)
    stage.set_position(position)
    stage.canvas.viewport().update()
    return screen(stage)


@pytest.mark.parametrize("position", [9, T + 8])
def test_a_pulse_is_on_its_way_and_leaves_the_same_picture(qtbot: QtBot, stage: Stage, position: int) -> None:
    expected = at_rest(stage, position)
    stage.set_position(position - 1)
    screen(stage)
    stage.set_motion(2.0)
    stage.set_position(position)
    assert stage.canvas.pulse.running
    share = stage.canvas.pulse.share
    assert share is not None
    assert 0 <= share < 1
    assert screen(stage) != expected, "something moves"
    qtbot.waitUntil(lambda: not stage.canvas.pulse.running, timeout=3000)
    assert screen(stage) == expected
    assert not running(stage)


@pytest.mark.parametrize("speed", [0.0, FASTEST + 0.5, 60.0])
def test_nothing_moves_at_rest_or_where_steps_follow_too_fast(stage: Stage, speed: float) -> None:
    stage.set_motion(speed)
    for position in (6, 7, T + 5, T + 6):
        stage.set_position(position)
        assert not stage.canvas.pulse.running
        assert not running(stage)


def test_only_a_step_to_the_next_moment_moves_anything(stage: Stage) -> None:
    stage.set_motion(4.0)
    for position in (12, 3, 2, T + 10, len_of_tape() - 1):
        stage.set_position(position)
        assert not stage.canvas.pulse.running, position


def len_of_tape() -> int:
    return 2 * T + 3


def test_pausing_stops_it_at_once(stage: Stage) -> None:
    expected = at_rest(stage, 9)
    stage.set_position(8)
    stage.set_motion(1.0)
    stage.set_position(9)
    assert running(stage)
    stage.set_motion(0.0)
    assert not running(stage)
    assert stage.canvas.pulse.share is None
    assert screen(stage) == expected


def test_no_track_moves_no_timer(stage: Stage) -> None:
    stage.set_tracks(("values.h",))
    stage.set_motion(4.0)
    stage.set_position(6)
    assert not running(stage)


def test_cells_too_narrow_for_it_have_none(qtbot: QtBot, stage: Stage) -> None:
    stage.set_excerpt(synthetic_stack.stack((("gru", False),), T=900))
    stage.set_position(100)
    screen(stage)
    stage.set_motion(4.0)
    stage.set_position(101)
    assert not running(stage)


def test_a_pulse_takes_less_than_a_step(qtbot: QtBot) -> None:
    from PySide6.QtCore import QObject

    owner = QObject()
    pulse = Pulse(owner)
    for speed in (1.0, 4.0, FASTEST):
        pulse.set_speed(speed)
        assert 0 < pulse._length < 1000 / speed
