"""Tasks: where the data come from. A batch is determined by task, model, seed and iteration, to the bit."""

from __future__ import annotations

import torch

from engine.baseline import baseline
from engine.spec import AddingTask, CopyTask, ModelSpec, Task
from engine.tasks import adding, copying, sunspots
from engine.tasks.batch import Batch

__all__ = ["Batch", "baseline", "batch"]


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
        drawn = adding.batch(task, model, seed, iteration)
    elif isinstance(task, CopyTask):
        drawn = copying.batch(task, seed, iteration)
    else:
        drawn = sunspots.batch(task, model, seed, iteration)
    return drawn.to(dtype, device)
