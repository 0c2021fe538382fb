"""Clipping by global norm leaves the bits that torch's clip_grad_norm_ leaves, and tells what it did."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import engine
from engine.clipping import clip_grads, clipped
from engine.spec import ClipSpec

SHAPES = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 8), "bias_ih_l0": (8,), "readout.weight": (1, 8)}


def grads(scale: float, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(1)
    return {name: torch.randn(shape, generator=source).to(dtype) * scale for name, shape in SHAPES.items()}


def with_entry(value: float) -> dict[str, Tensor]:
    found = grads(1.0)
    found["weight_hh_l0"][2, 3] = value
    return found


def by_torch(found: dict[str, Tensor], max_norm: float) -> tuple[Tensor, dict[str, Tensor]]:
    parameters = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in found.values()]
    for parameter, grad in zip(parameters, found.values(), strict=True):
        parameter.grad = grad.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return norm, {name: p.grad for name, p in zip(found, parameters, strict=True) if p.grad is not None}


CASES = {
    "below": grads(1e-3),
    "far below": grads(1e-30),
    "above": grads(3.0),
    "far above": grads(1e9),
    "norm overflows": grads(1e30),
    "norm underflows": grads(1e-42),
    "zero": grads(0.0),
    "one inf": with_entry(math.inf),
    "one NaN": with_entry(math.nan),
    "float64": grads(3.0, torch.float64),
    "float64 norm overflows": grads(1e200, torch.float64),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("max_norm", [1.0, 0.01, 100.0])
def test_the_bits_are_those_of_clip_grad_norm(name: str, max_norm: float) -> None:
    found = CASES[name]
    copies = {key: grad.clone() for key, grad in found.items()}
    norm, expected = by_torch(found, max_norm)
    made = clipped(found, ClipSpec(kind="norm", max_norm=max_norm))
    for key, grad in made.grads.items():
        assert torch.equal(grad.view(torch.uint8), expected[key].view(torch.uint8)) or (
            torch.equal(grad.isnan(), expected[key].isnan())
            and torch.equal(grad.nan_to_num(), expected[key].nan_to_num())
        )
        assert torch.equal(found[key].isnan(), copies[key].isnan())
        assert torch.equal(found[key].nan_to_num(), copies[key].nan_to_num()), "the gradients given are left alone"
    assert made.report.norm_in_dtype == float(norm) or (math.isnan(made.report.norm_in_dtype) and norm.isnan())


def test_the_norm_is_right_where_the_dtype_fails() -> None:
    plain = clipped(grads(1.0), ClipSpec()).report.norm
    for scale in (1e30, 1e-30):
        # The gradients themselves are rounded to float32 once more by the scaling.
        assert clipped(grads(scale), ClipSpec()).report.norm == pytest.approx(plain * scale, rel=1e-6)
    in_float64 = clipped(grads(1.0, torch.float64), ClipSpec()).report.norm
    for scale in (1e250, 1e-250):
        huge = clipped(grads(scale, torch.float64), ClipSpec()).report
        assert huge.norm == pytest.approx(in_float64 * scale, rel=1e-12)


def test_a_norm_that_overflows_makes_every_gradient_zero_and_says_so() -> None:
    report = clipped(grads(1e30), ClipSpec(kind="norm")).report
    assert math.isinf(report.norm_in_dtype)
    assert math.isfinite(report.norm)
    assert report.factor == 0.0
    assert all(row.before > 1e29 and row.after == 0.0 for row in report.rows)
    assert math.isnan(report.cosine)
    assert report.fired
    assert "overflows float32" in report.sentence
    assert "every gradient 0" in report.sentence


def test_one_inf_makes_nan_of_itself_and_zero_of_the_rest() -> None:
    made = clipped(with_entry(math.inf), ClipSpec(kind="norm"))
    assert made.report.factor == 0.0
    assert int(made.grads["weight_hh_l0"].isnan().sum()) == 1
    assert not made.grads["weight_ih_l0"].any()
    assert "inf · 0 is NaN" in made.report.sentence


def test_one_nan_makes_nan_of_everything() -> None:
    made = clipped(with_entry(math.nan), ClipSpec(kind="norm"))
    assert math.isnan(made.report.factor)
    assert all(bool(grad.isnan().all()) for grad in made.grads.values())
    assert made.report.fired
    assert "every gradient NaN" in made.report.sentence


def test_clipping_keeps_the_direction() -> None:
    report = clipped(grads(3.0), ClipSpec(kind="norm", max_norm=0.5)).report
    assert report.cosine == pytest.approx(1.0, abs=1e-12)
    assert math.hypot(*(row.after for row in report.rows)) == pytest.approx(0.5, rel=1e-5)
    assert report.factor == pytest.approx(0.5 / report.norm, rel=1e-5)
    assert report.sentence.startswith("Clipped: the norm was ")


def test_below_the_threshold_nothing_is_clipped() -> None:
    report = clipped(grads(1e-3), ClipSpec(kind="norm")).report
    assert not report.fired
    assert report.factor == 1.0
    assert all(row.before == row.after for row in report.rows)
    assert report.sentence.startswith("Nothing was clipped: the norm, ")


def test_without_clipping_the_gradients_are_the_ones_given() -> None:
    found = grads(1e30)
    made = clipped(found, ClipSpec(kind="none"))
    assert all(made.grads[name] is found[name] for name in found)
    assert not made.report.fired
    assert made.report.cosine == 1.0
    assert clip_grads(found, ClipSpec()) == found


def written(tensors: dict[str, Tensor]) -> None:
    for tensor in tensors.values():
        tensor.data.fill_(7.0)  # past the version counter too


@pytest.mark.parametrize("kind", ["none", "norm", "layer", "parameter", "value", "agc"])
def test_a_report_stays_what_it_is_when_the_gradients_are_written_to_afterwards(kind: str) -> None:
    """As a training loop does: p.grad.copy_(made.grads[name]), then zero_grad(set_to_none=False)."""
    clip = ClipSpec(kind=kind, max_norm=0.5, max_value=0.1)
    weights = {name: grad * 2 for name, grad in grads(1.0).items()}
    expected = clipped(grads(3.0), clip, weights).report
    found = grads(3.0)
    made = clipped(found, clip, weights)
    for tensors in (found, made.grads, weights):
        written(tensors)
    assert made.report == expected
    assert made.report.norm == pytest.approx(
        math.sqrt(sum(float(g.double().square().sum()) for g in grads(3.0).values()))
    )


def test_so_does_that_of_a_trace_that_was_clipped_at_every_step() -> None:
    trace = engine.trace(torch.nn.LSTM(2, 3), torch.ones(5, 1, 2), loss=lambda y: y.pow(2).sum((1, 2)))
    expected = engine.clipped_trace(trace, 1e-3).report
    made = engine.clipped_trace(trace, 1e-3)
    written(made.grads)
    assert made.report == expected
    assert made.report.clipped > 0
