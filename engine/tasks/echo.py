"""Delayed echo: the delay line by which Jaeger (2001, Short term memory in echo state networks, GMD Report 152)
measures memory, with fair bits in place of his real numbers.
"""

from __future__ import annotations

import torch

from engine.draws import whole
from engine.spec import EchoTask, ModelSpec
from engine.tasks.batch import Batch, targets
from engine.tasks.part import Draw


def batch(task: EchoTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 1): bits. The target of step t is the bit of step t − delay, and 0 before there is one, which is not
    judged. Float64, CPU."""
    bits = whole((task.steps, task.batch_size), 0, 1, draw.generator("echo")).double()
    said = torch.zeros_like(bits)
    said[task.delay :] = bits[: task.steps - task.delay]
    judged = torch.zeros_like(bits, dtype=torch.bool)
    judged[task.delay :] = True
    return Batch(bits[..., None], targets(model, said, said > 0.5), judged=judged)
