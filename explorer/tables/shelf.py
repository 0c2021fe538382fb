"""The tables that are open, one a track at most: they follow the stage, and close with their track."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from explorer.stage.stage import Stage

if TYPE_CHECKING:
    from explorer.tables.window import TableWindow


class Shelf(QObject):
    stepPicked = Signal(int)
    """A row of a table that somebody wants to go to: step t, from 1."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._stage = stage
        self._open: dict[str, TableWindow] = {}

    def open(self, key: str) -> TableWindow | None:
        """The table of a track, in front; None while the track has nothing to tell."""
        if key not in self._open:
            table = self._stage.table(key)
            if table is None:
                return None
            from explorer.tables.window import TableWindow  # not before somebody wants one

            window = TableWindow(key, table, self._stage.window())
            window.finished.connect(self._closed)
            window.stepPicked.connect(self.stepPicked)
            self._open[key] = window
        self.refresh()
        window = self._open[key]
        window.show()
        window.raise_()
        window.activateWindow()
        return window

    @Slot()
    def refresh(self) -> None:
        """Another moment, another trace, other tracks."""
        now = self._stage.canvas.now
        for key, window in list(self._open.items()):
            if key not in self._stage.tracks():
                window.close()
            elif now is not None and (table := self._stage.table(key)) is not None:
                window.set_table(table, now.step)

    def close(self) -> None:
        for window in list(self._open.values()):
            window.close()

    @Slot()
    def _closed(self) -> None:
        gone = self.sender()
        self._open = {key: window for key, window in self._open.items() if window is not gone}
