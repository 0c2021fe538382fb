"""`gradflow history`: the past of a training as a table, and the flow over it."""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import atomic, task_facts
from explorer.cli.output import checked_output
from explorer.cli.target import Target, UsageError
from explorer.tables.history import figure, history_parts, history_rows


def history(target: Target, output: Path, flow: Path | None) -> int:
    """One row an iteration (explorer.tables.history). `flow`: log₁₀ ‖∂L/∂h_t‖, one
    column a step: "-inf" where it is exactly 0, "inf" where it is infinite, "nan" where it is not a number, and nothing
    at steps that no sample, or no sequence of the iteration, has; of long trainings not of every iteration."""
    if target.session is None:
        raise UsageError(f"'{target.title}' is no saved session; a .gflow file that was trained is needed.")
    found, paths = target.session, [checked_output(path, ".csv") for path in (output, flow) if path is not None]
    if len(paths) == 2 and paths[0].absolute() == paths[1].absolute():
        raise UsageError(f"Both tables would go to '{output}'; another file is needed for --flow.")
    if not len(found.log) and not found.evaluations:
        raise UsageError(
            f"'{target.path}' holds no records of a training; gradflow train '{target.path}' --iterations N makes some."
        )
    experiment = found.experiment
    baseline = task_facts.baseline(experiment.task, experiment.model)
    atomic.write(output, history_parts(found.log, found.evaluations, baseline))
    rows = history_rows(found.log, found.evaluations)
    print(f"Saved in {shlex.quote(str(output))}: {_of_iterations(rows)}.")
    _say_thinned(output, found.log.scalars.stride)
    if flow is not None:
        table = found.log.flow_table()
        last = table.flow.shape[1] or found.experiment.task.steps
        numbered = zip(table.iterations, table.flow, table.bad, table.steps, strict=True)
        lines = (
            (int(i), *_flow(row[:steps].tolist(), bool(bad)), *[""] * (last - steps)) for i, row, bad, steps in numbered
        )
        _write(flow, ("iteration", *map(str, range(1, last + 1))), lines)
        print(f"Saved in {shlex.quote(str(flow))}: {_of_iterations(table.iterations)}, {last:,} steps each.")
        _say_thinned(flow, found.log.flow.stride)
    return 0


def _of_iterations(rows: NDArray[np.int64]) -> str:
    """How many rows, and of what, "10 rows, iterations 0 to 9"."""
    if not len(rows):
        return "no rows"
    if len(rows) == 1:
        return f"1 row, iteration {rows[0]:,}"
    return f"{len(rows):,} rows, iterations {rows[0]:,} to {rows[-1]:,}"


def _say_thinned(path: Path, stride: int) -> None:
    if stride > 1:
        print(f"{path} has one iteration in {stride:,}; this training is too long to keep those of every one.")


def _flow(row: list[float], bad: bool) -> list[Any]:
    """`bad`: whether its NaNs are numbers that are none, instead of steps that no sample has."""
    return ["" if math.isnan(value) and not bad else figure(value) for value in row]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Raises SessionError where it cannot be written."""
    with atomic.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
