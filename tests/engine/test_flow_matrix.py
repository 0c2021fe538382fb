"""The flow matrix against one backward pass of an unrolled loop for each loss: any stack, direction and loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from flow_layers import (
    HEADS,
    KINDS,
    PIECES,
    a_layer,
    batch,
    check,
    each_step,
    source,
    with_a_later_stream,
    with_the_stream,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from unrolled import module
from unrolled_stack import unrolled

import engine
from engine.quantities import GATES, ROUTES
from engine.recurrence import Held
from engine.stack import Layer, Level
from engine.tracing import trace_stack


@pytest.mark.parametrize("kind", KINDS)
def test_each_entry_is_that_loss_s_own_backward_pass(kind: str) -> None:
    """An nn module, and torch's own autograd through it: ∂L_s/∂h_k for every s and k."""
    model, x = module(kind, 2, 5), batch(T=12)
    trace = engine.trace(model, x, loss=each_step)
    layer = Layer("l0", trace["l0"].cell, trace["l0"].activation, trace["l0"].weights, trace["l0"].initial)
    gradients = unrolled((Level((layer,)),), x, lambda y: (None, each_step(y))).flow("l0")
    later = torch.ones(12, 12).triu(1).bool()
    expected = torch.linalg.vector_norm(gradients, dim=3).mean(2).masked_fill(later, torch.nan)
    torch.testing.assert_close(trace.flow_matrix("l0"), expected, rtol=1e-10, atol=0.0, equal_nan=True)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.integers(0, 2**31))
def test_any_stack_agrees_with_a_backward_pass_for_each_loss(seed: int) -> None:
    """Kinds mixed, bidirectional levels, lengths, normalisation, recurrent dropout, held gates, cut routes, pieces
    between the levels that read what the level below has read, and that mix steps; losses of every kind."""
    draw = np.random.default_rng(seed)

    def chance(p: float) -> bool:
        return bool(draw.random() < p)

    T, B, D = int(draw.integers(1, 9)), int(draw.integers(2, 4)), int(draw.integers(1, 4))
    lengths = torch.as_tensor(draw.integers(1, T + 1, B)) if chance(0.35) else None
    x, width, levels = batch(T, B, D, seed=seed), D, []
    for depth in range(int(draw.integers(1, 4))):
        layers = []
        for direction in ("", "_reverse") if chance(0.35) else ("",):
            cell = str(draw.choice(["rnn", "lstm", "gru"]))
            activation = str(draw.choice(["tanh", "relu", "leaky_relu", "sigmoid", "identity"]))
            H = int(draw.integers(1, 6))
            layer = a_layer(
                f"l{depth}{direction}", cell, width, H, B, seed + depth + 7 * len(layers), norm=H > 2 and chance(0.25),
                activation=activation if cell == "rnn" else "tanh", gain=1.0,
            )  # fmt: skip
            if chance(0.2):
                mask = (torch.rand(T if chance(0.5) else 1, B, H, generator=source(seed)) < 0.7).double() / 0.7
                layer = replace(layer, drop=mask)
            if cell != "rnn" and chance(0.2):
                where = torch.rand(T, 1, H, generator=source(seed + 1)) < 0.3
                layer = replace(layer, held={GATES[cell][1]: Held(where, torch.full_like(where, 0.9, dtype=x.dtype))})
            if chance(0.15):
                layer = replace(layer, cuts=frozenset({str(draw.choice(ROUTES[cell]))}))
            layers.append(layer)
        enter = None if depth == 0 else PIECES[int(draw.integers(len(PIECES)))]
        levels.append(Level(tuple(layers), enter))
        width = sum(layer.initial["h"].shape[1] for layer in layers)
    head = HEADS[int(draw.integers(len(HEADS)))]
    check(tuple(levels), x, head, lengths, head in (with_the_stream, with_a_later_stream), tolerance=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_agrees_with_autograd_at_the_same_forward_pass(kind: str) -> None:
    model, x = module(kind, 2, 16, torch.float32), batch(T=40, dtype=torch.float32)
    trace = engine.trace(model, x, loss=each_step)
    layer = Layer("l0", trace["l0"].cell, trace["l0"].activation, trace["l0"].weights, trace["l0"].initial)
    gradients = unrolled((Level((layer,)),), x, lambda y: (None, each_step(y))).flow("l0")
    norms = torch.linalg.vector_norm(gradients.double(), dim=3).mean(2)
    reached = torch.ones(40, 40).tril().bool()
    torch.testing.assert_close(trace.flow_matrix("l0")[reached], norms[reached], rtol=1e-4, atol=1e-35)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_half_types_keep_to_the_cell_s_own_order(kind: str, dtype: torch.dtype) -> None:
    trace = engine.trace(module(kind, 2, 5, dtype), batch(dtype=dtype), loss=each_step)
    rows = torch.stack([trace.flow_row(s) for s in range(9)])
    torch.testing.assert_close(trace.flow_matrix("l0"), rows, rtol=1e-2, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_growing_chain_reaches_inf_where_its_numbers_do(dtype: torch.dtype) -> None:
    """h_t = x + 2^8 h_{t−1} and L_s = h_s · 2^0: ∂L_s/∂h_k = 2^(8(s−k)), exactly, until that is above the largest."""
    layer = a_layer("l0", "rnn", 1, 1, 2, activation="relu", dtype=dtype)
    weights = {"weight_ih": torch.ones(1, 1, dtype=dtype), "weight_hh": torch.full((1, 1), 256.0, dtype=dtype)}
    layer = replace(layer, weights=weights, initial={"h": torch.zeros(2, 1, dtype=dtype)}, kernel=None)
    T = 20 if dtype == torch.float32 else 140
    x = torch.full((T, 2, 1), torch.finfo(dtype).tiny, dtype=dtype)  # small, so that h itself stays finite for long
    trace = trace_stack((Level((layer,)),), x, lambda y: (None, y.sum((1, 2))))
    assert bool(trace["l0"].values["h"].isfinite().all())
    steps = torch.arange(T, dtype=torch.float64)
    powers = torch.where(steps[:, None] >= steps, 8 * (steps[:, None] - steps), torch.nan)
    limit = 128 if dtype == torch.float32 else 1024
    expected = torch.where(powers >= limit, torch.inf, torch.exp2(powers))
    torch.testing.assert_close(trace.flow_matrix("l0"), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_runaway_losses_are_as_each_would_be_alone(kind: str) -> None:
    """Growth far beyond 1e8 in float32: inf and NaN in the same places, and every finite number to rounding."""
    cell = {"tanh": "rnn", "relu": "rnn"}.get(kind, kind)
    activation = kind if kind in ("tanh", "relu") else "tanh"
    gain = {"tanh": 3.0, "relu": 6.0, "lstm": 14.0, "gru": 8.0}[kind]
    layer = a_layer("l0", cell, 2, 32, 3, seed=4, gain=gain, activation=activation, dtype=torch.float32)
    trace = trace_stack(
        (Level((layer,)),), 0.1 * batch(70, dtype=torch.float32), lambda y: (None, (y * 1e3).sum((1, 2)))
    )
    N = trace.flow_matrix("l0")
    rows = torch.stack([trace.flow_row(s) for s in range(70)])
    assert float(rows[rows.isfinite()].max()) > 1e8
    assert torch.equal(N.isnan(), rows.isnan())
    assert torch.equal(N.isinf(), rows.isinf())
    finite = rows.isfinite()
    torch.testing.assert_close(N[finite], rows[finite], rtol=1e-4, atol=1e-40)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_pass_that_breaks_down_is_no_matter_to_earlier_losses(kind: str) -> None:
    x = batch(T=12)
    clean = engine.trace(module(kind, 2, 5), x, loss=each_step).flow_matrix("l0")
    x[7] = torch.nan
    N = engine.trace(module(kind, 2, 5), x, loss=each_step).flow_matrix("l0")
    torch.testing.assert_close(N[:7], clean[:7], rtol=1e-12, atol=0.0, equal_nan=True)
    assert N[7:, :7].isnan().all()


def test_a_norm_neither_underflows_nor_overflows_before_its_numbers_do() -> None:
    """L_s = s_s Σ h_s with scales from 1e-300 to 1e300: N[s, s] = s_s √H."""
    scales = torch.logspace(-300, 300, 9, dtype=torch.float64)
    trace = engine.trace(module("gru", 2, 4), batch(), loss=lambda y: y.sum((1, 2)) * scales)
    torch.testing.assert_close(trace.flow_matrix("l0").diagonal(), scales * 2.0, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_slopes_that_underflow_do_not_lose_what_a_large_gradient_makes_of_them(kind: str) -> None:
    """Closed gates in float32: slopes of 1e-44 are worth two digits, and losses of 1e30 bring them back up."""
    layer = a_layer("l0", kind, 2, 6, 2, gain=0.3, dtype=torch.float32)
    weights = dict(layer.weights)
    weights["bias_ih"] = weights["bias_ih"] - 55.0 * (torch.arange(len(weights["bias_ih"])) < 12)
    layer = replace(layer, weights=weights)
    trace = trace_stack((Level((layer,)),), batch(6, 2, dtype=torch.float32), lambda y: (None, (y * 1e7).sum((1, 2))))
    rows = torch.stack([trace.flow_row(s) for s in range(6)])
    torch.testing.assert_close(trace.flow_matrix("l0"), rows, rtol=1e-5, atol=0.0, equal_nan=True)
