"""Lays the tracks out below each other and paints them: only what is visible, only what has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import cast

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QPushButton, QWidget

from explorer.stage import message, strip
from explorer.stage.cells import TimeView
from explorer.stage.crosshair import Crosshair
from explorer.stage.geometry import FOOT, Slot, arrange
from explorer.stage.margins import GRIP_WIDTH, Columns, columns
from explorer.stage.now import Now
from explorer.stage.pulse import Pulse
from explorer.stage.tracks.base import Moving, Readout, Track
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.buttons import BY_KEY

_CURSOR = 2
_HALO = 1
_PIECE = 64
"""Pixels: Qt hands higher translucent fills out to threads, and waiting for these costs milliseconds."""


class Canvas(QAbstractScrollArea):
    """The tracks with their headers and scales. `viewChanged` says that the data's pixels or steps are others now."""

    viewChanged = Signal()
    seenChanged = Signal(tuple)
    """The keys of the tracks that are painted: not scrolled away, and not collapsed to their words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tracks: tuple[Track, ...] = ()
        self.heights: dict[str, int] = {}
        self.collapsed: frozenset[str] = frozenset()
        self.slots: list[Slot] = []
        self.selected = ""
        """The key of the track that keys act on; "": none."""
        self.dragged = ""
        self.drop: int | None = None
        """Above which slot the dragged track would land; None: nothing is dragged."""
        self.view: TimeView | None = None
        self.columns: Columns = columns(0)
        self._steps, self._range = 0, (1, 1)
        self._now: Now | None = None
        self._zoomed = False
        """Whether the time on screen is another than the one painted last, and nothing else."""
        self.message = ""
        self._seen: tuple[str, ...] = ()
        self._said: dict[str, object] = {}
        """By track: what its painted scale says."""
        self.pulse = Pulse(self)
        self.pulse.moved.connect(self._pulse_moved)
        self._asked: dict[str, tuple[Now | None, str]] = {}
        """By track: what its strip says at a moment."""
        self._worded: dict[str, str] = {}
        """By track: what its strip was last painted with."""
        self.crosshair = Crosshair(self)
        self.setAccessibleName("Tracks")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.viewport().setMouseTracking(True)
        self.add_button = QPushButton("+ Track", self.viewport())
        self.add_button.setAccessibleName("Add a track")
        self.add_button.setToolTip("Add a track: a gate, a state, a gradient")
        self.add_button.hide()
        self.add_button.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:
        return QSize(sum(columns(0)) + 160, 120)

    def sizeHint(self) -> QSize:
        return QSize(800, 600)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def set_tracks(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks
        self.arrange()

    def set_heights(self, heights: Mapping[str, int]) -> None:
        self.heights = dict(heights)
        self.arrange()

    def set_collapsed(self, keys: Collection[str]) -> None:
        if frozenset(keys) != self.collapsed:
            self.collapsed = frozenset(keys)
            self.arrange()
            self.viewport().update()

    def set_selected(self, key: str) -> None:
        old, self.selected = self.selected, key
        for slot in self.slots:
            if old != key and slot.track.key in (old, key):
                place = self.place(slot)
                self.viewport().update(0, place.top(), self.columns.header, place.height())

    def set_drop(self, dragged: str, drop: int | None) -> None:
        """Show where a track that is dragged would land."""
        if (dragged, drop) != (self.dragged, self.drop):
            self.dragged, self.drop = dragged, drop
            self.viewport().update()

    def reveal(self, key: str) -> None:
        """Scroll so that a track is on screen, its head first where it is taller than that."""
        slot = next((one for one in self.slots if one.track.key == key), None)
        if slot is not None:
            bar, room = self.verticalScrollBar(), self.viewport().height()
            bar.setValue(min(max(bar.value(), slot.bottom - room), slot.top))

    def set_time(self, steps: int, first: int, last: int) -> None:
        """0 steps: nothing is there yet."""
        if (steps, (first, last)) != (self._steps, self._range):
            self._steps, self._range = steps, (first, last)
            self._review()

    def set_message(self, text: str) -> None:
        if text != self.message:
            self.message = text
            self.viewport().update()

    def refresh(self, *, headers: bool = True) -> None:
        """The excerpt is another: repaint everything, or the data and what says something else beside it."""
        self._asked.clear()
        self.arrange()
        if headers or self._now is None:
            self._said.clear()
            self.viewport().update()
            return
        region = QRegion(self.data_box)
        for slot in self._visible(self.viewport().rect()):
            place = self.place(slot)
            if slot.track.header_has_numbers and not slot.collapsed:
                region += QRect(0, place.top(), self.columns.header, place.height())
            if slot.collapsed or self._said.get(slot.track.key) != slot.track.scale_says(self._now):
                region += self._scale_box(place)
        self.viewport().update(region)

    def refresh_track(self, key: str) -> None:
        """What one track shows beside the trace is another: repaint its header and its data, and its scale where that
        says something else."""
        self._asked.pop(key, None)
        for slot in self._visible(self.viewport().rect()):
            if slot.track.key == key and self._now is not None:
                place = self.place(slot)
                self.viewport().update(0, place.top(), self.columns.header + place.width(), place.height())
                if slot.collapsed or self._said.get(key) != slot.track.scale_says(self._now):
                    self.viewport().update(self._scale_box(place))
                self.crosshair.again()

    def _scale_box(self, place: QRect) -> QRect:
        return QRect(place.right() + 1, place.top(), self.viewport().width() - place.right() - 1, place.height())

    def forget_pixels(self) -> None:
        for track in self.tracks:
            track.forget_pixels()
        self.viewport().update()

    @property
    def now(self) -> Now | None:
        return self._now

    def set_now(self, now: Now | None) -> None:
        """Repaint what this moment changes, nothing else."""
        old, self._now = self._now, now
        if now is None or old is None or self.view is None:
            self.viewport().update()
            return
        if now == old:
            return
        self.crosshair.again()
        region = QRegion()
        for slot in self._visible(self.viewport().rect()):
            region += self._dirty(slot, old, now)
        if old.step != now.step:
            region += self._cursor_box(old)
            region += self._cursor_box(now)
        self.viewport().update(region)
        self._start_pulse(old, now)

    def _start_pulse(self, old: Now, now: Now) -> None:
        """Between two moments that follow each other, while the tape plays slowly enough."""
        self.pulse.stop()
        if self.pulse.wanted and now.position == old.position + 1 and not self._pulse_region(now).isEmpty():
            self.pulse.start()

    def _pulse_region(self, now: Now) -> QRegion:
        region = QRegion()
        if self.view is None:
            return region
        for slot in self._visible(self.viewport().rect()):
            if isinstance(slot.track, Moving):
                place = self.place(slot)
                for start, end in slot.track.pulse_boxes(now):
                    left, right = int(start / self.view.ratio) - 2, int(end / self.view.ratio) + 3
                    region += QRect(place.left() + left, place.top(), right - left, place.height()).intersected(place)
        return region

    def _pulse_moved(self) -> None:
        if self._now is not None:
            self.viewport().update(self._pulse_region(self._now))

    def _dirty(self, slot: Slot, old: Now, now: Now) -> QRegion:
        """With the hairlines: what changes in tracks one below the other is then one rectangle."""
        assert self.view is not None
        ratio, place, track = self.view.ratio, self.place(slot), slot.track
        data = QRect(place.left(), place.top(), place.width(), slot.height)
        region = QRegion()
        if self.is_painted(slot):
            for start, end in track.changes(old, now):
                left = place.left() + int(start / ratio) - 1
                right = place.left() + int(end / ratio) + 2
                region += QRect(left, data.top(), right - left, slot.height).intersected(data)
        header, scale = track.margins_change(old, now) if not slot.collapsed else (False, False)
        if slot.collapsed and self._words(slot, now) != self._worded.get(track.key):
            scale = strip.is_thin(track)
            region += QRegion() if scale else data
        if header:
            region += QRect(0, place.top(), self.columns.header, place.height())
        if scale:
            region += self._scale_box(data)
        return region

    def _words(self, slot: Slot, now: Now) -> str:
        """What a strip says, asked for once a moment."""
        key = slot.track.key
        if self._asked.get(key, (None, ""))[0] != now:
            self._asked[key] = now, strip.words_of(slot.track, now)
        return self._asked[key][1]

    def is_painted(self, slot: Slot) -> bool:
        """Whether its data is drawn: of a collapsed track only where it can be drawn so low."""
        return not slot.collapsed or strip.is_thin(slot.track)

    # -- layout -------------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        self._forget_column()
        room = self.viewport().height()
        slots = arrange(self.tracks, self.heights, room, self.collapsed)
        if slots != self.slots:
            self.slots = slots
            self.viewport().update()
        total = self.contents + FOOT
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, total - room))
        bar.setPageStep(room)
        bar.setSingleStep(40)
        self._forget_column()  # a bar that comes or goes takes room
        self._tell_seen()
        self._place_button()
        self._review()

    def _tell_seen(self) -> None:
        seen = tuple(slot.track.key for slot in self._visible(self.viewport().rect()) if self.is_painted(slot))
        if seen != self._seen:
            self._seen = seen
            self.seenChanged.emit(seen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.columns = columns(self.width())
        self.arrange()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """What is on screen is moved, only what comes in at the edge is painted."""
        self._forget_column()
        pointed = not self.crosshair.region().isEmpty()
        self.crosshair.forget()
        if pointed or self.message or self.drop is not None or self.view is None:
            self.viewport().update()  # what stands over the tracks does not go along
        else:
            self.viewport().scroll(dx, dy)
        self._tell_seen()
        self._place_button()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Whoever comes to the button with a key sees it: below the tracks it may be out of sight."""
        by_key = isinstance(event, QFocusEvent) and event.gotFocus() and event.reason() in BY_KEY
        if watched is self.add_button and by_key:
            bar = self.verticalScrollBar()
            bar.setValue(bar.maximum())
        return super().eventFilter(watched, event)

    def _place_button(self) -> None:
        self.add_button.setVisible(self._steps > 0)
        self.add_button.adjustSize()
        self.add_button.move(GAP, self.foot + (FOOT - self.add_button.height()) // 2)

    def _review(self) -> None:
        """Make the time view anew, where it has changed."""
        ratio = self.devicePixelRatioF()
        width = round(self.data_width * ratio)
        view = TimeView(self._steps, *self._range, width, ratio) if self._steps else None
        old = self.view
        if (view and view.key) == (old and old.key):
            return
        self.view = view
        over = self.crosshair.region()
        self.crosshair.forget()
        self._place_button()
        self._zoomed = view is not None and old is not None and (view.steps, view.width) == (old.steps, old.width)
        if self._zoomed:
            self.viewport().update(over + self.data_box)
        else:
            self.viewport().update()
        self.viewChanged.emit()

    def _review_scales(self, visible: list[Slot], now: Now) -> None:
        """After a zoom what stands beside the data mostly says the same; where it does not, it is painted as well."""
        self._zoomed = False
        for slot in visible:
            if not slot.collapsed and self._said.get(slot.track.key) != slot.track.scale_says(now):
                self.viewport().update(self._scale_box(self.place(slot)))

    @property
    def offset(self) -> int:
        return self.verticalScrollBar().value()

    @property
    def contents(self) -> int:
        """The height of all tracks."""
        return self.slots[-1].bottom if self.slots else 0

    @property
    def foot(self) -> int:
        """Where the tracks end in the viewport."""
        return self.contents - self.offset

    @property
    def data_width(self) -> int:
        return max(1, self.viewport().width() - sum(self.columns))

    @cached_property
    def _data_column(self) -> tuple[int, int, int]:
        """Its left edge and width, and how far it is scrolled; asked for dozens of times a step, and forgotten where
        one of them changes."""
        return self.columns.header, self.data_width, self.offset

    def _forget_column(self) -> None:
        self.__dict__.pop("_data_column", None)

    @property
    def data_box(self) -> QRect:
        """The column of the data, all of the viewport's height."""
        return QRect(self.columns.header, 0, self.data_width, self.viewport().height())

    def place(self, slot: Slot) -> QRect:
        """A slot's data in the viewport, without the hairline."""
        left, width, offset = self._data_column
        return QRect(left, slot.top - offset, width, slot.height - 1)

    def slot_at(self, y: int) -> Slot | None:
        y += self.offset
        return next((s for s in self.slots if s.top <= y < s.bottom), None)

    def edge_at(self, y: int) -> Slot | None:
        """The slot whose lower edge is under the pointer, where it can be dragged."""
        y += self.offset
        return next((s for s in self.slots if abs(y - s.bottom) <= 3 and not s.collapsed), None)

    def _visible(self, box: QRect) -> list[Slot]:
        top, bottom = box.top() + self.offset, box.bottom() + self.offset
        return [s for s in self.slots if s.top <= bottom and s.bottom > top]

    def _cursor_box(self, now: Now) -> QRect:
        assert self.view is not None
        if not self.view.shows(now.step):
            return QRect()
        x = self.columns.header + round(self.view.centre(now.step) / self.view.ratio - _CURSOR / 2)
        box = QRect(x - _HALO, 0, _CURSOR + 2 * _HALO, self.viewport().height())
        return box.intersected(self.data_box)

    # -- painting -----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        theme = theming.current()
        if self.view is None or self._now is None:
            painter.fillRect(event.rect(), QColor(theme.window))
            self._paint_message(painter)
            return
        visible = self._visible(self.viewport().rect())
        for slot in visible:
            top, bottom = slot.top - self.offset, slot.bottom - self.offset
            if top <= event.rect().bottom() and bottom > event.rect().top() and self.is_painted(slot):
                slot.track.prepare(self.view, round((slot.height - 1) * self.view.ratio))
        if self._zoomed:
            self._review_scales(visible, self._now)
        for box in cast("Iterable[QRect]", event.region()):
            painter.setClipRect(box)
            self._paint_tracks(painter, box, self._now)
        painter.setClipRegion(event.region())
        self.crosshair.paint_lines(painter)
        self._paint_cursor(painter, self._now)
        for slot in visible:
            place = self.place(slot)
            if event.region().intersects(place) and not self.is_painted(slot):
                painter.setClipRegion(event.region().intersected(place))
                self._worded[slot.track.key] = self._words(slot, self._now)
                strip.paint_summary(painter, place, self._words(slot, self._now))
            elif event.region().intersects(place):
                painter.setClipRegion(event.region().intersected(place))
                slot.track.paint_over(painter, place.topLeft(), self._now)
                share = self.pulse.share
                if share is not None and isinstance(slot.track, Moving):
                    slot.track.paint_pulse(painter, place.topLeft(), self._now, share)
        painter.setClipRegion(event.region())
        self._paint_message(painter)
        self.crosshair.paint_readout(painter)
        self._paint_drop(painter)

    def _paint_drop(self, painter: QPainter) -> None:
        if self.drop is None:
            return
        for slot in self.slots:
            if slot.track.key == self.dragged:
                veil = QColor(theming.current().window)
                veil.setAlpha(150)
                painter.fillRect(QRect(0, slot.top - self.offset, self.viewport().width(), slot.height), veil)
        y = self.slots[self.drop].top if self.drop < len(self.slots) else self.contents
        strip.paint_drop(painter, strip.drop_box(self.viewport().width(), max(1, y - self.offset - 1)))

    def _paint_tracks(self, painter: QPainter, box: QRect, now: Now) -> None:
        theme = theming.current()
        ratio = self.view.ratio if self.view else 1.0
        foot = self.foot
        if not ratio.is_integer():
            # Between the pixels of two tracks may lie one that belongs to neither: nothing old is left in it.
            painter.fillRect(box, QColor(theme.line))
        if box.bottom() >= foot:
            painter.fillRect(
                box.intersected(QRect(0, foot, self.viewport().width(), box.bottom() - foot + 1)), QColor(theme.window)
            )
        for slot in self._visible(box):
            data = self.place(slot)
            self._paint_margins(painter, box, slot, now)
            seen = box.intersected(data)
            if not self.is_painted(slot):
                painter.fillRect(seen, QColor(theme.ground))
            elif not seen.isEmpty():
                painter.setClipRect(seen)
                local = seen.translated(-data.topLeft())
                left, top = int(local.left() * ratio), int(local.top() * ratio)
                right, bottom = -int(-(local.right() + 1) * ratio), -int(-(local.bottom() + 1) * ratio)
                slot.track.paint(painter, data.topLeft(), QRect(left, top, right - left, bottom - top), now)
                painter.setClipRect(box)
            painter.fillRect(QRect(0, data.bottom() + 1, self.viewport().width(), 1), QColor(theme.line))
        for x in (self.columns.header - 1, self.columns.header + self.data_width):
            if box.left() <= x <= box.right() and foot > 0:
                painter.fillRect(QRect(x, 0, 1, min(foot, self.viewport().height())), QColor(theme.line))

    def _paint_margins(self, painter: QPainter, box: QRect, slot: Slot, now: Now) -> None:
        """A slot's header and scale, as far as they are in the box."""
        data, track = self.place(slot), slot.track
        header, scale = QRect(0, data.top(), self.columns.header, data.height()), self._scale_box(data)
        if box.intersects(header):
            painter.setClipRect(box.intersected(header))
            strip.paint_grip(painter, header, collapsed=slot.collapsed, selected=track.key == self.selected)
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
                self._paint_words(painter, scale, slot, now)
        painter.setClipRect(box)

    def _paint_words(self, painter: QPainter, box: QRect, slot: Slot, now: Now) -> None:
        said = self._worded[slot.track.key] = self._words(slot, now)
        strip.paint_words(painter, box, said)

    def _paint_cursor(self, painter: QPainter, now: Now) -> None:
        box = self._cursor_box(now)
        if box.isEmpty() or not self.slots:
            return
        theme = theming.current()
        halo = QColor(theme.ground)
        halo.setAlpha(150)
        box.setBottom(min(box.bottom(), self.foot - 1))
        for top in range(box.top(), box.bottom() + 1, _PIECE):
            painter.fillRect(QRect(box.left(), top, box.width(), min(_PIECE, box.bottom() + 1 - top)), halo)
        painter.fillRect(box.adjusted(_HALO, 0, -_HALO, 0), QColor(theme.cursor))

    def _paint_message(self, painter: QPainter) -> None:
        message.paint(painter, self.message, self.viewport().rect(), self.data_box if self.view is not None else None)

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover_at(self, at: QPoint | None) -> Readout | None:
        """Show the crosshair and the readout at a point of the viewport; None takes them away."""
        return self.crosshair.move(at)

    def chevron_at(self, at: QPoint) -> Slot | None:
        """The slot whose chevron is under the pointer."""
        slot = self.slot_at(at.y())
        if slot is None:
            return None
        place = self.place(slot)
        header = QRect(0, place.top(), self.columns.header, place.height())
        return slot if strip.chevron_box(header).contains(at) else None

    def header_at(self, at: QPoint) -> Slot | None:
        """The slot whose header is under the pointer."""
        return self.slot_at(at.y()) if at.x() < self.columns.header else None
