"""The flow over training with the real engine: its numbers, how it comes along while training runs, and travelling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import session
from engine.requests import Computed, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, OptimizerSpec, TrainingSpec
from engine.tracks import FLOW_TRAINING
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.stage.tracks.flow_training import FlowTraining
from explorer.training.axes import last_iteration

T, BATCH = 8, 3


def experiment(dtype: str = "float64") -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="gru", hidden_size=4), LayerSpec(cell="rnn", hidden_size=4))),
        task=AddingTask(steps=T, batch_size=BATCH),
        training=TrainingSpec(learning_rate=0.02, optimizer=OptimizerSpec(kind="adam")),
        dtype=dtype,  # type: ignore[arg-type]
    )


@pytest.fixture
def trained(qtbot: QtBot, explorer: Explorer) -> Explorer:
    """After 30 iterations, the track on the stage, the window shown."""
    state = State(tracks=("network", FLOW_TRAINING, "grads.h"), experiment=experiment())
    explorer.show(Opening(state, View(), title="training"))
    settle(qtbot, explorer)
    train_to(qtbot, explorer, 30)
    return explorer


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)
    qtbot.waitUntil(lambda: explorer.window.stage.past.log is explorer.book.log, timeout=5000)


def train_to(qtbot: QtBot, explorer: Explorer, goal: int) -> None:
    explorer.runner.start(goal=goal)
    settle(qtbot, explorer)


def test_with_the_drawer_the_track_comes_into_sight_and_without_it_the_stage_goes_back(
    qtbot: QtBot, explorer: Explorer
) -> None:
    window, canvas = explorer.window, explorer.window.stage.canvas
    window.resize(1280, 800)
    tracks = ("network", "grads.h", "norms", FLOW_TRAINING)
    explorer.show(Opening(State(tracks=tracks, experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    bar = canvas.verticalScrollBar()
    assert bar.value() == 0
    window.drawer.show_tab("training")
    assert canvas.share_in_sight(FLOW_TRAINING) == 1
    window.drawer.shut()
    assert bar.value() == 0
    window.drawer.show_tab("evaluation")
    assert bar.value() == 0, "it belongs to the curves of the training"
    window.drawer.show_tab("training")
    bar.setValue(10)  # somebody looks elsewhere
    window.drawer.shut()
    assert bar.value() == 10


def test_in_a_narrow_window_the_cell_panel_makes_room_for_the_open_drawer(explorer: Explorer) -> None:
    window = explorer.window
    window.resize(900, 700)
    window.show()
    assert window.side.isVisible()
    window.drawer.show_tab("evaluation")
    assert not window.side.isVisible()
    assert window.side_edge.isVisible(), "the way back"
    window.drawer.shut()
    assert window.side.isVisible()


def track_of(explorer: Explorer) -> FlowTraining:
    found = explorer.window.stage.track(FLOW_TRAINING)
    assert isinstance(found, FlowTraining)
    return found


def replayed(explorer: Explorer, iteration: int) -> np.ndarray:
    """(T,) ‖∂L/∂h_t‖ of the layer that is read: each sample's gradients traced again, their norms, and the mean."""
    from engine.operations import run

    state = explorer.document.state
    norms = []
    for sample in range(BATCH):
        source = Computed(experiment(), state.history[iteration] if iteration else None, iteration)
        found = run("excerpt", Look(source, ("l1.grads.h",), sample=sample))
        norms.append(np.linalg.norm(found.arrays["l1.grads.h"], axis=1))
    return np.mean(norms, axis=0)


def click(explorer: Explorer, iteration: int, t: int) -> None:
    canvas, track = explorer.window.stage.canvas, track_of(explorer)
    slot = next(s for s in canvas.slots if s.track.key == FLOW_TRAINING)
    place, picture = canvas.place(slot), track._picture
    row = track._found.row_of(iteration)
    x = place.left() + int(picture.view.centre(t) / picture.view.ratio)
    y = place.top() + int(picture.rows.centre(row) / picture.view.ratio)
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(x, y))


def test_every_number_is_that_of_the_iteration_traced_again(trained: Explorer) -> None:
    kept = [k for k in trained.document.state.history if k < 30]
    assert kept, "some iteration can be traced from its own weights"
    track = track_of(trained)
    table = track.table(trained.window.stage.canvas.now)  # type: ignore[arg-type]
    assert table is not None
    from explorer.tables.text import Columns

    columns = Columns(table)
    for iteration in sorted({0, *kept})[:6]:
        truth = replayed(trained, iteration)
        for t in range(1, T + 1):
            assert float(columns.text(t - 1, iteration)) == pytest.approx(truth[t - 1], rel=5e-6)
            assert float(track.readout(iteration, t).taken[0].value) == pytest.approx(truth[t - 1], rel=5e-6)


def test_a_click_travels_there_and_the_whole_stage_follows(qtbot: QtBot, trained: Explorer) -> None:
    QApplication.processEvents()
    click(trained, 12, 5)
    qtbot.waitUntil(lambda: trained.document.view.iteration == 12, timeout=20_000)
    settle(qtbot, trained)
    excerpt, track = trained.controller.excerpt, track_of(trained)
    assert excerpt is not None
    assert trained.document.tape.moment(trained.document.view.position).step == 5
    assert track.past.shown == 12
    logs, _ = track._found.at(12)
    assert 10.0 ** logs.astype(float) == pytest.approx(excerpt.layers["l1"].norms["grads.h"], rel=5e-6)
    assert excerpt.loss == trained.book.column("losses")[12]
    assert trained.book.next == 30, "what came after is still there"


def test_keys_choose_a_row_and_travel(qtbot: QtBot, trained: Explorer) -> None:
    stage = trained.window.stage
    stage.handling.select(FLOW_TRAINING)
    trained.bindings.travel.to(20)
    qtbot.waitUntil(lambda: trained.document.view.iteration == 20, timeout=20_000)
    stage.setFocus()
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Return):
        QTest.keyClick(stage, key)
    qtbot.waitUntil(lambda: trained.document.view.iteration == 18, timeout=20_000)
    assert stage.handling.selected == FLOW_TRAINING, "the arrows have chosen a row, no other track"


def test_it_grows_while_training_runs(qtbot: QtBot, trained: Explorer) -> None:
    seen: list[int] = []
    trained.book.changed.connect(lambda: seen.append(len(trained.window.stage.past.log)))
    trained.runner.start()
    qtbot.waitUntil(lambda: trained.book.next > 60 and len(set(seen)) > 2, timeout=60_000)
    trained.runner.pause()
    settle(qtbot, trained)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, "it has come along, not only at the end"
    assert len(track_of(trained).past.log) == trained.book.next
    QApplication.processEvents()
    assert track_of(trained)._found.count == trained.book.next


def test_the_axis_grows_in_steps_and_begins_anew_with_another_past(qtbot: QtBot, trained: Explorer) -> None:
    stage = trained.window.stage
    assert stage.past.last == 30
    train_to(qtbot, trained, 33)
    assert stage.past.last == 40
    trained.document.train_anew_from(10)
    qtbot.waitUntil(lambda: len(stage.past.log) == 10, timeout=5000)
    qtbot.waitUntil(lambda: stage.past.last < 40, timeout=20_000)  # when the stage is at iteration 10
    trained.document.undo_stack.undo()
    qtbot.waitUntil(lambda: len(stage.past.log) == 33, timeout=5000)


def test_a_goal_changes_neither_its_axis_nor_that_of_the_curves(qtbot: QtBot, trained: Explorer) -> None:
    """Both end at the round number that holds what has been trained, while it runs and after a pause."""
    trained.window.drawer.show_tab("training")
    stage, curves = trained.window.stage, trained.window.drawer.training.curves
    trained.runner.start(goal=100_000)
    qtbot.waitUntil(lambda: trained.book.next > 40, timeout=60_000)
    assert stage.past.last < 1000
    trained.runner.pause()
    settle(qtbot, trained)
    qtbot.waitUntil(lambda: curves.count == trained.book.next, timeout=5000)
    assert stage.past.last == curves.last == last_iteration(trained.book.next)


def test_a_session_brings_it_back(qtbot: QtBot, trained: Explorer, tmp_path: Path) -> None:
    document = trained.document
    before = track_of(trained)._classified().codes[:30].copy()
    path = tmp_path / "trained.gflow"
    session.save(session_of(document, trained.controller.excerpt), path)
    trained.show(opening.of_path(path))
    settle(qtbot, trained)
    assert document.state.tracks == ("network", FLOW_TRAINING, "grads.h")
    after = track_of(trained)._classified()
    assert after.count == 30
    assert (after.codes[:30] == before).all()


def test_a_track_that_is_added_later_has_it_all(qtbot: QtBot, trained: Explorer) -> None:
    trained.bindings.tracks.remove_track(FLOW_TRAINING)
    train_to_hidden(qtbot, trained, 34)
    trained.bindings.tracks.add_track(FLOW_TRAINING)
    qtbot.waitUntil(lambda: trained.window.stage.past.log is trained.book.log, timeout=5000)
    assert track_of(trained)._classified().count == 34


def train_to_hidden(qtbot: QtBot, explorer: Explorer, goal: int) -> None:
    """While nothing shows it."""
    explorer.runner.start(goal=goal)
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)
    assert explorer.window.stage.past.log is not explorer.book.log, "nobody looks: nothing is handed over"


def test_another_document_has_no_rows_of_the_old_one(qtbot: QtBot, trained: Explorer) -> None:
    state = State(tracks=(FLOW_TRAINING,), experiment=experiment())
    trained.show(Opening(state, View(), title="another"))
    settle(qtbot, trained)
    assert track_of(trained)._classified().count == 0
    assert trained.window.stage.past.shown == 0
