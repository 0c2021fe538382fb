"""What stands left and right of a track's data: its name, its scale, and the counts of the classes."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter

from explorer.stage import glyphs, marked, palette
from explorer.stage.classes import BELOW, MINUS_INF, NAN, PLUS_INF, SPECIAL
from explorer.stage.scales import Scale
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, SMALL_PX, TEXT_PX, TIGHT, ThemeName

HEADER_WIDTH, SCALE_WIDTH = 128, 104
LINE = SMALL_PX + 4
"""A line of small text."""
_TITLE = TEXT_PX - 1
_RAMP_WIDTH = 9


def paint_title(painter: QPainter, box: QRect, title: str, tone: str, lines: tuple[tuple[str, str], ...]) -> float:
    """A bold title (two lines where it must) and small lines (text, tone) as far as they fit. Returns their bottom."""
    theme = theming.current()
    left, width = box.left() + GAP + 1, box.width() - GAP - TIGHT - 1
    y = float(box.top() + 6)
    font = theming.font(_TITLE, bold=True)
    painter.setPen(QColor(getattr(theme, tone)))
    for part in _wrapped(title, font, width):
        marked.draw(painter, QRectF(left, y, width, _TITLE + 4), part, font)
        y += _TITLE + 4
    small = theming.small()
    for text, colour in lines:
        if y + LINE > box.bottom():
            break
        painter.setPen(QColor(getattr(theme, colour)))
        marked.draw(painter, QRectF(left, y, width, LINE), text, small)
        y += LINE
    return y


def _wrapped(title: str, font: QFont, width: float) -> list[str]:
    if marked.width(title, font) <= width:
        return [title]
    words = title.split(" ")
    for cut in range(len(words) - 1, 0, -1):
        first = " ".join(words[:cut])
        if marked.width(first, font) <= width:
            return [first, " ".join(words[cut:])]
    return [title]


def paint_ramp(painter: QPainter, box: QRect, scale: Scale) -> None:
    """The scale's colours upright at the left of the box, its ends beside them."""
    theme = theming.current()
    bar = ramp_box(box)
    colours = _column(scale, theme.name)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.drawImage(bar, colours)
    painter.setPen(QColor(theme.muted))
    font = theming.small()
    low, high = scale.ends
    x, width = bar.right() + 6, box.right() - bar.right() - 6
    marked.draw(painter, QRectF(x, bar.top() - 3, width, LINE), high, font)
    marked.draw(painter, QRectF(x, bar.bottom() + 3 - LINE, width, LINE), low, font)


def ramp_box(box: QRect) -> QRect:
    return QRect(box.left() + GAP, box.top() + 7, _RAMP_WIDTH, box.height() - 15)


@lru_cache(maxsize=64)
def _column(scale: Scale, theme: ThemeName) -> QImage:
    count = scale.bands if scale.kind == "magnitude" else 128
    image = QImage(1, count, QImage.Format.Format_RGB32)
    for row, (r, g, b) in enumerate(palette.ramp(scale.kind, theme, count)[::-1]):
        image.setPixelColor(0, row, QColor(int(r), int(g), int(b)))
    return image


def paint_counts(painter: QPainter, box: QRect, scale: Scale, counts: dict[int, int], subnormal: int) -> None:
    """A swatch and a number for each class that is there, the worst first, between the ends of the scale."""
    theme = theming.current()
    bar = ramp_box(box)
    counts = {**counts, PLUS_INF: counts.get(PLUS_INF, 0) + counts.get(MINUS_INF, 0), MINUS_INF: 0}
    rows = [(code, counts[code]) for code in SPECIAL if counts.get(code)]
    top = bar.top() + LINE
    room = max(0, (bar.bottom() - LINE - top) // LINE)
    entries = len(rows) + (1 if subnormal else 0)
    shown = rows if entries <= room else rows[: max(0, room)]
    looks = palette.looks(scale, theme.name)
    x = bar.right() + 7
    y = top + max(0, (room - min(entries, room)) * LINE) // 2
    font = theming.small()
    for code, count in shown:
        swatch = QRect(x, y + 2, 12, 11)
        paint_swatch(painter, swatch, code, looks[code])
        painter.setPen(QColor(theme.text))
        marked.draw(painter, QRectF(x + 16, y, box.right() - x - 17, LINE), f"{count:,}", font)
        y += LINE
    if subnormal and entries <= room:
        painter.setPen(QColor(theme.muted))
        marked.draw(painter, QRectF(x, y, 12, LINE), "≈", font, Qt.AlignmentFlag.AlignHCenter)
        marked.draw(painter, QRectF(x + 16, y, box.right() - x - 17, LINE), f"{subnormal:,}", font)


def paint_swatch(painter: QPainter, box: QRect, code: int, look: palette.Look) -> None:
    """A class as it looks in a cell."""
    theme = theming.current()
    painter.fillRect(box, QColor(look.ground))
    if code == NAN:
        painter.setPen(Qt.PenStyle.NoPen)
        for dx in range(0, box.width(), 2):
            for dy in range(0, box.height(), 2):
                if (dx + dy) // 2 % 2 == 0:
                    painter.fillRect(box.left() + dx, box.top() + dy, 2, 2, QColor(look.mark))
    else:
        glyphs.draw(painter, code, QRectF(box), look.mark)
    if code == BELOW:
        painter.setPen(QColor(theme.line))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0, 0, -1, -1))


def paint_note(painter: QPainter, box: QRect, text: str) -> None:
    """A sentence in the middle of a track that has nothing to show."""
    theme = theming.current()
    font = theming.small()
    width = min(float(box.width() - 2 * GAP), marked.width(text, font) + 2 * GAP)
    chip = QRectF(0, 0, width, LINE + 4)
    chip.moveCenter(QRectF(box).center())
    painter.fillRect(chip, QColor(theme.plot))
    painter.setPen(QColor(theme.muted))
    marked.draw(painter, chip.adjusted(TIGHT, 0, -TIGHT, 0), text, font, Qt.AlignmentFlag.AlignHCenter)


def text_width(text: str) -> float:
    return QFontMetricsF(theming.small()).horizontalAdvance(text)
