"""Before a picture of a window is taken."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication

_NESTED = 6


def come_to_rest() -> None:
    """Let layouts that are due be made: each one inside of another asks for a round of events of its own."""
    for _ in range(_NESTED):
        QApplication.processEvents()
