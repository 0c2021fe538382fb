"""The adding problem (Hochreiter & Schmidhuber 1997, experiment 4): add the two marked numbers of a sequence.

One mark stands in the first half of the sequence and one in the second, each at a uniformly random step (Le et al.
2015).
"""

from __future__ import annotations

import torch

from engine.draws import generator, uniform
from engine.parameters import class_count
from engine.spec import AddingTask, ModelSpec
from engine.tasks.batch import Batch


def batch(task: AddingTask, model: ModelSpec, seed: int, iteration: int) -> Batch:
    """x (T, B, 2): a number in [0, 1) and a mark, 0 or 1. Float64, CPU."""
    T, B = task.steps, task.batch_size
    source = generator(seed, "adding", iteration)
    numbers = uniform((T, B), 0.0, 1.0, source)
    half = T // 2
    first = torch.randint(0, half, (B,), generator=source)
    second = torch.randint(half, T, (B,), generator=source)
    marks = torch.zeros(T, B, dtype=torch.float64)
    samples = torch.arange(B)
    marks[first, samples] = 1.0
    marks[second, samples] = 1.0

    sums = (numbers * marks).cumsum(0)
    if model.readout.at == "last":
        sums = sums[-1]
    targets = (sums > 1.0).long() if class_count(model) else sums[..., None]
    return Batch(torch.stack([numbers, marks], dim=-1), targets)
