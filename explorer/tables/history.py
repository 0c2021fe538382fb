"""The past of a training as a table, for the command line and for the window: one row an iteration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.history import Evaluation, Log
from engine.task_facts import METRIC_NAMES
from explorer.tables.lines import csv_lines

_ROWS_A_PART = 512


def history_parts(log: Log, evaluations: Sequence[Evaluation], baseline: float | None) -> Iterator[bytes]:
    """One row an iteration: its loss, norms and learning rate, all before its update, and beside them what the
    validation part said after so many iterations; of what was not recorded, nothing. `baseline`: the loss of answers
    that have learned nothing, where there is a formula for it; else each evaluation's own stands beside it. A few rows
    at a time: long tables are written between other things."""
    columns = log.columns()
    recorded = columns.pop("iteration", np.zeros(0, np.int64))
    judged = {evaluation.iteration: evaluation for evaluation in evaluations}
    known = baseline is not None or any(evaluation.baseline is not None for evaluation in evaluations)
    header = ["iteration", *columns]
    if judged:
        header += ["validation loss", f"validation {METRIC_NAMES[evaluations[0].metric]}"]
    yield csv_lines([[*header, "baseline"] if known else header])
    iterations = np.union1d(recorded, np.array(sorted(judged), np.int64))
    for start in range(0, len(iterations), _ROWS_A_PART):
        part = iterations[start : start + _ROWS_A_PART]
        low, high = np.searchsorted(recorded, (part[0], part[-1] + 1))
        found = dict(
            zip(
                recorded[low:high].tolist(),
                zip(*(column[low:high].tolist() for column in columns.values()), strict=True),
                strict=True,
            )
        )
        rows = []
        for iteration in part.tolist():
            row = [iteration, *map(figure, found.get(iteration, [""] * len(columns)))]
            evaluation = judged.get(iteration)
            if judged:
                row += ["", ""] if evaluation is None else [figure(evaluation.loss), figure(evaluation.value)]
            if known:
                own = None if evaluation is None else evaluation.baseline
                row.append(next((figure(value) for value in (own, baseline) if value is not None), ""))
            rows.append(row)
        yield csv_lines(rows)


def parts_of_history(log: Log, evaluations: Sequence[Evaluation]) -> int:
    """How many of them there are."""
    return 1 + -(-len(history_rows(log, evaluations)) // _ROWS_A_PART)


def history_rows(log: Log, evaluations: Sequence[Evaluation]) -> NDArray[np.int64]:
    """The iterations that have a row, rising."""
    judged = np.array([evaluation.iteration for evaluation in evaluations], np.int64)
    rows: NDArray[np.int64] = np.union1d(log.iterations, judged)
    return rows


def figure(value: Any) -> Any:
    """Read again it is the same number, to the bit; of one that is not finite "inf", "-inf" or "nan"."""
    return repr(value) if isinstance(value, float) and math.isfinite(value) else value
