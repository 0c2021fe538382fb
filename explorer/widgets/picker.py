"""A list that pops up and is searched as one types; Enter takes the current entry, Esc closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from explorer.stage import marked
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.widgets.elided import paragraph
from explorer.widgets.finder import score, tokens, words_in
from explorer.widgets.icons import renderer
from explorer.widgets.wrapped import height_of, lines_needed

Index = QModelIndex | QPersistentModelIndex
_K = Qt.Key
_ENTER = (_K.Key_Return, _K.Key_Enter)
_KEYS = (_K.Key_Down, _K.Key_Up, _K.Key_PageDown, _K.Key_PageUp, *_ENTER, _K.Key_Escape, _K.Key_Delete)
_ENTRY, _HEADING = 26, 24
_MARK = 16
_MOST_LINES = 4
"""Of words that wrap."""


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    words: str
    group: str = ""
    detail: str = ""
    """Small, at the right."""
    find: str = ""
    """More words that it is found by."""
    icon: str = ""
    tone: str = "text"
    """Of the icon."""


class _Rows(QAbstractListModel):
    """Headings (str) and entries as they are found."""

    def __init__(self, entries: Sequence[Entry], parent: QObject) -> None:
        super().__init__(parent)
        self._all = entries
        self._words = [words_in(f"{e.words} {e.find} {e.group} {e.detail}") for e in entries]
        self.rows: list[Entry | str] = []
        self.ticked: frozenset[str] | None = None

    def find(self, typed: str) -> int:
        """Fill the rows; returns that of the best entry, −1 where nothing is found."""
        wanted = tokens(typed)
        found = [(score(wanted, words) if wanted else 1, e) for words, e in zip(self._words, self._all, strict=True)]
        found = [(points, entry) for points, entry in found if points]
        groups: dict[str, list[tuple[int, Entry]]] = {}
        for points, entry in found:
            groups.setdefault(entry.group, []).append((points, entry))
        order = list(groups.values())
        if wanted:  # the best first; among equals they stay in their order
            order = [sorted(group, key=lambda one: -one[0]) for group in order]
            order.sort(key=lambda group: -group[0][0])
        self.beginResetModel()
        self.rows = []
        for group in order:
            if group[0][1].group:
                self.rows.append(group[0][1].group)
            self.rows += [entry for _, entry in group]
        self.endResetModel()
        return next((n for n, row in enumerate(self.rows) if isinstance(row, Entry)), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        heading = isinstance(row, str)
        if role == Qt.ItemDataRole.DisplayRole:
            return row if isinstance(row, str) else row.words
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row if isinstance(row, str) else ", ".join(part for part in (row.words, row.detail) if part)
        if role == Qt.ItemDataRole.AccessibleDescriptionRole and not isinstance(row, str):
            return row.group
        if role == Qt.ItemDataRole.ToolTipRole and not isinstance(row, str):
            return row.words
        if role == Qt.ItemDataRole.CheckStateRole and isinstance(row, Entry) and self.ticked is not None:
            return Qt.CheckState.Checked if row.key in self.ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.SizeHintRole:
            return QSize(10, _HEADING if heading else _ENTRY)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if isinstance(self.rows[index.row()], str):
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if self.ticked is not None else flags

    def tick(self, keys: frozenset[str]) -> None:
        self.ticked = keys
        if self.rows:
            self.dataChanged.emit(self.index(0), self.index(len(self.rows) - 1), [Qt.ItemDataRole.CheckStateRole])


class _Ink(QStyledItemDelegate):
    """Tick or icon, words, detail. `wraps`: words are shown whole, on as many lines as they need."""

    def __init__(self, view: QListView, *, wraps: bool) -> None:
        super().__init__(view)
        self._view, self._wraps = view, wraps

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        size, model = super().sizeHint(option, index), index.model()
        if not self._wraps or not isinstance(model, _Rows) or not isinstance(entry := model.rows[index.row()], Entry):
            return size
        room = self._room(entry, self._view.viewport().width())
        lines = lines_needed(entry.words, room, _MOST_LINES)
        return size if lines == 1 else QSize(size.width(), height_of(lines) + GAP)

    @staticmethod
    def _room(entry: Entry, width: int) -> float:
        """For the words, of a row so wide."""
        detail = marked.width(entry.detail, theming.small())
        return width - 3 * GAP - _MARK - (detail + GAP if entry.detail else 0)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme, small = theming.current(), theming.small()
        model = index.model()
        assert isinstance(model, _Rows)
        row, box = model.rows[index.row()], option.rect
        painter.save()
        if isinstance(row, str):
            painter.setPen(QColor(theme.muted))
            line = QRectF(box.adjusted(GAP, 4, -GAP, 0))
            marked.draw(painter, line, row, theming.small(bold=True))
            painter.restore()
            return
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.setBrush(QColor(theme.raised))
            painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), TIGHT, TIGHT)
        x = box.left() + GAP
        mark = QRect(x, box.top() + (box.height() - _MARK) // 2, _MARK, _MARK)
        if row.icon:
            renderer(row.icon, getattr(theme, row.tone)).render(painter, QRectF(mark).adjusted(2, 2, -2, -2))
        elif model.ticked is not None and row.key in model.ticked:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.accent), 2))
            left, top = mark.left() + 3, mark.top() + 8
            painter.drawPolyline([QPoint(left, top), QPoint(left + 4, top + 4), QPoint(left + 10, top - 4)])
        x += _MARK + GAP
        detail = marked.width(row.detail, small)
        painter.setPen(QColor(theme.muted))
        right = box.right() - GAP
        marked.draw(painter, QRectF(right - detail, box.top(), detail, box.height()), row.detail, small)
        painter.setPen(QColor(theme.text))
        room = self._room(row, box.width())
        if self._wraps:
            lines = lines_needed(row.words, room, _MOST_LINES)
            start = box.top() + (box.height() - height_of(lines)) / 2
            paragraph(painter, QRectF(x, start, room, box.height()), row.words, theming.font(), lines)
        else:
            marked.draw(painter, QRectF(x, box.top(), room, box.height()), row.words, theming.font())
        painter.restore()


class Picker(QFrame):
    """Shows entries by group. Enter or a click takes the current one and closes.

    `ticked`, if given, says what is there already: then Ctrl+Enter, Ctrl with a click, or a click on the tick's place
    takes an entry and leaves the list open for the next. What is there already is taken too, never taken away; only a
    click on its tick, or Delete, says that it is to go (`dropped`), and leaves the list open.
    """

    taken = Signal(str)
    dropped = Signal(str)
    """Of a ticked entry: it is to go."""
    """The key of an entry."""

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        name: str,
        hint: str,
        nothing: str,
        foot: str = "",
        ticked: Callable[[], frozenset[str]] | None = None,
        wraps: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(name)
        self.setProperty("role", "popup")
        self._ticked = ticked
        self._stays = self._on_tick = False
        """Whether the click that is under way leaves the list open."""
        self.field = QLineEdit()
        self.field.setPlaceholderText(hint)
        self.field.setAccessibleName(f"{name}: search")
        self.model = _Rows(entries, self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(_Ink(self.list, wraps=wraps))
        self.list.setResizeMode(QListView.ResizeMode.Adjust)  # rows that wrap are as high as the width makes them
        self.list.setAccessibleName(name)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.nothing = QLabel(nothing)
        self.nothing.setProperty("role", "muted")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.nothing.setContentsMargins(PAD, PAD, PAD, PAD)
        column = QVBoxLayout(self)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        column.setSpacing(GAP)
        column.addWidget(self.field)
        column.addWidget(self.list, 1)
        column.addWidget(self.nothing, 1)
        if foot:
            said = QLabel(foot)
            said.setProperty("role", "muted")
            column.addWidget(said)
        self.field.textChanged.connect(self._find)
        self.field.installEventFilter(self)
        self.list.viewport().installEventFilter(self)
        self.list.clicked.connect(self._clicked)
        self.setFocusProxy(self.field)
        self.resize(420, 460)
        self.refresh()
        self._find("")

    def refresh(self) -> None:
        """What is ticked may be something else now."""
        if self._ticked is not None:
            self.model.tick(self._ticked())

    def open_at(self, corner: QPoint, within: QRect) -> None:
        """Pop up with the lower or upper left corner at a point (global), inside of a rectangle."""
        self.resize(min(self.width(), within.width()), min(self.height(), within.height()))
        x = min(max(within.left(), corner.x()), within.right() + 1 - self.width())
        y = corner.y() - self.height() if corner.y() + self.height() > within.bottom() else corner.y()
        self.move(x, min(max(within.top(), y), within.bottom() + 1 - self.height()))
        self.show()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    @property
    def current(self) -> str:
        """The key of the entry that Enter takes; "" where there is none."""
        index = self.list.currentIndex()
        row = self.model.rows[index.row()] if index.isValid() else ""
        return row.key if isinstance(row, Entry) else ""

    @Slot(str)
    def _find(self, typed: str) -> None:
        best = self.model.find(typed)
        self.nothing.setVisible(best < 0)
        self.list.setVisible(best >= 0)
        if best >= 0:
            self._go(best)
            self.list.scrollToTop()

    def _go(self, row: int) -> None:
        self.list.setCurrentIndex(self.model.index(row))
        self.field.setAccessibleDescription(str(self.model.index(row).data(Qt.ItemDataRole.AccessibleTextRole)))

    def _step(self, by: int) -> None:
        """By so many entries, over the headings; beyond the ends to the ends."""
        rows = [n for n, row in enumerate(self.model.rows) if isinstance(row, Entry)]
        if rows:
            here = self.list.currentIndex().row()
            at = rows.index(here) if here in rows else 0
            to = rows[min(max(0, at + by), len(rows) - 1)]
            self._go(to)
            if to == rows[0]:
                self.list.scrollToTop()  # its heading is seen too

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            held = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self._on_tick = event.position().x() < _MARK + 2 * GAP
            self._stays = held or self._on_tick
        if isinstance(event, QKeyEvent) and event.key() in _KEYS and not self._deletes_text(event):
            if event.type() == QEvent.Type.ShortcutOverride:  # they are not the window's while this is open
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._press(Qt.Key(event.key()), stays=bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))
                return True
        return super().eventFilter(watched, event)

    def _press(self, key: Qt.Key, *, stays: bool) -> None:
        page = max(1, self.list.height() // _ENTRY - 1)
        steps = {_K.Key_Down: 1, _K.Key_Up: -1, _K.Key_PageDown: page, _K.Key_PageUp: -page}
        if key in steps:
            self._step(steps[key])
        elif key == _K.Key_Escape:
            self.close()
        elif key == _K.Key_Delete:
            self._drop()
        else:
            self._take(stays=stays)

    @Slot(QModelIndex)
    def _clicked(self, _index: QModelIndex) -> None:
        if self._on_tick and self._is_ticked:
            self._drop()
        else:
            self._take(stays=self._stays)

    @property
    def _is_ticked(self) -> bool:
        return self.model.ticked is not None and self.current in self.model.ticked

    def _deletes_text(self, event: QKeyEvent) -> bool:
        """Delete is the field's while there is something for it to delete."""
        here = self.field.cursorPosition() < len(self.field.text()) or self.field.hasSelectedText()
        return event.key() == _K.Key_Delete and (here or not self._is_ticked)

    def _drop(self) -> None:
        if self._is_ticked:
            self.dropped.emit(self.current)
            self.refresh()

    def _take(self, *, stays: bool = False) -> None:
        key = self.current
        if not key:
            return
        if self._ticked is None or not stays:
            self.close()  # first: what is taken may want the focus
            self.taken.emit(key)
            return
        self.taken.emit(key)
        self.refresh()
        self.field.selectAll()
