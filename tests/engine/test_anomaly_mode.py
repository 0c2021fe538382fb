"""What somebody looks for with torch.autograd.set_detect_anomaly is a NaN of theirs; ours answer no differently."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

import engine
from engine import AddingTask, Experiment, LayerSpec, ModelSpec, Network, ReadoutSpec

T = 6


@contextmanager
def detecting() -> Iterator[None]:
    """As torch.autograd.set_detect_anomaly, which warns that it is slow."""
    torch.set_anomaly_enabled(True)
    try:
        yield
        assert torch.is_anomaly_enabled()
        assert torch.is_anomaly_check_nan_enabled()
    finally:
        torch.set_anomaly_enabled(False)


def lstm() -> nn.LSTM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.LSTM(2, 3, dtype=torch.float64)


def x() -> Tensor:
    return torch.randn(T, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loss(y: Tensor) -> Tensor:
    return y.relu().pow(2).sum((1, 2))


def trace() -> engine.Trace:
    return engine.trace(lstm(), x(), loss)


def long() -> engine.LongTrace:
    return engine.trace_long(lstm(), x(), lambda y, steps: loss(y), stretch=2)


def network() -> engine.Trace:
    model = ModelSpec(
        layers=(LayerSpec(cell="lstm", hidden_size=3), LayerSpec(cell="gru", hidden_size=3, batch_norm=True)),
        readout=ReadoutSpec(at="every"),
    )
    return Network(Experiment(model=model, task=AddingTask(steps=T, batch_size=3), device="cpu")).trace()


ASKED: dict[str, Callable[[], Tensor]] = {
    "flow matrix": lambda: trace().flow_matrix(),
    "flow row": lambda: trace().flow_row(2),
    "flow gradient": lambda: trace().flow_gradient(2),
    "truncated": lambda: trace().truncated(2, 2).weight_grads["weight_hh_l0"],
    "verdict": lambda: torch.tensor(trace().verdict().log10_ratio),
    "clipped at every step": lambda: engine.clipped_trace(trace(), 0.1).grads["weight_hh_l0"],
    "long trace": lambda: long().losses,
    "long flow": lambda: long().flow_matrix("l0"),
    "network's flow": lambda: network().flow_matrix("l0"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_everything_answers_as_it_does_without_anomaly_mode_and_leaves_it_on(asked: str) -> None:
    expected = ASKED[asked]()
    with detecting():
        assert torch.equal(torch.nan_to_num(ASKED[asked](), nan=-1.0), torch.nan_to_num(expected, nan=-1.0))


def test_a_nan_in_the_values_is_audited_too() -> None:
    model = lstm()
    with torch.no_grad():
        model.weight_hh_l0[0, 0] = math.nan
    with detecting():
        layer = engine.trace(model, x(), lambda y: y[0].sum())["l0"]
        assert layer.audit().passed
