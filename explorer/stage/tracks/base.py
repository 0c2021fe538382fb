"""What the canvas knows of a track, and what all tracks are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter

from engine.requests import Array, Excerpt
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.past import Past
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale

MIN_HEIGHT, MAX_HEIGHT = 40, 600


@dataclass(frozen=True, slots=True)
class Taken:
    """A value as it is copied."""

    symbol: str
    step: int
    """t, from 1."""
    value: str
    """Exact, as it reads back."""
    layer: str = ""
    """ "l1"; "": that of the track, where it has one."""
    unit: str = ""
    """ "unit 4", "norm over 16 units"."""
    sample: str = ""
    """ "mean of 16 samples"; "": it is the sample's that is shown."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What stands under the pointer. `value` with subscripts marked ("∂L/∂a_f = 3e-9")."""

    where: str
    values: tuple[str, ...]
    note: str = ""
    unit: int | None = None
    cell: str = ""
    """The layer whose cell this is, by name: a click chooses it."""
    iteration: int | None = None
    """Of the training, whose row this is: a click goes there."""
    taken: tuple[Taken, ...] = ()
    """The same values, to be copied; () where there is none."""

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
class Fitted(Protocol):
    """A track that knows when its scale fits its numbers no more."""

    def misfit(self, now: Now) -> bool: ...


@runtime_checkable
class Moving(Protocol):
    """A track on which something moves between two steps, while the tape plays (explorer.stage.pulse)."""

    def pulse_boxes(self, now: Now) -> list[tuple[int, int]]:
        """Device pixels (from, to) of the data that it passes on its way into a moment; [] where there is none."""

    def paint_pulse(self, painter: QPainter, origin: QPoint, now: Now, share: float) -> None: ...


@runtime_checkable
class Worded(Protocol):
    """A track with words among its data, which a readout should not cover."""

    def words_at(self, now: Now) -> list[QRect]:
        """Where they stand: logical pixels from the data's corner."""


class Thin(Protocol):
    """A track that has something to say when it is collapsed to a strip of a line's height. Others show their name."""

    thin: bool
    """Whether it can be painted that low. If not, its words stand in the strip."""

    def at_playhead(self, now: Now) -> str:
        """What the track says of the step under the playhead, short: "3.2e-9"; "" before it is reached."""


class Copied(Protocol):
    """A track whose values at the playhead can be copied."""

    def taken(self, now: Now) -> tuple[Taken, ...]:
        """() before they are reached."""


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Columns of a table that the tape makes known together."""

    names: tuple[str, ...]
    values: NDArray[Any]
    """(T, columns), not a copy."""
    known: tuple[int, int]
    """First and last step that the tape has reached; (1, 0): none."""
    scale: Scale | None = None
    """For the words of a number that is not on it."""
    length: int = 0
    """Steps after this one are padding; 0: there is none."""
    also: tuple[int, int] = (1, 0)
    """A second stretch that is known: two directions read the same inputs from both ends."""
    only: int = 0
    """The one step that has it, of an answer that is given once; 0: every step has it."""
    words: Sequence[str] = ()
    """By step what stands there instead of the number: symbols. Then there is one column."""
    ranked: bool = False
    """The words are numbers, whose order is that of the values."""
    logarithms_bad: NDArray[np.bool_] | None = None
    """The values are log₁₀ of sizes, which stand in the table. (T, columns): whether NaN there is no number; elsewhere
    it is padding."""
    had: NDArray[np.int64] | None = None
    """(columns,): how many steps each of them had, where that is not the same; behind them there was none."""


@dataclass(frozen=True, eq=False, slots=True)
class TableData:
    """A track as a table: a row a step, exact numbers. Made anew for every moment, from arrays that are there."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def steps(self) -> int:
        return len(self.blocks[0].values) if self.blocks else 0


class Tabular(Protocol):
    """A track that can be shown as a table."""

    def table(self, now: Now) -> TableData | None:
        """None while its array is not there. explorer.stage.tracks.tabled makes it of arrays."""


class OverTraining(Protocol):
    """A track that shows what a training has left behind, a row an iteration."""

    chosen: int | None
    """The iteration whose row is being chosen by keys; None: none is."""
    cost: float
    """Seconds that the last change of its pixels took."""

    @property
    def past(self) -> Past: ...

    @property
    def page(self) -> int: ...

    def set_past(self, past: Past) -> None: ...

    def numbers(self) -> Array: ...

    def choose(self, rows: int | None) -> bool: ...


def as_over_training(track: object) -> OverTraining | None:
    return cast(OverTraining, track) if hasattr(track, "set_past") else None


def as_tabular(track: object) -> Tabular | None:
    """The track itself, if it is one (a look at a Protocol would take thirty times as long)."""
    return cast(Tabular, track) if hasattr(track, "table") else None


def as_thin(track: object) -> Thin | None:
    return cast(Thin, track) if hasattr(track, "at_playhead") else None


def taken_of(track: object, now: Now) -> tuple[Taken, ...]:
    """What a track says at the playhead, to be copied; () where it says nothing (yet)."""
    return cast(Copied, track).taken(now) if hasattr(track, "taken") else ()


def table_of(track: object, now: Now) -> TableData | None:
    """None where the track has no table, or not yet."""
    tabular = as_tabular(track)
    return tabular.table(now) if tabular is not None else None


def between(old: int, new: int) -> list[tuple[int, int]]:
    """The pixels between two places."""
    return [(min(old, new), max(old, new))] if old != new else []
