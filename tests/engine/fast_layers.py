"""Single layers that torch has no kernel for, ready to run, as the tests of the fast road and of captured steps do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.fast.arrays import TORCHS, Elementwise, in_order
from engine.recurrence import Held, Recurrence
from engine.spec import CellKind
from engine.stack import Layer


@dataclass(frozen=True)
class Case:
    """A layer ready to run, and what it runs on."""

    layer: Recurrence
    x: Tensor
    initial: Mapping[str, Tensor]


def of_torch(like: Tensor, reverse: bool = False) -> tuple[Elementwise, Callable[[Tensor], Any]]:
    """engine.fast.arrays.arrays as it is where NumPy cannot see the memory."""
    return TORCHS, lambda tensor: in_order(tensor.unbind(0), reverse)


def variant(name: str, dtype: torch.dtype, T: int = 30, B: int = 3, H: int = 6) -> Case:
    """A layer that torch has no kernel for."""
    generator = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)

    cell: CellKind = "gru" if "GRU" in name else "rnn" if "RNN" in name else "lstm"
    activation: Any = name.split()[0] if cell == "rnn" else "tanh"
    blocks = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    weights = {"weight_ih": normal(blocks * H, 2) / 2, "weight_hh": normal(blocks * H, H) / H}
    if "no bias" not in name:
        weights |= {"bias_ih": normal(blocks * H), "bias_hh": normal(blocks * H)}
    initial = {s: normal(B, H) for s in (("h", "c") if cell == "lstm" else ("h",))}
    lengths = torch.tensor([T, 4, T // 2]) if "lengths" in name else None
    drop = (torch.rand(T if "fresh" in name else 1, B, H, generator=generator) > 0.3).to(dtype) / 0.7
    held = {
        gate: Held(torch.rand(T, 1, H, generator=generator) > 0.7, normal(T, 1, H).sigmoid())
        for gate in {"rnn": "", "lstm": "fgo", "gru": "rn"}[cell]
    }
    layer = Layer(
        "l0", cell, activation, weights, initial, None, "reverse" in name,
        drop=drop if "drop" in name else None,
        held=held if "held" in name else {},
        cuts=frozenset(CUTS[cell]) if "cut" in name else frozenset(),
    )  # fmt: skip
    x = normal(T, B, 2)
    recurrence = layer.recurrence(T, lengths)
    return Case(recurrence, recurrence.course.zeroed(x), initial)


CUTS = {"rnn": ("a",), "lstm": ("carousel", "f"), "gru": ("leak", "r")}
VARIANTS = (
    "leaky_relu RNN", "sigmoid RNN", "identity RNN reverse", "relu RNN no bias", "leaky_relu RNN, lengths, reverse",
    "tanh RNN, fresh drop", "LSTM, drop", "LSTM, fresh drop, reverse", "GRU, drop, lengths", "LSTM, held", "GRU, held",
    "GRU, held, reverse, lengths", "LSTM, held, fresh drop, lengths, reverse", "LSTM, lengths", "GRU no bias, reverse",
    "LSTM, lengths, reverse, cut", "GRU, cut", "sigmoid RNN, cut", "LSTM no bias",
)  # fmt: skip
