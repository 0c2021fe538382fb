"""Protects the dock's fields: any usual way to type a number, refusals at the field, no change by accident."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from explorer.dock.fields import ChoiceField, NumberField, Segments, by, plain, times
from explorer.dock.rows import FieldRow, RowPair
from explorer.dock.slider import DragSlider
from explorer.dock.task_field import TaskField
from explorer.theme import current as theming
from explorer.widgets.stepper import Stepper


@pytest.fixture
def desk(qtbot: QtBot) -> QWidget:
    """A shown parent, so that fields can have and lose the focus."""
    theming.apply("dark")
    made = QWidget()
    QVBoxLayout(made)
    qtbot.addWidget(made)
    made.resize(300, 400)
    return made


def shown(desk: QWidget, qtbot: QtBot, *widgets: QWidget) -> None:
    layout = desk.layout()
    assert layout is not None
    for widget in widgets:
        layout.addWidget(widget)
    desk.show()
    qtbot.waitExposed(desk)
    desk.activateWindow()
    qtbot.waitUntil(desk.isActiveWindow)


def typed(qtbot: QtBot, field: NumberField, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    if text.isascii():
        qtbot.keyClicks(field, text)
    else:
        field.insert(text)  # as by pasting: QtTest types ASCII only
    qtbot.keyClick(field, Qt.Key.Key_Return)


def wheel(widget: QWidget, notches: int) -> bool:
    """Whether the widget took it; what it did not take scrolls the area around it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        widget.mapToGlobal(middle),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("0,5", 0.5), ("−2", -2.0), (" 7 ", 7.0), ("× 1.5", 1.5), ("+3", 3.0)]
)
def test_numbers_are_taken_as_people_type_them(desk: QWidget, qtbot: QtBot, text: str, value: float) -> None:
    field = NumberField("x")
    field.set_value(99.0)
    shown(desk, qtbot, field)
    found: list[object] = []
    field.edited.connect(found.append)
    typed(qtbot, field, text)
    assert found == [value]
    assert field.text() == plain(value)


def test_what_is_no_number_is_refused_and_escape_takes_it_back(desk: QWidget, qtbot: QtBot) -> None:
    field = NumberField("x")
    field.set_value(0.1)
    shown(desk, qtbot, field)
    edits: list[object] = []
    refusals: list[str] = []
    field.edited.connect(edits.append)
    field.refused.connect(refusals.append)
    typed(qtbot, field, "abc")
    field.set_invalid(True)
    field.set_value(0.1)  # told the same state again: what was typed stays, to be mended
    assert field.text() == "abc"
    assert refusals == ["'abc' is not a number."]
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == "0.1"
    assert not field.is_invalid()
    assert edits == []


def test_a_whole_number_is_whole(desk: QWidget, qtbot: QtBot) -> None:
    field = NumberField("x", whole=True)
    field.set_value(3)
    shown(desk, qtbot, field)
    found: list[object] = []
    refusals: list[str] = []
    field.edited.connect(found.append)
    field.refused.connect(refusals.append)
    typed(qtbot, field, "2.5")
    typed(qtbot, field, "inf")
    typed(qtbot, field, "1e2")
    assert refusals == ["2.5 is not a whole number.", "inf is not a whole number."]
    assert found == [100]
    assert isinstance(found[0], int)


def test_an_empty_field_means_none_where_that_is_allowed(desk: QWidget, qtbot: QtBot) -> None:
    optional, needed = NumberField("x", empty="off"), NumberField("y")
    optional.set_value(1.0)
    needed.set_value(1.0)
    shown(desk, qtbot, optional, needed)
    found: list[object] = []
    refusals: list[str] = []
    optional.edited.connect(found.append)
    needed.refused.connect(refusals.append)
    typed(qtbot, optional, "")
    typed(qtbot, needed, "")
    assert found == [None]
    assert refusals == ["A number is needed here."]


def test_leaving_without_a_change_emits_nothing_and_leaving_after_one_does(desk: QWidget, qtbot: QtBot) -> None:
    field, other = NumberField("x"), NumberField("y")
    field.set_value(1.0)
    shown(desk, qtbot, field, other)
    found: list[object] = []
    field.edited.connect(found.append)
    field.setFocus()
    other.setFocus()
    assert found == []
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "2")
    other.setFocus()
    assert found == [2.0]


def test_a_change_from_elsewhere_replaces_what_was_refused(desk: QWidget) -> None:
    field = NumberField("x")
    field.set_value(1.0)
    field.setText("abc")
    field.set_invalid(True)
    field.set_value(2.0)
    assert field.text() == "2"
    assert not field.is_invalid()


def test_up_and_down_step(desk: QWidget, qtbot: QtBot) -> None:
    units, rate = NumberField("x", whole=True, step=by(1, 1)), NumberField("y", step=times)
    units.set_value(2)
    rate.set_value(0.1)
    shown(desk, qtbot, units, rate)
    found: list[object] = []
    units.edited.connect(found.append)
    rate.edited.connect(found.append)
    for _ in range(3):
        qtbot.keyClick(units, Qt.Key.Key_Down)
    qtbot.keyClick(rate, Qt.Key.Key_Up)
    assert found == [1, 0.13]  # not below 1; 0.1·10^(1/10) = 0.1259


def test_steps_leave_no_dust() -> None:
    value = 0.0
    for _ in range(100):
        value = by(0.01)(value, 1)
    assert value == 1.0


@pytest.mark.parametrize("focus", [False, True])
def test_the_wheel_over_a_field_edits_nothing_with_the_focus_or_without(
    desk: QWidget, qtbot: QtBot, focus: bool
) -> None:
    """The field that has the focus comes below the pointer while the dock is scrolled: it must not take the wheel."""
    fields = NumberField("x", step=by(1)), ChoiceField("y", [("a", "A"), ("b", "B")]), TaskField()
    number, choice, task = fields
    slider, stepper, last = DragSlider("z", 0, 100, 10, 0), Stepper("s"), NumberField("last")
    number.set_value(1.0)
    choice.set_value("a")
    task.set_value("adding")
    stepper.set_value(2, 0, 9)
    shown(desk, qtbot, *fields, slider, stepper, last)
    found: list[object] = []
    for signal in (number.edited, choice.edited, task.edited, slider.dragged, slider.released, stepper.picked):
        signal.connect(found.append)
    for widget in (number, choice, task, slider, stepper.field):
        (widget if focus else last).setFocus()
        assert not wheel(widget, -1), widget  # what a field leaves alone scrolls what it stands in
        assert not wheel(widget, 1), widget
    last.setFocus()
    assert found == []
    assert (number.value(), choice.value(), task.value(), stepper.value()) == (1.0, "a", "adding", 2)


def test_segments_choose_with_one_click_and_are_set_without_a_signal(desk: QWidget, qtbot: QtBot) -> None:
    field = Segments("Cell", [("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
    shown(desk, qtbot, field)
    found: list[object] = []
    field.edited.connect(found.append)
    field.set_value("rnn")
    qtbot.mouseClick(field.button("lstm"), Qt.MouseButton.LeftButton)
    qtbot.mouseClick(field.button("lstm"), Qt.MouseButton.LeftButton)
    assert found == ["lstm"]
    assert field.button("lstm").isChecked()
    field.set_value(None)
    assert not any(field.button(value).isChecked() for value in ("rnn", "lstm", "gru"))


def test_a_choice_is_set_without_a_signal_and_emits_when_it_is_chosen(desk: QWidget, qtbot: QtBot) -> None:
    field = ChoiceField("Device", [("auto", "auto"), ("cpu", "CPU")])
    shown(desk, qtbot, field)
    found: list[object] = []
    field.edited.connect(found.append)
    field.set_value("cpu")
    field.set_value("auto")
    assert found == []
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert found == ["cpu"]


def test_a_stepper_emits_only_what_a_person_picked(desk: QWidget, qtbot: QtBot) -> None:
    stepper = Stepper("Sample")
    stepper.set_words("", " of 16")
    shown(desk, qtbot, stepper)
    found: list[int] = []
    stepper.picked.connect(found.append)
    stepper.set_value(3, 1, 16)
    assert stepper.field.text() == "3 of 16"
    assert found == []
    qtbot.mouseClick(stepper.up, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(stepper.down, Qt.MouseButton.LeftButton)
    stepper.field.setFocus()
    stepper.field.selectAll()
    qtbot.keyClicks(stepper.field, "12")
    assert found == [4, 3]
    qtbot.keyClick(stepper.field, Qt.Key.Key_Return)
    assert found == [4, 3, 12]


def test_dragging_a_slider_is_live_and_commits_once(desk: QWidget, qtbot: QtBot) -> None:
    slider = DragSlider("x", 0, 300, 10, 100)
    slider.set_position(100)
    shown(desk, qtbot, slider)
    live: list[int] = []
    done: list[int] = []
    slider.dragged.connect(live.append)
    slider.released.connect(done.append)
    start = QPoint(round(slider._x_of(100)), 10)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    assert live == []  # taking the handle moves nothing
    for x in range(start.x(), start.x() + 50, 5):
        qtbot.mouseMove(slider, QPoint(x, 10))
    slider.set_position(0)  # the document's echo does not pull the handle away
    assert slider.value() == live[-1]
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(start.x() + 45, 10))
    assert live == sorted(set(live))
    assert done == [live[-1]]


def test_a_press_beside_the_handle_takes_it_there(desk: QWidget, qtbot: QtBot) -> None:
    slider = DragSlider("x", 0, 300, 10, 100)
    shown(desk, qtbot, slider)
    done: list[int] = []
    slider.released.connect(done.append)
    qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(round(slider._x_of(200)), 10))
    assert done == [slider.value()]
    assert abs(slider.value() - 200) <= 1


def test_keys_move_a_slider_live_and_commit_when_they_are_let_go(desk: QWidget, qtbot: QtBot) -> None:
    slider = DragSlider("x", 0, 300, 10, 100)
    slider.set_position(100)
    shown(desk, qtbot, slider)
    live: list[int] = []
    done: list[int] = []
    slider.dragged.connect(live.append)
    slider.released.connect(done.append)
    for _ in range(3):
        qtbot.keyPress(slider, Qt.Key.Key_Right)
    assert done == []
    qtbot.keyRelease(slider, Qt.Key.Key_Right)
    assert live == [101, 102, 103]
    assert done == [103]


def test_a_double_click_on_a_slider_asks_for_the_default(desk: QWidget, qtbot: QtBot) -> None:
    slider = DragSlider("x", 0, 300, 10, 100)
    shown(desk, qtbot, slider)
    asked: list[bool] = []
    slider.resetRequested.connect(lambda: asked.append(True))
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton)
    assert asked == [True]


def test_what_is_wrong_with_either_of_a_pair_stands_below_both_the_left_ones_first(desk: QWidget, qtbot: QtBot) -> None:
    """Whichever is said first: a row has no sentence before it needs one."""
    left, right = FieldRow("a", "a", NumberField("A")), FieldRow("b", "b", NumberField("B"))
    shown(desk, qtbot, RowPair(left, right))
    right.show_error("B is wrong.")
    left.show_error("A is wrong.")
    qtbot.waitUntil(lambda: left.height() <= left.error.y() < right.error.y(), timeout=2000)
    assert (left.error.isVisible(), right.error.isVisible()) == (True, True)
    assert (left.error.x(), right.error.x()) == (0, 0), "as wide as the pair"
