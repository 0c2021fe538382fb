"""The runner: one short request after the other, pauses at once, stops for a reason, forgets nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from lessons import trained
from pytestqt.qtbot import QtBot
from slow_courier import SlowCourier
from synthetic import excerpt as synthetic

from engine.requests import Look
from engine.spec import (
    AddingTask,
    ClipSpec,
    EarlyStopSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    SeriesTask,
    Split,
    TrainingSpec,
    WhatIf,
)
from engine.training_requests import Diverged, Judge, Judged, Train
from engine.until import Until
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.document.state import State, View
from explorer.training import runner as running
from explorer.training.runner import JUDGE, RUN, Runner
from explorer.training.standing import Ending

STEPS = 10


def experiment(units: int = 4, **training: Any) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=units),)),
        task=AddingTask(steps=STEPS, batch_size=3),
        training=TrainingSpec(**{"evaluate_every": 1000, **training}),
    )


def weights(iteration: int) -> dict[str, Any]:
    return {"weight_hh_l0": np.full((4, 4), iteration, np.float32)}


class Rig:
    """A document whose picture is there; answers come when a test gives them."""

    def __init__(self, of: Experiment) -> None:
        self.courier = SlowCourier()
        self.courier.set_scope = lambda _scope: None  # type: ignore[attr-defined]
        self.courier.cancel = lambda *_: None  # type: ignore[attr-defined]
        self.courier.idle = lambda: True  # type: ignore[attr-defined]
        self.document = Document(State(tracks=("norms",), experiment=of), View())
        self.controller = Controller(self.document, self.courier)  # type: ignore[arg-type]
        self.runner = Runner(self.document, self.controller, self.courier)  # type: ignore[arg-type]
        self.endings: list[Ending] = []
        self.runner.ended.connect(self.endings.append)
        self.controller.refresh()
        self.show()

    def show(self) -> None:
        """The picture that was asked for last."""
        generation, look = self.courier.last("excerpt")
        assert isinstance(look, Look)
        made = synthetic("rnn", T=STEPS, H=4)
        from dataclasses import replace

        drawn = weights(0) if look.source.weights is None else None
        self.courier.answered.emit("excerpt", generation, replace(made, weights=drawn))

    @property
    def asked(self) -> Train:
        return self.courier.last(RUN)[1]

    def answer(self, done: int | None = None, diverged: Diverged | None = None) -> None:
        asked = self.asked
        count = asked.count if done is None else done
        self.courier.reply(RUN, trained(asked.iteration, count, weights(asked.iteration + count), STEPS, diverged))
        self.soon()

    def judge(self, loss: float) -> None:
        self.courier.reply(JUDGE, judged(loss))
        self.soon()

    def soon(self) -> None:
        """What is due in the event loop."""
        if self.runner._again.isActive():
            self.runner._again.stop()
            self.runner._go_on()


def judged(loss: float) -> Judged:
    few = np.zeros((1, 1))
    return Judged(
        part="validation",
        loss=loss,
        metric="rmse",
        value=loss**0.5,
        baseline=1 / 6,
        shape="value",
        inputs=few,
        predictions=few,
        probabilities=None,
        targets=few,
        lengths=np.ones(1, np.int64),
        confusion=None,
        labels=(),
    )


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
    assert (asked.weights, asked.batches) == (rig.document.state.history[0], 1)
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
    assert rig.endings == [Ending("until", "rmse<0.4 is reached: the rmse is 0.3 after 2 iterations.")]


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


def _asked(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    assert rig.courier.count(RUN) == 2


def _between(rig: Rig) -> None:
    rig.runner.start()
    asked = rig.asked
    rig.courier.reply(RUN, trained(0, asked.count, weights(asked.count), STEPS, None))
    assert rig.runner._again.isActive()


def _being_judged(rig: Rig) -> None:
    rig.runner.start(goal=2)
    rig.answer()
    rig.document.edit_experiment(experiment(evaluate_every=1))
    rig.runner.start()
    rig.answer()
    assert rig.courier.count(JUDGE) == 1


@pytest.mark.parametrize("there", [_asked, _between, _being_judged])
def test_an_edit_of_the_experiment_pauses_whatever_is_under_way_and_says_so(
    rig: Rig, there: Callable[[Rig], None]
) -> None:
    there(rig)
    rig.endings.clear()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    assert not rig.runner.running
    assert [one.kind for one in rig.endings] == ["changed"]
    assert f"Paused at iteration {rig.runner.iteration}" in rig.runner.ending.sentence
    assert not rig.runner._again.isActive()
    if there is _being_judged:
        rig.judge(0.2)
    else:
        rig.answer()
    assert [one.kind for one in rig.endings] == ["changed"]
    assert not rig.runner.under_way
    done = rig.runner.iteration
    assert rig.document.state.recipe_into(done)[0].training.learning_rate == 0.1  # type: ignore[union-attr]
    rig.show()
    rig.runner.start()
    assert (rig.asked.iteration, rig.asked.experiment.training.learning_rate) == (done, 0.5)


@pytest.mark.parametrize("there", [_asked, _between, _being_judged])
def test_another_network_stops_training_whatever_is_under_way_and_says_what_is_put_away(
    rig: Rig, there: Callable[[Rig], None]
) -> None:
    there(rig)
    rig.endings.clear()
    known = rig.runner.iteration
    rig.document.edit_experiment(experiment(units=3))
    assert [one.kind for one in rig.endings] == ["changed"]
    gone = "Iteration 1 is put away" if known == 1 else f"Iterations 1–{known} are put away"
    assert gone in rig.runner.ending.sentence
    if there is _being_judged:
        rig.judge(0.2)
    elif there is _asked:
        rig.answer()
    assert len(rig.document.state.log) == 0
    assert rig.document.state.evaluations == ()
    assert not rig.runner.running
    rig.document.undo_stack.undo()
    assert rig.runner.iteration == known
    assert rig.runner.ending.sentence == f"Training is at iteration {known} again."


def test_whoever_trains_on_right_after_an_edit_is_served_once_the_old_answer_is_there(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.document.edit_experiment(experiment(units=3))
    rig.runner.start()
    assert rig.courier.count(RUN) == 2, "one at a time"
    rig.answer()
    assert rig.runner.running
    assert rig.asked.experiment.model == experiment(units=3).model
    assert rig.asked.iteration == 0


def test_layout_and_what_ifs_do_not_touch_training(rig: Rig) -> None:
    rig.runner.start()
    rig.answer()
    rig.document.edit_tracks((), "remove track")
    rig.document.undo_stack.undo()
    rig.answer()
    rig.document.edit_what_if(WhatIf(recurrent_scale=2.0))
    rig.answer()
    assert rig.asked.what_if.recurrent_scale == 2.0, "it counts from the next request on"
    rig.document.undo_stack.undo()
    rig.answer()
    assert rig.asked.what_if == WhatIf()
    assert rig.runner.running
    assert rig.endings == []
    assert rig.document.state.log.iterations.tolist() == list(range(rig.asked.iteration))


def test_an_iteration_on_its_way_is_not_trained_for_another_network(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    assert rig.controller.waiting, "the newest is on its way to the stage"
    rig.document.edit_experiment(experiment(units=3))
    assert rig.courier.count("train") == 0
    assert rig.controller.going_to == 0


def test_done_and_a_divergence_are_no_longer_said_once_they_are_not_true(rig: Rig) -> None:
    for diverges in (False, True):
        rig.runner.start(goal=None if diverges else 3)
        while rig.runner.running:
            rig.answer(diverged=Diverged(5, "loss", "It is infinite.") if diverges else None)
        rig.show()
        assert rig.runner.ending.kind == ("diverged" if diverges else "there")
        rig.document.edit_tracks(("losses",) if diverges else (), "tracks")
        assert rig.runner.ending.kind == ("diverged" if diverges else "there"), "the layout makes nothing untrue"
        rig.document.edit_experiment(experiment(learning_rate=0.5 + diverges))
        assert rig.runner.ending == rig.endings[-1] == Ending()


def test_after_a_divergence_other_settings_go_on_from_the_last_iteration_that_was_finite(rig: Rig) -> None:
    """Where the loss is infinite at 5, clipping at 5 comes too late: iteration 4 is trained on, anew."""
    rig.runner.start()
    rig.answer()
    said = Diverged(5, "loss", "Training stopped before iteration 5: the loss would be infinite.")
    rig.answer(diverged=said)
    rig.show()
    rig.runner.start()
    rig.answer(done=0, diverged=said)
    assert [one.kind for one in rig.endings] == ["diverged", "diverged"], "nothing has changed"
    clipped = experiment(clip=ClipSpec(kind="norm"))
    rig.document.edit_experiment(clipped)
    notes: list[str] = []
    rig.runner.noted.connect(notes.append)
    rig.runner.start()
    rig.answer(done=0, diverged=said)
    assert rig.runner.running
    assert notes == ["Iteration 5 is put away; undo brings it back."]
    assert rig.document.undo_stack.undoText() == "training anew from iteration 4"
    # Iteration 4 was not kept: it is replayed as it was, and from there on it is clipped.
    replayed = []
    while rig.asked.experiment.training.clip.kind == "none":
        replayed.extend(range(rig.asked.iteration, rig.asked.iteration + rig.asked.count))
        rig.answer()
    assert replayed == [1, 2, 3]
    assert (rig.asked.iteration, rig.asked.experiment.training.clip.kind) == (4, "norm")
    rig.answer()
    assert rig.document.state.log.iterations.tolist() == list(range(rig.runner.iteration))
    recipes = [rig.document.state.recipe_into(k)[0] for k in (4, 5)]
    assert [None if one is None else one.training.clip.kind for one in recipes] == ["none", "norm"]


def test_a_what_if_that_is_only_dragged_is_not_trained_with(rig: Rig) -> None:
    rig.runner.start()
    rig.document.drag_what_if(WhatIf(recurrent_scale=2.0))
    rig.answer()
    assert rig.asked.what_if == WhatIf()


def test_the_stage_follows_now_and_then_and_stays_where_somebody_has_travelled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(running.time, "perf_counter", lambda: now[0])
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


def test_going_on_after_a_change_forgets_what_came_after_undoably(rig: Rig) -> None:
    rig.runner.start(goal=9)
    while rig.runner.running:
        rig.answer()
    rig.show()
    rig.controller.go_to_iteration(1)
    rig.show()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    rig.show()
    rig.runner.start()
    assert rig.asked.iteration == 1
    assert rig.document.state.furthest == 1
    assert len(rig.document.state.log) == 1
    rig.runner.pause()
    rig.document.undo_stack.undo()
    assert rig.document.state.furthest == 9
    assert len(rig.document.state.log) == 9
    rig.answer()
    assert rig.document.state.furthest == 9, "the answer under way was the other future's"
