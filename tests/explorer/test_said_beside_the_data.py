"""What stands beside and over the data: values at the playhead, one colour a route, words that stay readable."""

from __future__ import annotations

import pytest
import synthetic
from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QFocusEvent
from pytestqt.qtbot import QtBot

from engine.quantities import ROUTES
from engine.requests import Excerpt
from engine.tape import Tape
from explorer.cell.routes_view import RoutesView
from explorer.stage import handling, readout, strip
from explorer.stage.classes import ABOVE, BELOW
from explorer.stage.margins import _beyond
from explorer.stage.now import Now
from explorer.stage.scales import magnitude, signed
from explorer.stage.stage import Stage
from explorer.stage.tracks.base import Readout, Track
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.curve_words import entry_of
from explorer.stage.tracks.network import Unrolled
from explorer.theme import current as theming
from explorer.theme.routes import ROUTE_TONES, colour_of, route_colour
from explorer.theme.tokens import THEMES
from explorer.widgets.numbers import short

T = 20


@pytest.fixture
def excerpt() -> Excerpt:
    return synthetic.excerpt("lstm", T=T, H=3)


@pytest.fixture
def stage(qtbot: QtBot, excerpt: Excerpt) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 400)
    stage.set_tracks(("network", "values.h", "grads.h", "norms"))
    stage.set_excerpt(excerpt)
    stage.set_position(Tape(T).position(Tape(T).parse("backward:12")))
    stage.show()
    return stage


@pytest.mark.parametrize("cell", sorted(ROUTES))
def test_a_route_has_one_colour_in_every_view(qtbot: QtBot, cell: str) -> None:
    theming.apply("dark")
    e = synthetic.excerpt(cell, T=T, H=3)
    panel = RoutesView()
    qtbot.addWidget(panel)
    panel.set_excerpt(e)
    for theme in THEMES.values():
        colours = [route_colour(route, theme) for route in ROUTES[e.focus.cell]]
        assert len(set(colours)) == len(colours), "told apart"
    assert panel._colours() == {r: colour_of(ROUTE_TONES[r], theming.current()) for r in ROUTES[e.focus.cell]}


def test_what_is_beyond_the_scale_is_said_with_its_end() -> None:
    """ "below" alone is taken for underflow."""
    assert _beyond(BELOW, magnitude()) == ("below 1e-20", "< 1e-20")
    assert _beyond(ABOVE, signed(1.0)) == ("above 1", "> 1")


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a screen reader."""
    monkeypatch.setattr(handling.QAccessible, "isActive", lambda: True)


def test_where_nobody_listens_stepping_makes_no_words_and_the_focus_brings_them(
    stage: Stage, excerpt: Excerpt, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not handling.QAccessible.isActive()
    stage.handling.select("norms")
    asked: list[int] = []
    words_of = strip.words_of

    def counted(track: Track, now: Now) -> str:
        asked.append(now.step)
        return words_of(track, now)

    monkeypatch.setattr(strip, "words_of", counted)
    for t in (12, 9):
        stage.set_position(Tape(T).position(Tape(T).parse(f"backward:{t}")))
    assert asked == []
    stage.focusInEvent(QFocusEvent(QEvent.Type.FocusIn, Qt.FocusReason.TabFocusReason))
    assert "At t = 9: " in stage.accessibleDescription()


@pytest.mark.usefixtures("listening")
def test_the_selected_tracks_values_at_the_playhead_are_said_and_follow_it(stage: Stage, excerpt: Excerpt) -> None:
    stage.handling.select("norms")
    for t in (12, 9):
        stage.set_position(Tape(T).position(Tape(T).parse(f"backward:{t}")))
        said = stage.accessibleDescription()
        assert f"At t = {t}: " in said
        assert f"= {short(float(excerpt.norms['grads.h'][t - 1]))}" in said
    stage.set_position(3)
    assert "At t" not in stage.accessibleDescription(), "not reached"


def test_a_curves_header_says_its_value_at_the_playhead(stage: Stage, excerpt: Excerpt) -> None:
    track = stage.track("norms")
    assert isinstance(track, CurveTrack)
    assert track.plot is not None
    old, tape = stage.canvas.now, Tape(T)
    assert old is not None
    curve = track.plot.curves[0]
    assert entry_of(curve, track.plot, old).value[0] == short(float(excerpt.norms["grads.h"][11]))
    new = Now.at(tape, tape.position(tape.parse("backward:11")))
    assert track.margins_change(old, new)[0], "it is painted again"


def test_a_readout_leaves_words_alone_where_another_side_is_free(qtbot: QtBot) -> None:
    theming.apply("dark")
    said, at, inside = Readout("t = 20", ("‖∂L/∂h‖ = 1.07e-8",)), QPoint(300, 200), QRect(0, 0, 600, 400)
    usual = readout.box_of(said, at, inside)
    words = QRect(usual.right() - 3, usual.center().y(), 60, 12)
    other = readout.box_of(said, at, inside, [words])
    assert not other.intersects(words)
    assert not other.contains(at)
    assert inside.contains(other)
    corners = [QRect(x, y, 20, 12) for x in (180, 400) for y in (165, 225)]
    beside = readout.box_of(said, at, inside, corners)
    assert not any(beside.intersects(one) for one in corners), "level with the pointer"
    assert not beside.contains(at)
    everywhere = [inside]
    assert readout.box_of(said, at, inside, everywhere) == usual


def test_the_pointer_over_curves_does_not_cover_their_words(stage: Stage) -> None:
    slot = stage.canvas.slots[-1]
    stage.canvas.reveal(slot.track.key)
    track, now, place = slot.track, stage.canvas.now, stage.canvas.place(slot)
    assert isinstance(track, CurveTrack)
    assert now is not None
    track.prepare(stage.canvas.view, slot.height - 1)
    words = [one.translated(place.topLeft()) for one in track.words_at(now)]
    assert words
    at = QPoint(words[0].left() - 40, words[0].top() - 6)
    assert stage.canvas.hover_at(at) is not None
    assert not any(stage.canvas.crosshair._box.intersects(one) for one in words)


@pytest.mark.parametrize(("span", "words"), [((5, 9), "L = {} at t = 20 →"), ((5, T), "L = {}")])
def test_a_loss_that_is_not_on_screen_says_where_it_is(
    stage: Stage, excerpt: Excerpt, span: tuple[int, int], words: str
) -> None:
    stage.time_range.show(*span)
    stage.canvas.viewport().grab()
    network = stage.track("network")
    assert isinstance(network, Unrolled)
    assert network._chip_words == words.format(short(excerpt.loss))


def test_tab_brings_the_button_below_the_tracks_on_screen(qtbot: QtBot, stage: Stage) -> None:
    stage.set_tracks(("network", "values.h", "values.c", "values.f", "grads.h", "grads.c", "norms"))
    button, viewport = stage.canvas.add_button, stage.canvas.viewport()
    stage.setFocus()
    stage.canvas.verticalScrollBar().setValue(0)
    assert not viewport.rect().contains(button.geometry())
    button.setFocus(Qt.FocusReason.TabFocusReason)
    assert button.hasFocus()
    assert viewport.rect().contains(button.geometry())
