"""Which task: the generated ones in groups, somebody's own data below them, and a way to bring more."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from engine.spec import OwnTask, Task
from engine.task_facts import FACTS, TaskFacts
from explorer.dock.fields import ChoiceField, field_height
from explorer.dock.task_edits import GROUPS, KINDS, key_of, kind_of, title_of
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD

OTHER_DATA = "own data…"
_OWN = "own data"
_WHAT = {"series": "series", "text": "text", "sequences": "sequences"}
_MOST = 5
"""Of somebody's own data, those that were here last."""


class TaskField(ChoiceField):
    """`edited` carries a kind, or a task over somebody's own data that was here before."""

    otherDataWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Task", (), parent)
        self._own: dict[str, OwnTask] = {}
        self._stepping = False
        self.setItemDelegate(_Entries(self))
        self._fill()
        self.setMaxVisibleItems(24)
        theming.notifier().changed.connect(self._fill)

    def show_task(self, task: Task) -> None:
        """Emits nothing."""
        key = key_of(task)
        if isinstance(task, OwnTask):
            known = key in self._own
            self._own[key] = task
            while len(self._own) > _MOST:
                del self._own[next(one for one in self._own if one != key)]
            if not known:
                self._fill()
        self.set_value(key)

    def _fill(self) -> None:
        value = self.value()
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        self.clear()
        for group, kinds in GROUPS.items():
            self._add_heading(group)
            for kind in kinds:
                self._add(title_of(kind), kind, tip_of(FACTS[KINDS[kind]]))
        self._add_heading(_OWN)
        for key, task in self._own.items():
            what = _WHAT[kind_of(task)]
            said = f"{task.name} ({what})" if task.name else what
            self._add(said, key, f"{said}\n{FACTS[type(task)].tests}")
        self._add(OTHER_DATA, OTHER_DATA, "A table, a text or arrays from a file, looked at before they are used")
        widest = max(self.fontMetrics().horizontalAdvance(self.itemText(at)) for at in range(self.count()))
        self.view().setMinimumWidth(widest + 48)
        self.set_value(value)

    def _add(self, text: str, key: str, tip: str) -> None:
        self.addItem(text, key)
        self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.AccessibleDescriptionRole)

    def _add_heading(self, text: str) -> None:
        """It cannot be chosen, and keys pass it by."""
        item = QStandardItem(text.upper())
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setData(text, Qt.ItemDataRole.AccessibleTextRole)
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        model.appendRow(item)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _chosen(self, index: int) -> None:
        if index == self._before:
            return
        key = self.itemData(index)
        if key == OTHER_DATA:
            self.setCurrentIndex(self._before)
            if not self._stepping:  # an arrow that passes by opens no dialog
                self.otherDataWanted.emit()
            return
        self._before = index
        self.edited.emit(self._own.get(key, key))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self._stepping = event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageDown, Qt.Key.Key_End)
        super().keyPressEvent(event)
        self._stepping = False

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            self.setToolTip(self.currentData(Qt.ItemDataRole.ToolTipRole) or "")
        return super().event(event)


class _Entries(QStyledItemDelegate):
    """Headings small and muted, what can be chosen below them a little to the right."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        theme, heading = theming.current(), not index.flags() & Qt.ItemFlag.ItemIsEnabled
        chosen = bool(option.state & QStyle.StateFlag.State_Selected) and not heading
        painter.save()
        if chosen:
            painter.fillRect(option.rect, QColor(theme.accent))
        used = theming.small(bold=True) if heading else theming.font()
        painter.setFont(used)
        painter.setPen(QColor(theme.muted if heading else theme.on_accent if chosen else theme.text))
        room = QRectF(option.rect).adjusted(GAP if heading else PAD, 0, -GAP, 0)
        said = QFontMetricsF(used).elidedText(str(index.data() or ""), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, said)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(super().sizeHint(option, index).width(), field_height())


def tip_of(facts: TaskFacts) -> str:
    """What it tests, and where its definition comes from."""
    return f"{facts.tests}\n{facts.source}." if facts.source else facts.tests
