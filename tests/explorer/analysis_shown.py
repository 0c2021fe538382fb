"""The analysis panel with all its sections, and synthetic results to show in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import likeness
import numpy as np
from analysis_parts import run, subject
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from explorer.analysis.chains import FlowChoice, FlowResult, HistogramChoice, SpectrumChoice, WeightsChoice, chain_of
from explorer.analysis.panel import SECTIONS, AnalysisPanel
from explorer.theme import current as theming

CHOICES = {
    "flow": FlowChoice("l0"),
    "weights": WeightsChoice("l0"),
    "spectrum": SpectrumChoice("l0"),
    "histogram": HistogramChoice("l0", "grads.h", -20, 2),
}


def opened(qtbot: QtBot) -> Iterator[AnalysisPanel]:
    """The panel with all sections open; each module has a fixture of it."""
    theming.apply("dark")
    made = AnalysisPanel()
    qtbot.addWidget(made)
    made.resize(420, 1600)
    made.show()
    made.set_subject(subject())
    made.set_open(SECTIONS)
    yield made
    made.hide()


def result_of(name: str, T: int = 8) -> Any:
    return run(chain_of(subject(T=T), CHOICES[name]), T)


def flow_result(norms: np.ndarray, known: int | None = None) -> FlowResult:
    n = len(norms)
    steps = np.arange(1, n + 1)
    reached = np.tril(np.ones((n, n), bool))
    return FlowResult(n, n, 1, steps, steps, norms, reached, n if known is None else known)


def pixels(image: QImage) -> np.ndarray:
    """(height, width, 3), to be subtracted from each other."""
    return likeness.pixels(image).astype(int)
