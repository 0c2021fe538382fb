"""A text that is shown whole, on as many lines as it needs: for sentences, which lose their point when they are cut."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.theme import current as theming
from explorer.widgets.elided import fits, paragraph

SPACING = 1.1
"""Of lines, as `paragraph` sets them."""


def lines_needed(text: str, width: float, most: int, *, bold: bool = False, small: bool = False) -> int:
    """How many lines a text takes, at most so many."""
    font = _font(bold=bold, small=small)
    return next((count for count in range(1, most) if fits(text, width, font, count)), most)


def height_of(lines: int, *, small: bool = False) -> int:
    return round(lines * QFontMetricsF(_font(small=small)).lineSpacing() * SPACING)


def _font(*, bold: bool = False, small: bool = False) -> QFont:
    return theming.small(bold=bold) if small else theming.font(bold=bold)


class WrappedLabel(QWidget):
    """Draws its text in the middle of its height, at most `most` lines of it. Its width is what the layout gives."""

    def __init__(self, *, tone: str = "text", most: int = 3, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._tone, self._tip, self._most = "", tone, "", most
        self._bold = self._small = False
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def text(self) -> str:
        return self._text

    def set_text(self, text: str, *, tone: str, tip: str = "", bold: bool = False) -> None:
        if (text, tone, tip, bold) == (self._text, self._tone, self._tip, self._bold):
            return
        self._text, self._tone, self._tip, self._bold = text, tone, tip, bold
        self.setAccessibleName(text)
        self.setToolTip(tip)
        self.update()

    def set_small(self, small: bool) -> None:
        """In small letters, where there is little room."""
        if small != self._small:
            self._small = small
            self.update()

    def is_whole(self) -> bool:
        """Whether all of the text is to be seen."""
        high = height_of(self._lines(), small=self._small)
        return fits(self._text, self.width(), self._letters(), self._most) and high <= self.height()

    def _letters(self) -> QFont:
        return _font(bold=self._bold, small=self._small)

    def _lines(self) -> int:
        return lines_needed(self._text, self.width(), self._most, bold=self._bold, small=self._small)

    def sizeHint(self) -> QSize:
        return QSize(200, height_of(1))

    def minimumSizeHint(self) -> QSize:
        return QSize(28, height_of(1))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme = theming.current()
        painter.setPen(QColor(getattr(theme, self._tone)))
        lines = self._lines()
        top = max(0.0, (self.height() - height_of(lines, small=self._small)) / 2)
        paragraph(painter, QRectF(0, top, self.width(), self.height()), self._text, self._letters(), lines)
