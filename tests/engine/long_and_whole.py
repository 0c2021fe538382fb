"""A long trace beside the whole trace of the same model and loss, which it is held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import engine
from engine.measure import step_errors

T, B, D, H = 120, 3, 2, 4
LONGER = 300
STRETCH = 37
KINDS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def model_of(kind: str, layers: int = 1, bidirectional: bool = False, **options: Any) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"dtype": torch.float64} | options
        return KINDS[kind](D, H, num_layers=layers, bidirectional=bidirectional, **options)


def drawn(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


class ToTargets:
    """The same loss for both: of the whole output, and of a stretch of it."""

    def __init__(self, width: int, steps: int = T, batch: int = B, dtype: torch.dtype = torch.float64) -> None:
        self.targets = drawn(steps, batch, width, seed=2, dtype=dtype)

    def __call__(self, y: Tensor, steps: slice | None = None) -> Tensor:
        return (y - (self.targets if steps is None else self.targets[steps])).pow(2).sum((1, 2))


def both(
    model: nn.RNNBase, x: Any = None, initial: Any = None, stretch: int = STRETCH, steps: int = T
) -> tuple[engine.Trace, engine.LongTrace]:
    x = drawn(steps, B, D) if x is None else x
    loss = ToTargets(model.hidden_size * (2 if model.bidirectional else 1), steps)
    whole = engine.trace(model, x, loss=loss, initial=initial)
    return whole, engine.trace_long(model, x, loss, initial, stretch=stretch)


def assert_same(long: engine.Trace, whole: engine.Trace, most: float = 1e-12) -> None:
    """Every quantity of two traces, step by step."""
    ours, theirs = long.numpy(), whole.numpy()
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        a, b = (torch.from_numpy(one.copy()) for one in (ours[name], array))
        assert a.shape == b.shape, name
        by_step = (lambda one: one.reshape(len(one), -1)) if one_a_step(name) else (lambda one: one.reshape(1, -1))
        assert float(step_errors(by_step(a), by_step(b)).max()) < most, name
    for name, layer in whole.layers.items():
        other = long[name]
        assert (layer.mask is None) == (other.mask is None)
        assert layer.mask is None or torch.equal(layer.mask, other.mask)
        for parameter in layer.weights:
            shares = other.weight_grad_share(parameter), layer.weight_grad_share(parameter)
            assert float(step_errors(*(share[:, None] for share in shares)).max()) < most, parameter


def one_a_step(name: str) -> bool:
    return any(part in name for part in (".values.", ".grads.", ".x", "output_grads", "input_grad", "losses"))


BUDGET = 2**22
"""Bytes. A whole trace of 300 steps of the model below takes 300 · 8 · 16 · 8 bytes for each of 20 arrays and more."""


def long_within(budget: int) -> engine.LongTrace:
    model = nn.LSTM(D, 16, dtype=torch.float64)
    return engine.trace_long(model, drawn(LONGER, 8, D), lambda y, _: y.pow(2).sum((1, 2)), budget=budget)
