"""Dead and saturated units: counted as one would by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from unrolled import module

import engine
from engine.layer_trace import LayerTrace
from engine.saturation import saturation


def traced(kind: str, dtype: torch.dtype = torch.float64, gain: float = 4.0) -> LayerTrace:
    """T = 7, B = 3, H = 5, driven hard enough that both ends are reached."""
    model = module(kind, 2, 5, dtype=dtype, seed=3)
    x = gain * torch.randn(7, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).to(dtype)
    return engine.trace(model, x, loss=lambda y: y.sum())["l0"]


def share(there: Tensor, valid: Tensor, keep: int) -> list[float]:
    """Along dimension `keep` (0 steps, 2 units), over the valid (step, sample) alone, one by one."""
    T, B, H = there.shape
    found = []
    for k in range(there.shape[keep]):
        entries = [
            bool(there[t, b, u])
            for t in range(T)
            for b in range(B)
            for u in range(H)
            if valid[t, b] and k == (t, b, u)[keep]
        ]
        found.append(sum(entries) / len(entries))
    return found


@pytest.mark.parametrize(("kind", "symbols"), [("lstm", "f i g o c"), ("gru", "z r n"), ("tanh", "h")])
@pytest.mark.parametrize("padded", [False, True])
def test_shares_at_both_ends_are_counted_over_valid_entries(kind: str, symbols: str, padded: bool) -> None:
    layer = traced(kind)
    valid = torch.ones(7, 3, dtype=torch.bool)
    if padded:
        valid[5:, 1], valid[2:, 2] = False, False
    found = saturation(layer, valid=valid if padded else None)
    assert sorted(found) == sorted(symbols.split())
    reached = 0.0
    for symbol, ends in found.items():
        v = layer.values[symbol].tanh() if symbol == "c" else layer.values[symbol]
        low, high = (0.05, 0.95) if symbol in "f i o z r" else (-0.95, 0.95)
        assert (ends.low, ends.high) == (low, high)
        assert ends.low_by_step.tolist() == pytest.approx(share(v < low, valid, 0))
        assert ends.high_by_step.tolist() == pytest.approx(share(v > high, valid, 0))
        assert ends.low_by_unit.tolist() == pytest.approx(share(v < low, valid, 2))
        assert ends.high_by_unit.tolist() == pytest.approx(share(v > high, valid, 2))
        reached += float(ends.low_by_step.sum() + ends.high_by_step.sum())
    assert reached > 0


def test_other_thresholds_count_other_entries() -> None:
    layer = traced("lstm", gain=1.0)
    found = saturation(layer, gate_low=0.4, gate_high=0.6, tanh_ends=0.2)
    assert found["f"].low_by_step.tolist() == pytest.approx((layer.values["f"] < 0.4).double().mean((1, 2)).tolist())
    assert found["f"].high_by_step.tolist() == pytest.approx((layer.values["f"] > 0.6).double().mean((1, 2)).tolist())
    assert found["g"].high_by_unit.tolist() == pytest.approx((layer.values["g"] > 0.2).double().mean((0, 1)).tolist())


def test_a_relu_unit_is_dead_that_is_closed_at_every_valid_step_of_every_sample() -> None:
    layer = traced("relu")
    a = layer.values["a"].clone()
    a[:, :, 1] = -a[:, :, 1].abs()  # dead: below 0 …
    a[:, :, 2] = 0.0  # … or at 0, where torch's slope is 0 too
    a[:, :, 3], a[0, 0, 3] = -1.0, 1.0  # open once
    parts = (layer.x, layer.weights, layer.initial, {"a": a, "h": a.relu()}, layer.output_grads)
    layer = LayerTrace.from_parts("rnn", "relu", *parts)
    found = saturation(layer)["h"]
    assert found.dead[1:4].tolist() == [True, True, False]
    assert torch.equal(found.dead, (a <= 0).all(0).all(0))
    assert found.low_by_unit.tolist() == pytest.approx((a <= 0).double().mean((0, 1)).tolist())
    assert torch.equal(found.flat_by_step, (a <= 0).sum((1, 2)))
    assert found.high_by_step.tolist() == [0.0] * 7
    valid = torch.ones(7, dtype=torch.bool)
    valid[0] = False
    assert saturation(layer, valid=valid)["h"].dead[3]


@pytest.mark.parametrize(("dtype", "sigmoid", "tanh"), [(torch.float32, 16.64, 9.02), (torch.float64, 36.75, 19.1)])
def test_slopes_are_exactly_zero_from_where_the_type_has_no_digits_left(
    dtype: torch.dtype, sigmoid: float, tanh: float
) -> None:
    """From the table of math.md; at the low end a sigmoid is still far from 0 there."""
    rnn, lstm = torch.nn.RNN(1, 1, bias=False, dtype=dtype), torch.nn.LSTM(1, 1, bias=False, dtype=dtype)
    for model in (rnn, lstm):
        torch.nn.init.zeros_(model.weight_hh_l0)
        torch.nn.init.ones_(model.weight_ih_l0)
    for model, symbol, edge in ((rnn, "h", tanh), (lstm, "o", sigmoid)):
        x = torch.tensor([0.99 * edge, 1.01 * edge, -1.01 * edge], dtype=dtype).reshape(3, 1, 1)
        found = saturation(engine.trace(model, x, loss=lambda y: y.sum())["l0"])[symbol]
        assert found.flat_by_step.tolist() == [0, 1, 1 if model is rnn else 0]
        assert found.flat_by_unit.tolist() == [2 if model is rnn else 1]
        assert found.dead.tolist() == [False]
        assert found.high_by_step.tolist() == [1.0, 1.0, 0.0]


def test_a_unit_whose_tanh_is_flat_throughout_is_dead_in_this_type() -> None:
    rnn = torch.nn.RNN(1, 1, bias=False)
    torch.nn.init.ones_(rnn.weight_ih_l0)
    layer = engine.trace(rnn, torch.full((4, 2, 1), 20.0), loss=lambda y: y.sum())["l0"]
    assert saturation(layer)["h"].dead.tolist() == [True]


def test_nan_is_at_neither_end_and_no_valid_step_leaves_shares_undefined() -> None:
    layer = traced("tanh")
    values = {"a": layer.values["a"], "h": torch.full_like(layer.values["h"], math.nan)}
    parts = (layer.x, layer.weights, layer.initial, values, layer.output_grads)
    found = saturation(LayerTrace.from_parts("rnn", "tanh", *parts))["h"]
    assert found.low_by_step.tolist() == found.high_by_step.tolist() == [0.0] * 7
    assert found.flat_by_step.tolist() == [0] * 7
    none = saturation(layer, valid=torch.zeros(7, 3, dtype=torch.bool))["h"]
    assert none.low_by_step.isnan().all()
    assert none.low_by_unit.isnan().all()
    assert not none.dead.any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"gate_low": 0.96},
            "gate_low is 0.96; 0 < gate_low < gate_high < 1 and 0 < tanh_ends < 1 are accepted.",
        ),
        ({"tanh_ends": 1}, "tanh_ends is 1; 0 < gate_low < gate_high < 1 and 0 < tanh_ends < 1 are accepted."),
        (
            {"valid": torch.ones(3, 7, dtype=torch.bool)},
            "valid is (3, 7) of torch.bool; (7, 3) or (7,) of torch.bool is accepted.",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(engine.DataError) as error:
        saturation(traced("gru"), **options)
    assert str(error.value) == sentence
