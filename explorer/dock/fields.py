"""Fields of the dock: text until the pointer or the focus is on them. The wheel scrolls the dock over them, always: a
field that has the focus moves below the pointer, and what was meant for the dock would edit the experiment.

Each has `set_value` (emits nothing) and `edited` (what a person wants; the document has the last word).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QComboBox, QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from explorer.theme.current import current, font, metrics, small
from explorer.theme.tokens import GAP, RADIUS, TIGHT
from explorer.widgets import popup
from explorer.widgets.icons import renderer
from explorer.widgets.numbers import MINUS, exact, parse
from explorer.widgets.typed import undone_here

UNKNOWN = "—"
FIELD_HEIGHT = 24


def field_height() -> int:
    """Of a row; larger text makes it higher."""
    return max(FIELD_HEIGHT, int(metrics().height()) + GAP)


def plain(value: float) -> str:
    """ "50", "0.1", "1e-5", "−0.5"."""
    return exact(value).replace("-", MINUS, 1) if value < 0 else exact(value)


class NumberField(QLineEdit):
    """A number, typed in any usual way ("1e-3", "0,5"). Enter or leaving commits, Escape and undo take back, ↑ ↓ step.

    `empty`: what an empty field shows; it then means None. Without it a number is needed.
    """

    edited = Signal(object)
    refused = Signal(str)
    """What was typed is no number: a sentence."""

    def __init__(
        self,
        name: str,
        *,
        whole: bool = False,
        empty: str | None = None,
        step: Callable[[float, int], float] | None = None,
        show: Callable[[float], str] = plain,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._value: float | None = None
        self._whole, self._optional, self._step, self._show = whole, empty is not None, step, show
        self._invalid = False
        self.setPlaceholderText(UNKNOWN if empty is None else empty)
        self.setAccessibleName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setProperty("role", "quiet")
        self.setFixedHeight(field_height())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.editingFinished.connect(self._commit)

    def value(self) -> float | None:
        return self._value

    def minimumSizeHint(self) -> QSize:
        return QSize(30, field_height())

    def set_value(self, value: float | None) -> None:
        """What is being typed, or was refused, stays as long as the value does not change."""
        if value == self._value and self.is_typed():
            return
        self._value = value
        self._write()

    def is_typed(self) -> bool:
        return self.isModified() or self._invalid

    def finish(self) -> None:
        self._commit()

    def restore(self) -> None:
        if self.is_typed():
            self._write()
            self.refused.emit("")

    # Keys go to who has the focus, so a field looks at its events as long as it has it: every window has scores of
    # fields, each of which is told of every change of style.

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.installEventFilter(self)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.removeEventFilter(self)
        super().focusOutEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if undone_here(self, event) is not None:
            return True  # also what is left to the window is none of the field's; it goes on as it was not accepted
        # Esc lets go of what was typed, before it means anything to the window.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and self.is_typed()
        ):
            event.accept()
            return True
        return False

    def set_empty(self, text: str) -> None:
        if text != self.placeholderText():
            self.setPlaceholderText(text)

    def set_invalid(self, invalid: bool) -> None:
        if invalid != self._invalid:
            self._invalid = invalid
            self.update()

    def is_invalid(self) -> bool:
        return self._invalid

    def _write(self) -> None:
        text = "" if self._value is None else self._show(self._value)
        if text != self.text():
            self.setText(text)
        self.setModified(False)
        self.set_invalid(False)

    def _commit(self) -> None:
        if not self.isModified():
            return
        text = self.text().strip()
        self.setModified(False)
        if not text and self._optional:
            self._send(None)
            return
        try:
            value = parse(text)
        except ValueError:
            self.refused.emit(f"'{text}' is not a number." if text else "A number is needed here.")
            return
        if self._whole:
            if not math.isfinite(value) or value != int(value):
                self.refused.emit(f"{text} is not a whole number.")
                return
            value = int(value)
        self._send(value)

    def _send(self, value: float | None) -> None:
        if value == self._value and not self._invalid:
            self._write()
            return
        before, self._value = self._value, value
        self.set_invalid(False)
        self.edited.emit(value)
        if self._invalid:
            self._value = before  # refused: what was typed stays to be mended
        else:
            self._write()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.is_typed():
            self.restore()
        elif (
            event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) and not event.modifiers() & Qt.KeyboardModifier.AltModifier
        ):
            self._move(1 if event.key() == Qt.Key.Key_Up else -1)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def _move(self, notches: int) -> None:
        if self._step is not None and self._value is not None and not self.isReadOnly():
            self._send(self._step(self._value, notches))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._invalid:
            paint_refused(self)


def paint_refused(field: QWidget) -> None:
    """A frame around what was refused."""
    painter = QPainter(field)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(current().exploding), 1.5))
    painter.drawRoundedRect(QRectF(field.rect()).adjusted(0.75, 0.75, -0.75, -0.75), RADIUS, RADIUS)


def by(step: float, low: float = -math.inf) -> Callable[[float, int], float]:
    """Steps of a fixed size, without the dust of binary fractions."""

    def stepped(value: float, notches: int) -> float:
        moved = max(low, value + notches * step)
        return int(moved) if isinstance(value, int) and step == int(step) else float(f"{moved:.12g}")

    return stepped


def times(value: float, notches: int) -> float:
    """Ten steps make a decade; two significant digits."""
    return float(f"{value * 10 ** (notches / 10):.2g}") if value > 0 else value


class ChoiceField(QComboBox):
    """One of a few; the text stands at the right like the numbers above and below it."""

    edited = Signal(object)

    def __init__(self, name: str, choices: Sequence[tuple[Any, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for value, text in choices:
            self.addItem(text, value)
        self.setAccessibleName(name)
        self.view().setAccessibleName(name)
        self.setProperty("role", "field")
        self.setFixedHeight(field_height())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(3)
        self.activated.connect(self._chosen)
        self._before = self.currentIndex()

    def value(self) -> Any:
        return self.currentData()

    def set_choices(self, choices: Sequence[tuple[Any, str]]) -> None:
        """Others to choose from; what was chosen stays where it is among them. Emits nothing."""
        if choices != [(self.itemData(at), self.itemText(at)) for at in range(self.count())]:
            value = self.value()
            self.clear()
            for one, text in choices:
                self.addItem(text, one)
            self.set_value(value)

    def minimumSizeHint(self) -> QSize:
        return QSize(52, field_height())

    def set_value(self, value: Any) -> None:
        index = self.findData(value) if value is not None else -1
        if index != self.currentIndex():
            self.setCurrentIndex(index)
        self._before = index

    def _chosen(self, index: int) -> None:
        if index != self._before:
            self._before = index
            self.edited.emit(self.itemData(index))

    def showPopup(self) -> None:
        popup.widen(self)
        super().showPopup()
        popup.place(self)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isEnabled() and (self.hasFocus() or self.underMouse()):
            painter.setBrush(QColor(theme.raised))
            painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else theme.line), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        right = self.width() - 5
        if self.isEnabled():
            renderer("chevron-down", theme.muted).render(painter, QRectF(right - 11, self.height() / 2 - 5.5, 11, 11))
            right -= 14
        used = font()
        painter.setFont(used)
        painter.setPen(QColor(theme.text if self.isEnabled() else theme.muted))
        text = self.currentText() or UNKNOWN
        shown = QFontMetricsF(used).elidedText(text, Qt.TextElideMode.ElideRight, right - 4)
        box = QRectF(4, 0, right - 4, self.height())
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown)


class _Segment(QAbstractButton):
    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(int(QFontMetricsF(small(bold=True)).horizontalAdvance(self.text())) + 2 * GAP, field_height())

    def minimumSizeHint(self) -> QSize:
        return QSize(20, field_height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(2.5, 2.5, -2.5, -2.5)
        if self.isChecked():
            painter.setBrush(QColor(theme.surface))
            painter.setPen(QPen(QColor(theme.border), 1))
            painter.drawRoundedRect(box, TIGHT, TIGHT)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawRoundedRect(box, TIGHT, TIGHT)
        strong = self.isChecked() or (self.underMouse() and self.isEnabled())
        painter.setFont(small(bold=True))
        painter.setPen(QColor(theme.text if strong else theme.muted))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, self.text())


class Segments(QWidget):
    """One of two or three, all of them to be seen and one click away."""

    edited = Signal(object)

    def __init__(self, name: str, choices: Sequence[tuple[Any, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFixedHeight(field_height() + 2)
        self._values = [value for value, _ in choices]
        self._value: Any = None
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        for number, (_, text) in enumerate(choices):
            button = _Segment(text, self)
            self._group.addButton(button, number)
            row.addWidget(button)
        self._group.idClicked.connect(self._clicked)

    def setAccessibleDescription(self, description: str) -> None:
        """The focus is on one of the buttons."""
        super().setAccessibleDescription(description)
        for button in self._group.buttons():
            button.setAccessibleDescription(description)

    def button(self, value: Any) -> QAbstractButton:
        return self._group.button(self._values.index(value))

    def value(self) -> Any:
        return self._value

    def set_value(self, value: Any) -> None:
        self._value = value
        self._group.setExclusive(False)
        for number, own in enumerate(self._values):
            self._group.button(number).setChecked(own == value)
        self._group.setExclusive(True)

    def _clicked(self, number: int) -> None:
        value = self._values[number]
        if value != self._value:
            self._value = value
            self.edited.emit(value)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(theme.raised))
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
