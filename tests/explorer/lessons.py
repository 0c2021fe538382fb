"""What a chunk of training answers, made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.training_requests import Diverged, Records, Trained


def records(first: int, count: int, steps: int = 10, layers: tuple[str, ...] = ("l0", "readout")) -> Records:
    """Row i: a loss of 1/(1 + i), norms of 10 and 1, every second one clipped."""
    i = np.arange(first, first + count)
    return Records(
        first=first,
        losses=1 / (1.0 + i),
        grad_norms=np.full(count, 10.0),
        clipped_norms=np.where(i % 2 == 1, 1.0, 10.0),
        clipped=i % 2 == 1,
        layer_norms={name: np.full(count, 7.0) for name in layers},
        flow=np.zeros((count, steps), np.float32),
        flow_bad=np.zeros(count, bool),
        learning_rates=np.full(count, 0.1),
        seconds=np.full(count, 0.01),
    )


def trained(
    iteration: int, count: int, weights: Mapping[str, Any], steps: int = 10, diverged: Diverged | None = None
) -> Trained:
    """`count` iterations from `iteration` on."""
    made = records(iteration, count, steps)
    return Trained(weights, iteration + count, tuple(made.losses.tolist()), made, diverged)
