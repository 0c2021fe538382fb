"""Gradient-norm curves: ‖∂L/∂h_t‖ (and c) over time, on the session's fixed logarithmic scale."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from engine.quantities import STATES
from engine.requests import Array, Excerpt
from explorer.stage import classes, glyphs, margins, marked, palette
from explorer.stage.cells import TimeView
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale, magnitude
from explorer.stage.tracks import slope, words
from explorer.stage.tracks.base import Readout
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, Theme
from explorer.widgets.numbers import exact

VANISHING, EXPLODING = 1e-6, 1e6
"""Against the last step's norm; the verdict's own thresholds (engine.requests.Verdict)."""
_EDGE = 13
"""Logical pixels above and below the scale, for what is not on it."""
_DOT = 6


class NormCurves:
    """Layers: the empty axes; the axes with the regions, once the last step's norm is known; those with the curves."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = True
        self._excerpt: Excerpt | None = None
        self._scale: Scale = magnitude()
        self._norms: dict[str, Array] = {}
        self._logs: dict[str, Array] = {}
        self._codes: dict[str, classes.Codes] = {}
        self._slopes: dict[str, slope.Slopes] = {}
        self._axes, self._regions, self._full = Layer(), Layer(), Layer()
        self._key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1
        self._places: list[tuple[str, str, list[tuple[QRect, int]]]] = []

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._scale = excerpt, book.gradients(excerpt)
        self._norms = {s: excerpt.norms[f"grads.{s}"] for s in STATES[excerpt.cell]}
        with np.errstate(divide="ignore", invalid="ignore"):
            self._logs = {s: np.log10(a) for s, a in self._norms.items()}
        self._codes = {s: classes.classify(a, self._scale) for s, a in self._norms.items()}
        self._slopes = {s: slope.Slopes(a) for s, a in self._logs.items()}
        self._key = None

    def title(self) -> str:
        return "Gradient norm"

    def height_hint(self) -> int:
        return 148

    def stretch(self) -> float:
        return 1.9

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view, self._height = view, height
        if key == self._key:
            return
        self._key = key
        theme = theming.current()
        for layer in (self._axes, self._regions, self._full):
            painter = layer.sized(view.width, height).painter(view.ratio)
            box = QRectF(0, 0, view.width / view.ratio, height / view.ratio)
            painter.fillRect(box, QColor(theme.plot))
            if layer is not self._axes:
                self._draw_regions(painter, box, theme)
            self._draw_grid(painter, box, theme)
            if layer is self._full:
                for symbol, colour in self._colours(theme).items():
                    self._draw_curve(painter, symbol, QColor(colour))
            painter.end()
        self._find_places()

    def _colours(self, theme: Theme) -> dict[str, str]:
        return dict(zip(self._norms, (theme.backward, theme.series[1]), strict=False))

    def _y(self, log: float) -> float:
        """Logical y of a decimal logarithm."""
        return float(self._y_of(np.asarray(log)))

    def _y_of(self, logs: Array) -> Array:
        low, high = self._scale.decades
        height = self._height / self._view.ratio
        with np.errstate(invalid="ignore"):
            return height - _EDGE - (logs - low) / (high - low) * (height - 2 * _EDGE)

    def _decades(self) -> range:
        """The decades that have a grid line: as many as have room."""
        low, high = self._scale.decades
        room = (self._height / self._view.ratio - 2 * _EDGE) / (high - low)
        every = next((n for n in (2, 4, 6, 10, 20, 40, 100) if n * room >= 15), 200)
        start = math.ceil(low / every) * every
        return range(start, high + 1, every)

    def _draw_grid(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        colour = QColor(theme.line)
        ratio = self._view.ratio
        for decade in self._decades():
            y = round(self._y(decade) * ratio) / ratio
            painter.fillRect(QRectF(0, y, box.width(), 1 / ratio), colour)

    def _thresholds(self) -> tuple[float, float] | None:
        """log10 of the norms below which a gradient has vanished, and above which it has exploded."""
        last = float(self._logs["h"][-1])
        return (last + math.log10(VANISHING), last + math.log10(EXPLODING)) if math.isfinite(last) else None

    def _region_boxes(self, box: QRectF) -> list[tuple[QRectF, str, str]]:
        limits = self._thresholds()
        if limits is None:
            return []
        bottom, top = self._y(limits[0]), self._y(limits[1])
        found = []
        if bottom < box.height() - _EDGE:
            area = QRectF(0, max(0.0, bottom), box.width(), box.height() - max(0.0, bottom))
            found.append((area, "vanishing", "▼ vanishing: below 1e-6 of the last step’s norm"))
        if top > _EDGE:
            area = QRectF(0, 0, box.width(), min(top, box.height()))
            found.append((area, "exploding", "▲ exploding: above 1e6 of the last step’s norm"))
        return found

    def _draw_regions(self, painter: QPainter, box: QRectF, theme: Theme) -> None:
        for area, tone, _ in self._region_boxes(box):
            colour = getattr(theme, tone)
            painter.fillRect(area, QColor(palette.mix(theme.plot, colour, 0.11)))
            edge = area.top() if tone == "vanishing" else area.bottom() - 1
            painter.fillRect(QRectF(0, round(edge), area.width(), 1), QColor(palette.mix(theme.plot, colour, 0.5)))

    def _find_places(self) -> None:
        """Where the regions' words can stand, best first, and until which step going back no curve runs through."""
        view, font = self._view, theming.small()
        box = QRectF(0, 0, view.width / view.ratio, self._height / view.ratio)
        x = (view.cells.left + view.cells.right) / (2 * view.ratio)
        self._places = []
        for area, tone, text in self._region_boxes(box):
            area, width = area.adjusted(0, _EDGE, 0, -_EDGE), marked.width(text, font) + 2 * GAP
            if area.height() < margins.LINE + 4 or width > area.width():
                continue
            found = []
            for y in (area.bottom() - margins.LINE, area.top()):
                for left in (area.right() - width, area.left(), area.center().x() - width / 2):
                    line = QRectF(left, y, width, margins.LINE)
                    beside = np.flatnonzero((x > left - 6) & (x < left + width + 6))
                    found.append((line.toAlignedRect(), self._crossed(beside, line)))
            self._places.append((tone, text, found))

    def _crossed(self, beside: np.ndarray, line: QRectF) -> int:
        """The latest step on screen (of those) whose points lie on the line; 0: none."""
        low = self._view.first
        latest = 0
        for logs in self._logs.values():
            y = self._y_of(logs[self._view.slice][beside])
            hit = beside[(y > line.top() - 4) & (y < line.bottom() + 4)]
            latest = max(latest, int(hit[-1]) + low) if hit.size else latest
        return latest

    def _words(self, now: Now) -> list[tuple[str, str, QRect]]:
        """The regions' words and their places, clear of what is known of the curves."""
        found = []
        for tone, text, places in self._places:
            free = next((rect for rect, crossed in places if crossed < now.backward), None)
            if free is not None:
                found.append((tone, text, free))
        return found

    def _draw_curve(self, painter: QPainter, symbol: str, colour: QColor) -> None:
        view = self._view
        logs, codes = self._logs[symbol][view.slice], self._codes[symbol][view.slice]
        on = (codes >= classes.FIRST) & (codes <= classes.LAST)
        if view.cells.crowded:
            starts = view.cells.starts
            x = (np.arange(view.width) + 0.5).repeat(2) / view.ratio
            top = np.maximum.reduceat(np.where(on, logs, -np.inf), starts)
            bottom = np.minimum.reduceat(np.where(on, logs, np.inf), starts)
            y = np.stack([top, bottom], axis=1).ravel()
        else:
            x = (view.cells.left + view.cells.right) / (2 * view.ratio)
            y = np.where(on, logs, np.inf)
        painter.setPen(_pen(symbol, colour))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        path = QPainterPath()  # from T backwards: the dashes must not depend on what is not reached
        pen_down = False
        ys = self._y_of(np.clip(y, -1e4, 1e4))
        for px, py, here in zip(x[::-1].tolist(), ys[::-1].tolist(), np.isfinite(y[::-1]).tolist(), strict=True):
            if not here:
                pen_down = False
            elif pen_down:
                path.lineTo(px, py)
            else:
                path.moveTo(px, py)
                path.lineTo(px + 0.01, py)  # a lone point is seen too
                pen_down = True
        painter.drawPath(path)
        self._draw_classes(painter, symbol, codes)

    def _draw_classes(self, painter: QPainter, symbol: str, codes: classes.Codes) -> None:
        """What is not on the scale stands at its edges: ∞, ▲ and NaN above it, 0 and ▽ below it."""
        view = self._view
        if codes.max() < classes.BELOW:
            return
        looks = palette.looks(self._scale, theming.current().name)
        height, middle = self._height / view.ratio, _EDGE / 2
        if view.pitch >= glyphs.SIZE:
            for i in np.flatnonzero(codes >= classes.BELOW):
                code = int(codes[i])
                y = height - middle if code in (classes.ZERO, classes.BELOW) else middle
                mark = theming.current().text if code not in _COLOURED else looks[code].mark
                image = glyphs.glyph(code, mark if code != classes.ABOVE else theming.current().exploding, view.ratio)
                image.setDevicePixelRatio(view.ratio)
                half = glyphs.SIZE / 2
                painter.drawImage(QPointF(round(view.cells.centre(int(i)) / view.ratio - half), round(y - half)), image)
                image.setDevicePixelRatio(1.0)
            return
        spread = view.cells.spread(codes)
        strip = np.repeat(spread[None, :], round(8 * view.ratio), axis=0)
        for is_low, y in ((True, height - 10), (False, 2.0)):
            layer = Layer().sized(view.width, strip.shape[0])
            pixels = layer.pixels()
            theme = theming.current()
            np.take(palette.table(self._scale, theme.name), strip, out=pixels, mode="clip")
            palette.textured(pixels, strip, self._scale, theme.name, view.ratio)
            del pixels
            low = (spread == classes.ZERO) | (spread == classes.BELOW)
            mine = low if is_low else (spread >= classes.BELOW) & ~low
            layer.image.setDevicePixelRatio(view.ratio)
            for start, end in _stretches(mine):
                part = QRectF(start, 0, end - start, strip.shape[0])
                painter.drawImage(QPointF(start / view.ratio, y), layer.image, part)

    # -- painting -----------------------------------------------------------------------------------------------------

    def _cut(self, now: Now) -> int:
        """A curve ends at the middle of the last step that is known: beyond lies the way to what is not."""
        view = self._view
        if not view.shows(now.backward) or now.backward == 1:
            return view.since(now.backward)
        if view.cells.crowded:  # the pen is wider than a pixel and leans towards what is not known
            return min(view.width, view.since(now.backward) + round(2 * view.ratio))
        return int(view.centre(now.backward))

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        view = self._view
        if self._excerpt is None or now.backward > view.steps:
            self._axes.blit(painter, origin, part, view.ratio)
            return
        cut = self._cut(now)
        self._regions.blit(painter, origin, QRect(0, 0, cut, self._height).intersected(part), view.ratio)
        right = QRect(cut, 0, view.width - cut, self._height)
        self._full.blit(painter, origin, right.intersected(part), view.ratio)
        font = theming.small()
        for tone, text, place in self._words(now):
            painter.setPen(QColor(getattr(theming.current(), tone)))
            line = QRectF(place.translated(origin))
            marked.draw(painter, line, text, font, Qt.AlignmentFlag.AlignHCenter)

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The newest point of each curve."""
        if self._excerpt is None or not self._view.shows(now.backward):
            return
        theme = theming.current()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x = origin.x() + self._view.centre(now.backward) / self._view.ratio
        for symbol, colour in self._colours(theme).items():
            code = self._codes[symbol][now.backward - 1]
            if classes.FIRST <= code <= classes.LAST:
                y = origin.y() + self._y(float(self._logs[symbol][now.backward - 1]))
                painter.setPen(QPen(QColor(theme.plot), 1.5))
                painter.setBrush(QColor(colour))
                painter.drawEllipse(QPointF(x, y), 4.2, 4.2)
        painter.restore()

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        T = self._view.steps
        if old.backward == new.backward:
            return []
        if (old.backward > T) != (new.backward > T):
            return [(0, self._view.width)]
        margin = round(_DOT * self._view.ratio)
        a, b = sorted((self._cut(old), self._cut(new)))
        found = [(a - margin, b + margin)]
        before, after = ([rect for _, _, rect in self._words(now)] for now in (old, new))
        ratio = self._view.ratio
        moved = before + after if before != after else []
        return found + [(round(rect.left() * ratio), round((rect.right() + 1) * ratio)) for rect in moved]

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        y = margins.paint_title(painter, box, self.title(), "text", ())
        theme = theming.current()
        font = theming.small()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, width = box.left() + GAP + 1, box.width() - GAP - 5
        for symbol, colour in self._colours(theme).items():
            for text, tone in self._legend(symbol, colour, now):
                if y + margins.LINE > box.bottom():
                    return
                if tone == colour:
                    painter.setPen(_pen(symbol, QColor(colour)))
                    middle = y + margins.LINE / 2
                    painter.drawLine(QPointF(left + 1, middle), QPointF(left + 14, middle))
                painter.setPen(QColor(theme.text if tone == colour else theme.muted))
                marked.draw(painter, QRectF(left + 19, y, width - 19, margins.LINE), text, font)
                y += margins.LINE

    def _legend(self, symbol: str, colour: str, now: Now) -> list[tuple[str, str]]:
        found = [(f"‖\u2009∂L/∂{symbol}_t\u2009‖", colour)]
        measured = self._slopes[symbol].since(now.backward)
        if measured is not None:
            found.append((f"{words.slope(measured)} decades", "muted"))
            found.append(("a step back", "muted"))
        return found

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        painter.setPen(QColor(theming.current().muted))
        font = theming.small()
        last_y = math.inf
        for decade in self._decades():
            y = box.top() + self._y(decade)
            if last_y - y >= margins.LINE - 2:
                marked.draw(
                    painter,
                    QRectF(box.left() + 7, y - margins.LINE / 2, box.width() - 8, margins.LINE),
                    f"1e{decade}",
                    font,
                )
                last_y = y

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return any(s.since(old.backward) != s.since(new.backward) for s in self._slopes.values()), False

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        if self._excerpt is None:
            return None
        first, _ = self._view.steps_at(x)
        t = self._view.step_at(x)
        if first < now.backward:
            return Readout(f"t = {t}", ("‖∂L/∂h‖",), "not reached yet")
        values, notes = [], []
        for symbol, norms in self._norms.items():
            values.append(f"‖∂L/∂{symbol}‖ = {exact(float(norms[t - 1]))}")
            said = words.class_words(norms[t - 1], int(self._codes[symbol][t - 1]), self._scale)
            if said:
                notes.append(f"{symbol}: {said}")
        return Readout(f"t = {t}", tuple(values), " · ".join(notes))

    def hover_scale(self, now: Now) -> Readout | None:
        low, high = self._scale.ends
        return Readout(f"Scale {low} … {high}, logarithmic, fixed", ("Euclidean norm over units",), "")


def _pen(symbol: str, colour: QColor) -> QPen:
    """h is solid, c is dashed: told apart without colour too."""
    pen = QPen(colour, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
    if symbol == "c":
        pen.setDashPattern([3.2, 1.4])
    return pen


_COLOURED = (classes.BELOW,)


def _stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True: [from, to)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
