"""What a canvas paints, and which parts of it look different at another moment: it remembers what it has said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QPainter, QRegion

from explorer.stage import message, strip
from explorer.stage.geometry import Slot
from explorer.stage.margins import GRIP_WIDTH
from explorer.stage.now import Now
from explorer.stage.tracks.base import Moving
from explorer.theme import current as theming

if TYPE_CHECKING:
    from explorer.stage.canvas import Canvas

_CURSOR = 2
_HALO = 1
_PIECE = 64
"""Pixels: Qt hands higher translucent fills out to threads, and waiting for these costs milliseconds."""


class CanvasInk:
    """The canvas says where things are; here they are painted, only what is visible and only what has changed."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self.zoomed = False
        """Whether the time on screen is another than the one painted last, and nothing else."""
        self._said: dict[str, object] = {}
        """By track: what its painted scale says."""
        self._asked: dict[str, tuple[Now | None, str]] = {}
        """By track: what its strip says at a moment."""
        self._worded: dict[str, str] = {}
        """By track: what its strip was last painted with."""

    # -- what looks different -----------------------------------------------------------------------------------------

    def between(self, old: Now, new: Now) -> QRegion:
        """What another moment changes."""
        region = QRegion()
        for slot in self._canvas.on_screen:
            region += self._dirty(slot, old, new)
        if old.step != new.step:
            region += self._cursor_box(old)
            region += self._cursor_box(new)
        return region

    def with_another_trace(self, now: Now | None) -> QRegion:
        """The data, and what says something else beside it. None: all of it is painted anew, whatever it said."""
        canvas = self._canvas
        self._asked.clear()
        if now is None:
            self._said.clear()
            return QRegion(canvas.viewport().rect())
        region = QRegion(canvas.data_box)
        for slot in canvas.on_screen:
            place = canvas.place(slot)
            if slot.track.header_has_numbers and not slot.collapsed:
                region += canvas.header_box(place)
            if slot.collapsed or self._scale_is_other(slot, now):
                region += canvas.scale_box(place)
        return region

    def of_track(self, key: str, now: Now | None) -> QRegion:
        """Where a track shows something else beside the trace: header and data, and its scale where that says another
        thing."""
        canvas, region = self._canvas, QRegion()
        self._asked.pop(key, None)
        for slot in canvas.on_screen:
            if slot.track.key == key and now is not None:
                place = canvas.place(slot)
                region += QRect(0, place.top(), canvas.columns.header + place.width(), place.height())
                if slot.collapsed or self._scale_is_other(slot, now):
                    region += canvas.scale_box(place)
        return region

    def of_pulse(self, now: Now) -> QRegion:
        """Where something moves on its way into a moment."""
        canvas, region = self._canvas, QRegion()
        if canvas.view is None:
            return region
        for slot in canvas.on_screen:
            if isinstance(slot.track, Moving):
                place = canvas.place(slot)
                for start, end in slot.track.pulse_boxes(now):
                    left, right = int(start / canvas.view.ratio) - 2, int(end / canvas.view.ratio) + 3
                    region += QRect(place.left() + left, place.top(), right - left, place.height()).intersected(place)
        return region

    def _dirty(self, slot: Slot, old: Now, now: Now) -> QRegion:
        """With the hairlines: what changes in tracks one below the other is then one rectangle."""
        canvas, track = self._canvas, slot.track
        assert canvas.view is not None
        ratio, place = canvas.view.ratio, canvas.place(slot)
        data = QRect(place.left(), place.top(), place.width(), slot.height)
        region = QRegion()
        if strip.is_painted(slot):
            for start, end in track.changes(old, now):
                left = place.left() + int(start / ratio) - 1
                right = place.left() + int(end / ratio) + 2
                region += QRect(left, data.top(), right - left, slot.height).intersected(data)
        header, scale = track.margins_change(old, now) if not slot.collapsed else (False, False)
        if slot.collapsed and self._words(slot, now) != self._worded.get(track.key):
            scale = strip.is_thin(track)
            region += QRegion() if scale else data
        if header:
            region += canvas.header_box(place)
        if scale:
            region += canvas.scale_box(data)
        return region

    def _scale_is_other(self, slot: Slot, now: Now) -> bool:
        return self._said.get(slot.track.key) != slot.track.scale_says(now)

    def _words(self, slot: Slot, now: Now) -> str:
        """What a strip says, asked for once a moment."""
        key = slot.track.key
        if self._asked.get(key, (None, ""))[0] != now:
            self._asked[key] = now, strip.words_of(slot.track, now)
        return self._asked[key][1]

    def _cursor_box(self, now: Now) -> QRect:
        canvas = self._canvas
        assert canvas.view is not None
        if not canvas.view.shows(now.step):
            return QRect()
        x = canvas.columns.header + round(canvas.view.centre(now.step) / canvas.view.ratio - _CURSOR / 2)
        box = QRect(x - _HALO, 0, _CURSOR + 2 * _HALO, canvas.viewport().height())
        return box.intersected(canvas.data_box)

    # -- painting -----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, region: QRegion) -> None:
        canvas, now = self._canvas, self._canvas.now
        bounds = region.boundingRect()
        if canvas.view is None or now is None:
            painter.fillRect(bounds, QColor(theming.current().window))
            self._paint_message(painter)
            return
        visible = canvas.on_screen
        for slot in visible:
            top, bottom = slot.top - canvas.offset, slot.bottom - canvas.offset
            if top <= bounds.bottom() and bottom > bounds.top() and strip.is_painted(slot):
                slot.track.prepare(canvas.view, round((slot.height - 1) * canvas.view.ratio))
        if self.zoomed:
            self._review_scales(visible, now)
        for box in cast("Iterable[QRect]", region):
            painter.setClipRect(box)
            self._paint_tracks(painter, box, now)
        painter.setClipRegion(region)
        canvas.crosshair.paint_lines(painter)
        self._paint_cursor(painter, now)
        for slot in visible:
            place = canvas.place(slot)
            if region.intersects(place):
                painter.setClipRegion(region.intersected(place))
                self._paint_over(painter, place, slot, now)
        painter.setClipRegion(region)
        self._paint_message(painter)
        canvas.crosshair.paint_readout(painter)
        self._paint_drop(painter)

    def _review_scales(self, visible: list[Slot], now: Now) -> None:
        """After a zoom what stands beside the data mostly says the same; where it does not, it is painted as well."""
        self.zoomed = False
        for slot in visible:
            if not slot.collapsed and self._scale_is_other(slot, now):
                self._canvas.viewport().update(self._canvas.scale_box(self._canvas.place(slot)))

    def _paint_over(self, painter: QPainter, place: QRect, slot: Slot, now: Now) -> None:
        """Over the cursor: words and marks, and what moves."""
        if not strip.is_painted(slot):
            self._worded[slot.track.key] = self._words(slot, now)
            strip.paint_summary(painter, place, self._words(slot, now))
            return
        slot.track.paint_over(painter, place.topLeft(), now)
        share = self._canvas.pulse.share
        if share is not None and isinstance(slot.track, Moving):
            slot.track.paint_pulse(painter, place.topLeft(), now, share)

    def _paint_drop(self, painter: QPainter) -> None:
        canvas = self._canvas
        if canvas.drop is None:
            return
        for slot in canvas.slots:
            if slot.track.key == canvas.dragged:
                veil = QColor(theming.current().window)
                veil.setAlpha(150)
                painter.fillRect(QRect(0, slot.top - canvas.offset, canvas.viewport().width(), slot.height), veil)
        y = canvas.slots[canvas.drop].top if canvas.drop < len(canvas.slots) else canvas.contents
        strip.paint_drop(painter, strip.drop_box(canvas.viewport().width(), max(1, y - canvas.offset - 1)))

    def _paint_tracks(self, painter: QPainter, box: QRect, now: Now) -> None:
        canvas, theme = self._canvas, theming.current()
        ratio = canvas.view.ratio if canvas.view else 1.0
        foot, width = canvas.foot, canvas.viewport().width()
        if not ratio.is_integer():
            # Between the pixels of two tracks may lie one that belongs to neither: nothing old is left in it.
            painter.fillRect(box, QColor(theme.line))
        if box.bottom() >= foot:
            below = QRect(0, foot, width, box.bottom() - foot + 1)
            painter.fillRect(box.intersected(below), QColor(theme.window))
        for slot in canvas.visible(box):
            data = canvas.place(slot)
            self._paint_margins(painter, box, slot, now)
            seen = box.intersected(data)
            if not strip.is_painted(slot):
                painter.fillRect(seen, QColor(theme.ground))
            elif not seen.isEmpty():
                painter.setClipRect(seen)
                local = seen.translated(-data.topLeft())
                left, top = int(local.left() * ratio), int(local.top() * ratio)
                right, bottom = -int(-(local.right() + 1) * ratio), -int(-(local.bottom() + 1) * ratio)
                slot.track.paint(painter, data.topLeft(), QRect(left, top, right - left, bottom - top), now)
                painter.setClipRect(box)
            painter.fillRect(QRect(0, data.bottom() + 1, width, 1), QColor(theme.line))
        for x in (canvas.columns.header - 1, canvas.columns.header + canvas.data_width):
            if box.left() <= x <= box.right() and foot > 0:
                painter.fillRect(QRect(x, 0, 1, min(foot, canvas.viewport().height())), QColor(theme.line))

    def _paint_margins(self, painter: QPainter, box: QRect, slot: Slot, now: Now) -> None:
        """A slot's header and scale, as far as they are in the box."""
        canvas, track = self._canvas, slot.track
        data = canvas.place(slot)
        header, scale = canvas.header_box(data), canvas.scale_box(data)
        if box.intersects(header):
            painter.setClipRect(box.intersected(header))
            strip.paint_grip(painter, header, collapsed=slot.collapsed, selected=track.key == canvas.selected)
            named = header.adjusted(GRIP_WIDTH, 0, 0, 0)
            if slot.collapsed:
                strip.paint_name(painter, named, track)
            else:
                track.paint_header(painter, named, now)
        if box.intersects(scale):
            painter.setClipRect(box.intersected(scale))
            painter.fillRect(scale, QColor(theming.current().surface))
            if not slot.collapsed:
                track.paint_scale(painter, scale, now)
                self._said[track.key] = track.scale_says(now)
            elif strip.is_thin(track):
                said = self._worded[track.key] = self._words(slot, now)
                strip.paint_words(painter, scale, said)
        painter.setClipRect(box)

    def _paint_cursor(self, painter: QPainter, now: Now) -> None:
        box = self._cursor_box(now)
        if box.isEmpty() or not self._canvas.slots:
            return
        theme = theming.current()
        halo = QColor(theme.ground)
        halo.setAlpha(150)
        box.setBottom(min(box.bottom(), self._canvas.foot - 1))
        for top in range(box.top(), box.bottom() + 1, _PIECE):
            painter.fillRect(QRect(box.left(), top, box.width(), min(_PIECE, box.bottom() + 1 - top)), halo)
        painter.fillRect(box.adjusted(_HALO, 0, -_HALO, 0), QColor(theme.cursor))

    def _paint_message(self, painter: QPainter) -> None:
        canvas = self._canvas
        data = canvas.data_box if canvas.view is not None else None
        message.paint(painter, canvas.message, canvas.viewport().rect(), data)
