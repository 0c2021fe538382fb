"""A table on its way to a file: a few rows at a time, so that the window goes on living; whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QProgressDialog, QWidget

from engine import atomic
from engine.errors import SessionError

_SLICE_SECONDS = 0.02


class Saving(QObject):
    """`done` says in one sentence how it ended."""

    done = Signal(str)

    def __init__(self, parts: Iterator[bytes], count: int, path: Path, parent: QWidget) -> None:
        """`count`: how many parts there are."""
        super().__init__(parent)
        self._path, self._parts = path, parts
        self._written: list[bytes] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._go_on)
        self._progress = QProgressDialog(f"Writing {path.name}…", "Cancel", 0, count, parent)
        self._progress.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._progress.setAutoClose(False)
        self._progress.setAutoReset(False)
        self._progress.setMinimumDuration(400)
        self._progress.canceled.connect(self._cancel)

    def start(self) -> None:
        self._timer.start()

    @Slot()
    def _go_on(self) -> None:
        until = time.perf_counter() + _SLICE_SECONDS
        while time.perf_counter() < until:
            part = next(self._parts, None)
            if part is None:
                self._finish()
                return
            self._written.append(part)
        self._progress.setValue(len(self._written))

    def _finish(self) -> None:
        self._end()
        try:
            atomic.write(self._path, self._written)
        except SessionError as error:
            self.done.emit(str(error))
        else:
            self.done.emit(f"Saved as {self._path.name}.")
        self._written.clear()

    @Slot()
    def _cancel(self) -> None:
        if self._timer.isActive():
            self._end()
            self._written.clear()
            self.done.emit(f"{self._path.name} was not written.")

    def _end(self) -> None:
        self._timer.stop()
        self._progress.blockSignals(True)
        self._progress.close()
