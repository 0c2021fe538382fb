"""Yearly sunspot numbers, 1700-2008: forecast the next year.

The series is in the public domain: NOAA's National Geophysical Data Center,
http://www.ngdc.noaa.gov/stp/solar/solarda3.html, in the form in which statsmodels ships it (statsmodels.datasets
.sunspots). It is presets/data/sunspots.csv: year and number, 309 lines below a heading.

It is split as somebody's own series is: the first 70 % are learned from (1700-1915), the next 15 % are for validation
(1916-1961), the rest for the test. The years that are asked about lie in one part; what is read may be older, since
whoever forecasts knows the past. A window too long for the 216 years that are learned from is drawn from the whole
series, and then nothing is held back.
"""

from __future__ import annotations

import csv
from functools import cache

import torch
from torch import Tensor

from engine.data.scaling import Scale, fitted
from engine.data.windows import DEFAULT_SPLIT, lead, reaching_back, stretch
from engine.errors import DataError
from engine.folders import presets
from engine.spec import ModelSpec, SunspotsTask
from engine.tasks.batch import Batch, targets
from engine.tasks.order import batch_of
from engine.tasks.part import Draw, Part

FIRST_YEAR, LAST_YEAR = 1700, 2008
YEARS = LAST_YEAR - FIRST_YEAR + 1
LEARNED = stretch(YEARS, DEFAULT_SPLIT, "train")[1]
"""Years that are learned from, 216."""


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


@cache
def scale() -> Scale:
    """To zero mean and unit (population) variance over the years that are learned from."""
    return fitted(series()[:LEARNED, None].numpy(), "standard")


def scaled() -> Tensor:
    """(309,) float64."""
    of = scale()
    return (series() - float(of.shift[0])) / float(of.size[0])


def batch(task: SunspotsTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (T, B, 1), float64, CPU. Of training B windows of T years, none of them twice while there are enough; of the
    parts held back all windows in the order of time, B or nearly B at once. Raises DataError where a part has none."""
    return windows(task, model, _chosen(task, model, draw))


def asked(task: SunspotsTask, model: ModelSpec, draw: Draw) -> Tensor:
    """Which year each window of a batch is asked about, (B,); of one answer a window."""
    return _chosen(task, model, draw) + task.steps + FIRST_YEAR


def following(task: SunspotsTask, model: ModelSpec, draw: Draw, count: int) -> Tensor:
    """What came in the years after each window of a batch, (B, count), scaled; NaN after the end of its part."""
    behind = YEARS if task.steps >= LEARNED else stretch(YEARS, DEFAULT_SPLIT, draw.part)[1]
    years = _chosen(task, model, draw)[:, None] + task.steps + torch.arange(count, device="cpu")
    return scaled()[years.clamp(max=YEARS - 1)].masked_fill(years >= behind, torch.nan)


def windows_of(task: SunspotsTask, part: Part, every: bool) -> tuple[int, int]:
    """The first window of a part, and how many it has: each begins a year after the one before. `every`: with an
    answer at every step."""
    if task.steps >= LEARNED:
        return 0, YEARS - task.steps if part == "train" else 0
    first, behind = stretch(YEARS, DEFAULT_SPLIT, part)
    read = reaching_back(first, lead(task.steps, 1, every))
    return read, max(0, behind - read - task.steps)


def windows(task: SunspotsTask, model: ModelSpec, starts: Tensor) -> Batch:
    """The windows that begin at these positions (B,) of the series; 0 is the year 1700."""
    T = task.steps
    values = scaled()[starts + torch.arange(T + 1, device="cpu")[:, None]]  # (T + 1, B)
    now, following = values[:-1], values[1:]
    if model.readout.at != "every":
        now, following = now[-1], following[-1]
    return Batch(values[:-1, :, None].contiguous(), targets(model, following, following > now))


def _chosen(task: SunspotsTask, model: ModelSpec, draw: Draw) -> Tensor:
    """Where the windows of a batch begin. Raises DataError where a part has none."""
    T, B = task.steps, task.batch_size
    first, count = windows_of(task, draw.part, model.readout.at == "every")
    if draw.part == "train":
        return first + _starts(count, B, draw.generator("sunspots"))
    if count < 1:
        raise DataError(_nothing_held_back(T, draw.part))
    return first + torch.from_numpy(batch_of(count, B, draw, "sunspots"))


def _starts(count: int, batch_size: int, source: torch.Generator) -> Tensor:
    shuffles = [torch.randperm(count, generator=source, device="cpu") for _ in range(-(-batch_size // count))]
    return torch.cat(shuffles)[:batch_size]


def _nothing_held_back(steps: int, part: Part) -> str:
    if steps >= LEARNED:
        return (
            f"Windows of {steps} steps are drawn from all {YEARS} years of the sunspot series, and none are held back; "
            f"at most {LEARNED - 1} steps are accepted to judge by the {part} part."
        )
    first, behind = stretch(YEARS, DEFAULT_SPLIT, part)
    return (
        f"The {part} part of the sunspot series has {behind - first} years, and {steps} steps with an answer at each "
        f"ask about {steps}; at most {behind - first} steps are accepted to judge by it."
    )
