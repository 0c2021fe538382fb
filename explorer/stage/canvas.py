"""Lays the tracks out below each other, and has painted what another moment or another view changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QPushButton, QWidget

from explorer.stage import strip
from explorer.stage.canvas_ink import CanvasInk
from explorer.stage.cells import TimeView
from explorer.stage.crosshair import Crosshair
from explorer.stage.geometry import FOOT, Slot, arrange
from explorer.stage.margins import Columns, columns
from explorer.stage.now import Now
from explorer.stage.pulse import Pulse
from explorer.stage.tracks.base import Fitted, Readout, Track
from explorer.theme.tokens import GAP
from explorer.widgets.buttons import BY_KEY


class Canvas(QAbstractScrollArea):
    """The tracks with their headers and scales. `viewChanged` says that the data's pixels or steps are others now."""

    viewChanged = Signal()
    scrolled = Signal()
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
        self.message = ""
        self._seen: tuple[str, ...] = ()
        self.pulse = Pulse(self)
        self.pulse.moved.connect(self._pulse_moved)
        self._ink = CanvasInk(self)
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

    def exchange(self, tracks: Mapping[str, Track]) -> None:
        """Others in the places of those with the same keys, that look the same beside their data: `refresh` shows
        them."""
        self.tracks = tuple(tracks.get(track.key, track) for track in self.tracks)
        self.slots = [replace(slot, track=tracks.get(slot.track.key, slot.track)) for slot in self.slots]

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
                self.viewport().update(self.header_box(self.place(slot)))

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

    def share_in_sight(self, key: str) -> float:
        """Of a track's height: 1, it is there whole, 0, it is scrolled away or there is none."""
        slot = next((one for one in self.slots if one.track.key == key), None)
        if slot is None:
            return 0.0
        top = self.verticalScrollBar().value()
        seen = min(slot.bottom, top + self.viewport().height()) - max(slot.top, top)
        return max(0, seen) / max(1, slot.bottom - slot.top)

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
        self.arrange()
        self.viewport().update(self._ink.with_another_trace(None if headers else self._now))
        self.crosshair.again()

    def refresh_track(self, key: str) -> None:
        """What one track shows beside the trace is another: repaint its header and its data, and its scale where that
        says something else."""
        region = self._ink.of_track(key, self._now)
        if not region.isEmpty():
            self.viewport().update(region)
            self.crosshair.again()

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
            self.crosshair.again()
            return
        if now == old:
            return
        self.crosshair.again()
        self.viewport().update(self._ink.between(old, now))
        self._start_pulse(old, now)

    def _start_pulse(self, old: Now, now: Now) -> None:
        """Between two moments that follow each other, while the tape plays slowly enough."""
        self.pulse.stop()
        if self.pulse.wanted and now.position == old.position + 1 and not self._ink.of_pulse(now).isEmpty():
            self.pulse.start()

    def _pulse_moved(self) -> None:
        if self._now is not None:
            self.viewport().update(self._ink.of_pulse(self._now))

    # -- layout -------------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        self._forget_column()
        room = self.viewport().height()
        slots = arrange(self.tracks, self.heights, room, self.collapsed)
        other = slots != self.slots
        if other:
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
        if other:
            self.crosshair.again()

    def _tell_seen(self) -> None:
        seen = tuple(slot.track.key for slot in self.on_screen if strip.is_painted(slot))
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
        self.scrolled.emit()

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
        zoomed = view is not None and old is not None and (view.steps, view.width) == (old.steps, old.width)
        self._ink.zoomed = zoomed
        if zoomed:
            self.viewport().update(over + self.data_box)
        else:
            self.viewport().update()
        self.viewChanged.emit()

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

    def misfit_at(self, at: QPoint) -> Slot | None:
        """The slot whose scale is under the pointer, where it fits its numbers no more."""
        slot = self.slot_at(at.y())
        if slot is None or slot.collapsed or self.now is None or not self.scale_box(self.place(slot)).contains(at):
            return None
        track = slot.track
        return slot if isinstance(track, Fitted) and track.misfit(self.now) else None

    def edge_at(self, y: int) -> Slot | None:
        """The slot whose lower edge is under the pointer, where it can be dragged."""
        y += self.offset
        return next((s for s in self.slots if abs(y - s.bottom) <= 3 and not s.collapsed), None)

    def header_box(self, place: QRect) -> QRect:
        """Beside a slot's data, left of it."""
        return QRect(0, place.top(), self.columns.header, place.height())

    def scale_box(self, place: QRect) -> QRect:
        """Beside a slot's data, right of it."""
        return QRect(place.right() + 1, place.top(), self.viewport().width() - place.right() - 1, place.height())

    @property
    def on_screen(self) -> list[Slot]:
        """The slots that are not scrolled away."""
        return self.visible(self.viewport().rect())

    def visible(self, box: QRect) -> list[Slot]:
        top, bottom = box.top() + self.offset, box.bottom() + self.offset
        return [s for s in self.slots if s.top <= bottom and s.bottom > top]

    # -- painting -----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        self._ink.paint(QPainter(self.viewport()), event.region())

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover_at(self, at: QPoint | None) -> Readout | None:
        """Show the crosshair and the readout at a point of the viewport; None takes them away."""
        return self.crosshair.move(at)

    def chevron_at(self, at: QPoint) -> Slot | None:
        """The slot whose chevron is under the pointer."""
        slot = self.slot_at(at.y())
        if slot is None:
            return None
        return slot if strip.chevron_box(self.header_box(self.place(slot))).contains(at) else None

    def header_at(self, at: QPoint) -> Slot | None:
        """The slot whose header is under the pointer."""
        return self.slot_at(at.y()) if at.x() < self.columns.header else None
