"""The steps with the smallest and the largest gradient: gone to, over what the tape has reached, and marked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine import presets
from engine.tape import Tape
from explorer import menus
from explorer.app import Explorer
from explorer.document import opening
from explorer.extremes import extreme, extremes, said
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.curve_labels import Labels
from explorer.stage.tracks.make import make

T = 20


@pytest.mark.parametrize(
    ("known", "largest", "reverse", "found"),
    [
        ((1, 6), False, False, (2, 1)),
        ((3, 6), False, False, (6, 2)),  # of 3 and 6, alike, the way back comes to 6 first
        ((3, 6), False, True, (3, 2)),  # and a reverse layer's to 3
        ((1, 6), True, False, (4, 1)),
        ((7, 6), False, False, None),
        ((5, 5), False, False, None),  # NaN is neither small nor large
    ],
)
def test_of_the_known_steps_the_extreme_one(
    known: tuple[int, int], largest: bool, reverse: bool, found: tuple[int, int] | None
) -> None:
    norms = np.array([1.0, 0.1, 0.5, 9.0, np.nan, 0.5])
    assert extreme(norms, *known, largest=largest, reverse=reverse) == found


def test_padding_of_all_samples_is_not_the_smallest() -> None:
    e = synthetic.excerpt("lstm", T=T, H=3)
    norms = {key: np.where(np.arange(T) < 12, np.linspace(1, 2, T), 0.0) for key in e.norms}
    e = dataclasses.replace(synthetic.with_norms(e, norms), longest=12)
    assert [(one.state, one.step) for one in extremes(e, e.of(), (1, T), largest=False)] == [("h", 1), ("c", 1)]


def _curves() -> CurveTrack:
    e = synthetic.excerpt("rnn", T=T, H=3)
    norms = np.full(T, 1e-2)
    norms[7] = 3e-5
    track = make("norms")
    assert isinstance(track, CurveTrack)
    track.set_excerpt(synthetic.with_norms(e, {**e.norms, "grads.h": norms}), ScaleBook())
    return track


def test_the_smallest_is_marked_with_its_value_when_all_are_known_and_not_before(qapp: object) -> None:
    track = _curves()
    assert track.plot is not None
    assert [curve.lowest for curve in track.plot.curves] == [8]
    labels, tape = Labels(track.plot, TimeView(T, 1, T, 800), 200), Tape(T)

    def words(text: str) -> list[str]:
        return [label.text for label in labels.of(Now.at(tape, tape.position(tape.parse(text))))]

    assert "smallest 3.0e-5 at t = 8" in words("backward:1")
    # Before, it would tell of the steps that are not known.
    assert not [text for text in (*words("backward:2"), *words("backward:8"), *words("loss")) if "smallest" in text]


def test_beside_numbers_that_are_not_finite_the_smallest_is_called_the_smallest_finite(qapp: object) -> None:
    e = synthetic.excerpt("rnn", T=T, H=3)
    norms = np.full(T, 1e-2)
    norms[7], norms[0], norms[1] = 3e-5, np.nan, np.inf
    e = synthetic.with_norms(e, {**e.norms, "grads.h": norms})
    track = make("norms")
    assert isinstance(track, CurveTrack)
    track.set_excerpt(e, ScaleBook())
    assert track.plot is not None
    labels = Labels(track.plot, TimeView(T, 1, T, 800), 200).of(Now.at(Tape(T), 2 * T))
    assert "smallest finite 3.0e-5 at t = 8" in [label.text for label in labels]
    found = extremes(e, e.of(), (1, T), largest=False)
    assert said(found, "layer 1", largest=False, all_known=True).startswith("Smallest finite gradient of layer 1: ")
    known = extremes(e, e.of(), (3, T), largest=False)  # nothing else is known yet
    assert said(known, "layer 1", largest=False, all_known=False).startswith("Smallest gradient of layer 1 so far: ")


@pytest.fixture
def opened(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.show(opening.of_preset(presets.load("cell-state-carousel")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def test_the_command_goes_there_and_says_step_and_value(opened: Explorer) -> None:
    excerpt, tape = opened.controller.excerpt, opened.document.tape
    assert excerpt is not None
    bar = opened.window.statusBar()
    opened.document.look(position=tape.position(tape.parse("loss")))
    opened.commands.actions["smallest_gradient"].trigger()
    assert "No gradient is known yet" in bar.currentMessage()
    opened.document.look(position=len(tape) - 1)
    norms = excerpt.norms["grads.h"]
    t = int(np.argmin(norms)) + 1
    opened.commands.actions["smallest_gradient"].trigger()
    assert opened.document.view.position == tape.position(tape.parse(f"backward:{t}"))
    assert f"at t = {t}" in bar.currentMessage()
    assert f"{norms.min():.2e}".replace("e-0", "e-") in bar.currentMessage()
    opened.commands.actions["largest_gradient"].trigger()
    best = int(np.argmax(norms[t - 1 :])) + t
    assert opened.document.view.position == tape.position(tape.parse(f"backward:{best}"))
    assert "so far" in bar.currentMessage()  # the steps before the smallest are not known from there


@pytest.mark.parametrize(("typed", "wanted"), [("smallest", "smallest_gradient"), ("attention", "attention")])
def test_the_palette_finds_it(qtbot: QtBot, opened: Explorer, typed: str, wanted: str) -> None:
    palette = menus.Palette(opened.commands.actions, opened.window)
    qtbot.addWidget(palette)
    qtbot.keyClicks(palette._field, typed)
    found = [palette._list.item(n).data(Qt.ItemDataRole.UserRole) for n in range(palette._list.count())]
    assert wanted in found


def test_attention_from_the_menu_brings_its_track_in_one_edit(qtbot: QtBot, opened: Explorer) -> None:
    d = opened.document
    before, count = d.state.tracks, d.undo_stack.count()
    opened.commands.actions["attention"].trigger()
    assert d.experiment is not None
    assert d.experiment.model.readout.at == "attention"
    assert d.state.tracks == (before[0], "attention", *before[1:])
    assert d.undo_stack.count() == count + 1
    qtbot.waitUntil(lambda: opened.controller.settled, timeout=60_000)
    excerpt = opened.controller.excerpt
    assert excerpt is not None
    assert excerpt.arrays["attention"].sum() == pytest.approx(1, rel=1e-5)
    d.undo_stack.undo()
    assert d.state.tracks == before
    d.undo_stack.redo()
    d.edit_tracks(before, "test")
    opened.commands.actions["attention"].trigger()  # chosen again: only its track is missing
    assert "attention" in d.state.tracks
