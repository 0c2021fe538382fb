"""The analysis panel: every section has a table, a header and a state, and everything is there by keys as well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from analysis_parts import block_part, subject
from analysis_shown import flow_result, opened, result_of
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.analysis_requests import FEW, AskBlock
from explorer.analysis.chains import FlowResult
from explorer.analysis.desk import Standing
from explorer.analysis.panel import SECTIONS, AnalysisPanel
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AnalysisPanel]:
    yield from opened(qtbot)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_a_table_that_reads_back_exactly(name: str, panel: AnalysisPanel) -> None:
    result = result_of(name)
    panel.show_result(name, result)
    section = panel.sections[name]
    section.copy_button.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    section.table_button.click()
    assert section.table is not None
    assert section.table.isVisible()
    assert not section.plot.isVisible()
    assert len(lines) == section.table.table.rows + 1
    if isinstance(result, FlowResult):
        read = [float(cell) if cell else math.nan for cell in lines[3].split(",")[1:]]
        np.testing.assert_array_equal(read, np.where(result.reached[2], result.norms[2], math.nan))
    section.table.selectRow(0)
    assert section.table.as_csv().splitlines() == lines[:2]
    section.table_button.click()
    assert section.plot.isVisible()


def test_a_long_number_in_a_table_keeps_its_exponent(panel: AnalysisPanel) -> None:
    norms = np.full((2, 2), 1.2345678901234567e-17)
    panel.show_result("flow", flow_result(norms))
    section = panel.sections["flow"]
    section.table_button.click()
    assert section.table is not None
    model = section.table.model()
    assert model.index(0, 1).data() == "1.234568e-17"
    assert model.index(0, 1).data(Qt.ItemDataRole.ToolTipRole) == "1.2345678901234567e-17"


def test_headers_open_and_close_by_keys_and_what_is_closed_is_not_asked(qtbot: QtBot, panel: AnalysisPanel) -> None:
    asked: list[dict[str, Any]] = []
    panel.questionsChanged.connect(asked.append)
    header = panel.sections["flow"].header
    header.setFocus()
    qtbot.keyClick(header, Qt.Key.Key_Left)
    assert not panel.sections["flow"].body.isVisible()
    assert set(asked[-1]) == {"weights", "spectrum", "histogram"}
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space, Qt.Key.Key_Right):
        qtbot.keyClick(header, key)
    assert set(asked[-1]) == set(SECTIONS)
    panel.hide()
    assert asked[-1] == {}


def test_computing_has_progress_and_a_cancel_button_and_then_goes_on(qtbot: QtBot, panel: AnalysisPanel) -> None:
    section = panel.sections["spectrum"]
    panel.show_standing("spectrum", Standing("computing", 0.43))
    assert section.header.state == "computing… 43 %"
    with qtbot.waitSignal(panel.cancelRequested) as cancelled:
        qtbot.mouseClick(section.button, Qt.MouseButton.LeftButton)
    assert cancelled.args == ["spectrum"]
    panel.show_standing("spectrum", Standing("stopped", 0.43))
    assert section.button.text() == "Go on"
    with qtbot.waitSignal(panel.againRequested) as again:
        qtbot.keyClick(section.button, Qt.Key.Key_Space)
    assert again.args == ["spectrum"]
    panel.show_standing("spectrum", Standing("there"))
    assert not section.button.isVisible()
    assert section.header.state == ""


def test_numbers_of_the_trace_before_say_so(panel: AnalysisPanel) -> None:
    panel.show_standing("flow", Standing("waiting", stale=True))
    assert panel.sections["flow"].header.state == "being renewed…"
    panel.show_standing("flow", Standing("computing", 0.5, stale=True))
    assert panel.sections["flow"].header.state == "renewing… 50 %"
    panel.show_standing("flow", Standing("stopped", 0.5, stale=True))
    assert panel.sections["flow"].header.state == "stopped at 50 %, of the trace before"
    panel.show_standing("flow", Standing("heavy", None, "It takes minutes.", stale=True))
    assert panel.sections["flow"].header.state == "takes minutes, of the trace before"


def test_everything_can_be_reached_by_tab_and_has_a_name(panel: AnalysisPanel) -> None:
    for name in SECTIONS:
        panel.show_result(name, result_of(name))
    start = panel.sections["flow"].header
    start.setFocus()
    reached = []
    for _ in range(60):
        panel.focusNextPrevChild(True)
        widget = QApplication.focusWidget()
        if widget is None or widget is start:
            break
        reached.append(widget)
    assert all(widget.accessibleName() for widget in reached)
    for section in panel.sections.values():
        for one in (section.plot, section.table_button, section.copy_button):
            assert one in reached
    assert panel.curve in reached


@pytest.mark.parametrize("width", [300, 420])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_panel_paints_at_every_width_empty_and_full(panel: AnalysisPanel, theme: ThemeName, width: int) -> None:
    theming.apply(theme)
    panel.resize(width, 1700)
    panel.grab()
    for name in SECTIONS:
        panel.show_result(name, result_of(name))
    QApplication.processEvents()
    panel.grab()
    area = panel.area.viewport().width()
    for section in panel.sections.values():
        for one in (section.plot, section.table_button, section.copy_button, section.readout):
            assert one.mapTo(panel.area.viewport(), QPoint(one.width(), 0)).x() <= area


def test_nothing_finite_is_no_crash(panel: AnalysisPanel) -> None:
    spectrum = result_of("spectrum")
    nothing = np.full((8, FEW + 1), math.nan)
    panel.show_result("spectrum", replace(spectrum, step=nothing, product=nothing))
    panel.show_result("spectrum", replace(spectrum, step=np.full_like(nothing, -math.inf)))
    block = replace(
        block_part(AskBlock(subject().source)),
        eigenvalues=np.full(4, complex(math.nan, math.nan)),
        spectral_radius=math.nan,
        sigma_max=math.nan,
    )
    panel.show_result("weights", replace(result_of("weights"), parts=(block,)))
    panel.show_result("flow", flow_result(np.full((8, 8), math.nan)))
    panel.grab()
    assert "no eigenvalues" in panel.weights_words.text()
    for name in SECTIONS:
        panel.show_result(name, None)
    panel.grab()
