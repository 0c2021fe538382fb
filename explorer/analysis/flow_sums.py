"""What is drawn beside the flow matrix: its row sums, column sums, and means by lag; and its numbers in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from engine.analysis_requests import Floats, Integers
from explorer.analysis.chains import FlowResult
from explorer.widgets.numbers import exact

CurveKind: TypeAlias = Literal["lag", "rows", "columns"]
CURVES: dict[CurveKind, str] = {"lag": "by lag t − k", "rows": "row sums", "columns": "column sums"}


@dataclass(frozen=True, eq=False)
class Curve:
    kind: CurveKind
    at: Integers
    """Lag t − k, loss step t, or source step k; ascending."""
    values: Floats
    counts: Integers
    """Over so many pairs."""

    def words(self, place: int) -> str:
        x, value, n = int(self.at[place]), exact(float(self.values[place])), int(self.counts[place])
        pairs = f"{n:,} pair{'s' if n != 1 else ''}"
        if self.kind == "lag":
            return f"{lag_words(x)}: mean over {pairs} {value}"
        if self.kind == "rows":
            return f"The loss at t = {x:,} to all steps k: sum over {pairs} {value}"
        return f"All losses to step k = {x:,}: sum over {pairs} {value}"


def curve(result: FlowResult, kind: CurveKind) -> Curve:
    """Over the pairs that are known and can be reached: the others have no number."""
    norms, reached = result.norms[: result.known], result.reached[: result.known]
    losses = result.loss_steps[: result.known]
    if kind == "lag":
        lags = losses[:, None] - result.steps[None, :]
        at = np.unique(lags[reached])
        place = np.searchsorted(at, lags[reached])
        counts = np.bincount(place, minlength=len(at)).astype(np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            # Divided before it is summed, so that the mean of large numbers is not infinite.
            values = np.bincount(place, norms[reached] / counts[place], minlength=len(at)).astype(np.float64)
        return Curve(kind, at, values, counts)
    axis = 1 if kind == "rows" else 0
    counts = reached.sum(axis=axis)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.where(reached, norms, 0.0).sum(axis=axis)
    at, some = (losses if kind == "rows" else result.steps), counts > 0
    return Curve(kind, at[some], sums[some], counts[some])


def lag_words(lag: int) -> str:
    size = f"{abs(lag):,} step{'s' if abs(lag) != 1 else ''}"
    return "The same step" if lag == 0 else f"{size} {'back' if lag > 0 else 'ahead'}"


def pair_words(result: FlowResult, row: int, column: int) -> str:
    """One cell, exactly, in words."""
    t, k = int(result.loss_steps[row]), int(result.steps[column])
    if row >= result.known:
        return f"t = {t:,}, k = {k:,}: not computed yet"
    if not result.reached[row, column]:
        return f"The loss at t = {t:,} cannot reach h at k = {k:,}: there is no number."
    name = f"‖∂L/∂h‖ at k = {k:,}" if result.total_losses == 1 else f"‖∂L/∂h‖ from the loss at t = {t:,} to k = {k:,}"
    return f"{name}: {exact(float(result.norms[row, column]))} · {lag_words(t - k).lower()}"


def extent_words(result: FlowResult) -> str:
    """What of the trace is shown, where it is not all of it."""
    shown, T = len(result.steps), result.total_steps
    if shown == T:
        return ""
    if result.every > 1:
        return f"Every {ordinal(result.every)} of {T:,} steps; sums and means are over those {shown:,}."
    return f"Steps {int(result.steps[0]):,} to {T:,} of {T:,}; sums and means are over those."


def ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
