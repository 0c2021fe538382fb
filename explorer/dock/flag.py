"""Small switches of the dock: what is on or off, and what unfolds the rarely used fields."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from explorer.dock.fields import field_height
from explorer.theme.current import current, font, small
from explorer.theme.tokens import TIGHT
from explorer.widgets.icons import renderer

BOX = 14


def paint_box(painter: QPainter, at: QPointF, on: bool, live: bool, focused: bool) -> None:
    """A box to tick, with its corner there."""
    theme = current()
    box = QRectF(at.x(), at.y(), BOX, BOX)
    painter.setBrush(QColor((theme.accent if live else theme.border) if on else theme.raised))
    edge = theme.text if focused and on else theme.accent if focused else theme.border
    painter.setPen(QPen(QColor(edge), 2 if focused else 1))
    painter.drawRoundedRect(box, 3, 3)
    if on:
        painter.setPen(QPen(QColor(theme.on_accent if live else theme.surface), 1.8))
        x, y = box.left(), box.top()
        painter.drawPolyline([QPointF(x + 3.2, y + 7.2), QPointF(x + 6, y + 10), QPointF(x + 10.8, y + 4.4)])


class Flag(QAbstractButton):
    """On or off, with its word. `edited` is what a person wants; `set_value` emits nothing."""

    edited = Signal(object)

    def __init__(self, name: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setAccessibleName(name)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._clicked)

    def _clicked(self, on: bool) -> None:
        self.edited.emit(on)

    def value(self) -> bool:
        return self.isChecked()

    def set_value(self, value: object) -> None:
        self.setChecked(bool(value))

    def sizeHint(self) -> QSize:
        return QSize(BOX + 8 + int(QFontMetricsF(font()).horizontalAdvance(self.text())) + 4, field_height())

    def minimumSizeHint(self) -> QSize:
        return QSize(BOX + 40, field_height())

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        live = self.isEnabled()
        on = self.isChecked()
        paint_box(painter, QPointF(1, (self.height() - BOX) / 2), on, live, self.hasFocus())
        used = font()
        painter.setFont(used)
        painter.setPen(QColor(theme.text if live and (on or self.underMouse()) else theme.muted))
        room = QRectF(BOX + 8, 0, self.width() - BOX - 8, self.height())
        said = QFontMetricsF(used).elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, said)


class Disclosure(QAbstractButton):
    """ "more ▾": unfolds what is rarely used. Checked: it is open."""

    def __init__(self, name: str, closed: str = "more", opened: str = "less", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._words, self._note = name, (closed, opened), ""
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.toggled.connect(self._say)
        self._say(False)

    def set_name(self, name: str) -> None:
        self._name = name
        self._say(self.isChecked())

    def set_note(self, note: str) -> None:
        """What below it is not as usual: said beside the word while it is closed."""
        if note != self._note:
            self._note = note
            self._say(self.isChecked())

    def _say(self, on: bool) -> None:
        self.setText(self._words[on])
        self.setAccessibleName(f"{self._words[on].capitalize()}: {self._name}")
        self.setAccessibleDescription(self._note)
        self.setToolTip(self._note)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(60, field_height() - TIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, field_height() - TIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = theme.accent if self.hasFocus() else theme.text if self.underMouse() else theme.muted
        painter.setFont(small(bold=True))
        painter.setPen(QColor(colour))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignVCenter, self.text())
        x = QFontMetricsF(small(bold=True)).horizontalAdvance(self.text()) + 10
        if self._note and not self.isChecked():
            used = small()
            room = QRectF(x + 10, 0, self.width() - x - 10, self.height())
            said = QFontMetricsF(used).elidedText(self._note, Qt.TextElideMode.ElideRight, room.width())
            painter.setFont(used)
            painter.setPen(QColor(theme.muted))
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, said)
        painter.translate(x, self.height() / 2 + 0.5)
        if self.isChecked():
            painter.rotate(180)
        renderer("chevron-down", colour).render(painter, QRectF(-5, -5, 10, 10))
