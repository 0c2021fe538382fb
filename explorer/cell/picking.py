"""Numbers that can be picked with keys or a click, and copied: one of them has the ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QPainter, QPen

from explorer.stage.classes import SUBNORMAL
from explorer.theme import current as theme
from explorer.theme.tokens import TIGHT


@dataclass(frozen=True, slots=True)
class Pick:
    """A number on the screen."""

    key: str
    """Stays what it is while the tape plays."""
    box: QRectF
    name: str
    """ "cₜ", "gradient of cₜ"."""
    exact: str
    """What is copied; "" where there is no number."""
    subnormal: bool = False

    @property
    def words(self) -> str:
        if not self.exact:
            return f"{self.name}: no number"
        return f"{self.name} = {self.exact}" + (f", {SUBNORMAL}" if self.subnormal else "")


class Picker:
    """Which of a widget's numbers has the ring. Right and Left go in reading order, Up and Down by place."""

    def __init__(self) -> None:
        self._key = ""

    def current(self, picks: Sequence[Pick]) -> Pick | None:
        """The one with the ring; the first where it has gone."""
        return next((pick for pick in picks if pick.key == self._key), picks[0] if picks else None)

    def at(self, picks: Sequence[Pick], point: QPointF) -> Pick | None:
        found = next((pick for pick in picks if pick.box.adjusted(-2, -2, 2, 2).contains(point)), None)
        if found is not None:
            self._key = found.key
        return found

    def move(self, picks: Sequence[Pick], key: int) -> Pick | None:
        """Where this key leads; None: it leads nowhere."""
        here = self.current(picks)
        if here is None:
            return None
        place, found = picks.index(here), None
        if key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
            there = place + (1 if key == Qt.Key.Key_Right else -1)
            found = picks[there] if 0 <= there < len(picks) else None
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            found = picks[0 if key == Qt.Key.Key_Home else -1]
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            found = _beside(picks, here, down=key == Qt.Key.Key_Down)
        if found is not None:
            self._key = found.key
        return found


def _beside(picks: Sequence[Pick], here: Pick, *, down: bool) -> Pick | None:
    """The nearest one in the next row."""
    middle, half = here.box.center(), here.box.height() / 2
    sign = 1 if down else -1
    beyond = [pick for pick in picks if sign * (pick.box.center().y() - middle.y()) > half]
    if not beyond:
        return None
    row = min(sign * pick.box.center().y() for pick in beyond)
    same = [pick for pick in beyond if sign * pick.box.center().y() - row <= half]
    return min(same, key=lambda pick: abs(pick.box.center().x() - middle.x()))


def copies(event: QKeyEvent) -> bool:
    return event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def copy(pick: Pick) -> str:
    """To the clipboard. What to say of it."""
    if not pick.exact:
        return f"{pick.name}: there is no number to copy."
    QGuiApplication.clipboard().setText(pick.exact)
    return f"copied {pick.exact}"


def paint_ring(painter: QPainter, pick: Pick) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.current().accent), 1.5))
    painter.drawRoundedRect(pick.box.adjusted(-2.5, -1.5, 2.5, 1.5), TIGHT, TIGHT)
    painter.restore()
