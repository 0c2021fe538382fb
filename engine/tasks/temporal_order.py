"""Temporal order (Hochreiter & Schmidhuber 1997, experiment 6a), in the form of Pascanu, Mikolov & Bengio 2013.

Two of T symbols count, and the class is which they were, in order. The first stands at a step t with T/10 ≤ t ≤ 2T/10
and the second with 4T/10 ≤ t ≤ 5T/10, t counted from 1 and uniform; all others are distractors, uniform as well.
"""

from __future__ import annotations

import torch

from engine.draws import whole
from engine.spec import ModelSpec, TemporalOrderTask
from engine.tasks.batch import Batch
from engine.tasks.part import Draw

DISTRACTORS = 4
"""The symbols 0 … 3."""
A, B = 4, 5
CLASSES = ("AA", "AB", "BA", "BB")


def batch(task: TemporalOrderTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B), symbols 0 to 5, and targets (B,), places in CLASSES. Int64, CPU."""
    T, many = task.steps, (task.batch_size,)
    source = draw.generator("temporal order")
    x = whole((T, task.batch_size), 0, DISTRACTORS - 1, source)
    # The same bounds in whole numbers; a step t is row t − 1.
    steps = torch.stack([whole(many, -(-T // 10), T // 5, source), whole(many, -(-2 * T // 5), T // 2, source)])
    which = whole((2, task.batch_size), 0, 1, source)
    x.scatter_(0, steps - 1, A + which)
    return Batch(x, 2 * which[0] + which[1])
