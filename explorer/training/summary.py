"""The drawer's bar in one line: where training stands, and the button that starts and pauses it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from explorer.theme.tokens import PAD
from explorer.training.words import SEPARATOR, Part, fitted
from explorer.widgets.elided import ElidedLabel

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


class Summary(QWidget):
    trainToggled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = ElidedLabel(tone="muted")
        self.button = TrainButton()
        self.button.setProperty("role", "small-primary")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(PAD)
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self._parts: tuple[Part, ...] = ()
        self.button.clicked.connect(self.trainToggled)

    def set_parts(self, parts: tuple[Part, ...]) -> None:
        if parts != self._parts:
            self._parts = parts
            self._fit()

    def _fit(self) -> None:
        """Whole parts, as many as there is room for; all of them on hovering and for who hears them."""
        room = self.width() - self.button.sizeHint().width() - PAD
        said = SEPARATOR.join(part.words for part in self._parts)
        words = fitted(self._parts, lambda line: self.words.width_of(line) <= room)
        self.words.set_text(words, tip="" if words == said else said)
        self.words.setAccessibleName(said)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def set_running(self, *, running: bool) -> None:
        self.button.set_running(running=running)

    def set_available(self, available: bool) -> None:
        self.button.setEnabled(available)

    def set_brief(self, brief: bool) -> None:
        """The training tab is open: it says all of this itself."""
        self.words.setVisible(not brief)
        self.button.setVisible(not brief)
