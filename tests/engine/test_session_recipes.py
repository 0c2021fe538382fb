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

from engine import kept_states, session, session_room
from engine.errors import DataError, SessionError, SpecError
from engine.history import Log
from engine.operations import run
from engine.recipes import MAX_ORIGINS, Origin, recorded_until, with_origin
from engine.session import MAX_RECIPES, Recipe, Session, fitting
from engine.session_room import left_out
from engine.spec import LayerSpec, ModelSpec, OptimizerSpec, TrainingSpec, WhatIf
from engine.training_loop import fit, state_at
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
    monkeypatch.setattr(session_room, "_ROOM_FOR_WEIGHTS", 1)
    history = dict.fromkeys(range(40), made.history[0])
    assert set(fitting(replace(made, history=history, iteration=3)).history) == {3, 39}


def test_where_a_file_is_too_small_the_iterations_up_to_which_a_recipe_leads_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = small_session()
    history = dict.fromkeys(range(40), made.history[0])
    size = sum(array.nbytes for array in made.history[0].values())
    monkeypatch.setattr(session_room, "_ROOM_FOR_WEIGHTS", 8 * size)
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
    assert same_bits(state_at(last.session(), 4), expected)


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


# -- what is no longer known ------------------------------------------------------------------------------------------


def changed_often(changes: int, each: int = 2) -> Session:
    """So many rates, each of so many iterations, all of whose turns are kept."""
    state = None
    history, recipes = {}, []
    for number in range(changes):
        of = msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.01 + 1e-3 * (number % 7)))
        state = run("train", Train(of, state, number * each, each)).weights
        history[(number + 1) * each] = state
        recipes.append(Recipe(until=(number + 1) * each, experiment=of))
    return Session(recipes[-1].experiment, iteration=changes * each, history=history, recipes=tuple(recipes))


def test_of_more_recipes_than_a_file_takes_the_oldest_go_and_with_them_the_way_back_to_their_iterations(
    tmp_path: Path,
) -> None:
    whole = changed_often(MAX_RECIPES + 3)
    live = {k: state_at(whole, k) for k in (6, 7, 9, 300)}
    session.save(fitting(whole), tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert len(found.recipes) == MAX_RECIPES
    assert found.known_from == 6
    for iteration, state in live.items():
        assert same_bits(state_at(found, iteration), state)
    for iteration in range(1, 6):
        with pytest.raises(DataError) as raised:
            state_at(found, iteration)
        assert str(raised.value) == (
            f"Iteration {iteration} cannot be gone back to: what it was trained with is known only from "
            "iteration 6 on, for the training was changed so often, or its states are so large, that no more is kept."
        )
    assert state_at(found, 0) is None, "as initialised by the seed"


def test_states_at_turns_that_a_file_has_no_room_for_go_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = changed_often(12)
    size = max(sum(array.nbytes for array in state.values()) for state in whole.history.values())
    monkeypatch.setattr(session_room, "_ROOM_FOR_WEIGHTS", 2 * size)
    monkeypatch.setattr(session_room, "_room_for_states", lambda _: 8 * size)
    found = fitting(whole)
    # Seven turns beside the last state, which is the one that is shown.
    assert sorted(found.history) == [10, 12, 14, 16, 18, 20, 22, 24]
    assert found.known_from == 10
    assert same_bits(state_at(found, 11), state_at(whole, 11))
    assert found.out_of_reach(9)
    assert fitting(found).known_from == 10


def test_what_cannot_be_trained_again_is_all_kept_as_far_as_there_is_room_and_what_is_not_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a change of the number type: the states before it are all there is of those iterations."""
    often = changed_often(12)
    whole = replace(often, known_from=20, recipes=tuple(one for one in often.recipes if one.until > 20))
    monkeypatch.setattr(kept_states, "EASY_BYTES", 1)
    found = fitting(whole)
    assert [k for k in found.history if k <= 20] == [k for k in whole.history if k <= 20]
    assert left_out(whole, found) == ""
    size = max(sum(array.nbytes for array in state.values()) for state in whole.history.values())
    monkeypatch.setattr(session_room, "_ROOM_FOR_WEIGHTS", 7 * size)
    short = fitting(whole)
    gone = [k for k in whole.history if k < 20 and k not in short.history]
    assert gone
    assert all(short.out_of_reach(k) for k in gone)
    assert f"{len(gone)} states from before iteration 20 are not in it" in left_out(whole, short)
    assert 20 in short.history


def test_training_on_from_such_a_session_keeps_what_is_known(tmp_path: Path) -> None:
    whole = replace(changed_often(12), known_from=8)
    *_, last = fit(whole, 30, budget=1)
    found = last.session(whole)
    assert found.known_from == 8
    assert 8 in found.history
    assert same_bits(state_at(found, 9), state_at(whole, 9))


def test_a_file_that_lacks_a_state_at_which_another_recipe_began_is_known_from_the_next_one_on(
    tmp_path: Path,
) -> None:
    """As one that was written before they were kept: from 4 on, 7 would be trained with what came after 6."""
    whole = changed_often(5)
    lacking = replace(whole, history={k: state for k, state in whole.history.items() if k != 6})
    session.save(lacking, tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert found.known_from == 8
    assert found.out_of_reach(7)
    assert same_bits(state_at(found, 9), state_at(whole, 9))


def test_training_on_with_another_what_if_says_what_came_before_it() -> None:
    start = Session(experiment(), iteration=6, history={6: run("train", Train(experiment(), None, 0, 6)).weights})
    *_, last = fit(start, 12, what_if=WhatIf(recurrent_scale=0.5), budget=1)
    found = last.session(start)
    assert found.turns == {6}
    assert same_bits(state_at(found, 5), state_at(start, 5))
    expected = run("train", Train(experiment(), start.history[6], 6, 2, WhatIf(recurrent_scale=0.5))).weights
    assert same_bits(state_at(found, 8), expected)


@pytest.mark.parametrize(
    ("iteration", "error", "words"),
    [(25, DataError, "has 0 to 24"), (-1, SpecError, "iteration is -1"), (2.0, SpecError, "iteration is 2.0")],
)
def test_what_is_no_iteration_of_the_session_is_refused(iteration: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        state_at(changed_often(12), iteration)


@pytest.mark.parametrize(
    "wrong",
    [
        {"known_from": 5},
        {"known_from": -1},
        {"cast_before": -1},
        {"origins": (Origin(until=5, torch="1"), Origin(until=5, torch="2"))},
        {"origins": tuple(Origin(until=k + 1, torch=str(k)) for k in range(MAX_ORIGINS + 1))},
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SessionError):
        session.save(replace(small_session(), **wrong), tmp_path / "a.gflow")


def test_who_recorded_what_comes_back(tmp_path: Path) -> None:
    made = replace(
        small_session(), log=Log().appended(_records(12, 6)), origins=(Origin(until=5, torch="1.2.3", device="cuda:0"),)
    )
    session.save(replace(made, cast_before=4), tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert (found.origins, found.cast_before) == (made.origins, 4)
    here = found.written_with["torch"]
    assert found.recorded_by() == (*made.origins, Origin(until=12, torch=here, device="cpu"))


def test_of_very_many_who_recorded_the_oldest_count_as_the_next() -> None:
    found: tuple[Origin, ...] = ()
    for k in range(1, 100):
        found = with_origin(found, Origin(until=k, torch=str(k)))
    assert len(found) == MAX_ORIGINS
    assert found[-1] == Origin(until=99, torch="99")
    assert recorded_until(found, 98)[-1] == Origin(until=98, torch="98")
    assert with_origin(found, Origin(until=120, torch="99")) == (*found[:-1], Origin(until=120, torch="99"))
    assert recorded_until(found, 0) == ()
