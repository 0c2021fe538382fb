"""The embedded Reber grammar: predict the next symbol (Cleeremans, Servan-Schreiber & McClelland 1989; Fahlman 1991;
Hochreiter & Schmidhuber 1997, experiment 1). The grammar itself is in engine.reber.

Every string is drawn by fair coins, and again while it is too long. Its inputs are all symbols but the last and its
targets all but the first. What is judged is the last symbol but one, T or P, which only the second one tells.
"""

from __future__ import annotations

import torch

from engine.draws import whole
from engine.reber import embedded
from engine.spec import ModelSpec, ReberTask
from engine.tasks.batch import Batch
from engine.tasks.part import Draw

_COINS = 1024
"""Drawn at once."""


def batch(task: ReberTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B) and targets (T, B), symbols 0 to 6 (B T P S X V E), and 0 past the end. Int64, CPU."""
    T = task.steps
    strings = _strings(task.batch_size, T + 1, draw.generator("reber"))
    lengths = torch.tensor([len(string) - 1 for string in strings], device="cpu")
    longest = int(lengths.max())
    padded = torch.tensor([string + [0] * (longest + 1 - len(string)) for string in strings], device="cpu").T
    steps = torch.arange(T, device="cpu")[:, None]
    x = torch.zeros(T, task.batch_size, dtype=torch.int64, device="cpu")
    targets = x.clone()
    x[:longest] = padded[:-1] * (steps[:longest] < lengths)
    targets[:longest] = padded[1:]
    return Batch(x, targets, lengths, judged=steps == lengths - 2)


def _strings(count: int, longest: int, source: torch.Generator) -> list[list[int]]:
    coins: list[int] = []

    def coin() -> int:
        if not coins:
            coins.extend(whole((_COINS,), 0, 1, source).tolist())
        return coins.pop()

    found: list[list[int]] = []
    while len(found) < count:
        if (string := embedded(coin, longest)) is not None:
            found.append(string)
    return found
