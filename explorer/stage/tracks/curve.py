"""A track of curves over time. What it shows comes from a maker of plots; here it is drawn, and follows the tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from engine.requests import Excerpt
from engine.tracks import parse
from explorer.stage import classes, margins, marked, palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import TimeView, cells
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import bands, curve_legend, words
from explorer.stage.tracks.base import Block, Readout, TableData, Taken
from explorer.stage.tracks.curve_ink import colour_of, draw_curve, edge_marks, edge_of
from explorer.stage.tracks.curve_labels import Label, Labels, begun, region_boxes
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.plot import ALWAYS, Curve, Group, PlainAxis, Plot, Style
from explorer.theme import current as theming
from explorer.theme.routes import colour_of as tone_of
from explorer.theme.tokens import Theme
from explorer.widgets.numbers import short

_DOT = 6
_NARROW = 9
"""Logical pixels a step: below, pens and markers lean towards what is not known, and the cut stands aside."""
_NEAREST = 8
"""Curves under the pointer that are read out; of more, those nearest to it."""

_WITH_SLOPES = 4
"""Curves whose slopes have room in the header; of more, they are under the pointer."""
_NO_DIGITS = ("NaN", "∞")
_IN_STRIP = 3
"""Curves whose values have room in a strip."""
_GROUND = 232
"""Opacity of the ground behind words, of 255."""
_LOW = 72
"""Logical pixels of a header that has room for little."""

Maker = Callable[[Excerpt, ScaleBook, tuple[Ghost, ...]], Plot | str]
"""A plot, or the sentence why there is none."""

_Sheet = tuple[bool, frozenset[Group]]
"""Whether the trace's regions are there, and which curves."""


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that meet become one: each is a rectangle to be painted by itself."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _own(groups: Iterable[Group]) -> list[Group]:
    """Those of this trace, which the tape comes to."""
    return [group for group in groups if group != ALWAYS]


class _Said(Sequence[str]):
    """A curve's exact values in words, each made when it is looked at."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def __len__(self) -> int:
        return len(self._curve.places)

    def __getitem__(self, step: Any) -> Any:
        return self._curve.said(step)


class CurveTrack:
    """Layers: for each set of curves that are known beside each other, the axes with the regions and those curves. They
    are drawn when the tape first comes to them, and then looked up."""

    thin = False

    def __init__(self, key: str, title: str, hint: int, maker: Maker) -> None:
        self.key = key
        self.track = parse(key)
        self.header_has_numbers = True
        self._title, self._hint, self._maker = title, hint, maker
        self._excerpt: Excerpt | None = None
        self._book: ScaleBook | None = None
        self._ghosts: tuple[Ghost, ...] = ()
        self._plot: Plot | None = None
        self._why = ""
        self._sheets: dict[_Sheet, Layer] = {}
        self._drawn: set[_Sheet] = set()
        self._key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1
        self._labels: Labels | None = None

    # -- told once ----------------------------------------------------------------------------------------------------

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._book = excerpt, book
        self._make()

    def set_ghosts(self, ghosts: tuple[Ghost, ...]) -> None:
        """Earlier traces that are kept on screen."""
        self._ghosts = ghosts
        self._make()

    def _make(self) -> None:
        if self._excerpt is None or self._book is None:
            return
        made = self._maker(self._excerpt, self._book, self._ghosts)
        self._plot, self._why = (None, made) if isinstance(made, str) else (made, "")
        self._key = None

    @property
    def plot(self) -> Plot | None:
        return self._plot

    def title(self) -> str:
        return self._title

    def height_hint(self) -> int:
        return self._hint

    def stretch(self) -> float:
        return 1.9

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        if key == self._key:
            return
        self._key, self._view, self._height = key, view, height
        self._drawn.clear()
        self._labels = Labels(self._plot, view, height / view.ratio) if self._plot is not None else None

    @property
    def _tall(self) -> float:
        """Logical pixels."""
        return self._height / self._view.ratio

    def _y(self, place: float) -> float:
        edge = edge_of(self._tall)
        return self._tall - edge - place * (self._tall - 2 * edge)

    def _sheet(self, wanted: _Sheet) -> Layer:
        if wanted not in self._drawn:
            self._drawn.add(wanted)
            self._draw(self._sheets.setdefault(wanted, Layer()), *wanted)
        return self._sheets[wanted]

    def _draw(self, layer: Layer, regions: bool, groups: frozenset[Group]) -> None:
        plot, theme, view = self._plot, theming.current(), self._view
        pixels = layer.sized(view.width, self._height).pixels()
        pixels[:] = palette.packed(theme.ground)
        if plot is None:
            return
        if not _own(groups) and _own(plot.groups):
            draw_blank(layer, view.cells, cells(self._height, self._height), view.ratio)
        if regions:
            self._draw_regions(pixels, plot, theme)
        self._draw_grid(pixels, plot, theme)
        if plot.stack is not None and groups:
            rows = self._y(0.0) * view.ratio, self._y(1.0) * view.ratio
            bands.draw(pixels, plot.stack, view, rows, view.ratio, theme)
        del pixels
        painter = layer.painter(view.ratio)
        for line in plot.lines:
            if line.always or regions:
                self._draw_line(painter, line.places, QColor(getattr(theme, line.tone)))
        painter.end()
        shown = [(n, curve) for n, curve in enumerate(plot.curves) if curve.group in groups]
        lines = [] if plot.stack is not None else shown
        for n, curve in sorted(lines, key=lambda one: one[1].style.ghost):  # the earlier ones: dotted, on top
            draw_curve(layer, curve, view, self._tall, n)
        painter = layer.painter(view.ratio)
        for _, curve in shown[:1] if plot.stack is not None else shown:
            if not curve.style.ghost:
                edge_marks(painter, curve.codes[view.slice], view, self._tall, plot.axis.scale)
        painter.end()

    def _draw_grid(self, pixels: palette.Pixels, plot: Plot, theme: Theme) -> None:
        """Lines one device pixel thin."""
        for place, _ in self._grid(plot):
            row = round(self._y(place) * self._view.ratio)
            if 0 <= row < self._height:
                pixels[row] = palette.packed(theme.line)

    def _grid(self, plot: Plot) -> list[tuple[float, str]]:
        return plot.axis.grid(self._tall - 2 * edge_of(self._tall))

    def _draw_regions(self, pixels: palette.Pixels, plot: Plot, theme: Theme) -> None:
        ratio = self._view.ratio
        thick = max(1, round(ratio))
        for area, region in region_boxes(plot, self._view.width / ratio, self._tall):
            colour = getattr(theme, region.tone)
            top, bottom = round(area.top() * ratio), round(area.bottom() * ratio)
            block = pixels[max(0, top) : bottom]  # under the dots of a blank
            block[block == palette.packed(theme.ground)] = palette.packed(palette.mix(theme.ground, colour, 0.11))
            edge = slice(top, top + thick) if region.tone == "vanishing" else slice(max(0, bottom - thick), bottom)
            pixels[edge] = palette.packed(palette.mix(theme.ground, colour, 0.5))

    def _draw_line(self, painter: QPainter, places: np.ndarray, colour: QColor) -> None:
        pen = QPen(colour, 1.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
        pen.setDashPattern([6, 3])
        painter.setPen(pen)
        view = self._view
        if not places.ndim:
            y = round(self._y(float(places))) + 0.5
            painter.drawLine(QPointF(0, y), QPointF(view.width / view.ratio, y))
            return
        steps = np.unique(np.linspace(view.first, view.last, min(64, view.last - view.first + 1)).round().astype(int))
        shown = [t for t in steps.tolist() if not np.isnan(places[t - 1])]
        at = [QPointF(view.centre(t) / view.ratio, self._y(float(np.clip(places[t - 1], -9, 9)))) for t in shown]
        if len(at) > 1:
            painter.drawPolyline(at)

    # -- painting -----------------------------------------------------------------------------------------------------

    def _span(self, group: Group, now: Now) -> tuple[int, int]:
        """The pixels, the last one excluded, where a group's curves are drawn. A curve ends at the middle of the last
        step that is known: beyond lies the way to what is not."""
        view = self._view
        first, last = group.known(now)
        if first > last:
            return 0, 0
        if first == 1 and last == view.steps:
            return 0, view.width
        if self._plot is not None and self._plot.stack is not None:  # whole cells
            return (0, view.until(last)) if group.from_left else (view.since(first), view.width)
        # A line is as thick as its pen: a steep way to what is not known leans over the middle. The dot hides the gap.
        narrow = view.pitch < _NARROW
        aside = round((5 if narrow else 1) * view.ratio)
        if group.from_left:
            if not view.shows(last):
                return 0, view.until(last)
            return 0, max(0, (view.until(last) if narrow else int(view.centre(last))) - aside)
        if not view.shows(first):
            return view.since(first), view.width
        return min(view.width, (view.since(first) if narrow else int(view.centre(first))) + aside), view.width

    def _pieces(self, now: Now) -> list[tuple[int, int, frozenset[Group]]]:
        """Which curves are drawn where: pixels from, to, and the groups."""
        assert self._plot is not None
        spans = {group: self._span(group, now) for group in self._plot.groups}
        edges = sorted({0, self._view.width, *(edge for span in spans.values() for edge in span)})
        return [
            (start, end, frozenset(g for g, (a, b) in spans.items() if a <= start and end <= b))
            for start, end in pairwise(edges)
        ]

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        view = self._view
        if self._plot is None:
            self._sheet((False, frozenset())).blit(painter, origin, part, view.ratio)
            if self._why:
                box = QRect(origin.x(), origin.y(), round(view.width / view.ratio), round(self._tall))
                margins.paint_note(painter, box, self._why)
            return
        regions = begun(self._plot, now)
        for start, end, groups in self._pieces(now):
            piece = QRect(start, 0, end - start, self._height).intersected(part)
            if not piece.isEmpty():
                self._sheet((regions, groups)).blit(painter, origin, piece, view.ratio)

    def _paint_words(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """Over the cursor: they stand where they are, whatever comes through."""
        theme, font = theming.current(), theming.small()
        ground = QColor(theme.ground)
        ground.setAlpha(_GROUND)
        for label in self._words(now):
            line = QRectF(label.place.translated(origin))
            if not painter.hasClipping() or painter.clipBoundingRect().intersects(line):
                painter.fillRect(line, ground)
                painter.setPen(QColor(tone_of(label.tone, theme)))
                marked.draw(painter, line, label.text, font, Qt.AlignmentFlag.AlignHCenter)

    def _words(self, now: Now) -> list[Label]:
        if self._labels is None or self._plot is None:
            return []
        found, own = self._labels.of(now), _own(self._plot.groups)
        if own and all(first > last for first, last in (group.known(now) for group in own)):
            found += self._labels.waiting(found)
        return found

    def words_at(self, now: Now) -> list[QRect]:
        return [label.place for label in self._words(now)]

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The words, and the newest point of each curve."""
        self._paint_words(painter, origin, now)
        if self._plot is None or self._plot.stack is not None:
            return
        theme = theming.current()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for curve in self._plot.curves:
            low = curve.lowest
            if low is not None and curve.group.whole(now) and self._view.shows(low) and curve.on[low - 1]:
                x = origin.x() + self._view.centre(low) / self._view.ratio
                self._mark(painter, QPointF(x, origin.y() + self._y(float(curve.places[low - 1]))), curve.style, theme)
            t = curve.group.newest(now)
            if t is None or not self._view.shows(t) or not curve.on[t - 1]:
                continue
            x = origin.x() + self._view.centre(t) / self._view.ratio
            painter.setPen(QPen(QColor(theme.ground), 1.5))
            painter.setBrush(colour_of(curve.style, theme))
            painter.drawEllipse(QPointF(x, origin.y() + self._y(float(curve.places[t - 1]))), 4.2, 4.2)
        painter.restore()

    @staticmethod
    def _mark(painter: QPainter, at: QPointF, style: Style, theme: Theme) -> None:
        """The smallest of a curve: a ring with a gap of ground around it."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(theme.ground), 4.4), (colour_of(style, theme), 1.8)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(at, 5.2, 5.2)

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        if self._plot is None:
            return []
        if begun(self._plot, old) != begun(self._plot, new):
            return [(0, self._view.width)]
        found = []
        margin = round(_DOT * self._view.ratio)
        for group in self._plot.groups:
            before, after = self._span(group, old), self._span(group, new)
            if before != after and (before[0] == before[1] or after[0] == after[1]):
                found.append((min(before[0], after[0]), max(before[1], after[1])))
            for a, b in zip(before, after, strict=True):
                if a != b:
                    found.append((min(a, b) - margin, max(a, b) + margin))
            found += [(x - margin, x + margin) for x in self._marks_between(group, old, new)]
            for t in {group.newest(old), group.newest(new)}:
                if t is not None and group.newest(old) != group.newest(new) and self._view.shows(t):
                    x = round(self._view.centre(t))
                    found.append((x - margin, x + margin))
        words_before, words_after = self._words(old), self._words(new)
        if words_before != words_after:
            ratio = self._view.ratio
            moved = [w.place for w in words_before + words_after]
            found += [(round(place.left() * ratio), round((place.right() + 1) * ratio)) for place in moved]
        return _joined(found)

    def _marks_between(self, group: Group, old: Now, new: Now) -> list[int]:
        """Where a smallest of all has come or gone."""
        assert self._plot is not None
        if group.whole(old) == group.whole(new):
            return []
        lows = {curve.lowest for curve in self._plot.curves if curve.group == group}
        return [round(self._view.centre(t)) for t in lows if t is not None and self._view.shows(t)]

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        plot = self._plot
        lines = (*plot.title_lines, *(plot.header(now) if plot.header else ())) if plot else ()
        room, font = margins.text_room(box), theming.small()
        if plot is not None and box.height() < _LOW:  # then the names of the curves come first
            lines = ()
        said = tuple((text, "muted") for texts in lines if (text := margins.fitting(texts, font, room)))
        y = margins.paint_title(painter, box, self._title, "text", said)
        if plot is not None:
            entries = [self._entry(c, plot, now) for c in plot.curves if c.legend != ""]
            curve_legend.paint(painter, box, y, entries, self._line_entries(plot, now))

    def _value(self, curve: Curve, now: Now) -> str:
        """At the playhead, short; "" where it is not known."""
        first, last = curve.group.known(now)
        if not first <= now.step <= min(last, len(curve.places)) or curve.legend is not None:
            return ""
        at = now.step - 1
        if 0 < curve.longest <= at:
            return words.PADDING
        return curve.said(at) if curve.values is None else short(float(curve.values[at]))

    def _line_entries(self, plot: Plot, now: Now) -> list[curve_legend.Entry]:
        """The lines that have a name there, once they are drawn."""
        there = (line for line in plot.lines if line.legend is not None and (line.always or begun(plot, now)))
        named = ((line.tone, *line.legend) for line in there if line.legend is not None)
        return [
            curve_legend.Entry(Style(tone, 1, ghost=True), name, name.split()[-1], tuple(said))
            for tone, name, *said in named
        ]

    def _entry(self, curve: Curve, plot: Plot, now: Now) -> curve_legend.Entry:
        if curve.legend:  # a pinned trace: what differs, the first of it above the rest
            first, _, rest = curve.legend.partition(", ")
            return curve_legend.Entry(curve.style, first, first, (rest,) if rest else ())
        said, span = self._slope_words(curve, now)
        unit = plot.slope_unit
        texts = (f"{said} decades {unit}", f"{said} dec. {unit}", f"{said} dec.") if said else ()
        value = self._value(curve, now).partition(",")[0]
        values: tuple[str, ...] = (value,) if value else ()
        if value and curve.values is not None:
            values = (value, short(float(curve.values[now.step - 1]), 2))
        return curve_legend.Entry(curve.style, curve.name, curve.short, texts, said, span, values)

    def _slope_words(self, curve: Curve, now: Now) -> tuple[str, tuple[str, ...]]:
        """The slope, and of which steps it is where not of all that are known."""
        if curve.slopes is None:
            return "", ()
        first, last = curve.group.known(now)
        if first > last:
            return "", ()
        steps = len(curve.places)
        start = steps + 1 - last if curve.group.from_left else first
        measured = curve.slopes.since(start)
        if measured is None:
            return "", ()
        span = curve.slopes.span(start)
        if span is None:
            return words.slope(measured), ()
        a, b = (steps + 1 - span[1], steps + 1 - span[0]) if curve.group.from_left else span
        return words.slope(measured), (f"t = {a}…{b}", f"{a}…{b}")

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._plot is None:
            return
        painter.setPen(QColor(theming.current().muted))
        font = theming.small()
        last_y = float("inf")
        for place, text in self._grid(self._plot):
            y = box.top() + self._y(place)
            if last_y - y >= margins.LINE - 2:
                line = QRectF(box.left() + 7, y - margins.LINE / 2, box.width() - 8, margins.LINE)
                marked.draw(painter, line, text, font)
                last_y = y

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return self._header_says(old) != self._header_says(new), False

    def _header_says(self, now: Now) -> object:
        if self._plot is None:
            return None
        lines = self._plot.header(now) if self._plot.header else ()
        slopes = [self._slope_words(curve, now) for curve in self._plot.curves if curve.slopes is not None]
        values = [self._value(curve, now) for curve in self._plot.curves]
        return lines, slopes, values, begun(self._plot, now)

    def scale_says(self, now: Now) -> object:
        return self._plot.axis if self._plot is not None else None

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        """Of the curves that are known there, as many as fit a line."""
        if self._plot is None:
            return ""
        said = []
        for curve in self._plot.curves:
            value = self._value(curve, now)
            if value:
                is_number = any(sign.isdigit() for sign in value) or value in _NO_DIGITS
                said.append(f"{curve.name} = {value}" if is_number else f"{curve.name}: {value}")
        return " · ".join(said[:_IN_STRIP])

    def table(self, now: Now) -> TableData | None:
        if self._plot is None:
            return None
        blocks = (
            Block(
                (curve.name,),
                (curve.places if curve.values is None else curve.values)[:, None],
                curve.group.known(now),
                length=curve.longest,
                words=_Said(curve) if curve.values is None else (),
            )
            for curve in self._plot.curves
            if len(curve.places) == now.steps and not curve.style.ghost
        )
        return TableData(self.title(), tuple(blocks))

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        plot = self._plot
        if plot is None or self._excerpt is None:
            return None
        first, last = self._view.steps_at(x)
        t = self._view.step_at(x)
        known: list[Curve] = []
        waiting: list[Curve] = []
        for curve in plot.curves:
            start, end = curve.group.known(now)
            there = start <= first and last <= end if curve.group is not ALWAYS else True
            (known if there else waiting).append(curve)
        known = [curve for curve in known if t <= len(curve.places)]
        if not known:
            names = tuple(curve.name for curve in waiting if curve.legend is None)
            return Readout(f"t = {t}", names[:_NEAREST], "not reached yet") if names else None
        shown = self._nearest(known, t, y)
        notes = [plot.readout_note] if plot.readout_note else []
        notes += [f"{c.short}: {c.note}" for c in shown if c.note]
        for curve in shown:
            said = words.code_words(int(curve.codes[t - 1]), plot.axis.ends)
            if curve.values is not None and 0 < abs(float(curve.values[t - 1])) < curve.normal:
                said = f"{said}, {classes.SUBNORMAL}" if said else classes.SUBNORMAL
            if said:
                notes.append(f"{curve.short}: {said}")
        if len(known) > len(shown):
            notes.append(f"{len(known) - len(shown)} more here")
        elif waiting:
            notes.append(f"{len(waiting)} not reached yet")
        values = [f"{c.name}{': ' if 0 < c.longest < t else ' = '}{c.said(t - 1)}" for c in shown]
        if len(plot.curves) > _WITH_SLOPES:  # then the header has no room for them
            slopes = [self._slope_words(curve, now)[0] for curve in shown]
            values = [f"{v}   {s} dec." if s else v for v, s in zip(values, slopes, strict=True)]
        values += [c.whole(t - 1) for c in shown if c.whole is not None and c.group.known(now) == (1, self._view.steps)]
        taken = tuple(self._taken(plot, curve, t) for curve in shown)
        return Readout(f"t = {t}", tuple(value for value in values if value), " · ".join(notes), taken=taken)

    @staticmethod
    def _taken(plot: Plot, curve: Curve, t: int) -> Taken:
        return Taken(curve.name, t, curve.said(t - 1), sample=plot.readout_note)

    def taken(self, now: Now) -> tuple[Taken, ...]:
        """Of every curve of this trace that is known at the playhead."""
        plot, t = self._plot, now.step
        if plot is None:
            return ()
        there = [(curve, curve.group.known(now)) for curve in plot.curves if not curve.style.ghost]
        return tuple(
            self._taken(plot, curve, t)
            for curve, (first, last) in there
            if first <= t <= min(last, len(curve.places)) and not 0 < curve.longest < t
        )

    def _nearest(self, curves: list[Curve], t: int, y: int) -> list[Curve]:
        if len(curves) <= _NEAREST:
            return curves
        at = y / self._view.ratio
        far = [abs(self._y(float(c.places[t - 1])) - at) if c.on[t - 1] else 1e9 for c in curves]
        kept = set(np.argsort(far, kind="stable")[:_NEAREST].tolist())
        return [curve for n, curve in enumerate(curves) if n in kept]

    def hover_scale(self, now: Now) -> Readout | None:
        if self._plot is None:
            return None
        low, high = self._plot.axis.ends
        kind = "linear" if isinstance(self._plot.axis, PlainAxis) else "logarithmic"
        return Readout(f"Scale {low} … {high}, {kind}, fixed", self._plot.scale_note, "")
