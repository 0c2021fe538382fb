"""One quantity, or its gradient: units down, time across, every number by its class and then its colour.

Options (engine.tracks): a sample or the mean over the batch, the order of the units, signs or sizes, and a single unit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from engine import dtypes
from engine.quantities import Quantity
from engine.requests import Array, Excerpt, ShownLayer
from engine.tracks import has, parse
from explorer.stage import classes, glyphs, margins, marked, palette
from explorer.stage.blank import draw_blank, look_of_blank
from explorer.stage.cells import Cells, TimeView, cells
from explorer.stage.classified import Ahead, Classified, classified, masked_of
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale
from explorer.stage.tracks import strip, tabled, words
from explorer.stage.tracks.base import Readout, TableData, Taken, between
from explorer.theme import current as theming
from explorer.theme.tokens import GAP
from explorer.widgets.numbers import exact, short, told_apart

_WAITING = "not reached yet"
_MOST_KEPT = 2_000_000
"""Numbers of a track: of more, only those on screen are put together."""


class Heatmap:
    """ "values.f" or "grads.a_f". Layers: everything as if it were known, and the blank; the tape decides."""

    thin = True

    def __init__(self, key: str) -> None:
        self.key = key
        self.track = parse(key)
        self.header_has_numbers = False
        self.is_gradient = self.track.is_gradient
        self._layer: ShownLayer | None = None
        self._excerpt: Excerpt | None = None
        self._quantity: Quantity | None = None
        self._data: Array | None = None
        """As it came: (T, H)."""
        self._scale: Scale | None = None
        self._masked = 0
        """Steps of the sample; what comes after is padding."""
        self._ahead: Ahead | None = None
        self._found: Classified | None = None
        self._before: Classified | None = None
        """The one before it: its order stays when somebody chooses another scale."""
        self._full, self._blank = Layer(), Layer()
        self._shared: tuple[Classified, int, classes.Codes] | None = None
        """Of these numbers on so many pixels: what `_sharing` has found."""
        self._hatched = True
        self._words_width = 0
        self._full_key: object = None
        self._blank_key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._rows = cells(1, 1)

    # -- told once ----------------------------------------------------------------------------------------------------

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        there = has(self.track, excerpt.kinds())
        layer = excerpt.of(self.track.layer) if there else None
        self._excerpt, self._layer, self._ahead = excerpt, layer, book.ahead
        self._data = excerpt.shown(self.track) if there else None
        self._scale, self._masked = book.of(self.track, excerpt), masked_of(self.track, excerpt)
        book.ahead.expect(self.track, self.scale)
        if self._found is not None and not self._found.is_of(self._data, self._scale, self._masked):
            self._full_key = None
            self._before, self._found = self._found, None  # nothing may be asked of another trace's numbers
        self._quantity = None if layer is None else words.quantity(self.track.what, layer.cell)

    @property
    def _from_left(self) -> bool:
        """Whether the tape makes it known from the first step on."""
        reverse = self._layer is not None and self._layer.reverse
        return self.is_gradient == reverse

    def title(self) -> str:
        return words.title(self.track, self._quantity)

    def height_hint(self) -> int:
        units = self._layer.hidden_size if self._layer else 12
        if self.track.unit is not None:
            return 76
        return int(min(max(52, 7 * units), 108 if self.is_gradient else 84))

    def stretch(self) -> float:
        return 1.6 if self.track.unit is not None else 2.6

    def forget_pixels(self) -> None:
        self._full_key = self._blank_key = None

    @property
    def scale(self) -> Scale | None:
        """What it is drawn on; None while there is nothing to draw."""
        return self._scale if self._data is not None else None

    def _classified(self) -> Classified | None:
        data, scale, e = self._data, self._scale, self._excerpt
        if self._found is not None or data is None or scale is None or e is None:
            return self._found
        old, self._before = self._before, None
        self._found = self._ahead.take(self.track, data, scale, self._masked) if self._ahead is not None else None
        if self._found is None:
            same = old is not None and old.data is data and old.masked == self._masked
            order = old.order if old is not None and same else None
            self._found = classified(self.track, data, scale, self._masked, e.dtype, order)
        return self._found

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        self._view = view
        self._words_width = round(marked.width(_WAITING, theming.small())) + 2 * GAP
        found = self._classified()
        units = found.codes.shape[1] if found is not None else 1
        self._rows = rows = cells(units, height)
        blank_key = look_of_blank(view.cells, rows, view.ratio)
        if blank_key != self._blank_key:
            draw_blank(self._blank.sized(view.width, height), view.cells, rows, view.ratio)
            self._blank_key = blank_key
        key = (view.key, height, units)
        if found is None or key == self._full_key:
            return
        self._full_key = key
        if self.track.unit is None:
            self._draw(found, view, rows)
        else:
            self._draw_strip(found, view, height)

    def _draw(self, found: Classified, view: TimeView, rows: Cells) -> None:
        theme, scale, codes = theming.current(), found.scale, found.codes[view.slice]
        pixels = self._full.sized(view.width, rows.size).pixels()
        self._hatched = min(view.cells.pitch, rows.pitch) < glyphs.SIZE * view.ratio
        # What shares pixels is put together first, what takes several pixels is spread last: fewer numbers on the way.
        few = self._sharing(found, view, rows) if rows.crowded else codes.T
        across = np.ascontiguousarray(view.cells.spread(few.T).T)
        np.take(palette.table(scale, theme.name)[across], rows.down, 0, pixels, "clip")
        if not found.special:
            return
        spread = across if rows.crowded else rows.spread(across)
        plain = () if self._hatched else _WITH_GLYPH
        palette.textured(pixels, spread, scale, theme.name, view.ratio, plain, across)
        del pixels
        if not self._hatched:
            self._draw_glyphs(codes, view, rows, scale)

    def _sharing(self, found: Classified, view: TimeView, rows: Cells) -> classes.Codes:
        """(rows, steps on screen): units that share a pixel put together. Of all steps at once, for every zoom to come,
        where these are not too many."""
        if found.codes.size > _MOST_KEPT:
            return rows.spread(found.codes[view.slice].T)
        if self._shared is None or self._shared[0] is not found or self._shared[1] != rows.size:
            self._shared = found, rows.size, rows.spread(found.codes.T)
        return self._shared[2][:, view.slice]

    def _draw_strip(self, found: Classified, view: TimeView, height: int) -> None:
        theme, scale, codes = theming.current(), found.scale, found.codes[view.slice, 0]
        pixels = self._full.sized(view.width, height).pixels()
        self._hatched = view.cells.pitch < glyphs.SIZE * view.ratio
        special = strip.draw(pixels, found.rows[view.slice, 0], codes, scale, view, theme)
        if special.any():
            spread = np.broadcast_to(special, (height, view.width))
            palette.textured(pixels, spread, scale, theme.name, view.ratio, () if self._hatched else _WITH_GLYPH, codes)
            del pixels
            if not self._hatched:
                self._draw_glyphs(codes[:, None], view, self._rows, scale)

    def _draw_glyphs(self, codes: classes.Codes, view: TimeView, rows: Cells, scale: Scale) -> None:
        name = theming.current().name
        looks = palette.looks(scale, name)
        painter = self._full.painter(1.0)
        for code in _WITH_GLYPH:
            shape = classes.PLUS_INF if code == classes.MINUS_INF and scale.kind == "magnitude" else code
            image = glyphs.glyph(shape, looks[code].mark, view.ratio)
            half = image.width() / 2
            for t, unit in np.argwhere(codes == code):
                x, y = view.cells.centre(t) - half, rows.centre(unit) - half
                painter.drawImage(QPoint(int(x + 0.5), int(y + 0.5)), image)
        painter.end()

    def _steps_known(self, now: Now) -> tuple[int, int]:
        reverse = self._layer is not None and self._layer.reverse
        return now.grads(reverse) if self.is_gradient else now.values(reverse)

    def _cut(self, now: Now) -> int:
        first, last = self._steps_known(now)
        return self._view.until(last) if self._from_left else self._view.since(first)

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        ratio = self._view.ratio
        if self._found is None:
            self._blank.blit(painter, origin, part, ratio)
            self._say_why(painter, origin)
            return
        cut = self._cut(now)
        left = QRect(0, 0, cut, self._rows.size).intersected(part)
        right = QRect(cut, 0, self._view.width - cut, self._rows.size).intersected(part)
        first, second = (self._full, self._blank) if self._from_left else (self._blank, self._full)
        first.blit(painter, origin, left, ratio)
        second.blit(painter, origin, right, ratio)
        place = self._waiting_words(now)
        if place is not None and painter.clipBoundingRect().intersects(QRectF(place.translated(origin))):
            painter.setPen(QColor(theming.current().muted))
            painter.fillRect(place.translated(origin), QColor(theming.current().ground))
            middle = Qt.AlignmentFlag.AlignHCenter
            marked.draw(painter, QRectF(place.translated(origin)), _WAITING, theming.small(), middle)

    def _waiting_words(self, now: Now) -> QRect | None:
        """Where the blank says what it is: in the middle, or aside of what is known and of the cursor. Few places, so
        that the words stand still while the tape plays."""
        ratio, width = self._view.ratio, self._view.width / self._view.ratio
        height, needed = self._rows.size / ratio, self._words_width
        cut = self._cut(now) / ratio
        start, end = (cut, width) if self._from_left else (0.0, cut)
        if end - start < 1.6 * needed or height < 2 * margins.LINE:
            return None
        cursor = self._view.centre(now.step) / ratio
        for share in (0.5, 0.25, 0.75):
            left = round(width * share - needed / 2)
            if start + GAP <= left and left + needed <= end - GAP and not left - 4 < cursor < left + needed + 4:
                return QRect(left, round((height - margins.LINE) / 2), needed, margins.LINE)
        return None

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        pass

    def _say_why(self, painter: QPainter, origin: QPoint) -> None:
        if self._excerpt is None:
            return
        ratio = self._view.ratio
        box = QRect(origin.x(), origin.y(), round(self._view.width / ratio), round(self._rows.size / ratio))
        margins.paint_note(painter, box, words.why_empty(self.track, self._excerpt, self._quantity))

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        if self._found is None:
            return []
        found = between(self._cut(old), self._cut(new))
        before, after = self._waiting_words(old), self._waiting_words(new)
        if before != after:
            ratio = self._view.ratio
            places = (place for place in (before, after) if place is not None)
            found += [(round(place.left() * ratio), round((place.right() + 1) * ratio)) for place in places]
        return found

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        lines = self._lines(margins.text_room(box))
        tone = "backward" if self.is_gradient else "text"
        margins.paint_title(painter, box, self.title(), tone, tuple((line, "muted") for line in lines))
        of_focus = self._excerpt is not None and self._layer is self._excerpt.focus
        if self._excerpt is not None and self._excerpt.unit is not None and self._found is not None and of_focus:
            self._mark_unit(painter, box, self._excerpt.unit)

    def _lines(self, room: int) -> tuple[str, ...]:
        """Under the title, what matters most first: layer, unit, sample, then how it is shown."""
        font, e, units = theming.small(), self._excerpt, ""
        first: list[str] = []
        if e is not None and self._layer is not None and len(e.layers) > 1:
            first.append(words.layer(self._layer))
        if self.track.unit is not None:
            first.append(f"unit {self.track.unit}")
        elif self._layer is not None:
            order = self._found.order.words if self._found is not None else ""
            counts = words.units(self._layer.hidden_size, order)
            whose = self._whose()[-1:]
            both = tuple(f"{count} · {sample}" for count in counts for sample in whose)
            units = margins.fitting((*both, *counts), font, room)
        if e is not None and self.track.is_mean:
            first.append(margins.fitting(words.mean(self.track, e.batch_size), font, room))
        return (*first, *words.lines(self.track, self._quantity, units, self._scale))

    def _mark_unit(self, painter: QPainter, box: QRect, unit: int) -> None:
        """A bar beside the row of the unit that the cell panel shows."""
        found = np.flatnonzero(self._found.order.units == unit) if self._found is not None else np.empty(0, np.intp)
        if len(found):
            ratio, row = self._view.ratio, int(found[0])
            top, bottom = int(self._rows.left[row]) / ratio, int(self._rows.right[row]) / ratio
            height = max(3.0, bottom - top)
            bar = QRectF(box.right() - 3, box.top() + (top + bottom - height) / 2, 3, height)
            painter.fillRect(bar, QColor(theming.current().accent))

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        if self._scale is not None:
            self._classified()
            counted = self._known(now)
            notes = margins.Notes(self._whose(), offer=margins.FIT if self.misfit(now) else ())
            margins.paint_scale(painter, box, self._scale, *counted, hatched=self._hatched, notes=notes)

    def misfit(self, now: Now) -> bool:
        """Whether much of what the tape has reached is beyond the scale, as after other data or a long training: then
        it is offered to be fitted. Not that of gradients: what is beyond it is what it is there to show."""
        if self._found is None or self.is_gradient:
            return False
        counts, (first, last) = self._known(now)[0], self._steps_known(now)
        known = max(0, last - first + 1) * self._found.codes.shape[1]
        beyond = counts.get(classes.ABOVE, 0) + counts.get(classes.BELOW, 0)
        return bool(beyond > _MISFIT * known)

    def _whose(self) -> tuple[str, ...]:
        """The sample whose numbers these are, where there are others."""
        e = self._excerpt
        if e is None or self.track.is_mean:
            return ()
        return margins.sample_of(e.sample, e.batch_size)

    def scale_says(self, now: Now) -> object:
        self._classified()
        return self._scale, self._known(now), self._hatched

    def _known(self, now: Now) -> tuple[dict[int, int], int]:
        """Counts over what the tape has reached: of each class, and of subnormal numbers."""
        if self._found is None:
            return {}, 0
        of = self._found
        first, last = self._steps_known(now)
        first -= 1
        found = of.counts[last] - of.counts[first]
        return dict(zip(classes.COUNTED, found.tolist(), strict=True)), int(of.subnormal[last] - of.subnormal[first])

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        if self._found is None or not (self._found.special or self._found.subnormal[-1]):
            return False, False
        return False, self._known(old) != self._known(new)

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        what, value = self._over_units(now)
        return f"{what} {short(value)}" if what else ""

    def _over_units(self, now: Now) -> tuple[str, float]:
        """At the playhead: of a gate ("mean", it) over units, of everything else ("norm", it); ("", 0) before."""
        first, last = self._steps_known(now)
        if self._data is None or not first <= now.step <= last or now.step > self._masked:
            return "", 0.0
        column = self._data[now.step - 1].astype(np.float64)
        if self._quantity is not None and self._quantity.kind == "gate" and not self.is_gradient:
            return "mean", float(column.mean())
        with np.errstate(over="ignore"):
            return "norm", float(np.linalg.norm(column))

    def taken(self, now: Now) -> tuple[Taken, ...]:
        """One unit's own number, or what the strip says of all."""
        what, value = self._over_units(now)
        if not what or self._data is None or self._excerpt is None:
            return ()
        symbol, unit, count = words.symbol(self.track), self.track.unit, self._data.shape[1]
        if unit is not None and unit < count:
            own = self._data[now.step - 1, unit]
            return (Taken(symbol, now.step, exact(float(own), str(own.dtype)), unit=f"unit {unit}"),)
        named = f"‖{symbol}‖" if what == "norm" else f"mean {symbol}"
        said = told_apart(value, self._excerpt.dtype)
        return (Taken(named, now.step, said, unit=f"{what} over {count:,} unit{'s' if count != 1 else ''}"),)

    def table(self, now: Now) -> TableData | None:
        known = self._steps_known(now)
        length = self._masked if self._data is not None and self._masked < len(self._data) else 0
        title = words.title(self.track, self._quantity)
        if self._layer is not None and self._excerpt is not None and len(self._excerpt.layers) > 1:
            title = f"{title} · {words.layer(self._layer)}"
        return tabled.of_units(title, self._data, known, self._scale, length=length, unit=self.track.unit)

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        of = self._found
        if of is None or self._excerpt is None:
            return None
        data, codes, scale, order = of.rows, of.codes, of.scale, of.order
        first, last = self._view.steps_at(x)
        row_first, row_last = self._rows.shared(y)
        start, end = self._steps_known(now)
        known = range(start, end + 1)
        t = self._view.step_at(x)
        if first not in known or last not in known:
            return words.not_reached(self.track, t)
        block = codes[first - 1 : last, row_first : row_last + 1]
        most = np.argwhere(block == block.max())
        dt, down = most[len(most) // 2]
        t, row = first + int(dt), row_first + int(down)
        if codes[t - 1, row] == classes.UNDEFINED:
            return words.padding(self.track, t, self._masked)
        normal = dtypes.smallest_normal(self._excerpt.dtype)
        number, code, unit = data[t - 1, row], int(codes[t - 1, row]), int(order.units[row])
        return words.readout(self.track, t, unit, number, code, scale, block.size, normal)

    def hover_scale(self, now: Now) -> Readout | None:
        of = self._found
        if of is None:
            return None
        steps = len(of.codes)
        first, last = self._steps_known(now)
        waiting = (steps - (last - first + 1)) * of.codes.shape[1]
        whose = next(iter(self._whose()), "")
        said = words.scale_readout(of.scale, *self._known(now), waiting, of.order.words, whose)
        if not self.misfit(now):
            return said
        return replace(said, values=(*said.values, "A click fits the scale to what is shown."))


_MISFIT = 0.2
"""Of the numbers: where more are beyond the scale, it fits them no more."""
_WITH_GLYPH = (classes.PLUS_INF, classes.MINUS_INF, classes.ABOVE, classes.ZERO, classes.BELOW)
"""Classes that have a glyph of their own where there is room; NaN stays a hatch."""
