"""Waiting in the event loop, as the program does."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer

from explorer.app import Explorer


def wait_for_picture(explorer: Explorer, *, audit: bool = True) -> None:
    wait_until(lambda: explorer.controller.settled if audit else explorer.controller.excerpt is not None)


def wait_until(there: Callable[[], bool]) -> None:
    loop = QEventLoop()
    timer = QTimer()
    timer.setInterval(2)

    def look() -> None:
        if there():
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()


def wait(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()
