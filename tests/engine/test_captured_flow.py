"""A flow matrix whose steps are captured is the one whose steps go one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from captured_again import Again
from captured_layers import DEVICES, T, capturing
from flow_layers import a_layer, batch, each_step
from torch import Tensor

from engine.fast import captured
from engine.fast.captured import one_by_one
from engine.flow_chain import Chain
from engine.flow_matrix import flow_gradients
from engine.stack import Layer, Level
from engine.tracing import Trace, trace_stack


def to_device(layer: Layer, device: str) -> Layer:
    weights, initial = ({n: t.to(device) for n, t in given.items()} for given in (layer.weights, layer.initial))
    return replace(layer, weights=weights, initial=initial, drop=None if layer.drop is None else layer.drop.to(device))


def stack_of(cell: str, norm: bool, device: str) -> tuple[Level, ...]:
    names = [("l0", "l0_reverse"), ("l1",)]
    levels, D = [], 3
    for place, of_level in enumerate(names):
        more = {"norm": norm, "dtype": torch.float64, "gain": 1.0}
        made = [a_layer(name, cell, D, 8, 4, seed=place, **more) for name in of_level]  # type: ignore[arg-type]
        drop = (torch.rand(T, 4, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) > 0.2) * 1.25
        made[0] = replace(made[0], drop=drop, kernel=None)
        levels.append(Level(tuple(to_device(one, device) for one in made)))
        D = 8 * len(of_level)
    return tuple(levels)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("cell", "norm", "lengths"),
    [("lstm", False, True), ("lstm", True, False), ("gru", False, False), ("gru", True, True), ("rnn", False, True)],
)
def test_a_flow_matrix_is_the_same(cell: str, norm: bool, lengths: bool, device: str, how: Again) -> None:
    """A level that runs both ways, and a layer above it that sends the gradients of all losses down."""
    given = torch.tensor([T, 7, 20, T - 1], device=device) if lengths else None
    x = batch(T, 4, 3).to(device)
    with one_by_one():
        trace = trace_stack(stack_of(cell, norm, device), x, lambda y: (None, each_step(y)), None, given)
        expected = {name: all_flows(trace, name) for name in trace.layers}
    with capturing(how, device):
        found = {name: all_flows(trace, name) for name in trace.layers}
    assert device == "cuda" or how.replays > 20
    assert captured.CAPTURES.nbytes > 0
    for name, gradients in expected.items():
        torch.testing.assert_close(found[name], gradients, rtol=1e-11, atol=1e-300)
        assert bool(found[name].any())


def test_a_loss_that_comes_in_later_meets_nothing_of_steps_that_overflowed(
    how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row takes part in all steps, as 0; and 0 times a slope that is no number would be none. Then it would run
    away, and would have to be taken back once more, carefully."""
    ran: list[tuple[int, bool]] = []
    run = Chain.run

    def noting(self: Chain, arriving: Any, rows: Tensor, enters: Any, *more: Any) -> None:
        ran.append((len(rows), more[-1]))
        run(self, arriving, rows, enters, *more)

    monkeypatch.setattr(Chain, "run", noting)
    x = batch(T, 4, 3)
    x[T - 3, 1] = torch.inf
    with one_by_one():
        layer = stack_of("gru", True, "cpu")[0].layers[0]
        trace = trace_stack((Level((layer,)),), x, lambda y: (None, each_step(y)))
        expected = {name: all_flows(trace, name) for name in trace.layers}
    usual = ran.copy()
    assert any(careful and rows < T for rows, careful in usual)
    ran.clear()
    with capturing(how, "cpu"):
        found = {name: all_flows(trace, name) for name in trace.layers}
    assert ran == usual
    for name, gradients in expected.items():
        assert 0 < int(gradients.isnan().sum()) < gradients.numel() / 2
        torch.testing.assert_close(found[name], gradients, rtol=1e-11, atol=1e-300, equal_nan=True)


def all_flows(trace: Trace, name: str) -> Tensor:
    return flow_gradients(trace.loss_grads, name, range(len(trace.losses)), (0, T))
