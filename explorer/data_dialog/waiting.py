"""While nothing is known of a file yet: which one it is, and how far it has been read. Nothing that claims more."""

from __future__ import annotations

import os

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from explorer.data_dialog.words import size_words
from explorer.theme.tokens import GAP
from explorer.widgets.elided import ElidedLabel

_WIDTH = 320


class Waiting(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.says = ElidedLabel(tone="muted", align=Qt.AlignmentFlag.AlignHCenter)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(_WIDTH)
        self.progress.setAccessibleName("Reading")
        column = QVBoxLayout(self)
        column.setSpacing(GAP)
        column.addStretch(1)
        for part in (self.says, self.progress):
            column.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self.says.setFixedWidth(_WIDTH)
        self._size = ""
        self.hide()

    def begin(self, path: str) -> None:
        try:
            self._size = size_words(os.path.getsize(path))
        except (OSError, ValueError):  # the engine says why, in a sentence
            self._size = ""
        self.progress.setRange(0, 0)  # until it is known how far it is
        self.say(0.0)
        self.show()

    def say(self, seconds: float) -> None:
        of = f" {self._size}" if self._size else ""
        self.says.set_text(f"Reading{of}… {seconds:.0f} s" if seconds >= 1 else f"Reading{of}…")

    def show_share(self, share: float) -> None:
        self.progress.setRange(0, 100)
        self.progress.setValue(round(100 * share))
