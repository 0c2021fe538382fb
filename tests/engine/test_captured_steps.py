"""Steps that are captured, many to a launch, give what the same steps give one by one, to the bit.

Without a GPU the capture itself has a stand-in (captured_again), and everything around it is as it is on one. Where
there is a GPU, all of this runs on it as well, captured in earnest.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captured_again import Again
from captured_layers import DEVICES, DTYPES, NORMED, assert_captured, assert_same, capturing, case_of, way_back
from fast_layers import VARIANTS

from engine import bptt, fast
from engine.fast import backwards, march
from engine.fast.captured import one_by_one
from engine.layer_trace import LayerTrace
from engine.step_clipping import clipped_backward


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float32) for name in VARIANTS]
    + [(name, torch.float64) for name in NORMED]
    + [(name, torch.bfloat16) for name in NORMED[-2:]],
    ids=str,
)
def test_the_careful_road_is_the_same_to_the_bit(name: str, dtype: torch.dtype, device: str, how: Again) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        arguments = way_back(case, values)
        back = bptt.backward_stepwise(*arguments)
    with capturing(how, device):
        assert_same(bptt.forward_stepwise(case.layer, case.x, case.initial), values)
        found = bptt.backward_stepwise(*arguments)
    assert_same(found.grads, back.grads)
    assert_same(found.initial, back.initial)
    assert_captured(how, device, 2 * 6)
    assert all(array.isfinite().all() for array in values.values())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_the_fast_road_is_the_same_to_the_bit(name: str, dtype: torch.dtype, device: str, how: Again) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = fast.forward(case.layer, case.x, case.initial)
        assert values is not None
        layer, _, _, direct, final = way_back(case, values)
        if layer.course.lengths is not None and not layer.course.reverse:
            final = {s: grad if s == "h" else torch.zeros_like(grad) for s, grad in final.items()}
        back = fast.backward(layer, values, values.before, direct, final)
    with capturing(how, device):
        found = fast.forward(case.layer, case.x, case.initial)
        assert found is not None
        assert_captured(how, device, 6)
        found_back = fast.backward(layer, values, values.before, direct, final)
        assert_captured(how, device, 2 * 6)
    assert_same(found, values)
    assert_same(found.known, values.known)
    assert_same(found.before, values.before)
    assert back is not None
    assert found_back is not None
    for ours, theirs in zip(found_back, back, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["LSTM, held, fresh drop, lengths, reverse", "GRU, fresh drop, lengths", "LSTM, drop"])
def test_where_steps_are_larger_the_stretches_are_shorter(
    name: str, how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And slopes are prepared for fewer steps at once: 18, in stretches of 16, 1 and 1."""
    case = case_of(name, torch.float64, "cpu")
    monkeypatch.setattr(march, "ROOM", 18 * len(case.layer.rules.gate_names) * case.initial["h"].numel())
    monkeypatch.setattr(backwards, "CHUNK", march.ROOM)
    with one_by_one():
        values = fast.forward(case.layer, case.x, case.initial)
        assert values is not None
        layer, _, _, direct, _ = way_back(case, values)
        back = fast.backward(layer, values, values.before, direct)
    with capturing(how, "cpu"):
        found = fast.backward(layer, values, values.before, direct)
    assert how.replays == 3 + 3 + 3  # 42 = 18 + 18 + 6, and 6 is 4, 1 and 1
    assert back is not None
    assert found is not None
    for ours, theirs in zip(found, back, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("max_norm", [0.5, 1e9])
@pytest.mark.parametrize("name", ["LSTM", "LSTM, norm, lengths", "GRU, held, reverse, lengths", "leaky_relu RNN"])
def test_clipping_at_every_step_is_the_same_to_the_bit(
    name: str, max_norm: float, dtype: torch.dtype, device: str, how: Again
) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        _, _, _, direct, final = way_back(case, values)
        direct[40] *= 1e-150 if dtype == torch.float64 else 1e-30  # where float64 has to be scaled before it is squared
        course = case.layer.course
        activation: Any = "leaky_relu" if "leaky" in name else "tanh"
        layer = LayerTrace.from_parts(
            case.layer.kind, activation, case.x, case.layer.weights, case.initial, values, direct, final,
            reverse=course.reverse, lengths=course.lengths, held=case.layer.held,
        )  # fmt: skip
        expected = clipped_backward(layer, max_norm)
    with capturing(how, device):
        found = clipped_backward(layer, max_norm)
    assert_captured(how, device, 6)
    assert bool(expected.fired.any()) == (max_norm < 1)
    assert_same(found.grads, expected.grads)
    assert_same(found.initial_grads, expected.initial_grads)
    assert torch.equal(found.norms, expected.norms)
    assert torch.equal(found.factors, expected.factors)
