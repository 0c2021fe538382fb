"""The stage's face to the window: what it needs, what it says, and that scales do not change behind anybody's back."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.tape import Phase, Tape
from engine.tracks import LayerKind, TrackSpec
from explorer.stage import scales
from explorer.stage.marked import plain, runs
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.stage import Stage
from explorer.stage.tracks.slope import Slopes
from explorer.stage.tracks.words import slope as slope_words
from explorer.stage.wanted import wanted_keys
from explorer.theme import current as theming


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(800, 600)
    stage.set_tracks(("network", "values.h", "grads.h", "norms"))
    stage.show()
    return stage


def test_wanted_keys_are_what_the_tracks_draw_each_once() -> None:
    tracks = ("network", "values.f", "grads.h", "norms", "values.h")
    one = {"l0": LayerKind("lstm", 4)}
    assert wanted_keys(tracks, one) == ("l0.values.h", "attention", "l0.values.f", "l0.grads.h")
    of_rnn = ("l0.values.h", "attention", "l0.grads.h", "l0.bound")
    assert wanted_keys(tracks, {"l0": LayerKind("rnn", 4)}) == of_rnn
    assert wanted_keys(("norms",), one) == ()
    two = {"l0": LayerKind("gru", 3), "l0_reverse": LayerKind("gru", 3), "l1": LayerKind("lstm", 4)}
    of_network = ("l0.values.h", "l0_reverse.values.h", "l1.values.h")
    assert wanted_keys(tracks, two) == (*of_network, "attention", "l1.values.f", "l1.grads.h")
    assert wanted_keys(("l0_reverse.values.z", "l0.values.f"), two) == ("l0_reverse.values.z",)


def test_the_tape_is_read_as_it_is_defined() -> None:
    tape = Tape(4)
    assert Now.at(tape, 1) == Now(1, Phase.FORWARD, 2, 2, 5, False, 4)
    assert Now.at(tape, 4) == Now(4, Phase.LOSS, 4, 4, 5, True, 4)
    assert Now.at(tape, 6) == Now(6, Phase.BACKWARD, 3, 4, 3, True, 4)
    assert Now.at(tape, 99) == Now(10, Phase.UPDATE, 4, 4, 1, True, 4)


def test_a_reverse_layer_has_gone_as_many_steps_from_its_own_end() -> None:
    tape = Tape(4)
    assert [Now.at(tape, p).values(reverse=True) for p in (0, 2, 4)] == [(4, 4), (2, 4), (1, 4)]
    assert [Now.at(tape, p).grads(reverse=True) for p in (4, 5, 8)] == [(1, 0), (1, 1), (1, 4)]
    assert [Now.at(tape, p).grads() for p in (4, 5, 8)] == [(5, 4), (4, 4), (1, 4)]


def test_a_scale_stays_when_the_numbers_change(stage: Stage) -> None:
    said: list[str] = []
    stage.scaleChanged.connect(said.append)
    e = synthetic.excerpt("gru", T=30, H=4)
    stage.set_tracks(("values.q", "grads.q"))
    stage.set_excerpt(e)
    book = stage._book
    q = TrackSpec("values.q")
    before = book.values(q, e), book.gradients(e)
    larger = synthetic.replaced(e, {key: a * np.float32(1e6) for key, a in e.arrays.items()})
    stage.set_excerpt(larger)
    assert (book.values(q, larger), book.gradients(larger)) == before
    assert not said


def test_a_scale_changes_on_command_and_is_announced(qtbot: QtBot, stage: Stage) -> None:
    e = synthetic.excerpt("gru", T=30, H=4)
    stage.set_tracks(("values.q",))
    stage.set_excerpt(e)
    stage.set_excerpt(synthetic.replaced(e, {"values.q": np.full((30, 4), 700.0, np.float32)}))
    menu = stage.track_menu.of("values.q")
    fit = next(a for a in menu.actions() if "scale" in a.text())
    with qtbot.waitSignal(stage.scaleChanged) as said:
        fit.trigger()
    assert said.args == ["values.q", "−800 … 800"]
    menu.close()


def test_another_document_gets_scales_of_its_own(stage: Stage) -> None:
    e = synthetic.excerpt("rnn", T=10, H=3)
    stage.set_excerpt(e)
    first = stage._book.gradients(e)
    stage.set_excerpt(None)
    exploding = synthetic.with_norms(e, {**e.norms, "grads.h": np.logspace(13, 0, 10)})
    stage.set_excerpt(exploding)
    assert first.decades == (-20, 2)
    assert stage._book.gradients(exploding).decades[1] == 14


@pytest.mark.parametrize(
    ("top", "decades"), [(1e2, (-20, 2)), (1e-30, (-20, 2)), (1.1e2, (-8, 4)), (1e14, (-4, 14)), (3e38, (-4, 40))]
)
def test_the_gradient_scale_reaches_up_to_the_largest_norm(top: float, decades: tuple[int, int]) -> None:
    e = synthetic.excerpt("rnn", T=2, H=2)
    norms = {**e.norms, "grads.h": np.array([top, min(1.0, top)])}
    assert ScaleBook().gradients(synthetic.with_norms(e, norms)).decades == decades


@pytest.mark.parametrize(("top", "bound"), [(0.3, 0.3), (1.0, 1.0), (1.01, 1.5), (4.2, 5.0), (81, 100), (0.0, 1.0)])
def test_a_bound_is_the_next_round_number(top: float, bound: float) -> None:
    assert scales.round_bound(np.array([[top, -top / 2], [np.nan, np.inf]])) == pytest.approx(bound)


@pytest.mark.parametrize("rate", [0.5773502691896258, 1.1, 1.0])
def test_the_slope_of_a_geometric_gradient_is_the_logarithm_of_its_rate(rate: float) -> None:
    steps = np.arange(60)
    logs = (59 - steps) * np.log10(rate)
    logs[10] = -np.inf  # an exact zero has no logarithm and does not count
    measured = Slopes(logs)
    for t in (1, 20, 57, 58):
        assert measured.since(t) == pytest.approx(np.log10(rate), abs=1e-12)
    assert measured.since(59) is None
    assert measured.since(61) is None


def test_slopes_are_said_with_a_sign() -> None:
    assert [slope_words(v) for v in (-0.2386, 0.08, -0.0004, 0.0)] == ["−0.24", "+0.08", "−4e-4", "0"]


def test_subscripts_are_lowered() -> None:
    assert runs("∂L/∂a_f") == [("∂L/∂a", False), ("f", True)]
    assert runs("h_{13} = 1") == [("h", False), ("13", True), (" = 1", False)]
    assert plain("log_{10}|·|") == "log_10|·|"


def test_tracks_are_moved_and_removed_by_signal_only(qtbot: QtBot, stage: Stage) -> None:
    stage.set_excerpt(synthetic.excerpt("rnn"))
    tracks = stage.tracks()
    for words, signal, expected in (
        ("Move &up", stage.moveTrackRequested, ["grads.h", 1]),
        ("Move &down", stage.moveTrackRequested, ["grads.h", 3]),
        ("&Remove", stage.removeTrackRequested, ["grads.h"]),
    ):
        menu = stage.track_menu.of("grads.h")
        with qtbot.waitSignal(signal) as said:
            next(a for a in menu.actions() if a.text() == words).trigger()
        assert said.args == expected
        menu.close()
    assert stage.tracks() == tracks


def test_the_button_below_the_tracks_asks_for_another(qtbot: QtBot, stage: Stage) -> None:
    stage.set_excerpt(synthetic.excerpt("rnn"))
    with qtbot.waitSignal(stage.addTrackRequested):
        QTest.mouseClick(stage.canvas.add_button, Qt.MouseButton.LeftButton)


def test_a_track_that_the_cell_does_not_have_says_so(stage: Stage) -> None:
    stage.set_tracks(("values.f", "grads.f"))
    stage.set_excerpt(synthetic.excerpt("rnn"))
    stage.set_position(60)
    before = stage.grab().toImage()
    stage.set_position(61)
    assert not before.isNull()


def test_a_track_whose_array_is_on_its_way_can_be_shown(stage: Stage) -> None:
    e = synthetic.excerpt("rnn", keys=("values.h",))
    stage.set_excerpt(e)
    stage.set_position(99)
    assert stage.grab().toImage() != stage.canvas.grab().toImage()
    stage.set_excerpt(synthetic.excerpt("rnn"))
    stage.set_position(99)
    QApplication.processEvents()


def test_a_trace_of_another_cell_and_length_can_replace_one(stage: Stage) -> None:
    for cell, T, H in (("rnn", 50, 4), ("lstm", 7, 9), ("gru", 300, 1), ("rnn", 1, 1)):
        stage.set_excerpt(synthetic.excerpt(cell, T=T, H=H))
        stage.set_position(2 * T)
        QApplication.processEvents()


def test_positions_beyond_a_shorter_tape_are_its_end(stage: Stage) -> None:
    stage.set_position(500)
    stage.set_excerpt(synthetic.excerpt("rnn", T=5))
    assert stage.canvas.now is not None
    assert stage.canvas.now.phase is Phase.UPDATE


def test_notices_are_there_only_while_they_say_something(stage: Stage) -> None:
    assert not stage.banner.isVisible()
    voice = stage.banner.voice()
    voice.say("The engine stopped.")
    stage.set_progress(2, 5)
    assert stage.banner.isVisible()
    assert stage.progress.isVisible()
    voice.take_back()
    stage.set_progress(0, 0)
    assert not any(part.isVisible() for part in (stage.banner, stage.progress))


@pytest.mark.parametrize("overflows", [False, True])
@pytest.mark.parametrize("width", [420, 900])
def test_an_answered_prompt_moves_nothing(stage: Stage, overflows: bool, width: int) -> None:
    """It stands in the line of the events, and leaves it its place: with events, and without any."""
    stage.resize(width, 600)
    stage.set_prompt("Which step gets the smallest gradient? Press ▶ and watch the colours.")
    stage.set_excerpt(None)
    assert stage.events.isVisible()
    stage.set_excerpt(synthetic.excerpt("rnn", T=20, H=4, inf=overflows, nan=overflows))
    QApplication.processEvents()
    asked, place = stage.events.sentence.text(), stage.canvas.y()
    assert asked.startswith("Which step")
    assert stage.events.sentence.is_whole()
    assert stage.events.sentence.geometry().bottom() < stage.events.height()
    stage.set_prompt("")
    QApplication.processEvents()
    assert stage.events.sentence.text() != asked
    assert stage.canvas.y() == place
    stage.set_excerpt(None)  # another document, without a prompt
    assert not stage.events.isVisible()


def test_the_focus_can_be_seen_by_those_who_work_with_keys(qtbot: QtBot, stage: Stage) -> None:
    stage.set_excerpt(synthetic.excerpt("rnn"))
    stage.activateWindow()
    for reason, seen in (
        (Qt.FocusReason.TabFocusReason, True),
        (Qt.FocusReason.MouseFocusReason, False),
        (Qt.FocusReason.ShortcutFocusReason, True),
    ):
        stage.clearFocus()
        QApplication.processEvents()
        assert stage.grab().toImage().pixelColor(0, 300).name() != theming.current().accent
        stage.setFocus(reason)
        qtbot.waitUntil(stage.hasFocus)
        assert (stage.grab().toImage().pixelColor(0, 300).name() == theming.current().accent) is seen


def test_everything_has_an_accessible_name(stage: Stage) -> None:
    parts = (stage, stage.axis, stage.events, stage.banner, stage.progress, stage.canvas.add_button, stage.canvas)
    assert all(part.accessibleName() for part in parts)


def test_no_connection_of_the_stage_holds_a_lambda() -> None:
    import explorer.stage

    for path in Path(explorer.stage.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect":
                assert not any(isinstance(one, ast.Lambda) for one in node.args), path.name
