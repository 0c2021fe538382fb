"""Draws what grows a dozen times a second, and leaves the window several times as long for everything else."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

_PACE_MS = 80
_REST = 4
"""Times as long as it took to draw."""


class Pace(QObject):
    def __init__(self, show: Callable[[], None], cost: Callable[[], float], parent: QObject) -> None:
        """`cost`: seconds of drawing that come after `show`, in the paint event."""
        super().__init__(parent)
        self._draw, self._cost = show, cost
        self._due = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take)

    @Slot()
    def ask(self) -> None:
        """There is something new: it is shown at once, or when it is time again."""
        self._due = True
        if not self._timer.isActive():
            self._take()

    def shown(self) -> None:
        """It has been, whoever asked for it."""
        self._due = False

    @Slot()
    def _take(self) -> None:
        if self._due:
            began = time.perf_counter()
            self._due = False
            self._draw()
            took = time.perf_counter() - began + self._cost()
            self._timer.start(max(_PACE_MS, round(_REST * 1000 * took)))
