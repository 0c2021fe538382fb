"""A single loss, and a part of the flow matrix, of a long trace."""

from __future__ import annotations

import pytest
import torch
from long_and_whole import (
    STRETCH,
    B,
    D,
    H,
    both,
    drawn,
    model_of,
)
from torch import Tensor

import engine


@pytest.mark.parametrize(("kind", "bidirectional"), [("rnn", True), ("lstm", False), ("lstm", True), ("gru", False)])
def test_a_single_loss_sends_back_what_it_sends_in_the_whole_trace(kind: str, bidirectional: bool) -> None:
    whole, long = both(model_of(kind, 2, bidirectional), steps=90)
    windows = whole.window(30, 80), long.window(30, 80)
    for loss in (STRETCH, -1):
        for name in whole.layers:
            row = whole.flow_row(loss, name)
            torch.testing.assert_close(long.flow_row(loss, name), row, rtol=1e-10, atol=0, equal_nan=True)
    for name in whole.layers:
        rows = [one.flow_row(60, name) for one in windows]
        torch.testing.assert_close(rows[1], rows[0], rtol=1e-10, atol=0, equal_nan=True)
        gradients = [one.flow_gradient(85, name) for one in windows]
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_part_of_the_flow_matrix_is_that_of_the_whole_trace(bidirectional: bool) -> None:
    """Where all layers run forward, all losses at once; else one after the other. Some lie outside of the steps."""
    whole, long = both(model_of("gru", 2, bidirectional), steps=90)
    losses = [10, 41, 60, -1] if bidirectional else [*range(35, 70), 10]
    for name in whole.layers:
        expected = whole.flow_matrix(name, losses, (40, 50))
        found = long.flow_matrix(name, losses, (40, 50))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0, equal_nan=True)
        expected = whole.window(30, 80).flow_matrix(name, losses[1:3], (3, 9))
        found = long.window(30, 80).flow_matrix(name, losses[1:3], (3, 9))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0, equal_nan=True)
    one_step = whole.window(45, 45).flow_matrix("l1", [44]), long.window(45, 45).flow_matrix("l1", [44])
    torch.testing.assert_close(one_step[1], one_step[0], rtol=1e-10, atol=0)


def test_a_flow_matrix_that_would_take_too_much_is_refused() -> None:
    model = model_of("rnn", bidirectional=True, dtype=torch.float32)
    long = engine.trace_long(model, drawn(9000, 1, D, dtype=torch.float32), lambda y, _: y.sum((1, 2)), stretch=3000)
    with pytest.raises(engine.DataError, match="takes 618 MiB; 256 MiB is accepted"):
        long.flow_matrix()
    with pytest.raises(engine.DataError, match="9,000 losses would be followed one after the other"):
        long.flow_matrix(steps=(5, 9))


def test_a_single_loss_is_followed_until_nothing_is_left_of_it() -> None:
    """Weights of 1/4: float32 has an exact 0 after 150 halvings, so after 75 steps or less."""
    steps, asked = 2000, []
    model = model_of("rnn", dtype=torch.float32)
    with torch.no_grad():
        model.weight_hh_l0.copy_(torch.eye(H) / 4)
    x = drawn(steps, B, D, dtype=torch.float32)

    def give(own: slice) -> Tensor:
        asked.append(own)
        return x[own]

    long = engine.trace_long(model, give, lambda y, own: y.sum((1, 2)), steps=steps, stretch=50)
    asked.clear()
    row = long.flow_row()
    assert not row[:-100].any()
    assert (row[-40:] > 0).all()
    assert min(own.start for own in asked) >= steps - 200
    whole = engine.trace(model, x, loss=lambda y: y.sum((1, 2)))
    torch.testing.assert_close(row, whole.flow_row(), rtol=1e-4, atol=1e-44)
