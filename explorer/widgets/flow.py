"""A grid whose number of columns follows its width; all cells are equally wide, and equally high."""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowGrid(QLayout):
    """As many columns as fit at `least` pixels each, `most_columns` at most; cells grow up to `most` pixels, a single
    column to the whole width."""

    def __init__(self, least: int, most: int, gap: int, most_columns: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least, self._most, self._gap, self._most_columns = least, most, gap, most_columns
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(QMargins())

    def columns(self, width: int) -> int:
        return max(1, min(self._most_columns, (width + self._gap) // (self._least + self._gap)))

    def addItem(self, item: QLayoutItem) -> None:  # Qt's name
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = -(-len(self._items) // self.columns(width))
        return max(0, rows * (self._row_height() + self._gap) - self._gap)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        columns = self.columns(rect.width())
        most = self._most if columns > 1 else rect.width()
        wide = min(most, (rect.width() - (columns - 1) * self._gap) // columns)
        high = self._row_height()
        for i, item in enumerate(self._items):
            row, column = divmod(i, columns)
            corner = QPoint(rect.x() + column * (wide + self._gap), rect.y() + row * (high + self._gap))
            item.setGeometry(QRect(corner, QSize(wide, high)))

    def sizeHint(self) -> QSize:
        return QSize(self._least, self.heightForWidth(self._least))

    def minimumSize(self) -> QSize:
        return QSize(min(self._least, 200), self._row_height())

    def _row_height(self) -> int:
        return max((item.sizeHint().height() for item in self._items), default=0)
