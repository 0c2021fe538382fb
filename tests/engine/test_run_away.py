"""A loss that has run away is told from one that jumps, that began high, and that nobody can tell of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.history import Log
from engine.run_away import LATELY, TIMES, RunAway, of_log, run_away
from engine.training_requests import Records


def records_of(losses: np.ndarray, first: int) -> Records:
    n, none = len(losses), np.zeros(len(losses))
    rest = {"flow": np.zeros((n, 2), np.float32), "flow_bad": none > 0, "learning_rates": none, "seconds": none}
    return Records(first, losses, none, none, none > 0, {}, **rest)


def found(losses: list[float], baseline: float | None = None) -> object:
    return run_away(np.arange(len(losses)), np.array(losses), baseline)


def test_it_says_how_far_and_which_iteration_was_the_last_good_one() -> None:
    """Begun at 0.5, above the baseline; iteration 30 the last at most 0.5; from 31 on at 1e11."""
    losses = [0.5, *[0.2] * 29, 0.5, *[1e11] * LATELY]
    away = run_away(np.arange(len(losses)), np.array(losses), 0.167)
    assert away is not None
    assert (away.iteration, away.good, away.begun, away.from_baseline) == (40, 30, 0.5, False)
    assert away.times == pytest.approx(2e11)


def test_it_is_measured_by_the_baseline_where_that_is_larger() -> None:
    losses = [1e-9, *[1e-3] * LATELY]
    assert found(losses) is not None
    assert found(losses, 0.167) is None, "far above a lucky beginning, and better than having learned nothing"
    away = run_away(np.arange(11), np.array([0.1, *[1e6] * LATELY]), 0.167)
    assert away is not None
    assert (away.from_baseline, away.begun) == (True, 0.167)


def test_its_sentence_has_every_number_of_it() -> None:
    losses = [0.5, *[0.2] * 1299, 0.5, *[1e11] * LATELY]
    away = found(losses, 0.167)
    assert isinstance(away, RunAway)
    assert away.sentence == (
        "At iteration 1,310 the loss has run away: the median of 10 losses is 1e11, 2e11 times what it began with "
        "(0.5); iteration 1,300 was the last not above that."
    )
    assert " times the baseline (0.167); " in replace(away, begun=0.167, from_baseline=True).sentence


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_of_records_it_is_the_same_however_they_came(chunk: int) -> None:
    losses = np.array([0.5, *[0.2] * 29, 0.5, *[1e11] * LATELY])
    log = Log()
    for first in range(0, len(losses), chunk):
        log = log.appended(records_of(losses[first : first + chunk], first))
        some = losses[: first + chunk]
        assert of_log(log, 0.167) == run_away(np.arange(len(some)), some, 0.167)
    assert of_log(log, 0.167) is not None
    assert of_log(Log(), 0.167) is None


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [1.0, *[1e9] * (LATELY - 2)],  # too early
        [1.0] * 30 + [1e12] * (LATELY // 2 - 1) + [1.0] * (LATELY // 2 + 1),  # jumps out and back
        [1e30, *[1e29] * 40],  # began there
        [0.0, *[1.0] * 40],  # a beginning of 0, and no baseline: nothing to compare with
        [math.inf, *[1.0] * 40],
        [1.0, *[math.nan] * 40],  # a divergence, which stops and is said as such
        [1.0, *[TIMES] * 40],  # not above the bound
    ],
)
def test_what_is_none_is_not_called_so(losses: list[float]) -> None:
    assert found(losses) is None
