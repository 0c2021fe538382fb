"""A picture of the window without a display: the same window, the same engine, one moment of the tape."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QEventLoop, QMessageLogContext, QObject, QTimer, QtMsgType, Slot, qInstallMessageHandler

from engine.errors import EngineError
from explorer import sizes
from explorer.analysis.desk import Desk
from explorer.controller import Controller
from explorer.document.opening import Opening
from explorer.evaluation.evaluator import Evaluator
from explorer.settings import Settings
from explorer.theme.tokens import ThemeName
from explorer.widgets.rest import come_to_rest

_PATIENCE_MS = 600_000


def render_to_file(
    found: Opening,
    output: Path,
    at: str | None,
    size: tuple[int, int],
    theme: ThemeName,
    scale: int = 100,
    drawer: Literal["", "training", "evaluation"] = "",
) -> None:
    """Render an opening at a moment ("backward:12"; None: its own) to a PNG file of that size in pixels, in which
    everything is `scale` percent large; with the drawer open at a tab, if one is named.

    Raises EngineError with one sentence where the moment does not exist, nothing can be computed, or the file cannot be
    written (the command line writes to a temporary file beside the output, and puts it in place when it is whole).
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from explorer.app import Explorer, application
    from explorer.compute.executor import EngineProcess

    if at is not None:
        found = found.at(at)
    application(scale)
    qInstallMessageHandler(_quieter)
    executor = EngineProcess()
    executor.start()
    explorer = Explorer(executor, Settings(theme=theme, drawer=drawer))
    try:
        explorer.window.resize(*(round(length * 100 / sizes.in_force()) for length in size))
        explorer.show(found)
        explorer.window.stage.set_prompt("")
        _Settled(explorer.controller, explorer.desk, explorer.evaluator).wait()
        come_to_rest()
        picture = explorer.window.grab()
    finally:
        explorer.window.hide()
        explorer.close()
        explorer.window.deleteLater()
        qInstallMessageHandler(None)
    if not picture.save(str(output), "PNG"):
        raise EngineError(f"{output} cannot be written as a PNG; choose another place.")


def _quieter(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """The offscreen platform says at every window that it cannot hint sizes; nobody who renders wants to know."""
    if "propagateSizeHints" not in message:
        print(message, file=sys.stderr)


class _Settled(QObject):
    """Runs the event loop until nothing is under way, analyses and evaluation neither. Raises EngineError where the trace failed."""

    def __init__(self, controller: Controller, desk: Desk, evaluator: Evaluator) -> None:
        super().__init__()
        self._controller, self._desk, self._evaluator = controller, desk, evaluator
        self._loop = QEventLoop()
        self._sentence = ""
        self._poll = QTimer(self)
        self._poll.setInterval(10)
        self._poll.timeout.connect(self._look)
        self._waited = 0

    def wait(self) -> None:
        self._controller.failed.connect(self._failed)
        self._poll.start()
        if not self._all:
            self._loop.exec()
        self._poll.stop()
        if self._sentence:
            raise EngineError(self._sentence)

    @property
    def _all(self) -> bool:
        return self._controller.settled and self._desk.settled and self._evaluator.settled

    @Slot()
    def _look(self) -> None:
        self._waited += self._poll.interval()
        if self._waited > _PATIENCE_MS:
            self._sentence = "The trace was not ready after ten minutes."
            self._loop.quit()
        elif self._all:
            self._loop.quit()

    @Slot(str)
    def _failed(self, sentence: str) -> None:
        self._sentence = sentence
        self._loop.quit()
