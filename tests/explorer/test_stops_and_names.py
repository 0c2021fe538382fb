"""Every stop of the Tab key in the drawer and the data dialog has a name, and none is an area that only scrolls; what
stands in a narrow dialog is not cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from explorer.compute.courier import Courier
from explorer.compute.inline import InlineExecutor
from explorer.data_dialog.dialog import DataDialog
from explorer.data_dialog.reader import Reader
from explorer.theme import current as theming
from explorer.training.drawer import TABS, Drawer
from explorer.widgets.elided import ElidedLabel


def stops(root: QWidget) -> list[QWidget]:
    return [one for one in [root, *root.findChildren(QWidget)] if one.focusPolicy() & Qt.FocusPolicy.TabFocus]


def check(root: QWidget) -> None:
    found = stops(root)
    assert len(found) > 10
    for one in found:
        inside = f"{type(one).__name__} in {type(one.parentWidget()).__name__}"
        assert one.accessibleName() or (isinstance(one, QAbstractButton) and one.text()), inside
        assert not isinstance(one, QScrollArea), inside


def test_in_the_drawer(qtbot: QtBot) -> None:
    theming.apply("dark")
    drawer = Drawer()
    qtbot.addWidget(drawer)
    for tab in TABS:
        drawer.show_tab(tab)
    check(drawer)


FILES = {"table.csv": "Zeit;Preis;Notiz\n" + "".join(f"2020-01-{1 + n % 28:02d};{n},25;x\n" for n in range(90)),
         "tale.txt": "the cat sat on the mat.\n" * 90}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("width", [640, 760, 800, 980])
def test_in_the_data_dialog_of_any_width(qtbot: QtBot, tmp_path: Path, name: str, width: int) -> None:
    theming.apply("dark")
    (tmp_path / name).write_text(FILES[name])
    courier = Courier(InlineExecutor())
    reader = Reader(courier)
    dialog = DataDialog(reader, str(tmp_path / name), steps=20, batch_size=4)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: not reader.reading)
    dialog.resize(width, 560)
    qtbot.wait(20)
    check(dialog)
    assert dialog.width() == width
    right = dialog.side.mapTo(dialog, dialog.side.rect().topRight()).x()
    assert right < width, "what becomes of it stands inside"
    for row in dialog.as_read.rows.values():
        if not row.isVisible():
            continue
        words = row.findChild(ElidedLabel)
        assert words is not None
        assert words.fontMetrics().horizontalAdvance(words.text()) <= words.width(), words.text()
        field = row.field
        assert field.fontMetrics().horizontalAdvance(field.currentText()) + 20 <= field.width()  # type: ignore[union-attr]
    dialog.reject()
    courier.close()
