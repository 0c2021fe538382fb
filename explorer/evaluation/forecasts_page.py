"""One forecast a sequence: every prediction against its target, and beside it, of the one chosen, what was read and the
forecast at its end."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from explorer.evaluation.answers import Answers
from explorer.evaluation.legend import Entry
from explorer.evaluation.scatter_view import ScatterView
from explorer.evaluation.series_view import SeriesView
from explorer.theme.tokens import GAP

CHOSEN = "backward"
"""In both pictures the one chosen has this colour."""
_BOTH = 340
"""Pixels from which both have room beside each other."""


class ForecastsPage(QWidget):
    roomChanged = Signal()
    """The curve comes or goes, and with it what the legend says."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scatter, self.series = ScatterView(), SeriesView(CHOSEN)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.scatter, 2)
        row.addWidget(self.series, 3)

    def minimumSizeHint(self) -> QSize:
        return self.scatter.minimumSizeHint()  # the curve goes where there is no room for it

    def set_answers(self, answers: Answers | None, n: int) -> None:
        self.scatter.set_answers(answers, n)
        self.series.set_answers(answers, n)

    def legend(self) -> tuple[Entry, ...]:
        """The prediction of the curve is the dot of the one chosen."""
        curve = [one for one in self.series.legend() if one.kind != "title" and one.words != "prediction"]
        return (*self.scatter.legend(), *(curve if self._has_room() else ()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._has_room() == self.series.isHidden():
            self.series.setVisible(self._has_room())
            self.roomChanged.emit()

    def _has_room(self) -> bool:
        return self.width() >= _BOTH
