"""Trains an experiment by the engine's loop, and says when it was solved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import engine
from benchmarks.findings.parts import Tell
from engine.spec import Experiment

SMOOTHED = 100
"""Iterations whose mean loss stands for "at the end"."""


@dataclass(frozen=True, eq=False)
class Course:
    """How a training went."""

    solved: float
    """Iterations until it was; NaN: it was not."""
    losses: NDArray[np.float64]
    """(n,) of each iteration."""
    value: float
    """Of the task's metric at the last evaluation."""

    @property
    def loss(self) -> float:
        """The mean of the last iterations'."""
        return float(self.losses[-SMOOTHED:].mean())


def course(experiment: Experiment, iterations: int, until: str | None, tell: Tell) -> Course:
    """Trained until an evaluation on held-back sequences fulfils `until`, or through all iterations."""
    solved, value, log = math.nan, math.nan, None
    for progress in engine.fit(experiment, iterations, until=until, budget=1):
        log = progress.log
        if progress.evaluations:
            value = progress.evaluations[-1].value
        if progress.ended == "until":
            solved = progress.iteration
        newest = f"loss {progress.records.losses[-1]:.4g}" if progress.records is not None else ""
        tell(progress.iteration / iterations, f"iteration {progress.iteration:,}, {newest}")
    assert log is not None
    return Course(solved, log.column("losses"), value)
