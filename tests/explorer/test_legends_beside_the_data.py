"""The legend beside a track: however narrow the stage, no word of it is cut, and the names of classes go before numbers
that the readout has as well."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QFont, QImage, QPainter
from pytestqt.qtbot import QtBot

from explorer.stage import classes, margins, marked, scales
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName

NO_STEP = {classes.NO_STEP: ("no step", "T was 20")}
stages = pytest.mark.parametrize("stage", [1200, 700, 500])


def written(
    monkeypatch: pytest.MonkeyPatch, stage: int, counts: dict[int, int], notes: margins.Notes, height: int = 180
) -> list[str]:
    """What is written beside a scale on a stage of that width; each has its room."""
    found: list[tuple[str, float, float]] = []
    draw = marked.draw

    def heard(painter: QPainter, where: QRectF, text: str, font: QFont, *more: object) -> float:
        found.append((text, marked.width(text, font), where.width()))
        return draw(painter, where, text, font, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(marked, "draw", heard)
    image = QImage(margins.columns(stage).scale, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    margins.paint_scale(painter, image.rect().adjusted(0, 0, 0, 0), scales.magnitude(), counts, notes=notes)
    painter.end()
    for text, width, room in found:
        assert width <= room + 0.5, f"'{text}' is cut"
    return [text for text, _, _ in found]


@stages
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_names_are_whole_and_numbers_stand_beside_them_where_there_is_room(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, stage: int, theme: ThemeName
) -> None:
    theming.apply(theme)
    notes = margins.Notes(offer=margins.FIT, uncounted=NO_STEP)
    texts = written(monkeypatch, stage, {classes.UNDEFINED: 112}, notes)
    assert "click to fit" in texts
    assert "padding" in texts
    assert "no step" in texts
    assert ("112" in texts) == (stage == 1200)
    assert ("T was 20" in texts) == (stage >= 700)


@stages
def test_in_a_low_track_the_worst_class_goes_before_the_others(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    theming.apply("dark")
    counts = {classes.NAN: 3, classes.UNDEFINED: 112}
    texts = written(monkeypatch, stage, counts, margins.Notes(uncounted=NO_STEP), height=70)
    assert "NaN" in texts
    assert "padding" not in texts


def test_a_step_that_was_not_there_has_a_swatch_of_its_own(qtbot: QtBot) -> None:
    theming.apply("light")
    pictures = set()
    for code in (classes.NO_STEP, classes.UNDEFINED, classes.BELOW, classes.ZERO):
        image = QImage(12, 12, QImage.Format.Format_RGB32)
        painter = QPainter(image)
        margins.paint_swatch(painter, QRect(0, 0, 12, 12), code, scales.magnitude(), hatched=True)
        painter.end()
        pictures.add(bytes(image.constBits()))
    assert len(pictures) == 4
