"""An iteration of which it is no longer known what it was trained with is never shown as something else: one sentence
says from where on one can travel, and the curves go on showing all there was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
import pytest
from lessons import trained
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from training_rig import STEPS, weights
from training_window import act, experiment, settle

from engine import past, session
from engine.operations import run
from engine.recipes import MAX_RECIPES
from engine.requests import Weights
from engine.spec import NO_WHAT_IF, Experiment, TrainingSpec
from engine.training_requests import Train, Trained
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.training.iteration_dialog import IterationDialog

RUNS, EACH = MAX_RECIPES + 4, 2
"""Of so many rates, so many iterations each."""
DONE, FROM = RUNS * EACH, 4 * EACH
REASON = (
    f"what it was trained with is known only from iteration {FROM} on, for the training was changed so often, or its "
    "states are so large, that no more is kept."
)


def with_rate(number: int) -> Experiment:
    return msgspec.structs.replace(
        experiment(), training=TrainingSpec(learning_rate=0.01 + 1e-4 * (number % 50), evaluate_every=10)
    )


@pytest.fixture(scope="module")
def live() -> tuple[State, dict[int, Weights]]:
    """What was trained, and the state of every iteration as it was live."""
    found: dict[int, Weights] = {}
    made = State(tracks=("norms",), experiment=with_rate(RUNS - 1))
    now: Weights | None = None
    for number in range(RUNS):
        of = past.as_trained(with_rate(number))
        assert of is not None
        for first in range(number * EACH, (number + 1) * EACH):
            done: Trained = run("train", Train(of, now, first, 1))
            found[done.iteration] = now = done.weights
            made = made.learning(done, (of, NO_WHAT_IF))
    kept = {k: w for k, w in made.history.items() if k % EACH == 0}
    recipes = {k: made.past.recipes[k] for k in kept}
    light = replace(made.past, history=MappingProxyType(kept), recipes=MappingProxyType(recipes))
    return replace(made, past=light), found


@pytest.fixture
def opened(qtbot: QtBot, explorer: Explorer, live: tuple[State, dict[int, Weights]], tmp_path: Path) -> Explorer:
    """As it comes back from a file."""
    made, _ = live
    explorer.show(Opening(made, View(iteration=DONE), title="training"))
    settle(qtbot, explorer)
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    return explorer


def go(qtbot: QtBot, explorer: Explorer, iteration: int) -> None:
    explorer.bindings.travel.to(iteration)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == iteration, timeout=60_000)
    settle(qtbot, explorer)


def said(explorer: Explorer) -> str:
    found = explorer.window.statusBar().currentMessage()
    explorer.window.statusBar().clearMessage()
    return found


def stays(qtbot: QtBot, explorer: Explorer, shown: int) -> None:
    settle(qtbot, explorer)
    assert explorer.document.view.iteration == shown
    assert explorer.controller.shown is not None
    assert explorer.controller.shown.iteration == shown
    assert explorer.bindings.travel.wish is None


def test_all_that_can_be_travelled_to_is_what_was_live_and_the_curves_are_whole(
    qtbot: QtBot, opened: Explorer, live: tuple[State, dict[int, Weights]]
) -> None:
    document = opened.document
    assert document.state.past.known_from == FROM
    assert opened.book.iterations().tolist() == list(range(DONE))
    assert opened.book.column("losses").tobytes() == live[0].log.column("losses").tobytes()
    for iteration in (FROM, FROM + 1, 301, DONE - 1):
        go(qtbot, opened, iteration)
        assert not opened.window.stage.banner.text()
        found = document.state.history[iteration]
        assert all(found[name].tobytes() == array.tobytes() for name, array in live[1][iteration].items())
    for iteration in range(1, FROM):
        opened.bindings.travel.to(iteration)
        assert said(opened) == f"Iteration {iteration} cannot be gone back to: {REASON}"
        stays(qtbot, opened, DONE - 1)


def test_iteration_0_is_what_the_seed_says(qtbot: QtBot, opened: Explorer) -> None:
    act(opened, "first_iteration")
    qtbot.waitUntil(lambda: opened.document.view.iteration == 0, timeout=60_000)
    settle(qtbot, opened)
    first = run("train", Train(with_rate(0), None, 0, 1)).losses[0]
    assert opened.controller.excerpt is not None
    assert opened.controller.excerpt.loss == first == opened.book.column("losses")[0]


def test_keys_on_the_curves_the_number_and_the_tape_stop_there_with_the_sentence(
    qtbot: QtBot, opened: Explorer
) -> None:
    go(qtbot, opened, FROM)
    opened.window.show()
    opened.bindings.training.take_focus()
    curves = opened.window.drawer.training.curves
    for _ in range(2):
        QTest.keyClick(curves, Qt.Key.Key_Left)
    assert curves._wished == FROM
    assert said(opened) == f"Iteration {FROM - 1} cannot be gone back to: {REASON}"
    stays(qtbot, opened, FROM)

    number = opened.window.transport.iteration
    number.picked.emit(3)
    assert said(opened) == f"Iteration 3 cannot be gone back to: {REASON}"
    stays(qtbot, opened, FROM)
    assert number.field.value() == FROM

    opened.document.look(position=0)
    opened.controller.step(-1, waits=True)
    assert said(opened) == f"Iteration {FROM - 1} cannot be gone back to: {REASON}"
    stays(qtbot, opened, FROM)

    opened.window.stage.iterationPicked.emit(5)
    assert said(opened) == f"Iteration 5 cannot be gone back to: {REASON}"
    stays(qtbot, opened, FROM)


def test_where_a_number_is_typed_it_is_said_before_it_is_accepted(qtbot: QtBot, opened: Explorer) -> None:
    act(opened, "go_to_iteration")
    (dialog,) = opened.window.findChildren(IterationDialog)
    dialog.field.setValue(FROM - 1)
    assert dialog.message.text() == f"Iteration {FROM - 1} cannot be gone back to: {REASON}"
    assert not dialog.ok.isEnabled()
    for iteration in (FROM, 0):
        dialog.field.setValue(iteration)
        assert dialog.ok.isEnabled()
    dialog.reject()
    stays(qtbot, opened, DONE)


def test_the_best_iteration_may_be_one_of_them(qtbot: QtBot, opened: Explorer) -> None:
    from engine.history import Evaluation

    judged = Evaluation(iteration=FROM - 1, loss=1e-9, metric="rmse", value=1.0)
    opened.document._state = opened.document.state.judging(judged)
    act(opened, "best_iteration")
    assert said(opened) == f"Iteration {FROM - 1} cannot be gone back to: {REASON}"
    stays(qtbot, opened, DONE)


def test_it_is_still_so_after_training_on_and_saving_again(qtbot: QtBot, opened: Explorer, tmp_path: Path) -> None:
    opened.runner.start(goal=DONE + 5)
    settle(qtbot, opened)
    session.save(session_of(opened.document, opened.controller.excerpt), tmp_path / "b.gflow")
    found = session.load(tmp_path / "b.gflow")
    assert found.known_from == FROM
    assert len(found.recipes) <= MAX_RECIPES
    assert not found.out_of_reach(FROM)
    assert found.out_of_reach(FROM - 1).endswith(REASON)


def test_saving_says_what_the_file_has_no_room_for(
    qtbot: QtBot, explorer: Explorer, live: tuple[State, dict[int, Weights]], tmp_path: Path
) -> None:
    explorer.show(Opening(live[0], View(iteration=DONE), title="training"))
    settle(qtbot, explorer)
    explorer.document.path = str(tmp_path / "a.gflow")
    assert explorer.files.save()
    assert explorer.files.finish_saving()
    missing = f"of the iterations before {FROM} only the records are kept, and one can no longer go back to them."
    said = explorer.window.statusBar().currentMessage()
    assert said.startswith("Saved. A session has room for ")
    assert said.endswith(missing)
    assert missing in explorer.window.status.saved.toolTip()


def test_the_iteration_on_screen_is_saved_though_it_is_one_of_them_and_can_be_trained_on_from(
    qtbot: QtBot, explorer: Explorer, live: tuple[State, dict[int, Weights]], tmp_path: Path
) -> None:
    explorer.show(Opening(live[0], View(iteration=4), title="training"))
    settle(qtbot, explorer)
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    document = explorer.document
    assert (document.view.iteration, document.state.past.known_from) == (4, FROM)
    explorer.runner.start(goal=7)
    settle(qtbot, explorer)
    assert document.state.past.known_from == 4, "from here on it is known again"
    expected = run("train", Train(with_rate(RUNS - 1), live[1][4], 4, 3)).weights
    assert all(document.state.history[7][name].tobytes() == array.tobytes() for name, array in expected.items())
    document.undo_stack.undo()
    settle(qtbot, explorer)
    assert document.state.past.known_from == FROM


def test_what_memory_has_no_room_for_is_let_go_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk is of another rate: at each of their ends training was changed."""
    size = sum(array.nbytes for array in weights(0).values())
    monkeypatch.setattr(past, "STATE_BYTES", 4 * size)
    monkeypatch.setattr(past, "TURN_BYTES", 6 * size)
    made = State(tracks=(), experiment=with_rate(0))
    for number in range(20):
        made = made.learning(trained(5 * number, 5, weights(number), STEPS, None), (with_rate(number), NO_WHAT_IF))
        known = made.past.known_from
        assert known == 0 or known in made.history
        assert len(made.history) <= 8
        for iteration in (7, 33, 96):
            assert bool(made.out_of_reach(iteration)) == (iteration < known and iteration not in made.history)
    assert made.past.known_from == 70, "six of them: 70, 75 … 95"
    assert len(made.log) == 100, "the curves are whole"


def test_a_step_over_the_end_onto_what_came_of_another_recipe_is_another_future(
    qtbot: QtBot, explorer: Explorer
) -> None:
    """The iteration after it is not kept, so that its weights cannot tell."""
    explorer.show(Opening(State(tracks=("norms",), experiment=with_rate(0)), View(), title="training"))
    settle(qtbot, explorer)
    explorer.runner.start(goal=12)
    settle(qtbot, explorer)
    document = explorer.document
    kept = {k: w for k, w in document.state.history.items() if k in (0, 12)}
    whole = document.state.past
    light = replace(whole, history=kept, recipes={12: whole.recipes[12]})
    document._state = replace(document.state, past=light)
    document.edit_experiment(msgspec.structs.replace(with_rate(0), training=TrainingSpec(learning_rate=0.5)))
    settle(qtbot, explorer)
    go(qtbot, explorer, 5)
    document.look(position=len(document.tape) - 1)
    explorer.controller.step(1, waits=True)
    qtbot.waitUntil(lambda: document.view.iteration == 6, timeout=60_000)
    settle(qtbot, explorer)
    assert explorer.book.next == 6
    assert document.undo_stack.undoText() == "training anew from iteration 5"
    document.undo_stack.undo()
    settle(qtbot, explorer)
    go(qtbot, explorer, 9)
    right = run("train", Train(with_rate(0), None, 0, 9)).weights
    assert all(np.array_equal(document.state.history[9][name], array) for name, array in right.items())


def test_a_document_that_would_open_on_such_an_iteration_shows_the_sentence_and_no_trace(
    qtbot: QtBot, explorer: Explorer, live: tuple[State, dict[int, Weights]]
) -> None:
    made, _ = live
    kept = {k: w for k, w in made.history.items() if k >= FROM}
    lacking = replace(made, past=replace(made.past, history=MappingProxyType(kept), known_from=FROM))
    explorer.show(Opening(lacking, View(iteration=5), title="training"))
    qtbot.waitUntil(lambda: bool(explorer.window.stage.banner.text()))
    assert explorer.window.stage.banner.text() == f"Iteration 5 cannot be gone back to: {REASON}"
    assert explorer.controller.excerpt is None
    go(qtbot, explorer, FROM)
    assert not explorer.window.stage.banner.text()
