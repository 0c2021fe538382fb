"""The first rows of a file as they stand in it, how a text begins, or which arrays there are."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QHeaderView, QPlainTextEdit, QStackedWidget, QTableView, QWidget

from engine.data.preview import ArraysPreview, Preview, TablePreview, TextPreview
from explorer.data_dialog.words import column_tip, kind_words, short
from explorer.theme import current as theming

Index = QModelIndex | QPersistentModelIndex
MISSING = "missing"
_WIDEST = 240


class PreviewView(QStackedWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableView()
        self.table.setAccessibleName("First rows of the file")
        self.table.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.horizontalHeader().setHighlightSections(False)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("How the text begins")
        self.text.setTabChangesFocus(True)
        self.addWidget(QWidget())
        self.addWidget(self.table)
        self.addWidget(self.text)

    def clear(self) -> None:
        self.setCurrentIndex(0)

    def show_preview(self, preview: Preview) -> None:
        if isinstance(preview, TextPreview):
            self.text.setPlainText(preview.head)
            self.setCurrentWidget(self.text)
            return
        model = _table_model(preview) if isinstance(preview, TablePreview) else _arrays_model(preview)
        old = self.table.model()
        model.setParent(self.table)
        self.table.setModel(model)
        if old is not None:
            old.deleteLater()
        self.table.verticalHeader().setVisible(isinstance(preview, TablePreview))
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column in range(min(model.columnCount(), 60)):  # more are never seen at once
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(_WIDEST, self.table.columnWidth(column) + 8))
        self.setCurrentWidget(self.table)

    def mark(self, read: Sequence[str], target: str | None) -> None:
        """Columns that are read stand out, and the one that is forecast."""
        model = self.table.model()
        if isinstance(model, _Table):
            model.mark(set(read), target)
            if target in model.heads:
                at = model.heads.index(target)
                self.table.setColumnWidth(at, max(self.table.columnWidth(at), self._head_width(at)))

    def _head_width(self, at: int) -> int:
        return min(_WIDEST, self.table.horizontalHeader().sectionSizeHint(at) + 8)


class _Table(QAbstractTableModel):
    def __init__(
        self,
        heads: Sequence[str],
        kinds: Sequence[str],
        tips: Sequence[str],
        rows: Sequence[Sequence[str]],
        numbers: Sequence[bool],
        missing: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.heads = list(heads)
        self._kinds, self._tips, self._rows = kinds, tips, rows
        self._numbers, self._missing = numbers, missing
        self._read: set[str] | None = None
        self._target: str | None = None

    def mark(self, read: set[str], target: str | None) -> None:
        if (read, target) != (self._read, self._target):
            self._read, self._target = read, target
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(self.heads) - 1)
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(self.heads) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  (Qt's signature)
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.heads)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        at = index.column()
        cell = self._rows[index.row()][at]
        absent = self._numbers[at] and cell.strip().lower() in self._missing
        if role == Qt.ItemDataRole.DisplayRole:
            return cell or MISSING
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(at)
        if role == Qt.ItemDataRole.ForegroundRole and (absent or not cell or not self._used(at)):
            return QColor(theming.current().muted)
        if role == Qt.ItemDataRole.FontRole and (absent or not cell):
            used = QFont(theming.font())
            used.setItalic(True)
            return used
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tips[at]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation == Qt.Orientation.Vertical:
            return str(section + 1) if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.DisplayRole:
            head, below = short(self.heads[section]), f"{self._kinds[section]}{self._mark(section)}"
            return f"{head}\n{below}" if below else head
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tips[section]
        if role == Qt.ItemDataRole.ForegroundRole and not self._used(section):
            return QColor(theming.current().muted)
        if role == Qt.ItemDataRole.FontRole:
            return theming.small(bold=self._read is not None and self._used(section))
        return None

    def _alignment(self, at: int) -> Qt.AlignmentFlag:
        """Of cells and of what stands above them."""
        side = Qt.AlignmentFlag.AlignRight if self._numbers[at] else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def _used(self, at: int) -> bool:
        return self._read is None or self.heads[at] in self._read or self.heads[at] == self._target

    def _mark(self, at: int) -> str:
        return " · target" if self.heads[at] == self._target else ""


def _table_model(preview: TablePreview) -> _Table:
    columns = preview.columns
    return _Table(
        [column.name for column in columns],
        [kind_words(column) for column in columns],
        [column_tip(column) for column in columns],
        preview.head,
        [column.kind == "number" for column in columns],
        frozenset(one.lower() for one in preview.options.missing or ()),
    )


def _arrays_model(preview: ArraysPreview) -> _Table:
    heads = ("array", "shape", "type", "missing")
    rows = [(a.name, " × ".join(map(str, a.shape)), a.dtype, f"{a.missing:,} NaN") for a in preview.arrays]
    return _Table(heads, ("",) * 4, ("",) * 4, rows, (False,) * 4)
