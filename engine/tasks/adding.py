"""The adding problem (Hochreiter & Schmidhuber 1997, experiment 4): add the two marked numbers of a sequence.

One mark stands in the first half of the sequence and one in the second, each at a uniformly random step (Le et al.
2015).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.draws import uniform, whole
from engine.spec import AddingTask, ModelSpec
from engine.tasks.batch import Batch, targets
from engine.tasks.part import Draw


def batch(task: AddingTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 2): a number in [0, 1) and a mark, 0 or 1. Float64, CPU.

    Of different lengths, each sequence has its marks in the halves of its own length, and its last target at its own
    last step; past that, x and the targets of every step are 0.
    """
    T, B = task.steps, task.batch_size
    source = draw.generator("adding")
    numbers = uniform((T, B), 0.0, 1.0, source)
    lengths = None
    if task.shortest is None:
        half = T // 2
        marked = torch.stack([whole((B,), 0, half - 1, source), whole((B,), half, T - 1, source)])
    else:
        lengths, marked = _lengths_and_marks(task, task.shortest, draw)
    marks = torch.zeros_like(numbers).scatter_(0, marked, 1.0)

    real = _real(T, lengths)
    sums = (numbers * marks).cumsum(0)
    if model.readout.at == "every":
        sums = sums * real
    else:
        sums = sums[-1]
    return Batch(torch.stack([numbers * real, marks], dim=-1), targets(model, sums, sums > 1.0), lengths)


def _lengths_and_marks(task: AddingTask, shortest: int, draw: Draw) -> tuple[Tensor, Tensor]:
    """Lengths (B,) and the two marked steps, from 0, (2, B). From a stream of their own, so that they leave the numbers
    as they are."""
    source = draw.generator("adding lengths")
    lengths = whole((task.batch_size,), shortest, task.steps, source)
    half = lengths // 2
    first, second = uniform((2, task.batch_size), 0.0, 1.0, source)
    return lengths, torch.stack([(first * half).long(), half + (second * (lengths - half)).long()])


def _real(steps: int, lengths: Tensor | None) -> Tensor | float:
    """(T, B): 1 at the steps of a sequence and 0 past its end."""
    return 1.0 if lengths is None else (torch.arange(steps, device="cpu")[:, None] < lengths).double()
