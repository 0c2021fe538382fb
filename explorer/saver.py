"""Saves a large session in a thread of its own: written, read back and verified it takes a second, in which the window
goes on. A session is made of frozen parts, so that nobody can change it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from engine import session
from engine.errors import EngineError
from engine.session import Session

LARGE = 2 * 2**20
"""Bytes of a history from which on it is worth a thread."""
Done = Callable[[str, str], None]
"""Told the sentence of what went wrong, and the stamp of what was written; "" and it: it has been saved."""


def is_large(found: Session) -> bool:
    return sum(array.nbytes for state in found.history.values() for array in state.values()) > LARGE


class Saver(QObject):
    """One at a time."""

    _over = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None
        self._said, self._stamp = "", ""
        self._done: Done | None = None
        self._over.connect(self.finish, Qt.ConnectionType.QueuedConnection)

    def begin(self, found: Session, path: Path, done: Done) -> None:
        """`done` is called in the window's thread when it is over."""
        self.finish()
        self._done = done
        self._thread = threading.Thread(target=self._save, args=(found, path), name="saver")
        self._thread.start()

    @Slot()
    def finish(self) -> None:
        """Wait for what is being saved, and tell what came of it. Does nothing where nothing is."""
        thread, done = self._thread, self._done
        if thread is None or done is None:
            return
        thread.join()
        self._thread = self._done = None
        done(self._said, self._stamp)

    def _save(self, found: Session, path: Path) -> None:
        self._said, self._stamp = "", ""
        try:
            self._stamp = session.save(found, path)
        except EngineError as error:
            self._said = str(error)
        self._over.emit()
