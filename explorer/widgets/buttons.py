"""Buttons with our icons: IconButton as everywhere in the window, FlatButton for tight places."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QToolButton, QWidget

from explorer.theme.current import current, notifier
from explorer.theme.tokens import TIGHT
from explorer.widgets.icons import icon, kept_pixmap

FADED = 0.7
"""Opacity of what is there but cannot be used: some 2:1."""
BY_KEY = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
"""A ring around what has the focus is for people who go there with keys."""


class IconButton(QToolButton):
    """A tool button whose icon follows the theme. `tone` names the theme's colour of the icon."""

    def __init__(self, name: str, tip: str, *, tone: str = "text", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._tone = name, tone
        self.setIconSize(QSize(14, 14))
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._tint()
        notifier().changed.connect(self._tint)

    def set_icon(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self._tint()

    def _tint(self) -> None:
        self.setIcon(icon(self._name, self._tone))


class FlatButton(QAbstractButton):
    """A small icon without a frame until the pointer or the focus is on it."""

    def __init__(self, name: str, tip: str, *, size: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setFixedSize(size, size)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def set_icon(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self.isEnabled() and (self.underMouse() or self.hasFocus() or self.isDown()):
            painter.setBrush(QColor(theme.line if self.isDown() else theme.raised))
            painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.line), 1))
            painter.drawRoundedRect(box, TIGHT, TIGHT)
        colour = theme.muted if self.isEnabled() else theme.border
        painter.setOpacity(1.0 if self.isEnabled() else FADED)
        inset = self.width() // 5
        size = self.width() - 2 * inset
        painter.drawPixmap(inset, inset, kept_pixmap(self._name, colour, size, self.devicePixelRatioF()))
