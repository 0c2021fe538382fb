"""Travelling ends, in the right bits or with a sentence, also where the states that are needed fill all memory."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from pytestqt.qtbot import QtBot
from training_window import experiment, settle

from engine import past
from engine.operations import run
from engine.requests import Weights
from engine.spec import Experiment, TrainingSpec
from engine.training_requests import Train
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.trainer import Trainer

EACH, RATES = 3, 6
"""Iterations at each of so many rates."""
MOST_REQUESTS = 20
"""Far more than one travel over three iterations asks for."""


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each chunk was asked for; a travel that never ends fails here instead of hanging."""
    asked: list[int] = []
    ask = Trainer._ask

    def counted(trainer: Trainer, goal: object) -> None:
        asked.append(trainer._iteration)
        if len(asked) <= MOST_REQUESTS:
            ask(trainer, goal)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_ask", counted)
    return asked


@pytest.fixture
def turned(qtbot: QtBot, explorer: Explorer) -> Explorer:
    """Trained at several rates, in the window."""
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment()), View(), title="training"))
    settle(qtbot, explorer)
    for number in range(RATES):
        explorer.document.edit_experiment(with_rate(number))
        settle(qtbot, explorer)
        explorer.runner.start(goal=(number + 1) * EACH)
        settle(qtbot, explorer)
    return explorer


def with_rate(number: int) -> Experiment:
    return msgspec.structs.replace(experiment(), training=TrainingSpec(learning_rate=0.01 * (1 + number)))


def live(iteration: int) -> Weights:
    """What that iteration was: every one trained with its own rate, from the seed."""
    now: Weights | None = None
    for k in range(iteration):
        now = run("train", Train(with_rate(k // EACH), now, k, 1)).weights
    assert now is not None
    return now


def test_a_travel_ends_where_the_states_that_are_needed_fill_the_memory(
    qtbot: QtBot, turned: Explorer, requests: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(array.nbytes for array in turned.document.state.history[EACH].values())
    monkeypatch.setattr(past, "STATE_BYTES", 3 * size)
    monkeypatch.setattr(past, "TURN_BYTES", 20 * size)
    turned.document.learn(run("train", Train(with_rate(5), live(18), 18, 1)), turned.document.recipe)
    assert {EACH * k for k in range(1, RATES)} <= turned.document.state.history.keys(), "where the rate was changed"
    for iteration in (2, 11, 17):
        requests.clear()
        turned.bindings.travel.to(iteration)
        qtbot.waitUntil(lambda: not turned.controller.waiting or len(requests) > MOST_REQUESTS, timeout=30_000)
        assert len(requests) <= MOST_REQUESTS
        assert turned.document.view.iteration == iteration
        found, right = turned.document.state.history[iteration], live(iteration)
        assert all(found[name].tobytes() == array.tobytes() for name, array in right.items())
        settle(qtbot, turned)


def test_what_was_trained_and_is_not_there_is_not_asked_for_again(
    qtbot: QtBot, turned: Explorer, requests: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason: the travel ends with a sentence."""
    document = turned.document
    kept = {k: w for k, w in document.state.history.items() if k % EACH == 0}
    document._state = replace(document.state, past=replace(document.state.past, history=kept))
    monkeypatch.setattr(document, "learn", lambda *_: None)
    shown = document.view.iteration
    requests.clear()
    with qtbot.waitSignal(turned.controller.failed, timeout=30_000) as said:
        turned.bindings.travel.to(8)
    assert said.args == ["Iteration 8 was trained again and could not be kept, so that it cannot be shown."]
    settle(qtbot, turned)
    assert len(requests) <= MOST_REQUESTS
    assert document.view.iteration == shown
