"""Zooming, panning, clicking and resizing: what is under the pointer stays there, and only signals go out."""

from __future__ import annotations

from itertools import pairwise

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.stage import timespan
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.stage import Stage
from explorer.stage.ticks import ticks
from explorer.theme import current as theming


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 700)
    stage.set_tracks(("network", "values.h", "grads.h", "norms"))
    stage.set_excerpt(synthetic.excerpt("rnn", T=400, H=6))
    stage.set_position(200)
    stage.show()
    QApplication.processEvents()
    return stage


def _wheel(stage: Stage, at: QPoint, notches: int) -> None:
    viewport = stage.canvas.viewport()
    event = QWheelEvent(
        QPointF(at),
        QPointF(viewport.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, event)


def _under(stage: Stage, at: QPoint) -> int:
    assert stage.canvas.view is not None
    return stage.canvas.view.step_at(at.x() - HEADER_WIDTH)


@pytest.mark.parametrize("x", [140, 300, 471, 700, 790])
def test_the_wheel_zooms_at_the_pointer(stage: Stage, x: int) -> None:
    at = QPoint(x, 300)
    step = _under(stage, at)
    first, last = stage.time_range.shown
    for _ in range(12):
        _wheel(stage, at, 1)
        assert _under(stage, at) == step
    assert stage.time_range.shown[1] - stage.time_range.shown[0] < (last - first) / 8
    for _ in range(30):
        _wheel(stage, at, -1)
    assert stage.time_range.shown == (1, 400)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([0.5, 0.8, 1.25, 4.0]))
def test_zooming_shows_fewer_or_more_steps_within_the_tape(steps: int, count: int, factor: float) -> None:
    count = min(count, steps)
    new = timespan.zoomed((1, count), steps, factor)
    assert min(timespan.FEWEST, steps) <= new <= steps
    assert new >= count if factor < 1 or count <= timespan.FEWEST else new < count


@given(st.integers(-50, 3000), st.integers(1, 3000), st.integers(1, 500))
def test_a_range_is_moved_into_the_tape_and_cut_only_where_it_must_be(first: int, count: int, steps: int) -> None:
    a, b = timespan.clamped((first, first + count - 1), steps)
    assert 1 <= a <= b <= steps
    assert b - a + 1 == min(count, steps)


def test_the_wheel_over_the_headers_does_not_zoom(stage: Stage) -> None:
    _wheel(stage, QPoint(40, 300), 3)
    assert stage.time_range.shown == (1, 400)


def test_a_drag_pans_a_zoomed_view_and_picks_nothing(qtbot: QtBot, stage: Stage) -> None:
    stage.time_range.set(101, 200)
    picked: list[int] = []
    stage.stepPicked.connect(picked.append)
    viewport = stage.canvas.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=QPoint(500, 300))
    QTest.mouseMove(viewport, QPoint(460, 300))
    QTest.mouseMove(viewport, QPoint(400, 300))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=QPoint(400, 300))
    assert stage.canvas.view is not None
    assert stage.time_range.shown[0] == 101 + round(100 / stage.canvas.view.pitch)
    assert stage.time_range.shown[1] - stage.time_range.shown[0] == 99
    assert not picked


def test_a_double_click_shows_all_steps(qtbot: QtBot, stage: Stage) -> None:
    stage.time_range.set(101, 200)
    with qtbot.waitSignal(stage.time_range.changed) as said:
        QTest.mouseDClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(500, 300))
    assert said.args == [1, 400]


def test_a_click_picks_the_step_under_the_pointer(qtbot: QtBot, stage: Stage) -> None:
    assert stage.canvas.view is not None
    stage.time_range.set(1, 40)
    at = QPoint(HEADER_WIDTH + int(stage.canvas.view.centre(13)), 300)
    with qtbot.waitSignal(stage.stepPicked) as said:
        QTest.mouseClick(stage.canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert said.args == [13]


def test_shift_and_click_picks_the_unit_too(qtbot: QtBot, stage: Stage) -> None:
    slot = stage.canvas.slots[1]
    y = slot.top + int((4 + 0.5) * (slot.height - 1) / 6)
    with qtbot.waitSignal(stage.unitPicked) as said:
        viewport, shift = stage.canvas.viewport(), Qt.KeyboardModifier.ShiftModifier
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, shift, QPoint(HEADER_WIDTH + 30, y))
    assert said.args == [4]


def test_a_tracks_lower_edge_can_be_dragged(qtbot: QtBot, stage: Stage) -> None:
    slot = stage.canvas.slots[1]
    viewport = stage.canvas.viewport()
    with qtbot.waitSignal(stage.heightsChanged) as said:
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=QPoint(300, slot.bottom))
        QTest.mouseMove(viewport, QPoint(300, slot.bottom + 20))
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=QPoint(300, slot.bottom + 20))
    assert said.args == [{"values.h": slot.height + 20}]


def test_a_time_range_that_was_set_before_the_trace_is_kept(qtbot: QtBot) -> None:
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(700, 400)
    stage.set_tracks(("values.h",))
    said: list[tuple[int, int]] = []
    stage.time_range.changed.connect(lambda first, last: said.append((first, last)))
    stage.time_range.set(11, 30)
    stage.set_excerpt(synthetic.excerpt("rnn", T=50))
    assert stage.time_range.shown == (11, 30)
    stage.set_excerpt(synthetic.excerpt("rnn", T=20))
    assert stage.time_range.shown == (1, 20)
    stage.set_excerpt(None)
    stage.set_excerpt(synthetic.excerpt("rnn", T=50))
    assert stage.time_range.shown == (1, 50)
    assert not said, "only people change the range"


@pytest.mark.parametrize(
    ("first", "last", "pitch"),
    [(1, 5, 130), (1, 50, 13.3), (1, 1000, 0.66), (1, 10_000, 0.06), (37, 61, 26), (1, 1, 600)],
)
def test_numbers_on_the_axis_are_round_and_do_not_touch(first: int, last: int, pitch: float) -> None:
    found = ticks(first, last, pitch, 40)
    assert found
    assert all(first <= t <= last for t in found)
    assert all((b - a) * pitch >= 40 for a, b in pairwise(found))
