"""Text with proper subscripts: "∂L/∂a_f" is drawn with f lowered, "W_hh" with hh, "h_{13}" with 13."""

from __future__ import annotations

import re

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

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


_Measures = tuple[QFontMetricsF, QFontMetricsF, QFont]
_measures: dict[str, _Measures] = {}
_widths: dict[tuple[str, str], float] = {}
_MOST = 1000


def _measured(font: QFont) -> _Measures:
    """Metrics of a font and of its subscripts, and the subscripts' font. Kept: text is measured often."""
    found = _measures.get(font.key())
    if found is None:
        small = QFont(font)
        small.setPixelSize(max(7, round(font.pixelSize() * 0.76)))
        found = _measures[font.key()] = (QFontMetricsF(font), QFontMetricsF(small), small)
    return found


def width(text: str, font: QFont) -> float:
    key = (text, font.key())
    if key not in _widths:
        if len(_widths) >= _MOST:
            _widths.clear()
        normal, small, _ = _measured(font)
        _widths[key] = sum((small if sub else normal).horizontalAdvance(piece) for piece, sub in runs(text))
    return _widths[key]


def draw(
    painter: QPainter,
    box: QRectF,
    text: str,
    font: QFont,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> float:
    """Draw one line, vertically centred in the box, elided where it is too long. Returns its width."""
    metrics, tiny, small = _measured(font)
    needed = width(text, font)
    painter.setFont(font)
    if needed > box.width() + 0.5:
        shown = metrics.elidedText(plain(text), Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        return box.width()
    if align & Qt.AlignmentFlag.AlignRight:
        x = box.right() - needed
    elif align & Qt.AlignmentFlag.AlignHCenter:
        x = box.center().x() - needed / 2
    else:
        x = box.left()
    baseline = box.center().y() + (metrics.ascent() - metrics.descent()) / 2
    if "_" not in text:
        painter.drawText(QPointF(x, baseline), text)
        return needed
    for piece, sub in runs(text):
        painter.setFont(small if sub else font)
        painter.drawText(QPointF(x, baseline + (metrics.ascent() * 0.2 if sub else 0.0)), piece)
        x += (tiny if sub else metrics).horizontalAdvance(piece)
    painter.setFont(font)
    return needed
