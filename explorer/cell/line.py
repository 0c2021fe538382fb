"""A line of text that may break where the panel is narrow, and asks for a new layout only where its height changes.

A QLabel asks for one whenever its text changes: with the tape that is at every step, for the whole panel.
"""

from __future__ import annotations

import math
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.theme import current as theme

Look = Literal["section", "muted", "text"]
_DIGITS = str.maketrans("123456789", "000000000")
_FLAGS = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


class Line(QWidget):
    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look, self._text, self._tone = look, "", ""
        self._pattern, self._whole = "", 0.0
        self._broken = False
        """It stands on several lines."""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        theme.notifier().changed.connect(self._restyle)
        self._restyle()

    def text(self) -> str:
        return self._text

    def set_text(self, text: str, tone: str = "") -> None:
        """`tone` names one of the theme's colours; "" is that of the look."""
        if (text, tone) != (self._text, self._tone):
            self._text, self._tone = text, tone
            self.setAccessibleName(text)
            self._fit()
            self.update()

    @property
    def font_of_look(self) -> QFont:
        if self._look == "text":
            return theme.font()
        font = QFont(theme.small(bold=self._look == "section"))
        if self._look == "section":
            font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1)
        return font

    def _fit(self) -> None:
        pattern = self._text.translate(_DIGITS)  # figures are tabular: another step's text is as wide
        if pattern != self._pattern:
            self._pattern, self._whole = pattern, self._metrics.horizontalAdvance(pattern) + 1
        whole = self._whole
        height = self._metrics.height()
        self._broken = whole > self.width()
        if self._broken and self.width() > 0:
            height = self._metrics.boundingRect(QRectF(0, 0, self.width(), 10_000), _FLAGS, self._text).height()
        if math.ceil(height) != self.height():
            self.setFixedHeight(math.ceil(height))

    def sizeHint(self) -> QSize:
        return QSize(100, math.ceil(self._metrics.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        t = theme.current()
        painter = QPainter(self)
        painter.setFont(self._font)
        painter.setPen(QColor(getattr(t, self._tone or ("text" if self._look == "text" else "muted"))))
        if self._broken:
            painter.drawText(QRectF(self.rect()), _FLAGS, self._text)
        else:
            painter.drawText(QPointF(0, self._metrics.ascent()), self._text)
        painter.end()

    @Slot()
    def _restyle(self) -> None:
        self._font = self.font_of_look
        self._metrics = QFontMetricsF(self._font)
        self._pattern = ""
        self._fit()
        self.update()
