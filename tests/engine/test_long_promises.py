"""What a long trace promises: no wrong one is made, it keeps to its budget whatever is asked of it, and it says what it
does not have."""

from __future__ import annotations

import pytest
import torch
from test_long_traces import B, D, H, drawn, model_of
from torch import Tensor

import engine


@pytest.mark.parametrize("lag", [1, 2, 17])
@pytest.mark.parametrize("weight", [1.0, 1e-9])
def test_a_loss_that_reads_another_step_in_the_middle_is_found(lag: int, weight: float) -> None:
    """Between steps 200 and 300 alone, in stretches that are neither the first nor the last."""

    def loss(y: Tensor, steps: slice) -> Tensor:
        own = y.pow(2).sum((1, 2))
        for place in range(lag, len(y)):
            if 200 < steps.start + place < 300:
                own = own + torch.nn.functional.one_hot(torch.tensor(place), len(y)) * weight * y[place - lag].sum()
        return own

    with pytest.raises(engine.DataError, match=r"^The loss of step 2\d\d reads the output of step (1|2)\d\d; .*\.$"):
        engine.trace_long(model_of("gru"), drawn(500, B, D), loss, stretch=50)


def test_losses_of_every_kind_that_read_their_own_step_only_are_taken() -> None:
    """Large and small, through matrices and softmaxes, constant, of one unit, and with a number that is none."""
    W = drawn(H, 7, seed=3)

    def loss(y: Tensor, steps: slice) -> Tensor:
        t = torch.arange(steps.start, steps.stop)
        each = (y @ W).log_softmax(-1)[..., 2].mean(1) * 10.0 ** (t % 60 - 30)
        each = torch.where(t % 7 == 3, 0.0 * each.detach(), each)
        each = torch.where(t % 11 == 5, y[:, 0, 1].sin(), each)
        return torch.where(t == 333, torch.nan, each)

    long = engine.trace_long(model_of("gru"), drawn(400, B, D), loss, stretch=50)
    assert long.steps == 400
