"""A loss that is not finite is its own affair: what another loss sends back, and what is said of it, stays right."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import engine

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def traced(cell: str, layers: int = 1, bad: float = float("nan")) -> tuple[engine.Trace, Tensor]:
    """Six steps, the third loss of which is not finite, and the last loss's gradient by autograd."""
    torch.manual_seed(0)
    model = CELLS[cell](3, 4, layers, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    targets = torch.zeros(6, 2, 4, dtype=torch.float64)
    targets[2] = bad
    trace = engine.trace(model, x, loss=lambda y: (y - targets).square().sum((1, 2)))
    y = model(x)[0]
    y.retain_grad()
    (y[-1] - targets[-1]).square().sum().backward()
    return trace, torch.linalg.vector_norm(y.grad, dim=2).mean(1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_the_row_of_a_good_loss_is_the_matrix_s(cell: str, layers: int, bad: float) -> None:
    trace, _ = traced(cell, layers, bad)
    for name in trace:
        row = trace.flow_row(-1, name)
        assert bool(row.isfinite().all())
        torch.testing.assert_close(row, trace.flow_matrix(name)[-1], rtol=1e-12, atol=0.0)
    assert trace.verdict().kind == "healthy"


def test_its_last_step_has_autograd_s_direct_gradient() -> None:
    trace, direct = traced("gru")
    assert float(trace.flow_row(-1)[-1]) == pytest.approx(float(direct[-1]), rel=1e-12)


def test_names_of_layers_are_what_a_trace_holds_and_goes_through() -> None:
    trace, _ = traced("gru", 2)
    assert "l0" in trace
    assert "l2" not in trace
    assert 0 not in trace
    assert list(trace) == ["l0", "l1"]


def test_a_shallow_copy_keeps_the_single_losses() -> None:
    trace, _ = traced("gru")
    same = torch.equal(copy.copy(trace).flow_matrix("l0").nan_to_num(-1.0), trace.flow_matrix("l0").nan_to_num(-1.0))
    assert same


def test_a_trace_that_has_lost_what_goes_past_its_first_level_fails_the_audit() -> None:
    from dataclasses import replace

    layers = (engine.LayerSpec(cell="gru", hidden_size=2, residual=True),)
    experiment = engine.Experiment(
        model=engine.ModelSpec(layers=layers), task=engine.AddingTask(steps=4, batch_size=2), dtype="float64"
    )
    trace = engine.Network(experiment).trace()
    assert trace.audit().passed
    lost = replace(trace, past_grad=None).audit()
    assert not lost.passed
    assert lost.worst.quantity == "input_grad"


def test_agc_gives_new_tensors_where_nothing_fires_too() -> None:
    grads = {"weight_hh_l0": torch.full((3, 3), 1e-9), "readout.weight": torch.ones(1, 3)}
    weights = {"weight_hh_l0": torch.ones(3, 3), "readout.weight": torch.ones(1, 3)}
    clipped = engine.clipped(grads, engine.ClipSpec(kind="agc"), weights)
    for name, grad in grads.items():
        assert torch.equal(clipped.grads[name], grad)
        assert clipped.grads[name].data_ptr() != grad.data_ptr()


def test_a_factor_that_is_not_finite_is_named_in_a_long_trace() -> None:
    model, x = nn.GRU(3, 4), torch.randn(3000, 1, 3)
    with pytest.raises(engine.DataError, match="A factor in the loss is not finite"):
        engine.trace_long(model, x, loss=lambda y, steps: y.sum((1, 2)) / 0, budget=2 * 2**20)


def test_what_is_no_data_in_a_spec_is_named_by_its_field() -> None:
    what_if: Any = engine.WhatIf
    with pytest.raises(engine.SpecError, match=r"dtype is a dtype, which is no plain data"):
        engine.Network(
            engine.Experiment(
                model=engine.ModelSpec(layers=(engine.LayerSpec(cell="gru"),)), task=engine.AddingTask(steps=4)
            ),
            what_if=what_if(dtype=torch.float16),
        )
