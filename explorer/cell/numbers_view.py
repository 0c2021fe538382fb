"""A widget of numbers that are picked with Tab, arrow keys or a click, and copied."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent, QKeySequence, QMouseEvent, QPainter
from PySide6.QtWidgets import QToolTip, QWidget

from explorer.cell.picking import Pick, Picker, copies, copy, paint_ring
from explorer.widgets.buttons import BY_KEY


class NumbersView(QWidget):
    """What the three pictures of the cell panel share. Each says where its numbers are (`picks`), and paints the ring
    (`paint_focus`) after its own painting."""

    copied = Signal(str)
    """What was copied, in words."""
    ringMoved = Signal(QRectF)
    """The number with the ring is here: it should be seen."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._picker = Picker()
        self._ring = False

    def picks(self) -> list[Pick]:
        """The numbers that stand there, in reading order."""
        raise NotImplementedError

    def exact_at(self, x: float, y: float) -> str:
        """What a tool tip says of a place."""
        raise NotImplementedError

    def paint_focus(self, painter: QPainter) -> None:
        if self._ring and self.hasFocus() and (pick := self._picker.current(self.picks())) is not None:
            paint_ring(painter, pick)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        picks = self.picks()
        copying = copies(event) or (event.matches(QKeySequence.StandardKey.Copy) and self._ring)
        if copying and (pick := self._picker.current(picks)) is not None:
            self.copied.emit(copy(pick))
        elif event.modifiers() == Qt.KeyboardModifier.NoModifier and (moved := self._picker.move(picks, event.key())):
            self._ring = True
            self._show(moved)
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pick = self._picker.at(self.picks(), event.position())
        if pick is not None and event.button() == Qt.MouseButton.LeftButton:
            self._ring = True  # a click chooses; what is on the clipboard stays until somebody copies
            self._show(pick)
        else:
            super().mouseReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in BY_KEY
        if self._ring and (pick := self._picker.current(self.picks())) is not None:
            self._show(pick)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.setAccessibleDescription("")
        self.update()

    def _show(self, pick: Pick) -> None:
        self.setAccessibleDescription(f"{pick.words}. Ctrl+C copies it.")
        self.ringMoved.emit(pick.box)
        self.update()

    def event(self, event: QEvent) -> bool:
        # With a number chosen, copying means that number and not the whole moment.
        override = event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent)
        if override and self._ring and event.matches(QKeySequence.StandardKey.Copy):  # type: ignore[attr-defined]
            event.accept()
            return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.exact_at(event.pos().x(), event.pos().y()), self)
            return True
        return super().event(event)
