"""A mixture of sines, a synthetic series of our own: forecast the next value.

Σ √(2/waves) sin(2πt/p + φ): a sine of a uniform phase φ has the variance 1/2, so that the sum has the variance 1.
"""

from __future__ import annotations

import math

import torch

from engine.draws import normal, uniform
from engine.spec import ModelSpec, SinesTask
from engine.tasks.batch import Batch, targets
from engine.tasks.part import Draw

SHORTEST, LONGEST = 4.0, 40.0
"""Periods, in steps; log-uniform between."""


def batch(task: SinesTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 1). The target is the value of the next step (of the step after the last, where there is one answer a
    sequence); for cross-entropy, whether it is higher than this step's. Both without the noise. Float64, CPU."""
    source = draw.generator("sines")
    waves = (task.waves, task.batch_size)
    periods = uniform(waves, math.log(SHORTEST), math.log(LONGEST), source).exp_()
    phases = uniform(waves, 0.0, 2 * math.pi, source)
    t = torch.arange(task.steps + 1, dtype=torch.float64, device="cpu")[:, None]
    values = torch.zeros(task.steps + 1, task.batch_size, dtype=torch.float64, device="cpu")
    for period, phase in zip(periods, phases, strict=True):
        values += math.sqrt(2 / task.waves) * torch.sin(2 * math.pi * t / period + phase)
    x, now, following = values[:-1], values[:-1], values[1:]
    if task.noise:
        x = x + normal((task.steps, task.batch_size), task.noise, draw.generator("sines noise"))
    if model.readout.at != "every":
        now, following = now[-1], following[-1]
    return Batch(x[..., None].contiguous(), targets(model, following, following > now))
