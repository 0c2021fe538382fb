"""The loop that the command line and notebooks use: chunks, evaluations, reasons to stop, and going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from own_data import ALL, is_one_sentence
from training_cases import OPTIMIZERS, experiment, same_bits

import engine
from engine.data import SeriesChoices, import_series, look_at
from engine.errors import DataError, SpecError
from engine.history import Evaluation, stops
from engine.operations import run
from engine.session import Session, load, save
from engine.spec import (
    AddingTask,
    CopyTask,
    EarlyStopSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    Split,
    SunspotsTask,
    WhatIf,
)
from engine.training_loop import Progress, fit
from engine.training_requests import Judge, Train, Trained
from engine.until import Until, until_of


def of(**more: Any) -> Experiment:
    return experiment("gru", 3, **{"optimizer": OPTIMIZERS["adam"], "learning_rate": 0.02} | more)


def last(given: Any, *args: Any, **more: Any) -> Progress:
    return list(fit(given, *args, **more))[-1]


def test_the_loop_does_what_training_does_and_keeps_everything() -> None:
    given = of(evaluate_every=20)
    seen = list(engine.fit(given, 50))
    whole: Trained = run("train", Train(given, None, 0, 50))
    end = seen[-1]
    assert end.state is not None
    assert same_bits(end.state, whole.weights)
    assert (end.ended, end.iteration) == ("iterations", 50)
    assert [progress.ended for progress in seen[:-1]] == [""] * (len(seen) - 1)
    assert end.log.column("losses").tolist() == list(whole.losses)
    assert end.log.iterations.tolist() == list(range(50))
    assert [evaluation.iteration for evaluation in end.evaluations] == [20, 40]
    state = run("train", Train(given, None, 0, 40)).weights
    assert end.evaluations[-1].loss == run("judge", Judge(given, state)).loss
    assert {progress.iteration for progress in seen} == set(end.states)
    assert all(same_bits(end.states[k], engine.state_at(only_last(end), k) or {}) for k in list(end.states)[:3])


def only_last(end: Progress) -> Session:
    return Session(end.experiment, history={end.iteration: end.states[end.iteration]})


@pytest.mark.parametrize("room", [0, 1, 2.5])
def test_states_that_are_larger_than_the_budget_are_not_kept_and_any_iteration_is_replayed(room: float) -> None:
    given = of()
    size = sum(array.nbytes for array in run("train", Train(given, None)).weights.values())
    for progress in fit(given, 12, budget=int(room * size)):
        kept = sum(array.nbytes for state in progress.states.values() for array in state.values())
        assert kept <= max(size, room * size)
    again = engine.state_at(progress.session(), 7)
    assert again is not None
    assert same_bits(again, run("train", Train(given, None, 0, 7)).weights)


def test_a_pause_in_a_file_changes_no_bit(tmp_path: Path) -> None:
    given = of(evaluate_every=10, early_stop=EarlyStopSpec(patience=50))
    whole = last(given, 45)
    for progress in fit(given, 45):
        if progress.iteration >= 17:
            break
    save(progress.session(), tmp_path / "a.gflow")
    rest = last(load(tmp_path / "a.gflow"), 45)
    assert progress.iteration < 45
    assert rest.state is not None
    assert whole.state is not None
    assert same_bits(rest.state, whole.state)
    assert rest.evaluations == whole.evaluations
    for name in ("losses", "grad_norms", "learning_rates"):
        np.testing.assert_array_equal(rest.log.column(name), whole.log.column(name))
    np.testing.assert_array_equal(rest.log.flow_table().flow, whole.log.flow_table().flow)
    assert last(rest.session(), 45).ended == "iterations"
    assert last(rest.session(), 45).sentence == "45 iterations are done."


def test_an_evaluation_that_a_file_lacks_is_made_before_training_goes_on_and_counts_as_it_would_have() -> None:
    given = of(learning_rate=0.0, evaluate_every=3, early_stop=EarlyStopSpec(patience=2))
    for done, ended in ((6, ("early stop", 9)), (9, ("early stop", 9))):
        at = last(given, done).session()
        lacking = replace(at, evaluations=at.evaluations[:-1])
        rest = last(lacking, 100)
        assert (rest.ended, rest.iteration) == ended
        assert rest.evaluations == last(given, 100).evaluations
    assert last(replace(last(given, 2).session(), evaluations=()), 3).evaluations == last(given, 3).evaluations


def test_it_stops_where_the_validation_loss_no_longer_falls_and_says_so() -> None:
    given = of(learning_rate=0.0, evaluate_every=3, early_stop=EarlyStopSpec(patience=2))
    end = last(given)
    assert (end.ended, end.iteration) == ("early stop", 9), "the first evaluation is a new least one"
    assert stops(end.evaluations, given.training.early_stop)
    assert "2 evaluations" in end.sentence
    assert "after 3 iterations" in end.sentence
    again = list(fit(end.session()))
    assert [progress.ended for progress in again] == ["early stop"], "it has stopped already"


def test_after_an_early_stop_it_goes_on_where_more_iterations_are_asked_for_and_counts_anew() -> None:
    given = of(learning_rate=0.0, evaluate_every=3, early_stop=EarlyStopSpec(patience=2))
    end = last(given)
    assert last(end.session(), 9).ended == "early stop"
    assert (last(end.session(), 11).ended, last(end.session(), 11).iteration) == ("iterations", 11)
    again = last(end.session(), 100)
    assert (again.ended, again.iteration) == ("early stop", 18), "three evaluations as at first"
    paused = last(last(end.session(), 13).session(), 100)
    assert (paused.ended, paused.iteration) == ("early stop", 18), "a pause does not count anew"


def test_until_a_bound_of_an_evaluation() -> None:
    given = of(evaluate_every=5)
    first = last(given, 5).evaluations[0]
    end = last(given, 100, until=f"rmse<{first.value + 1e-9}")
    assert (end.ended, end.iteration) == ("until", 5)
    assert end.judged is not None
    assert "RMSE<" in end.sentence
    assert last(given, 10, until="loss < 1e-30").ended == "iterations"
    assert last(given, 10, until="rmse>0").iteration == 5


def test_it_halts_where_training_diverges() -> None:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", activation="identity", hidden_size=4),))
    given = experiment(model=model, learning_rate=50.0)
    end = last(given, 40)
    assert end.ended == "diverged"
    assert end.diverged is not None
    assert end.sentence == end.diverged.sentence
    assert end.iteration == end.diverged.iteration < 40
    assert end.state is not None
    assert all(np.isfinite(array).all() for array in end.state.values())
    assert last(given, 40, halt=False).iteration == 40


def test_states_stay_within_their_budget() -> None:
    end = last(of(), 60, budget=1)
    assert set(end.states) == {min(end.states), 60}


def test_the_what_if_of_a_session_goes_on() -> None:
    what_if = WhatIf(recurrent_scale=1.4)
    given = of()
    half = last(given, 4, what_if=what_if)
    whole: Trained = run("train", Train(given, None, 0, 8, what_if))
    rest = last(half.session(), 8)
    assert rest.state is not None
    assert same_bits(rest.state, whole.weights)


def test_the_records_go_on_where_t_is_changed(tmp_path: Path) -> None:
    before = last(of(), 6)
    longer = msgspec.structs.replace(before.experiment, task=AddingTask(steps=9, batch_size=3))
    end = last(replace(before.session(), experiment=longer), 10)
    assert end.log.column("losses").tolist()[:6] == before.log.column("losses").tolist()
    assert end.log.iterations.tolist() == list(range(10))
    assert end.log.flow_table().steps.tolist() == [6] * 6 + [9] * 4
    save(end.session(), tmp_path / "a.gflow")
    found = load(tmp_path / "a.gflow").log
    for name, array in end.log.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)


def test_without_anything_held_back_there_are_no_evaluations_unless_they_are_needed() -> None:
    task = SunspotsTask(steps=216, batch_size=2)
    assert last(of(task=task, evaluate_every=1), 2).evaluations == ()


def asked_of(given: Experiment, **of: Any) -> list[str]:
    """What the engine has been asked, until it was refused."""
    asked: list[str] = []

    def watched(operation: Any, request: Any) -> Any:
        asked.append(operation)
        return run(operation, request)

    with pytest.raises((SpecError, DataError), match=r"held back|validation") as refused:
        list(fit(given, 3, run=watched, **of))
    assert is_one_sentence(str(refused.value))
    return asked


def test_an_end_that_needs_evaluations_is_refused_before_training_where_nothing_is_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(str(n % 7) for n in range(60)))
    whole = import_series(look_at(tmp_path / "a.csv"), SeriesChoices(steps=4, split=ALL))
    for task in (whole, SunspotsTask(steps=216, batch_size=2)):
        assert "train" not in asked_of(of(task=task), until="loss<1")
        assert "train" not in asked_of(of(task=task, early_stop=EarlyStopSpec(patience=2)))
    # The share is there, and no row falls into it: only the data can tell.
    task = msgspec.structs.replace(whole, split=Split(train=0.7, validation=0.01))
    assert asked_of(of(task=task), until="rmse<1") == ["judge"]


def test_a_bound_on_a_metric_that_the_task_has_not_is_refused_however_it_is_given() -> None:
    for until in ("accuracy>0.5", Until("accuracy", ">", 0.5), "rmse<nan"):
        with pytest.raises(SpecError, match="'loss' or 'RMSE'") as refused:
            fit(of(), 3, until=until)
        assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "iterations is missing"),
        ({"iterations": -1}, "iterations is -1"),
        ({"iterations": True}, "iterations is true"),
        ({"iterations": 5, "until": "accuracy>0.5"}, "'loss' or 'RMSE'"),
        ({"iterations": 5, "until": "loss=3"}, "until is 'loss=3'"),
        ({"until": "loss<nan"}, "until is 'loss<nan'.*a number"),
        ({"until": "loss<inf"}, "until is 'loss<inf'.*a number"),
        ({"until": "loss<1e999"}, "until is 'loss<1e999'.*finite"),
        ({"until": "loss<1_0"}, "until is 'loss<1_0'.*a number"),
        ({"until": "loss<-1"}, "until is 'loss<-1'.*above 0"),
        ({"until": "loss < 0"}, "until is 'loss < 0'.*above 0"),
        ({"until": "rmse>-1"}, "until is 'rmse>-1'.*above 0"),
        ({"until": "rmse < 1,000"}, "until is 'rmse < 1,000'.*a number"),
        ({"until": "rmse < 5 %"}, "until is 'rmse < 5 %'.*a number"),
        ({"until": "loss<١"}, "a number"),
        ({"until": Until("loss", "<", float("nan"))}, "until is loss<nan.*finite"),
        ({"iterations": 5, "until": "loss<little"}, "until is 'loss<little'"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_before_anything_is(args: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        fit(of(), **args)


COPYING = Experiment(
    model=ModelSpec(layers=(LayerSpec(cell="gru"),), readout=ReadoutSpec(at="every"), loss="cross_entropy"),
    task=CopyTask(),
)


@pytest.mark.parametrize("until", ["accuracy > 1", "accuracy > 90", "accuracy<0", "accuracy < 1.5", "accuracy > 100 %"])
def test_an_accuracy_that_cannot_be_is_refused(until: str) -> None:
    with pytest.raises(SpecError, match=r"accuracy is a share, .* \(0\.9, or 90 %\) is accepted") as refused:
        until_of(until, COPYING)
    assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("loss<0.02", Until("loss", "<", 0.02)),
        ("RMSE < 0.2", Until("rmse", "<", 0.2)),
        ("Loss < 0,02", Until("loss", "<", 0.02)),
        (" rmse\u00a0>\u202f1e-3 ", Until("rmse", ">", 1e-3)),
        ("loss<,5", Until("loss", "<", 0.5)),
        ("rmse < 0,125", Until("rmse", "<", 0.125)),
        ("rmse>0", Until("rmse", ">", 0.0)),
    ],
)
def test_a_bound_is_read_in_any_case_with_a_comma_or_a_point(text: str, means: Until) -> None:
    assert until_of(text, of()) == means
    assert until_of(means, of()) == means


@pytest.mark.parametrize(
    ("text", "share"), [("accuracy > 90 %", 0.9), ("Accuracy>0,99", 0.99), ("accuracy>99.5%", 0.995)]
)
def test_an_accuracy_is_a_share_or_percent(text: str, share: float) -> None:
    assert until_of(text, COPYING) == Until("accuracy", ">", share)


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [
        (Until("rmse", "<", 0.25), 0.125, "RMSE<0.25 is reached: the RMSE is 0.125 after 5 iterations."),
        (
            Until("accuracy", ">", 0.995),
            0.9975,
            "accuracy>99.5 % is reached: the accuracy is 99.8 % after 5 iterations.",
        ),
        (Until("loss", "<", 0.5), 0.0, "loss<0.5 is reached: the loss is 0.25 after 5 iterations."),
    ],
)
def test_a_metric_is_written_in_one_way_and_read_back(bound: Until, value: float, said: str) -> None:
    kind = "accuracy" if bound.what == "accuracy" else "rmse"
    assert bound.sentence(Evaluation(iteration=5, loss=0.25, metric=kind, value=value)) == said
    task = COPYING if kind == "accuracy" else of()
    assert until_of(str(bound), task) == bound
