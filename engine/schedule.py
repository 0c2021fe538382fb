"""Learning-rate schedules (engine.spec.ScheduleSpec): the learning rate of an iteration in closed form, so that any one
can be asked for. Each is torch.optim.lr_scheduler's of the same name. Plain data, no torch.

warmup       over the first w iterations (i + 1)/(w + 1): LinearLR from 1/(w + 1). The rest counts from iteration w.
step         factor^⌊i/every⌋: StepLR.
exponential  factor^(i/every): ExponentialLR with γ = factor^(1/every).
linear       1 + (floor − 1)·min(i, length)/length: LinearLR.
cosine       floor + (1 − floor)·(1 + cos(π·min(i, length)/length))/2: CosineAnnealingLR (Loshchilov & Hutter 2017,
             eq. 5, without restarts), which here stays down there.
"""

from __future__ import annotations

import math

from engine.spec import ScheduleSpec, TrainingSpec


def learning_rate(training: TrainingSpec, iteration: int) -> float:
    """At an iteration, from 0."""
    return training.learning_rate * factor(training.schedule, iteration)


def factor(schedule: ScheduleSpec, iteration: int) -> float:
    """What the learning rate is multiplied with at an iteration, from 0."""
    if iteration < schedule.warmup:
        return (iteration + 1) / (schedule.warmup + 1)
    i = iteration - schedule.warmup
    match schedule.kind:
        case "step":
            return schedule.factor ** (i // schedule.every)
        case "exponential":
            return float(schedule.factor ** (i / schedule.every))
        case "linear":
            return 1.0 + (schedule.floor - 1.0) * _done(schedule, i)
        case "cosine":
            return schedule.floor + (1.0 - schedule.floor) * (1.0 + math.cos(math.pi * _done(schedule, i))) / 2
    return 1.0


def _done(schedule: ScheduleSpec, i: int) -> float:
    return min(i, schedule.length) / schedule.length
