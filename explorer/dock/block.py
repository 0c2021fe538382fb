"""A block of rows outside of the cards, with a place for those that are rarely used."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.dock.flag import Disclosure
from explorer.dock.problems import Problem
from explorer.dock.rows import Field, FieldRow, RowPair


class Rows(QWidget):
    """A block of rows outside of the cards."""

    edited = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, FieldRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._pairs: list[RowPair] = []
        self.disclosure = Disclosure("training", parent=self)
        self.disclosure.hide()
        self.more = QWidget(self)
        self._more = QVBoxLayout(self.more)
        self._more.setContentsMargins(0, 0, 0, 0)
        self._more.setSpacing(2)
        self.more.hide()
        self.disclosure.toggled.connect(self.more.setVisible)

    def row(self, name: str, label: str, field: Field, tip: str = "") -> FieldRow:
        made = FieldRow(name, label, field, tip)
        made.edited.connect(self._wanted)
        self.rows[name] = made
        return made

    def add(self, *rows: QWidget) -> None:
        for row in rows:
            self._column.addWidget(row)

    def add_more(self, *rows: QWidget) -> None:
        """Rarely used: below "more", which stands where it is first asked for."""
        if self._more.count() == 0:
            self._column.addWidget(self.disclosure)
            self.disclosure.show()
            self._column.addWidget(self.more)
        for row in rows:
            self._more.addWidget(row)

    def _wanted(self, name: str, value: object) -> None:
        self.edited.emit(name, value)

    def pair(self, left: FieldRow, right: FieldRow, shares: tuple[int, int] = (1, 1)) -> RowPair:
        pair = RowPair(left, right, shares)
        self._pairs.append(pair)
        return pair

    def show_pairs(self) -> None:
        """Those of which neither half is there take no room."""
        for pair in self._pairs:
            pair.show_halves()

    def fill(self, values: dict[str, Any]) -> None:
        for name, row in self.rows.items():
            row.set_value(values.get(name))

    def show_problem(self, found: Problem | None) -> None:
        for name, row in self.rows.items():
            here = found is not None and found.field == name
            row.show_problem(found.sentence if found is not None and here else "")
            if here and self.more.isAncestorOf(row):
                self.disclosure.setChecked(True)
