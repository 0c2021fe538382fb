"""Pinned traces: their norms stay beside the next one, named by what differs, through undo and a session."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine import session
from engine.errors import SessionError, SpecError
from engine.requests import Excerpt
from engine.spec import (
    AddingTask,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    RecurrentDropoutSpec,
    TrainingSpec,
    TruncationSpec,
    WhatIf,
)
from explorer.app import Explorer
from explorer.document import opening, pins
from explorer.document.pins import Pin, name
from explorer.document.saving import session_of
from explorer.stage.tracks.curve import CurveTrack

RNN = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)), task=AddingTask(steps=12, batch_size=2)
)
LSTM = msgspec.structs.replace(RNN, model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=4),)))


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.window.resize(1000, 800)
    explorer.show(opening.of_nothing())
    explorer.document.edit_experiment(LSTM)
    settle(qtbot, explorer)
    return explorer


def settle(qtbot: QtBot, explorer: Explorer) -> Excerpt:
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert explorer.controller.excerpt is not None
    return explorer.controller.excerpt


def ghosts(explorer: Explorer) -> dict[str, np.ndarray]:
    """By their names, what is drawn: places on the axis."""
    track = next(t for t in explorer.window.stage.canvas.tracks if t.key == "norms")
    assert isinstance(track, CurveTrack)
    assert track.plot is not None
    return {curve.name: curve.places for curve in track.plot.curves if curve.style.ghost}


def pin_of(experiment: Experiment, what_if: WhatIf = WhatIf(), iteration: int = 0) -> Pin:  # noqa: B008 (frozen)
    return Pin({}, experiment.task.steps, experiment, what_if, iteration)


def test_an_edit_before_the_first_picture_does_not_get_that_ones_weights(qtbot: QtBot, explorer: Explorer) -> None:
    """The fixture edits at once: the first answer is of another network."""
    assert explorer.document.state.history[0]["weight_hh_l0"].shape == (16, 4)


def test_a_pinned_trace_stays_behind_the_next_one_with_its_own_norms(qtbot: QtBot, explorer: Explorer) -> None:
    before = settle(qtbot, explorer)
    explorer.window.stage.setFocus()
    explorer.window.activateWindow()
    qtbot.keyClick(explorer.window.stage, Qt.Key.Key_P)
    assert list(ghosts(explorer)) == ["as now: ‖∂L/∂h‖", "as now: ‖∂L/∂c‖"]
    explorer.document.edit_what_if(WhatIf(recurrent_scale=1.5, forget_bias=1.0))
    settle(qtbot, explorer)
    found = ghosts(explorer)
    assert list(found) == ["× 1, forget bias 0: ‖∂L/∂h‖", "× 1, forget bias 0: ‖∂L/∂c‖"]
    low, high = -20, 2
    expected = (np.log10(before.norms["grads.h"]) - low) / (high - low)
    np.testing.assert_allclose(found["× 1, forget bias 0: ‖∂L/∂h‖"], expected)
    explorer.commands.actions["unpin"].trigger()
    assert not ghosts(explorer)


def test_a_pin_outlives_undo_for_going_back_is_a_comparison_too(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.edit_what_if(WhatIf(recurrent_scale=1.5))
    settle(qtbot, explorer)
    explorer.bindings.pins.pin()
    explorer.document.undo_stack.undo()
    settle(qtbot, explorer)
    assert list(ghosts(explorer)) == ["× 1.5: ‖∂L/∂h‖", "× 1.5: ‖∂L/∂c‖"]


def test_the_same_trace_is_pinned_once_and_the_oldest_of_too_many_goes(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.bindings.pins.pin()
    explorer.bindings.pins.pin()
    assert len(explorer.document.view.pins) == 1
    found: tuple[Pin, ...] = ()
    for scale in np.linspace(0.5, 2, 10):
        found = pins.with_pin(found, pin_of(LSTM, WhatIf(recurrent_scale=float(scale))))
    assert len(found) == pins.MOST
    assert found[-1].what_if.recurrent_scale == 2.0


def test_a_pin_that_came_with_some_of_its_norms_is_kept_with_them() -> None:
    """That of the golden session has not all that a pin of today has."""
    saved = session.load(Path(__file__).parents[1] / "golden" / "session-1.1.gflow").pins
    assert saved
    again = pins.kept(pins.from_session(saved))
    assert [set(one.norms) for one in again] == [set(one.norms) for one in saved]


def test_pinning_neither_makes_the_document_dirty_nor_is_it_undone(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.document.undo_stack.setClean()
    count = explorer.document.undo_stack.count()
    explorer.bindings.pins.pin()
    assert not explorer.document.dirty
    assert explorer.document.undo_stack.count() == count


def initialised(**init: object) -> Experiment:
    return layered(init=InitSpec(**init))  # type: ignore[arg-type]


def layered(**of: object) -> Experiment:
    layer = LayerSpec(cell="lstm", hidden_size=4, **of)  # type: ignore[arg-type]
    return msgspec.structs.replace(RNN, model=ModelSpec(layers=(layer,)))


def training(**of: object) -> Experiment:
    return msgspec.structs.replace(RNN, training=TrainingSpec(**of))  # type: ignore[arg-type]


CUT, CLIPPED = TruncationSpec(k1=5, k2=7), ClipSpec(kind="step", max_norm=1e-3)
SHORT = msgspec.structs.replace(RNN, task=AddingTask(steps=12, batch_size=2, shortest=5))


@pytest.mark.parametrize(
    ("own", "now", "said"),
    [
        (LSTM, initialised(forget_bias=3.0), "default forget bias"),
        (initialised(forget_bias=3.0), LSTM, "forget bias 3"),
        (LSTM, initialised(spectral_radius=0.9), "W_hh as drawn"),
        (LSTM, initialised(chrono=12), "no chrono"),
        (LSTM, layered(recurrent_dropout=RecurrentDropoutSpec()), "no recurrent dropout"),
        (RNN, SHORT, "all sequences of T steps"),
        (RNN, training(truncation=CUT), "full BPTT"),
        (training(truncation=CUT), RNN, "truncated 5, 7"),
        (RNN, training(clip=CLIPPED), "steps not clipped"),
        (training(clip=CLIPPED), RNN, "steps clipped at 0.001"),
        (training(iterations=50), RNN, "50 iterations before"),
        (training(learning_rate=0.5), RNN, "as now"),
        (training(clip=ClipSpec(kind="norm")), RNN, "as now"),
    ],
)
def test_whatever_bears_upon_the_gradient_is_in_the_name_of_a_pin(own: Experiment, now: Experiment, said: str) -> None:
    assert name(pin_of(own), now, WhatIf(), 0) == said


@pytest.mark.parametrize(
    ("pin", "now", "said"),
    [
        (pin_of(LSTM, WhatIf(forget_bias=1.0)), (RNN, WhatIf(), 0), "LSTM, forget bias +1"),
        (pin_of(RNN, WhatIf(recurrent_scale=1.2)), (RNN, WhatIf(), 0), "× 1.2"),
        (pin_of(RNN, iteration=20), (RNN, WhatIf(), 0), "iteration 20"),
        (pin_of(RNN), (RNN, WhatIf(), 0), "as now"),
        (pin_of(msgspec.structs.replace(RNN, dtype="float64")), (RNN, WhatIf(), 0), "float64"),
        (pin_of(msgspec.structs.replace(RNN, task=AddingTask(steps=99, batch_size=2))), (RNN, WhatIf(), 0), "T = 99"),
        (pin_of(msgspec.structs.replace(RNN, seed=3)), (RNN, WhatIf(), 0), "seed 3"),
    ],
)
def test_a_pin_is_named_by_what_differs(pin: Pin, now: tuple[Experiment, WhatIf, int], said: str) -> None:
    assert name(pin, *now) == said


def test_a_session_keeps_the_norms_of_pins(qtbot: QtBot, explorer: Explorer, tmp_path: Path) -> None:
    before = settle(qtbot, explorer)
    explorer.bindings.pins.pin()
    explorer.document.edit_experiment(RNN)
    excerpt = settle(qtbot, explorer)
    session.save(session_of(explorer.document, excerpt), tmp_path / "a.gflow")
    found = opening.of_path(tmp_path / "a.gflow")
    (pin,) = found.view.pins
    assert pin.experiment == LSTM
    assert pin.layers["l0"].norms["grads.c"].tobytes() == before.norms["grads.c"].tobytes()
    explorer.show(found)
    settle(qtbot, explorer)
    assert list(ghosts(explorer)) == ["LSTM: ‖∂L/∂h‖", "LSTM: ‖∂L/∂c‖"]


@pytest.mark.parametrize("norms", [{"l0.grads.h": np.zeros(3)}, {"l7.grads.h": np.zeros(12)}, {"norms": np.zeros(12)}])
def test_a_pin_that_does_not_fit_its_experiment_is_refused(norms: dict[str, np.ndarray]) -> None:
    pinned = session.PinnedNorms(RNN, WhatIf(), 0, norms)
    with pytest.raises((SessionError, SpecError), match=r"\."):
        session.check(session.Session(RNN, pins=(pinned,)))


def test_other_curves_take_the_tracks_place_and_height_in_one_undoable_edit(qtbot: QtBot, explorer: Explorer) -> None:
    d, stage = explorer.document, explorer.window.stage
    d.edit_tracks(("norms", "values.h"), "test")
    d.look(heights={"norms": 133})
    stage.set_heights({"norms": 133})
    count = d.undo_stack.count()
    new = "norms?of=l0.grads.h,l0.grads.a_f"
    stage.trackChanged.emit("norms", new)
    assert d.state.tracks == (new, "values.h")
    assert stage.canvas.heights[new] == 133
    assert d.undo_stack.count() == count + 1
    d.undo_stack.undo()
    assert d.state.tracks == ("norms", "values.h")
    assert stage.canvas.heights["norms"] == 133


def test_a_held_slider_asks_for_less_of_what_is_slow_and_gets_the_rest_when_it_is_let_go(
    qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.document.edit_tracks(("singular", "growth"), "test")
    assert "l0.singular" in settle(qtbot, explorer).arrays
    explorer.document.drag_what_if(WhatIf(recurrent_scale=1.1))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    assert "l0.singular@quick" in settle(qtbot, explorer).arrays
    track = explorer.window.stage.canvas.tracks[0]
    assert isinstance(track, CurveTrack)
    assert track.plot is not None
    explorer.document.edit_what_if(WhatIf())
    found = settle(qtbot, explorer).arrays
    assert "l0.singular" in found
    assert "l0.singular@quick" not in found
