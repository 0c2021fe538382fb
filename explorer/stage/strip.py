"""What the canvas draws of a track itself: chevron and selection in its header, a collapsed track as a strip, and the
place where a track that is dragged would land."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from engine.tracks import parse
from explorer.stage import margins, marked
from explorer.stage.geometry import STRIP, Slot
from explorer.stage.margins import GRIP_WIDTH
from explorer.stage.now import Now
from explorer.stage.tracks.base import Track, as_thin
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TEXT_PX

WAITING = "not reached yet"
_BAR = 3
_CHEVRON = 3.5
_LINE = 3
_MIDDLE = STRIP / 2


def chevron_box(header: QRect) -> QRect:
    """Where a click collapses or expands, in a track's whole header."""
    return QRect(header.left(), header.top(), GRIP_WIDTH + GAP, min(header.height(), STRIP))


def paint_grip(painter: QPainter, header: QRect, *, collapsed: bool, selected: bool) -> None:
    """The header's ground, the selection's bar, the chevron."""
    theme = theming.current()
    painter.fillRect(header, QColor(theme.raised if selected else theme.surface))
    if selected:
        painter.fillRect(QRect(header.left(), header.top(), _BAR, header.height()), QColor(theme.accent))
    x, y = header.left() + 11.0, header.top() + _MIDDLE + (0 if collapsed else 1)
    a = _CHEVRON
    points = (
        [QPointF(x - a / 2, y - a), QPointF(x + a / 2, y), QPointF(x - a / 2, y + a)]
        if collapsed
        else [QPointF(x - a, y - a / 2), QPointF(x, y + a / 2), QPointF(x + a, y - a / 2)]
    )
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.text if selected else theme.muted), 1.6, Qt.PenStyle.SolidLine))
    painter.drawPolyline(QPolygonF(points))
    painter.restore()


def paint_name(painter: QPainter, box: QRect, track: Track) -> None:
    """A strip's header: the title in one line, or its symbol where that is too long; whose it is, of several layers."""
    theme, of = theming.current(), whose(track)
    font, small = theming.font(TEXT_PX - 1, bold=True), theming.small()
    room = margins.text_room(box)
    left = box.left() + GAP + 1
    gap = marked.width(of, small) + 5 if of else 0.0
    line = QRectF(left, box.top(), room - gap, box.height())
    title = track.title()
    brief = "Data" if track.key == "data" else title.rpartition(" ")[2]
    shown = margins.fitting((title, brief), font, line.width()) or title
    painter.setPen(QColor(theme.backward if parse(track.key).is_gradient else theme.text))
    taken = marked.draw(painter, line, shown, font)
    if of:
        painter.setPen(QColor(theme.muted))
        marked.draw(painter, QRectF(left + taken + 5, box.top(), gap, box.height()), of, small)


def whose(track: Track) -> str:
    """ "2 ←": the layer of a track that names one, from 1, with an arrow where it runs back."""
    layer = parse(track.key).layer
    if not layer:
        return ""
    number = int(layer.removeprefix("l").removesuffix("_reverse")) + 1
    return f"{number} ←" if layer.endswith("_reverse") else str(number)


def words_of(track: Track, now: Now) -> str:
    thin = as_thin(track)
    return thin.at_playhead(now) if thin is not None else ""


def is_thin(track: Track) -> bool:
    thin = as_thin(track)
    return thin is not None and thin.thin


def is_painted(slot: Slot) -> bool:
    """Whether its data is drawn: of a collapsed track only where it can be drawn so low."""
    return not slot.collapsed or is_thin(slot.track)


def paint_words(painter: QPainter, box: QRect, text: str) -> None:
    painter.setPen(QColor(theming.current().text))
    marked.draw(painter, QRectF(box.adjusted(GAP, 0, -GAP // 2, 0)), text, theming.small())


def paint_summary(painter: QPainter, box: QRect, text: str) -> None:
    """In place of the data, over the cursor, which would cut the words; "" where it is not reached yet."""
    theme, font = theming.current(), theming.small()
    inside = QRectF(box.adjusted(GAP, 0, -GAP // 2, 0))
    wide = min(inside.width(), marked.width(text or WAITING, font))
    painter.fillRect(QRectF(inside.left() - 2, box.top(), wide + 4, box.height()), QColor(theme.ground))
    painter.setPen(QColor(theme.text if text else theme.muted))
    marked.draw(painter, inside, text or WAITING, font)


def paint_drop(painter: QPainter, box: QRect) -> None:
    """A line across all columns, with an arrowhead at its left end."""
    theme = theming.current()
    y = box.center().y() + 0.5
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.accent))
    painter.drawRect(QRectF(box.left(), y - _LINE / 2, box.width(), _LINE))
    painter.drawPolygon([QPointF(box.left(), y - 7), QPointF(box.left() + 9, y), QPointF(box.left(), y + 7)])
    painter.restore()


def drop_box(width: int, y: int) -> QRect:
    return QRect(0, y - 8, width, 17)
