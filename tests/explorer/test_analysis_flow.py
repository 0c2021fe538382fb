"""The flow matrix: classes told apart, what the tape has reached, its curve, and a pair picked by pointer or keys."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from analysis_parts import flow_part, run, subject
from analysis_shown import CHOICES, flow_result, opened, pixels, result_of
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QRegion
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.analysis_requests import AskFlow
from explorer.analysis import flow_sums
from explorer.analysis.chains import FlowResult, chain_of
from explorer.analysis.panel import AnalysisPanel
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AnalysisPanel]:
    yield from opened(qtbot)


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
