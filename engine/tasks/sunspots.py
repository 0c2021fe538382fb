"""Yearly sunspot numbers, 1700-2008: forecast the next year.

The series is in the public domain: NOAA's National Geophysical Data Center,
http://www.ngdc.noaa.gov/stp/solar/solarda3.html, in the form in which statsmodels ships it (statsmodels.datasets
.sunspots). It is presets/data/sunspots.csv: year and number, 309 lines below a heading.
"""

from __future__ import annotations

import csv
from functools import cache

import torch
from torch import Tensor

from engine.errors import DataError
from engine.folders import presets
from engine.spec import ModelSpec, SunspotsTask
from engine.tasks.batch import Batch, targets
from engine.tasks.part import Draw

FIRST_YEAR, LAST_YEAR = 1700, 2008


@cache
def series() -> Tensor:
    """The numbers as they were observed, (309,) float64. Raises DataError where the file is not what it should be."""
    path = presets() / "data" / "sunspots.csv"
    try:
        with path.open(newline="", encoding="ascii") as lines:
            rows = list(csv.reader(lines))[1:]
        years = [int(year) for year, _ in rows]
        numbers = [float(number) for _, number in rows]
    except (OSError, ValueError) as error:
        raise DataError(f"The sunspot series {path} cannot be read ({error}).") from None
    if years != list(range(FIRST_YEAR, LAST_YEAR + 1)):
        raise DataError(f"The sunspot series {path} does not hold the years {FIRST_YEAR} to {LAST_YEAR}, one a line.")
    return torch.tensor(numbers, dtype=torch.float64, device="cpu")


def scaled() -> Tensor:
    """Zero mean and unit (population) variance over all 309 years."""
    numbers = series()
    return (numbers - numbers.mean()) / numbers.std(correction=0)


def batch(task: SunspotsTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 1): B windows of T years, none of them twice while there are enough. Float64, CPU."""
    T, B = task.steps, task.batch_size
    source = draw.generator("sunspots")
    return windows(task, model, _starts(series().numel() - T, B, source))


def windows(task: SunspotsTask, model: ModelSpec, starts: Tensor) -> Batch:
    """The windows that begin at these positions (B,) of the series; 0 is the year 1700."""
    T = task.steps
    values = scaled()[starts + torch.arange(T + 1, device="cpu")[:, None]]  # (T + 1, B)
    now, following = values[:-1], values[1:]
    if model.readout.at != "every":
        now, following = now[-1], following[-1]
    return Batch(values[:-1, :, None].contiguous(), targets(model, following, following > now))


def _starts(count: int, batch_size: int, source: torch.Generator) -> Tensor:
    shuffles = [torch.randperm(count, generator=source, device="cpu") for _ in range(-(-batch_size // count))]
    return torch.cat(shuffles)[:batch_size]
