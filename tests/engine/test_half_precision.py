"""bfloat16 and float16 as actual arithmetic: the numbers are those that torch computes in that type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_trace_against_autograd import KINDS, batch
from unrolled import module, unrolled

import engine
from engine.measure import TOLERANCE, step_errors

HALVES = (torch.float16, torch.bfloat16)


def each_step(y: torch.Tensor) -> torch.Tensor:
    return y.square().mean((1, 2))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_a_plain_loop_s_in_that_type(kind: str, dtype: torch.dtype) -> None:
    model, x = module(kind, 3, 6, torch.float32), batch(25, 4, 3, torch.float32)
    trace = engine.trace(model, x, loss=each_step, what_if=engine.WhatIf(dtype=str(dtype).removeprefix("torch.")))
    reference = unrolled(model.to(dtype), x.to(dtype), each_step)
    layer = trace["l0"]
    for symbol, theirs in reference.values.items():
        assert layer.values[symbol].dtype == dtype
        assert float(step_errors(layer.values[symbol], theirs).max()) < TOLERANCE[dtype], symbol
        assert float(step_errors(layer.grads[symbol], reference.grads[symbol]).max()) < TOLERANCE[dtype], symbol
    assert trace.audit().passed, trace.audit().worst


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_the_audit_sees_a_gradient_that_is_missing_at_one_step(dtype: torch.dtype) -> None:
    model = module("lstm", 3, 6, torch.float32).to(dtype)
    layer = engine.trace(model, batch(25, 4, 3).to(dtype), loss=each_step)["l0"]
    assert layer.audit().passed
    for step in (0, 12, 24):
        h = layer.grads["h"].clone()
        h[step] = 0
        assert not replace(layer, grads={**layer.grads, "h": h}).audit().passed


def test_bfloat16_is_widened_for_numpy_without_losing_anything() -> None:
    model = module("gru", 3, 6, torch.float32).to(torch.bfloat16)
    trace = engine.trace(model, batch(9, 2, 3).to(torch.bfloat16), loss=each_step)
    arrays = trace.numpy()
    assert all(array.dtype == np.float32 for array in arrays.values())
    again = torch.from_numpy(arrays["l0.grads.h"].copy()).to(torch.bfloat16)
    assert torch.equal(again, trace["l0"].grads["h"])
