"""The drawer's bar in one line: where training stands, and the button that starts and pauses it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import PAD
from explorer.training.words import SEPARATOR, Part, fitted

TRAIN, PAUSE = "▶  Train", "❚❚  Pause"


class TrainButton(QPushButton):
    """Starts and pauses; always as wide as the wider word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "primary")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.set_running(running=False)

    def set_running(self, *, running: bool) -> None:
        self.setText(PAUSE if running else TRAIN)
        self.setAccessibleName("Pause training" if running else "Train")
        self.setToolTip("Pause training (Ctrl+Enter)" if running else "Train on, iteration by iteration (Ctrl+Enter)")


class PartsLine(QWidget):
    """One line of parts: as many as its width has room for, and "…" where even the first has none. It asks for no room
    of its own, so that neither a number that gets longer nor another width makes a new layout."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: tuple[Part, ...] = ()
        self._metrics = QFontMetricsF(theming.font())
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def sizeHint(self) -> QSize:
        return QSize(0, int(self._metrics.height()) + 2)

    def set_parts(self, parts: tuple[Part, ...]) -> None:
        if parts != self._parts:
            self._parts = parts
            said = SEPARATOR.join(part.words for part in parts)
            self.setAccessibleName(said)
            self.setToolTip(said)
            self.update()

    def text(self) -> str:
        """What there is room for: whole parts; of the last that is left no half a letter."""
        if not self._parts:
            return ""
        line = fitted(self._parts, lambda line: self._metrics.horizontalAdvance(line) <= self.width())
        return self._metrics.elidedText(line, Qt.TextElideMode.ElideRight, self.width())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theming.font())
        painter.setPen(QColor(theming.current().muted))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignVCenter, self.text())


class Summary(QWidget):
    trainToggled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = PartsLine()
        self.button = TrainButton()
        self.button.setProperty("role", "small-primary")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(PAD)
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.trainToggled)

    def set_parts(self, parts: tuple[Part, ...]) -> None:
        self.words.set_parts(parts)

    def set_running(self, *, running: bool) -> None:
        self.button.set_running(running=running)

    def set_available(self, available: bool) -> None:
        self.button.setEnabled(available)
