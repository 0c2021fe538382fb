"""A pause acts at once: what has not begun is taken back, what takes long is let go, and no number changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from training_rig import Rig, experiment
from training_window import experiment as real
from training_window import settle

from engine.operations import run
from engine.spec import EarlyStopSpec, Experiment
from engine.training_requests import Judge, Train
from explorer.app import Explorer
from explorer.compute.failures import EngineCancelledError
from explorer.compute.inline import InlineExecutor
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import Settings
from explorer.training.letting_go import ACTS_WITHIN, STILL_AT_IT
from explorer.training.runner import JUDGE, RUN
from explorer.training.standing import Ending


class Paused:
    """A rig with a clock of its own, whose questions can be ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **training: Any) -> None:
        self.rig = Rig(experiment(**training))
        self.gone: list[str] = []
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        self.rig.courier.cancel = self._cancel  # type: ignore[attr-defined]

    def _cancel(self, channel: str) -> None:
        self.gone.append(channel)
        self.rig.courier.cancelled.emit(channel, self.rig.courier.last(channel)[0])

    def pause(self) -> None:
        self.rig.runner.pause()

    def later(self, seconds: float) -> None:
        """The timer that looks whether to go on waiting comes as often as it does."""
        timer = self.rig.runner._letting_go.timer
        for _ in range(math.ceil(seconds / (timer.interval() / 1000))):
            self.now += timer.interval() / 1000
            if timer.isActive():
                self.rig.runner._letting_go.look()


@pytest.fixture
def paused(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Paused:
    return Paused(monkeypatch)


def being_judged(monkeypatch: pytest.MonkeyPatch) -> Paused:
    """The evaluation of iteration 1 is under way."""
    found = Paused(monkeypatch, evaluate_every=1)
    found.rig.runner.start()
    found.rig.answer()
    assert found.rig.courier.count(JUDGE) == 1
    return found


def test_what_it_waits_for_is_within_the_tenth_of_a_second_that_is_promised(paused: Paused) -> None:
    paused.rig.runner.start()
    paused.pause()
    timer = paused.rig.runner._letting_go.timer
    assert timer.isActive()
    assert timer.interval() / 1000 + 1 / 60 < 0.1
    assert ACTS_WITHIN < STILL_AT_IT


def test_an_iteration_that_is_known_to_take_long_is_ended_at_once_and_trained_again_from_the_same_state(
    paused: Paused,
) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer(seconds=1.7)
    asked, known = rig.asked, rig.document.state.history[1]
    paused.pause()
    assert rig.runner.under_way, "it may be a short one still"
    paused.later(ACTS_WITHIN)
    assert paused.gone == [RUN]
    assert not rig.runner.under_way
    assert not rig.runner._letting_go.timer.isActive()
    assert rig.document.state.furthest == 1
    assert rig.runner.ending == Ending("paused", "Paused at iteration 1; what was under way of the next was let go.")
    rig.show()
    rig.runner.start()
    assert (rig.asked.iteration, rig.asked.count) == (asked.iteration, 1)
    assert rig.asked.weights is known, "to the bit"


@pytest.mark.parametrize("seconds", [None, 0.02])
def test_what_nobody_knows_the_length_of_or_is_overdue_counts_no_more_and_has_half_a_second(
    paused: Paused, seconds: float | None
) -> None:
    rig = paused.rig
    rig.runner.start()
    if seconds is not None:
        rig.answer(seconds=seconds)
    furthest = rig.document.state.furthest
    paused.pause()
    paused.later(ACTS_WITHIN)
    assert not rig.runner.under_way
    assert paused.gone == [], "a fresh process takes longer than that"
    assert [one.kind for one in rig.endings] == ["paused", "paused"]
    assert rig.document.state.furthest == furthest
    paused.later(STILL_AT_IT)
    assert paused.gone == [RUN]
    assert len(rig.endings) == 2, "it is said once"
    assert not rig.runner._letting_go.timer.isActive()


def test_an_answer_that_comes_after_it_was_let_go_moves_nothing(paused: Paused) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer()
    paused.pause()
    paused.later(ACTS_WITHIN)
    known = rig.document.state
    rig.answer()
    assert rig.document.state is known
    assert not rig.runner._letting_go.timer.isActive()
    rig.show()
    rig.runner.start()
    assert rig.asked.iteration == 1, "it is trained again"
    rig.answer()
    assert rig.document.state.furthest == 2


@pytest.mark.parametrize("after", [0.0, ACTS_WITHIN])
def test_whoever_trains_on_meanwhile_keeps_what_is_under_way(paused: Paused, after: float) -> None:
    rig = paused.rig
    rig.runner.start()
    paused.pause()
    paused.later(after)
    rig.runner.start()
    assert rig.courier.count(RUN) == 1, "not asked twice"
    paused.later(2 * STILL_AT_IT)
    assert paused.gone == []
    assert rig.runner.running
    rig.answer()
    assert rig.document.state.furthest == 1
    assert rig.courier.count(RUN) == 2


def test_one_iteration_more_after_a_pause_is_one_whatever_was_under_way(paused: Paused) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer()
    assert rig.asked.count > 1
    paused.pause()
    paused.later(ACTS_WITHIN)
    late = rig.courier.last(RUN)[0]
    rig.show()
    rig.runner.advance(1)
    assert (rig.asked.iteration, rig.asked.count) == (1, 1)
    assert RUN in rig.courier.dropped
    rig.courier.cancelled.emit(RUN, late)
    assert rig.runner.running, "what was ended is nobody's"
    rig.answer()
    assert rig.document.state.furthest == 2


def test_what_is_of_other_settings_is_not_waited_for(paused: Paused) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer()
    paused.pause()
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    rig.show()
    rig.runner.start()
    assert rig.asked.experiment.training.learning_rate == 0.5
    assert RUN in rig.courier.dropped


def test_the_picture_of_an_edit_does_not_wait_for_an_iteration_that_nobody_wants(paused: Paused) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer(seconds=1.7)
    rig.document.edit_experiment(experiment(learning_rate=0.5))
    said = rig.runner.ending
    assert said.kind == "changed"
    paused.later(ACTS_WITHIN)
    assert paused.gone == [RUN]
    assert not rig.runner.under_way
    assert rig.runner.ending == said
    assert rig.document.state.furthest == 1


def test_what_waits_behind_a_picture_is_taken_back(paused: Paused) -> None:
    rig = paused.rig
    rig.runner.start()
    rig.answer()
    rig.courier.waiting.add(RUN)
    paused.pause()
    assert not rig.runner.under_way
    assert rig.endings == [Ending("paused")]
    assert not rig.runner._letting_go.timer.isActive()


def test_an_evaluation_is_let_go_too_and_made_before_training_goes_on(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = being_judged(monkeypatch)
    rig = paused.rig
    paused.pause()
    assert not rig.runner.under_way, "at once: nothing that is trained waits for it"
    assert rig.runner.ending == Ending("paused", "Paused at iteration 1; its evaluation is made when training goes on.")
    paused.later(STILL_AT_IT)
    assert paused.gone == [JUDGE]
    assert len(rig.endings) == 1, "it is said once"
    rig.show()
    rig.runner.start()
    judge = rig.courier.last(JUDGE)[1]
    assert isinstance(judge, Judge)
    assert judge.weights is rig.document.state.history[1]
    assert (rig.courier.count(JUDGE), rig.courier.count(RUN)) == (2, 1)
    rig.judge(0.25)
    assert [(one.iteration, one.loss) for one in rig.document.state.evaluations] == [(1, 0.25)]
    assert rig.courier.count(RUN) == 2


def test_an_evaluation_that_comes_after_the_pause_is_made_again_and_one_that_is_under_way_is_not_asked_twice(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken while nothing runs, it would stop nothing: a training that should stop early would go on."""
    paused = being_judged(monkeypatch)
    rig = paused.rig
    paused.pause()
    rig.judge(0.25)
    assert rig.document.state.evaluations == ()
    assert not rig.runner._letting_go.timer.isActive()
    rig.show()
    rig.runner.start()
    assert rig.courier.count(JUDGE) == 2
    paused.pause()
    rig.runner.start()
    assert rig.courier.count(JUDGE) == 2
    rig.judge(0.125)
    assert [(one.iteration, one.loss) for one in rig.document.state.evaluations] == [(1, 0.125)]
    assert rig.runner.running


def test_iterations_that_come_right_after_a_pause_are_not_evaluated_before_training_goes_on(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = Paused(monkeypatch, evaluate_every=1)
    rig = paused.rig
    rig.runner.start()
    paused.pause()
    rig.answer()
    assert rig.document.state.furthest == 1
    assert rig.courier.count(JUDGE) == 0
    assert not rig.runner.under_way
    rig.show()
    rig.runner.start()
    assert rig.courier.count(JUDGE) == 1


@pytest.mark.parametrize("pauses", [False, True])
def test_an_evaluation_of_a_training_that_was_undone_is_not_one_of_the_training_that_is_back(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, pauses: bool
) -> None:
    paused = Paused(monkeypatch, evaluate_every=1)
    rig, document = paused.rig, paused.rig.document
    rig.runner.start(goal=2)
    for loss in (0.5, 0.4):
        rig.answer()
        rig.judge(loss)
    rig.show()
    document.edit_experiment(experiment(evaluate_every=1, learning_rate=0.7))
    rig.show()
    rig.controller.go_to_iteration(0)
    rig.show()
    rig.runner.start()
    rig.answer()
    assert (document.state.furthest, rig.courier.count(JUDGE)) == (1, 3)
    if pauses:
        paused.pause()
    while document.state.furthest < 2:
        document.undo_stack.undo()
    said = rig.runner.ending
    rig.judge(123.0)
    paused.later(STILL_AT_IT)
    assert [(one.iteration, one.loss) for one in document.state.evaluations] == [(1, 0.5), (2, 0.4)]
    assert rig.runner.ending == said, "what is said of the undoing stays"


def test_early_stopping_counts_as_it_does_without_a_pause(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, ends = (0.5, 0.4, 0.6, 0.45, 0.3), []
    for pauses in ("", "while it is made", "and it comes"):
        paused = Paused(monkeypatch, evaluate_every=1, early_stop=EarlyStopSpec(patience=2))
        rig = paused.rig
        rig.runner.start()
        rig.judge(1.0)  # of what it begins with: it counts for nothing
        for loss in losses:
            if not rig.runner.running:
                break
            rig.answer()
            if pauses:
                paused.pause()
                if pauses == "and it comes":
                    rig.judge(loss)
                paused.later(2 * STILL_AT_IT)
                rig.show()
                rig.runner.start()
            rig.judge(loss)
        ends.append((rig.endings[-1], [(one.iteration, one.loss) for one in rig.document.state.evaluations]))
    assert ends[0] == ends[1] == ends[2]
    assert (ends[0][0].kind, len(ends[0][1])) == ("early stop", 4)


@pytest.mark.parametrize("channel", [RUN, JUDGE])
def test_a_failure_of_what_was_let_go_is_not_said(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, channel: str) -> None:
    paused = being_judged(monkeypatch) if channel == JUDGE else Paused(monkeypatch)
    rig = paused.rig
    rig.runner.start()
    paused.pause()
    paused.later(ACTS_WITHIN)
    said = rig.runner.ending
    rig.courier.failed.emit(channel, rig.courier.last(channel)[0], "The engine stopped unexpectedly.")
    assert rig.runner.ending == said
    assert not rig.runner._letting_go.timer.isActive()
    rig.show()
    rig.runner.start()
    assert rig.courier.count(channel) == 2


def test_where_nothing_is_held_back_it_goes_on_after_a_pause(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    paused = being_judged(monkeypatch)
    rig = paused.rig
    paused.pause()
    paused.later(2 * STILL_AT_IT)
    rig.show()
    rig.runner.start()
    rig.courier.failed.emit(JUDGE, rig.courier.last(JUDGE)[0], "Nothing is held back.")
    rig.soon()
    assert rig.courier.count(RUN) == 2
    assert rig.runner.running


class HeldUp(InlineExecutor):
    """The engine, which does not come to an end with what `holds` names until its process is ended."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: str = ""
        self.held: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0] != self.holds:
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.held.append(future)
        return future

    def cancel_running(self, future: Future[Any]) -> bool:
        self.held.remove(future)
        future.set_exception(EngineCancelledError("Cancelled."))
        return True


@pytest.fixture
def held_up(qtbot: QtBot) -> Iterator[tuple[Explorer, HeldUp]]:
    executor = HeldUp()
    made = Explorer(executor, Settings(theme="dark"))
    made.show(Opening(State(tracks=("network",), experiment=real()), View(), title="training"))
    settle(qtbot, made)
    yield made, executor
    made.close()
    made.window.deleteLater()


def by_itself(of: Experiment, count: int) -> dict[str, Any]:
    return dict(run("train", Train(of, None, 0, count)).weights)


def test_iterations_and_evaluations_that_were_let_go_change_no_bit(
    qtbot: QtBot, held_up: tuple[Explorer, HeldUp]
) -> None:
    explorer, executor = held_up
    runner, document = explorer.runner, explorer.document
    for goal, held in ((10, "judge"), (13, "train")):
        if held == "train":
            runner.start(goal=goal)
            settle(qtbot, explorer)
        executor.holds = held
        runner.start()
        qtbot.waitUntil(lambda: bool(executor.held))
        assert document.state.furthest == goal
        runner.pause()
        qtbot.waitUntil(lambda: not runner.under_way)
        qtbot.waitUntil(lambda: not executor.held)
        executor.holds = ""
        settle(qtbot, explorer)
        assert document.state.furthest == goal
        assert [one.iteration for one in document.state.evaluations] == list(range(10, goal, 10)), "none of its own"
    runner.start(goal=30)
    settle(qtbot, explorer)
    expected = by_itself(real(), 30)
    state = document.state.history[30]
    assert {name: array.tobytes() for name, array in state.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }
    assert [one.iteration for one in document.state.evaluations] == [10, 20, 30]
    for one in document.state.evaluations:
        assert one.loss == run("judge", Judge(real(), by_itself(real(), one.iteration))).loss
    assert np.array_equal(document.state.log.iterations, np.arange(30))
