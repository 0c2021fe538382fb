"""What lies along a widget in whole numbers, moments of the tape or iterations of a training, and is picked there: by
press and drag, by arrows and pages, Home and End; the one under the pointer is known while it hovers."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget

_KEY = Qt.Key
_STEPS = {_KEY.Key_Left: -1, _KEY.Key_Right: 1}
_UPRIGHT = {_KEY.Key_Down: -1, _KEY.Key_Up: 1}
_PAGES = {_KEY.Key_PageUp: -1, _KEY.Key_PageDown: 1}


class Along(QWidget):
    """Whoever derives from it says what lies where, and takes what is picked."""

    upright_keys = False
    """Whether Up and Down are steps too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hover: int | None = None
        """The one under the pointer."""
        self._dragging = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)

    # -- what lies there ----------------------------------------------------------------------------------------------

    def at(self, x: float) -> int:
        """The one under a point of the widget, in logical pixels; beyond the ends the first and the last."""
        raise NotImplementedError

    def standing(self) -> int:
        """The one that is picked now."""
        raise NotImplementedError

    def ends(self) -> tuple[int, int]:
        """The first and the last that can be picked."""
        raise NotImplementedError

    def page(self) -> int:
        """How many one of the page keys goes on by."""
        raise NotImplementedError

    def pick(self, number: int) -> None:
        """Take what somebody has picked; it may lie beyond the ends."""
        raise NotImplementedError

    def pick_by_key(self, number: int) -> None:
        self.pick(number)

    def hovered(self) -> None:
        """Another one is under the pointer, or none: show it."""
        self.update()

    # -- pointer ------------------------------------------------------------------------------------------------------

    def drag_from(self, x: float) -> None:
        """A press on what lies there: it is picked, and what the pointer comes over until it is let go."""
        self._dragging = True
        self.pick(self.at(x))

    def drag_to(self, x: float) -> None:
        if self._dragging:
            self.pick(self.at(x))

    def hover(self, number: int | None) -> None:
        if number != self._hover:
            self._hover = number
            self.hovered()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._dragging = False

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hover = None
        self.update()

    # -- keys ---------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        target = None
        if not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:  # others are the window's own: Ctrl+→, Alt+→
            target = self._target(_KEY(event.key()))
        if target is None:
            super().keyPressEvent(event)
        else:
            self.pick_by_key(target)

    def _target(self, key: Qt.Key) -> int | None:
        """Where a key goes; None: it is not one of these."""
        first, last = self.ends()
        steps = {**_STEPS, **_UPRIGHT} if self.upright_keys else _STEPS
        if key in steps:
            return self.standing() + steps[key]
        if key in _PAGES:
            return self.standing() + _PAGES[key] * self.page()
        return {_KEY.Key_Home: first, _KEY.Key_End: last}.get(key)
