"""A file says what its iterations were trained with, and nothing in it that does not fit together is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from saved_sessions import assert_same, small_session
from training_cases import experiment, same_bits

from engine import session
from engine.errors import SessionError, SpecError
from engine.history import Log
from engine.operations import run
from engine.session import MAX_RECIPES, Recipe, Session, fitting
from engine.spec import LayerSpec, ModelSpec, OptimizerSpec, TrainingSpec, WhatIf
from engine.training_loop import fit, replayed
from engine.training_requests import Records, Train
from engine.training_state import optimizer_shapes


def faster(of: Session) -> Any:
    return msgspec.structs.replace(of.experiment, training=TrainingSpec(learning_rate=0.5))


def with_recipes() -> Session:
    made = small_session()
    first = Recipe(until=0, experiment=faster(made), what_if=WhatIf(recurrent_scale=0.5))
    return replace(made, recipes=(first, Recipe(until=12, experiment=made.experiment)))


def test_recipes_come_back_and_every_iteration_has_its_own(tmp_path: Path) -> None:
    made = with_recipes()
    session.save(made, tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert_same(found, made)
    assert found.recipes == made.recipes
    assert found.trained(0) == made.recipes[0]
    assert found.trained(1) == found.trained(12) == made.recipes[1]
    assert found.trained(13).what_if == made.what_if, "what comes after is the session's own"


def test_a_file_without_recipes_was_trained_with_what_it_shows(tmp_path: Path) -> None:
    made = small_session()
    session.save(made, tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert found.recipes == ()
    assert (found.trained(5).experiment, found.trained(5).what_if) == (made.experiment, made.what_if)


def test_a_state_is_saved_with_what_its_own_optimiser_keeps(tmp_path: Path) -> None:
    made = small_session()
    adam = msgspec.structs.replace(made.experiment, training=TrainingSpec(optimizer=OptimizerSpec(kind="adam")))
    kept = {name: np.ones(shape, np.float32) for name, shape in optimizer_shapes(adam).items()}
    history = {0: {**made.history[0], **kept}, 12: made.history[12]}
    recipes = (Recipe(until=0, experiment=adam), Recipe(until=12, experiment=made.experiment))
    session.save(replace(made, history=history, recipes=recipes), tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert set(found.history[0]) == set(history[0])
    assert set(found.history[12]) == set(made.history[12])


@pytest.mark.parametrize("what", ["order", "network", "dtype", "range", "many"])
def test_recipes_that_do_not_fit_are_refused(tmp_path: Path, what: str) -> None:
    made = with_recipes()
    first, last = made.recipes
    wider = ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=5),))
    other = {
        "order": (last, first),
        "network": (replace_experiment(first, model=wider), last),
        "dtype": (replace_experiment(first, dtype="float64"), last),
        "range": (replace_experiment(first, training=TrainingSpec(learning_rate=-1.0)), last),
        "many": tuple(Recipe(until=n, experiment=made.experiment) for n in range(MAX_RECIPES + 1)),
    }[what]
    with pytest.raises((SessionError, SpecError)):
        session.save(replace(made, recipes=other), tmp_path / "a.gflow")
    assert not (tmp_path / "a.gflow").exists()


def replace_experiment(recipe: Recipe, **changes: Any) -> Recipe:
    return msgspec.structs.replace(recipe, experiment=msgspec.structs.replace(recipe.experiment, **changes))


@pytest.mark.parametrize("steps", [6, 9, 7])
def test_records_may_be_of_sequences_of_another_length(tmp_path: Path, steps: int) -> None:
    """T may have been changed since."""
    made = small_session()
    log = Log().appended(_records(12, steps))
    session.save(replace(made, log=log), tmp_path / "a.gflow")
    assert session.load(tmp_path / "a.gflow").log.flow_table().flow.shape == (12, steps)


def test_the_last_state_is_saved_beside_the_one_on_screen_however_large_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = small_session()
    monkeypatch.setattr(session, "_ROOM_FOR_WEIGHTS", 1)
    history = dict.fromkeys(range(40), made.history[0])
    assert set(fitting(replace(made, history=history, iteration=3)).history) == {3, 39}


def test_where_a_file_is_too_small_the_iterations_up_to_which_a_recipe_leads_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = small_session()
    history = dict.fromkeys(range(40), made.history[0])
    size = sum(array.nbytes for array in made.history[0].values())
    monkeypatch.setattr(session, "_ROOM_FOR_WEIGHTS", 8 * size)
    recipes = (Recipe(until=7, experiment=faster(made)), Recipe(until=39, experiment=made.experiment))
    kept = fitting(replace(made, history=history, recipes=recipes)).history
    assert len(kept) == 8
    assert {0, 7, 12, 39} <= set(kept)


def test_training_on_keeps_the_states_at_which_another_recipe_began_however_little_room_there_is() -> None:
    """Without the one at 3, iteration 4 would be trained from one before it with what came later."""
    slow, quick = experiment(), msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.5))
    first = run("train", Train(slow, None, 0, 3)).weights
    session = Session(quick, iteration=3, history={3: first}, recipes=(Recipe(until=3, experiment=slow),))
    *_, last = fit(session, 40, budget=1)
    assert set(last.states) == {3, 40}
    expected = run("train", Train(quick, first, 3, 1)).weights
    assert same_bits(replayed(quick, last.states, 4), expected)


def test_a_file_keeps_them_before_anything_else_though_there_is_no_room() -> None:
    history = {k: {"w": np.zeros(3 * 2**20)} for k in (0, 5, 9, 20, 30)}  # 24 MiB each
    recipes = tuple(Recipe(until=k, experiment=experiment()) for k in (5, 9, 20))
    made = Session(experiment(), iteration=30, history=history, recipes=recipes)
    assert set(fitting(made).history) == {5, 9, 20, 30}


def _records(count: int, steps: int) -> Records:
    return Records(
        first=0,
        losses=np.ones(count),
        grad_norms=np.ones(count),
        clipped_norms=np.ones(count),
        clipped=np.zeros(count, bool),
        layer_norms={"l0": np.ones(count), "readout": np.ones(count)},
        flow=np.zeros((count, steps), np.float32),
        flow_bad=np.zeros(count, bool),
        learning_rates=np.ones(count),
        seconds=np.ones(count),
    )
