"""Protects the tape as a scrubber: every moment can be reached, events have ticks, and only what changed is painted."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QImage, QPaintEvent
from pytestqt.qtbot import QtBot

from engine.requests import Event, EventKind
from engine.tape import Moment, Phase, Tape
from explorer.theme import current as theming
from explorer.transport.event_ticks import EVENT_SIZE, EVENTS_TOP, NOT_REACHED
from explorer.transport.scrubber import BAND_HEIGHT, BAND_TOP, Scrubber
from explorer.transport.words import EVENT_TITLES, EVENT_TONES, describe, event_position, place
from explorer.widgets.icons import pixmap

MIDDLE = BAND_TOP + BAND_HEIGHT // 2


class Watched(Scrubber):
    """Remembers what it was asked to paint."""

    def __init__(self) -> None:
        super().__init__()
        self.painted: list[QRect] = []

    def paintEvent(self, event: QPaintEvent) -> None:
        self.painted.append(event.rect())
        super().paintEvent(event)


@pytest.fixture
def scrubber(qtbot: QtBot) -> Watched:
    theming.apply("dark")
    made = Watched()
    qtbot.addWidget(made)
    made.resize(900, made.height())
    made.show()
    qtbot.waitExposed(made)
    made.set_tape(Tape(50))
    return made


def picked(scrubber: Scrubber) -> list[int]:
    found: list[int] = []
    scrubber.positionPicked.connect(found.append)
    return found


@pytest.mark.parametrize("steps", [1, 2, 50, 400])
@pytest.mark.parametrize("width", [120, 700, 3000])
def test_the_moment_under_a_moments_own_place_is_that_moment(scrubber: Watched, steps: int, width: int) -> None:
    scrubber.resize(width, scrubber.height())
    tape = Tape(steps)
    scrubber.set_tape(tape)
    for position in range(len(tape)):
        assert scrubber.position_at(scrubber.x_of(position)) == position


def test_forward_and_backward_are_equally_long_and_the_phases_lie_in_the_tapes_order(scrubber: Watched) -> None:
    tape = Tape(50)
    xs = [scrubber.x_of(position) for position in range(len(tape))]
    assert xs == sorted(xs)
    forward, backward = tape.span(Phase.FORWARD), tape.span(Phase.BACKWARD)
    length = xs[forward[-1]] - xs[forward[0]]
    assert xs[backward[-1]] - xs[backward[0]] == pytest.approx(length)
    assert xs[0] >= 0
    assert xs[-1] <= scrubber.width()


def test_a_click_picks_the_moment_under_it_once(scrubber: Watched, qtbot: QtBot) -> None:
    found = picked(scrubber)
    target = Tape(50).position(Moment(Phase.BACKWARD, 13))
    for _ in range(2):
        qtbot.mouseClick(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(round(scrubber.x_of(target)), MIDDLE))
    assert found == [target]


@pytest.mark.parametrize("phase", [Phase.LOSS, Phase.CLIP, Phase.UPDATE])
@pytest.mark.parametrize("width", [150, 900])
def test_the_single_moments_are_wide_enough_to_be_clicked(
    scrubber: Watched, qtbot: QtBot, phase: Phase, width: int
) -> None:
    scrubber.resize(width, scrubber.height())
    found = picked(scrubber)
    position = Tape(50).span(phase)[0]
    for offset in (-3, 3):
        scrubber.set_position(0)
        x = round(scrubber.x_of(position)) + offset
        qtbot.mouseClick(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(x, MIDDLE))
    assert found == [position, position]


def test_dragging_emits_each_position_once_and_stops_at_the_ends(scrubber: Watched, qtbot: QtBot) -> None:
    found = picked(scrubber)
    start = QPoint(round(scrubber.x_of(5)), MIDDLE)
    qtbot.mousePress(scrubber, Qt.MouseButton.LeftButton, pos=start)
    for x in range(start.x(), round(scrubber.x_of(8)) + 1):
        qtbot.mouseMove(scrubber, QPoint(x, MIDDLE))
    qtbot.mouseMove(scrubber, QPoint(5000, MIDDLE))
    qtbot.mouseRelease(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(5000, MIDDLE))
    qtbot.mouseMove(scrubber, QPoint(10, MIDDLE))
    assert found == [5, 6, 7, 8, len(Tape(50)) - 1]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Qt.Key.Key_Right, 41),
        (Qt.Key.Key_Left, 39),
        (Qt.Key.Key_PageDown, 50),
        (Qt.Key.Key_PageUp, 30),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_End, 102),
    ],
)
def test_keys_move_the_playhead(scrubber: Watched, qtbot: QtBot, key: Qt.Key, expected: int) -> None:
    scrubber.set_position(40)
    found = picked(scrubber)
    qtbot.keyClick(scrubber, key)
    assert found == [expected]


def test_the_windows_own_key_combinations_are_left_alone(scrubber: Watched, qtbot: QtBot) -> None:
    found = picked(scrubber)
    qtbot.keyClick(scrubber, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(scrubber, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert found == []


def test_being_told_a_position_emits_nothing(scrubber: Watched) -> None:
    found = picked(scrubber)
    scrubber.set_position(60)
    scrubber.set_tape(Tape(10))
    assert found == []


def test_a_new_position_repaints_only_what_lies_around_it(scrubber: Watched, qtbot: QtBot) -> None:
    scrubber.set_position(30)
    scrubber.repaint()
    scrubber.painted.clear()
    scrubber.set_position(31)
    qtbot.waitUntil(lambda: bool(scrubber.painted))
    area = QRect()
    for rect in scrubber.painted:
        area = area.united(rect)
    assert area.width() < 60
    assert area.contains(round(scrubber.x_of(30)), MIDDLE)
    assert area.contains(round(scrubber.x_of(31)), MIDDLE)


def on_screen(scrubber: Scrubber) -> QImage:
    """What has really been painted, which `grab` would paint anew."""
    return scrubber.screen().grabWindow(scrubber.winId()).toImage()


@pytest.mark.parametrize("steps", [50, 400])
def test_stepping_leaves_the_same_picture_as_painting_everything_anew(
    scrubber: Watched, qtbot: QtBot, steps: int
) -> None:
    tape = Tape(steps)
    scrubber.set_tape(tape)
    for position in (3, steps + 10, steps + 9, len(tape) - 1, 0, steps + 1, steps + 27):
        scrubber.set_position(position)
        qtbot.wait(5)
    stepped = on_screen(scrubber)
    scrubber.repaint()
    assert on_screen(scrubber) == stepped


EVENTS = (
    Event("overflow", "forward", 20, "The first overflow is at t = 20."),
    Event("nan", "forward", 20, "The first NaN is at t = 20."),
    Event("underflow", "backward", 13, "The first underflow is at t = 13."),
    Event("clip", "clip", 50, "Clipping multiplied every gradient by 0.5."),
)


def test_events_stand_at_their_moment_and_say_their_sentence(scrubber: Watched) -> None:
    tape = Tape(50)
    scrubber.set_events(EVENTS)
    scrubber.set_position(len(tape) - 1)
    assert event_position(tape, EVENTS[0]) == 19
    assert event_position(tape, EVENTS[2]) == tape.position(Moment(Phase.BACKWARD, 13))
    assert event_position(tape, EVENTS[3]) == tape.span(Phase.CLIP)[0]
    y = EVENTS_TOP + EVENT_SIZE / 2
    for event in (EVENTS[0], EVENTS[2], EVENTS[3]):
        x = scrubber.x_of(event_position(tape, event))
        assert scrubber.tip_at(QPointF(x, y)) == event.sentence
    assert scrubber.tip_at(QPointF(scrubber.x_of(19), MIDDLE)) == "Forward · t = 20"


def test_ticks_of_the_same_moment_stand_side_by_side_and_all_can_be_clicked(scrubber: Watched, qtbot: QtBot) -> None:
    scrubber.set_events(EVENTS)
    scrubber.set_position(len(Tape(50)) - 1)
    y = EVENTS_TOP + EVENT_SIZE // 2
    said = [scrubber.tip_at(QPointF(x, y)) for x in range(scrubber.width())]
    for event in EVENTS:
        assert said.count(event.sentence) >= EVENT_SIZE - 2
    found = picked(scrubber)
    qtbot.mouseClick(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(said.index(EVENTS[1].sentence) + 3, y))
    assert found == [19]


def test_an_event_that_is_not_reached_is_a_neutral_tick_that_says_no_more(scrubber: Watched, qtbot: QtBot) -> None:
    tape = Tape(50)
    there = event_position(tape, EVENTS[2])
    point = QPointF(scrubber.x_of(there), EVENTS_TOP + EVENT_SIZE / 2)
    pictures = {}
    for kind in ("underflow", "overflow"):
        scrubber.set_events((Event(kind, "backward", 13, f"The first {kind} is at t = 13."),))
        scrubber.set_position(there - 1)
        assert scrubber.tip_at(point) == NOT_REACHED
        pictures[kind] = scrubber.grab().toImage()
    assert pictures["underflow"] == pictures["overflow"]
    qtbot.wait(5)
    scrubber.set_position(there)
    qtbot.wait(5)
    assert scrubber.tip_at(point) == "The first overflow is at t = 13."
    stepped = on_screen(scrubber)
    scrubber.repaint()
    assert on_screen(scrubber) == stepped


def test_two_events_to_come_are_two_rings_with_room_between_them(scrubber: Watched, qtbot: QtBot) -> None:
    scrubber.set_events(tuple(Event(kind, "backward", 13, kind) for kind in ("underflow", "overflow")))
    scrubber.set_position(0)
    qtbot.wait(5)
    image = scrubber.grab().toImage()
    y = EVENTS_TOP + EVENT_SIZE // 2
    ground = image.pixelColor(0, y)
    there = event_position(Tape(50), Event("nan", "backward", 13, ""))
    left = round(scrubber.x_of(there)) - EVENT_SIZE
    inked = [image.pixelColor(x, y) != ground for x in range(left, left + 3 * EVENT_SIZE + 4)]
    edges = sum(a != b for a, b in itertools.pairwise(inked))
    assert edges == 8  # two rings, each crossed on its left and on its right: hollow, and apart


def test_many_events_at_the_end_stay_inside(scrubber: Watched) -> None:
    crowd = tuple(Event("nan", "clip", 50, f"sentence {i}") for i in range(12))
    scrubber.set_events(crowd)
    scrubber.set_position(len(Tape(50)) - 1)
    y = EVENTS_TOP + EVENT_SIZE / 2
    said = {scrubber.tip_at(QPointF(x, y)) for x in range(scrubber.width())}
    shared = next(text for text in said if "sentence 0" in text)
    assert shared.split("\n") == [f"sentence {i}" for i in range(8)] + ["… and 4 more"]


def test_many_events_of_neighbouring_moments_share_a_glyph_and_tell_what_is_reached(scrubber: Watched) -> None:
    tape = Tape(400)
    scrubber.set_tape(tape)
    kinds = ("saturated", "underflow", "overflow", "nan", "clip")
    scrubber.set_events(tuple(Event(kind, "backward", 200 - i, f"{kind}.") for i, kind in enumerate(kinds)))
    first = event_position(tape, Event("nan", "backward", 200, ""))
    at = QPointF(scrubber.x_of(first), EVENTS_TOP + EVENT_SIZE / 2)
    scrubber.set_position(first - 1)
    assert scrubber.tip_at(at) == "5 events, not reached yet"
    scrubber.set_position(first + 1)
    assert scrubber.tip_at(at) == "saturated.\nunderflow.\n3 events, not reached yet"


def test_an_event_of_a_reverse_layer_stands_where_that_layer_comes_to_it(scrubber: Watched) -> None:
    tape = Tape(50)
    event = Event("nan", "forward", 3, "NaN.", layer="l0_reverse", reverse=True)
    assert event_position(tape, event) == 47  # its 48th step
    scrubber.set_events((event,))
    scrubber.set_position(47)
    assert scrubber.tip_at(QPointF(scrubber.x_of(47), EVENTS_TOP + EVENT_SIZE / 2)) == "NaN."


def test_every_kind_of_event_has_a_glyph_of_its_own_and_a_colour() -> None:
    kinds = get_args(EventKind)
    assert set(EVENT_TONES) == set(EVENT_TITLES) == set(kinds)
    pictures = {pixmap(kind, "#000000", 20).toImage().bits().tobytes() for kind in kinds}
    assert len(pictures) == len(kinds)


def test_moments_in_words() -> None:
    tape = Tape(40)
    assert describe(tape.moment(0)) == "Forward · t = 1"
    assert describe(tape.moment(40)) == "Loss"
    assert describe(tape.moment(68)) == "Backward · t = 13"  # 2·40 + 1 − 68
    assert describe(tape.moment(81)) == "Clip"
    assert describe(tape.moment(82)) == "Update"
    assert place(tape, 68) == "moment 69 of 83"
    assert place(tape, 0) == "moment 1 of 83"
