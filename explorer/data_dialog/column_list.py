"""Which columns are read: each with its kind, and a box to tick. Space ticks, the arrows go up and down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget

_ROWS = 6
"""To be seen at once; more are scrolled."""


@dataclass(frozen=True)
class Offered:
    name: str
    says: str
    """Its kind, and what is missing."""
    tip: str = ""
    usable: bool = True


class ColumnList(QListWidget):
    """`set_offered` and `set_ticked` emit nothing."""

    tickedChanged = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setTabKeyNavigation(False)
        self._offered: tuple[Offered, ...] = ()
        self.itemChanged.connect(self._item_changed)

    def offered(self) -> tuple[Offered, ...]:
        return self._offered

    def set_offered(self, offered: Sequence[Offered]) -> None:
        if tuple(offered) == self._offered:
            return
        self._offered = tuple(offered)
        self.blockSignals(True)
        self.clear()
        for one in offered:
            item = QListWidgetItem(f"{one.name} – {one.says}" if one.says else one.name)
            item.setToolTip(one.tip or one.name)
            item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, one.tip)
            flags = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(flags if one.usable else Qt.ItemFlag.NoItemFlags)
            item.setData(Qt.ItemDataRole.CheckStateRole, Qt.CheckState.Unchecked if one.usable else None)
            self.addItem(item)
        self.blockSignals(False)
        first = next((at for at, one in enumerate(offered) if one.usable), -1)
        self.setCurrentRow(first)
        self.updateGeometry()

    def ticked(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(
            one.name
            for at, one in enumerate(self._offered)
            if one.usable and self.item(at).checkState() == Qt.CheckState.Checked
        )

    def set_ticked(self, names: Sequence[str]) -> None:
        wanted = set(names)
        self.blockSignals(True)
        for at, one in enumerate(self._offered):
            if one.usable:
                self.item(at).setCheckState(Qt.CheckState.Checked if one.name in wanted else Qt.CheckState.Unchecked)
        self.blockSignals(False)
        self.viewport().update()

    def _item_changed(self, _item: QListWidgetItem) -> None:
        self.tickedChanged.emit()

    def sizeHint(self) -> QSize:
        rows = min(_ROWS, max(1, self.count()))
        return QSize(200, rows * max(20, self.sizeHintForRow(0)) + 2 * self.frameWidth() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())
