"""The numbers of a section as a table: what stands on screen, exactly, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.analysis_requests import FEW
from explorer.analysis import words
from explorer.analysis.chains import FlowResult, HistogramResult, Result, SpectrumResult, WeightsResult
from explorer.widgets.numbers import exact


@dataclass(frozen=True, eq=False)
class Table:
    """Cells are made when they are looked at: a flow matrix has 65,000."""

    columns: tuple[str, ...]
    rows: int
    cell: Callable[[int, int], str]

    def csv(self) -> str:
        out = io.StringIO()
        write = csv.writer(out, lineterminator="\n")
        write.writerow(self.columns)
        write.writerows([self.cell(row, column) for column in range(len(self.columns))] for row in range(self.rows))
        return out.getvalue()


def table_of(result: Result, block: int = 0) -> Table:
    """`block`: which of the blocks of W_hh."""
    if isinstance(result, FlowResult):
        return _flow(result)
    if isinstance(result, WeightsResult):
        return _weights(result, block)
    if isinstance(result, SpectrumResult):
        return _spectrum(result)
    return _histogram(result)


def _flow(r: FlowResult) -> Table:
    def cell(row: int, column: int) -> str:
        if column == 0:
            return str(int(r.loss_steps[row]))
        return exact(float(r.norms[row, column - 1])) if r.reached[row, column - 1] else ""

    return Table(("loss t", *(f"k = {int(k)}" for k in r.steps)), r.known, cell)


def _weights(r: WeightsResult, block: int) -> Table:
    part = r.parts[min(block, len(r.parts) - 1)]
    values = part.eigenvalues
    kinds: tuple[Callable[[complex], float], ...] = (lambda v: v.real, lambda v: v.imag, abs)

    def cell(row: int, column: int) -> str:
        return str(row + 1) if column == 0 else exact(float(kinds[column - 1](complex(values[row]))))

    return Table(("number", "Re λ", "Im λ", "|λ|"), len(values), cell)


def _spectrum(r: SpectrumResult) -> Table:
    few = min(FEW, r.size)
    names = [f"log10 σ{n + 1}" for n in range(few)] + ["log10 σ smallest", "dead"]
    columns = ("step t", *(f"{name} of J_t" for name in names), *(f"{name} of the product" for name in names))

    def cell(row: int, column: int) -> str:
        if column == 0:
            return str(int(r.steps[row]))
        which, place = divmod(column - 1, few + 2)
        if place == few + 1:
            return str(int((r.product_dead if which else r.step_dead)[row]))
        return exact(float((r.product if which else r.step)[row, FEW if place == few else place]))

    return Table(columns, len(r.steps), cell)


def _histogram(r: HistogramResult) -> Table:
    bins, classes = r.counts.bins, words.class_counts(r)

    def cell(row: int, column: int) -> str:
        if row < len(bins):
            low = r.choice.low + row / r.per_decade
            return (words.edge(low), words.edge(low + 1 / r.per_decade), str(int(bins[row])))[column]
        name = words.CLASSES[row - len(bins)]
        return (name, "", str(classes[row - len(bins)]))[column]

    return Table(("from", "to", "count"), len(bins) + len(classes), cell)


def is_number(text: str) -> bool:
    """Numbers stand at the right of their column."""
    try:
        float(np.float64(text))
    except ValueError:
        return False
    return True
