"""While the window is being resized: its last picture in pieces, each in its new place, and the exact one as soon as
the size has rested.

One change of the size alone, by a button or a key, is painted exactly at once; it takes a second one close behind it,
as a hand makes them, and then an exact picture is painted every so often.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, QRect, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from explorer.widgets.still import How, Piece, Still

if TYPE_CHECKING:
    from explorer.window import MainWindow

_CLOSE = 0.2
"""Seconds between two sizes of one movement of the hand."""
_REST_MS = 50
"""A hand that moves gives another size sooner."""
_LONGEST = 0.5
"""Seconds after which an exact picture is due, though the hand still moves."""


class LiveResize(QObject):
    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.still = Still(window.workbench, lambda: pieces(window))
        self._before: dict[str, Piece] | None = None
        """Where everything stood when it was painted exactly; None: not since the size changed."""
        self._size, self._there = QSize(), tuple[bool, ...]()
        self._last = self._exact = -1e9
        self._note = self._timer(0, self._take_note)
        self._rest = self._timer(_REST_MS, self.end)

    def _timer(self, interval: int, then: object) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(then)
        return timer

    def resized(self) -> None:
        """The window has another size, and everything in it its place."""
        now = time.monotonic()
        moving = now - self._last < _CLOSE and now - self._exact < _LONGEST
        self._last = now
        if moving and self._cover():
            self._rest.start()
            return
        self.end()
        self._before = None
        self._note.start()

    def rested(self) -> bool:
        """Whether the next change of the size is one by itself."""
        return self.still.isHidden() and time.monotonic() - self._last > _CLOSE

    def _cover(self) -> bool:
        """False: there is no picture of these very parts."""
        before = self._before
        if before is None or self._parts() != self._there:
            return False
        if self.still.isHidden():
            picture = self._painted()
            if picture is None:
                return False
            self.still.put_on(picture, before)
        else:
            self.still.cover()
        return True

    def _painted(self) -> QImage | None:
        """What was painted last; None where it cannot be had, or is of another size."""
        window = self._window
        store = window.backingStore()
        device = store.paintDevice() if store is not None else None
        if not isinstance(device, QImage) or device.isNull():
            return None
        ratio = device.devicePixelRatio()
        if device.size() != QSize(round(self._size.width() * ratio), round(self._size.height() * ratio)):
            return None
        bench = window.workbench
        corner = bench.mapTo(window, QPoint())
        whole = QRect(QPoint(round(corner.x() * ratio), round(corner.y() * ratio)), device.size())
        copied = device.copy(whole & device.rect())
        copied.setDevicePixelRatio(ratio)
        return copied

    @Slot()
    def _take_note(self) -> None:
        """After it has been painted: however long that has taken, a hand that moves gives the next size at once."""
        self._last = self._exact = time.monotonic()
        self._size = self._window.size()
        self._there = self._parts()
        self._before = {piece.name: piece for piece in pieces(self._window)}

    def _parts(self) -> tuple[bool, ...]:
        """Which of those that may come and go are there."""
        it = self._window
        parts = (it.dock_area, it.cell, it.analysis, it.drawer.pages, it.stage.banner, it.stage.events, it.statusBar())
        return tuple(part.isVisible() for part in parts)

    @Slot()
    def end(self) -> None:
        """The exact picture from here on."""
        self._rest.stop()
        if not self.still.isHidden():
            self.still.take_off()
            self._before = None


def pieces(window: MainWindow) -> list[Piece]:
    """The parts of the workbench as they stand, from the ground up."""
    bench, found = window.workbench, list[Piece]()

    def add(name: str, part: QWidget, how: How = "still", ground: str = "surface", box: QRect | None = None) -> None:
        if part.isVisible():
            box = part.rect() if box is None else box & part.rect()
            found.append(Piece(name, box.translated(part.mapTo(bench, QPoint())), ground, how))

    def add_children(name: str, part: QWidget, *, stretched: QWidget | None = None, but: QWidget | None = None) -> None:
        for n, child in enumerate(part.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)):
            if child is not but:
                add(f"{name} {n}", child, "stretched" if child is stretched else "still")

    add_children("transport", window.transport, stretched=window.transport.scrubber)
    foot = window.transport.geometry().bottom() + 1
    found.append(Piece("rule", QRect(0, foot, bench.width(), 1), "line", "ground"))
    for name, part in (("dock", window.dock_area), ("cell", window.cell), ("analysis", window.analysis)):
        add(name, part)
    for edge in (window.model_edge, window.side_edge):
        add(edge.text(), edge)
    stage, drawer = window.stage, window.drawer
    add("banner", stage.banner)
    add("progress", stage.progress, "stretched")
    add_children("events", stage.events)
    if stage.events.isVisible():
        below = stage.events.mapTo(bench, QPoint(0, stage.events.height() - 1))
        found.append(Piece("events rule", QRect(below, QSize(stage.events.width(), 1)), "line", "ground"))
    add("event", stage.events, box=QRect(0, 0, stage.events.sentence.x(), stage.events.height()))
    canvas = stage.canvas
    view, (header, _), wide = canvas.viewport(), canvas.columns, canvas.data_width
    whole = QRect(0, 0, view.width(), view.height())
    high = stage.axis.height()
    add("axis left", stage.axis, box=QRect(0, 0, header, high))
    add("axis", stage.axis, "stretched", box=QRect(header, 0, wide, high))
    add("axis right", stage.axis, box=QRect(header + wide, 0, stage.axis.width() - header - wide, high))
    add("foot", view, "ground", "window", QRect(0, max(0, canvas.foot), view.width(), view.height()))
    for slot in canvas.slots:
        key, place = slot.track.key, canvas.place(slot)
        if place.bottom() >= 0 and place.top() < view.height():
            add(f"{key} left", view, box=QRect(0, place.top(), header, place.height()))
            # Of a track that is seen in part the rest is not in the picture: it is not drawn out into its place.
            add(f"{key} data", view, "stretched" if whole.contains(place) else "widened", "ground", place)
            right = QRect(place.right() + 1, place.top(), view.width() - place.right() - 1, place.height())
            add(f"{key} right", view, box=right)
            add(f"{key} foot", view, "ground", "line", QRect(0, place.bottom() + 1, view.width(), 1))
    add("bar", canvas.verticalScrollBar(), "stretched")
    add("more", canvas.add_button)
    add_children("drawer", drawer.bar, but=drawer.summary)
    add_children("summary", drawer.summary)
    add("pages", drawer.pages)
    for name, splitter in (("parts", window.splitter), ("side", window.side), ("middle", window.middle)):
        for n in range(1, splitter.count()):
            add(f"{name} {n}", splitter.handle(n), "stretched")
    return found
