"""A line of text that elides instead of overlapping, in a colour by meaning; the whole text is then its tooltip."""

from __future__ import annotations

import re

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QStaticText,
    QTextLayout,
    QTextOption,
    QTransform,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import SMALL_PX, TEXT_PX


class ElidedLabel(QWidget):
    """One line. `tone` names the theme's colour, `least` the width that it keeps while others elide.

    A changed text asks for a new layout only where its width changes.
    """

    def __init__(
        self,
        text: str = "",
        *,
        tone: str = "text",
        pixels: int = TEXT_PX,
        bold: bool = False,
        least: int = 28,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._text, self._tone, self._align, self._tip = "", tone, align, ""
        self._least, self._elide = least, elide
        self._font: QFont = theming.font(pixels, bold=bold)
        self._metrics = theming.metrics(pixels, bold=bold)
        self._wanted, self._advance = -1, 0.0
        """Its width with the margins, and that of the text alone."""
        self._shown: tuple[str, QStaticText | None] = "", None
        self._shown_for = "", -1
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_text(text)

    def space_letters(self, pixels: float) -> None:
        self._font = QFont(self._font)
        self._font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, pixels)
        self._metrics = QFontMetricsF(self._font)
        self._wanted, self._shown = -1, ("", None)
        self.set_text(self._text)

    def text(self) -> str:
        return self._text

    def set_text(self, text: str, *, tone: str | None = None, tip: str | None = None) -> None:
        """`tip` is said on hovering even where the text has room; "" says nothing but an elided text."""
        if tone is not None and tone != self._tone:
            self._tone = tone
            self.update()
        if tip is not None:
            self._tip = tip
        if text != self._text or self._wanted < 0:
            self._text = text
            self.setAccessibleName(text)
            margins = self.contentsMargins()
            self._advance = self._metrics.horizontalAdvance(text)
            wanted = int(self._advance) + 2 + margins.left() + margins.right()
            if wanted != self._wanted:
                self._wanted = wanted
                self.updateGeometry()
            self.update()
        self._explain()

    def set_least(self, least: int) -> None:
        if least != self._least:
            self._least = least
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._wanted if self._text else 0, int(self._metrics.height()) + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self._wanted, self._least) if self._text else 0, int(self._metrics.height()) + 2)

    def width_of(self, text: str) -> float:
        """What another text would take."""
        margins = self.contentsMargins()
        return self._metrics.horizontalAdvance(text) + 2 + margins.left() + margins.right()

    def is_elided(self) -> bool:
        return self._advance > self.contentsRect().width()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._explain()

    def _explain(self) -> None:
        parts = [self._text] if self.is_elided() else []
        tip = "\n".join(parts + ([self._tip] if self._tip else []))
        if tip != self.toolTip():
            self.setToolTip(tip)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(self._font)
        theme = theming.current()
        painter.setPen(QColor(getattr(theme, self._tone) if self.isEnabled() else theme.muted))
        key = self._text, self.contentsRect().width()
        if key != self._shown_for:  # measuring and shaping take longer than drawing
            self._shown_for = key
            shown = self._metrics.elidedText(self._text, self._elide, key[1])
            self._shown = shown, static_line(shown, self._font) if in_one_font(shown) else None
        shown, line = self._shown
        if line is not None and self.devicePixelRatioF().is_integer():  # elsewhere glyphs fall between pixels
            draw_line(painter, QRectF(self.contentsRect()), line, self._metrics, self._align)
        else:
            painter.drawText(QRectF(self.contentsRect()), self._align | Qt.AlignmentFlag.AlignVCenter, shown)


def in_one_font(text: str) -> bool:
    """Whether every letter is surely in the first of our fonts: others may make a line higher."""
    return all(letter < "\u0250" or letter == "…" for letter in text)


def static_line(text: str, font: QFont) -> QStaticText:
    """A line whose layout is kept, for `draw_line`."""
    line = QStaticText(text)
    line.setTextFormat(Qt.TextFormat.PlainText)
    line.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
    line.prepare(QTransform(), font)
    return line


def draw_line(
    painter: QPainter, box: QRectF, line: QStaticText, metrics: QFontMetricsF, align: Qt.AlignmentFlag
) -> None:
    """In the middle of the box's height: the pixels of `QPainter.drawText` in a third of its time."""
    left = box.left()
    if align is not Qt.AlignmentFlag.AlignLeft:
        width = line.size().width()
        if align & Qt.AlignmentFlag.AlignRight:
            left = box.right() - width
        elif align & Qt.AlignmentFlag.AlignHCenter:
            left = box.center().x() - width / 2
    painter.drawStaticText(QPointF(left, box.center().y() - metrics.height() / 2), line)


def small_label(text: str = "", tone: str = "muted") -> ElidedLabel:
    return ElidedLabel(text, tone=tone, pixels=SMALL_PX)


def section_label(text: str) -> ElidedLabel:
    """The heading of a group: small capitals, spaced."""
    label = ElidedLabel(text.upper(), tone="muted", pixels=SMALL_PX, bold=True)
    label.space_letters(1.0)
    label.setAccessibleName(text)
    return label


_IN_FORMULAS = re.compile(r" (?=[=≈≤≥<>+−·×%] ?)|(?<= [=≈≤≥<>+−·×]) ")


def unbroken(text: str) -> str:
    """The text with formulas that stay on one line: no break around a sign, nor after the stroke of ∂L/∂h."""
    return _IN_FORMULAS.sub("\u00a0", text).replace("/∂", "/\u2060∂")


def paragraph(painter: QPainter, box: QRectF, text: str, font: QFont, lines: int) -> float:
    """Draw wrapped text into the box, at most `lines` lines, the last one elided; return the height that it took."""
    metrics = QFontMetricsF(font)
    text = unbroken(text)
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout.setTextOption(option)
    spacing = metrics.lineSpacing() * 1.1
    y = box.top()
    painter.setFont(font)
    layout.beginLayout()
    for number in range(1, lines + 1):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(box.width())
        start, length = line.textStart(), line.textLength()
        rest = text[start:]
        if number == lines and len(rest) > length:
            shown = metrics.elidedText(rest, Qt.TextElideMode.ElideRight, box.width())
        else:
            shown = text[start : start + length].rstrip()
        painter.drawText(QRectF(box.left(), y, box.width(), spacing), Qt.AlignmentFlag.AlignVCenter, shown)
        y += spacing
    layout.endLayout()
    return y - box.top()


def fits(text: str, width: float, font: QFont, lines: int) -> bool:
    """Whether `paragraph` shows the whole text."""
    layout = QTextLayout(unbroken(text), font)
    layout.beginLayout()
    count = 0
    while True:
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        count += 1
    layout.endLayout()
    return count <= lines
