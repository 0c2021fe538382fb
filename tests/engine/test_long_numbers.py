"""The digits of a long trace: the same bits in every window, long sums, growth over the borders, inf and NaN."""

from __future__ import annotations

import copy

import pytest
import torch
from long_and_whole import (
    KINDS,
    LONGER,
    STRETCH,
    B,
    D,
    H,
    T,
    assert_same,
    both,
    drawn,
    model_of,
)
from torch import Tensor, nn

import engine
from engine.long.sums import add
from engine.measure import step_errors
from engine.norms import mean_over_samples


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_steps_have_the_same_bits_in_every_window(kind: str) -> None:
    _, long = both(model_of(kind, 2, dtype=torch.float32), drawn(T, B, D, dtype=torch.float32))
    wide = long.window(20, 110)
    for t0, t1 in ((20, 110), (30, 80), (75, 90)):
        narrow, cut = long.window(t0, t1), slice(t0 - 20, t1 - 19)
        for name, layer in narrow.layers.items():
            for symbol, value in layer.values.items():
                assert torch.equal(value, wide[name].values[symbol][cut])
                assert torch.equal(layer.grads[symbol], wide[name].grads[symbol][cut])
        assert torch.equal(narrow.losses, long.losses[t0 - 1 : t1])
    norms = torch.linalg.vector_norm(wide["l1"].grads["h"], dim=2, dtype=torch.float64)
    assert torch.equal(mean_over_samples(norms), long["l1"].norms["grads.h"][19:110])


def test_sums_over_many_float32_steps_keep_their_digits() -> None:
    """A tenth, 10,000 times: a float32 sum comes to 999.903."""
    sums: dict[str, Tensor] = {}
    for _ in range(10_000):
        add(sums, {"bias": torch.tensor(0.1)})
    assert float(sums["bias"]) == pytest.approx(10_000 * float(torch.tensor(0.1)), rel=1e-12)
    model = model_of("rnn", dtype=torch.float32)
    x = drawn(1000, 1, D, dtype=torch.float32)
    long = engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), stretch=50)
    exact = copy.deepcopy(model).double()
    exact(x.double())[0].sum().backward()
    for name, grad in long.weight_grads.items():
        expected = getattr(exact, name).grad
        error = torch.linalg.vector_norm(grad.double() - expected) / torch.linalg.vector_norm(expected)
        assert float(error) < 3e-7, name


@pytest.mark.parametrize("gain", [1.05, 3.0])
def test_growing_gradients_stay_exact_over_the_borders(gain: float) -> None:
    """1.05^300 = 2e6 is a large number; 3^300 is none of float32, and inf and NaN stand where they stand in the whole
    trace."""
    model = model_of("rnn", nonlinearity="relu", dtype=torch.float32)
    with torch.no_grad():
        model.weight_hh_l0.copy_(torch.eye(H) * gain)
    x = drawn(LONGER, B, D, dtype=torch.float32).abs()
    whole = engine.trace(model, x, loss=lambda y: y.sum((1, 2)))
    long = engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), stretch=STRETCH)
    assert bool(whole["l0"].grads["h"].isfinite().all()) == (gain < 2)
    for t0, t1 in ((1, 60), (200, 260)):
        ours, theirs = long.window(t0, t1)["l0"], whole.window(t0, t1)["l0"]
        for part in ("values", "grads"):
            for symbol, array in getattr(theirs, part).items():
                assert float(step_errors(getattr(ours, part)[symbol], array).max()) < 1e-5
    assert long.window(30, 80).audit().passed
    norms = torch.linalg.vector_norm(whole["l0"].grads["h"], dim=2, dtype=torch.float64).mean(1)
    torch.testing.assert_close(long["l0"].norms["grads.h"], norms, rtol=1e-5, atol=0, equal_nan=True)


@pytest.mark.parametrize("stretch", [5, 20])
def test_growth_over_many_stretches_is_left_to_the_careful_road(stretch: int) -> None:
    """Weights 8 times torch's default. No stretch grows the gradient by much, all of them by 1e5, and rounding with it;
    all stretches together are held to autograd."""
    with torch.random.fork_rng():
        torch.manual_seed(23)
        model, x = nn.GRU(1, 32), torch.randn(100, 4, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    long = engine.trace_long(model, x, lambda y, steps: y.pow(2).sum((1, 2)) * (steps.stop == 100), stretch=stretch)
    audit = long.whole["l0"].audit()
    assert audit.passed, audit.worst


def test_a_number_that_is_none_travels_as_in_the_whole_trace() -> None:
    model, x = model_of("lstm", 2), drawn(T, B, D)
    x[100, 1, 0] = torch.nan
    x[110, 2, 1] = torch.inf
    whole, long = both(model, x)
    for t0, t1 in ((60, 104), (105, 115)):
        assert_same(long.window(t0, t1), whole.window(t0, t1))
    torch.testing.assert_close(long.losses, whole.losses, equal_nan=True)
    assert long["l0"].norms["values.h"][:100].isfinite().all()
    assert long["l0"].norms["values.h"][100:].isnan().all()
    assert whole.flow_row(-1).isnan().any()
    torch.testing.assert_close(long.flow_row(-1), whole.flow_row(-1), rtol=1e-10, atol=0, equal_nan=True)
