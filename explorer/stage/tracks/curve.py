"""A track of curves over time. What it shows comes from a maker of plots; here it is drawn, and follows the tape."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from engine.requests import Excerpt
from engine.tracks import parse
from explorer.stage import margins, marked
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import curve_hover, curve_legend, curve_words
from explorer.stage.tracks.base import Readout, TableData, Taken
from explorer.stage.tracks.curve_ink import colour_of, grid_of, y_of
from explorer.stage.tracks.curve_labels import Label, Labels, begun
from explorer.stage.tracks.curve_sheets import Sheets
from explorer.stage.tracks.curve_words import entry_of, header_says, line_entries
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.plot import Group, Maker, PlainAxis, Plot, Style, own
from explorer.theme import current as theming
from explorer.theme.routes import colour_of as tone_of
from explorer.theme.tokens import Theme

_DOT = 6
_NARROW = 9
"""Logical pixels a step: below, pens and markers lean towards what is not known, and the cut stands aside."""
_GROUND, _THIN_GROUND = 232, 132
"""Opacity of the ground behind words, of 255; and where a curve comes through, which is to be seen as well as they."""
_LOW = 72
"""Logical pixels of a header that has room for little."""


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that meet become one: each is a rectangle to be painted by itself."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


class CurveTrack:
    """Its curves are drawn once (curve_sheets); what is painted of them follows the tape."""

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
        self._sheets = Sheets()
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
        self._sheets.show(self._plot, view, height)
        self._labels = Labels(self._plot, view, height / view.ratio) if self._plot is not None else None

    @property
    def _tall(self) -> float:
        """Logical pixels."""
        return self._height / self._view.ratio

    def _y(self, place: float) -> float:
        return y_of(place, self._tall)

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
            self._sheets.of(False, frozenset()).blit(painter, origin, part, view.ratio)
            if self._why:
                box = QRect(origin.x(), origin.y(), round(view.width / view.ratio), round(self._tall))
                margins.paint_note(painter, box, self._why)
            return
        regions = begun(self._plot, now)
        for start, end, groups in self._pieces(now):
            piece = QRect(start, 0, end - start, self._height).intersected(part)
            if not piece.isEmpty():
                self._sheets.of(regions, groups).blit(painter, origin, piece, view.ratio)

    def _paint_words(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """Over the cursor: they stand where they are, whatever comes through."""
        theme, font = theming.current(), theming.small()
        ground = QColor(theme.ground)
        for label in self._words(now):
            line = QRectF(label.place.translated(origin))
            if not painter.hasClipping() or painter.clipBoundingRect().intersects(line):
                ground.setAlpha(_THIN_GROUND if label.crossed else _GROUND)
                painter.fillRect(line, ground)
                painter.setPen(QColor(tone_of(label.tone, theme)))
                marked.draw(painter, line, label.text, font, Qt.AlignmentFlag.AlignHCenter)

    def _words(self, now: Now) -> list[Label]:
        if self._labels is None or self._plot is None:
            return []
        found, mine = self._labels.of(now), own(self._plot.groups)
        if mine and all(first > last for first, last in (group.known(now) for group in mine)):
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
            entries = [entry_of(c, plot, now) for c in plot.curves if c.legend != ""]
            curve_legend.paint(painter, box, y, entries, line_entries(plot, now))

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._plot is None:
            return
        painter.setPen(QColor(theming.current().muted))
        font = theming.small()
        last_y = float("inf")
        for place, text in grid_of(self._plot, self._tall):
            y = box.top() + self._y(place)
            if last_y - y >= margins.LINE - 2:
                line = QRectF(box.left() + 7, y - margins.LINE / 2, box.width() - 8, margins.LINE)
                marked.draw(painter, line, text, font)
                last_y = y

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        plot = self._plot
        return plot is not None and header_says(plot, old) != header_says(plot, new), False

    def scale_says(self, now: Now) -> object:
        return self._plot.axis if self._plot is not None else None

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        return curve_words.at_playhead(self._plot, now) if self._plot is not None else ""

    def table(self, now: Now) -> TableData | None:
        return curve_words.table(self._plot, self.title(), now) if self._plot is not None else None

    def taken(self, now: Now) -> tuple[Taken, ...]:
        return curve_hover.taken(self._plot, now) if self._plot is not None else ()

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        return curve_hover.hover(self._plot, self._view, self._tall, (x, y), now) if self._plot is not None else None

    def hover_scale(self, now: Now) -> Readout | None:
        if self._plot is None:
            return None
        low, high = self._plot.axis.ends
        kind = "linear" if isinstance(self._plot.axis, PlainAxis) else "logarithmic"
        return Readout(f"Scale {low} … {high}, {kind}, fixed", self._plot.scale_note, "")
