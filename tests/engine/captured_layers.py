"""What the tests of captured steps stand on: layers, their way back, and something to capture with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from captured_again import Again
from fast_layers import Case, variant
from torch import Tensor

from engine.cells import Norm
from engine.fast import captured

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float32, torch.float64]
NORMED = (
    "sigmoid RNN, norm", "tanh RNN, norm, fresh drop, lengths, reverse", "LSTM, norm", "LSTM, norm, lengths, no bias",
    "LSTM, norm, held, fresh drop, lengths, reverse, cut", "GRU, norm, lengths", "GRU, norm, held, drop, cut, reverse",
)  # fmt: skip
T = 42
"""Stretches of 16, 16, 4, 4, 1 and 1 steps."""


@contextmanager
def capturing(how: Again, device: str) -> Iterator[None]:
    if device == "cpu":
        captured.HOW["cpu"] = how
    try:
        yield
    finally:
        captured.HOW.pop("cpu", None)


def case_of(name: str, dtype: torch.dtype, device: str, steps: int = T) -> Case:
    """16 units: rows of 64 bytes, or a product on the CPU could round otherwise at another place in memory."""
    case = variant(name, dtype, T=steps, H=16)
    layer, draw = case.layer, torch.Generator().manual_seed(8)
    weights = dict(layer.weights)
    if "norm" in name:
        gamma, beta = torch.randn(2, len(weights["weight_hh"]), generator=draw, dtype=torch.float64).to(dtype)
        weights |= {"norm_weight": 1 + gamma / 4, "norm_bias": beta / 4}
        norm = Norm(weights["norm_weight"].view(-1, 16), weights["norm_bias"].view(-1, 16), 1e-5)
        rules: Any = layer.rules
        layer = replace(layer, rules=replace(rules, norm=norm))
    there = ({n: array.to(device) for n, array in given.items()} for given in (weights, layer.tensors, case.initial))
    weights, tensors, initial = there
    return Case(layer.over(steps, weights, tensors), case.x.to(device), initial)


def way_back(case: Case, values: Mapping[str, Tensor]) -> tuple[Any, ...]:
    """Arguments of both roads back."""
    draw = torch.Generator().manual_seed(3)
    shape = (len(case.x), *case.initial["h"].shape)
    direct, ends = (torch.randn(shape, generator=draw, dtype=torch.float64).to(case.x) for _ in range(2))
    final = {s: ends[place] for place, s in enumerate(case.layer.rules.state_names)}
    return case.layer, values, case.layer.before(values, case.initial), case.layer.course.zeroed(direct), final


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        same = (found[name] == array) | (found[name].isnan() & array.isnan())
        assert found[name].dtype == array.dtype
        assert bool(same.all()), name


def assert_captured(how: Again, device: str, replays: int) -> None:
    """A refusal on a GPU would be a warning, which is an error here."""
    assert captured.CAPTURES.nbytes > 0
    assert device == "cuda" or how.replays == replays


def nowhere(tensor: Tensor) -> Tensor:
    """Of its shape, on the device that has no numbers."""
    return torch.empty_like(tensor, device="meta")
