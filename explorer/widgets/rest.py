"""Before a picture of a window is taken."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication

from explorer.widgets.still import Still

_NESTED = 6


def come_to_rest() -> None:
    """Let layouts that are due be made: each one inside of another asks for a round of events of its own. No window is
    left under the picture that it has while it is being resized."""
    for window in QApplication.topLevelWidgets():
        for still in window.findChildren(Still):
            still.take_off()
    for _ in range(_NESTED):
        QApplication.processEvents()
