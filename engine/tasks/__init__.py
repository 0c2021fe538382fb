"""Tasks: where the data come from. A batch is determined by task, model, seed and iteration, to the bit."""

from __future__ import annotations

import torch

from engine.spec import AddingTask, ModelSpec, Task
from engine.tasks import adding, sunspots
from engine.tasks.batch import Batch

__all__ = ["Batch", "batch"]


def batch(
    task: Task,
    model: ModelSpec,
    seed: int,
    iteration: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Batch:
    """The batch of one iteration. Drawn on the CPU in float64 and rounded to `dtype` afterwards."""
    if isinstance(task, AddingTask):
        return adding.batch(task, model, seed, iteration).to(dtype, device)
    return sunspots.batch(task, model, seed, iteration).to(dtype, device)
