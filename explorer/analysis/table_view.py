"""A table that can be read by keys and copied as CSV."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from explorer.analysis.tables import Table, is_number
from explorer.theme import current as theming
from explorer.widgets.numbers import short

_LONG = 12
_Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.table = Table((), 0, lambda row, column: "")

    def set_table(self, table: Table) -> None:
        self.beginResetModel()
        self.table = table
        self.endResetModel()

    def rowCount(self, parent: _Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else self.table.rows

    def columnCount(self, parent: _Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.table.columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return _shown(self.table.cell(index.row(), index.column()))
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.table.cell(index.row(), index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = is_number(self.table.cell(index.row(), index.column()))
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.table.columns[section]
        return None


def _shown(text: str) -> str:
    """Seven digits: an exact number that is cut off at its end would lose its exponent. It is in the tool tip and in
    what is copied."""
    return short(float(text), 7) if len(text) > _LONG and is_number(text) else text


class TableView(QTableView):
    """Ctrl+C copies the selected rows, or the whole table where no more than one cell is selected."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = _Model(self)
        self.setModel(self._model)
        self.setAccessibleName(f"{name}: table")
        self.setFixedHeight(210)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(20)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)
        self.setFont(theming.small())
        self.horizontalHeader().setFont(theming.small(bold=True))
        copy = QAction("Copy as CSV", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        theming.notifier().changed.connect(self._restyle)
        self._restyle()

    def set_table(self, table: Table) -> None:
        fresh = table.columns != self._model.table.columns
        self._model.set_table(table)
        if fresh:
            metrics = self.horizontalHeader().fontMetrics()
            for column, title in enumerate(table.columns):
                self.setColumnWidth(column, max(88 if column else 64, metrics.horizontalAdvance(title) + 18))

    @property
    def table(self) -> Table:
        return self._model.table

    @Slot()
    def copy(self) -> None:
        QGuiApplication.clipboard().setText(self.as_csv())

    def as_csv(self) -> str:
        rows = sorted({index.row() for index in self.selectedIndexes()})
        table = self._model.table
        if len(self.selectedIndexes()) > 1:
            table = Table(table.columns, len(rows), lambda row, column: self._model.table.cell(rows[row], column))
        return table.csv()

    @Slot()
    def _restyle(self) -> None:
        t = theming.current()
        self.setStyleSheet(
            f"QTableView {{ background: {t.plot}; border: 1px solid {t.line}; gridline-color: {t.line};"
            f" selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}"
            f" QTableView:focus {{ border-color: {t.accent}; }}"
            " QAbstractScrollArea::corner { background: transparent; border: none; }"
            f" QHeaderView {{ background: {t.raised}; border: none; }}"
            f" QHeaderView::section {{ background: {t.raised}; color: {t.text}; border: none; padding: 2px 6px; }}"
        )
