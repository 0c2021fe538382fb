"""A slim button at an edge of the window: what has given way there is one click away, and can be seen to be."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT


class EdgeButton(QAbstractButton):
    """Its words go upwards. It is there only while there is something to bring back."""

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setToolTip(tip)
        self.setAccessibleName(f"Show {text}")
        self.setAccessibleDescription(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(theming.small())
        return QSize(round(metrics.height()) + TIGHT, round(metrics.horizontalAdvance(self.text())) + 2 * GAP)

    def minimumSizeHint(self) -> QSize:
        return QSize(self.sizeHint().width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, font = theming.current(), theming.small()
        painter = QPainter(self)
        lit = self.underMouse() or self.hasFocus() or self.isDown()
        painter.fillRect(self.rect(), QColor(theme.raised if lit else theme.surface))
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        metrics = QFontMetricsF(font)
        text = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.height() - 2 * GAP)
        painter.setFont(font)
        painter.setPen(QColor(theme.text if lit else theme.muted))
        painter.translate(self.rect().center())
        painter.rotate(-90)
        baseline = (metrics.ascent() - metrics.descent()) / 2
        painter.drawText(QPointF(-metrics.horizontalAdvance(text) / 2, baseline), text)
        painter.end()
