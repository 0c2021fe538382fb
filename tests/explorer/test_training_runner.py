"""The runner: one short request after the other, pauses at once, stops for a reason, forgets nothing by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest
from lessons import trained
from pytestqt.qtbot import QtBot
from training_rig import STEPS, Rig, experiment, weights

from engine.parameters import parameter_shapes
from engine.session_room import MAX_STATE_BYTES
from engine.spec import (
    AddingTask,
    EarlyStopSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    SeriesTask,
    Split,
    TrainingSpec,
)
from engine.training_requests import Diverged, Judge
from engine.until import Until
from explorer.document.state import State, View
from explorer.training import following
from explorer.training.runner import JUDGE, RUN, Runner
from explorer.training.standing import Ending


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    return Rig(experiment())


def test_each_request_goes_on_where_the_one_before_has_come_to_and_takes_about_50_ms(rig: Rig) -> None:
    rig.runner.start()
    asked = []
    for _ in range(4):
        asked.append((rig.asked.iteration, rig.asked.count, rig.asked.halt))
        rig.answer()
    # The made-up iterations take 10 ms each.
    assert asked == [(0, 1, True), (1, 4, True), (5, 5, True), (10, 5, True)]
    assert rig.document.state.log.iterations.tolist() == list(range(15))
    assert rig.asked.weights is rig.document.state.history[15]


def test_a_pause_asks_nothing_more_and_takes_what_is_under_way(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.runner.pause()
    assert not rig.runner.running
    assert rig.endings == [Ending("paused")]
    count = rig.courier.count(RUN)
    rig.answer()
    assert rig.courier.count(RUN) == count
    assert rig.document.state.furthest == 5
    assert not rig.runner.under_way


@pytest.mark.parametrize("seconds", [0.0004, 0.003, 0.02, 0.049])
def test_what_is_under_way_is_never_more_than_50_ms_of_iterations_as_long_as_the_last_ones(
    rig: Rig, seconds: float
) -> None:
    rig.runner.start()
    counts = []
    for _ in range(8):
        rig.answer(seconds=seconds)
        counts.append(rig.asked.count)
    assert max(counts) == int(0.05 / seconds), "and no needlessly short ones"
    rig.answer(seconds=2.0)
    assert rig.asked.count == 1, "the next one knows that they have become longer"


def test_one_and_ten_are_counted_from_the_iteration_on_screen(rig: Rig) -> None:
    rig.runner.advance(1)
    assert rig.asked.count == 1
    rig.answer()
    assert [one.kind for one in rig.endings] == ["there"]
    rig.show()
    rig.runner.advance(10)
    while rig.runner.running:
        rig.answer()
    assert rig.document.state.furthest == 11


def test_quick_presses_of_one_and_ten_add_up(rig: Rig) -> None:
    rig.runner.advance(1)
    rig.runner.advance(1)
    assert rig.runner.goal == 2, "before the first one is done"
    while rig.runner.running:
        rig.answer()
    assert rig.document.view.iteration == 0, "its picture is on its way"
    rig.runner.advance(10)
    assert rig.runner.goal == 12
    while rig.runner.running:
        rig.answer()
    assert rig.document.state.furthest == 12
    rig.show()
    rig.runner.start()
    rig.answer()
    asked = rig.asked
    rig.runner.advance(1)
    assert rig.runner.goal == asked.iteration + asked.count + 1, "what is under way comes anyway"


def test_one_more_while_the_tape_goes_into_the_next_iteration_is_counted_from_there(rig: Rig) -> None:
    rig.document.look(position=len(rig.document.tape) - 1)
    rig.controller.step(1, waits=True)
    assert rig.courier.count("train") == 1
    rig.runner.advance(1)
    assert "train" in rig.courier.dropped
    while rig.runner.running:
        rig.answer()
    assert [one.kind for one in rig.endings] == ["there"]
    assert rig.document.state.furthest == 2


def test_a_step_over_the_end_while_training_runs_goes_to_the_next_iteration_of_this_one(rig: Rig) -> None:
    rig.runner.start()
    crossed: list[int] = []
    rig.controller.crossing.connect(crossed.append)
    rig.document.look(position=len(rig.document.tape) - 1)
    rig.controller.step(1, waits=True)
    assert crossed == [], "iteration 1 is being trained already"
    rig.answer()
    assert crossed == [1]
    assert rig.courier.count("train") == 0
    rig.show()
    assert (rig.document.view.iteration, rig.document.view.position) == (1, 0)
    rig.answer()
    assert rig.runner.running, "nothing of its past has changed"


def test_what_has_been_trained_already_is_only_shown(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    rig.show()
    rig.controller.go_to_iteration(1)
    rig.show()
    assert rig.document.view.iteration == 1
    count = rig.courier.count(RUN)
    rig.runner.advance(4)
    assert rig.courier.count(RUN) == count
    assert not rig.runner.running
    rig.show()
    assert rig.document.view.iteration == 5


def test_evaluations_come_at_every_multiple_and_training_waits_for_them(qtbot: QtBot) -> None:
    rig = Rig(experiment(evaluate_every=7))
    rig.runner.start()
    while rig.document.state.furthest < 7:
        rig.answer()
    count = rig.courier.count(RUN)
    asked = rig.courier.last(JUDGE)[1]
    assert isinstance(asked, Judge)
    assert asked.part == "validation"
    assert asked.weights is rig.document.state.history[7]
    rig.soon()
    assert rig.courier.count(RUN) == count
    rig.judge(0.25)
    assert rig.courier.count(RUN) == count + 1
    assert [(one.iteration, one.loss, one.value) for one in rig.document.state.evaluations] == [(7, 0.25, 0.5)]


def test_where_nothing_is_held_back_training_does_without(rig: Rig) -> None:
    rig.document.edit_experiment(experiment(evaluate_every=1))
    rig.runner.start()
    rig.answer()
    rig.courier.failed.emit(JUDGE, rig.courier.last(JUDGE)[0], "Nothing is held back.")
    rig.soon()
    assert rig.runner.running
    assert rig.endings == []


@pytest.mark.parametrize("until", [Until("loss", "<", 0.1), None])
def test_an_end_that_needs_evaluations_is_refused_before_anything_is_trained(qtbot: QtBot, until: Until | None) -> None:
    stop = EarlyStopSpec(patience=2) if until is None else None
    rig = Rig(experiment(evaluate_every=1, early_stop=stop))
    rig.runner.start(until=until)
    asked = rig.courier.last(JUDGE)[1]
    assert (asked.weights, asked.sequences) == (rig.document.state.history[0], 1)
    rig.courier.failed.emit(JUDGE, rig.courier.last(JUDGE)[0], "Nothing is held back.")
    rig.soon()
    assert not rig.runner.running
    assert [one.sentence for one in rig.endings] == ["Nothing is held back."]
    assert rig.courier.count(RUN) == 0


def test_of_data_whose_split_holds_nothing_back_nothing_has_to_be_asked(qtbot: QtBot) -> None:
    split = Split(train=1.0, validation=0.0)
    task = SeriesTask(data="0" * 64, name="a.csv", columns=("x",), target="x", steps=STEPS, split=split)
    rig = Rig(msgspec.structs.replace(experiment(), task=task))
    rig.runner.start(until=Until("loss", "<", 0.1))
    assert not rig.runner.running
    assert [one.sentence for one in rig.endings] == [
        "until is loss<0.1, but nothing of 'a.csv' is held back to judge by: task.split.validation is 0, and a share "
        "above it is needed."
    ]
    assert rig.courier.count(RUN) == rig.courier.count(JUDGE) == 0


def test_it_stops_where_an_evaluation_reaches_the_bound(qtbot: QtBot) -> None:
    rig = Rig(experiment(evaluate_every=1))
    rig.runner.start(until=Until("rmse", "<", 0.4))
    rig.judge(0.5)  # of what it begins with: there is something to judge by
    assert rig.document.state.evaluations == ()
    rig.answer()
    rig.judge(0.2)
    assert rig.runner.running
    rig.answer()
    rig.judge(0.09)
    assert rig.endings == [Ending("until", "RMSE<0.4 is reached: the RMSE is 0.3 after 2 iterations.")]


def test_it_stops_early_as_the_experiment_says(qtbot: QtBot) -> None:
    rig = Rig(experiment(evaluate_every=1, early_stop=EarlyStopSpec(patience=2)))
    rig.runner.start()
    rig.judge(0.1)  # of what it begins with: it counts for nothing
    for loss in (0.5, 0.4, 0.6, 0.45):
        assert rig.runner.running
        rig.answer()
        rig.judge(loss)
    assert [one.kind for one in rig.endings] == ["early stop"]
    assert "0.4 after 2 iterations" in rig.endings[0].sentence


def test_divergence_pauses_with_its_sentence_and_keeps_what_was_finite(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    bad = Diverged(3, "gradient of weight_hh_l0", "Training stopped before iteration 3: …")
    rig.answer(done=2, diverged=bad)
    assert rig.endings == [Ending("diverged", bad.sentence)]
    assert rig.document.state.furthest == 3
    assert len(rig.document.state.log) == 3
    assert not rig.runner.under_way
    assert rig.courier.last("excerpt")[1].source.iteration == 3, "the stage shows where it happened"


def test_a_failure_is_said_and_ends_it(rig: Rig) -> None:
    rig.runner.start()
    rig.courier.failed.emit(RUN, rig.courier.last(RUN)[0], "The engine has gone.")
    assert rig.endings == [Ending("failed", "The engine has gone.")]
    assert not rig.runner.running


def test_another_document_ends_it_without_a_word_and_its_answer_is_nobodys(rig: Rig) -> None:
    rig.runner.start()
    generation = rig.courier.last(RUN)[0]
    rig.document.open(State(tracks=("norms",), experiment=experiment()), View(), title="other")
    assert not rig.runner.running
    assert rig.endings == []
    rig.courier.answered.emit(RUN, generation, trained(0, 1, weights(1), STEPS))
    assert rig.document.state.furthest == 0
    assert len(rig.document.state.log) == 0


def test_the_stage_follows_now_and_then_and_stays_where_somebody_has_travelled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(following.time, "perf_counter", lambda: now[0])
    rig.runner.start()
    pictures = rig.courier.count("excerpt")
    rig.answer()
    assert rig.courier.count("excerpt") == pictures, "not at every chunk"
    now[0] += 0.4
    rig.answer()
    assert rig.courier.count("excerpt") == pictures + 1
    now[0] += 0.4
    rig.answer()
    assert rig.courier.count("excerpt") == pictures + 1, "the picture before is not there yet"
    rig.show()
    assert rig.document.view.iteration == 5
    rig.runner.set_follows(False)
    now[0] += 5.0
    rig.answer()
    rig.runner.pause()
    rig.answer()
    assert rig.courier.count("excerpt") == pictures + 1
    assert rig.document.view.iteration == 5


def large(kind: Literal["sgd", "adam"]) -> Experiment:
    """Whose parameters alone a file has room for, and not for Adam's two means beside them."""
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=3072),)),
        task=AddingTask(steps=STEPS, batch_size=3),
        training=TrainingSpec(optimizer=OptimizerSpec(kind=kind)),
    )


@pytest.mark.parametrize("begin", [lambda runner: runner.start(), lambda runner: runner.advance(1)])
def test_what_no_file_has_room_for_is_not_trained_and_the_sentence_has_ways_out(
    qtbot: QtBot, begin: Callable[[Runner], None]
) -> None:
    values = sum(math.prod(shape) for shape in parameter_shapes(large("adam")).values())
    assert 4 * values < MAX_STATE_BYTES < 3 * 4 * values
    rig = Rig(large("adam"))
    begin(rig.runner)
    assert rig.courier.count(RUN) == 0, "nothing was asked for"
    assert [one.kind for one in rig.endings] == ["failed"]
    said = rig.endings[0].sentence
    assert said.startswith("This training could not be saved: fewer or smaller layers or sgd without momentum (")
    assert "with adam" in said
    assert said.count(". ") == 0, "one sentence"


def test_the_way_out_that_is_named_is_one(qtbot: QtBot) -> None:
    rig = Rig(large("sgd"))
    rig.runner.start()
    assert rig.runner.running
    assert rig.courier.count(RUN) == 1
