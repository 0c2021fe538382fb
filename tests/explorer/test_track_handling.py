"""Tracks are selected, dragged, collapsed, resized, with the mouse and by key; the stage only says what is wanted."""

from __future__ import annotations

import dataclasses

import pytest
import synthetic
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tracks import OF_LAYER
from explorer.stage.geometry import STRIP, Slot, place_of_drop
from explorer.stage.margins import GRIP_WIDTH, HEADER_WIDTH
from explorer.stage.stage import Stage
from explorer.stage.unit_dialog import UnitDialog
from explorer.theme import current as theming

KEYS = ("network", "values.h", "grads.h", "norms")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 640)
    stage.set_tracks(KEYS)
    stage.set_excerpt(synthetic.excerpt("rnn", T=40, H=5))
    stage.set_position(60)
    stage.show()
    QApplication.processEvents()
    return stage


def slot(stage: Stage, key: str) -> Slot:
    return next(s for s in stage.canvas.slots if s.track.key == key)


def header(stage: Stage, key: str, share: float = 0.5) -> QPoint:
    found = slot(stage, key)
    return QPoint(70, round(found.top - stage.canvas.offset + share * found.height))


def move(stage: Stage, at: QPoint) -> None:
    point = QPointF(at)
    away = stage.canvas.viewport().mapToGlobal(at)
    event = QMouseEvent(QEvent.Type.MouseMove, point, QPointF(away), LEFT, LEFT, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(stage.canvas.viewport(), event)


def drag(stage: Stage, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, start)
    move(stage, (start + end) / 2)
    move(stage, end)


def picture(stage: Stage) -> QImage:
    QApplication.processEvents()
    return stage.canvas.viewport().grab().toImage()


def stacked(e: Excerpt) -> Excerpt:
    """The same layer three times: l0, l0_reverse and l1."""
    layer = e.of()
    layers = {
        name: dataclasses.replace(layer, name=name, reverse=name.endswith("_reverse"))
        for name in ("l0", "l0_reverse", "l1")
    }
    arrays = {f"{n}.{key.partition('.')[2]}": a for n in layers for key, a in e.arrays.items()}
    return dataclasses.replace(e, layers=layers, layer="l1", arrays=arrays)


# -- the selection ----------------------------------------------------------------------------------------------------


def test_a_click_on_a_header_selects_and_says_so(qtbot: QtBot, stage: Stage) -> None:
    before = picture(stage)
    with qtbot.waitSignal(stage.selectionChanged) as said:
        QTest.mouseClick(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, header(stage, "grads.h"))
    assert said.args == ["grads.h"]
    assert stage.accessibleDescription().startswith("Selected: Gradient ∂L/∂h, track 3 of 4")
    after = picture(stage)
    found = slot(stage, "grads.h")
    assert after.pixelColor(1, found.top + 30).name() == theming.current().accent
    assert before.pixelColor(1, found.top + 30).name() == theming.current().surface
    assert after.pixelColor(1, slot(stage, "values.h").top + 30).name() == theming.current().surface


def test_a_click_on_the_data_selects_nothing(stage: Stage) -> None:
    at = QPoint(HEADER_WIDTH + 80, header(stage, "grads.h").y())
    QTest.mouseClick(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    assert stage.handling.selected == ""


def test_up_and_down_go_through_the_tracks_and_stay_at_the_ends(stage: Stage) -> None:
    way = []
    for by in (1, 1, 1, 1, 1, -1):
        stage.handling.select_next(by)
        way.append(stage.handling.selected)
    assert way == ["network", "values.h", "grads.h", "norms", "norms", "grads.h"]
    stage.handling.select("")
    stage.handling.select_next(-1)
    assert stage.handling.selected == "norms"


@pytest.mark.parametrize(
    ("reason", "chosen"), [(Qt.FocusReason.TabFocusReason, "network"), (Qt.FocusReason.BacktabFocusReason, "norms")]
)
def test_who_comes_with_tab_has_a_track_selected(
    qtbot: QtBot, stage: Stage, reason: Qt.FocusReason, chosen: str
) -> None:
    stage.activateWindow()
    stage.clearFocus()
    stage.setFocus(reason)
    qtbot.waitUntil(stage.hasFocus)
    assert stage.handling.selected == chosen


def test_where_the_selected_track_goes_its_neighbour_is_selected(stage: Stage) -> None:
    stage.handling.select("grads.h")
    stage.set_tracks(("network", "values.h", "norms"))
    assert stage.handling.selected == "norms"
    stage.set_tracks(("network", "values.h"))
    assert stage.handling.selected == "values.h"
    stage.set_excerpt(None)
    assert stage.handling.selected == ""


def test_keys_without_a_selection_do_nothing(stage: Stage) -> None:
    hands = stage.handling
    done = [hands.move(1), hands.remove(), hands.collapse(), hands.grow(1), hands.table(), hands.menu()]
    assert done == [False] * 6
    assert stage.tracks() == KEYS


def test_a_selected_track_out_of_sight_is_scrolled_to(stage: Stage) -> None:
    stage.set_heights(dict.fromkeys(KEYS, 300))
    stage.handling.select("network", reveal=True)
    assert stage.canvas.offset == 0
    stage.handling.select("norms", reveal=True)
    found = slot(stage, "norms")
    assert found.top >= stage.canvas.offset
    assert found.bottom <= stage.canvas.offset + stage.canvas.viewport().height()


# -- to another place -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "over", "share", "place"),
    [("network", "grads.h", 0.2, 1), ("network", "grads.h", 0.8, 2), ("norms", "values.h", 0.2, 1)],
)
def test_a_track_is_dragged_by_its_header(
    qtbot: QtBot, stage: Stage, moved: str, over: str, share: float, place: int
) -> None:
    """`place` is counted without the track itself."""
    end = header(stage, over, share)
    drag(stage, header(stage, moved), end)
    assert stage.canvas.drop is not None
    assert stage.canvas.viewport().cursor().shape() == Qt.CursorShape.ClosedHandCursor
    with qtbot.waitSignal(stage.moveTrackRequested) as said:
        QTest.mouseRelease(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, end)
    assert said.args == [moved, place]
    assert stage.canvas.drop is None
    assert stage.tracks() == KEYS


def test_a_line_shows_where_a_dragged_track_would_land(stage: Stage) -> None:
    end = header(stage, "grads.h", 0.2)
    drag(stage, header(stage, "norms"), end)
    line = picture(stage).pixelColor(400, slot(stage, "grads.h").top - 1)
    assert line.name() == theming.current().accent
    QTest.mouseRelease(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, end)
    assert picture(stage).pixelColor(400, slot(stage, "grads.h").top - 1).name() != theming.current().accent


def test_a_track_let_go_where_it_was_stays(qtbot: QtBot, stage: Stage) -> None:
    for share in (0.2, 0.9):
        end = header(stage, "values.h", share)
        with qtbot.assertNotEmitted(stage.moveTrackRequested):
            drag(stage, header(stage, "values.h"), end)
            QTest.mouseRelease(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, end)


def test_escape_lets_a_dragged_track_be(qtbot: QtBot, stage: Stage) -> None:
    end = header(stage, "norms")
    with qtbot.assertNotEmitted(stage.moveTrackRequested):
        drag(stage, header(stage, "network"), end)
        QTest.keyClick(stage, Qt.Key.Key_Escape)
        assert stage.canvas.drop is None
        QTest.mouseRelease(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, end)


def test_near_the_end_the_tracks_scroll_under_a_dragged_one(qtbot: QtBot, stage: Stage) -> None:
    stage.set_heights(dict.fromkeys(KEYS, 300))
    bottom = stage.canvas.viewport().height() - 4
    drag(stage, header(stage, "network"), QPoint(70, bottom))
    bar = stage.canvas.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() == bar.maximum(), timeout=4000)
    assert stage.canvas.drop == 4
    QTest.keyClick(stage, Qt.Key.Key_Escape)
    assert not stage._gestures._reorder._scrolling.isActive()


def test_a_place_begins_at_a_tracks_middle(stage: Stage) -> None:
    slots = stage.canvas.slots
    middles = [s.top + s.height / 2 for s in slots]
    assert [place_of_drop(slots, int(m) - 2) for m in middles] == [0, 1, 2, 3]
    assert [place_of_drop(slots, int(m) + 2) for m in middles] == [1, 2, 3, 4]


def test_the_cursor_says_what_can_be_taken(stage: Stage) -> None:
    view = stage.canvas.viewport()
    top = slot(stage, "values.h").top
    for at, shape in (
        (header(stage, "values.h"), Qt.CursorShape.OpenHandCursor),
        (QPoint(GRIP_WIDTH, top + 12), Qt.CursorShape.PointingHandCursor),
        (QPoint(70, slot(stage, "values.h").bottom), Qt.CursorShape.SplitVCursor),
        (QPoint(HEADER_WIDTH + 50, top + 40), Qt.CursorShape.ArrowCursor),
    ):
        QTest.mouseMove(view, at)
        assert view.cursor().shape() == shape


# -- as a strip -------------------------------------------------------------------------------------------------------


def test_the_chevron_collapses_and_expands(qtbot: QtBot, stage: Stage) -> None:
    at = QPoint(GRIP_WIDTH, slot(stage, "grads.h").top + 12)
    before = slot(stage, "grads.h").height
    with qtbot.waitSignal(stage.collapsedChanged) as said:
        QTest.mouseClick(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    assert said.args == [("grads.h",)]
    assert slot(stage, "grads.h").height == STRIP
    assert stage.handling.selected == ""
    at = QPoint(GRIP_WIDTH, slot(stage, "grads.h").top + 12)
    with qtbot.waitSignal(stage.collapsedChanged) as said:
        QTest.mouseClick(stage.canvas.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    assert said.args == [()]
    assert slot(stage, "grads.h").height == before


def test_a_strip_keeps_its_height_for_later_and_cannot_be_resized(stage: Stage) -> None:
    stage.set_heights({"values.h": 170})
    stage.set_collapsed(("values.h",))
    assert slot(stage, "values.h").height == STRIP
    assert stage.canvas.edge_at(slot(stage, "values.h").bottom) is None
    stage.set_collapsed(())
    assert slot(stage, "values.h").height == 170


def test_a_strip_says_the_value_at_the_playhead(stage: Stage) -> None:
    excerpt = stage.excerpt
    assert excerpt is not None
    curve, heat = slot(stage, "norms").track, slot(stage, "grads.h").track
    now = stage.canvas.now
    assert now is not None
    t = now.step
    norm = float((excerpt.arrays["l0.grads.h"][t - 1].astype(float) ** 2).sum() ** 0.5)
    said = heat.at_playhead(now)  # type: ignore[attr-defined]
    assert float(said.removeprefix("norm ")) == pytest.approx(norm, rel=5e-3)
    assert curve.at_playhead(now).startswith("‖∂L/∂h‖ = ")  # type: ignore[attr-defined]
    stage.set_position(3)
    assert stage.canvas.now is not None
    assert heat.at_playhead(stage.canvas.now) == ""  # type: ignore[attr-defined]


def test_stepping_over_strips_leaves_the_same_picture_as_painting_everything_anew(stage: Stage) -> None:
    stage.set_collapsed(KEYS[1:])
    stage.handling.select("norms")
    for position in (0, 39, 40, 41, 55, 54, 80, 82, 20):
        stage.set_position(position)
        QApplication.processEvents()
    view = stage.canvas.viewport()
    stepped = view.screen().grabWindow(stage.winId()).toImage()
    view.repaint()
    stage.repaint()
    assert view.screen().grabWindow(stage.winId()).toImage() == stepped


def test_scrolling_leaves_the_same_picture_as_painting_everything_anew(stage: Stage) -> None:
    stage.set_heights(dict.fromkeys(KEYS, 260))
    QApplication.processEvents()
    bar = stage.canvas.verticalScrollBar()
    for value in (17, 180, 90, bar.maximum(), 250):
        bar.setValue(value)
        QApplication.processEvents()
    scrolled = stage.screen().grabWindow(stage.winId()).toImage()
    stage.canvas.viewport().repaint()
    stage.repaint()
    assert stage.screen().grabWindow(stage.winId()).toImage() == scrolled


def test_only_tracks_on_screen_are_drawn(stage: Stage) -> None:
    drawn = []
    stage.set_heights(dict.fromkeys(KEYS, 500))
    for one in stage.canvas.slots:
        real, key = one.track.prepare, one.track.key
        one.track.prepare = lambda view, height, real=real, key=key: (drawn.append(key), real(view, height))  # type: ignore[method-assign]
    picture(stage)
    assert set(drawn) == {"network", "values.h"}


def test_height_by_key_is_kept_within_its_limits(qtbot: QtBot, stage: Stage) -> None:
    stage.handling.select("values.h")
    before = slot(stage, "values.h").height
    with qtbot.waitSignal(stage.heightsChanged) as said:
        stage.handling.grow(1)
    assert said.args == [{"values.h": before + 24}]
    for _ in range(40):
        stage.handling.grow(-1)
    assert slot(stage, "values.h").height == 40


# -- menus ------------------------------------------------------------------------------------------------------------


def entries(menu: QMenu) -> list[str]:
    return [a.text() for a in menu.actions() if not a.isSeparator()]


def test_a_track_is_duplicated_for_another_layer_that_has_it(qtbot: QtBot, stage: Stage) -> None:
    stage.set_tracks(("values.h", "l0.values.h"))
    stage.set_excerpt(stacked(synthetic.excerpt("rnn", T=20, H=5)))
    menu = stage.handling.duplicate_menu("values.h", stage)
    assert entries(menu) == ["Layer 1 · RNN ←", "&One unit…"]  # layer 2 is this one, layer 1 is shown
    with qtbot.waitSignal(stage.duplicateRequested) as said:
        menu.actions()[0].trigger()
    assert said.args == ["values.h", "l0_reverse.values.h"]
    menu.deleteLater()


def test_a_track_is_duplicated_for_one_unit(qtbot: QtBot, stage: Stage) -> None:
    menu = stage.handling.duplicate_menu("grads.h", stage)
    next(a for a in menu.actions() if "unit" in a.text()).trigger()
    dialog = stage.findChild(UnitDialog)
    assert dialog is not None
    assert (dialog.field.minimum(), dialog.field.maximum()) == (0, 4)
    dialog.field.setValue(3)
    with qtbot.waitSignal(stage.duplicateRequested) as said:
        dialog.accept()
    assert said.args == ["grads.h", "grads.h?unit=3"]
    menu.deleteLater()


@pytest.mark.parametrize(("unit", "beside"), [(2, 3), (4, 3)])
def test_a_track_of_one_unit_is_duplicated_for_another(qtbot: QtBot, stage: Stage, unit: int, beside: int) -> None:
    key = f"grads.h?unit={unit}"
    stage.set_tracks((key,))
    stage.set_excerpt(synthetic.excerpt("rnn", T=20, H=5))
    menu = stage.handling.duplicate_menu(key, stage)
    assert entries(menu) == ["Another &unit…"]
    menu.actions()[-1].trigger()
    dialog = stage.findChild(UnitDialog)
    assert dialog is not None
    assert dialog.field.value() == beside
    dialog.field.setValue(1)
    with qtbot.waitSignal(stage.duplicateRequested) as said:
        dialog.accept()
    assert said.args == [key, "grads.h?unit=1"]
    menu.deleteLater()


def test_of_a_layer_with_one_unit_there_is_no_other(stage: Stage) -> None:
    stage.set_tracks(("grads.h?unit=0",))
    stage.set_excerpt(synthetic.excerpt("rnn", T=20, H=1))
    menu = stage.handling.duplicate_menu("grads.h?unit=0", stage)
    assert entries(menu) == ["No other layer has this"]
    menu.deleteLater()


def test_what_belongs_to_the_whole_network_has_no_other_layer(stage: Stage) -> None:
    menu = stage.handling.duplicate_menu("norms", stage)
    assert entries(menu) == ["It is of the whole network"]
    assert not menu.actions()[0].isEnabled()
    menu.deleteLater()


@pytest.mark.parametrize("what", OF_LAYER)
def test_what_each_layer_has_is_duplicated_for_the_others(qtbot: QtBot, stage: Stage, what: str) -> None:
    """Written without a layer it is of the one that the read-out reads, as a quantity is."""
    stage.set_tracks((what, f"l0.{what}"))
    stage.set_excerpt(stacked(synthetic.excerpt("rnn", T=20, H=5)))
    menu = stage.handling.duplicate_menu(what, stage)
    assert entries(menu) == ["Layer 1 · RNN ←"]
    with qtbot.waitSignal(stage.duplicateRequested) as said:
        menu.actions()[0].trigger()
    assert said.args == [what, f"l0_reverse.{what}"]
    menu.deleteLater()
    stage.set_tracks((what, f"l0.{what}", f"l0_reverse.{what}"))
    menu = stage.handling.duplicate_menu(what, stage)
    assert entries(menu) == ["Every layer that has this is shown"]
    menu.deleteLater()


def test_the_only_layer_says_that_no_other_has_it(stage: Stage) -> None:
    menu = stage.handling.duplicate_menu("routes", stage)
    assert entries(menu) == ["No other layer has this"]
    menu.deleteLater()


def test_the_context_menu_selects_and_has_everything(stage: Stage) -> None:
    menu = stage.track_menu.of("grads.h")
    said = entries(menu)
    assert {"Show as a &table", "&Collapse", "Move &up", "&Remove", "Default &height"} <= set(said)
    mnemonics = [t[t.index("&") + 1].lower() for t in said if "&" in t]
    assert len(mnemonics) == len(set(mnemonics))
    menu.close()


# -- time -------------------------------------------------------------------------------------------------------------


def test_panning_moves_by_a_share_of_what_is_on_screen(stage: Stage) -> None:
    stage.time_range.set(11, 20)
    stage.time_range.pan(0.25)
    assert stage.time_range.shown == (13, 22)
    stage.time_range.pan(-0.5)
    assert stage.time_range.shown == (8, 17)
    stage.time_range.pan(-9)
    assert stage.time_range.shown == (1, 10)
