"""What iterations were trained with cannot get lost: not where a session is gone on from with another experiment, not
where its progress is saved without it, and not where a file has no room for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from training_cases import OPTIMIZERS, experiment, same_bits

import engine
from engine import container, session
from engine.errors import DataError
from engine.history import Log
from engine.operations import run
from engine.requests import Weights
from engine.session import Recipe, Session, fitting, left_out
from engine.spec import Experiment, WhatIf
from engine.training_loop import Progress, fit, state_at
from engine.training_requests import Records, Train
from engine.training_state import optimizer_shapes, parameters_of, state_shapes

SLOW, QUICK = experiment(learning_rate=0.05), experiment(learning_rate=0.5)
SCALED = WhatIf(recurrent_scale=0.5)


def last(of: Iterator[Progress]) -> Progress:
    *_, end = of
    return end


def truth(*parts: tuple[Experiment, WhatIf, int]) -> dict[int, Weights]:
    """Every state of a run that is never interrupted: `parts` up to which iteration."""
    found: dict[int, Weights] = {}
    state, k = None, 0
    for of, what_if, until in parts:
        for k in range(k, until):  # noqa: B020 - it goes on where it was
            state = run("train", Train(of, state, k, 1, what_if)).weights
            found[k + 1] = state
        k = until
    return found


def through_a_file(made: Session, tmp_path: Path) -> Session:
    session.save(made, tmp_path / "a.gflow")
    return session.load(tmp_path / "a.gflow")


def assert_all_are_gone_back_to(found: Session, live: dict[int, Weights]) -> None:
    for k, state in live.items():
        assert same_bits(state_at(found, k) or {}, state), k


def test_going_on_with_a_session_whose_experiment_was_replaced_says_what_came_before(tmp_path: Path) -> None:
    first = last(fit(SLOW, 9, budget=1)).session()
    end = last(fit(replace(first, experiment=QUICK), 17, budget=1))
    live = truth((SLOW, WhatIf(), 9), (QUICK, WhatIf(), 17))
    for found in (end.session(), end.session(first), through_a_file(end.session(), tmp_path)):
        assert found.recipes == (Recipe(until=9, experiment=SLOW),)
        assert (found.trained(9).experiment, found.trained(10).experiment) == (SLOW, QUICK)
        assert_all_are_gone_back_to(found, live)


def test_the_way_that_the_module_shows_keeps_them(tmp_path: Path) -> None:
    """fit(load(…)), save(progress.session()): again and again."""
    found = last(fit(SLOW, 5)).session()
    found = last(fit(replace(found, experiment=QUICK), 9)).session()
    for goal in (12, 15):
        found = last(fit(through_a_file(found, tmp_path), goal, budget=1)).session()
    assert found.recipes == (Recipe(until=5, experiment=SLOW),)
    assert found.turns == {5}, "what goes on as before is no turn"
    assert_all_are_gone_back_to(found, truth((SLOW, WhatIf(), 5), (QUICK, WhatIf(), 15)))


def test_a_session_that_was_edited_and_not_gone_on_with_knows_its_past(tmp_path: Path) -> None:
    edited = replace(last(fit(SLOW, 6, budget=1)).session(), experiment=QUICK, what_if=SCALED)
    live = truth((SLOW, WhatIf(), 6))
    for found in (edited, through_a_file(edited, tmp_path)):
        assert found.trained(6) == Recipe(until=6, experiment=SLOW)
        assert (found.trained(7).experiment, found.trained(7).what_if) == (QUICK, SCALED)
        assert_all_are_gone_back_to(found, live)


def test_an_edit_that_is_taken_back_is_no_turn() -> None:
    first = last(fit(SLOW, 6)).session()
    back = replace(replace(first, experiment=QUICK), experiment=SLOW)
    assert last(fit(back, 9)).session().recipes == ()


@pytest.mark.parametrize("iterations", [0, 3])
def test_a_training_with_a_what_if_is_one_in_its_file_too(tmp_path: Path, iterations: int) -> None:
    """A file that says nothing of it has the iterations that are trained as it opens without the what-if."""
    given = experiment(learning_rate=0.05, iterations=iterations)
    found = through_a_file(last(fit(given, 7, what_if=SCALED, budget=1)).session(), tmp_path)
    assert_all_are_gone_back_to(found, truth((given, SCALED, 7)))
    contents = container.read(tmp_path / "a.gflow", "session")
    assert len(contents.description["recipes"]) == (1 if iterations else 0)


def test_what_was_trained_comes_from_the_training_and_words_from_another_session() -> None:
    first = last(fit(SLOW, 4)).session()
    end = last(fit(replace(first, experiment=QUICK), 8))
    other = Session(experiment(learning_rate=0.01), WhatIf(forget_bias=1.0), title="Mine", notes="of it")
    found = end.session(other)
    assert (found.title, found.notes) == ("Mine", "of it")
    assert (found.experiment, found.what_if, found.recipes) == (QUICK, WhatIf(), (Recipe(until=4, experiment=SLOW),))


def test_there_is_no_public_way_to_train_states_again_without_what_they_were_trained_with() -> None:
    assert "replayed" not in engine.__all__
    assert not hasattr(engine, "replayed")
    assert "state_at" in engine.__all__


def test_five_edits_of_every_kind_in_a_notebook_are_gone_back_to_to_the_bit(tmp_path: Path) -> None:
    parts: list[tuple[Experiment, WhatIf, int]] = [
        (SLOW, WhatIf(), 4),
        (experiment(learning_rate=0.01, optimizer=OPTIMIZERS["adam"]), WhatIf(), 9),
        (experiment(learning_rate=0.01, optimizer=OPTIMIZERS["adamw"]), SCALED, 13),
        (experiment(learning_rate=0.01, optimizer=OPTIMIZERS["rmsprop momentum"]), SCALED, 17),
        (experiment(learning_rate=0.1, optimizer=OPTIMIZERS["momentum"]), WhatIf(), 22),
    ]
    found = Session(SLOW)
    for of, what_if, until in parts:
        found = through_a_file(
            last(fit(replace(found, experiment=of), until, what_if=what_if, budget=1)).session(), tmp_path
        )
    assert found.turns == {4, 9, 13, 17}
    assert_all_are_gone_back_to(found, truth(*parts))


# -- what a file has no room for --------------------------------------------------------------------------------------


def large(rates: int, mebibytes: int = 24, shown: int | None = None) -> Session:
    """So many rates of four iterations, whose states take so much each."""
    H = round((mebibytes * 2**20 / 4 / 12) ** 0.5)  # weights and Adam's two averages: 3 · 4·H² float32
    model = msgspec.structs.replace(SLOW.model, layers=(msgspec.structs.replace(SLOW.layer, hidden_size=H),))
    adam = experiment(model=model, optimizer=OPTIMIZERS["adam"])
    state = {name: np.zeros(shape, np.float32) for name, shape in state_shapes(adam).items()}
    rate = [msgspec.structs.replace(adam.training, learning_rate=0.001 * (n + 1)) for n in range(rates)]
    recipes = tuple(
        Recipe(until=4 * (n + 1), experiment=msgspec.structs.replace(adam, training=of)) for n, of in enumerate(rate)
    )
    history = {0: parameters_of(state)} | {4 * (n + 1): state for n in range(rates)}
    return Session(
        recipes[-1].experiment, iteration=4 * rates if shown is None else shown, history=history, recipes=recipes
    )


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may have 16 MiB, with which states of 2 MiB are large ones."""
    monkeypatch.setitem(container.MAX_FILE_BYTES, "session", 16 * 2**20)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("rates", [1, 2, 3, 4, 5, 11, 40])
def test_a_training_that_was_edited_can_be_saved_however_large_it_is(tmp_path: Path, rates: int) -> None:
    made = large(rates, 2)
    found = through_a_file(made, tmp_path)
    assert max(found.history) == found.iteration == 4 * rates
    # There is room for three states of a little more than 2 MiB in the 8 MiB that nothing else takes.
    assert found.known_from == (4 * (rates - 2) if rates > 3 else 0)
    for k in range(found.known_from + 1, 4 * rates + 1):
        assert not found.out_of_reach(k)
        assert found.trained(k) == made.trained(k), k
    for k in range(1, found.known_from):
        assert found.out_of_reach(k), k
    # Every turn from there on is in the file: nothing is trained again across one.
    assert {k for k in found.turns if k >= found.known_from} <= set(found.history) | {0}


@pytest.mark.usefixtures("small_files")
def test_what_is_left_out_is_said_in_a_sentence() -> None:
    made = large(11, 2)
    kept = fitting(made)
    assert kept.known_from == 36
    assert left_out(made, kept) == (
        "A session has room for 16.0 MiB and 256 changes of what is trained with: of the iterations before 36 only "
        "the records are kept, and one can no longer go back to them."
    )
    assert left_out(made, made) == ""
    assert left_out(kept, fitting(kept)) == "", "once is enough"


@pytest.mark.usefixtures("small_files")
def test_the_iteration_on_screen_is_saved_too_as_long_as_there_is_room_for_it(tmp_path: Path) -> None:
    found = through_a_file(large(11, 2, shown=8), tmp_path)
    assert found.iteration == 8
    assert {8, 44} <= set(found.history)
    made = large(3, 5, shown=4)
    found = through_a_file(made, tmp_path)
    assert (found.iteration, set(found.history)) == (12, {0, 12})
    assert left_out(made, found).endswith(" It shows iteration 12.")
    assert through_a_file(large(3, 5, shown=0), tmp_path).iteration == 0


@pytest.mark.usefixtures("small_files")
def test_a_training_goes_on_and_is_saved_again_after_that(tmp_path: Path) -> None:
    found = through_a_file(large(11, 2), tmp_path)
    for goal in (45, 46):
        end = last(fit(replace(found, experiment=msgspec.structs.replace(found.experiment, seed=goal)), goal))
        found = through_a_file(end.session(), tmp_path)
        assert max(found.history) == goal
        assert same_bits(found.history[goal], end.state or {})
    assert found.known_from > 36


def test_the_limit_is_that_of_real_files(tmp_path: Path) -> None:
    """44 rates of an LSTM of 512 units with Adam, 12 MiB a state: more than 512 MiB."""
    kept = fitting(large(44, 12))
    size = sum(array.nbytes for state in kept.history.values() for array in state.values())
    limit = container.MAX_FILE_BYTES["session"]
    assert limit - 24 * 2**20 < size < limit - 2**20
    assert max(kept.history) == 176
    assert kept.known_from > 0


def test_records_of_short_sequences_beside_a_long_one_take_no_more_than_their_budget(tmp_path: Path) -> None:
    """In a file all rows are as long as the longest: 20,000 of 10 steps and one of 5,000 would be 400 MB."""
    count, log = 20_000, Log()
    log = log.appended(_records(0, count, 10)).appended(_records(count, 1, 5000))
    state = run("train", Train(SLOW, None, 0, 1)).weights
    made = Session(SLOW, iteration=count + 1, history={count + 1: state}, log=log)
    found = through_a_file(made, tmp_path)
    assert (tmp_path / "a.gflow").stat().st_size < 48 * 2**20
    assert found.log.next == count + 1
    np.testing.assert_array_equal(found.log.column("losses"), log.column("losses"))
    kept = found.log.flow_table()
    whole = log.flow_table()
    rows = np.searchsorted(whole.iterations, kept.iterations)
    np.testing.assert_array_equal(kept.flow[:, :10], whole.flow[rows, :10])
    assert len(kept.flow) > 500


def _records(first: int, count: int, steps: int) -> Records:
    numbers = np.arange(first, first + count, dtype=float)
    return Records(
        first=first,
        losses=numbers,
        grad_norms=numbers,
        clipped_norms=numbers,
        clipped=numbers > 3,
        layer_norms={"l0": numbers, "readout": numbers},
        flow=np.repeat(numbers[:, None], steps, 1).astype(np.float32),
        flow_bad=numbers < 0,
        learning_rates=numbers,
        seconds=numbers,
    )


# -- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> Session:
    return last(fit(experiment(learning_rate=0.05, evaluate_every=10, optimizer=OPTIMIZERS["adam"]), 40)).session()


@pytest.fixture
def written(trained: Session, tmp_path: Path) -> Path:
    session.save(trained, tmp_path / "a.gflow")
    return tmp_path / "a.gflow"


def place(*numbers: int) -> dict[str, Any]:
    return {f"records/{name}": np.array(numbers, np.int64) for name in ("place", "flow_place")}


FILLED = {"shape": (40,), "dtype": np.int64}
STEP = "history/40/optimizer.step"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "the end beyond every iteration": (place(0, 1, 2**30), "40 rows from 0 on, 1 apart, do not end before 1073741824"),
    "one too many": (place(0, 1, 41), "40 rows from 0 on, 1 apart, do not end before 41"),
    "shifted": (place(5, 1, 45), "Its records lead up to iteration 45, and its last state is of 40."),
    "further apart": (place(0, 2, 80), "Its records lead up to iteration 80, and its last state is of 40."),
    "clipped 7 times": ({"records/clipped": np.full(40, 7)}, "clipped has 7 in it; 0 or 1 is needed"),
    "clipped -1 times": ({"records/clipped": np.array([1] * 39 + [-1])}, "clipped has -1 in it; 0 or 1 is needed"),
    "bad 2 times": ({"records/flow_bad": np.full(40, 2)}, "flow_bad has 2 in it; 0 or 1 is needed"),
    "losses short": ({"records/losses": np.ones(39)}, "losses is (39,) of float64; (40,) of float64 is needed"),
    "losses without rows": ({"records/losses": np.array(1.0)}, "losses is () of float64; (40,) of float64 is needed"),
    "runs that are none": (
        {"records/flow_steps": np.zeros(3, np.int64)},
        "flow_steps is (3,) of int64; (runs, 2) of int64 is needed",
    ),
    "an evaluation of later": (
        {"evaluations/iteration": np.array([10, 20, 30, 2**62])},
        f"An evaluation is of iteration {2**62}, and its last state is of 40.",
    ),
    "steps before there were any": ({STEP: np.array(-5, np.float32)}, "optimizer.step of iteration 40 is -5;"),
    "half a step": ({STEP: np.array(0.5, np.float32)}, "optimizer.step of iteration 40 is 0.5;"),
    "no number of steps": ({STEP: np.array(np.nan, np.float32)}, "optimizer.step of iteration 40 is nan;"),
    "too many steps": ({STEP: np.array(1e30, np.float32)}, "optimizer.step of iteration 40 is 1e+30;"),
}


def changed(written: Path, tensors: dict[str, Any], **description: Any) -> Path:
    contents = container.read(written, "session")
    tensors = {name: array for name, array in {**contents.tensors, **tensors}.items() if array is not None}
    summary = container.Summary(**contents.probe.summary)  # type: ignore[arg-type]
    container.write(written, "session", {**contents.description, **description}, tensors, summary=summary)
    return written


@pytest.mark.parametrize("case", WRONG)
def test_a_training_that_cannot_have_been_is_not_opened(written: Path, case: str) -> None:
    tensors, words = WRONG[case]
    with pytest.raises(session.SessionError) as raised:
        session.load(changed(written, tensors))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_recipe_beyond_the_last_state_is_not_opened(written: Path) -> None:
    given = container.read(written, "session").description["experiment"]
    with pytest.raises(session.SessionError, match=r"leads up to iteration 1000000, and its last state is of 40\.$"):
        session.load(changed(written, {}, recipes=[{"until": 10**6, "experiment": given}]))


def test_known_from_an_iteration_that_was_not_done_is_not_opened(written: Path) -> None:
    with pytest.raises(session.SessionError, match="iteration 41"):
        session.load(changed(written, {}, known_from=41))


def test_as_it_was_it_opens(written: Path) -> None:
    """The files above differ from this one in what they name alone."""
    assert len(session.load(changed(written, {})).log) == 40


def test_what_a_window_has_seen_of_iterations_that_are_not_kept_is_left_out_of_a_file(tmp_path: Path) -> None:
    """Saving never fails by it: what comes after the last state is no part of the session."""
    end = last(fit(experiment(evaluate_every=5), 20, budget=10**9)).session()
    cut = replace(
        end, iteration=max(k for k in end.history if k < 20), history={k: w for k, w in end.history.items() if k < 20}
    )
    found = through_a_file(cut, tmp_path)
    assert found.log.next == found.iteration == max(cut.history)
    assert all(evaluation.iteration <= found.iteration for evaluation in found.evaluations)


def test_every_shape_of_a_log_that_is_thinned_comes_back(tmp_path: Path) -> None:
    """Rows end before the iteration that comes next, at any distance and from any first one."""
    for first in (0, 5):
        for count in (1, 2, 3, 17, 64):
            whole = Log().appended(_records(first, count, 7))
            for share in (1, 2, 3, 9):
                log = whole.within(flow=whole.flow.nbytes // share, scalars=whole.scalars.nbytes // share)
                for until in (first + count, first + 1, first + count // 2):
                    cut = log.until(until)
                    found = Log.from_arrays(cut.arrays(), ("l0", "readout"))
                    assert found.next == cut.next
                    np.testing.assert_array_equal(found.iterations, cut.iterations)
                    np.testing.assert_array_equal(found.flow_table().iterations, cut.flow_table().iterations)


def test_a_state_of_the_first_optimiser_is_no_part_of_what_another_keeps() -> None:
    rms = experiment(optimizer=OPTIMIZERS["rmsprop momentum"], learning_rate=0.01)
    sgd = experiment(optimizer=OPTIMIZERS["momentum"], learning_rate=0.01)
    edited = replace(last(fit(rms, 5)).session(), experiment=sgd)
    after = last(fit(edited, 6))
    start = parameters_of(edited.history[5])
    assert same_bits(after.state or {}, run("train", Train(sgd, start, 5)).weights)
    assert set(optimizer_shapes(rms)) <= set(after.session().history[5]), "what led to it is kept as it was"


@pytest.mark.parametrize(("before", "after"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("turned", [False, True])
def test_going_on_in_another_number_type_casts_the_states_as_the_window_does(
    tmp_path: Path, before: Any, after: Any, turned: bool
) -> None:
    """Whatever else was changed with it, and before it."""
    old, new = (msgspec.structs.replace(SLOW, dtype=dtype) for dtype in (before, after))
    first = last(fit(old, 9, budget=1)).session()
    if turned:
        first = last(fit(replace(first, experiment=msgspec.structs.replace(QUICK, dtype=before)), 12)).session()
    at = first.iteration
    cast = {name: array.astype(after) for name, array in first.history[at].items()}
    live = {k: run("train", Train(new, cast, at, k - at)).weights for k in range(at + 1, at + 6)}
    end = last(fit(replace(first, experiment=new), at + 5, budget=1)).session()
    for found in (end, through_a_file(end, tmp_path)):
        assert (found.known_from, found.cast_before) == (at, at)
        assert same_bits(found.history[at], cast)
        assert_all_are_gone_back_to(found, live)
        with pytest.raises(DataError, match=f"the iterations before {at} were trained in another number type"):
            state_at(found, 1)
        assert found.trained(at).experiment == msgspec.structs.replace(QUICK if turned else SLOW, dtype=after)


def test_another_number_type_before_anything_is_trained_is_that_of_the_seed() -> None:
    new = msgspec.structs.replace(SLOW, dtype="float64" if SLOW.dtype == "float32" else "float32")
    begun = Session(SLOW, history={0: run("train", Train(SLOW, None, 0, 0)).weights})
    found = last(fit(replace(begun, experiment=new), 3)).session()
    assert same_bits(found.history[3], run("train", Train(new, None, 0, 3)).weights)
    assert found.known_from == 0
