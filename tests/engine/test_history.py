"""What is kept of a training's past: within a budget, dense near the end, and enough to go back to any iteration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from training_cases import OPTIMIZERS, experiment, same_bits

import engine
from engine.container import read
from engine.errors import SessionError
from engine.history import (
    SCALAR_BYTES,
    Evaluation,
    Log,
    best_of,
    evaluation_arrays,
    evaluations_from,
    kept_before,
    stops,
    thinned,
)
from engine.operations import run
from engine.rows import BLOCK_BYTES
from engine.session import Session, load, save
from engine.spec import EarlyStopSpec
from engine.training_loop import early_stop_sentence
from engine.training_requests import Records, Train, Trained


def state(size: int = 10) -> dict[str, np.ndarray]:
    return {"w": np.zeros(size, np.float32)}


def grown(iterations: int, step: int, room: int) -> list[int]:
    kept: dict[int, dict[str, np.ndarray]] = {}
    for iteration in range(0, iterations + 1, step):
        kept = thinned({**kept, iteration: state()}, budget=40 * room)  # type: ignore[dict-item]
    return list(kept)


def test_states_thin_out_with_their_age_and_never_take_more_than_the_budget() -> None:
    kept = grown(10_000, 5, 40)
    assert len(kept) == 40
    assert (kept[0], kept[-1]) == (0, 10_000)
    gaps, ages = np.diff(kept), 10_000 - np.array(kept[:-1])
    assert (gaps <= np.maximum(5, 0.6 * ages)).all(), "to go back takes a share of the way"
    assert (np.diff(kept)[-3:] <= 50).all(), "what is near is dense"
    assert gaps[:5].mean() > 10 * gaps[-5:].mean()


def test_thinning_is_a_function_of_what_is_given() -> None:
    assert grown(3000, 7, 25) == grown(3000, 7, 25)
    states = {k: state() for k in range(100)}
    assert list(thinned(states, budget=40 * 100)) == list(range(100)), "nothing goes that has room"
    assert list(thinned(states, most=3)) == list(thinned(dict(reversed(states.items())), most=3))
    assert thinned({}) == {}


def test_the_last_and_what_is_needed_stay_whatever_the_budget_and_the_first_as_long_as_anything_can_go() -> None:
    states = {k: state() for k in range(50)}
    assert set(thinned(states, needed=(17, 31), budget=1)) == {17, 31, 49}
    assert set(thinned(states, budget=1)) == {49}
    assert set(thinned(states, budget=2 * 40)) == {0, 49}
    sizes = {0: state(1), 1: state(1000), 2: state(1), 3: state(1)}
    assert set(thinned(sizes, budget=100)) == {0, 2, 3}, "bytes are counted"  # type: ignore[arg-type]


def test_the_nearest_kept_state_before_an_iteration() -> None:
    assert kept_before([0, 10, 25], 24) == 10
    assert kept_before([0, 10, 25], 25) == 25
    assert kept_before([10], 9) is None


def test_any_iteration_is_replayed_from_the_nearest_state_to_the_bit() -> None:
    given = experiment("gru", 3, optimizer=OPTIMIZERS["adamw"], learning_rate=0.02)
    live = {0: run("train", Train(given, None, 0, 0)).weights}
    for iteration in range(1, 31):
        live[iteration] = run("train", Train(given, live[iteration - 1], iteration - 1)).weights
    kept = {k: live[k] for k in (0, 11, 24)}
    for iteration in (0, 5, 11, 12, 23, 30):
        found = engine.state_at(Session(given, history=kept | {30: live[30]}), iteration)
        assert found is not None
        assert same_bits(found, live[iteration]), iteration
    assert engine.state_at(Session(given), 0) is None
    again = engine.state_at(Session(given, history={30: live[30]}), 3)
    assert again is not None
    assert same_bits(again, live[3])


# -- records -----------------------------------------------------------------------------------------------------------


def rows(first: int, count: int, steps: int = 4) -> Records:
    """Every number tells which iteration it is of."""
    numbers = np.arange(first, first + count, dtype=np.float64)
    return Records(
        first=first,
        losses=numbers,
        grad_norms=numbers + 0.1,
        clipped_norms=numbers + 0.2,
        clipped=numbers % 2 == 0,
        layer_norms={"l0": numbers + 0.3, "readout": numbers + 0.4},
        flow=np.repeat(numbers[:, None], steps, 1).astype(np.float32),
        flow_bad=numbers % 3 == 0,
        learning_rates=numbers + 0.5,
        seconds=numbers + 0.6,
    )


def assert_rows(log: Log, iterations: list[int], flow: list[int] | None = None) -> None:
    """`flow`: the iterations whose flow is kept; None: all of them."""
    assert log.iterations.tolist() == iterations
    assert log.column("losses").tolist() == iterations
    assert log.column("layer_norms.readout").tolist() == [iteration + 0.4 for iteration in iterations]
    assert log.column("clipped").tolist() == [iteration % 2 == 0 for iteration in iterations]
    assert_flow(log, iterations if flow is None else flow)


def assert_flow(log: Log, iterations: list[int], steps: int = 4) -> None:
    found = log.flow_table()
    assert found.iterations.tolist() == log.flow.iterations.tolist() == iterations
    assert found.flow.tolist() == [[iteration] * steps for iteration in iterations]
    assert found.bad.tolist() == [iteration % 3 == 0 for iteration in iterations]


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_rows_come_in_chunks_of_any_size(chunk: int) -> None:
    log = Log()
    for first in range(5, 105, chunk):
        log = log.appended(rows(first, min(chunk, 105 - first)))
    assert_rows(log, list(range(5, 105)))
    assert len(log.scalars.chunks) <= 8, "few, however many came"
    assert len(log.flow.chunks) <= 8
    assert log.next == 105


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_of_a_long_training_every_number_stays_and_of_the_flow_every_second_row_and_so_on(chunk: int) -> None:
    a_row = 4 * 4 + 8
    log = Log().within(flow=20 * a_row)
    for first in range(0, 448, chunk):
        log = log.appended(rows(first, min(chunk, 448 - first)))
        assert log.flow.nbytes <= 20 * a_row
    assert log.flow.stride == 32
    assert_rows(log, list(range(448)), list(range(0, 448, 32)))
    assert_rows(log.appended(rows(448, 40)), list(range(488)), list(range(0, 488, 32)))
    assert_rows(log.until(65), list(range(65)), [0, 32, 64])
    assert_rows(log.until(65).appended(rows(65, 32)), list(range(97)), [0, 32, 64, 96])


def test_a_million_iterations_of_ten_layers_are_within_the_budget_and_only_beyond_are_they_thinned() -> None:
    one = Log().appended(rows(0, 1)).scalars
    assert 1_000_000 * (one.nbytes + 8 * one.chunks[0]["layer_norms.l0"].nbytes) <= SCALAR_BYTES
    log = Log().within(scalars=20 * one.nbytes)
    for first in range(0, 50, 5):
        log = log.appended(rows(first, 5))
    assert_rows(log, list(range(0, 50, 4)), list(range(50)))


def test_rows_of_sequences_of_another_length_go_on_from_those_before(tmp_path: Path) -> None:
    log = Log().appended(rows(0, 3)).appended(rows(3, 2, steps=9)).appended(rows(5, 2, steps=2))
    assert log.column("losses").tolist() == list(range(7))
    found = log.flow_table()
    assert found.steps.tolist() == [4, 4, 4, 9, 9, 2, 2]
    assert [row[:own].tolist() for row, own in zip(found.flow, found.steps, strict=True)] == [
        [i] * own for i, own in enumerate(found.steps.tolist())
    ]
    assert np.isnan(found.flow[np.arange(9) >= found.steps[:, None]]).all()
    assert_rows(log.until(2), [0, 1])
    again = Log.from_arrays(log.arrays(), ("l0", "readout"))
    for name, array in log.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert again.appended(rows(7, 1)).column("losses").tolist() == list(range(8))


def test_what_is_read_again_is_thinned_as_it_would_be_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.history.FLOW_BYTES", 100 * 24)
    whole = Log().within()
    for first in range(0, 1000, 10):
        whole = whole.appended(rows(first, 10))
    paused = Log().within()
    for first in range(0, 1000, 10):
        paused = paused.appended(rows(first, 10))
        if first in (90, 200, 770):
            paused = Log.from_arrays(paused.within().arrays(), ("l0", "readout"))
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(paused.arrays()[name], array)
    assert_rows(paused, list(range(1000)), list(range(0, 1000, 16)))


def test_the_records_of_an_earlier_version_are_read_though_all_of_their_rows_are_thinned() -> None:
    arrays = {name: array[::4] for name, array in Log().appended(rows(0, 40)).arrays().items() if "place" not in name}
    del arrays["flow_steps"]
    found = Log.from_arrays({**arrays, "place": np.array([0, 4, 40])}, ("l0", "readout"))
    assert found.next == 40
    assert_rows(found, list(range(0, 40, 4)))
    assert_rows(found.appended(rows(40, 9)), list(range(0, 49, 4)))


def test_what_is_appended_to_a_long_log_copies_a_block_at_most() -> None:
    log = Log()
    for first in range(0, 4000, 100):
        before = log.flow.chunks
        log = log.appended(rows(first, 100, steps=1000))
        kept = {id(chunk) for chunk in log.flow.chunks}
        assert sum(chunk.nbytes for chunk in before if id(chunk) not in kept) <= BLOCK_BYTES
    assert len(log.flow.chunks) < 40
    assert max(chunk.nbytes for chunk in log.flow.chunks) <= BLOCK_BYTES


def test_whoever_goes_back_and_trains_on_begins_another_future() -> None:
    log = Log().appended(rows(0, 10)).appended(rows(10, 10))
    assert_rows(log.appended(rows(7, 2)), list(range(9)))
    assert_rows(log.until(13), list(range(13)))
    assert log.until(99) is log
    assert len(log.until(0)) == 0
    assert_rows(log.appended(rows(40, 2)), [40, 41])
    assert_rows(Log().appended(rows(3, 0)).appended(rows(1, 2)), [1, 2])
    other = replace(rows(3, 2), layer_norms={"l0": np.zeros(2)})
    assert Log().appended(rows(0, 3)).appended(other).iterations.tolist() == [3, 4], "of another network"


def test_a_table_has_one_column_a_number() -> None:
    columns = Log().appended(rows(2, 3)).columns()
    assert columns["iteration"].tolist() == [2, 3, 4]
    assert columns["gradient norm l0"].tolist() == [2.3, 3.3, 4.3]
    assert columns["clipped"].tolist() == [1, 0, 1]
    assert {column.shape for column in columns.values()} == {(3,)}
    assert Log().columns() == {}


# -- in a file ---------------------------------------------------------------------------------------------------------


def of_training(tmp_path: Path) -> tuple[Session, Path]:
    given = experiment("lstm", 3, optimizer=OPTIMIZERS["adam"])
    done: Trained = run("train", Train(given, None, 0, 6))
    evaluations = (
        Evaluation(iteration=2, loss=0.5, metric="rmse", value=0.7, baseline=1 / 6, persistence=0.3),
        Evaluation(iteration=4, loss=np.nan, metric="rmse", value=np.inf),
    )
    session = Session(
        given, iteration=6, history={6: done.weights}, log=Log().appended(done.records), evaluations=evaluations
    )
    save(session, tmp_path / "a.gflow")
    return session, tmp_path / "a.gflow"


def test_records_and_evaluations_come_back_from_a_file(tmp_path: Path) -> None:
    session, path = of_training(tmp_path)
    found = load(path)
    assert found.log.next == 6
    ours, theirs = session.log.arrays(), found.log.arrays()
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(theirs[name], array)
    assert found.log.column("clipped").dtype == np.bool_
    assert repr(found.evaluations) == repr(session.evaluations)


def test_evaluations_of_a_file_without_the_last_value_repeated_are_read_as_they_are() -> None:
    known = Evaluation(iteration=2, loss=0.5, metric="rmse", value=0.7, baseline=1 / 6, persistence=0.3)
    less = msgspec.structs.replace(known, persistence=None)
    arrays = evaluation_arrays([known])
    assert set(evaluation_arrays([less])) == {"iteration", "numbers"}, "as files had it before"
    assert evaluations_from(arrays, "rmse") == (known,)
    del arrays["persistence"]
    assert evaluations_from(arrays, "rmse") == (less,)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("records/losses", lambda a: a[:-1]),
        ("records/flow", lambda a: a[:, :-1]),
        ("records/place", lambda a: a - 1),
        ("records/place", lambda a: a[:2]),
        ("records/flow_place", lambda a: a + 1),
        ("records/flow_steps", lambda a: a - 1),
        ("records/flow_steps", lambda a: np.add(a, (1, 0))),
        ("records/flow_steps", lambda a: np.repeat(a, 2, 0)),
        ("records/flow_steps", lambda a: a[:0]),
        ("records/layer_norms.l0", lambda a: a.astype(np.float32)),
        ("records/seconds", None),
        ("evaluations/iteration", lambda a: a[::-1]),
        ("evaluations/numbers", lambda a: a[:, :2]),
        ("evaluations/numbers", None),
        ("evaluations/persistence", lambda a: a[:1]),
    ],
)
def test_records_that_do_not_fit_together_open_nothing(
    name: str, change: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = of_training(tmp_path)
    contents = read(path, "session")
    tensors = dict(contents.tensors)
    if callable(change):
        tensors[name] = change(tensors[name])
    else:
        del tensors[name]
    monkeypatch.setattr("engine.container.read", lambda *_: engine_contents(contents, tensors))
    with pytest.raises(SessionError, match=r"do not fit together: .*\.$"):
        load(path)


def engine_contents(contents: object, tensors: dict[str, np.ndarray]) -> object:
    return replace(contents, tensors=tensors)  # type: ignore[type-var]


# -- when to stop ------------------------------------------------------------------------------------------------------


def losses(*values: float) -> list[Evaluation]:
    return [Evaluation(iteration=i, loss=loss, metric="rmse", value=0.0) for i, loss in enumerate(values)]


def test_training_stops_where_the_loss_has_not_fallen_for_a_while() -> None:
    stop = EarlyStopSpec(patience=2)
    assert not stops(losses(), stop)
    assert not stops(losses(3, 2, 2.5, 1.9, 2.0), stop)
    assert stops(losses(3, 2, 2.5, 2.0), stop), "the same is no fall"
    assert stops(losses(3, np.nan, np.nan), stop)
    assert not stops(losses(3, 2.95, 2.5), EarlyStopSpec(patience=2, least=0.1))
    assert stops(losses(3, 2.95, 2.91), EarlyStopSpec(patience=2, least=0.1))
    assert not stops(losses(*[1.0] * 50), None)


@pytest.mark.parametrize(
    ("losses", "best"),
    [((3.0, 1.0, 2.0), 1), ((2.0, 1.0, 1.0), 1), ((np.nan, -np.inf, np.inf, 5.0), 3), ((np.nan,), None), ((), None)],
)
def test_the_best_is_the_first_with_the_least_finite_loss(losses: tuple[float, ...], best: int | None) -> None:
    made = [Evaluation(iteration=i, loss=loss, metric="rmse", value=1.0) for i, loss in enumerate(losses)]
    found = best_of(made)
    assert (None if found is None else found.iteration) == best


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        (
            EarlyStopSpec(patience=2),
            "least validation loss 1 after 1,010 iterations; no lower at the last 2 evaluations",
        ),
        (EarlyStopSpec(patience=1, least=0.5), "not lower by more than 0.5 at the last evaluation"),
    ],
)
def test_an_early_stop_names_the_iteration_of_the_least_loss(stop: EarlyStopSpec, said: str) -> None:
    losses = {1000: 3.0, 1010: 1.0, 1020: 2.0, 1030: 1.5}
    made = [Evaluation(iteration=i, loss=loss, metric="rmse", value=1.0) for i, loss in losses.items()]
    assert said in early_stop_sentence(stop, made)
