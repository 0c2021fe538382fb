"""A preset as a card: its curve, its tag, title and text. The whole card is a button."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from explorer.start import curve
from explorer.theme.current import current, font, small
from explorer.theme.tokens import GAP, PAD, RADIUS, TEXT_PX, TIGHT
from explorer.widgets.buttons import BY_KEY
from explorer.widgets.elided import fits, paragraph

PICTURE_HEIGHT = 80
TEXT_LINES = 3
TITLE_SIZE = TEXT_PX + 2

_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_TAGS: dict[str, tuple[str, str]] = {
    "vanishing": ("▼", "vanishing"),
    "exploding": ("▲", "exploding"),
    "overflow": ("▲", "exploding"),
    "clipped": ("✂", "clip"),
    "lstm": ("●", "backward"),
    "gru": ("●", "backward"),
}


def glyph_and_tone(tag: str) -> tuple[str, str]:
    """A tag's sign, and the name of the theme's colour of tag and curve."""
    return _TAGS.get(tag.lower(), ("●", "healthy"))


@dataclass(frozen=True)
class CardData:
    slug: str
    title: str
    tag: str
    """One word or two: "Vanishing", "LSTM", "Real series"."""
    text: str
    curve: tuple[float, ...]
    """log₁₀‖∂L/∂h_t‖ for t = 1 … T; may hold ±inf and NaN; empty: not known."""
    clip_norm: float | None = None
    """What the parameter gradient is clipped to, where it is."""


def leading_sentences(text: str, width: float) -> str:
    """As many whole sentences as fit on a card; the whole text (to be elided) where not even the first one does."""
    sentences = _SENTENCE_END.split(text)
    for count in range(len(sentences), 0, -1):
        shown = " ".join(sentences[:count])
        if fits(shown, width, font(), TEXT_LINES):
            return shown
    return text


class Card(QAbstractButton):
    """Click, Enter or Space chooses it."""

    chosen = Signal(str)

    def __init__(self, data: CardData, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.data = data
        self._text = data.text
        self._ring = False
        self.setAccessibleName(f"{data.title} ({data.tag})")
        self.setAccessibleDescription(data.text)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._choose)

    def _choose(self) -> None:
        self.chosen.emit(self.data.slug)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in BY_KEY
        super().focusInEvent(event)

    def sizeHint(self) -> QSize:
        lines = QFontMetricsF(font()).lineSpacing() * 1.1 * TEXT_LINES
        heads = QFontMetricsF(small()).height() + QFontMetricsF(font(TITLE_SIZE)).height()
        return QSize(300, int(PICTURE_HEIGHT + 2 * PAD + heads + TIGHT + GAP + lines))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._text = leading_sentences(self.data.text, self.width() - 2 * PAD - 4)
        self.setToolTip("" if self._text == self.data.text else _wrapped(self.data.text))

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        glyph, tone = glyph_and_tone(self.data.tag)
        tint = QColor(getattr(theme, tone))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        active = self.hasFocus() and self._ring
        hovered = self.underMouse()
        edge = 2.0 if active else 1.0
        box = QRectF(self.rect()).adjusted(edge / 2, edge / 2, -edge / 2, -edge / 2)
        outline = QPainterPath()
        outline.addRoundedRect(box, RADIUS + 2, RADIUS + 2)
        painter.fillPath(outline, QColor(theme.raised if self.isDown() else theme.surface))
        painter.save()
        painter.setClipPath(outline)
        picture = QRectF(box.left(), box.top(), box.width(), PICTURE_HEIGHT)
        painter.fillRect(picture, QColor(theme.plot))
        curve.paint(painter, picture.adjusted(PAD, GAP, -PAD, -GAP), self.data.curve, tint, theme, self._clip_norm())
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawLine(picture.bottomLeft(), picture.bottomRight())
        painter.restore()

        left, width = PAD + 2, self.width() - 2 * PAD - 4
        y = float(PICTURE_HEIGHT + PAD)
        y = self._line(painter, f"{glyph} {self.data.tag}", left, y, width, bold_small=True, tint=tint) + TIGHT
        y = self._line(painter, self.data.title, left, y, width, bold_small=False, tint=QColor(theme.text)) + TIGHT
        painter.setPen(QColor(theme.muted))
        paragraph(painter, QRectF(left, y, width, self.height() - y), self._text, font(), TEXT_LINES)

        painter.setBrush(Qt.BrushStyle.NoBrush)
        border = theme.accent if active else theme.border if hovered else theme.line
        painter.setPen(QPen(QColor(border), edge))
        painter.drawPath(outline)

    def _clip_norm(self) -> float | None:
        """Only where clipping is what the preset is about."""
        return self.data.clip_norm if self.data.tag.lower() == "clipped" else None

    def _line(
        self, painter: QPainter, text: str, x: float, y: float, width: float, *, bold_small: bool, tint: QColor
    ) -> float:
        used = small(bold=True) if bold_small else font(TITLE_SIZE, bold=True)
        metrics = QFontMetricsF(used)
        painter.setFont(used)
        painter.setPen(tint)
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(x, y, width, metrics.height()), Qt.AlignmentFlag.AlignVCenter, shown)
        return y + metrics.height()


def _wrapped(text: str) -> str:
    """Rich text, so that Qt breaks a long tooltip into lines."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<p>{escaped}</p>"
