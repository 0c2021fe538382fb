"""Copy memory (Hochreiter & Schmidhuber 1997, experiment 3, in the form of Arjovsky et al. 2016, section 4.1).

Ten symbols, delay − 1 blanks, the marker, ten blanks: delay + 20 steps in all. Where the marker has been seen, the ten
symbols are to be said again, in order; until then, and at the marker, the blank.
"""

from __future__ import annotations

import torch

from engine.draws import generator, whole
from engine.spec import CopyTask
from engine.tasks.batch import Batch

BLANK, FIRST, LAST, MARKER = 0, 1, 8, 9
SAID = 10
"""Symbols that are to be remembered."""


def batch(task: CopyTask, seed: int, iteration: int) -> Batch:
    """x (T, B) and targets (T, B), symbols 0 to 9. Int64, CPU."""
    symbols = whole((SAID, task.batch_size), FIRST, LAST, generator(seed, "copy", iteration))
    x = torch.full((task.steps, task.batch_size), BLANK, device="cpu")
    targets = x.clone()
    x[:SAID] = symbols
    x[-SAID - 1] = MARKER
    targets[-SAID:] = symbols
    return Batch(x, targets)
