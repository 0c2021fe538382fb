"""Recently opened files as a list of quiet buttons."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from explorer.theme.current import current, font, small
from explorer.theme.tokens import GAP, RADIUS, TIGHT


@dataclass(frozen=True)
class RecentData:
    path: str
    title: str
    opened: float
    """When, in seconds since 1970."""
    exists: bool = True


def ago(opened: float, now: float) -> str:
    """How long ago, in words: "just now", "5 minutes ago", "yesterday", "12 Nov", "12 Nov 2024"."""
    seconds = now - opened
    then, today = datetime.fromtimestamp(opened), datetime.fromtimestamp(now)
    days = (today.date() - then.date()).days
    if seconds < 90:
        return "just now"
    if seconds < 3600:
        return f"{round(seconds / 60)} minutes ago"
    if days == 0 or seconds < 6 * 3600:
        hours = round(seconds / 3600)
        return "an hour ago" if hours == 1 else f"{hours} hours ago"
    if days == 1:
        return "yesterday"
    if days < 7:
        return f"{days} days ago"
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[then.month - 1]
    return f"{then.day} {month}" if then.year == today.year else f"{then.day} {month} {then.year}"


class RecentRow(QAbstractButton):
    """One file: its title, and when it was open. Greyed and dead where the file is gone."""

    chosen = Signal(str)

    def __init__(self, data: RecentData, now: float | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.data = data
        self.when = ago(data.opened, time.time() if now is None else now) if data.exists else "missing"
        self.setEnabled(data.exists)
        self.setToolTip(data.path if data.exists else f"{data.path} is not there any more")
        self.setAccessibleName(f"{data.title}, {self.when}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._choose)

    def _choose(self) -> None:
        self.chosen.emit(self.data.path)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        return QSize(160, int(QFontMetricsF(font()).height() + QFontMetricsF(small()).height()) + 2 * TIGHT + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isEnabled() and (self.underMouse() or self.hasFocus()):
            painter.setBrush(QColor(theme.line if self.isDown() else theme.raised))
            painter.setPen(QColor(theme.accent) if self.hasFocus() else QColor(theme.line))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        y = float(TIGHT)
        for text, used, colour in (
            (self.data.title, font(), theme.text if self.isEnabled() else theme.muted),
            (self.when, small(), theme.muted),
        ):
            metrics = QFontMetricsF(used)
            width = self.width() - 2 * GAP
            painter.setFont(used)
            painter.setPen(QColor(colour))
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)
            painter.drawText(QRectF(GAP, y, width, metrics.height()), Qt.AlignmentFlag.AlignVCenter, shown)
            y += metrics.height() + 1
