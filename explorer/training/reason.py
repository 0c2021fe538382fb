"""What training does, or why it does not, in the drawer's bar: there it takes no room from the numbers, which stay in
their places however long the sentence is."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.theme.tokens import PAD
from explorer.widgets.elided import fits, paragraph
from explorer.widgets.wrapped import SPACING

LINES = 2
"""Of small letters, where one line of the usual size does not hold it."""


class Sentence(QWidget):
    """Whole on one line, or on two of small letters; beyond that it is cut, and whole in the tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._tone = "", "muted"
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)

    def text(self) -> str:
        return self._text

    def set_text(self, text: str, *, tone: str = "muted") -> None:
        if (text, tone) != (self._text, self._tone):
            self._text, self._tone = text, tone
            self.setAccessibleName(text)
            self.setToolTip(text)
            self.update()

    def is_whole(self) -> bool:
        """Whether all of the text is to be seen."""
        font, lines = self._shape()
        return fits(self._text, self.width(), font, lines) and _height(font, lines) <= self.height()

    def _shape(self) -> tuple[QFont, int]:
        shapes = ((theming.font(), 1), (theming.small(), 1))
        return next((shape for shape in shapes if fits(self._text, self.width(), *shape)), (theming.small(), LINES))

    def sizeHint(self) -> QSize:
        return QSize(0, round(_height(theming.small(), LINES)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QColor(getattr(theming.current(), self._tone)))
        font, lines = self._shape()
        top = (self.height() - _height(font, lines)) / 2
        paragraph(painter, QRectF(0, top, self.width(), self.height()), self._text, font, lines)


def _height(font: QFont, lines: int) -> float:
    return lines * QFontMetricsF(font).lineSpacing() * SPACING


class Reason(QWidget):
    bestWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = Sentence()
        self.best_button = QPushButton()
        self.best_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.best_button.setAccessibleName("Go to the best iteration")
        self.best_button.setToolTip("The iteration with the least validation loss (Ctrl+Alt+B)")
        self.best_button.setVisible(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(PAD)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.best_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.best_button.clicked.connect(self.bestWanted)

    def set_sentence(self, sentence: str, *, tone: str = "muted") -> None:
        self.sentence.set_text(sentence, tone=tone)

    def set_best(self, iteration: int | None) -> None:
        """The way to the best iteration is offered; None: it is not."""
        if iteration is not None:
            self.best_button.setText(f"Go to iteration {iteration:,}")
            self.best_button.setAccessibleName(f"Go to the best iteration, {iteration:,}")
        self.best_button.setVisible(iteration is not None)
