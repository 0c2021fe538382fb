"""The legend of a curve track, in its header: as much of it as has room, the curves' names first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from explorer.stage import margins, marked
from explorer.stage.tracks.curve_ink import draw_sample
from explorer.stage.tracks.plot import Style
from explorer.theme import current as theming
from explorer.theme.tokens import GAP

_SAMPLE, _GAP = 18, 5
_EDGE = 6
"""Logical pixels that stay free before the plot."""


class Entry(NamedTuple):
    style: Style
    name: str
    short: str
    words: tuple[str, ...]
    """A line under it, from its longest wording to its shortest; () for none."""
    brief: str = ""
    """The same beside the name."""
    more: tuple[str, ...] = ()
    """Another line, where there is room for it."""
    value: tuple[str, ...] = ()
    """At the playhead, from its longest wording to its shortest: right of the name, where there is room."""


def paint(painter: QPainter, box: QRect, top: float, entries: Sequence[Entry], lines: Sequence[Entry] = ()) -> None:
    """Each with the line under it; else with the brief word beside it; else in two columns; then "+3 more". Below them
    the plot's lines, as far as there is room."""
    room = int((box.bottom() - top) // margins.LINE)
    full = sum(1 + bool(e.words) for e in entries)
    extra = sum(bool(e.more) for e in entries)
    if room <= 0 or not entries:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if full <= room:
        more = full + extra <= room
        y = _paint_full(painter, box, top, entries, more=more)
        left = room - full - extra * more
        for line in lines:
            if left >= 1:
                said = line if left >= 2 else line._replace(words=())
                y = _paint_full(painter, box, y, (said,), more=False)
                left -= 2
    elif len(entries) <= room:
        _paint_lines(painter, box, top, entries)
    else:
        _paint_columns(painter, box, top, entries, room)


def _paint_full(painter: QPainter, box: QRect, top: float, entries: Sequence[Entry], *, more: bool) -> float:
    """Returns where they end."""
    theme, font = theming.current(), theming.small()
    left, width = box.left() + GAP + 1, box.width() - GAP - 1 - _EDGE
    y = top
    for entry in entries:
        name = margins.fitting((entry.name, entry.short), font, width - _SAMPLE - _GAP) or entry.name
        _paint_name(painter, entry, name, QRectF(left, y, width, margins.LINE))
        _paint_value(painter, entry, name, QRectF(left, y, width, margins.LINE))
        y += margins.LINE
        painter.setPen(QColor(theme.muted))
        for texts in (entry.words, entry.more if more else ()):
            if texts:
                text = margins.fitting(texts, font, width) or texts[-1]
                marked.draw(painter, QRectF(left, y, width, margins.LINE), text, font)
                y += margins.LINE
    return y


def _paint_lines(painter: QPainter, box: QRect, top: float, entries: Sequence[Entry]) -> None:
    theme, font = theming.current(), theming.small()
    left, width = box.left() + GAP + 1, box.width() - GAP - 1 - _EDGE
    for place, entry in enumerate(entries):
        y = top + place * margins.LINE
        used = _SAMPLE + _GAP + marked.width(entry.name, font)
        brief = entry.brief if entry.brief and used + GAP + marked.width(entry.brief, font) <= width else ""
        _paint_name(painter, entry, entry.name, QRectF(left, y, width, margins.LINE))
        if brief:
            painter.setPen(QColor(theme.muted))
            box_of = QRectF(left, y, width, margins.LINE)
            marked.draw(painter, box_of, brief, font, Qt.AlignmentFlag.AlignRight)
        elif not entry.brief:
            _paint_value(painter, entry, entry.name, QRectF(left, y, width, margins.LINE))


def _paint_value(painter: QPainter, entry: Entry, name: str, box: QRectF) -> None:
    font = theming.small()
    taken = _SAMPLE + _GAP + marked.width(name, font) + _GAP
    said = margins.fitting(entry.value, font, box.width() - taken)
    if said:
        painter.setPen(QColor(theming.current().text))
        marked.draw(painter, box, said, font, Qt.AlignmentFlag.AlignRight)


def _paint_columns(painter: QPainter, box: QRect, top: float, entries: Sequence[Entry], room: int) -> None:
    """The left column is as wide as its names need, and leaves the right one what its own need."""
    font = theming.small()
    left, width = box.left() + GAP + 1, float(box.width() - GAP - 1 - _EDGE)
    shown = entries if len(entries) <= 2 * room else entries[: 2 * room - 1]
    needs = [
        max((_SAMPLE + _GAP + marked.width(e.short, font) + after for e in shown[n::2]), default=0.0)
        for n, after in ((0, GAP), (1, 2))
    ]
    first = min(max(width / 2, needs[0]), max(width / 2, width - needs[1]))
    for place, entry in enumerate(shown):
        x, y = left + (place % 2) * first, top + place // 2 * margins.LINE
        of = first if place % 2 == 0 else width - first
        _paint_name(painter, entry, entry.short, QRectF(x, y, of - 2, margins.LINE))
    if len(shown) < len(entries):
        x, y = left + first, top + (room - 1) * margins.LINE
        painter.setPen(QColor(theming.current().muted))
        more = len(entries) - len(shown)
        text = margins.fitting((f"+{more} more", f"+{more}"), font, width - first)
        marked.draw(painter, QRectF(x, y, width - first, margins.LINE), text, font)


def _paint_name(painter: QPainter, entry: Entry, text: str, box: QRectF) -> None:
    theme, font = theming.current(), theming.small()
    draw_sample(painter, entry.style, box.left() + 1, box.center().y(), theme, _SAMPLE - 1)
    painter.setPen(QColor(theme.muted if entry.style.ghost else theme.text))
    start = _SAMPLE + _GAP
    marked.draw(painter, QRectF(QPointF(box.left() + start, box.top()), box.bottomRight()), text, font)
