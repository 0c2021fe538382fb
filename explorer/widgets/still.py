"""The last picture of a window's parts, over the parts themselves while the window is being resized: Qt paints every
widget anew for every size, though most of them have only moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from explorer.theme import current as theming

How = Literal["still", "stretched", "widened", "ground"]
"""What becomes of a part's pixels: they stay as they are, from its upper left corner; they fill its place; its width
alone; or there is nothing but its colour."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a part stands."""

    name: str
    box: QRect
    ground: str
    """A colour of the theme, where it has become larger."""
    how: How = "still"


class Still(QWidget):
    """Covers its parent with the pieces of a picture, each where its part stands now. The pointer goes through it."""

    def __init__(self, parent: QWidget, pieces: Callable[[], list[Piece]]) -> None:
        super().__init__(parent)
        self._over, self._pieces = parent, pieces
        self._picture = QImage()
        self._before: Mapping[str, Piece] = {}
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def put_on(self, picture: QImage, before: Mapping[str, Piece]) -> None:
        """`before`: where the pieces stand in the picture, in its logical pixels."""
        self._picture, self._before = picture, before
        self.cover()
        self.show()

    def cover(self) -> None:
        self.setGeometry(self._over.rect())
        self.raise_()

    def take_off(self) -> None:
        self.hide()
        self._picture, self._before = QImage(), {}

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.surface))
        for piece in self._pieces():
            old = self._before.get(piece.name)
            if old is None or piece.how == "ground":
                painter.fillRect(piece.box, QColor(getattr(theme, piece.ground)))
            else:
                self._draw(painter, piece, old)
        painter.end()

    def _draw(self, painter: QPainter, piece: Piece, old: Piece) -> None:
        ratio = self._picture.devicePixelRatio()
        place, source = QRect(piece.box), QRect(old.box)
        how = old.how if old.how == "widened" else piece.how
        if how == "still":
            place.setWidth(min(place.width(), source.width()))
            source.setWidth(place.width())
        if how != "stretched":
            place.setHeight(min(place.height(), source.height()))
            source.setHeight(place.height())
        if piece.ground != "surface" and place != piece.box:
            painter.fillRect(piece.box, QColor(getattr(theming.current(), piece.ground)))
        pixels = QRect(
            round(source.left() * ratio),
            round(source.top() * ratio),
            round(source.width() * ratio),
            round(source.height() * ratio),
        )
        painter.drawImage(place, self._picture, pixels)
