"""What is said of a series beside the last value repeated, and of how much of it there is to look at."""

from __future__ import annotations

import pytest
from judgements import judged
from PySide6.QtWidgets import QApplication

from explorer.evaluation.controls import EvaluationControls
from explorer.evaluation.words import against_both


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (0.25, "Its loss is 12.5 % of the baseline, 50.0 % of repeating the last value (0.5000)."),
        (0.5, "No better than repeating the last value."),
        (1.5, "Worse than repeating the last value: 3.00 times that loss."),
    ],
)
def test_a_forecast_that_the_last_value_beats_is_not_praised_alone(loss: float, said: str) -> None:
    assert against_both(judged("value", loss=loss, baseline=2.0, persistence=0.5)).endswith(said)


def test_what_is_no_series_is_not_held_against_it() -> None:
    assert "last value" not in against_both(judged("value", loss=0.5, baseline=2.0))


def test_the_chooser_says_that_it_has_the_first_ones_alone(qapp: QApplication) -> None:
    controls = EvaluationControls()
    controls.set_sequence(0, 16, 62)
    assert controls.sequence.field.text() == "sequence 1 of the first 16"
    assert "62 sequences were evaluated" in controls.sequence.toolTip()
    controls.set_sequence(0, 16, 16)
    assert controls.sequence.field.text() == "sequence 1 of 16"
    controls.deleteLater()
