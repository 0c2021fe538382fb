"""Tasks: where the data come from. A batch is determined by task, model, seed and iteration, to the bit."""

from __future__ import annotations

import torch

from engine.spec import AddingTask, ModelSpec, Task
from engine.tasks import adding, sunspots
from engine.tasks.batch import Batch, class_count

__all__ = ["Batch", "baseline", "batch", "input_size", "output_size"]


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


def input_size(task: Task) -> int:
    return adding.INPUT_SIZE if isinstance(task, AddingTask) else sunspots.INPUT_SIZE


def output_size(model: ModelSpec) -> int:
    """Outputs of the read-out: one number, or one logit for each of the two classes."""
    return class_count(model) or 1


def baseline(task: Task, model: ModelSpec) -> float | None:
    """The expected loss of the best answer that does not look at the input; None where it has no simple value."""
    return adding.baseline(model) if isinstance(task, AddingTask) else sunspots.baseline(task, model)
