"""Numbers that change at every step, drawn glyph by glyph: the very pixels of `drawText`, in a third of its time.

Shaping a text (which glyph is a letter, where does it stand) is most of the work of drawing a short one. The digits are
tabular and nothing between them is kerned, so a number's glyphs stand where their advances add up to; tests compare
that with Qt's own layout. What is written with other letters ("NaN", "cut") is shaped as ever.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF
from PySide6.QtGui import QFont, QFontMetricsF, QGlyphRun, QPainter, QRawFont, QTextLayout

LETTERS = "0123456789.e-% "
MINUS = "−"
"""Before a digit, where the font raises it to the digits' height."""
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
        self._runs: dict[str, tuple[QGlyphRun | None, float]] = {}
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
        """In the painter's pen; its font has to be that of the figures."""
        run = self._run(text)[0]
        if run is None:
            painter.drawText(QPointF(x, baseline), text)
        else:
            painter.drawGlyphRun(QPointF(int(x * _FIXED) / _FIXED, int(baseline * _FIXED) / _FIXED), run)

    def _run(self, text: str) -> tuple[QGlyphRun | None, float]:
        found = self._runs.get(text)
        if found is None:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
            found = self._runs[text] = self._made(text)
        return found

    def _made(self, text: str) -> tuple[QGlyphRun | None, float]:
        glyphs, known, x = [], self._glyphs, 0.0
        places = []
        if text and MINUS not in text[1:] and text != MINUS:
            for letter in text:
                if letter not in known:
                    break
                glyph, advance = known[letter]
                glyphs.append(glyph)
                places.append(QPointF(x, 0.0))
                x += advance
        if not text or len(glyphs) != len(text) or self._raw is None:
            return None, self.metrics.horizontalAdvance(text)
        run = QGlyphRun()
        run.setRawFont(self._raw)
        run.setGlyphIndexes(glyphs)
        run.setPositions(places)
        return run, x


def shaped(text: str, font: QFont) -> list[QGlyphRun]:
    """As Qt's own layout has it: one run where one font holds every letter."""
    layout = QTextLayout(text, font)
    layout.beginLayout()
    layout.createLine()
    layout.endLayout()
    return list(layout.glyphRuns())
