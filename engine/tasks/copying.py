"""Copy memory (Hochreiter & Schmidhuber 1997, experiment 3, in the form of Arjovsky et al. 2016, section 4.1).

Ten symbols, delay − 1 blanks, the marker, ten blanks: delay + 20 steps in all. Where the marker has been seen, the ten
symbols are to be said again, in order; until then, and at the marker, the blank.
"""

from __future__ import annotations

import torch

from engine.draws import whole
from engine.spec import CopyTask, ModelSpec
from engine.tasks.batch import Batch
from engine.tasks.part import Draw

BLANK, FIRST, LAST, MARKER = 0, 1, 8, 9
SAID = 10
"""Symbols that are to be remembered."""


def batch(task: CopyTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B) and targets (T, B), symbols 0 to 9. Int64, CPU."""
    symbols = whole((SAID, task.batch_size), FIRST, LAST, draw.generator("copy"))
    x = torch.full((task.steps, task.batch_size), BLANK, device="cpu")
    targets = x.clone()
    x[:SAID] = symbols
    x[-SAID - 1] = MARKER
    targets[-SAID:] = symbols
    judged = torch.zeros_like(x, dtype=torch.bool)
    judged[-SAID:] = True
    return Batch(x, targets, judged=judged)
