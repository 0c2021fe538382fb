"""The analysis panel shows what was computed: classes told apart, exact values in words, everything by keys as well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from analysis_parts import block_part, flow_part, run, slope_part, subject
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QFont, QGuiApplication, QImage, QPainter, QRegion
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.analysis_requests import FEW, AskBlock, AskFlow
from explorer.analysis import flow_sums, words
from explorer.analysis.chains import (
    FlowChoice,
    FlowResult,
    HistogramChoice,
    HistogramResult,
    SpectrumChoice,
    SpectrumResult,
    WeightsChoice,
    chain_of,
)
from explorer.analysis.desk import Standing
from explorer.analysis.panel import SECTIONS, AnalysisPanel
from explorer.stage import marked
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName

CHOICES = {
    "flow": FlowChoice("l0"),
    "weights": WeightsChoice("l0"),
    "spectrum": SpectrumChoice("l0"),
    "histogram": HistogramChoice("l0", "grads.h", -20, 2),
}


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AnalysisPanel]:
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
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    flat = np.frombuffer(image.constBits(), np.uint8)
    return flat.reshape(image.height(), image.bytesPerLine() // 4, 4)[:, : image.width(), :3].astype(int)


def patch(panel: AnalysisPanel, row: int, column: int) -> np.ndarray:
    """The pixels of one cell of the flow matrix."""
    box = panel.flow._box_of(row, column).toRect()
    found = pixels(panel.flow.grab().toImage())
    return found[box.top() : box.bottom() + 1, box.left() : box.right() + 1]


SPECIALS = {0: 0.0, 1: 1e-30, 2: 1e30, 3: math.inf, 4: math.nan, 5: 1e-10, 6: 1.0}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_class_of_the_flow_matrix_is_told_apart_in_grey_too(panel: AnalysisPanel, theme: ThemeName) -> None:
    theming.apply(theme)
    norms = np.full((8, 8), 1e-4)
    for column, value in SPECIALS.items():
        norms[6, column] = value
    panel.show_result("flow", flow_result(norms, known=7))
    patches = [patch(panel, 6, column) for column in SPECIALS]
    patches += [patch(panel, 2, 5), patch(panel, 7, 3)]  # cannot be reached; not computed yet
    small = min(p.shape[0] for p in patches), min(p.shape[1] for p in patches)
    assert min(small) >= 18
    grey = [p[: small[0], : small[1]].mean(axis=2) for p in patches]
    for a in range(len(grey)):
        for b in range(a):
            differ = np.abs(grey[a] - grey[b]) > 12
            assert differ.mean() > 0.03, (a, b)


def test_cells_of_a_pixel_still_tell_a_stretch_of_zeros_from_what_cannot_be_reached(panel: AnalysisPanel) -> None:
    norms = np.full((250, 250), 1e-4)
    norms[150:, :100] = 0.0
    panel.show_result("flow", flow_result(norms))
    image, box = pixels(panel.flow.grab().toImage()), panel.flow.picture_box()
    side = box.width()

    def part(row: float, column: float) -> np.ndarray:
        top, left = box.top() + int(row * side), box.left() + int(column * side)
        return image[top : top + 24, left : left + 24].mean(axis=2)

    zeros, unreached, numbers = part(0.8, 0.05), part(0.1, 0.7), part(0.85, 0.6)
    assert numbers.std() < 1e-9
    assert zeros.std() > 1
    assert unreached.std() > 1
    assert abs(zeros.mean() - unreached.mean()) > 12


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


def test_what_cannot_be_reached_is_masked_and_has_no_number(panel: AnalysisPanel) -> None:
    panel.show_result("flow", result_of("flow"))
    panel.flow.go((2, 5))
    assert "cannot reach" in panel.sections["flow"].readout.text()
    panel.flow.go((5, 2))
    assert panel.sections["flow"].readout.text() == "‖∂L/∂h‖ from the loss at t = 6 to k = 3: 0.125 · 3 steps back"
    assert panel.flow.accessibleDescription() == panel.sections["flow"].readout.text()


def test_what_the_tape_has_not_come_back_to_is_a_blank_and_the_whole_matrix_is_asked_for(panel: AnalysisPanel) -> None:
    """Columns k < b are not drawn and not told; those from b on look as in the whole picture."""
    panel.show_result("flow", result_of("flow"))
    flow = panel.flow

    def picture() -> np.ndarray:
        box = flow.picture_box()
        return pixels(flow.grab().toImage())[box.top() : box.bottom() + 1, box.left() : box.right() + 1]

    whole = picture()
    edges = [round(flow._box_of(0, k).left()) - flow.picture_box().left() for k in range(8)] + [whole.shape[1]]
    blank = None
    for back_to in (9, 6, 3):
        panel.set_reached(back_to)
        flow.go(None)
        seen = picture()
        cut = edges[back_to - 1]
        assert (seen[:, cut:] == whole[:, cut:]).all()
        blank = seen if blank is None else blank
        if back_to < 9:
            assert (seen[:, :cut] == blank[:, :cut]).mean() > 0.9  # but for the words in the middle of the blank
            assert (seen[:, :cut] != whole[:, :cut]).any(axis=2).mean() > 0.3
        flow.go((7, 1))
        assert panel.sections["flow"].readout.text() == "t = 8, k = 2: not reached yet"
    flow.go(None)
    panel.whole.setChecked(True)
    assert (picture() == whole).all()
    panel.whole.setChecked(False)
    panel.set_reached(1)
    assert (picture() == whole).all()


@pytest.mark.parametrize(("kind", "single"), [("columns", False), ("lag", False), ("lag", True)])
def test_as_the_tape_plays_what_is_painted_anew_leaves_the_picture_of_a_whole_painting(
    panel: AnalysisPanel, monkeypatch: pytest.MonkeyPatch, kind: str, single: bool
) -> None:
    result = result_of("flow")
    if single:
        result = replace(
            result, norms=result.norms[-1:], reached=result.reached[-1:], loss_steps=result.loss_steps[-1:], known=1
        )
    panel.show_result("flow", result)
    flow = panel.flow
    flow.set_curve(kind)  # type: ignore[arg-type]
    panel.set_reached(9)
    QApplication.processEvents()
    kept = flow.grab()
    asked: list[QRect] = []
    monkeypatch.setattr(flow, "update", lambda *rects: asked.append(rects[0] if rects else flow.rect()))
    for back_to in (7, 6, 4, 2, 3, 6, 1):
        panel.set_reached(back_to)
        assert asked
        for rect in asked:
            flow.render(kept, rect.topLeft(), QRegion(rect))
        asked.clear()
        assert (pixels(kept.toImage()) == pixels(flow.grab().toImage())).all(), back_to


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_whether_the_whole_matrix_is_on_can_be_seen_and_moves_nothing(panel: AnalysisPanel, theme: ThemeName) -> None:
    theming.apply(theme)
    QApplication.processEvents()
    off, place = pixels(panel.whole.grab().toImage()), panel.whole.geometry()
    panel.whole.setChecked(True)
    QApplication.processEvents()
    on = pixels(panel.whole.grab().toImage())
    assert panel.whole.geometry() == place
    assert (np.abs(on.astype(int) - off.astype(int)).max(axis=2) > 60).mean() > 0.05


def test_a_reverse_layer_is_known_from_the_first_step_on(panel: AnalysisPanel) -> None:
    panel.show_result("flow", result_of("flow"))
    panel.flow.set_reverse(True)
    panel.set_reached(6)  # the last three moments of the way back: steps 1, 2, 3 of a layer that runs from T to 1
    assert panel.flow._known_columns() == (0, 3)
    panel.flow.set_reverse(False)
    assert panel.flow._known_columns() == (5, 8)


def test_a_curve_shows_what_rests_on_known_steps_alone(panel: AnalysisPanel) -> None:
    """Every row sum and every lag of a full matrix needs step 1; a column sum needs its own step."""
    result = result_of("flow")
    panel.show_result("flow", result)
    panel.set_reached(6)
    for kind, known in (("columns", [6, 7, 8]), ("rows", []), ("lag", [])):
        panel.flow.set_curve(kind)  # type: ignore[arg-type]
        curve = panel.flow.curve
        assert curve is not None
        assert curve.at[panel.flow.known_of(curve)].tolist() == known
    one = flow_result(np.full((1, 8), 0.5))
    one = replace(one, loss_steps=np.array([8]), reached=np.ones((1, 8), bool), total_steps=8, steps=np.arange(1, 9))
    panel.show_result("flow", one)
    panel.flow.set_curve("lag")
    curve = panel.flow.curve
    assert curve is not None
    assert curve.at[panel.flow.known_of(curve)].tolist() == [0, 1, 2]


def test_the_half_life_is_not_given_away(panel: AnalysisPanel) -> None:
    panel.set_reached(5)
    panel.show_result("weights", result_of("weights"))
    said = panel.sections["weights"].words
    assert "half-life is measured when" in said.text()
    panel.set_reached(1)
    assert "measured when" not in said.text()
    panel.set_reached(5)
    panel.whole.setChecked(True)
    assert "measured when" not in said.text()


def test_a_click_picks_the_pair_under_the_pointer(qtbot: QtBot, panel: AnalysisPanel) -> None:
    panel.show_result("flow", result_of("flow"))
    at = panel.flow._box_of(6, 1).center().toPoint()
    with qtbot.waitSignal(panel.pairPicked) as picked:
        qtbot.mouseClick(panel.flow, Qt.MouseButton.LeftButton, pos=at)
    assert picked.args == [7, 2]


def test_arrow_keys_and_enter_pick_a_pair_too(qtbot: QtBot, panel: AnalysisPanel) -> None:
    panel.show_result("flow", result_of("flow"))
    panel.flow.setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Left):
        qtbot.keyClick(panel.flow, key)  # from the last loss and the last step
    assert panel.flow.place == (7 - 1, 7 - 3)
    with qtbot.waitSignal(panel.pairPicked) as picked:
        qtbot.keyClick(panel.flow, Qt.Key.Key_Return)
    assert picked.args == [7, 5]


def test_sums_and_means_by_lag_are_those_of_a_geometric_series() -> None:
    result = run(chain_of(subject(), CHOICES["flow"]))  # N[t, k] = 2^−(t − k), T = 8
    lag = flow_sums.curve(result, "lag")
    np.testing.assert_allclose(lag.values, 0.5 ** np.arange(8))
    assert lag.counts.tolist() == list(range(8, 0, -1))
    rows = flow_sums.curve(result, "rows")
    np.testing.assert_allclose(rows.values, (1 - 0.5 ** np.arange(1, 9)) / (1 - 0.5))
    columns = flow_sums.curve(result, "columns")
    np.testing.assert_allclose(columns.values, rows.values[::-1])
    assert lag.words(3).startswith("3 steps back: mean over 5 pairs")


def test_a_sum_with_nan_or_inf_in_it_is_nan_or_inf_and_of_large_numbers_the_mean_is_finite() -> None:
    norms = np.full((3, 3), 1e308)
    assert np.isfinite(flow_sums.curve(flow_result(norms), "lag").values).all()
    norms[2, 0], norms[1, 1] = math.nan, math.inf
    rows = flow_sums.curve(flow_result(norms), "rows").values
    assert rows[0] == 1e308
    assert math.isinf(rows[1])
    assert math.isnan(rows[2])


def test_a_thinned_matrix_says_so() -> None:
    part = flow_part(AskFlow(subject().source, most=256, count=256), T=2000)
    result = FlowResult(2000, 250, 8, part.loss_steps, part.steps, part.norms, part.reached, 250)
    assert flow_sums.extent_words(result) == "Every 8th of 2,000 steps; sums and means are over those 250."
    last = replace(result, every=1, steps=np.arange(1745, 2001))
    assert flow_sums.extent_words(last) == "Steps 1,745 to 2,000 of 2,000; sums and means are over those."


def test_a_single_loss_is_a_strip_with_its_curve_below(panel: AnalysisPanel) -> None:
    part = flow_part(AskFlow(subject().source), losses=1)
    panel.show_result("flow", FlowResult(8, 1, 1, part.loss_steps, part.steps, part.norms, part.reached, 1))
    assert panel.flow.picture_box().height() < 30
    assert panel.flow.curve_box().top() > panel.flow.picture_box().bottom()
    assert "One loss" in panel.sections["flow"].readout.text()


def test_eigenvalues_say_which_are_outside_and_can_be_walked_through(qtbot: QtBot, panel: AnalysisPanel) -> None:
    panel.show_result("weights", result_of("weights"))
    assert "ρ = 2.00, 1 of 4 outside the unit circle" in panel.weights_words.text()
    assert "σ_max = 2.50" in panel.weights_words.text()
    assert panel.eigen.extent >= 2.0
    panel.eigen.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(panel.eigen, Qt.Key.Key_Right)
    assert panel.sections["weights"].readout.text() == "λ = 2 · |λ| = 2.000 · 1 of 4"
    qtbot.keyClick(panel.eigen, Qt.Key.Key_Right)
    assert "λ = 0 + 1 i" in panel.sections["weights"].readout.text()


def test_each_gate_has_a_block_to_choose(qtbot: QtBot, panel: AnalysisPanel) -> None:
    names = ("i", "f", "g", "o")
    parts = tuple(
        replace(block_part(AskBlock(subject().source, block=n), names), spectral_radius=float(n + 1)) for n in range(4)
    )
    result = replace(result_of("weights"), blocks=names, parts=parts)
    panel.show_result("weights", result)
    assert panel.block.count() == 4
    panel.block.setFocus()
    qtbot.keyClick(panel.block, Qt.Key.Key_Down)
    assert "ρ = 2.00" in panel.weights_words.text()


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (slope_part(-math.log10(2) / 10), "half-life of the gradient 10 steps back"),
        (slope_part(math.log10(2) / 4), "the gradient doubles every 4.0 steps back"),
        (slope_part(-1.0), "multiplied by 0.10 at each step back"),
        (slope_part(-0.01, residual=0.5), "No half-life: the gradient does not follow a straight line"),
        (slope_part(math.nan, math.nan, used=1, reached=8), "No half-life: of 8 norms 1 are finite and not 0."),
        (slope_part(-0.1, used=6, reached=8), "over the 6 of 8 norms that are finite and not 0"),
    ],
)
def test_a_half_life_is_said_only_where_a_line_was_measured(slope: Any, said: str) -> None:
    assert said in words.half_life(slope)


def test_singular_values_say_what_is_dead_and_how_fast_the_rest_goes(panel: AnalysisPanel) -> None:
    result = result_of("spectrum")
    assert isinstance(result, SpectrumResult)
    assert result.steps.tolist() == list(range(1, 9))
    np.testing.assert_allclose(result.product[:, 0], -np.arange(8.0, 0.0, -1.0))
    panel.show_result("spectrum", result)
    said = panel.sections["spectrum"].words.text()
    assert "1 of 5 directions of the product are dead (−∞)" in said
    assert "λ₁ = −2.30 nats a step" in said
    assert "1 of 5 −∞ (dead)" in said
    assert "Pascanu's bound: The bound says so." in said
    panel.spectrum.go((1, 0))
    assert "largest −8.0000, smallest −∞" in panel.sections["spectrum"].readout.text()


def test_dead_directions_stand_in_their_own_strip(panel: AnalysisPanel) -> None:
    result = result_of("spectrum")
    panel.show_result("spectrum", result)
    box = panel.spectrum.box(0)
    row = box.bottom() - 3
    dead = pixels(panel.spectrum.grab().toImage())[row, box.left() + 5 : box.right() - 5]
    alive = replace(result, step=np.full((8, FEW + 1), -1.0), step_dead=np.zeros(8, np.int64))
    panel.show_result("spectrum", alive)
    plain = pixels(panel.spectrum.grab().toImage())[row, box.left() + 5 : box.right() - 5]
    assert (np.abs(dead - plain).max(axis=1) > 60).all()


def test_a_scale_of_singular_values_grows_but_never_shrinks_by_itself(panel: AnalysisPanel) -> None:
    result = result_of("spectrum")
    panel.show_result("spectrum", result)
    wide = list(panel.spectrum._spans)
    panel.show_result("spectrum", replace(result, product=result.product / 10))
    assert panel.spectrum._spans == wide
    panel.show_result("spectrum", replace(result, product=result.product * 10))
    assert panel.spectrum._spans[1][0] < wide[1][0]


def test_a_histograms_parts_add_up_and_each_class_has_its_bar(qtbot: QtBot, panel: AnalysisPanel) -> None:
    result = result_of("histogram")
    assert isinstance(result, HistogramResult)
    assert result.counts.total == 2 * (60 + 10 + 5 + 4 + 3 + 18)
    panel.show_result("histogram", result)
    for code, said in enumerate(("exactly 0: 20", "below the range: 10", "above the range: 8", "infinite: 6")):
        assert panel.histogram.words_at(len(result.counts.bins) + code).startswith(said)
    assert panel.histogram.words_at(10) == "1e-15 … 3.16e-15: 120 of 200 numbers (60 %)"
    panel.histogram.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(panel.histogram, Qt.Key.Key_Right)
    assert panel.histogram.place == 10  # begins at the highest
    for _ in range(60):
        qtbot.keyClick(panel.histogram, Qt.Key.Key_Right)
    assert panel.sections["histogram"].readout.text().startswith("not a number: 36 of 200")


def test_a_class_that_outnumbers_the_scale_does_not_flatten_it(panel: AnalysisPanel) -> None:
    result = result_of("histogram")
    many = replace(result.counts, nan=100_000)
    bins = many.bins.copy()
    bins[10] = 2000
    panel.show_result("histogram", replace(result, counts=replace(many, bins=bins)))
    assert panel.histogram.top() == 0.05


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
