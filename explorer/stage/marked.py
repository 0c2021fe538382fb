"""Text with proper subscripts: "∂L/∂a_f" is drawn with f lowered, "W_hh" with hh, "h_{13}" with 13."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QStaticText, QTransform

_LEFT, _RIGHT, _MIDDLE = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignHCenter
_SUBSCRIPT = re.compile(r"_(?:\{([^}]*)\}|(hh|ih|\w))")


def runs(text: str) -> list[tuple[str, bool]]:
    """The text in pieces: (piece, whether it is a subscript)."""
    found: list[tuple[str, bool]] = []
    end = 0
    for match in _SUBSCRIPT.finditer(text):
        if match.start() > end:
            found.append((text[end : match.start()], False))
        found.append((match.group(1) or match.group(2) or "", True))
        end = match.end()
    if end < len(text):
        found.append((text[end:], False))
    return found


def plain(text: str) -> str:
    """As it can be read aloud: braces gone, "a_f" stays."""
    return text.replace("{", "").replace("}", "")


@dataclass(frozen=True, slots=True)
class _Measures:
    """Of a font and of its subscripts; with the font itself, so that no other can have its id."""

    font: QFont
    normal: QFontMetricsF
    tiny: QFontMetricsF
    small: QFont
    ascent: float
    rise: float
    """From the middle of a line down to its baseline."""
    widths: dict[str, float] = field(default_factory=dict)
    lines: dict[str, QStaticText] = field(default_factory=dict)


_measures: dict[int, _Measures] = {}
_MOST_FONTS, _MOST_TEXTS = 32, 1000


def _measured(font: QFont) -> _Measures:
    """By identity: the theme hands out one font for each size (`QFont.key` takes longer than measuring does)."""
    found = _measures.get(id(font))
    if found is None:
        if len(_measures) >= _MOST_FONTS:
            _measures.clear()
        small = QFont(font)
        small.setPixelSize(max(7, round(font.pixelSize() * 0.76)))
        metrics = QFontMetricsF(font)
        rise = (metrics.ascent() - metrics.descent()) / 2
        found = _Measures(font, metrics, QFontMetricsF(small), small, metrics.ascent(), rise)
        _measures[id(font)] = found
    return found


def width(text: str, font: QFont) -> float:
    of = _measured(font)
    found = of.widths.get(text)
    if found is None:
        if len(of.widths) >= _MOST_TEXTS:
            of.widths.clear()
        found = sum((of.tiny if sub else of.normal).horizontalAdvance(piece) for piece, sub in runs(text))
        of.widths[text] = found
    return found


def plain_line(painter: QPainter, at: QPointF, text: str, font: QFont) -> None:
    """A line without subscripts, its baseline starting at the point: the pixels of `QPainter.drawText` in a third of
    its time, since the text's layout is kept."""
    _line(painter, at.x(), at.y(), text, _measured(font))


def _line(painter: QPainter, x: float, baseline: float, text: str, of: _Measures) -> None:
    line = of.lines.get(text)
    if line is None:
        if len(of.lines) >= _MOST_TEXTS:
            of.lines.clear()
        line = of.lines[text] = QStaticText(text)
        line.setTextFormat(Qt.TextFormat.PlainText)
        line.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
        line.prepare(QTransform(), of.font)
    painter.setFont(of.font)
    painter.drawStaticText(QPointF(x, baseline - of.ascent), line)


def draw(
    painter: QPainter,
    box: QRectF,
    text: str,
    font: QFont,
    align: Qt.AlignmentFlag = _LEFT,
) -> float:
    """Draw one line, vertically centred in the box, elided where it is too long. Returns its width."""
    of = _measured(font)
    needed = of.widths.get(text)
    if needed is None:
        needed = width(text, font)
    left, room = box.left(), box.width()
    baseline = box.center().y() + of.rise
    if needed > room + 0.5:
        _line(painter, left, baseline, of.normal.elidedText(plain(text), Qt.TextElideMode.ElideRight, room), of)
        return room
    # A hundred times a picture: Python masks a flag more slowly than Qt draws the line.
    if align is _LEFT:
        x = left
    elif align is _RIGHT or (align is not _MIDDLE and align & _RIGHT):
        x = box.right() - needed
    elif align is _MIDDLE or align & _MIDDLE:
        x = box.center().x() - needed / 2
    else:
        x = left
    if "_" not in text:
        _line(painter, x, baseline, text, of)
        return needed
    metrics, tiny, small = of.normal, of.tiny, of.small
    for piece, sub in runs(text):
        lowered = baseline + (of.ascent * 0.2 if sub else 0.0)
        plain_line(painter, QPointF(x, lowered), piece, small if sub else font)
        x += (tiny if sub else metrics).horizontalAdvance(piece)
    painter.setFont(font)
    return needed
