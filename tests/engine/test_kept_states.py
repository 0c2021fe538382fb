"""A file has the states that save time, and none of the others; what it lacks comes back to the bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from training_cases import experiment, same_bits

from engine import session as sessions
from engine.history import Log
from engine.kept_states import EASY_BYTES, REPLAY_SECONDS, worth_keeping
from engine.operations import run
from engine.requests import Weights
from engine.session import Session
from engine.training_loop import state_at
from engine.training_requests import Records, Train, Trained

NUMBERS = 5000
"""Of a state: 20 kB, of which 78 fit into 1.5 MiB."""


def history(iterations: range) -> dict[int, Weights]:
    return {k: {"weight_hh_l0": np.zeros(NUMBERS, np.float32)} for k in iterations}


def log(seconds: np.ndarray) -> Log:
    n = len(seconds)
    ones = np.ones(n)
    return Log().appended(
        Records(
            first=0,
            losses=ones,
            grad_norms=ones,
            clipped_norms=ones,
            clipped=np.zeros(n, bool),
            layer_norms={},
            flow=np.zeros((n, 3), np.float32),
            flow_bad=np.zeros(n, bool),
            learning_rates=ones,
            seconds=seconds,
        )
    )


def gaps(kept: list[int], seconds: np.ndarray) -> np.ndarray:
    """Seconds from each kept state to the next."""
    return np.array([seconds[a:b].sum() for a, b in pairwise(kept)])


def test_a_quick_training_takes_no_more_than_its_easy_room() -> None:
    seconds = np.full(500, 0.01)
    kept = worth_keeping(history(range(1, 501)), {250}, log(seconds))
    assert 60 < len(kept) <= EASY_BYTES // (4 * NUMBERS) + 2
    assert (kept[0], kept[-1]) == (1, 500)
    assert 250 in kept
    assert gaps(kept, seconds).max() <= 2 * 5.0 / len(kept) + 0.01


def test_where_iterations_take_long_more_are_kept_so_that_none_is_far_away() -> None:
    """The second half takes ten times as long: there they are ten times as close."""
    seconds = np.concatenate((np.full(500, 0.05), np.full(500, 0.5)))
    kept = worth_keeping(history(range(1, 1001)), (), log(seconds))
    assert gaps(kept, seconds).max() <= REPLAY_SECONDS + 0.5
    late = sum(k > 500 for k in kept)
    assert late == pytest.approx(10 * (len(kept) - late), rel=0.1)


@pytest.mark.parametrize("seconds", [np.full(50, 0.01), np.zeros(500), np.full(500, np.nan), np.zeros(0)])
def test_all_are_kept_where_they_take_little_or_nobody_knows_how_long_replaying_takes(seconds: np.ndarray) -> None:
    last = 50 if len(seconds) == 50 else 500
    states = history(range(1, last + 1))
    assert worth_keeping(states, (), log(seconds)) == list(states)


def test_what_a_file_leaves_out_comes_back_to_the_bit(tmp_path: Path) -> None:
    """As much is left out as of a training of several hundred iterations."""
    given = experiment(hidden_size=48)
    states: dict[int, Weights] = {}
    records, state = Log(), None
    for i in range(60):
        done: Trained = run("train", Train(given, state, i, 1))
        state = states[i + 1] = done.weights
        records = records.appended(done.records)
    size = sum(array.nbytes for array in states[1].values())
    assert 60 * size > EASY_BYTES
    whole = Session(given, iteration=60, history=states, log=records)
    sessions.save(sessions.fitting(whole), tmp_path / "a.gflow")
    again = sessions.load(tmp_path / "a.gflow")
    assert len(again.history) <= EASY_BYTES // size + 3 < 60
    left_out = sorted(states.keys() - again.history.keys())
    for iteration in (left_out[0], left_out[len(left_out) // 2], left_out[-1]):
        found = state_at(again, iteration)
        assert found is not None
        assert same_bits(found, states[iteration])
    for name in ("losses", "grad_norms", "seconds"):
        assert np.array_equal(again.log.column(name), records.column(name)), "no record is left out"
    assert replace(again, history={}).log.iterations.tolist() == list(range(60))
