"""A row of the dock: a word, its field, and below it, where needed, a sentence on what is wrong."""

from __future__ import annotations

from typing import TypeAlias

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QTextLayout
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from explorer.dock.fields import ChoiceField, NumberField, Segments
from explorer.dock.flag import Flag
from explorer.theme.current import current, small
from explorer.theme.tokens import GAP, SMALL_PX, TIGHT
from explorer.widgets.elided import ElidedLabel, paragraph
from explorer.widgets.frames import bring_into_view
from explorer.widgets.icons import renderer

Field: TypeAlias = NumberField | ChoiceField | Segments | Flag
MOST_LINES = 8
LEAST_WIDTH = 170
_ABOVE = 2


class Sentence(QWidget):
    """A small wrapped text with an icon, in the colour of its tone; takes no room while it has nothing to say.

    What it is about carries it as its accessible description, for as long as it stands here.
    """

    def __init__(self, icon: str, tone: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon, self._tone, self._text = icon, tone, ""
        self._about: QWidget | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    def text(self) -> str:
        return self._text

    def set_about(self, about: QWidget) -> None:
        """A field, or what else has no other description."""
        self._about = about

    def set_text(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            if self._about is not None:
                self._about.setAccessibleDescription(text)
            self.setVisible(bool(text))
            self.updateGeometry()
            self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        layout = QTextLayout(self._text, small())
        layout.beginLayout()
        height, lines = 0.0, 0
        while (line := layout.createLine()).isValid() and lines < MOST_LINES:
            line.setLineWidth(max(20, width - 18))
            height += line.height() * 1.1
            lines += 1
        layout.endLayout()
        return int(height) + TIGHT + _ABOVE

    def sizeHint(self) -> QSize:
        return QSize(LEAST_WIDTH, self.heightForWidth(LEAST_WIDTH))  # room enough in the narrowest dock

    def paintEvent(self, event: QPaintEvent) -> None:
        colour = getattr(current(), self._tone)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        renderer(self._icon, colour).render(painter, QRectF(0, _ABOVE + 1, 13, 13))
        painter.setPen(QColor(colour))
        box = QRectF(18, _ABOVE, self.width() - 18, self.height() - _ABOVE)
        paragraph(painter, box, self._text, small(), MOST_LINES)


class FieldRow(QWidget):
    """`edited` carries the row's name and the value that is wanted."""

    edited = Signal(str, object)

    def __init__(
        self,
        name: str,
        label: str,
        field: Field,
        tip: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.name, self.field = name, field
        self._error: Sentence | None = None
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        row = QHBoxLayout()
        row.setSpacing(TIGHT)
        if label:
            row.addWidget(ElidedLabel(label, tone="muted", least=100))
        row.addWidget(field, 1)
        column.addLayout(row)
        self._below: tuple[QVBoxLayout, int] = column, 1
        field.edited.connect(self._edited)
        if isinstance(field, NumberField):
            field.refused.connect(self.show_error)

    @property
    def error(self) -> Sentence:
        """What is wrong, below the field: made when it is first asked for, since hardly a row ever has to say it."""
        if self._error is None:
            self._error = Sentence("warning", "exploding")
            self._error.set_about(self.field)
            column, place = self._below
            column.insertWidget(place, self._error)
        return self._error

    def put_error(self, column: QVBoxLayout, place: int) -> None:
        """Where it stands instead; before it is first asked for. `place`: as `QBoxLayout.insertWidget` has it."""
        assert self._error is None
        self._below = column, place

    def _say(self, sentence: str) -> None:
        if sentence or self._error is not None:
            self.error.set_text(sentence)

    def set_value(self, value: object) -> None:
        field = self.field
        if isinstance(field, NumberField):
            assert value is None or isinstance(value, int | float)
            field.set_value(value)
            if not field.is_invalid():
                self._say("")
        else:
            field.set_value(value)
            self._say("")

    def show_error(self, sentence: str) -> None:
        """ "" takes it away."""
        self._say(sentence)
        if isinstance(self.field, NumberField):
            self.field.set_invalid(bool(sentence))
        if sentence and self.field.hasFocus():  # who has clicked elsewhere is not taken away from there
            bring_into_view(self.error)

    def show_problem(self, sentence: str) -> None:
        """What the model as it stands is missing here: the value is kept, and nothing is taken back."""
        if not (isinstance(self.field, NumberField) and self.field.is_invalid()):
            self._say(sentence)

    def _edited(self, value: object) -> None:
        self._say("")
        self.edited.emit(self.name, value)


class RowPair(QWidget):
    """Two short rows beside each other; what is wrong with either stands below both. `shares`: of the width."""

    def __init__(
        self, left: FieldRow, right: FieldRow, shares: tuple[int, int] = (1, 1), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.halves = (left, right)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for half, share in zip((left, right), shares, strict=True):
            row.addWidget(half, share)
        column.addLayout(row)
        for half, place in ((left, 1), (right, -1)):  # the left one's comes first, whichever is made first
            half.put_error(column, place)

    def show_halves(self) -> None:
        """A pair of which neither half is there takes no room."""
        self.setVisible(any(not half.isHidden() for half in self.halves))


class Chip(ElidedLabel):
    """A small framed word; not there while it is empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tone="text", pixels=11, align=Qt.AlignmentFlag.AlignHCenter, parent=parent)
        self.setContentsMargins(GAP, 0, GAP, 0)
        self.hide()

    def say(self, text: str) -> None:
        self.set_text(text)
        self.setVisible(bool(text))

    def sizeHint(self) -> QSize:
        return super().sizeHint() + QSize(0, 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(current().raised))
        painter.setPen(QPen(QColor(current().line), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), TIGHT, TIGHT)
        painter.end()
        super().paintEvent(event)


class Essentials(QWidget):
    """A calm line of a collapsed card: a word at the left, what it is at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.left = ElidedLabel(tone="muted", pixels=SMALL_PX)
        self.right = ElidedLabel(tone="muted", pixels=SMALL_PX, least=110, align=Qt.AlignmentFlag.AlignRight)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.left)
        row.addWidget(self.right, 1)

    def say(self, left: str, right: str) -> None:
        self.left.set_text(left)
        self.right.set_text(right)
        self.setVisible(bool(left or right))
