"""What a curve track shows, as frozen data: curves, their axis, thresholds, and words. No ink."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from engine.requests import Array, Excerpt
from explorer.stage import classes
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale
from explorer.stage.tracks.bands import Stack
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.slope import Slopes

Kind = Literal["values", "grads", "loss", "always"]
Variants = tuple[str, ...]
"""A line from its longest wording to its shortest."""


@dataclass(frozen=True, slots=True)
class Group:
    """Curves that become known together: "values" in the forward phase, "grads" on the way back, "loss" with the loss,
    "always" before anything."""

    kind: Kind
    reverse: bool = False

    def known(self, now: Now) -> tuple[int, int]:
        """First and last step that are known; none: the last is before the first."""
        if self.kind == "values":
            return now.values(self.reverse)
        if self.kind == "grads":
            return now.grads(self.reverse)
        return (1, now.steps) if self.kind == "always" or now.loss else (1, 0)

    def whole(self, now: Now) -> bool:
        """Whether every step is known."""
        return self.known(now) == (1, now.steps)

    @property
    def from_left(self) -> bool:
        """Whether the first step is known first."""
        return (self.kind == "grads") == self.reverse

    def newest(self, now: Now) -> int | None:
        """The step that has just become known, while its phase lasts."""
        first, last = self.known(now)
        if first > last or self.kind in ("always", "loss") or (self.kind == "values" and now.loss):
            return None
        return last if self.from_left else first


ALWAYS = Group("always")


def own(groups: Iterable[Group]) -> list[Group]:
    """Those of this trace, which the tape comes to."""
    return [group for group in groups if group != ALWAYS]


@dataclass(frozen=True, slots=True)
class Style:
    """How a curve is told apart: by dash and marker too, not by colour alone."""

    tone: str
    """A field of the theme, or "series.2"."""
    dash: int = 0
    marker: int = 0
    """0: none."""
    ghost: bool = False
    """Of an earlier trace: dotted, over the present ones, so that neither hides the other."""
    band: int = 0
    """A band of a stack, from 1, not a line."""


TONES = ("backward", "series.1", "series.2", "series.3", "series.4", "series.5")


def style(place: int, of: int) -> Style:
    """The style of a curve among so many: no two have the same dash and marker."""
    return Style(TONES[place % len(TONES)], place % 4, 0 if of <= 4 else 1 + place % 5)


def ghost_style(pin: int, place: int) -> Style:
    """Of a pinned trace: its own colour, and a dash of its own for each of its curves."""
    return Style(TONES[2 + pin % 4], (pin + place) % 4, ghost=True)


# -- axes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogAxis:
    """Powers of ten, from and to those of a scale of magnitudes."""

    scale: Scale

    @property
    def ends(self) -> tuple[str, str]:
        return self.scale.ends

    def place(self, logs: Array) -> Array:
        """0 the low end, 1 the high."""
        low, high = self.scale.decades
        with np.errstate(invalid="ignore"):
            return np.asarray((logs - low) / (high - low))

    def grid(self, room: float) -> list[tuple[float, str]]:
        """(place, text) of the lines, as many as have `room` logical pixels."""
        low, high = self.scale.decades
        each = room / (high - low)
        every = next((n for n in (1, 2, 4, 6, 10, 20, 40, 100) if n * each >= 15), 200)
        every = max(every, 2) if high - low > 6 else every
        found = range(math.ceil(low / every) * every, high + 1, every)
        return [((decade - low) / (high - low), f"1e{decade}") for decade in found]


@dataclass(frozen=True, slots=True)
class PlainAxis:
    """Linear between two numbers, with lines at some."""

    low: float
    high: float
    lines: tuple[tuple[float, str], ...]

    texts: tuple[str, str] | None = None
    """The ends in words, where no line is there."""
    scale: Scale = field(default_factory=lambda: Scale("magnitude", 1e-2, 1.0))
    """Whose looks the marks at the edges have."""

    @property
    def ends(self) -> tuple[str, str]:
        return self.texts or (self.lines[0][1], self.lines[-1][1])

    def place(self, values: Array) -> Array:
        return np.asarray((values - self.low) / (self.high - self.low))

    def grid(self, room: float) -> list[tuple[float, str]]:
        found = [(float(self.place(np.asarray(at))), text) for at, text in self.lines]
        return found if room >= 15 * (len(found) - 1) else [found[0], found[-1]]


Axis = LogAxis | PlainAxis


# -- curves -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curve:
    name: str
    """In the header and under the pointer, with subscripts marked."""
    short: str
    """Where there is little room."""
    group: Group
    style: Style
    places: Array
    """(T,): 0 the low end of the axis, 1 the high one; only where the code is a place on the scale."""
    codes: classes.Codes
    said: Callable[[int], str]
    """A step's exact value in words; the step from 0."""
    brief: Callable[[int], str] | None = None
    """The same, short, for header and strip."""
    values: Array | None = None
    """(T,): the numbers themselves, where they are numbers of float64."""
    slopes: Slopes | None = None
    """Of the logarithm, in the curve's own way: from its last step on."""
    joined: bool = False
    """Undefined steps are only not computed: the line goes on to the next one that is."""
    dots: bool = False
    """Every step has a dot, where there is room: what stands for itself."""
    note: str = ""
    """What else is to be said of it under the pointer."""
    whole: Callable[[int], str] | None = None
    """What can be said of a step when all of them are known."""
    longest: int = 0
    """Steps after this one are padding in every sample; 0: there are none."""
    legend: str | None = None
    """In the header: another name; "": it is not there."""
    tag: tuple[str, ...] = ()
    """Words beside the curve itself, from the longest to the shortest."""
    normal: float = 0.0
    """The smallest normal number of the type of `values`: what is smaller is said to be subnormal under the pointer."""
    lowest: int | None = None
    """The step with the smallest of all: it has a mark of its own once all are known, and not before, since it would
    tell of those that are not."""

    @cached_property
    def on(self) -> np.ndarray:
        return (self.codes >= classes.FIRST) & (self.codes <= classes.LAST)


@dataclass(frozen=True, eq=False)
class Line:
    """A threshold: level, or with a height at every step."""

    places: Array
    """() or (T,); NaN where it does not go."""
    tone: str
    texts: tuple[str, ...]
    """From the longest wording to the shortest."""
    always: bool = True
    """False: it hangs on the trace's numbers, and is there once the first of them is known."""
    legend: tuple[str, ...] | None = None
    """Its name and what it says, from the longest wording to the shortest, in the header where there is room: along
    the line there may be none."""


@dataclass(frozen=True, slots=True)
class Region:
    """Below or above a place on the axis."""

    tone: Literal["vanishing", "exploding"]
    edge: float
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Plot:
    """Everything of one trace."""

    axis: Axis
    curves: tuple[Curve, ...]
    title_lines: tuple[Variants, ...] = ()
    """Under the title."""
    lines: tuple[Line, ...] = ()
    regions: tuple[Region, ...] = ()
    stack: Stack | None = None
    """Drawn in place of the curves, which say its parts."""
    slope_unit: str = ""
    scale_note: tuple[str, ...] = ()
    """Under the pointer at the scale."""
    readout_note: str = ""
    """What is to be said of every number under the pointer."""
    samples: str = ""
    """Whose numbers these are, for what is copied: "mean of 16 samples"; "": those of the sample that is shown."""
    header: Callable[[Now], tuple[Variants, ...]] | None = None
    """Lines that hang on the moment."""

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        return tuple(dict.fromkeys(curve.group for curve in self.curves))


Maker = Callable[[Excerpt, ScaleBook, tuple[Ghost, ...]], Plot | str]
"""A plot, or the sentence why there is none."""


def logs_of(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values))


def codes_of_logs(logs: Array, scale: Scale, undefined: np.ndarray | None = None) -> classes.Codes:
    """Of numbers that are given as their logarithms, and may be out of any type's range."""
    low, high = scale.decades
    codes = np.full(logs.shape, classes.FIRST, np.uint8)
    with np.errstate(invalid="ignore"):
        codes[logs < low] = classes.BELOW
        codes[logs > high] = classes.ABOVE
    codes[np.isneginf(logs)] = classes.ZERO
    codes[np.isposinf(logs)] = classes.PLUS_INF
    codes[np.isnan(logs)] = classes.NAN
    if undefined is not None:
        codes[undefined] = classes.UNDEFINED
    return codes


def codes_on(axis: PlainAxis, values: Array) -> classes.Codes:
    """Of numbers on a linear axis. NaN has no value there."""
    codes = np.full(values.shape, classes.FIRST, np.uint8)
    codes[values < axis.low] = classes.BELOW
    codes[values > axis.high] = classes.ABOVE
    codes[np.isnan(values)] = classes.UNDEFINED
    return codes
