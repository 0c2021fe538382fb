"""What the eigenvalues, the singular values and the histogram say of themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from analysis_parts import block_part, slope_part, subject
from analysis_shown import opened, pixels, result_of
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.analysis_requests import FEW, AskBlock
from explorer.analysis import words
from explorer.analysis.chains import HistogramResult, SpectrumResult
from explorer.analysis.panel import AnalysisPanel


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AnalysisPanel]:
    yield from opened(qtbot)


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
