"""Scales say what they do: places on the signed logarithm, slopes of what can be measured, words that have room."""

from __future__ import annotations

import math

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QImage, QPainter
from pytestqt.qtbot import QtBot

from explorer.stage import classes, margins, marked, scales
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import words
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.slope import Slopes
from explorer.theme import current as theming


def _steps_of(*sizes: float) -> np.ndarray:
    """One step per size: three units, the largest as large as it says."""
    return np.array([[size, -size / 3, 0.0] for size in sizes])


def test_steps_within_four_decades_get_a_linear_scale_and_more_a_logarithm() -> None:
    assert scales.signed_log(_steps_of(1.0, 9.0e3)) is None
    scale = scales.signed_log(_steps_of(0.5, 30.0, 8e27))
    assert scale == scales.Scale("signed", -1e28, 1e28, 0.1)


def test_a_number_near_zero_beside_larger_ones_does_not_make_a_scale_logarithmic() -> None:
    assert scales.signed_log(np.array([[1.0, 1e-30], [0.5, -1e-12]])) is None


def test_numbers_that_are_not_finite_choose_no_scale() -> None:
    assert scales.signed_log(np.full((4, 2), np.inf)) is None
    assert scales.signed_log(np.full((4, 2), np.nan)) is None
    assert scales.signed_log(np.zeros((4, 2))) is None


def test_a_signed_logarithm_is_linear_in_its_zone_even_beyond_and_mirrored() -> None:
    scale = scales.Scale("signed", -1e8, 1e8, 1.0)
    zone = scale.linear_share
    sizes = np.array([0.0, 0.25, 0.5, 1.0, 1e2, 1e4, 1e6, 1e8])
    expected = [0, zone / 4, zone / 2, zone, *(zone + (1 - zone) * k / 8 for k in (2, 4, 6, 8))]
    assert scale.share(sizes) == pytest.approx(expected)
    plus, minus = classes.classify(sizes[1:], scale), classes.classify(-sizes[1:], scale)
    assert (plus.astype(int) - minus == 1).all(), "the same place on the other side"
    assert classes.code_of(2e8, scale) == classes.ABOVE
    assert classes.code_of(-2e8, scale) == classes.BELOW
    assert classes.code_of(0.0, scale) == classes.ZERO


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_larger_number_never_stands_lower_on_a_signed_logarithm(dtype: str) -> None:
    scale = scales.Scale("signed", -1e28, 1e28, 0.1)
    sizes = np.logspace(-6, 28, 500).astype(dtype)
    assert (np.diff(classes.classify(sizes, scale).astype(int)) >= 0).all()


def test_marks_of_a_magnitude_stand_at_multiples_of_four_decades_or_more() -> None:
    scale = scales.magnitude(-20, 2)
    assert [text for _, text in scale.marks(20)] == ["1e-16", "1e-12", "1e-8", "1e-4", "1e0"]
    for place, text in scale.marks(20):
        assert place == pytest.approx((math.log10(float(text)) + 20) / 22)
    assert len(scale.marks(2)) <= 2


def test_a_slope_measures_only_what_is_worth_it_and_says_where() -> None:
    steps = np.arange(1, 101)
    logs = 0.2 * (steps - 100.0)  # going back it loses 0.2 decades a step
    floor = steps <= 40
    logs[floor] = -44.0  # where float32 ends
    slopes = Slopes(logs, ~floor)
    assert slopes.since(1) == pytest.approx(-0.2)
    assert slopes.span(1) == (41, 100)
    assert slopes.span(60) is None, "all of t … T is measured"


def test_with_many_losses_the_limit_is_that_of_the_last_loss() -> None:
    assert words.last_norm(1, 8, 8) == "‖∂L/∂h_{8}‖"
    assert words.last_norm(8, 8, 8) == "‖∂L_{8}/∂h_{8}‖"


def test_the_mean_over_a_batch_is_named_and_a_single_sample_is_not_called_a_mean() -> None:
    assert margins.mean_of(16)[0] == "mean of 16 samples"
    assert margins.mean_of(1) == ()


def test_a_text_that_has_no_room_is_replaced_by_a_shorter_one_not_cut(qtbot: QtBot) -> None:
    theming.apply("dark")
    font: QFont = theming.small()
    assert margins.fitting(("a long wording of it", "short"), font, 400) == "a long wording of it"
    assert margins.fitting(("a long wording of it", "short"), font, 40) == "short"
    assert margins.fitting(("a long wording of it", "short"), font, 5) == ""


def test_a_narrow_stage_gives_more_of_its_width_to_the_data() -> None:
    assert sum(margins.columns(390)) < sum(margins.columns(700)) < sum(margins.columns(1000))


@pytest.mark.parametrize("key", ["values.h", "grads.h"])
def test_what_a_scale_says_changes_with_its_counts_only(qtbot: QtBot, key: str) -> None:
    from engine.tape import Tape

    theming.apply("dark")
    track, book = Heatmap(key), ScaleBook()
    now = Now.at(Tape(20), len(Tape(20)) - 1)
    said = []
    for seed, zeros in ((0, False), (1, False), (1, True)):
        track.set_excerpt(synthetic.excerpt("rnn", T=20, H=4, seed=seed, zeros=zeros), book)
        said.append(track.scale_says(now))
    assert said[0] == said[1]
    assert (said[1] != said[2]) == (key == "grads.h")


@pytest.mark.parametrize(("count", "told"), [(640, "640"), (219_024, "219k"), (2_190_240, "2M")])
def test_a_large_count_is_rounded_before_its_name_is_dropped(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, count: int, told: str
) -> None:
    theming.apply("dark")
    said: list[str] = []
    monkeypatch.setattr(marked, "draw", lambda painter, box, text, *rest: said.append(text) or 0.0)
    image = QImage(104, 160, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    margins.paint_scale(painter, image.rect(), scales.magnitude(), {classes.ZERO: count})
    painter.end()
    at = said.index(told)
    assert said[at + 1] in ("exactly 0", "zero")


@pytest.mark.parametrize(
    ("width", "height"), [(120, 40), (104, 40), (120, 55), (104, 55), (88, 55), (120, 62), (88, 62)]
)
def test_a_low_track_counts_the_worst_class_beside_the_numbers_of_its_scale(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    theming.apply("dark")
    drawn: list[tuple[str, QRectF]] = []
    draw = marked.draw

    def noted(painter: QPainter, box: QRectF, text: str, font: QFont, *align: Qt.AlignmentFlag) -> float:
        wide = draw(painter, box, text, font, *align)
        if text:
            drawn.append((text, QRectF(box.left(), box.top(), wide, box.height())))
        return wide

    monkeypatch.setattr(marked, "draw", noted)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    counts = {classes.NAN: 12, classes.ZERO: 300, classes.BELOW: 4}
    margins.paint_scale(painter, image.rect(), scales.magnitude(), counts)
    painter.end()
    texts = [text for text, _ in drawn]
    assert "12" in texts
    assert "300" not in texts
    assert {"1e2", "1e-20"} <= set(texts)
    (count,) = [box for text, box in drawn if text == "12"]
    assert not [text for text, box in drawn if text != "12" and box.intersects(count.adjusted(-12, 3, 0, -3))]


@pytest.mark.parametrize("width", [120, 104, 88, 78])
@pytest.mark.parametrize("count", [7, 9_338, 80_653, 640_000])
def test_counts_beside_a_scale_are_said_in_fewer_words_or_not_at_all_but_never_cut(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, width: int, count: int
) -> None:
    theming.apply("dark")
    said: list[str] = []
    draw = marked.draw

    def drawn(painter: QPainter, box: QRectF, text: str, font: QFont, *align: Qt.AlignmentFlag) -> float:
        assert marked.width(text, font) <= box.width() + 0.5, f"'{text}' is cut"
        said.append(text)
        return draw(painter, box, text, font, *align)

    monkeypatch.setattr(marked, "draw", drawn)
    image = QImage(width, 120, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    counts = {classes.ZERO: count, classes.BELOW: count}
    margins.paint_scale(
        painter, image.rect(), scales.magnitude(), counts, count, notes=margins.Notes(("of sample 1", "sample 1"))
    )
    painter.end()
    if width == 120:
        told = {7: "7", 9_338: "9,338", 80_653: "81k", 640_000: "640k"}[count]
        assert f"{told} subnormal" in said
