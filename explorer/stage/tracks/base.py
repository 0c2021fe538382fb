"""What the canvas knows of a track, and what all tracks are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter

from engine.requests import Excerpt
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook

MIN_HEIGHT, MAX_HEIGHT = 40, 600


@dataclass(frozen=True, slots=True)
class Readout:
    """What stands under the pointer. `value` with subscripts marked ("∂L/∂a_f = 3e-9")."""

    where: str
    values: tuple[str, ...]
    note: str = ""
    unit: int | None = None
    cell: str = ""
    """The layer whose cell this is, by name: a click chooses it."""

    @property
    def text(self) -> str:
        """As one line."""
        return " · ".join(part for part in (self.where, *self.values, self.note) if part)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a track is drawn: its three columns in logical pixels of the viewport."""

    header: QRect
    data: QRect
    scale: QRect


class Track(Protocol):
    """A strip of the stage that shows one quantity over time. Pixels of its data are device pixels from its corner."""

    key: str
    header_has_numbers: bool
    """Whether the header says something about an excerpt's values."""

    def title(self) -> str:
        """For menus and screen readers."""

    def height_hint(self) -> int: ...

    def stretch(self) -> float:
        """How many times its hint a track may grow where there is room."""

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None: ...

    def prepare(self, view: TimeView, height: int) -> None:
        """Draw the layers for this view and height (device pixels), if they are not drawn yet."""

    def forget_pixels(self) -> None:
        """The theme has changed."""

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        """Draw `part` (device pixels) of the data, with the track's corner at `origin` (logical)."""

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """Draw what marks the playhead, over the cursor."""

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None: ...

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None: ...

    def scale_says(self, now: Now) -> object:
        """What `paint_scale` draws, to be compared: it is painted again for another trace only where this differs."""

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        """Which device pixels (from, to) of the data look different."""

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        """Whether header and scale look different."""

    def hover(self, x: int, y: int, now: Now) -> Readout | None: ...

    def hover_scale(self, now: Now) -> Readout | None: ...


@runtime_checkable
class Moving(Protocol):
    """A track on which something moves between two steps, while the tape plays (explorer.stage.pulse)."""

    def pulse_boxes(self, now: Now) -> list[tuple[int, int]]:
        """Device pixels (from, to) of the data that it passes on its way into a moment; [] where there is none."""

    def paint_pulse(self, painter: QPainter, origin: QPoint, now: Now, share: float) -> None: ...


def between(old: int, new: int) -> list[tuple[int, int]]:
    """The pixels between two places."""
    return [(min(old, new), max(old, new))] if old != new else []
