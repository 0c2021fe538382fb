"""What a training consists of is the same record wherever it is held, and an operation on it forgets no part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from training_cases import experiment

from engine.history import Evaluation
from engine.past import Past
from engine.recipes import Origin
from engine.session import Session
from engine.spec import NO_WHAT_IF, WhatIf
from engine.training_loop import Progress, fit
from engine.training_requests import Records, Trained

SLOW, QUICK = experiment(learning_rate=0.05), experiment(learning_rate=0.5)
SCALED = WhatIf(recurrent_scale=0.5)
NOW = (QUICK, SCALED)


def last(of: Iterator[Progress]) -> Progress:
    *_, end = of
    return end


@pytest.fixture(scope="module")
def end() -> Progress:
    """Five iterations at one rate, and four at another under a what-if."""
    first = last(fit(SLOW, 5)).session()
    return last(fit(replace(first, experiment=QUICK, what_if=SCALED), 9))


@pytest.fixture
def past(end: Progress) -> Past:
    """With every part of it there."""
    judged = tuple(Evaluation(iteration=k, loss=1.0, metric="rmse", value=1.0) for k in (3, 8))
    return replace(end.past, evaluations=judged, origins=(Origin(until=7, torch="1.2.3"),), cast_before=2)


def test_what_led_to_each_iteration_is_known_alike_on_the_way_in_a_session_and_in_what_is_read(end: Progress) -> None:
    saved = end.session()
    for k in range(1, 10):
        expected = (SLOW, NO_WHAT_IF) if k <= 5 else NOW
        assert end.past.led_to(k, NOW) == saved.past.led_to(k, NOW) == expected
        recipe = saved.trained(k)
        assert (recipe.experiment, recipe.what_if) == expected


def test_a_past_comes_back_whole_from_the_session_that_it_is_put_into(past: Past) -> None:
    again = Session(QUICK, SCALED).with_past(replace(past, known_from=5)).past
    assert dict(again.history) == dict(past.history)
    assert dict(again.recipes) == {k: led for k, led in past.recipes.items() if k >= 5}
    assert (again.log, again.evaluations, again.origins) == (past.log, past.evaluations, past.origins)
    assert (again.known_from, again.cast_before) == (5, 2)


def test_nothing_of_what_came_after_an_iteration_is_left_where_it_is_cut(past: Past) -> None:
    cut = past.until(6)
    assert max(cut.history) == max(cut.recipes) == 6
    assert cut.log.next == 6
    assert cut.evaluations == past.evaluations[:1]
    assert cut.origins == (Origin(until=6, torch="1.2.3"),)
    nothing = past.until(0)
    changed = {part.name for part in fields(Past) if getattr(nothing, part.name) != getattr(past, part.name)}
    assert changed == {part.name for part in fields(Past)} - {"known_from"}, "each part that is there"
    assert replace(past, known_from=8).until(6).known_from == 6, "a state that is there still"


def test_a_chunk_that_meets_no_finite_number_at_once_changes_nothing_of_what_led_there(past: Past) -> None:
    none = np.zeros(0)
    rows = Records(
        9, none, none, none, none.astype(bool), {}, np.zeros((0, 1), np.float32), none.astype(bool), none, none
    )
    stopped = Trained(past.history[9], 9, (), rows, None)
    assert past.appended(stopped, (SLOW, NO_WHAT_IF)).recipes[9] == NOW
