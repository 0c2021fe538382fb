"""A track as a table in a window of its own: it follows the playhead and stays open beside the stage."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QModelIndex, QObject, Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QStyle,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from explorer.stage.tracks.base import TableData
from explorer.tables.model import TableModel
from explorer.tables.saving import Saving
from explorer.tables.text import csv_parts, longest, parts_of, tsv
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, ROOM

_WIDEST_NAME = 220
"""Pixels of a column's name; what is longer is in its tool tip."""
MOST_CELLS = 200_000
"""That are copied at once; more are saved to a file."""


class TableWindow(QDialog):
    stepPicked = Signal(int)
    """Somebody wants to go to step t, from 1."""

    def __init__(self, key: str, table: TableData, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self.setWindowFlag(Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.model = TableModel(table, self)
        self._saving: Saving | None = None
        self._row = -1
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setFont(theming.font())
        self.view.setWordWrap(False)
        self.view.setAlternatingRowColors(False)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setTabKeyNavigation(False)
        metrics = QFontMetrics(theming.font())
        down, across = self.view.verticalHeader(), self.view.horizontalHeader()
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(metrics.height() + 8)
        across.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        across.setSortIndicatorClearable(True)
        self.view.setSortingEnabled(True)
        self._fit_columns()
        self.said, self.cell = QLabel(), QLabel()
        self.said.setProperty("role", "muted")
        self.said.setAccessibleName("What the table shows")
        self.cell.setAccessibleName("Current cell")
        self.cell.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.follow = QCheckBox("&Follow the playhead")
        self.follow.setChecked(True)
        self.copy_button, self.save_button = QPushButton("&Copy"), QPushButton("&Save as CSV…")
        self.copy_button.setToolTip("The selected cells with a heading, to paste into a spreadsheet")
        self.save_button.setToolTip("The whole table as far as the tape has reached")
        foot = QHBoxLayout()
        foot.addWidget(self.follow)
        foot.addStretch(1)
        foot.addWidget(self.copy_button)
        foot.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(PAD, PAD, PAD, PAD)
        column.setSpacing(GAP)
        for part in (self.said, self.view, self.cell):
            column.addWidget(part, 1 if part is self.view else 0)
        column.addLayout(foot)
        for button in (self.copy_button, self.save_button):
            button.setAutoDefault(False)
        self.copy_button.clicked.connect(self.copy)
        self.save_button.clicked.connect(self.ask_where)
        self.follow.toggled.connect(self._follow)
        self.view.installEventFilter(self)
        self.view.doubleClicked.connect(self._go)
        self.view.selectionModel().currentChanged.connect(self._say_cell)
        self.model.rowsChanged.connect(self._rows_changed)
        self.model.modelReset.connect(self._say_current)
        self.model.modelReset.connect(self._fit_columns)
        screen = self.screen().availableSize()
        self.resize(min(720, screen.width() - 2 * ROOM), min(560, screen.height() - 3 * ROOM))
        self._describe()
        self.view.setFocus()

    # -- data down ----------------------------------------------------------------------------------------------------

    def set_table(self, table: TableData, step: int) -> None:
        """As it is now, with the playhead at step t."""
        self.model.set_table(table)
        self.set_step(step)
        self._describe()

    def set_step(self, step: int) -> None:
        if not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self.model.index(self.model.row_of(step - 1), 0))
        if step - 1 != self._row:
            self._row = step - 1
            self.model.set_row(self._row)
            self._follow(self.follow.isChecked())

    @Slot(bool)
    def _follow(self, on: bool) -> None:
        """Scrolls there where it is not on screen. The current cell stays where somebody has put it."""
        if not on or not 0 <= self._row < self.model.rowCount():
            return
        index = self.model.index(self.model.row_of(self._row), max(0, self.view.currentIndex().column()))
        box, seen = self.view.viewport().rect(), self.view.visualRect(index)
        if not (box.top() <= seen.top() and seen.bottom() <= box.bottom() and seen.height()):
            self.view.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    @Slot()
    def _fit_columns(self) -> None:
        """As wide as the longest number, a glyph beside it, and the names above."""
        columns, metrics = self.model.columns, QFontMetrics(theming.font())
        style = self.view.style()
        margin = 2 * (style.pixelMetric(QStyle.PixelMetric.PM_FocusFrameHMargin) + 1)
        glyph = style.pixelMetric(QStyle.PixelMetric.PM_SmallIconSize)
        numbers = metrics.horizontalAdvance(longest(columns, self.model.rowCount())) + glyph + 2 * margin + 2 * GAP
        bold = QFontMetrics(theming.font(bold=True))
        names = max((bold.horizontalAdvance(name) for block in columns.blocks for name in block.names), default=0)
        self.view.horizontalHeader().setDefaultSectionSize(max(numbers, min(names, _WIDEST_NAME) + glyph + 3 * GAP))

    @Slot(QModelIndex)
    def _go(self, index: QModelIndex) -> None:
        if index.isValid():
            self.stepPicked.emit(self.model.step_at(index.row()) + 1)

    def _describe(self) -> None:
        table = self.model.table
        title = table.title
        if self.windowTitle() != title:
            self.setWindowTitle(title)
            self.view.setAccessibleName(f"{title}, a row a step")
        rows, columns = self.model.rowCount(), self.model.columnCount()
        said = f"{rows:,} steps × {columns:,} column{'s' if columns != 1 else ''}"
        types = list(dict.fromkeys(block.values.dtype.name for block in table.blocks))
        self.said.setText(" · ".join([said, ", ".join(types), *_waiting(table)]))

    # -- the current cell ---------------------------------------------------------------------------------------------

    @Slot(int, int)
    def _rows_changed(self, first: int, last: int) -> None:
        for part in (self.view.viewport(), self.view.verticalHeader().viewport()):
            top = max(0, self.view.rowViewportPosition(first))
            bottom = min(part.height(), self.view.rowViewportPosition(last) + self.view.rowHeight(last))
            if top < bottom:
                part.update(0, top, part.width(), bottom - top)
        if first <= self.view.currentIndex().row() <= last:
            self._say_current()

    @Slot()
    def _say_current(self) -> None:
        self._say_cell(self.view.currentIndex())

    @Slot(QModelIndex)
    def _say_cell(self, index: QModelIndex) -> None:
        if not index.isValid():
            self.cell.setText("")
            return
        row, column = self.model.step_at(index.row()), index.column()
        text, note = self.model.columns.text(row, column), self.model.columns.note(row, column)
        value = " · ".join(part for part in (text, note) if part)
        self.cell.setText(f"t = {row + 1} · {self.model.columns.name(column)}: {value}")

    # -- out ----------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A view would copy its current cell alone, and do nothing at Enter."""
        enter = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in enter:
            self._go(self.view.currentIndex())
            return True
        if isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Copy):
            if event.type() == QEvent.Type.KeyPress:
                self.copy()
            return True
        return super().eventFilter(watched, event)

    @Slot()
    def copy(self) -> None:
        """The selected cells as tab-separated text; of a single one its number alone."""
        found = self.view.selectionModel().selection()
        if not found.count():
            return
        part = found.first()
        rows, columns = range(part.top(), part.bottom() + 1), range(part.left(), part.right() + 1)
        if len(rows) * len(columns) > MOST_CELLS:
            self.cell.setText(f"{len(rows) * len(columns):,} cells are too many to copy; save them as CSV.")
            return
        steps = [self.model.step_at(row) for row in rows]
        if len(rows) == len(columns) == 1 and (text := self.model.columns.text(steps[0], columns[0])):
            QGuiApplication.clipboard().setText(text)
            self.cell.setText(f"Copied {text}")
            return
        QGuiApplication.clipboard().setText(tsv(self.model.columns, steps, columns))
        self.cell.setText(f"Copied {len(rows):,} × {len(columns):,} cells.")

    @Slot()
    def ask_where(self) -> None:
        name = "".join(c if c.isalnum() else "-" for c in self.model.table.title).strip("-")
        dialog = QFileDialog(self, "Save as CSV", f"{name}.csv", "Comma-separated values (*.csv)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(self.save)
        dialog.open()

    @Slot(str)
    def save(self, path: str) -> None:
        """Writes between other things, with progress and cancel where it takes long."""
        table = self.model.table
        self._saving = Saving(csv_parts(table), parts_of(table), Path(path), self)
        self._saving.done.connect(self.cell.setText)
        self._saving.start()


def _waiting(table: TableData) -> list[str]:
    """Which steps are empty since the tape has not reached them."""
    said = []
    for (first, last), (start, end) in dict.fromkeys((block.known, block.also) for block in table.blocks):
        if start <= end and last + 1 < start:
            said.append(f"t = {last + 1}…{start - 1} not reached yet: empty")
        elif last < first:
            said.append("nothing is reached yet: its cells are empty")
        elif (first, last) != (1, table.steps):
            missing = f"1…{first - 1}" if first > 1 else f"{last + 1}…{table.steps}"
            said.append(f"t = {missing} not reached yet: empty")
    return said[:2]
