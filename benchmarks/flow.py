"""The flow matrix against what a user writes today: a separate backward pass for each loss of an unrolled loop."""

from __future__ import annotations

import gc
import statistics
import time

import torch
from torch import Tensor, nn

import engine
from benchmarks.report import Row, times

SHAPES = ((100, 16, 64, 15.0), (100, 1, 32, None), (1000, 1, 64, None))
"""T, B, H, and the aim of separate passes ÷ flow matrix. The loop is left out where it takes minutes."""
INPUTS = 16
LONGEST_LOOP = 100


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def unrolled(model: nn.LSTM, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The states h of a loop over the cell's equations, and a loss of each of them."""
    w_ih, w_hh, b_ih, b_hh = model.parameters()
    h = c = x.new_zeros(x.shape[1], model.hidden_size)
    states = []
    for x_t in x:
        a = nn.functional.linear(x_t, w_ih, b_ih) + nn.functional.linear(h, w_hh, b_hh)
        i, f, g, o = a.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return states, torch.stack([h.pow(2).sum() for h in states])


def separate(states: list[Tensor], losses: Tensor) -> Tensor:
    """N[s, k] by T backward passes through the graph that is there already, each for the states' gradients alone."""
    N = torch.full((len(states), len(states)), torch.nan, dtype=torch.float64)
    for s, loss in enumerate(losses.unbind(0)):
        grads = torch.autograd.grad(loss, states[: s + 1], retain_graph=True)
        N[s, : s + 1] = torch.linalg.vector_norm(torch.stack(grads), dim=2, dtype=torch.float64).mean(1)
    return N


def measure(seconds: float, shapes: int | None = None) -> list[Row]:
    """Of all shapes, or only the first few. Neither counts the forward pass: the trace is there, and so is the loop's
    graph. What a trace finds out once, the way from the steps to the losses, counts."""
    rows: list[Row] = []
    for T, B, H, aim in SHAPES[:shapes]:
        torch.manual_seed(0)
        model, x = nn.LSTM(INPUTS, H), torch.randn(T, B, INPUTS)
        states, losses = unrolled(model, x) if T <= LONGEST_LOOP else ([], x)
        case, ours, theirs = f"LSTM T={T} B={B} H={H}", [], []
        gc.collect()
        gc.disable()
        end = time.perf_counter() + seconds
        while len(ours) < 5 or time.perf_counter() < end:
            trace = engine.trace(model, x, loss=each_step)
            start = time.perf_counter()
            N = trace.flow_matrix("l0")
            ours.append((time.perf_counter() - start) * 1e3)
            if states and (len(theirs) < 2 or len(ours) % 10 == 0):
                start = time.perf_counter()
                expected = separate(states, losses)
                theirs.append((time.perf_counter() - start) * 1e3)
                torch.testing.assert_close(N, expected, rtol=1e-4, atol=1e-30, equal_nan=True)
        gc.enable()
        rows += times(f"{case}: flow matrix", ours)
        if theirs:
            rows += times(f"{case}: separate backward passes", theirs)
            gain = statistics.median(theirs) / statistics.median(ours)
            rows.append(Row(f"{case}: separate passes ÷ flow matrix", gain, "×", aim, "higher"))
    return rows
