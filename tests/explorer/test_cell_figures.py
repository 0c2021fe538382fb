"""Numbers drawn glyph by glyph are the pixels that Qt's own text drawing makes, and each number is read once a step."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from synthetic import excerpt

from engine.spec import CellKind
from engine.tape import Tape
from explorer.cell import readings
from explorer.cell.figures import Figures
from explorer.cell.panel import CellPanel
from explorer.cell.quantity import read
from explorer.cell.readings import Readings
from explorer.theme import current as theme
from explorer.widgets import numbers

WORDS = (
    "NaN",
    "∞",
    f"{numbers.MINUS}∞",
    "–",
    "none",
    "cut",
    "< 3e-8",
    ":= 0.5",
    "exactly 0",
    "output gate o",
    "1-2",
    "",
)
CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")


@pytest.fixture(autouse=True)
def _dark(qtbot: QtBot) -> None:
    theme.apply("dark")


def written(count: int, seed: int) -> list[str]:
    """As the panel writes numbers."""
    rng = random.Random(seed)
    found = list(WORDS)
    for _ in range(count):
        value = rng.choice((-1, 1)) * 10 ** rng.uniform(-40, 40)
        near = rng.choice((-1, 1)) * 10 ** rng.uniform(-4, 4)
        found += [numbers.short(value, 2), numbers.short(near), f"{numbers.short(near)} %"]
        found.append(numbers.power(rng.uniform(-400, 400), 3))
    return found


@pytest.mark.parametrize("pixels", [10, 11, 13, 17])
def test_a_number_is_as_wide_as_qt_says(pixels: int) -> None:
    font = theme.font(pixels)
    figures, metrics = Figures(font), QFontMetricsF(font)
    for text in written(300, pixels):
        assert figures.width(text) == metrics.horizontalAdvance(text), text


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_a_number_drawn_glyph_by_glyph_is_the_same_picture(ratio: float) -> None:
    font = theme.font(11)
    figures, rng = Figures(font), random.Random(1)

    def picture(text: str, at: QPointF, *, ours: bool) -> QImage:
        made = QImage(round(120 * ratio), round(30 * ratio), QImage.Format.Format_RGB32)
        made.setDevicePixelRatio(ratio)
        made.fill(QColor(theme.current().surface))
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font)
        painter.setPen(QColor(theme.current().forward))
        if ours:
            figures.draw(painter, at.x(), at.y(), text)
        else:
            painter.drawText(at, text)
        painter.end()
        return made

    blank = picture("", QPointF(0, 0), ours=True)
    for text in written(60, 2):
        at = QPointF(2 + 3 * rng.random(), 20 + 3 * rng.random())
        assert picture(text, at, ours=True) == picture(text, at, ours=False), (text, at)
        assert (picture(text, at, ours=True) == blank) is (text == "")


@pytest.mark.parametrize("unit", [None, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_shared_readings_are_those_that_are_read_by_themselves(cell: CellKind, unit: int | None) -> None:
    shown = excerpt(cell, T=9, unit=unit, loss_at="every")
    source = Readings(shown)
    panel_numbers = [
        token.number
        for section in panel_of(cell).equations._sections
        for equation in section.equations
        for token in equation.tokens
        if token.number is not None
    ]
    assert panel_numbers
    for step in (1, 5, 9, 5):
        for number in panel_numbers * 2:
            assert source.of(number, step) == read(number, shown, step)


def panel_of(cell: CellKind) -> CellPanel:
    made = CellPanel()
    made.set_excerpt(excerpt(cell, T=9))
    return made


def test_steps_within_one_frame_read_only_the_last_one(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody scrubs faster than the screen is painted; what is asked for then is exact all the same."""
    shown = excerpt("lstm", T=40)
    made = CellPanel()
    qtbot.addWidget(made)
    made.resize(380, 1400)
    made.set_excerpt(shown)
    made.show()
    qtbot.waitExposed(made)
    QApplication.processEvents()
    asked: list[int] = []
    monkeypatch.setattr(readings, "read", lambda number, e, step: asked.append(step) or read(number, e, step))
    tape = Tape(40)
    for t in range(40, 10, -1):
        made.set_position(tape.position(tape.parse(f"backward:{t}")))
    assert asked == []
    QApplication.processEvents()
    assert set(asked) == {11}
    made.set_position(tape.position(tape.parse("backward:7")))
    for equation in made.shown():
        for token, reading in zip(equation.equation.tokens, equation.readings, strict=True):
            assert token.number is None or reading == read(token.number, shown, 7)
