"""One window for a test, closed after it. A module that wants it larger, or with something open, says so in a fixture
of the same name that takes this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.app import Explorer
from explorer.compute.inline import InlineExecutor
from explorer.settings import Settings


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
