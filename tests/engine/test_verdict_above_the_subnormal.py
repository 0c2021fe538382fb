"""A norm that ends on the floor of subnormal numbers is judged where its numbers are normal."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import engine
from engine import dtypes
from engine.verdict import so_far, verdict

T, PER_STEP, FLOOR = 1000, 0.68, 4.6e-45
NORMAL = dtypes.smallest_normal("float32")


def plateau() -> np.ndarray:
    """0.68 a step going back, until it stands at a few of float32's smallest numbers."""
    return np.maximum(PER_STEP ** (T - np.arange(1.0, T + 1)), FLOOR)


def test_the_ratio_is_that_of_the_last_normal_number_and_the_floor_is_flagged() -> None:
    found = verdict(plateau(), normal=NORMAL)
    steps = math.floor(math.log(NORMAL) / math.log(PER_STEP))  # so many of them are above the smallest normal number
    assert (found.kind, found.first_step, found.last_step) == ("vanishing", T - steps, T)
    assert found.subnormal_from == T - steps - 1
    assert found.log10_ratio == found.log10_normal == pytest.approx(steps * math.log10(PER_STEP))
    assert verdict(plateau()).subnormal_from == 0


def test_what_goes_through_the_floor_to_zero_is_still_exactly_zero() -> None:
    row = np.where(np.arange(1, T + 1) > 500, plateau(), 0.0)
    found = verdict(row, normal=NORMAL)
    assert (found.kind, found.log10_ratio, found.first_step) == ("vanishing", -math.inf, 1)
    assert found.log10_normal / (T - 1 - found.subnormal_from) == pytest.approx(math.log10(PER_STEP))


def test_a_short_way_to_the_floor_does_not_make_a_vanishing_gradient_healthy() -> None:
    """float16 has 1e-4 and no more between 1 and its subnormal numbers, which go on to 6e-8."""
    row = np.array([6e-8, 6e-8, 1e-4, 1e-2, 1.0])
    found = verdict(row, normal=dtypes.smallest_normal("float16"))
    assert (found.kind, found.first_step, found.subnormal_from) == ("vanishing", 1, 2)
    assert found.log10_normal == pytest.approx(-4.0)
    assert verdict(np.array([6e-8, 6e-8]), normal=6.2e-5).first_step == 1  # nothing normal at all


def test_so_far_tells_of_the_floor_only_where_it_has_been_reached() -> None:
    whole = verdict(plateau(), normal=NORMAL)
    assert so_far(whole, whole.subnormal_from + 1, 1e-38, 1.0).subnormal_from == 0
    assert so_far(whole, whole.subnormal_from, 1e-39, 1.0).subnormal_from == whole.subnormal_from


def test_traces_whole_and_long_measure_where_their_own_type_is_normal() -> None:
    """h_t = 0.7 h_{t−1} + x: ∂L/∂h_{T−n} is 0.7^n, for n up to 244 above float32's smallest normal number."""
    rnn, x = nn.RNN(1, 1, nonlinearity="relu", bias=False), torch.ones(600, 1, 1)
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(1.0)
        rnn.weight_hh_l0.fill_(0.7)
    steps = math.floor(math.log(NORMAL) / math.log(0.7))

    def last(y: torch.Tensor, of: slice = slice(0, 600)) -> torch.Tensor:
        return y.sum((1, 2)) * (torch.arange(of.start, of.start + len(y)) == 599)

    for found in (engine.trace(rnn, x, loss=last).verdict(), engine.trace_long(rnn, x, last, stretch=200).verdict()):
        assert (found.kind, found.first_step) == ("vanishing", 600 - steps)
        assert found.log10_ratio == pytest.approx(steps * math.log10(0.7), rel=1e-5)
