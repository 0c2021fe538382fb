"""Of a long trace nothing is cut in the analysis panel, however narrow it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from analysis_parts import subject
from analysis_shown import opened
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QPainter
from pytestqt.qtbot import QtBot

from explorer.analysis.chains import FlowResult
from explorer.analysis.panel import AnalysisPanel
from explorer.stage import marked


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AnalysisPanel]:
    yield from opened(qtbot)


@pytest.mark.parametrize("width", [332, 400, 480])
def test_of_a_long_trace_with_one_loss_nothing_is_cut(
    panel: AnalysisPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    T = 10_000
    panel.resize(width, 1600)
    panel.set_subject(subject(T=T))
    steps = np.arange(40, T + 1, 40)
    last = steps[-1:]
    norms, reached = np.full((1, len(steps)), 1e-4), np.ones((1, len(steps)), bool)
    panel.show_result("flow", FlowResult(T, 1, 40, last, steps, norms, reached, 1))
    qtbot.wait(1)
    inside = panel.area.widget()
    assert inside.width() == panel.area.viewport().width(), "buttons and choices have room"
    for choice in (panel.which, panel.curve):
        assert choice.width() >= choice.whole_width()
    draw, said = marked.draw, []

    def drawn(painter: QPainter, box: QRectF, text: str, font: QFont, *align: Qt.AlignmentFlag) -> float:
        assert marked.width(text, font) <= box.width() + 0.5, f"'{text}' is cut"
        said.append(text)
        return draw(painter, box, text, font, *align)

    monkeypatch.setattr(marked, "draw", drawn)
    panel.flow.grab()
    assert "t = 10,000" in said
    assert panel.flow.picture_box().left() == panel.flow.curve_box().left(), "one below the other"
