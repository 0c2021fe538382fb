"""Protects the transport: buttons ask, setters only show, and it holds together from 700 to 3000 pixels."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from engine.tape import Tape
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName
from explorer.transport.bar import TransportBar


@pytest.fixture
def bar(qtbot: QtBot) -> TransportBar:
    theming.apply("dark")
    made = TransportBar()
    qtbot.addWidget(made)
    made.resize(1280, made.height())
    made.show()
    qtbot.waitExposed(made)
    made.set_tape(Tape(50))
    made.set_position(20)
    return made


def said(bar: TransportBar) -> list[tuple[object, ...]]:
    """Everything that the bar asks for, in order."""
    found: list[tuple[object, ...]] = []
    bar.positionPicked.connect(lambda p: found.append(("position", p)))
    bar.stepRequested.connect(lambda n: found.append(("step", n)))
    bar.toStart.connect(lambda: found.append(("start",)))
    bar.toEnd.connect(lambda: found.append(("end",)))
    bar.playToggled.connect(lambda: found.append(("play",)))
    bar.speedChanged.connect(lambda s: found.append(("speed", s)))
    bar.iterationPicked.connect(lambda i: found.append(("iteration", i)))
    return found


def test_each_button_asks_for_its_own_thing(bar: TransportBar, qtbot: QtBot) -> None:
    found = said(bar)
    for button in (bar.start_button, bar.back_button, bar.play_button, bar.forward_button, bar.end_button):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert found == [("start",), ("step", -1), ("play",), ("step", 1), ("end",)]


def test_setters_emit_nothing(bar: TransportBar) -> None:
    found = said(bar)
    bar.set_tape(Tape(10))
    bar.set_position(5)
    bar.set_playing(True)
    bar.set_events(())
    bar.set_iteration(3, 7)
    bar.set_speed(30)
    assert found == []


def test_scrubbing_asks_for_the_position_and_the_words_follow(bar: TransportBar, qtbot: QtBot) -> None:
    found = said(bar)
    qtbot.keyClick(bar.scrubber, Qt.Key.Key_End)
    assert found == [("position", 102)]
    assert bar.where.first_line() == "Update"


def test_the_iteration_goes_from_0_to_the_furthest_known(bar: TransportBar, qtbot: QtBot) -> None:
    bar.set_iteration(3, 4)
    found = said(bar)
    assert bar.iteration.field.text() == "Iteration 3"
    qtbot.mouseClick(bar.iteration.up, Qt.MouseButton.LeftButton)
    assert not bar.iteration.up.isEnabled()
    qtbot.keyClick(bar.iteration.field, Qt.Key.Key_Up)
    qtbot.keyClick(bar.iteration.field, Qt.Key.Key_Down)
    assert found == [("iteration", 4), ("iteration", 3)]


def test_the_furthest_iteration_is_never_behind_the_current_one(bar: TransportBar) -> None:
    bar.set_iteration(9, 4)
    assert bar.iteration.value() == 9


def test_the_speed_can_be_chosen_slid_and_is_kept_in_its_range(bar: TransportBar) -> None:
    found = said(bar)
    bar.speed.slider.setValue(45)
    menu = bar.speed.menu()
    next(action for action in menu.actions() if action.data() == 5).trigger()
    assert found == [("speed", 45.0), ("speed", 5.0)]
    bar.set_speed(1000)
    assert bar.speed.speed() == 60
    assert bar.speed.text() == "60 / s"


def test_play_turns_into_pause(bar: TransportBar) -> None:
    width = bar.play_button.width()
    bar.set_playing(True)
    assert bar.play_button.accessibleName() == "Pause"
    assert bar.play_button.text() == "Pause"
    assert bar.play_button.width() == width
    bar.set_playing(False)
    assert bar.play_button.accessibleName() == "Play"


def test_at_the_end_the_buttons_say_what_they_will_do(bar: TransportBar) -> None:
    """Going on from the end trains the network: nobody should be taken there unawares."""
    bar.set_iteration(4, 9)
    bar.set_at_end("stop", True)
    assert bar.play_button.toolTip() == "Play (Space): to the end of the tape"
    bar.set_position(102)
    assert bar.play_button.text() == "Again"
    assert "this iteration again" in bar.play_button.toolTip()
    assert "iteration 5" in bar.forward_button.toolTip()
    bar.set_at_end("next", True)
    assert bar.play_button.text() == "Next"
    assert "iteration 5" in bar.play_button.accessibleName()
    bar.set_at_end("next", False)  # a recorded trace has no next iteration
    assert bar.play_button.text() == "Again"
    assert "iteration" not in bar.forward_button.toolTip()
    bar.set_position(101)
    assert bar.play_button.text() == "Play"


def test_what_playing_does_at_the_end_is_chosen_beside_the_speed(bar: TransportBar, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bar.atEndPicked) as picked:
        next(action for action in bar.speed.menu().actions() if action.data() == "repeat").trigger()
    assert picked.args == ["repeat"]


def test_nothing_moves_while_the_tape_plays(bar: TransportBar, qtbot: QtBot) -> None:
    parts = [bar.scrubber, bar.where, bar.iteration, bar.play_button]
    qtbot.wait(1)
    before = [part.geometry() for part in parts]
    for position in range(len(Tape(50))):
        bar.set_position(position)
    qtbot.wait(1)
    assert [part.geometry() for part in parts] == before


@pytest.mark.parametrize("width", [700, 860, 1040, 1280, 1920, 3000])
@pytest.mark.parametrize("steps", [1, 50, 10_000])
def test_the_parts_stand_side_by_side_at_any_width(bar: TransportBar, qtbot: QtBot, width: int, steps: int) -> None:
    bar.resize(width, bar.height())
    bar.set_tape(Tape(steps))
    bar.set_iteration(240, 240)
    qtbot.wait(1)
    parts: list[QWidget] = [
        bar.start_button,
        bar.back_button,
        bar.play_button,
        bar.forward_button,
        bar.end_button,
        bar.speed,
        bar.scrubber,
        bar.iteration,
        bar.where,
    ]
    for left, right in itertools.pairwise(parts):
        assert left.geometry().right() < right.geometry().left()
    assert parts[-1].geometry().right() < width
    assert bar.scrubber.width() >= 120


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_bar_has_its_themes_ground(bar: TransportBar, theme: ThemeName) -> None:
    theming.apply(theme)
    assert bar.grab().toImage().pixelColor(2, 2).name() == theming.current().surface
