"""Lines above the tracks: a prompt, a failure's sentence, and how far a long computation is."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import PAD


class Notice(QWidget):
    """One sentence with a coloured edge; hidden while it is empty. `tone` names the theme's colour."""

    def __init__(self, name: str, tone: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._tone, self._text = name, tone, ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(36)
        self.set_text("")

    def text(self) -> str:
        return self._text

    def set_text(self, text: str) -> None:
        self._text = text
        self.setAccessibleName(f"{self._name}: {text}" if text else self._name)
        self.setToolTip(text)
        self.setVisible(bool(text))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, 36)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.raised))
        painter.fillRect(QRect(0, 0, 3, self.height()), QColor(getattr(theme, self._tone)))
        painter.fillRect(QRect(0, self.height() - 1, self.width(), 1), QColor(theme.line))
        painter.setPen(QColor(theme.text))
        painter.setFont(theming.font(14, bold=True))
        box = self.rect().adjusted(PAD + 2, 0, -PAD, -1)
        text = painter.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)


class Progress(QWidget):
    """A thin line that fills; hidden while there is nothing to wait for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._done, self._total = 0, 0
        self.setFixedHeight(3)
        self.set_progress(0, 0)

    def set_progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self.setAccessibleName(f"{done} of {total} done" if total else "Progress")
        self.setVisible(total > 0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.line))
        if self._total:
            share = min(1.0, self._done / self._total)
            painter.fillRect(QRect(0, 0, round(self.width() * share), self.height()), QColor(theme.accent))
