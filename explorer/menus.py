"""Menus, shortcuts, the shortcut sheet and the command palette, all made from the table in explorer/actions.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QAction, QActionGroup, QColor, QKeyEvent, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QScrollArea,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from explorer.actions import ACTIONS, MENUS, MNEMONICS, Action, Menu
from explorer.help.gestures import GESTURES
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, ROOM, TIGHT


def build(
    window: QMainWindow, slots: Mapping[Menu, QObject], stage: QWidget, stack: QWidget, finish: Callable[[], None]
) -> dict[str, QAction]:
    """Fill the menu bar and bind every shortcut. `slots`: by menu, what has a method `do_<id>` for each of its actions.
    `finish` is called before every action that `takes_typed`.

    On the stage, keys are `QShortcut`s of the stage with a context of their own, so a slider keeps its arrow keys; so
    are those of the model's stack.
    """
    made: dict[str, QAction] = {}
    groups: dict[str, QActionGroup] = {}
    menus = {name: window.menuBar().addMenu(MNEMONICS.get(name, f"&{name}")) for name in MENUS}
    for action in ACTIONS:
        menu = menus[action.menu]
        if action.starts_section:
            menu.addSeparator()
        entry = QAction(action.text + _stage_key(action), window)
        entry.setObjectName(action.id)
        entry.setShortcuts(action.sequences())
        entry.setAutoRepeat(action.repeats)
        entry.setCheckable(action.checkable)
        entry.setStatusTip("")
        entry.setToolTip(tip(action))
        if action.group:
            groups.setdefault(action.group, QActionGroup(window)).addAction(entry)
        if action.takes_typed:
            entry.triggered.connect(finish)
        entry.triggered.connect(getattr(slots[action.menu], f"do_{action.id}"))
        menu.addAction(entry)
        made[action.id] = entry
        for part, sequences in ((stage, action.stage_sequences()), (stack, action.stack_sequences())):
            for sequence in sequences:
                shortcut = QShortcut(sequence, part)
                shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                shortcut.setAutoRepeat(action.repeats)
                shortcut.activated.connect(entry.trigger)
    return made


@cache
def _stage_key(action: Action) -> str:
    """The key of an action that has one on the stage, as a menu shows it beside the text: it is a `QShortcut`. Where
    another one works everywhere it comes second; the simple one is what is said of it elsewhere."""
    stage, everywhere = action.stage_sequences(), action.sequences()
    native = QKeySequence.SequenceFormat.NativeText
    return "\t" + " or ".join(key.toString(native) for key in (*stage[:1], *everywhere[:1])) if stage else ""


def keys_of(action: Action) -> list[str]:
    """The keys of an action as the platform writes them, the stage's and the stack's first."""
    native = QKeySequence.SequenceFormat.NativeText
    keys = (*action.stage_sequences(), *action.stack_sequences(), *action.sequences())
    return [key.toString(native) for key in keys if not key.isEmpty()]


@cache
def tip(action: Action) -> str:
    keys = " or ".join(keys_of(action)[:2])
    return " · ".join(part for part in (action.words, keys, action.tip) if part)


class ShortcutSheet(QDialog):
    """F1: every shortcut that there is, and what the mouse does."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard and mouse")
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(ROOM, PAD, ROOM, ROOM)
        grid.setHorizontalSpacing(ROOM * 2)
        grid.setVerticalSpacing(GAP // 2)
        row = 0
        for column, words in enumerate(("", "on the stage or a layer", "everywhere")):
            grid.addWidget(_label(words, "muted"), row, column)
        for menu in MENUS:
            row += 1
            head = _label(menu.upper(), "section")
            head.setContentsMargins(0, PAD, 0, 0)
            grid.addWidget(head, row, 0, 1, 3)
            for action in (a for a in ACTIONS if a.menu == menu and keys_of(a)):
                row += 1
                native = QKeySequence.SequenceFormat.NativeText
                grid.addWidget(QLabel(action.words), row, 0)
                there = (*action.stage_sequences(), *action.stack_sequences())
                grid.addWidget(QLabel("  ".join(k.toString(native) for k in there)), row, 1)
                grid.addWidget(QLabel("  ".join(k.toString(native) for k in action.sequences())), row, 2)
        for place, gestures in GESTURES.items():
            row += 1
            head = _label(f"MOUSE: {place.upper()}", "section")
            head.setContentsMargins(0, PAD, 0, 0)
            grid.addWidget(head, row, 0, 1, 3)
            for gesture, words in gestures:
                row += 1
                grid.addWidget(QLabel(words), row, 0)
                grid.addWidget(QLabel(gesture), row, 1, 1, 2)
        area = QScrollArea()
        area.setWidget(content)
        area.setWidgetResizable(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        # As wide as its longest row with the bar beside it: nothing is cut, and there is nothing to scroll sideways.
        width, screen = content.sizeHint().width(), self.screen().availableSize()
        beside = area.verticalScrollBar().sizeHint().width() + 4
        if width + beside > screen.width():  # everything is shown large
            grid.setHorizontalSpacing(GAP)
            for label in content.findChildren(QLabel):
                label.setWordWrap(True)
            grid.setColumnStretch(0, 2)
            grid.setColumnStretch(1, 1)
            grid.setColumnStretch(2, 1)
        self.resize(min(width + beside, screen.width()), min(620, screen.height() - 2 * ROOM))


_KEYS = Qt.ItemDataRole.UserRole + 1


class _KeysAtTheRight(QStyledItemDelegate):
    """The keys of a command stand below each other, muted."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        theme = theming.current()
        chosen = QStyle.StateFlag.State_Selected in option.state
        painter.save()
        painter.setFont(theming.small())
        painter.setPen(QColor(theme.on_accent if chosen else theme.muted))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(option.rect.adjusted(0, 0, -GAP, 0), right, str(index.data(_KEYS) or ""))
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        hint = super().sizeHint(option, index)
        return QSize(hint.width(), hint.height() + TIGHT)


class Palette(QDialog):
    """Ctrl+Shift+P: find a command by typing part of its words."""

    def __init__(self, actions: dict[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Find a command")
        self._actions = actions
        self._chosen = ""
        self._field = QLineEdit()
        self._field.setPlaceholderText("Type a command")
        self._field.setAccessibleName("Command")
        self._list = QListWidget()
        self._list.setAccessibleName("Commands found")
        self._list.setItemDelegate(_KeysAtTheRight(self._list))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(PAD, PAD, PAD, PAD)
        layout.addWidget(self._field)
        layout.addWidget(self._list)
        self._field.textChanged.connect(self._fill)
        self._field.returnPressed.connect(self._accept_current)
        self._list.itemActivated.connect(self._take)
        self._field.installEventFilter(self)
        self.resize(480, 380)
        self._fill("")

    @property
    def chosen(self) -> str:
        """The id of the chosen action, "" if none."""
        return self._chosen

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None:
                row = self._list.currentRow() + step
                self._list.setCurrentRow(max(0, min(row, self._list.count() - 1)))
                return True
        return super().eventFilter(watched, event)

    def _fill(self, text: str) -> None:
        words = text.lower().split()
        self._list.clear()
        for action in ACTIONS:
            if all(word in f"{action.menu} {action.words} {action.find}".lower() for word in words):
                if not self._actions[action.id].isEnabled():
                    continue
                keys = keys_of(action)
                said = f"{action.menu}: {action.words}"
                item = QListWidgetItem(said)
                item.setData(Qt.ItemDataRole.UserRole, action.id)
                item.setData(_KEYS, keys[0] if keys else "")
                item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join([said, *keys[:1]]))
                item.setToolTip(action.tip)
                self._list.addItem(item)
        if not self._list.count():
            nothing = QListWidgetItem("No command has these words.")
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self._list.addItem(nothing)
        self._list.setCurrentRow(0)

    def _accept_current(self) -> None:
        if (item := self._list.currentItem()) is not None:
            self._take(item)

    def _take(self, item: QListWidgetItem) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self._chosen = item.data(Qt.ItemDataRole.UserRole)
            self.accept()


def _label(words: str, role: str) -> QLabel:
    made = QLabel(words)
    made.setProperty("role", role)
    return made
