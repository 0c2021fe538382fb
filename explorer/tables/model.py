"""A table of a track for Qt's views: lazy, nothing is formatted but what is on screen."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor

from explorer.stage import classes, glyphs
from explorer.stage.tracks.base import TableData
from explorer.tables.text import Columns, sorted_steps
from explorer.theme import current as theming

Index = QModelIndex | QPersistentModelIndex
_ROLE = Qt.ItemDataRole
_NOBODY = QModelIndex()
_GLYPH_RATIO = 1.0


class TableModel(QAbstractTableModel):
    """Rows are steps from 1, columns units or curves. Sorted by a column, rows are in its order; what is not there
    (yet) and what is no number comes last either way."""

    rowsChanged = Signal(int, int)
    """From the one to the other. In place of `dataChanged`, at which a view paints all that it shows."""

    def __init__(self, table: TableData, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table, self.columns = table, Columns(table)
        self._row = -1
        self._sorted: tuple[int, Qt.SortOrder] | None = None
        self._steps: list[int] | None = None
        """By row, the step from 0; None: they are the same."""
        self._rows: list[int] = []
        """By step, the row; only where `_steps` is there."""

    # -- rows and steps -----------------------------------------------------------------------------------------------

    def step_at(self, row: int) -> int:
        """From 0."""
        return row if self._steps is None else self._steps[row]

    def row_of(self, step: int) -> int:
        """Of a step from 0."""
        return step if self._steps is None else self._rows[step]

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By a column; −1: by steps again."""
        self._sorted = (column, order) if 0 <= column < self.columns.count else None
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        steps = [self.step_at(index.row()) for index in old]
        self._steps = None if self._sorted is None else sorted_steps(self.columns, self._table.steps, *self._sorted)
        if self._steps is not None:
            self._rows = [0] * len(self._steps)
            for row, step in enumerate(self._steps):
                self._rows[step] = row
        new = [self.index(self.row_of(step), index.column()) for step, index in zip(steps, old, strict=True)]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    # -- the table ----------------------------------------------------------------------------------------------------

    @property
    def table(self) -> TableData:
        return self._table

    def set_table(self, table: TableData) -> None:
        """Of another moment, or of another trace."""
        old, columns = self._table, Columns(table)
        if _has_more(old, table):  # what is selected and scrolled to stays
            self.beginInsertColumns(_NOBODY, self.columns.count, columns.count - 1)
            self._table, self.columns = table, columns
            self.endInsertColumns()
            self.rowsChanged.emit(0, table.steps - 1)
            return
        same = columns.count == self.columns.count and table.steps == old.steps
        if not same or any(a.names != b.names for a, b in zip(table.blocks, old.blocks, strict=False)):
            self.beginResetModel()
            self._table, self.columns = table, columns
            self._sorted = self._steps = None
            self.endResetModel()
            return
        self._table, self.columns = table, columns
        rows: list[int] = []
        for before, after in zip(old.blocks, table.blocks, strict=True):
            if before.values is not after.values and not _same_array(before.values, after.values):
                rows += [0, table.steps - 1]
            for was, known in ((before.known, after.known), (before.also, after.also)):
                for old_end, new_end in zip(was, known, strict=True):
                    rows += [] if old_end == new_end else [old_end - 1, new_end - 1]
        if rows and self._sorted is not None:
            self.sort(*self._sorted)
        elif rows and self.columns.count:
            first, last = max(0, min(rows)), min(table.steps - 1, max(rows))
            self.rowsChanged.emit(first, last)

    def set_row(self, row: int) -> None:
        """The step under the playhead, from 0."""
        old, self._row = self._row, row
        for one in {old, row}:
            if 0 <= one < self._table.steps and old != row:
                self.rowsChanged.emit(self.row_of(one), self.row_of(one))

    def rowCount(self, parent: Index = _NOBODY) -> int:
        return 0 if parent.isValid() else self._table.steps

    def columnCount(self, parent: Index = _NOBODY) -> int:
        return 0 if parent.isValid() else self.columns.count

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> Any:
        row, column = self.step_at(index.row()), index.column()
        if role == _ROLE.DisplayRole:
            return self.columns.text(row, column)
        if role == _ROLE.DecorationRole:
            code = self.columns.code(row, column)
            return glyphs.glyph(code, theming.current().muted, _GLYPH_RATIO) if code >= classes.BELOW else None
        if role in (_ROLE.ToolTipRole, _ROLE.AccessibleDescriptionRole):
            return self.columns.note(row, column) or None
        if role == _ROLE.AccessibleTextRole:
            text, note = self.columns.text(row, column), self.columns.note(row, column)
            value = ", ".join(part for part in (text, note) if part)
            return f"t = {row + 1}, {self.columns.name(column)}: {value}"
        if role == _ROLE.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == _ROLE.BackgroundRole:
            theme = theming.current()
            if row == self._row:
                return QColor(theme.line)
            return QColor(theme.window) if self.columns.waits(row, column) else None
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal:
            return self.columns.name(section) if role in (_ROLE.DisplayRole, _ROLE.ToolTipRole) else None
        if role == _ROLE.DisplayRole:
            step = self.step_at(section)
            return f"▸ {step + 1}" if step == self._row else str(step + 1)
        return None


def _has_more(old: TableData, new: TableData) -> bool:
    """Whether the last block has more columns, and all that were there are called as they were."""
    if len(old.blocks) != len(new.blocks) or not old.blocks or old.steps != new.steps:
        return False
    a, b, n = old.blocks[-1], new.blocks[-1], len(old.blocks[-1].names)
    names = len(b.names) > n > 0 and (b.names[0], b.names[n - 1]) == (a.names[0], a.names[-1])
    return names and all(one.names == other.names for one, other in zip(old.blocks[:-1], new.blocks[:-1], strict=True))


def _same_array(a: Any, b: Any) -> bool:
    """Views of the same numbers, made anew."""
    return bool(a.shape == b.shape and a.strides == b.strides and a.ctypes.data == b.ctypes.data)
