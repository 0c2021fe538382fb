"""What is trained in the window is one training: pausing, saving, opening and travelling change no bit of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine import session
from engine.requests import Computed, Look, Weights
from engine.sources import MEMORY
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, OptimizerSpec, TrainingSpec
from engine.training_requests import Train
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View
from explorer.training.runner import Runner

KEYS = ("grads.h", "values.h")


def experiment(**training: object) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),)),
        task=AddingTask(steps=8, batch_size=3),
        training=TrainingSpec(learning_rate=0.02, optimizer=OptimizerSpec(kind="adam"), evaluate_every=20, **training),
    )


def shown(of: Experiment) -> Opening:
    return Opening(State(tracks=("network", *KEYS), experiment=of), View(), title="training")


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and not explorer.runner.under_way, timeout=60_000)


def opened(qtbot: QtBot, explorer: Explorer, of: Experiment) -> Runner:
    explorer.show(shown(of))
    settle(qtbot, explorer)
    return explorer.runner


def train_to(qtbot: QtBot, explorer: Explorer, goal: int) -> None:
    explorer.runner.start(goal=goal)
    settle(qtbot, explorer)


def by_itself(of: Experiment, count: int) -> Weights:
    """The state after so many iterations in one chunk, without a window."""
    from engine.operations import run

    return run("train", Train(of, None, 0, count)).weights


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_pausing_changes_no_bit_and_every_iteration_has_its_row(qtbot: QtBot, explorer: Explorer) -> None:
    runner = opened(qtbot, explorer, experiment())
    for goal in (7, 8, 31, 60):
        train_to(qtbot, explorer, goal)
    runner.start()
    qtbot.waitUntil(lambda: explorer.book.next > 64)
    runner.pause()
    settle(qtbot, explorer)
    done = explorer.book.next
    assert explorer.book.iterations().tolist() == list(range(done))
    assert same(explorer.document.state.history[done], by_itself(experiment(), done))
    assert explorer.document.view.iteration == done, "the stage has come along"
    train_to(qtbot, explorer, done + 1)  # an evaluation that the pause has let go is made now
    assert [one.iteration for one in explorer.book.evaluations] == list(range(20, done + 1, 20))


def test_travelling_to_an_iteration_shows_to_the_bit_what_was_live_there(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 137)
    live = explorer.controller.excerpt
    assert live is not None
    train_to(qtbot, explorer, 200)
    explorer.document._state = _thinned(explorer.document.state, keep=(0, 100, 200))
    MEMORY.clear()
    explorer.bindings.travel.to(137)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 137, timeout=60_000)
    again = explorer.controller.excerpt
    assert again is not None
    assert again is not live
    assert same(again.arrays, live.arrays)
    assert same(again.fingerprint, live.fingerprint)
    assert len(live.arrays) >= len(KEYS)
    assert explorer.book.next == 200, "what came after is still there"
    assert len(explorer.book.log) == 200
    assert again.loss == explorer.book.column("losses")[137], "the curve says what the trace says"


def test_what_another_learning_rate_led_to_is_replayed_with_it(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 30)
    live = explorer.document.state.history[30]
    faster = msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.5))
    explorer.document.edit_experiment(faster)
    settle(qtbot, explorer)
    train_to(qtbot, explorer, 45)
    train_to(qtbot, explorer, 60)
    before = explorer.document.state.history[45]
    explorer.document._state = _thinned(explorer.document.state, keep=(0, 30, 60))
    for iteration, expected in ((45, before), (30, live), (15, by_itself(experiment(), 15))):
        explorer.bindings.travel.to(iteration)
        qtbot.waitUntil(lambda wanted=iteration: explorer.document.view.iteration == wanted, timeout=60_000)
        assert same(explorer.document.state.history[iteration], expected)


def test_a_saved_training_comes_back_with_its_curves_and_goes_on_to_the_bit(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path
) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 50)
    losses, kept = explorer.book.column("losses"), explorer.book.kept()
    evaluations = explorer.book.evaluations
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    explorer.show(shown(experiment(l2=0.5)))
    settle(qtbot, explorer)
    assert len(explorer.book.column("losses")) == 0
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    assert explorer.book.column("losses").tobytes() == losses.tobytes()
    assert explorer.book.kept().tolist() == kept.tolist()
    assert explorer.book.evaluations == evaluations
    assert not explorer.window.stage.banner.text()
    train_to(qtbot, explorer, 80)
    assert same(explorer.document.state.history[80], by_itself(experiment(), 80))
    assert len(explorer.book.column("losses")) == 80


def test_a_file_knows_what_each_iteration_was_trained_with(qtbot: QtBot, explorer: Explorer, tmp_path: Path) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 30)
    plain = TrainingSpec(learning_rate=0.5)
    explorer.document.edit_experiment(msgspec.structs.replace(experiment(), training=plain))
    settle(qtbot, explorer)
    train_to(qtbot, explorer, 40)
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    explorer.document._state = _thinned(explorer.document.state, keep=(0, 30, 40))
    explorer.bindings.travel.to(20)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 20, timeout=60_000)
    assert same(explorer.document.state.history[20], by_itself(experiment(), 20))


def test_an_edit_after_opening_leaves_the_past_what_it_was_and_one_and_ten_train(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path
) -> None:
    """Where all has one recipe the file does not repeat it; what lies between two kept iterations is still of it."""
    document = explorer.document
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 40)
    document._state = _thinned(document.state, keep=(0, 40))
    saved = session_of(document, explorer.controller.excerpt)
    assert not saved.recipes
    session.save(saved, tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    edited = msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.5))
    document.edit_experiment(edited)
    settle(qtbot, explorer)
    assert not document.state.goes_on(0)
    explorer.bindings.travel.to(17)
    settle(qtbot, explorer)
    assert document.view.iteration == 17
    assert same(document.state.history[17], by_itself(experiment(), 17))
    explorer.runner.advance(10)
    settle(qtbot, explorer)
    assert explorer.book.next == 27
    assert document.undo_stack.undoText() == "training anew from iteration 17"
    from engine.operations import run

    anew = run("train", Train(edited, by_itself(experiment(), 17), 17, 10)).weights
    assert same(document.state.history[27], anew)


def test_an_edit_after_a_change_of_dtype_leaves_what_led_here(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 12)
    wider = msgspec.structs.replace(experiment(), dtype="float64")
    explorer.document.edit_experiment(wider)
    explorer.document.edit_experiment(msgspec.structs.replace(wider, training=TrainingSpec(learning_rate=0.5)))
    settle(qtbot, explorer)
    recipe, _ = explorer.document.state.recipe_into(12)
    assert recipe is not None
    assert (recipe.dtype, recipe.training.learning_rate) == ("float64", 0.02)


def test_training_anew_from_an_earlier_iteration_forgets_what_came_after_and_undo_brings_it_back(
    qtbot: QtBot, explorer: Explorer
) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 40)
    explorer.bindings.travel.to(10)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 10, timeout=60_000)
    undos = explorer.document.undo_stack.count()
    train_to(qtbot, explorer, 45)
    assert explorer.document.undo_stack.count() == undos, "nothing has changed: it went on from the end"
    losses = explorer.book.column("losses")
    explorer.bindings.travel.to(10)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 10, timeout=60_000)
    explorer.document.edit_experiment(msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.0)))
    settle(qtbot, explorer)
    train_to(qtbot, explorer, 12)
    assert explorer.book.next == 12
    assert len(explorer.book.column("losses")) == 12
    assert explorer.document.undo_stack.undoText() == "training anew from iteration 10"
    explorer.document.undo_stack.undo()
    settle(qtbot, explorer)
    assert explorer.book.next == 45
    assert explorer.book.column("losses").tobytes() == losses.tobytes()
    explorer.document.undo_stack.redo()
    settle(qtbot, explorer)
    assert explorer.book.next == 12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_training_is_saved_whatever_has_been_edited_since(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, dtype: str
) -> None:
    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 12)
    longer = msgspec.structs.replace(experiment(), task=AddingTask(steps=11, batch_size=3), dtype=dtype)
    explorer.document.edit_experiment(longer)
    settle(qtbot, explorer)
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    assert explorer.book.next == 12
    assert len(explorer.book.log) == 12
    train_to(qtbot, explorer, 14)
    assert explorer.book.log.iterations.tolist()[-2:] == [12, 13]


def test_an_old_file_without_records_opens_and_trains_on(qtbot: QtBot, explorer: Explorer) -> None:
    golden = Path(__file__).parent.parent / "golden" / "session-1.0.gflow"
    explorer.show(opening.of_path(golden))
    settle(qtbot, explorer)
    assert explorer.book.next == 12
    assert len(explorer.book.log) == 0


def _thinned(state: State, keep: tuple[int, ...]) -> State:
    """As if memory had been short."""
    from dataclasses import replace

    kept = {k: w for k, w in state.history.items() if k in keep}
    recipes = {k: r for k, r in state.past.recipes.items() if k in keep}
    return replace(state, past=replace(state.past, history=kept, recipes=recipes))


def test_the_trace_of_an_iteration_is_that_of_its_state(qtbot: QtBot, explorer: Explorer) -> None:
    from engine.operations import run

    opened(qtbot, explorer, experiment())
    train_to(qtbot, explorer, 25)
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    source = Computed(experiment(), by_itself(experiment(), 25), 25)
    alone = run("excerpt", Look(source, tuple(excerpt.arrays)))
    assert same(excerpt.arrays, alone.arrays)
    assert excerpt.loss == pytest.approx(alone.loss, abs=0.0)
    assert np.isfinite(excerpt.loss)
