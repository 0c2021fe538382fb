"""Which columns are read: each with its kind, and a box to tick. Space ticks, the arrows go up and down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QPainter
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from explorer.dock.fields import field_height
from explorer.dock.flag import BOX, paint_box
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT

_ROWS = 6
"""To be seen at once; more are scrolled."""


@dataclass(frozen=True)
class Offered:
    name: str
    says: str
    """Its kind, and what is missing."""
    tip: str = ""
    usable: bool = True


class _Ticks(QStyledItemDelegate):
    """Boxes as everywhere in the window; a click anywhere on a row ticks it, and so does Space."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        theme, live = theming.current(), bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        here = bool(option.state & QStyle.StateFlag.State_HasFocus)
        row = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if here:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(row, TIGHT, TIGHT)
        if live:
            on = index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked.value
            paint_box(painter, QPointF(row.left() + TIGHT, row.center().y() - BOX / 2), on, True, here)
        used = theming.font()
        painter.setFont(used)
        painter.setPen(QColor(theme.text if live else theme.muted))
        room = row.adjusted(TIGHT + BOX + GAP, 0, -TIGHT, 0)
        # In the middle: names that begin alike are told apart by their ends.
        said = QFontMetricsF(used).elidedText(str(index.data() or ""), Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, said)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(super().sizeHint(option, index).width(), field_height() - TIGHT)

    def editorEvent(
        self,
        event: QEvent,
        model: QAbstractItemModel,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> bool:
        by_key = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        wanted = by_key and event.key() == Qt.Key.Key_Space  # type: ignore[attr-defined]
        wanted |= event.type() == QEvent.Type.MouseButtonRelease
        if not wanted or not index.flags() & Qt.ItemFlag.ItemIsEnabled:
            return False
        on = index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked.value
        state = Qt.CheckState.Unchecked if on else Qt.CheckState.Checked
        return model.setData(index, state.value, Qt.ItemDataRole.CheckStateRole)


class ColumnList(QListWidget):
    """`set_offered` and `set_ticked` emit nothing."""

    tickedChanged = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setProperty("role", "ticks")
        self.setUniformItemSizes(True)
        self.setItemDelegate(_Ticks(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
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
