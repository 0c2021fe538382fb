"""Text with proper subscripts: "∂L/∂a_f" is drawn with f lowered, "W_hh" with hh, "h_{13}" with 13."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QStaticText, QTransform

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
        found = _Measures(font, QFontMetricsF(font), QFontMetricsF(small), small)
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
    of = _measured(font)
    line = of.lines.get(text)
    if line is None:
        if len(of.lines) >= _MOST_TEXTS:
            of.lines.clear()
        line = of.lines[text] = QStaticText(text)
        line.setTextFormat(Qt.TextFormat.PlainText)
        line.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
        line.prepare(QTransform(), font)
    painter.setFont(font)
    painter.drawStaticText(QPointF(at.x(), at.y() - of.normal.ascent()), line)


def draw(
    painter: QPainter,
    box: QRectF,
    text: str,
    font: QFont,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> float:
    """Draw one line, vertically centred in the box, elided where it is too long. Returns its width."""
    of = _measured(font)
    metrics, tiny, small = of.normal, of.tiny, of.small
    needed = width(text, font)
    baseline = box.center().y() + (metrics.ascent() - metrics.descent()) / 2
    if needed > box.width() + 0.5:
        shown = metrics.elidedText(plain(text), Qt.TextElideMode.ElideRight, box.width())
        plain_line(painter, QPointF(box.left(), baseline), shown, font)
        return box.width()
    if align & Qt.AlignmentFlag.AlignRight:
        x = box.right() - needed
    elif align & Qt.AlignmentFlag.AlignHCenter:
        x = box.center().x() - needed / 2
    else:
        x = box.left()
    if "_" not in text:
        plain_line(painter, QPointF(x, baseline), text, font)
        return needed
    for piece, sub in runs(text):
        lowered = baseline + (metrics.ascent() * 0.2 if sub else 0.0)
        plain_line(painter, QPointF(x, lowered), piece, small if sub else font)
        x += (tiny if sub else metrics).horizontalAdvance(piece)
    painter.setFont(font)
    return needed
