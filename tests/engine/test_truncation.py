"""Truncated BPTT against a training loop that detaches, and against one backward pass for each loss."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from flow_layers import (
    a_layer,
    batch,
    causal_attention,
    delayed,
    each_step,
    loss_of_each_step,
    residual,
    source,
    with_a_later_stream,
    with_the_stream,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from unrolled import module
from unrolled_stack import unrolled

import engine
from engine import truncation
from engine.quantities import GATES, ROUTES
from engine.recording import load
from engine.recurrence import Held
from engine.stack import Level
from engine.tracing import Trace, trace_layer, trace_stack

KINDS = {"tanh": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def a_readout(seed: int, width: int, outputs: int = 2) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(width, outputs, dtype=torch.float64)


@pytest.mark.parametrize(("T", "k"), [(23, 5), (20, 5), (7, 1), (6, 10)])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_k1_and_k2_are_what_a_training_loop_with_detach_leaves_in_grad(kind: str, T: int, k: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = KINDS[kind](2, 6, num_layers=2, dtype=torch.float64)
    readout, x, targets = a_readout(4, 6), batch(T), batch(T, seed=9)

    def losses(y: Tensor, at: slice) -> Tensor:
        return (readout(y) - targets[at]).pow(2).mean((1, 2))

    state: object = None
    for start in range(0, T, k):
        chunk = slice(start, min(start + k, T))
        y, state = model(x[chunk], state)
        losses(y, chunk).sum().backward()
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()  # type: ignore
    expected = {name: p.grad for name, p in model.named_parameters()}
    expected |= {f"readout.{name}": p.grad for name, p in readout.named_parameters()}

    parameters = {f"readout.{name}": p for name, p in readout.named_parameters()}
    trace = trace_layer(model, x, lambda y: (None, losses(y, slice(None))), head_parameters=parameters)
    found = trace.truncated(k, k)
    assert found.weight_grads.keys() == expected.keys()
    for name, grad in expected.items():
        torch.testing.assert_close(found.weight_grads[name], grad, rtol=1e-10, atol=1e-14)
        full = trace.weight_grads[name]
        pair = found.parameters[name]
        assert pair.ratio == pytest.approx(float(grad.norm() / full.norm()), rel=1e-9)
        assert pair.cosine == pytest.approx(float((grad * full).sum() / grad.norm() / full.norm()), rel=1e-9)
    for chosen, pair in (
        (lambda name: name.endswith("_l0"), found.layers["l0"]),
        (lambda name: name.endswith("_l1"), found.layers["l1"]),
        (lambda name: "readout" not in name, found.recurrent),
        (lambda name: True, found.overall),
    ):
        names = [name for name in expected if chosen(name)]
        ours, full = (torch.cat([g[n].flatten() for n in names]) for g in (expected, trace.weight_grads))
        assert pair.ratio == pytest.approx(float(ours.norm() / full.norm()), rel=1e-9)
        assert pair.cosine == pytest.approx(float((ours @ full) / ours.norm() / full.norm()), rel=1e-9)


def brute_force(
    levels: tuple[Level, ...], x: Tensor, head: object, lengths: Tensor | None, reads: bool, k1: int, k2: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """One loss at a time: everything unrolled, all states before step E − k2 + 1 detached, one backward pass."""
    T = len(x)
    for level in levels:
        for layer in level.layers:
            for weight in layer.weights.values():
                weight.requires_grad_()
    weights = {f"{n}_{one.name}": w for level in levels for one in level.layers for n, w in one.weights.items()}
    weights |= {name: p for level in levels for name, p in level.parameters.items()}
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    states = {one.name: torch.zeros(T, x.shape[1], one.initial["h"].shape[1]) for lv in levels for one in lv.layers}
    states = {name: array.double() for name, array in states.items()}
    mask = torch.ones(T, x.shape[1]).bool() if lengths is None else torch.arange(T)[:, None] < lengths
    single = unrolled(levels, x, head, lengths, reads).losses.dim() == 0  # type: ignore[arg-type]
    for t in [T] if single else range(1, T + 1):
        end = T if single else k1 * math.ceil(t / k1)
        run = unrolled(levels, x, head, lengths, reads, cut=max(0, end - k2))  # type: ignore[arg-type]
        loss = run.losses if single else run.losses[t - 1]
        nodes = [h for name in states for h in run.states[name]]
        found = torch.autograd.grad(loss, [*weights.values(), *nodes], allow_unused=True)
        for (name, w), grad in zip(weights.items(), found, strict=False):
            total[name] += torch.zeros_like(w) if grad is None else grad
        of_nodes = iter(found[len(weights) :])
        for array in states.values():
            for k in range(T):
                grad = next(of_nodes)
                if grad is not None and k >= end - k2:
                    array[k] += torch.where(mask[k][:, None], grad, 0.0)
    for level in levels:
        for layer in level.layers:
            for weight in layer.weights.values():
                weight.requires_grad_(False)
    return total, states


def agree(found: Tensor, expected: Tensor) -> None:
    assert float((found - expected).norm()) <= 1e-10 * float(expected.norm()) + 1e-14


def check(
    levels: tuple[Level, ...], x: Tensor, head: object, k1: int, k2: int,
    lengths: Tensor | None = None, reads: bool = False,
) -> Trace:  # fmt: skip
    trace = trace_stack(levels, x, head, {}, lengths, reads)  # type: ignore[arg-type]
    found = trace.truncated(k1, k2)
    weights, states = brute_force(levels, x, head, lengths, reads, k1, k2)
    assert set(found.weight_grads) == set(weights) == set(found.parameters)
    for name, grad in weights.items():
        agree(found.weight_grads[name], grad)
    for name, grads in states.items():
        agree(found.grads[name], grads)
    return trace


def scaled(scale: Tensor) -> object:
    """Batch normalisation with a γ of its own."""

    def enter(y: Tensor, read: Tensor) -> Tensor:
        return (y - y.mean(1, keepdim=True)) * (y.var(1, unbiased=False, keepdim=True) + 1e-2).rsqrt() * scale

    return enter


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.integers(0, 2**31))
def test_any_forward_stack_agrees_with_a_backward_pass_for_each_loss(seed: int) -> None:
    draw = np.random.default_rng(seed)

    def chance(p: float) -> bool:
        return bool(draw.random() < p)

    T, B = int(draw.integers(1, 11)), int(draw.integers(2, 4))
    k1 = int(draw.integers(1, 6))
    k2 = k1 + int(draw.integers(0, 6))
    lengths = torch.as_tensor(draw.integers(1, T + 1, B)) if chance(0.4) else None
    levels, width = [], 2
    for depth in range(int(draw.integers(1, 4))):
        cell, H = str(draw.choice(["rnn", "lstm", "gru"])), int(draw.integers(2, 5))
        layer = a_layer(f"l{depth}", cell, width, H, B, seed + depth, norm=H > 2 and chance(0.2), gain=1.2)
        if chance(0.2):
            drop = (torch.rand(T if chance(0.5) else 1, B, H, generator=source(seed)) < 0.7).double() / 0.7
            layer = replace(layer, drop=drop)
        if cell != "rnn" and chance(0.2):
            where = torch.rand(T, 1, H, generator=source(seed + 1)) < 0.3
            layer = replace(layer, held={GATES[cell][0]: Held(where, torch.full_like(where, 0.4, dtype=torch.float64))})
        if chance(0.15):
            layer = replace(layer, cuts=frozenset({str(draw.choice(ROUTES[cell]))}))
        enter, parameters = (None, {}) if depth == 0 or chance(0.4) else (residual, {})
        if depth > 0 and lengths is None and chance(0.4):
            gamma = torch.randn(width, dtype=torch.float64, generator=source(seed + 2)).requires_grad_()
            enter, parameters = scaled(gamma), {f"norm_l{depth}": gamma}
        levels.append(Level((layer,), enter, parameters))
        width = H
    reads = chance(0.3)
    head = with_the_stream if reads else loss_of_each_step
    check(tuple(levels), batch(T, B, seed=seed), head, k1, k2, lengths, reads)


def a_trace(T: int = 12, head: object = loss_of_each_step, **more: object) -> Trace:
    levels = (Level((a_layer("l0", "gru", 2, 4, 3),)), Level((a_layer("l1", "lstm", 4, 5, 3),), residual))
    return trace_stack(levels, batch(T), head, **more)  # type: ignore[arg-type]


def test_a_single_loss_of_the_last_step_is_that_step_s() -> None:
    levels = (Level((a_layer("l0", "gru", 2, 4, 3),)), Level((a_layer("l1", "lstm", 4, 5, 3),)))
    trace = check(levels, batch(11), lambda y: (None, y[-1].pow(3).sum()), 2, 4)
    found = trace.truncated(2, 4)
    assert [list(found.reach(t)) for t in (1, 10, 11)] == [[], [], [8, 9, 10, 11]]
    assert not found.grads["l0"][:7].any()
    assert int(found.pairs().sum()) == 4


@pytest.mark.parametrize(("T", "k1", "k2"), [(12, 1, 4), (12, 3, 3), (13, 3, 3), (13, 4, 6), (13, 5, 40), (3, 7, 7)])
def test_the_pairs_that_survive_are_the_definition_s(T: int, k1: int, k2: int) -> None:
    found = a_trace(T).truncated(k1, k2)
    pairs = found.pairs()
    for t in range(1, T + 1):
        end = k1 * math.ceil(t / k1)
        for k in range(1, T + 1):
            expected = end - k2 < k <= t
            assert bool(pairs[t - 1, k - 1]) == found.survives(t, k) == (k in found.reach(t)) == expected
    assert bool(pairs.diagonal().all())  # each loss is counted


def test_known_ends_of_the_range() -> None:
    trace = a_trace()
    one = trace.truncated(1, 3)
    assert all(len(one.reach(t)) == min(t, 3) for t in range(1, 13))
    chunks = trace.truncated(4, 4)
    assert all(chunks.reach(t).start == 1 + 4 * ((t - 1) // 4) for t in range(1, 13))
    for k1, k2 in ((1, 12), (5, 15), (12, 12), (100, 100), (3, 400)):
        full = trace.truncated(k1, k2)
        assert full.overall.ratio == pytest.approx(1.0, abs=1e-12)
        assert full.overall.cosine == pytest.approx(1.0, abs=1e-12)
        for name in trace.layers:
            torch.testing.assert_close(full.grads[name], trace[name].grads["h"], rtol=1e-11, atol=1e-14)


def test_an_embedding_gets_what_comes_through_its_layer() -> None:
    table = torch.randn(5, 3, dtype=torch.float64, generator=source(2)).requires_grad_()
    symbols = torch.randint(0, 5, (11, 2), generator=source(3))
    levels = (
        Level((a_layer("l0", "gru", 3, 4, 2),), lambda x: table[x], {"embedding.weight": table}),
        Level((a_layer("l1", "lstm", 4, 3, 2),)),
    )
    trace = check(levels, symbols, loss_of_each_step, 2, 3)
    assert trace.truncated(2, 3).parameters["embedding.weight"].ratio < 0.9999


def test_what_surrounds_the_layers_keeps_what_the_losses_read_directly() -> None:
    readout = a_readout(1, 5)
    trace = trace_layer(
        module("gru", 2, 5), batch(12), lambda y: (None, readout(y).pow(2).sum((1, 2))), None,
        {f"readout.{name}": p for name, p in readout.named_parameters()},
    )  # fmt: skip
    found = trace.truncated(2, 3)
    for name in ("readout.weight", "readout.bias"):
        assert torch.equal(found.head_grads[name], trace.head_grads[name])
        assert found.parameters[name].ratio == found.parameters[name].cosine == 1.0


@pytest.mark.parametrize(("k1", "k2"), [(1, 5), (3, 3), (2, 9)])
def test_in_how_many_passes_is_no_matter(k1: int, k2: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = a_trace(23)
    whole = trace.truncated(k1, k2)
    monkeypatch.setattr(truncation, "WORKSPACE", 1)
    alone = trace.truncated(k1, k2)
    for name, grad in whole.weight_grads.items():
        torch.testing.assert_close(alone.weight_grads[name], grad, rtol=1e-12, atol=1e-14)
    for name, grads in whole.grads.items():
        torch.testing.assert_close(alone.grads[name], grads, rtol=1e-12, atol=1e-14)


def test_windows_that_do_not_overlap_go_back_together() -> None:
    """As many passes as windows that one step lies in: ⌈k2/k1⌉."""
    for T, k1, k2, passes in ((100, 5, 5, 1), (98, 5, 5, 1), (100, 1, 10, 10), (1000, 1, 50, 50), (97, 4, 10, 3)):
        windows = list(truncation._windows(T, k1, k2, False))
        groups = list(truncation._passes(iter(windows), 10**9))
        assert len(groups) == passes
        assert sorted(w.loss for group in groups for w in group) == [w.loss for w in windows]
        for group in groups:
            assert all(b.first >= a.end for a, b in pairwise(group))


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_pass_that_breaks_down_is_no_matter_to_earlier_chunks(kind: str) -> None:
    x = batch(T=20)
    clean = engine.trace(module(kind, 2, 5), x, loss=each_step).truncated(2, 6).grads["l0"]
    x[13] = torch.nan
    found = engine.trace(module(kind, 2, 5), x, loss=each_step).truncated(2, 6).grads["l0"]
    # The first loss that is lost is that of step 14, whose window begins at step 9.
    torch.testing.assert_close(found[:8], clean[:8], rtol=1e-12, atol=0.0)
    assert found[8:13].isnan().any()


def test_float32_agrees_to_1e_4() -> None:
    model, x = module("lstm", 2, 16, torch.float32), batch(40, dtype=torch.float32)
    found = engine.trace(model, x, loss=each_step).truncated(3, 8)
    wide = engine.trace(model.double(), x.double(), loss=each_step).truncated(3, 8)
    for name, grad in wide.weight_grads.items():
        assert float((found.weight_grads[name] - grad).norm() / grad.norm()) < 1e-4


def test_what_cannot_be_truncated_is_refused_with_a_sentence(tmp_path: object) -> None:
    trace = a_trace()
    for k1, k2, says in (
        (3, 2, r"k2 is 2 and k1 is 3.*at least k1"),
        (0, 2, "k1 is 0"),
        (1, -2, "k2 is -2"),
        (1.5, 2, r"k1 is 1\.5"),
        (2, "5", "k2 is '5'"),
    ):
        with pytest.raises(engine.DataError, match=says):
            trace.truncated(k1, k2)  # type: ignore[arg-type]
    path = f"{tmp_path}/t.gflow"
    trace.save(path)
    both = nn.LSTM(2, 3, bidirectional=True, dtype=torch.float64)
    for refused, says in (
        (engine.trace(both, batch(), loss=each_step), "l0_reverse runs from the last step to the first"),
        (a_trace(head=lambda y: (None, y.pow(2).sum())), "one number that reads earlier steps"),
        (a_trace(head=causal_attention), "Some losses read other steps than their own"),
        (a_trace(head=with_a_later_stream, head_reads_stream=True), "Some losses read other steps than their own"),
        (
            trace_stack((Level((a_layer("l0", "gru", 2, 5, 3),)), Level((a_layer("l1", "rnn", 5, 4, 3),), delayed)),
                        batch(), loss_of_each_step),
            "What stands before l1 mixes steps",
        ),
        (trace.window(2, 7), "a window of 6 steps"),
        (replace(trace, loss_grads=None), "no single losses any more"),
        (load(path), "no single losses any more"),
    ):  # fmt: skip
        with pytest.raises(engine.DataError, match=says):
            refused.truncated(2, 4)


def test_a_long_trace_s_pairs_are_asked_for_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = a_trace().truncated(2, 4)
    monkeypatch.setattr(truncation, "PAIRS", 143)
    with pytest.raises(engine.DataError, match=r"12 steps have 144 pairs; up to 143 are accepted"):
        found.pairs()
    assert found.reach(12) == range(9, 13)
    for t in (0, 13):
        with pytest.raises(engine.DataError, match=f"t is {t}; a step from 1 to 12"):
            found.reach(t)


# --- what truncation costs --------------------------------------------------------------------------------------------


def running_mean(kind: str, seed: int) -> truncation.Truncated:
    """The mean of the inputs so far, T = 100, H = 32: one sequence of x ~ U(−1, 1), a linear read-out, the squared
    error at every step. What is not said is torch's default; the orthogonal network has no biases."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (nn.LSTM if kind == "lstm" else nn.RNN)(1, 32, dtype=torch.float64)
        if kind == "orthogonal":
            nn.init.orthogonal_(model.weight_hh_l0)
            for bias in (model.bias_ih_l0, model.bias_hh_l0):
                nn.init.zeros_(bias)
        if kind == "lstm":
            with torch.no_grad():
                model.bias_ih_l0[32:64], model.bias_hh_l0[32:64] = 5.0, 0.0
        readout, x = nn.Linear(32, 1, dtype=torch.float64), torch.rand(100, 1, 1, dtype=torch.float64) * 2 - 1
    targets = x.cumsum(0) / torch.arange(1, 101)[:, None, None]
    trace = trace_layer(model, x, lambda y: (None, (readout(y) - targets).pow(2).mean((1, 2))))
    return trace.truncated(5, 5)


def test_truncation_after_five_steps_hides_most_where_most_is_remembered() -> None:
    """math.md's row, of ∂L/∂W_hh: (ratio, cosine) tanh (.96, .993), orthogonal tanh (.61, .571), LSTM with forget bias
    5 (.14, .547). At initialisation these scatter from seed to seed, those of the last two by as much as the margins
    here, to which their medians over eleven seeds are held."""
    found = {
        kind: [running_mean(kind, seed).parameters["weight_hh_l0"] for seed in range(11)]
        for kind in ("tanh", "orthogonal", "lstm")
    }
    ratio = {kind: statistics.median(pair.ratio for pair in pairs) for kind, pairs in found.items()}
    cosine = {kind: statistics.median(pair.cosine for pair in pairs) for kind, pairs in found.items()}
    assert ratio["tanh"] == pytest.approx(0.96, abs=0.04)
    assert cosine["tanh"] == pytest.approx(0.993, abs=0.02)
    assert ratio["orthogonal"] == pytest.approx(0.61, abs=0.15)
    assert cosine["orthogonal"] == pytest.approx(0.571, abs=0.15)
    assert ratio["lstm"] == pytest.approx(0.14, abs=0.1)
    assert cosine["lstm"] == pytest.approx(0.547, abs=0.15)
    assert ratio["tanh"] > ratio["orthogonal"] + 0.2 > ratio["lstm"] + 0.4
    assert cosine["tanh"] > cosine["orthogonal"] + 0.1 > cosine["lstm"] + 0.1
