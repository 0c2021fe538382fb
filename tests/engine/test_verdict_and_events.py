"""The verdict on a gradient and the ticks on the tape, on arrays made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.clipping import clipped
from engine.events import clip_events, events
from engine.requests import Event
from engine.spec import ClipSpec
from engine.verdict import EXPLODING_ABOVE, VANISHING_BELOW, verdict

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("row", "kind", "log10_ratio"),
    [
        ([1e-3, 0.1, 1.0], "healthy", -3.0),
        ([0.99e-6, 1.0], "vanishing", math.log10(0.99e-6)),
        ([1.01e-6, 1.0], "healthy", math.log10(1.01e-6)),
        ([1.01e6, 1.0], "exploding", math.log10(1.01e6)),
        ([0.99e6, 1.0], "healthy", math.log10(0.99e6)),
        ([0.0, 1.0], "vanishing", -INF),
        ([INF, 1.0], "exploding", INF),
        ([0.0, 0.0], "undefined", NAN),
        ([NAN, 1.0], "undefined", NAN),
        ([NAN, INF, 1.0], "exploding", INF),  # overflowed on the way, then inf − inf
        ([1.0, INF], "undefined", NAN),
        ([NAN, NAN], "undefined", NAN),
        ([1e-300, 1e300], "vanishing", -600.0),  # the quotient underflows, its logarithm does not
        ([1e300, 1e-300], "exploding", 600.0),
        ([1.0], "undefined", NAN),
    ],
)
def test_the_verdict_compares_the_first_step_with_the_last(row: list[float], kind: str, log10_ratio: float) -> None:
    found = verdict(np.array(row))
    assert found.kind == kind
    assert found.log10_ratio == pytest.approx(log10_ratio, nan_ok=True)
    assert (found.first_step, found.last_step, found.loss_step) == (1, len(row), len(row))


@pytest.mark.parametrize(
    ("row", "kind", "last"),
    [([1e-9, 1.0, 0.0, 0.0], "vanishing", 2), ([1.0, 0.0], "undefined", 1), ([1.0, NAN, 0.0], "undefined", 2)],
)
def test_it_begins_at_the_last_step_that_the_loss_reads(row: list[float], kind: str, last: int) -> None:
    """Nothing comes back from the steps after it, so their gradient is exactly 0."""
    found = verdict(np.array(row))
    assert found.kind == kind
    assert (found.last_step, found.loss_step) == (last, last)


@pytest.mark.parametrize(
    ("row", "off"),
    [
        ([5e10, 6e10, 5.5e10], "above"),  # neither grows nor shrinks, and is far too large all along
        ([1.0, 101.0, 1.0], "above"),
        ([99.0, 99.0], ""),
        ([1e-25, 1e-25], "below"),
        ([1e-25, 0.9e-19, 1e-20], ""),
    ],
)
def test_a_healthy_ratio_does_not_hide_the_level(row: list[float], off: str) -> None:
    found = verdict(np.array(row))
    assert found.kind == "healthy", "the verdict itself is the ratio's"
    assert found.log10_level == pytest.approx(math.log10(max(row)))
    assert found.off_level == off


def test_what_is_not_finite_or_padding_has_no_level() -> None:
    assert verdict(np.array([NAN, 1.0])).log10_level is None
    assert verdict(np.array([1.0, 1.0, 1e9]), longest=2).off_level == ""
    assert verdict(np.array([0.0, 0.0])).off_level == "below", "exact 0 is no gradient either"


def test_the_thresholds_are_the_documented_ones() -> None:
    assert (VANISHING_BELOW, EXPLODING_ABOVE) == (1e-6, 1e6)


def states(rows: list[float]) -> dict[str, Tensor]:
    """(T, 2, 2): one entry goes through these numbers, the others stay 1."""
    array = torch.ones(len(rows), 2, 2)
    array[:, 1, 0] = torch.tensor(rows)
    return {"h": array}


def found(values: list[float], grads: list[float]) -> tuple[Event, ...]:
    return events("rnn", states(values), states(grads))


def test_a_tame_trace_has_no_events() -> None:
    assert found([1, 2, 3], [1e-30, 1, 1]) == ()


def test_underflow_is_the_first_subnormal_met_going_back() -> None:
    (event,) = found([1] * 5, [0.0, 1e-45, 1e-39, 2e-38, 1e-30])
    assert (event.kind, event.phase, event.step) == ("underflow", "backward", 3)
    assert "underflow float32" in event.sentence


def test_a_gradient_that_was_never_there_does_not_underflow() -> None:
    assert found([1] * 4, [1, 1, 0, 0]) == ()  # a loss at step 2 reaches no later step


def test_an_exact_zero_from_one_step_to_the_next_is_no_rounding() -> None:
    (event,) = found([1] * 3, [0, 0, 1])
    assert (event.kind, event.step) == ("underflow", 2)
    assert "exactly 0" in event.sentence
    assert "dead or saturated" in event.sentence


def test_what_truncation_stops_does_not_underflow_and_what_goes_on_does() -> None:
    """At step 3 a window begins: nothing of it goes on. From 2 to 1 something does, and is lost."""
    grads = [1e-40, 1e-30, 1.0, 1.0]
    stopped = events("rnn", states([1] * 4), states([1e-40, 0, 1, 1]), passing=states([1e-40, 0, 0, 1]))
    assert stopped == ()
    (event,) = events("rnn", states([1] * 4), states(grads), passing=states([1e-40, 1e-30, 0, 1]))
    assert (event.kind, event.step) == ("underflow", 1)


def test_overflow_and_nan_are_found_in_each_direction_in_the_order_of_the_tape() -> None:
    made = found([1, INF, NAN, NAN], [NAN, NAN, INF, 1])
    assert [(e.kind, e.phase, e.step) for e in made] == [
        ("overflow", "forward", 2),
        ("nan", "forward", 3),
        ("overflow", "backward", 3),
        ("nan", "backward", 2),
    ]
    assert "1 of 4 entries" in made[0].sentence
    assert "∂L/∂h" in made[2].sentence


def test_an_infinite_sum_of_finite_numbers_is_no_event() -> None:
    assert found([3e38, 3e38, 3e38], [1, 1, 1]) == ()


def test_only_clipping_that_fired_is_an_event() -> None:
    grads = {"weight_hh_l0": torch.full((3, 3), 10.0)}
    fired = clipped(grads, ClipSpec(kind="norm")).report
    idle = clipped(grads, ClipSpec(kind="norm", max_norm=1000.0)).report
    (event,) = clip_events(fired, steps=9)
    assert (event.kind, event.phase, event.step, event.sentence) == ("clip", "clip", 9, fired.sentence)
    assert clip_events(idle, steps=9) == ()
    assert clip_events(None, steps=9) == ()


def test_both_states_of_the_lstm_are_watched() -> None:
    values = {"h": torch.ones(3, 1, 1), "c": torch.ones(3, 1, 1)}
    grads = {"h": torch.ones(3, 1, 1), "c": torch.tensor([1e-40, 1.0, 1.0]).view(3, 1, 1)}
    (event,) = events("lstm", values, grads)
    assert event.kind == "underflow"
    assert "∂L/∂c" in event.sentence


@pytest.mark.parametrize(
    ("row", "kind", "log10_ratio", "step"),
    [
        ([1.0, 2e7, 1.0], "exploding", math.log10(2e7), 2),  # grown within the trace, and shrunk again
        ([1.0, 1e-3, 2e-8, 1.0], "vanishing", math.log10(2e-8), 3),
        ([0.5, 1e8, 1e-7, 1.0], "exploding", 8.0, 2),  # the farther of the two
        ([1.0, 0.9e6, 1.0], "healthy", 0.0, 1),
        ([1e-7, 1e8, 1.0], "vanishing", -7.0, 1),  # the end decides where it is beyond a threshold itself
        ([1.0, NAN, 1.0], "healthy", 0.0, 1),
    ],
)
def test_healthy_is_only_what_stays_within_the_thresholds_all_the_way(
    row: list[float], kind: str, log10_ratio: float, step: int
) -> None:
    found = verdict(np.array(row))
    assert found.kind == kind
    assert found.log10_ratio == pytest.approx(log10_ratio, abs=1e-12)
    assert found.first_step == step
