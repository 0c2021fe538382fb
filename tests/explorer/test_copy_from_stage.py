"""Ctrl+C on the stage copies the exact value that is pointed at, else what the selected track says at the playhead."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from curves import with_series
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from engine import presets
from engine.columns import SATURATION, squashed
from engine.requests import Excerpt
from engine.tape import Tape
from explorer.app import Explorer
from explorer.document import opening
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.stage import Stage
from explorer.theme import current as theming

T, H = 20, 5
TAPE = Tape(T)
END = len(TAPE) - 1


@pytest.fixture
def excerpt() -> Excerpt:
    return dataclasses.replace(synthetic.excerpt("lstm", T=T, H=H), batch_size=16, sample=2)


@pytest.fixture
def stage(qtbot: QtBot, excerpt: Excerpt) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 900)
    stage.set_tracks(("network", "values.f", "grads.c", "grads.c?unit=3", "norms", "data"))
    stage.set_excerpt(excerpt)
    stage.set_position(END)
    stage.show()
    return stage


def point_at(stage: Stage, key: str, t: int, down: float) -> None:
    view = stage.canvas.view
    slot = next(s for s in stage.canvas.slots if s.track.key == key)
    assert view is not None
    y = slot.top - stage.canvas.offset + down * (slot.height - 1)
    stage.canvas.hover_at(QPoint(HEADER_WIDTH + int(view.centre(t)), int(y)))


def fields(stage: Stage) -> list[list[str]]:
    return [line.split("\t") for line in stage.handling.to_copy()[0].splitlines()]


def test_the_value_under_the_pointer_goes_with_all_that_says_what_it_is(stage: Stage, excerpt: Excerpt) -> None:
    stage.handling.select("norms")
    point_at(stage, "grads.c", 7, 1.5 / H)
    ((symbol, layer, t, unit, sample, value),) = fields(stage)
    assert (symbol, layer, t, unit, sample) == ("∂L/∂c", "layer 1 · LSTM", "t = 7", "unit 1", "sample 3 of 16")
    assert np.float32(value) == excerpt.arrays["l0.grads.c"][6, 1]
    assert stage.handling.to_copy()[1] == f"Copied: ∂L/∂c = {value} at t = 7, unit 1."


def test_norms_under_the_pointer_say_that_they_are_means_over_the_batch(stage: Stage, excerpt: Excerpt) -> None:
    point_at(stage, "norms", 9, 0.5)
    lines = fields(stage)
    assert [line[0] for line in lines] == ["‖∂L/∂h‖", "‖∂L/∂c‖"]
    for line, key in zip(lines, ("grads.h", "grads.c"), strict=True):
        assert line[2:5] == ["t = 9", "", "mean of 16 samples"]
        assert float(line[5]) == pytest.approx(excerpt.norms[key][8], rel=1e-6)


def test_away_from_the_data_it_is_the_selected_tracks_reading_at_the_playhead(stage: Stage, excerpt: Excerpt) -> None:
    stage.set_position(TAPE.position(TAPE.parse("backward:12")))
    stage.canvas.hover_at(None)
    stage.handling.select("grads.c")
    column = excerpt.arrays["l0.grads.c"][11].astype(np.float64)
    ((symbol, _, t, unit, _, value),) = fields(stage)
    assert (symbol, t, unit) == ("‖∂L/∂c‖", "t = 12", f"norm over {H} units")
    assert float(value) == pytest.approx(float(np.linalg.norm(column)), rel=1e-6)
    stage.handling.select("grads.c?unit=3")
    ((symbol, _, t, unit, _, value),) = fields(stage)
    assert (symbol, t, unit, np.float32(value)) == ("∂L/∂c", "t = 12", "unit 3", excerpt.arrays["l0.grads.c"][11, 3])
    stage.handling.select("values.f")
    gates = excerpt.arrays["l0.values.f"][11].astype(np.float64)
    ((symbol, _, _, unit, _, value),) = fields(stage)
    assert (symbol, unit) == ("mean f", f"mean over {H} units")
    assert float(value) == pytest.approx(float(gates.mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("key", "whose"),
    [
        ("share", "summed over 16 samples"),
        ("growth", "summed over 16 samples"),
        ("saturation", "all 16 samples"),
        ("losses", "all 16 samples"),
        ("singular", "sample 3 of 16"),
        ("routes", "sample 3 of 16"),
    ],
)
def test_a_line_says_whether_its_number_is_of_the_batch_or_of_the_sample(
    stage: Stage, excerpt: Excerpt, key: str, whose: str
) -> None:
    """What engine.series sums over the batch and what it takes of the chosen sample."""
    stage.set_tracks((key,))
    made = with_series(excerpt)
    flat = np.zeros((T, len(SATURATION) * len(squashed("lstm", "tanh"))))
    stage.set_excerpt(dataclasses.replace(made, arrays={**made.arrays, "l0.saturation": flat}))
    stage.set_position(END)
    point_at(stage, key, T, 0.5)
    lines = fields(stage)
    assert lines
    assert {line[4] for line in lines} == {whose}


@pytest.mark.parametrize("key", ["network", "norms", "data"])
def test_every_kind_of_track_has_something_to_copy_at_the_end(stage: Stage, key: str) -> None:
    stage.handling.select(key)
    lines = fields(stage)
    assert lines
    for line in lines:
        assert len(line) == 6
        float(line[5])


def test_what_the_tape_has_not_reached_is_not_copied_and_the_answer_says_why(stage: Stage) -> None:
    stage.set_position(TAPE.position(TAPE.parse("forward:5")))
    point_at(stage, "grads.c", 7, 0.5)
    assert stage.handling.to_copy() == ("", "Nothing to copy: point at a value, or select a track with ↑ and ↓.")
    stage.handling.select("grads.c")
    text, words = stage.handling.to_copy()
    assert not text
    assert words == "Gradient ∂L/∂c has no value at t = 5 to copy (yet)."


def test_the_key_copies_and_the_status_line_says_what(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    stage = explorer.window.stage
    QGuiApplication.clipboard().setText("before")
    stage.setFocus()
    qtbot.keyClick(stage, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "before"
    assert "Nothing to copy" in explorer.window.statusBar().currentMessage()
    stage.handling.select("values.h")
    qtbot.keyClick(stage, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().startswith("‖h‖\tlayer 1 · RNN\tt = 50\t")
    assert explorer.window.statusBar().currentMessage().startswith("Copied: ‖h‖ = ")
