"""A long trace's layer refuses nothing that needs only its weights, or few steps, or one stretch after the other."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from long_and_whole import KINDS, B, D, T, ToTargets, drawn, model_of
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import engine

TIGHT = {"rnn": 150_000, "relu": 150_000, "lstm": 360_000, "gru": 300_000}
"""Bytes: for a stretch, its audit and a few steps."""


def tight(kind: str) -> tuple[engine.Trace, engine.LongTrace]:
    """A whole trace, and a long one that cannot hold all of its steps; in both directions, with padding."""
    model = model_of(kind, bidirectional=True)
    x = pack_padded_sequence(drawn(T, B, D), torch.tensor([T, 40, 90]), enforce_sorted=False)
    loss = ToTargets(2 * model.hidden_size)
    return engine.trace(model, x, loss), engine.trace_long(model, x, loss, stretch=17, budget=TIGHT[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_what_hangs_on_the_weights_alone_is_there_whatever_the_budget(kind: str) -> None:
    whole, long = tight(kind)
    for name, layer in whole.layers.items():
        ours = long[name]
        with pytest.raises(engine.DataError, match="All 120 steps take"):
            ours.values  # noqa: B018
        assert ours.mask is not None
        assert torch.equal(ours.mask, layer.mask)
        assert (ours.longest, ours.rules, ours.cuts, dict(ours.held)) == (layer.longest, layer.rules, layer.cuts, {})
        assert (ours.norm_eps, ours.drop, ours.rounded, ours.cell_grads) == (layer.norm_eps, None, None, None)
        for state, grad in layer.final_grads.items():
            assert torch.equal(ours.final_grads[state], grad)
        for gate, block in layer.recurrent_blocks().items():
            assert ours.recurrent_blocks()[gate].sigma_max == block.sigma_max
            assert torch.equal(ours.recurrent_blocks()[gate].eigenvalues, block.eigenvalues)


def test_the_bound_is_measured_on_the_norms_that_are_kept() -> None:
    whole, long = tight("rnn")
    for name in whole.layers:
        ours, theirs = long[name].pascanu_bound(), whole[name].pascanu_bound()
        assert (ours.factor, ours.sentence, ours.measured.used) == (
            theirs.factor,
            theirs.sentence,
            theirs.measured.used,
        )
        assert ours.measured.slope == pytest.approx(theirs.measured.slope, rel=1e-9)
    with pytest.raises(engine.DataError, match="vanilla RNN"):
        tight("gru")[1]["l0"].pascanu_bound()


@pytest.mark.parametrize("kind", KINDS)
def test_jacobians_of_chosen_steps_are_those_of_the_whole_trace(kind: str) -> None:
    whole, long = tight(kind)
    for name in whole.layers:
        for steps, sample in ((100, 0), ((16, 19), None), ([120, 3, 3, 50], 2), (1, None)):
            ours, theirs = long[name].jacobians(steps, sample), whole[name].jacobians(steps, sample)
            assert ours.keys() == theirs.keys()
            for route, expected in theirs.items():
                torch.testing.assert_close(ours[route], expected, rtol=1e-10, atol=1e-14, equal_nan=True)
    with pytest.raises(engine.DataError, match="All 120 steps take"):
        long["l0"].jacobians()
    with pytest.raises(engine.DataError, match="Step 121 is outside"):
        long["l0"].jacobians(121)
    with pytest.raises(engine.DataError, match="sample is -1"):
        long["l0"].jacobians(1, -1)


def test_too_many_jacobians_are_refused_with_their_size_before_any_stretch_is_computed() -> None:
    long = engine.trace_long(nn.LSTM(1, 400), torch.zeros(400, 1, 1), lambda y, _: y.sum((1, 2)), budget=2**24)
    with pytest.raises(engine.DataError, match="ask for 400 × 1 Jacobians of 800 × 800"):
        long["l0"].jacobians((1, 400))


@pytest.mark.parametrize("kind", ["rnn", "relu", "lstm", "gru"])
def test_saturation_is_counted_one_stretch_after_the_other(kind: str) -> None:
    """Dead units too, which are dead from the layer's first step on; driven far enough for some to be."""
    model = (
        nn.RNN(D, 6, nonlinearity="relu", bidirectional=True) if kind == "relu" else model_of(kind, bidirectional=True)
    )
    with torch.no_grad():
        for suffix in ("", "_reverse"):
            getattr(model, f"weight_ih_l0{suffix}").mul_(20.0)
            getattr(model, f"bias_ih_l0{suffix}")[:2] = -300.0
    x = drawn(T, B, D, dtype=model.weight_ih_l0.dtype)
    given = pack_padded_sequence(x, torch.tensor([T - 5, 40, 90]), enforce_sorted=False)
    whole = engine.trace(model, given, lambda y: y.sum((1, 2)))
    long = engine.trace_long(model, given, lambda y, _: y.sum((1, 2)), stretch=17, budget=TIGHT[kind])
    for name, layer in whole.layers.items():
        ours, theirs = long[name].saturation(), layer.saturation()
        assert ours.keys() == theirs.keys()
        for symbol, expected in theirs.items():
            for one in fields(expected):
                a, b = getattr(ours[symbol], one.name), getattr(expected, one.name)
                same = torch.equal(a.nan_to_num(-1.0), b.nan_to_num(-1.0)) if isinstance(b, torch.Tensor) else a == b
                assert same, (name, symbol, one.name)
        if kind == "relu":
            assert bool(theirs["h"].dead[:2].all())
