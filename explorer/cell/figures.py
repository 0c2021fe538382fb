"""Numbers that change at every step, drawn glyph by glyph: the very pixels of `drawText`, in a third of its time.

Shaping a text (which glyph is a letter, where does it stand) is most of the work of drawing a short one. The digits are
tabular and nothing between them is kerned, so a number's glyphs stand where their advances add up to; tests compare
that with Qt's own layout. What is written with other letters ("NaN", "cut", a gate's name) is shaped once and kept.
"""

from __future__ import annotations

import re

from PySide6.QtCore import QPointF
from PySide6.QtGui import QFont, QFontMetricsF, QGlyphRun, QPainter, QRawFont, QTextLayout

LETTERS = "0123456789.e-% "
MINUS = "−"
"""Before a digit, where the font raises it to the digits' height."""
_NUMBER = re.compile(rf"{MINUS}?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?( %)?")
_BEFORE = {"-": "e", " ": "0"}
"""What a letter stands behind: between digits a hyphen would be raised."""
_KEPT = 1024
_FIXED = 64.0
"""Qt's text engine counts in 64ths of a pixel, and cuts off what is beyond."""


class Figures:
    """The letters of numbers in one font."""

    def __init__(self, font: QFont) -> None:
        self.font = font
        self.metrics = metrics = QFontMetricsF(font)
        self.ascent, self.descent = metrics.ascent(), metrics.descent()
        self.height, self.cap_height = metrics.height(), metrics.capHeight()
        self._raw: QRawFont | None = None
        self._glyphs: dict[str, tuple[int, float]] = {}
        self._runs: dict[str, tuple[list[QGlyphRun], float]] = {}
        self._measure()

    def _measure(self) -> None:
        """Where the font does not hold all of them, nothing is known and all is shaped."""
        glyphs: dict[str, tuple[int, float]] = {}
        for letter in (MINUS, *LETTERS):
            text = f"{_BEFORE.get(letter, '')}{letter}0"
            runs = shaped(text, self.font)
            if len(runs) != 1 or len(runs[0].glyphIndexes()) != len(text):
                return
            places = runs[0].positions()
            glyphs[letter] = runs[0].glyphIndexes()[-2], places[-1].x() - places[-2].x()
            self._raw = runs[0].rawFont()
        self._glyphs = glyphs

    def width(self, text: str) -> float:
        return self._run(text)[1]

    def draw(self, painter: QPainter, x: float, baseline: float, text: str) -> None:
        """In the painter's pen."""
        at = QPointF(int(x * _FIXED) / _FIXED, int(baseline * _FIXED) / _FIXED)
        for run in self._run(text)[0]:
            painter.drawGlyphRun(at, run)

    def _run(self, text: str) -> tuple[list[QGlyphRun], float]:
        found = self._runs.get(text)
        if found is None:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
            found = self._runs[text] = self._number(text) or self._shaped(text)
        return found

    def _number(self, text: str) -> tuple[list[QGlyphRun], float] | None:
        """None: it is no number, or the font does not hold the letters of numbers."""
        known, raw = self._glyphs, self._raw
        if raw is None or not known or _NUMBER.fullmatch(text) is None:
            return None
        glyphs, places, x = [], [], 0.0
        for letter in text:
            glyph, advance = known[letter]
            glyphs.append(glyph)
            places.append(QPointF(x, 0.0))
            x += advance
        run = QGlyphRun()
        run.setRawFont(raw)
        run.setGlyphIndexes(glyphs)
        run.setPositions(places)
        return [run], x

    def _shaped(self, text: str) -> tuple[list[QGlyphRun], float]:
        """Words, which come again and again: shaped once."""
        runs = shaped(text, self.font)
        for run in runs:  # from the baseline on, not from the line's top
            down = QPointF(0.0, self.ascent)
            run.setPositions([place - down for place in run.positions()])
        return runs, self.metrics.horizontalAdvance(text)


def shaped(text: str, font: QFont) -> list[QGlyphRun]:
    """As Qt's own layout has it: one run where one font holds every letter."""
    layout = QTextLayout(text, font)
    layout.beginLayout()
    layout.createLine()
    layout.endLayout()
    return list(layout.glyphRuns())
