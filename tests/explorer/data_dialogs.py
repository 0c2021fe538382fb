"""A data dialog over a file, as a person finds it; and the hands that go through it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from explorer.compute.courier import Courier
from explorer.compute.inline import InlineExecutor
from explorer.data_dialog.dialog import DataDialog
from explorer.data_dialog.reader import Reader
from explorer.dock.fields import ChoiceField
from explorer.theme import current as theming

LEFT, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
GERMAN = "".join(
    [
        "\ufeffTag;Preis;Last;Notiz\r\n",
        *(
            f"{1 + n % 28:02d}.{1 + n // 28 % 12:02d}.{2020 + n // 336};{n},25;"
            f"{'' if n in (9, 200) else f'{n % 7},5'};{'frei' if n % 90 == 0 else ''}\r\n"
            for n in range(400)
        ),
    ]
)
"""Semicolons, decimal commas, a byte order mark, two gaps and a column of text."""


class Never(Executor):
    """An engine that computes for ever, until it is told to end that."""

    def __init__(self) -> None:
        self.ended = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        return future

    def cancel_running(self, future: Future[Any]) -> bool:
        self.ended += 1
        return True


class Opened:
    """A dialog over a file, and the tasks that it gave."""

    def __init__(self, qtbot: QtBot, path: str, executor: Executor | None = None, steps: int = 20) -> None:
        theming.apply("dark")
        self.courier = Courier(executor or InlineExecutor())
        self.reader = Reader(self.courier)
        self.dialog = DataDialog(self.reader, path, steps=steps, batch_size=4)
        qtbot.addWidget(self.dialog)
        self.tasks: list[Any] = []
        self.dialog.chosen.connect(self.tasks.append)
        self.dialog.show()
        self.dialog.activateWindow()
        qtbot.waitExposed(self.dialog)
        self._qtbot = qtbot

    def wait(self) -> None:
        self._qtbot.waitUntil(lambda: not self.reader.reading, timeout=20_000)
        QApplication.processEvents()


def pick(field: QWidget, value: object) -> None:
    """As a person does, of a list that is open."""
    assert isinstance(field, ChoiceField)
    field.setFocus()
    field.showPopup()
    view = field.view()
    view.setCurrentIndex(view.model().index(field.findData(value), 0))
    QTest.keyClick(view, Qt.Key.Key_Return)


def visible(dialog: DataDialog) -> str:
    return dialog.failure.text.text() if dialog.failure.isVisible() else ""


def tab_to(dialog: DataDialog, wanted: QWidget) -> None:
    """With Tab, as often as it takes to come around."""
    for _ in range(60):
        if dialog.focusWidget() is wanted:
            return
        QTest.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Tab)
    raise AssertionError(f"Tab does not come to {wanted.accessibleName()}")
