"""What a long trace promises: no wrong one is made, it keeps to its budget whatever is asked of it, and it says what it
does not have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from long_and_whole import B, D, H, drawn, model_of
from torch import Tensor

import engine
from engine.step_clipping import clipped_trace
from engine.truncation import truncated


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


MEASURED = """
import sys, torch, engine
from benchmarks.long import peak

torch.set_num_threads(1)
torch.manual_seed(0)
model = torch.nn.LSTM(16, 128)

def look(steps, budget, losses, first):
    loss = lambda y, _: y.pow(2).sum((1, 2))
    trace = engine.trace_long(model, torch.randn(steps, 8, 16), loss, budget=budget)
    return trace.flow_matrix(losses=losses, steps=(first, losses.stop))

look(40, 2**25, range(30, 40), 20)
before = peak()
found = look(950, int(sys.argv[1]), range(700, 900), 500)
print(peak() - before, found.isfinite().sum().item())
"""


def test_a_flow_matrix_keeps_to_the_budget_of_its_trace() -> None:
    """The window of 400 steps takes 38 MiB, and what was at work beside it up to 200 more."""
    budget = 128 * 2**20
    command = [sys.executable, "-c", MEASURED, str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    taken, numbers = (float(figure) for figure in done.stdout.split())
    assert taken * 2**20 < budget
    assert numbers == sum(loss - 498 for loss in range(700, 900))


def test_a_flow_matrix_within_a_small_budget_is_that_of_a_large_one() -> None:
    """What is taken back at once, and what one loss after the other, is the same to rounding."""
    x, matrices = drawn(300, B, D), []
    for budget in (2**30, 3 * 2**17):
        long = engine.trace_long(model_of("lstm", 2), x, lambda y, _: y.pow(2).sum((1, 2)), budget=budget, stretch=20)
        matrices.append(long.flow_matrix("l0", range(180, 220), (101, 220)))
    assert long.longest_window < 300
    torch.testing.assert_close(matrices[1], matrices[0], rtol=1e-10, atol=0.0, equal_nan=True)


def test_what_a_long_trace_does_not_have_it_says_with_what_does() -> None:
    x = drawn(300, B, D)
    long = engine.trace_long(model_of("lstm", 2), x, lambda y, _: y.pow(2).sum((1, 2)), stretch=20)
    for ask in (lambda: long.truncated(5, 10), lambda: truncated(long, 5, 10), lambda: clipped_trace(long, 1.0)):
        with pytest.raises(engine.DataError, match=r"engine\.trace.*\.$") as refused:
            ask()
        assert "\n" not in str(refused.value)
    with pytest.raises(engine.DataError, match=r"^loss takes the output alone; .* loss=lambda y, steps: …, and"):
        engine.trace_long(model_of("lstm"), x, lambda y: y.pow(2).sum((1, 2)))  # type: ignore[arg-type, misc]


def test_a_trace_keeps_to_the_budget_that_it_is_given_or_names_the_one_that_can() -> None:
    """The size is that of the arrays that it holds, to a few per cent."""
    x, model = drawn(300, B, D), model_of("lstm", 2)
    free = engine.trace(model, x, loss=lambda y: y.sum())
    arrays = [a for one in free.layers.values() for a in (*one.values.values(), *one.grads.values(), one.output_grads)]
    held = sum(array.nbytes for array in arrays)
    with pytest.raises(engine.DataError, match=r"^All 300 steps take .*, and the budget is .*; engine\.trace_long"):
        engine.trace(model, x, loss=lambda y: y.sum(), budget=held)
    found = engine.trace(model, x, loss=lambda y: y.sum(), budget=int(1.3 * held))
    assert torch.equal(found["l0"].grads["h"], free["l0"].grads["h"])
    for budget in (0, -1, 2.5, "1 GiB"):
        with pytest.raises(engine.DataError, match=r"^budget is "):
            engine.trace(model, x, loss=lambda y: y.sum(), budget=budget)
