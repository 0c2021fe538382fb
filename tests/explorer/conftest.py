"""One window for a test, closed after it. A module that wants it larger, or with something open, says so in a fixture
of the same name that takes this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_dialogs import Opened
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from explorer.app import Explorer
from explorer.compute.inline import InlineExecutor
from explorer.settings import Settings


@pytest.fixture(autouse=True)
def no_key_stays_held() -> Iterator[None]:
    """Qt takes the modifiers of the last event for held until the next one, and QTest lets go of none: what is pressed
    with Ctrl or Shift in one test would be held in the next."""
    yield
    if QApplication.instance() is not None and QGuiApplication.keyboardModifiers() != Qt.KeyboardModifier.NoModifier:
        QTest.keyClick(QWidget(), Qt.Key.Key_Shift)


@pytest.fixture
def explorer_settings() -> Settings:
    return Settings(theme="dark")


@pytest.fixture
def explorer(qtbot: QtBot, explorer_settings: Settings) -> Iterator[Explorer]:
    """The real engine in this process; nothing is open and nothing is shown yet."""
    made = Explorer(InlineExecutor(), explorer_settings)
    made.window.resize(1400, 900)
    yield made
    made.window.hide()
    made.close()
    made.window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Writes a file, and says where."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def over(qtbot: QtBot) -> Iterator[Callable[[str], Opened]]:
    """Opens a data dialog over a file."""
    made: list[Opened] = []

    def open_over(path: str) -> Opened:
        made.append(Opened(qtbot, path))
        made[-1].wait()
        return made[-1]

    yield open_over
    for one in made:
        one.dialog.reject()
        one.courier.close()
