"""A card of the stack: a calm summary until it is opened, then its fields in place."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from explorer.dock.flag import Disclosure
from explorer.dock.problems import Problem
from explorer.dock.rows import Chip, Essentials, Field, FieldRow, Sentence
from explorer.theme.current import current
from explorer.theme.tokens import GAP, PAD, RADIUS, TIGHT
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel


class StackCard(QFrame):
    """Told what to show; says what is wanted. A click, Enter or Space opens and closes it.

    One that can be moved is dragged by its head, or by all of it while it is closed. Esc lets go of it.
    """

    toggled = Signal(object)
    """The card itself."""
    edited = Signal(object, str, object)
    """The card, the field's name, the value that is wanted."""
    menuRequested = Signal(object, QPoint)
    """The card, and where on the screen."""
    dragged = Signal(object, QPoint)
    """The card, and where the pointer is on the screen."""
    dropped = Signal(object)
    dragCancelled = Signal(object)
    stepped = Signal(object, int)
    """To the next card up (−1) or down (1)."""

    def __init__(self, title: str, tone: str, *, movable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tone, self._movable = tone, movable
        self._press: QPoint | None = None
        self._dragging = False
        self._lines: tuple[tuple[str, str], ...] = ()
        self.rows: dict[str, FieldRow] = {}
        self.title = ElidedLabel(title, bold=True)
        self.name = ElidedLabel(tone="muted", pixels=11, least=0)
        self.chip = Chip()
        self.menu_button = FlatButton("more", f"Menu of the card {title}") if movable else None
        self.essentials = (Essentials(), Essentials())
        self.problem = Sentence("warning", "exploding")
        self.body = QWidget()
        self.more = QWidget(self.body)
        self.disclosure = Disclosure(title, parent=self.body)
        self.disclosure.hide()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

        head = QHBoxLayout()
        head.setSpacing(TIGHT)
        head.addWidget(self.title)
        head.addWidget(self.name)
        head.addStretch(1)
        head.addWidget(self.chip)
        if self.menu_button is not None:
            head.addWidget(self.menu_button)
            self.menu_button.clicked.connect(self._menu_clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(PAD, GAP, GAP, GAP)
        column.setSpacing(2)
        column.addLayout(head)
        for line in self.essentials:
            column.addWidget(line)
            line.hide()
        column.addWidget(self.problem)
        column.addWidget(self.body)
        self._body = _tight(self.body)
        self._body.setContentsMargins(0, TIGHT, 0, 0)
        self._more = _tight(self.more)
        self.body.setCursor(Qt.CursorShape.ArrowCursor)
        self.body.hide()
        self.more.hide()
        self.disclosure.toggled.connect(self.more.setVisible)

    # -- building -----------------------------------------------------------------------------------------------------

    def row(self, name: str, label: str, field: Field, tip: str = "") -> FieldRow:
        made = FieldRow(name, label, field, tip)
        made.edited.connect(self._row_edited)
        self.rows[name] = made
        return made

    def add(self, *rows: QWidget) -> None:
        for row in rows:
            self._body.addWidget(row)

    def add_more(self, *rows: QWidget) -> None:
        """Rarely used: below "more"."""
        if self._more.count() == 0:
            self._body.addWidget(self.disclosure)
            self.disclosure.show()
            self._body.addWidget(self.more)
        for row in rows:
            self._more.addWidget(row)

    # -- data down ----------------------------------------------------------------------------------------------------

    def say(self, name: str, first: tuple[str, str], second: tuple[str, str] = ("", "")) -> None:
        """The accessible name, and the essentials."""
        self.setAccessibleName(name)
        self._lines = (first, second)
        self._describe()
        if self.menu_button is not None:
            self.menu_button.setAccessibleName(f"Menu of {name}")
            self.menu_button.setToolTip(f"Menu of {name}")
        self.disclosure.set_name(name)
        self._show_lines()

    def _describe(self) -> None:
        """What is wrong first, then the essentials."""
        essentials = "; ".join(" ".join(filter(None, line)) for line in self._lines if any(line))
        self.setAccessibleDescription(" ".join(filter(None, (self.problem.text(), essentials))))

    def set_open(self, opened: bool) -> None:
        if opened != self.is_open():
            self.body.setVisible(opened)
            self._show_lines()

    def is_open(self) -> bool:
        return not self.body.isHidden()

    def set_locked(self, locked: bool) -> None:
        self.body.setEnabled(not locked)
        if self.menu_button is not None:
            self.menu_button.setVisible(not locked)

    def fill(self, values: dict[str, object]) -> None:
        for name, value in values.items():
            if name in self.rows:
                self.rows[name].set_value(value)

    def show_problem(self, found: Problem | None) -> None:
        """At its field where the card is open and has it, else at the card."""
        row = self.rows.get(found.field) if found is not None else None
        for one in self.rows.values():
            one.show_problem("")
        self.problem.set_text("" if found is None or (row is not None and self.is_open()) else found.sentence)
        self._describe()
        if found is None:
            return
        if row is not None and self.is_open():
            if self.more.isAncestorOf(row):
                self.disclosure.setChecked(True)
            row.show_problem(found.sentence)
        self.update()

    def _show_lines(self) -> None:
        opened = self.is_open()
        for line, (left, right) in zip(self.essentials, self._lines, strict=False):
            line.say(left, right)
            line.setVisible(not opened and bool(left or right))

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _row_edited(self, name: str, value: object) -> None:
        self.edited.emit(self, name, value)

    def _menu_clicked(self) -> None:
        assert self.menu_button is not None
        self.menuRequested.emit(self, self.menu_button.mapToGlobal(QPoint(0, self.menu_button.height())))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self._movable:
            by_key = event.reason() is QContextMenuEvent.Reason.Keyboard
            self.menuRequested.emit(self, self.mapToGlobal(QPoint(PAD, 2 * PAD)) if by_key else event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # What a field inside does not need comes here too, Enter for one: it is not meant for the card.
        plain = self.hasFocus() and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        key = event.key()
        if self._dragging and key == Qt.Key.Key_Escape:
            self._end_drag()
            self.dragCancelled.emit(self)
        elif plain and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.toggled.emit(self)
        elif plain and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.stepped.emit(self, -1 if key == Qt.Key.Key_Up else 1)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        # Esc lets go of what is dragged, before it means anything to the window.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and self._dragging
        ):
            event.accept()
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        on_fields = self.is_open() and self.body.geometry().contains(event.pos())
        if event.button() is Qt.MouseButton.LeftButton and not on_fields:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self._press = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is None or not self._movable:
            return
        far = (event.position().toPoint() - self._press).manhattanLength() >= QApplication.startDragDistance()
        if far and not self._dragging:
            self._dragging = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.update()
        if self._dragging:
            self.dragged.emit(self, event.globalPosition().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton or self._press is None:
            return
        dragging, self._press = self._dragging, None
        if dragging:
            self._end_drag()
            self.dropped.emit(self)
        elif self.rect().contains(event.position().toPoint()):
            self.toggled.emit(self)

    def _end_drag(self) -> None:
        self._press, self._dragging = None, False
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.update()

    # -- looks --------------------------------------------------------------------------------------------------------

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(
            QColor(theme.raised if self._dragging else theme.window if theme.name == "dark" else theme.surface)
        )
        edge, width = getattr(theme, "exploding" if self.problem.text() else self._tone), 1.0
        if self.hasFocus():
            edge, width = theme.accent, 2.0
        painter.setPen(QPen(QColor(edge), width))
        inset = width / 2
        box = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(box, RADIUS + 2, RADIUS + 2)


def _tight(holder: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    return column


def count(number: int, word: str) -> str:
    """ "1 unit", "1,248 parameters"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
