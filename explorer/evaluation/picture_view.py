"""What a sequence is a picture of: a handwritten digit, whose rows or pixels are read one after the other."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.evaluation.answers import Answers, Floats
from explorer.stage import palette
from explorer.stage.margins import LINE
from explorer.theme import current as theming
from explorer.widgets.labels import label_of

WIDTH = 84


def picture_of(answers: Answers, n: int) -> Floats | None:
    """(rows, columns), from 0 to 1; None where a sequence is no picture."""
    if answers.picture is None:
        return None
    return np.asarray(answers.judged.inputs[n][: answers.length(n)], np.float64).reshape(answers.picture)


class PictureView(QWidget):
    """The picture of the sequence that is shown, and below it what it is and what was said."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixels: Floats | None = None
        self._words = ("", "")
        self._right = True
        self.setFixedWidth(WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        theming.notifier().changed.connect(self._changed)
        self.hide()

    @property
    def is_there(self) -> bool:
        """Whether what is shown is a picture of something."""
        return self._pixels is not None

    def minimumSizeHint(self) -> QSize:
        return QSize(WIDTH, 60)

    @Slot()
    def _changed(self) -> None:
        self.update()

    def set_answers(self, answers: Answers | None, n: int) -> None:
        self._pixels = None if answers is None else picture_of(answers, n)
        self.setVisible(self.is_there)
        if answers is None or self._pixels is None:
            return
        due, said = (label_of(answers.judged.labels, one[0]) for one in (answers.truth(n), answers.answer(n)))
        self._right = due == said
        self._words = f"truth {due}", f"answer {said}"
        self.setAccessibleName(f"Picture of sequence {n + 1:,}, a {due}, answer {said}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._pixels is None:
            return
        theme, painter = theming.current(), QPainter(self)
        rows, columns = self._pixels.shape
        room = min(self.width() - 2, self.height() - 2 * LINE - 6)
        cell = max(1, int(room // max(rows, columns)))
        left, top = (self.width() - columns * cell) / 2, 2.0
        for (row, column), value in np.ndenumerate(self._pixels):
            tone = palette.mix(theme.plot, theme.text, min(max(float(value), 0.0), 1.0))
            painter.fillRect(QRectF(left + column * cell, top + row * cell, cell, cell), QColor(tone))
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawRect(QRectF(left - 0.5, top - 0.5, columns * cell + 1, rows * cell + 1))
        painter.setFont(theming.small())
        y = top + rows * cell + 3
        for text, tone in zip(self._words, ("muted", "healthy" if self._right else "exploding"), strict=True):
            painter.setPen(QColor(getattr(theme, tone)))
            painter.drawText(QRectF(0, y, self.width(), LINE), Qt.AlignmentFlag.AlignCenter, text)
            y += LINE
