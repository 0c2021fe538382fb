"""What a task costs before anything has been learned of it: the loss that training has to get below. Plain data."""

from __future__ import annotations

import math

from engine.spec import AddingTask, CopyTask, ModelSpec, Task


def baseline(task: Task, model: ModelSpec) -> float | None:
    """The least mean loss of answers that do not depend on what was drawn; None where there is no formula for it.

    Adding problem, one answer a sequence, of whatever length: the best constant is the mean, and costs the variance of
    the sum of two U(0, 1), 1/6; asked whether the sum is above 1, which is so in half of the cases, ln 2. Copy memory:
    the blank is certain at delay + 10 steps, and each of 8 symbols as likely as the others at 10, which costs
    10 ln 8/(delay + 20) (Arjovsky et al. 2016, section 4.1).
    """
    if isinstance(task, CopyTask):
        return 10 * math.log(8) / task.steps
    if isinstance(task, AddingTask) and model.readout.at != "every":
        return 1 / 6 if model.loss == "mse" else math.log(2)
    return None
