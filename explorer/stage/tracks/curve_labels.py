"""Where the words of regions and thresholds stand: clear of each other and of the curves that are known when they come.

Their places are found once for a view, and there they stay: words that change sides while the tape plays draw the eye
away from what it shows. What the way back has yet to find cannot be minded, since that would tell of it: words stand on
a piece of ground, and where a curve comes through, it is seen through that. When all curves are known, words that a
line runs through step aside, once, if there is a place where none does.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PySide6.QtCore import QRect, QRectF

from engine.requests import Array
from explorer.stage import margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.tracks.curve_ink import edge_of, points
from explorer.stage.tracks.plot import ALWAYS, Curve, Group, Line, Plot, Region
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import short

WAITING = "not reached yet"
_NARROW = 24
"""Pixels from the last step's middle to the edge, up to which words end before it."""


@dataclass(frozen=True, slots=True)
class Label:
    tone: str
    text: str
    place: QRect
    always: bool
    chip: bool = False
    """It names a line, and stands beside it."""
    known: Group | None = None
    """It is there once these curves are known whole."""
    crossed: bool = False
    """A curve runs through it, as far as it is known by now: what is behind the words is to be seen."""

    @property
    def left(self) -> int:
        return self.place.left()

    @property
    def right(self) -> int:
        return self.place.right() + 1


class Labels:
    """`of(now)` are those that have a place."""

    def __init__(self, plot: Plot, view: TimeView, height: float) -> None:
        self._plot, self._view, self._height = plot, view, height
        self._width = view.width / view.ratio
        self._right = self._beside_the_last()
        self._choices = [self._in_region(region) for region in self._boxes()]
        self._choices += [self._at_lowest(curve) for curve in plot.curves if curve.lowest is not None]
        self._choices += [self._at_curve(curve) for curve in plot.curves if curve.tag]
        self._choices += [self._along(line) for line in plot.lines]
        self._struck: dict[QRect, bool] = {}
        self._inside: dict[QRect, list[tuple[Group, list[int]]]] = {}
        self._standing: list[Label | None] | None = None
        self._settled: list[Label | None] | None = None

    def of(self, now: Now) -> list[Label]:
        """Those that are there by now."""
        if self._standing is None:
            self._standing = self._placed()
        places = self._standing
        if all(group.whole(now) for group in self._plot.groups):
            if self._settled is None:
                self._settled = self._stepped_aside(self._standing)
            places = self._settled
        there = begun(self._plot, now)
        return [
            replace(label, crossed=True) if self._runs_through(label, now) else label
            for label in places
            if label is not None and (label.always or there) and (label.known is None or label.known.whole(now))
        ]

    def waiting(self, others: list[Label]) -> list[Label]:
        """What a blank says that has no curve yet: in its middle, or where the others leave room."""
        wide = marked.width(WAITING, theming.small()) + 2 * GAP
        if wide > self._width:
            return []
        for share in (0.5, 0.25, 0.75):
            top = self._height * share - margins.LINE / 2
            box = QRectF((self._width - wide) / 2, top, wide, margins.LINE).toAlignedRect()
            if not any(box.intersects(other.place) for other in others):
                return [Label("muted", WAITING, box, always=True)]
        return []

    def _placed(self) -> list[Label | None]:
        """For each words its place; None: there is none."""
        found: list[Label | None] = []
        for choices in self._choices:
            free = (one for one in choices if not _taken(one, found))
            found.append(next((one for one in free if not self._crossed(one) and not self._on_line(one)), None))
        return found

    def _stepped_aside(self, standing: list[Label | None]) -> list[Label | None]:
        found: list[Label | None] = []
        for n, (choices, stood) in enumerate(zip(self._choices, standing, strict=True)):
            taken = [*found, *standing[n + 1 :]]
            free = stood is not None and not self._clear(stood)
            clear = (one for one in choices if not _taken(one, taken) and self._clear(one)) if free else iter(())
            found.append(next(clear, stood))
        return found

    def _clear(self, label: Label) -> bool:
        """Whether no line at all runs through the words."""
        return not self._on_line(label, every=True) and not self._met(label)

    def _beside_the_last(self) -> float:
        """Where words on the right end. The playhead rests at the last step from the loss on, and would touch them; in
        a cell that is wide enough they are seen to go on beyond it."""
        view = self._view
        rests = view.centre(view.steps) / view.ratio - GAP / 2 if view.shows(view.steps) else self._width
        return rests if self._width - rests < _NARROW else self._width

    def _y(self, places: Array) -> Array:
        edge = edge_of(self._height)
        return np.asarray(self._height - edge - places * (self._height - 2 * edge))

    def _boxes(self) -> list[tuple[QRectF, str, tuple[str, ...]]]:
        found: list[tuple[QRectF, str, tuple[str, ...]]] = []
        for area, region in region_boxes(self._plot, self._width, self._height):
            edge = edge_of(self._height)
            area = area.adjusted(0, edge, 0, -edge)
            if area.height() >= margins.LINE + 4:
                found.append((area, region.tone, region.texts))
        return found

    def _in_region(self, region: tuple[QRectF, str, tuple[str, ...]]) -> list[Label]:
        area, tone, texts = region
        found: list[Label] = []
        for text in texts:
            width = marked.width(text, theming.small()) + 2 * GAP
            if width <= min(area.width(), self._right):
                right, left, middle = self._right - width, area.left(), area.center().x() - width / 2
                low, high = area.bottom() - margins.LINE, area.top()
                # Where the way back begins, farthest from where it does: the curves come there last.
                sides = (left, right, middle) if self._from_left else (right, left, middle)
                between = (left + middle) / 2, (middle + right) / 2
                heights = (high, low) if tone == "exploding" else (low, high)
                boxes = (QRectF(x, y, width, margins.LINE).toAlignedRect() for y in heights for x in (*sides, *between))
                found += [Label(tone, text, box, always=False) for box in boxes]
        return found

    def _along(self, line: Line) -> list[Label]:
        """Above the line or under it, where all of its stretch is on the axis."""
        found = []
        x, y = self._course(line)
        pitch = self._view.pitch / self._view.ratio  # a steep line comes to a corner between two steps
        for text in line.texts:
            width = marked.width(text, theming.small()) + GAP
            if width > self._right:
                continue
            # What hangs on the trace has its curve beside it, last where the way back ends.
            shares = (1.0, 0.0, 0.5, 0.25, 0.75) if line.always or self._from_left else (0.0, 0.25, 0.5, 0.75, 1.0)
            for share in shares:
                left = (self._right - width) * share
                here = y[(x >= left - pitch) & (x <= left + width + pitch)] if line.places.ndim else y
                here = here[~np.isnan(here)]
                if not here.size or here.min() < 2 or here.max() > self._height - 2:
                    continue
                for top in (here.min() - margins.LINE - 1, here.max() + 2):
                    if top >= 1 and top + margins.LINE <= self._height - 1:
                        box = QRectF(left, top, width, margins.LINE).toAlignedRect()
                        found.append(Label(line.tone, text, box, line.always, chip=True))
        return found

    def _at_lowest(self, curve: Curve) -> list[Label]:
        """Beside the mark of the smallest: its value and its step."""
        t = curve.lowest
        if t is None or not self._view.shows(t) or not curve.on[t - 1] or curve.values is None:
            return []
        value = short(float(curve.values[t - 1]), 2)
        kind = "" if np.isfinite(curve.values[: curve.longest or None]).all() else "finite "
        texts = (f"smallest {kind}{value} at t = {t}", f"min. {kind}{value}, t = {t}", f"min. {kind}{value}")
        return self._beside(curve, t, texts, Label(curve.style.tone, "", QRect(), False, True, curve.group))

    def _at_curve(self, curve: Curve) -> list[Label]:
        """Somewhere along the curve, its name."""
        last = min(self._view.last, len(curve.places))
        if last < self._view.first:
            return []
        found: list[Label] = []
        for share in (0.5, 0.3, 0.7, 0.15, 0.85, 0.4, 0.6, 0.22, 0.78, 0.05, 0.95):
            t = round(self._view.first + share * (last - self._view.first))
            if curve.on[t - 1]:
                found += self._beside(curve, t, curve.tag, Label(curve.style.tone, "", QRect(), True, chip=True))
        return found

    def _beside(self, curve: Curve, t: int, texts: tuple[str, ...], like: Label) -> list[Label]:
        """Places above and below a point of a curve, with room for its mark between."""
        x = self._view.centre(t) / self._view.ratio
        y = float(self._y(np.asarray(curve.places[t - 1])))
        found = []
        for text in texts:
            width = marked.width(text, theming.small()) + GAP
            for left in (x - width / 2, x + 9, x - width - 9):
                left = min(max(left, 1.0), self._right - width - 1)
                for far in (8, 22, 36):
                    above, below = y - margins.LINE - far, y + far
                    for top in (above, below):
                        if left >= 0 and top >= 1 and top + margins.LINE <= self._height - 1:
                            box = QRectF(left, top, width, margins.LINE).toAlignedRect()
                            found.append(replace(like, text=text, place=box))
        return found

    def _course(self, line: Line) -> tuple[Array, Array]:
        """Where a line goes, in logical pixels."""
        view = self._view
        if line.places.ndim:
            return (view.cells.left + view.cells.right) / (2 * view.ratio), self._y(line.places[view.slice])
        return np.array([0.0, self._width]), self._y(np.repeat(line.places, 2))

    def _on_line(self, label: Label, *, every: bool = False) -> bool:
        """Whether a threshold runs through the words of a region, or (`every`) through any. Found once for a place."""
        place = label.place
        if label.chip and not every:  # a line's own words stand beside it
            return False
        if place not in self._struck:
            across = np.arange(place.left() - 2.0, place.right() + 3.0)
            ys = (np.interp(across, *self._course(line)) for line in self._plot.lines)
            self._struck[place] = any(bool(((y > place.top()) & (y < place.bottom() + 1)).any()) for y in ys)
        return self._struck[place]

    @property
    def _from_left(self) -> bool:
        """Whether the gradients that there are become known from the first step on: of reverse layers alone."""
        return all(group.from_left for group in self._plot.groups if group.kind == "grads")

    def _crossed(self, label: Label) -> bool:
        """Whether a curve runs through the words that is known when they come."""
        return self._met(
            label,
            lambda group: (
                label.known is not None or group == ALWAYS or (not label.always and group.kind in ("values", "loss"))
            ),
        )

    def _met(self, label: Label, of: Callable[[Group], bool] = lambda _: True) -> bool:
        """Whether a curve of such a group ever runs through the words."""
        place = label.place
        for curve, x, y in self._of_curves:
            if of(curve.group):
                beside = (x > place.left() - 6) & (x < place.right() + 7)
                if bool((beside & (y > place.top() - 4) & (y < place.bottom() + 5)).any()):
                    return True
        return False

    def _runs_through(self, label: Label, now: Now) -> bool:
        """Whether a curve does by now. Where is found once for a place."""
        if label.place not in self._inside:
            self._inside[label.place] = self._steps_inside(label.place)
        for group, steps in self._inside[label.place]:
            first, last = group.known(now)
            if bisect_left(steps, first) < bisect_right(steps, last):
                return True
        return False

    def _steps_inside(self, place: QRect) -> list[tuple[Group, list[int]]]:
        """The steps at which a curve that runs through becomes known there."""
        found = []
        for curve, x, y in self._of_curves:
            here = (x > place.left() - 1) & (x < place.right() + 2) & (y > place.top() - 1) & (y < place.bottom() + 2)
            if here.any():
                found.append((curve.group, self._steps_at(x[here], curve.group.from_left)))
        return found

    def _steps_at(self, x: Array, from_left: bool) -> list[int]:
        """Of a place between two steps the one that becomes known last, so that nothing is told of it before."""
        view = self._view
        starts = view.cells.starts
        if view.cells.crowded:
            ends = np.append(starts[1:], view.cells.count) - 1
            at = (ends if from_left else starts)[(x * view.ratio).astype(int)]
        else:
            middle = (view.cells.left + view.cells.right) / (2 * view.ratio)
            between = np.interp(x, middle, np.arange(len(middle))).round(6)
            at = np.ceil(between) if from_left else np.floor(between)
        return [view.first + int(step) for step in np.unique(at)]

    @cached_property
    def _of_curves(self) -> list[tuple[Curve, Array, Array]]:
        return [(curve, *self._points(curve)) for curve in self._plot.curves]

    def _points(self, curve: Curve) -> tuple[Array, Array]:
        x, places = points(curve, self._view)
        kept = ~np.isnan(places)
        x, y = x[kept], self._y(places[kept])
        if len(x) > 1 and not self._view.cells.crowded:  # between them too
            dense = np.interp(np.arange(0, len(x) - 0.9, 0.25), np.arange(len(x)), x)
            return dense, np.interp(dense, x, y)
        return x, y


def _taken(label: Label, others: list[Label | None]) -> bool:
    return any(other is not None and label.place.intersects(other.place) for other in others)


def begun(plot: Plot, now: Now) -> bool:
    """Whether the first of the trace's own numbers is known, on which regions and bounds hang."""
    return any(g.kind == "grads" and g.known(now)[0] <= g.known(now)[1] for g in plot.groups)


def region_boxes(plot: Plot, width: float, height: float) -> list[tuple[QRectF, Region]]:
    """Area in logical pixels, and the region."""
    edge = edge_of(height)
    found = []
    for region in plot.regions:
        y = height - edge - region.edge * (height - 2 * edge)
        if region.tone == "vanishing" and y < height - edge:
            found.append((QRectF(0, max(0.0, y), width, height - max(0.0, y)), region))
        elif region.tone == "exploding" and y > edge:
            found.append((QRectF(0, 0, width, min(y, height)), region))
    return found
