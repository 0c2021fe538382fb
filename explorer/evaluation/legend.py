"""What the colours and marks of a picture mean, in one line above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QLineF, QObject, QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.evaluation import shades
from explorer.theme import current as theming
from explorer.theme.tokens import PAD

HEIGHT = 20
LOW = 210
_RAMP = 40
_RIGHT = Qt.TextElideMode.ElideRight


@dataclass(frozen=True)
class Entry:
    words: str
    kind: str
    """ "title", "line", "dash", "point", "beyond", "cross", "area", "ramp", "wave", or "swatch"."""
    tone: str = "text"
    """Of the theme; of a swatch the number of its class."""
    letter: str = ""


class Legend(QWidget):
    """From the left; what has no room is left out, the last ones first, and "…" stands for them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[Entry, ...] = ()
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theming.notifier().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(200, HEIGHT)

    def set_entries(self, entries: Sequence[Entry]) -> None:
        if tuple(entries) != self._entries:
            self._entries = tuple(entries)
            said = ", ".join(f"{one.letter} {one.words}".strip() for one in entries)
            self.setAccessibleName(f"Legend: {said}")
            self.setToolTip(said)
            self.update()

    def fitting(self, entries: Sequence[Entry], width: float, *, dots: bool = True) -> int:
        """How many of them have room; `dots`: beside the "…" of those that have none."""
        metrics, x = QFontMetricsF(theming.small()), 0.0
        for number, entry in enumerate(entries):
            wide = self._sample_width(entry, metrics) + self._words_width(entry)
            more = dots and number + 1 < len(entries)
            if x + wide > width + 1 - (PAD + 10 if more else 0):
                return number
            x += wide + PAD
        return len(entries)

    @staticmethod
    def _words_width(entry: Entry) -> float:
        return QFontMetricsF(theming.small(bold=entry.kind == "title")).horizontalAdvance(entry.words)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme, x = theming.current(), 0.0
        metrics = QFontMetricsF(theming.small())
        room = self.fitting(self._entries, self.width())
        for number, entry in enumerate(self._entries):
            font = theming.small(bold=entry.kind == "title")
            width, sample = self._words_width(entry), self._sample_width(entry, metrics)
            if number == room == 0:  # the first is there all the same
                left = max(0.0, self.width() - sample)
                entry = replace(entry, words=QFontMetricsF(font).elidedText(entry.words, _RIGHT, left))
                width = left
            elif number == max(room, 1):
                painter.setPen(QColor(theme.muted))
                painter.setFont(theming.small())
                painter.drawText(QRectF(x, 0, 20, HEIGHT), Qt.AlignmentFlag.AlignVCenter, "…")
                return
            draw_sample(painter, QRectF(x, 0, sample, HEIGHT), entry)
            painter.setFont(font)
            painter.setPen(QColor(theme.text if entry.kind == "title" else theme.muted))
            painter.drawText(QRectF(x + sample, 0, width + 4, HEIGHT), Qt.AlignmentFlag.AlignVCenter, entry.words)
            x += sample + width + PAD

    @staticmethod
    def _sample_width(entry: Entry, metrics: QFontMetricsF) -> float:
        if entry.kind == "swatch":
            return max(14.0, metrics.horizontalAdvance(entry.letter) + 6) + (4 if entry.words else 0)
        return {"title": 0.0, "ramp": _RAMP + 26.0, "point": 14.0, "beyond": 14.0, "cross": 14.0}.get(entry.kind, 22.0)


class Legends(QObject):
    """A legend beside buttons, and what has no room there in a second one below that takes the whole width; not where
    the picture needs the height (`parent` is lower than `LOW`)."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        parent.installEventFilter(self)
        self.first, self.second = Legend(), Legend()
        self._entries: tuple[Entry, ...] = ()
        self.first.installEventFilter(self)
        theming.notifier().changed.connect(self._share)
        self._share()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self._entries

    def set_entries(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)
        self._share()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._share()
        return super().eventFilter(watched, event)

    @Slot()
    def _share(self) -> None:
        count = len(self._entries)
        low = self._parent.height() < LOW
        room = count if low else self.first.fitting(self._entries, self.first.width(), dots=False)
        self.first.set_entries(self._entries[:room])
        self.second.set_entries(self._entries[room:])
        self.second.setVisible(room < count)


def draw_sample(painter: QPainter, box: QRectF, entry: Entry) -> None:
    theme, middle = theming.current(), round(box.center().y()) + 0.5
    painter.setFont(theming.small())
    if entry.kind == "swatch":
        fill, ink = shades.of_class(int(entry.tone), theme.name)
        cell = QRectF(box.left(), box.top() + 3, box.width() - (4 if entry.words else 0), box.height() - 6)
        painter.fillRect(cell, fill)
        painter.setPen(ink)
        painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, entry.letter)
    elif entry.kind == "ramp":
        painter.setPen(QColor(theme.muted))
        painter.drawText(QRectF(box.left(), box.top(), 10, box.height()), Qt.AlignmentFlag.AlignVCenter, "0")
        for n in range(_RAMP):
            fill = shades.of_share(n / (_RAMP - 1), theme.name)[0]
            painter.fillRect(QRectF(box.left() + 10 + n, box.top() + 5, 1, box.height() - 10), fill)
        painter.drawText(
            QRectF(box.left() + 14 + _RAMP, box.top(), 30, box.height()), Qt.AlignmentFlag.AlignVCenter, "1"
        )
    elif entry.kind == "wave":
        wave(painter, box.left(), box.left() + 16, middle)
    elif entry.kind == "point":
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(theme, entry.tone)))
        painter.drawEllipse(QPointF(box.left() + 5, middle), 3.5, 3.5)
    elif entry.kind == "beyond":
        draw_beyond(painter, QPointF(box.left() + 5, middle - 4), 8, QColor(getattr(theme, entry.tone)), up=True)
    elif entry.kind == "cross":
        draw_cross(painter, QPointF(box.left() + 5, middle), 3.5, QColor(getattr(theme, entry.tone)))
    elif entry.kind == "area":
        painter.fillRect(QRectF(box.left(), box.top() + 5, 16, box.height() - 10), QColor(getattr(theme, entry.tone)))
    elif entry.kind in ("line", "dash"):
        style = Qt.PenStyle.DashLine if entry.kind == "dash" else Qt.PenStyle.SolidLine
        painter.setPen(QPen(QColor(getattr(theme, entry.tone)), 2, style))
        painter.drawLine(QLineF(box.left(), middle, box.left() + 16, middle))


def draw_beyond(painter: QPainter, tip: QPointF, size: float, colour: QColor, *, up: bool) -> None:
    """A triangle whose tip is at the edge that something lies beyond."""
    way = 1 if up else -1
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    foot = tip.y() + way * size
    half = 0.6 * size
    painter.drawPolygon(QPolygonF([tip, QPointF(tip.x() + half, foot), QPointF(tip.x() - half, foot)]))


def draw_cross(painter: QPainter, at: QPointF, size: float, colour: QColor) -> None:
    """What is no number."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.8))
    across, down = QPointF(size, size), QPointF(size, -size)
    painter.drawLine(at - across, at + across)
    painter.drawLine(at - down, at + down)


def wave(painter: QPainter, left: float, right: float, y: float) -> None:
    """What is wrong is underlined with it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theming.current().exploding), 1.5))
    points, x, up = [], left, True
    while x <= right + 0.01:
        points.append(QPointF(x, y - 1.3 if up else y + 1.3))
        x, up = x + 2.5, not up
    painter.drawPolyline(QPolygonF(points))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
