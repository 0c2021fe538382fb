"""What undo keeps has a budget, and what comes back from it is the same training as before."""

from __future__ import annotations

from collections.abc import ValuesView
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from training_rig import experiment

from engine.operations import run
from engine.past import Past
from engine.requests import Weights
from engine.spec import NO_WHAT_IF
from engine.training_requests import Train
from explorer.document.document import Document
from explorer.document.put_away import PutAway
from explorer.document.state import State, View


def trained(document: Document, to: int) -> None:
    """One iteration after another, each kept."""
    while (at := document.state.furthest) < to:
        assert document.experiment is not None
        request = Train(document.experiment, document.state.history.get(at), at, 1)
        document.learn(run("train", request), document.recipe)


def with_rate(document: Document, rate: float) -> None:
    of = document.experiment
    assert of is not None
    training = msgspec.structs.replace(of.training, learning_rate=rate)
    document.edit_experiment(msgspec.structs.replace(of, training=training))


def within_budget(states: list[State], present: State, budget: int) -> list[State]:
    """The states with their training as it is put away."""
    pasts = PutAway(budget).within_budget([state.past for state in states], present.past)
    return [
        state if past is state.past else replace(state, past=past) for state, past in zip(states, pasts, strict=True)
    ]


def size(state: State) -> int:
    return sum(array.nbytes for kept in state.history.values() for array in kept.values())


@pytest.fixture
def first() -> Document:
    """Six iterations at one rate, and six at another."""
    document = Document(State(("norms",), experiment()), View())
    trained(document, 6)
    with_rate(document, 0.02)
    trained(document, 12)
    return document


def test_a_history_put_away_is_replayed_to_the_bit_from_what_is_left_of_it(first: Document) -> None:
    live = first.state
    (light,) = within_budget([live], live.until(0), budget=2 * size(live) // len(live.history))
    assert set(light.history) == {6, 12}
    assert light.log is live.log
    assert light.evaluations is live.evaluations
    for wanted in (3, 9):
        start, (of, what_if) = light.kept_before(wanted), light.recipe_into(wanted)
        assert what_if == NO_WHAT_IF
        assert light.out_of_reach(wanted) == ""
        begun = None if start is None else light.history[start]
        again = run("train", Train(of, begun, start or 0, wanted - (start or 0))).weights
        assert all(np.array_equal(again[name], array) for name, array in live.history[wanted].items())


def test_where_the_turns_are_too_much_the_last_state_stays_and_the_rest_is_said_to_be_out_of_reach(
    first: Document,
) -> None:
    live = first.state
    (light,) = within_budget([live], live.until(0), budget=0)
    assert set(light.history) == {12}
    assert light.furthest == 12
    assert light.past.known_from == 12
    assert "only from iteration 12 on" in light.out_of_reach(9)
    assert light.recipe_into(12) == live.recipe_into(12)
    assert light.log is live.log


def test_the_furthest_from_now_goes_first_and_what_the_present_has_costs_nothing(first: Document) -> None:
    live = first.state
    other = Document(State(("norms",), experiment(5)), View())
    trained(other, 6)
    near = other.state
    a, b = within_budget([live, near], live.until(0), budget=size(near) + 2 * size(live) // len(live.history))
    assert set(a.history) == {6, 12}
    assert b is near
    assert within_budget([live], live, budget=0) == [live]


def test_training_anew_again_and_again_keeps_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document(State(("norms",), experiment()), View())
    trained(document, 10)
    one = size(document.state) // len(document.state.history)
    monkeypatch.setattr(document, "_kept_for_undo", PutAway(12 * one))
    for rate in (0.02, 0.03, 0.04, 0.05):
        document.train_anew_from(0)
        with_rate(document, rate)
        trained(document, 10)
    document.train_anew_from(0)
    steps = [document.undo_stack.command(n) for n in range(document.undo_stack.count())]
    held = {id(a): a.nbytes for s in steps for w in s.put_away.history.values() for a in w.values()}  # type: ignore[attr-defined]
    assert sum(held.values()) <= 14 * one  # the newest of ten whole, and the last of the four before
    while document.undo_stack.canUndo():
        document.undo_stack.undo()
    assert document.state.furthest == 10
    assert len(document.state.log) == 10


class Counted(dict[int, Weights]):
    """A history that counts how often somebody goes through it."""

    looks = 0

    def values(self) -> ValuesView[Weights]:
        Counted.looks += 1
        return super().values()


def test_a_step_of_undo_goes_only_through_the_histories_that_it_moves() -> None:
    """However many there are: else each step would take longer than the one before."""
    pasts = [Past(Counted({k: {"W_hh": np.zeros(8)} for k in range(5)})) for _ in range(40)]
    account = PutAway()
    account.within_budget(pasts, Past())
    Counted.looks = 0
    assert account.within_budget(pasts[::-1], Past()) == pasts[::-1]
    assert Counted.looks == 0
    account.within_budget([*pasts[:20], *pasts[21:], Past(Counted(pasts[0].history))], Past())
    assert Counted.looks == 2, "of the one that is the present now, and of the one that was it"


def test_what_is_no_longer_put_away_counts_no_more() -> None:
    """A history that an edit has made unreachable, and one that is the present again, leave their room to others."""
    one = 8 * 8
    pasts = [Past({k: {"W_hh": np.zeros(8)} for k in range(1, 6)}, known_from=1) for _ in range(3)]
    account = PutAway(12 * one)
    assert account.within_budget(pasts[:2], Past()) == pasts[:2]
    assert account.within_budget(pasts[1:], Past()) == pasts[1:]
    light, *whole = account.within_budget(pasts, Past())
    assert set(light.history) == {1, 5}
    assert whole == pasts[1:]
