"""Where the gradient goes: the shares of the routes from step t to the one before, as a bar and in numbers.

The share of route r is ⟨v_r, v⟩/‖v‖² (engine.route_shares): so much of what goes back lies along it. They
add up to 1, and a route that works against the others has a negative one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPaintEvent, QPen, QStaticText
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.dtypes import smallest_normal
from engine.quantities import ROUTES
from engine.requests import Excerpt
from explorer.cell.figures import Figures
from explorer.cell.ink import text_scale
from explorer.cell.kept import KeptPictures
from explorer.cell.numbers_view import NumbersView
from explorer.cell.picking import Pick
from explorer.cell.quantity import place
from explorer.stage import borders
from explorer.stage.classes import SUBNORMAL
from explorer.theme import current as theme
from explorer.theme.routes import route_colour
from explorer.theme.tokens import GAP, TIGHT
from explorer.widgets import numbers

_BAR = 14.0
_SWATCH = 9.0
_NAMES = {
    "carousel": "cell-state carousel",
    "leak": "leak past the weights",
    "i": "input gate i",
    "f": "forget gate f",
    "g": "candidate g",
    "o": "output gate o",
    "z": "update gate z",
    "r": "reset gate r",
    "n": "candidate n",
    "a": "Wₕₕ, the only way",
}
_CANCELS = 1.5
"""From this ratio of Σ‖v_r‖ to ‖v‖ on, it is said that the routes cancel."""


@dataclass(frozen=True, slots=True)
class Route:
    route: str
    name: str
    share: float
    """NaN: 0/0, or not finite."""
    log10: float
    """log₁₀ of its norm; −∞: exactly zero."""
    cut: bool
    subnormal: bool = False
    """Its norm is below the smallest normal number of the trace's type."""
    unsure: bool = False
    """The norm of what it is a share of is."""

    @property
    def size(self) -> str:
        return f"{numbers.UNSURE if self.subnormal else ''}{numbers.power(self.log10, 3)}"

    @property
    def percent(self) -> str:
        if self.cut:
            return "cut"
        if math.isnan(self.share):
            return "–"
        sign = numbers.UNSURE if self.unsure and self.share != 0 else ""
        return f"{sign}{numbers.short(100 * self.share)} %"


def _least(excerpt: Excerpt) -> float:
    """log₁₀ of the smallest normal number."""
    return math.log10(smallest_normal(excerpt.dtype))


class RoutesView(NumbersView):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Where the gradient goes: shares of the routes to the step before", parent)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._excerpt: Excerpt | None = None
        self._step, self._reached = 1, False
        self._rows: tuple[Route, ...] = ()
        self._words = ""
        self._note_rooms: dict[int, float] = {}
        self._stills = KeptPictures()
        self._measure()
        theme.notifier().changed.connect(self._restyle)

    def _measure(self) -> None:
        self._figures, self._scale = Figures(theme.small()), text_scale()
        self._metrics = self._figures.metrics
        self._names = {name: self._metrics.horizontalAdvance(name) for name in _NAMES.values()}
        self._widest = max(self._names.values())
        self._size_room = self._metrics.horizontalAdvance("8.88e-888") + GAP
        self._rest = self._metrics.horizontalAdvance("−0.00888 %8.88e-888") + _SWATCH * self._scale + 3 * GAP
        self._note_rooms.clear()

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        if excerpt is None or self._excerpt is None or excerpt.focus.cell != self._excerpt.focus.cell:
            self._note_rooms.clear()
            self.updateGeometry()
        self._excerpt = excerpt
        self._read()
        self.update()

    def set_moment(self, step: int, *, reached: bool) -> None:
        """Show what goes back from step t; `reached`: whether the tape has come back that far."""
        self._step, self._reached = step, reached
        self._read()

    @property
    def rows(self) -> tuple[Route, ...]:
        """Of the step, in the cell's order; () where it is not reached or not computed."""
        return self._rows

    @property
    def title(self) -> str:
        excerpt = self._excerpt
        if excerpt is None:
            return "WHERE THE GRADIENT GOES"
        there = place(excerpt, self._step, -1)
        to = str(there) if 1 <= there <= excerpt.length else "initial state"
        return f"WHERE THE GRADIENT GOES (t = {self._step} → {to})"

    @property
    def note(self) -> str:
        """What is said under the bar: of this step, and what shares are."""
        return f"{self.said}\n{self.meaning}" if self._rows and self.meaning else self.said

    @property
    def said(self) -> str:
        """One line of this step."""
        return self._words

    def _said(self, rows: Sequence[Route]) -> str:
        excerpt = self._excerpt
        if excerpt is None:
            return ""
        if not self._reached:
            return "Not reached yet."
        if not rows:
            return "Of a long trace they are shared out when the slider rests."
        total = float(excerpt.cell_series["route_log10.total"][self._step - 1])
        stop = borders.stop(excerpt, self._step)
        if stop == "all":
            return f"A window of the truncation begins at t = {self._step}: nothing goes back."
        if total == -math.inf:
            return "Exactly zero goes back: there is nothing to share out."
        if math.isnan(total):
            return "What goes back is NaN: it has no shares."
        if total == math.inf:
            return "What goes back is infinite: it has no shares."
        sizes = [row.log10 for row in rows if math.isfinite(row.log10)]
        ratio = sum(10 ** (log10 - total) for log10 in sizes)
        said = f"‖v‖ = {numbers.power(total, 3)}"
        if total < _least(excerpt):
            said += f", {SUBNORMAL}"
        if ratio >= _CANCELS or any(row.share < 0 for row in rows):
            said += f"; routes cancel: Σ‖vᵣ‖ = {numbers.short(ratio)} ‖v‖"
        if stop == "some":
            said = f"Without a window that begins here: {said}"
        return said

    @property
    def meaning(self) -> str:
        """What the shares are shares of. The same at every step."""
        if self._excerpt is None:
            return ""
        states = "∂L/∂(h, c)" if self._excerpt.focus.cell == "lstm" else "∂L/∂h"
        cut = "" if self._excerpt.truncation is None else " Where a truncation’s window begins, its gradient stops."
        return (
            f"Shares of v, the {states} that this step hands to the one before, over all units: "
            f"⟨vᵣ, v⟩/‖v‖², 1 in sum. Hatched, negative: works against the sum.{cut}"
        )

    def _read(self) -> None:
        excerpt = self._excerpt
        found: list[Route] = []
        if excerpt is not None and self._reached and 1 <= self._step <= excerpt.steps:
            series, least = excerpt.cell_series, _least(excerpt)
            unsure = "route_log10.total" in series and -math.inf < series["route_log10.total"][self._step - 1] < least
            for route in ROUTES[excerpt.focus.cell]:
                if f"route.{route}" in series:
                    share, log10 = (float(series[f"{key}.{route}"][self._step - 1]) for key in ("route", "route_log10"))
                    cut, tiny = route in excerpt.focus.cuts, -math.inf < log10 < least
                    found.append(Route(route, _NAMES[route], share, log10, cut, tiny, unsure))
        rows = tuple(found)
        # Before there are shares, one step looks like the next. A NaN differs from itself, and is painted again.
        if (rows, self._said(rows)) != (self._rows, self._words):
            self._rows, self._words = rows, self._said(rows)
            self.update()

    # -- geometry

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = len(ROUTES[self._excerpt.focus.cell]) if self._excerpt is not None else 0
        return round(self._rows_top + rows * self._line + self._note_room(width)) + TIGHT

    def sizeHint(self) -> QSize:
        return QSize(296, self.heightForWidth(max(self.width(), 240)))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(self.width(), 240)))

    @property
    def _line(self) -> float:
        return self._metrics.height() + TIGHT

    @property
    def _rows_top(self) -> float:
        return _BAR * self._scale + GAP

    def _note_room(self, width: int) -> float:
        if width not in self._note_rooms:
            box = QRectF(0, 0, width, 10_000)
            height = self._metrics.boundingRect(box, Qt.TextFlag.TextWordWrap, self.meaning).height()
            self._note_rooms[width] = self._line + height + TIGHT
        return self._note_rooms[width]

    def _columns(self) -> tuple[float, float]:
        """Right ends of the percentages and of the norms."""
        size = self._size_room if self._sizes else 0.0
        return self.width() - size, float(self.width())

    @property
    def _sizes(self) -> bool:
        """Whether there is room for the norms; else a pointer on the percentage tells them."""
        return self._widest + self._rest <= self.width()

    def picks(self) -> list[Pick]:
        found: list[Pick] = []
        percent, size = self._columns()
        metrics, top = self._metrics, self._rows_top
        for number, row in enumerate(self._rows):
            y = top + number * self._line
            share = "" if math.isnan(row.share) else numbers.exact(row.share)
            for what, right, text, exact in (
                ("share", percent, row.percent, share),
                ("norm", size, row.size, _size(row.log10)),
            ):
                if what == "norm" and not self._sizes:
                    continue
                wide = metrics.horizontalAdvance(text)
                box = QRectF(right - wide, y, wide, metrics.height())
                tiny = row.subnormal if what == "norm" else row.unsure
                found.append(Pick(f"{row.route} {what}", box, f"{what} of {row.name}", exact, tiny))
        return found

    def exact_at(self, x: float, y: float) -> str:
        pick = next((p for p in self.picks() if p.box.adjusted(-3, -2, 3, 2).contains(x, y)), None)
        if pick is None:
            return self.note if y > self._rows_top + len(self._rows) * self._line else ""
        row = next(row for row in self._rows if pick.key.startswith(f"{row.route} "))
        return f"{pick.words}\nnorm {_size(row.log10)}" + (f", {SUBNORMAL}" if row.subnormal else "")

    def as_text(self) -> str:
        lines = [self.title]
        for row in self._rows:
            share = "cut" if row.cut else "undefined" if math.isnan(row.share) else numbers.exact(row.share)
            tiny = f"\t{SUBNORMAL}" if row.subnormal else ""
            lines.append(f"\t{row.name}\t{share}\t{_size(row.log10)}{tiny}")
        return "\n".join([*lines, self.note])

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawImage(0, 0, self._still_picture(painter.device().devicePixelRatioF()))
        painter.setFont(self._figures.font)
        if self._rows:
            self._paint_bar(painter, self._colours())
            self._paint_rows(painter)
            self._paint_said(painter)
        self.paint_focus(painter)
        painter.end()

    def _still_picture(self, ratio: float) -> QImage:
        """What is the same at every step: what shares are; and before there are shares, everything."""
        cell = None if self._excerpt is None else self._excerpt.focus.cell
        key = (cell, "" if self._rows else self.said, self.meaning, self.size(), ratio, theme.current().name)
        return self._stills.of(key, lambda: self._paint_still(ratio))

    def _paint_still(self, ratio: float) -> QImage:
        # With the panel's colour in it: letters on nothing come out a little thinner.
        still = QImage(self.size() * ratio, QImage.Format.Format_RGB32)
        still.setDevicePixelRatio(ratio)
        still.fill(QColor(theme.current().surface))
        painter = QPainter(still)
        painter.setFont(self._figures.font)
        if not self._rows:
            self._paint_bar(painter, self._colours())
            self._paint_names(painter)
            self._paint_said(painter)
        painter.setPen(QColor(theme.current().muted))
        meaning = QStaticText(self.meaning)
        meaning.setTextFormat(Qt.TextFormat.PlainText)
        meaning.setTextWidth(self.width())
        painter.drawStaticText(QPointF(0, self._said_top + self._line), meaning)
        painter.end()
        return still

    @property
    def _said_top(self) -> float:
        rows = len(ROUTES[self._excerpt.focus.cell]) if self._excerpt is not None else 0
        return self._rows_top + rows * self._line + TIGHT / 2

    def _paint_said(self, painter: QPainter) -> None:
        painter.setPen(QColor(theme.current().muted))
        said, metrics = self.said, self._metrics
        if metrics.horizontalAdvance(said) > self.width():
            said = metrics.elidedText(said, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QPointF(0, self._said_top + metrics.ascent()), said)

    def _paint_rows(self, painter: QPainter) -> None:
        t, metrics, figures, sizes = theme.current(), self._metrics, self._figures, self._sizes
        percent, size = self._columns()
        swatch, colours = _SWATCH * self._scale, self._colours()
        for number, row in enumerate(self._rows):
            box = QRectF(0, self._rows_top + number * self._line, self.width(), metrics.height())
            mark = QRectF(0, box.center().y() - swatch / 2, swatch, swatch)
            self._fill(painter, mark, colours[row.route], against=row.share < 0)
            baseline = box.top() + figures.ascent
            left, share = swatch + GAP, row.percent
            room = percent - figures.width(share) - GAP - left
            name = row.name
            if self._names[name] > room:
                name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, max(10.0, room))
            painter.setPen(QColor(t.text))
            figures.draw(painter, left, baseline, name)
            painter.setPen(QColor(t.muted if row.share == 0 or math.isnan(row.share) else t.backward))
            figures.draw(painter, percent - figures.width(share), baseline, share)
            if not sizes:
                continue
            painter.setPen(QColor(t.exploding if math.isnan(row.log10) or row.log10 == math.inf else t.muted))
            figures.draw(painter, size - figures.width(row.size), baseline, row.size)

    def _paint_names(self, painter: QPainter) -> None:
        """Before there are shares: the routes that there will be."""
        routes = ROUTES[self._excerpt.focus.cell] if self._excerpt is not None else ()
        painter.setPen(QColor(theme.current().muted))
        for number, route in enumerate(routes):
            left = _SWATCH * self._scale + GAP
            box = QRectF(left, self._rows_top + number * self._line, self.width() - left, self._metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, _NAMES[route])

    def _colours(self) -> dict[str, str]:
        """As in the track of the routes."""
        t = theme.current()
        routes = ROUTES[self._excerpt.focus.cell] if self._excerpt is not None else ()
        return {route: route_colour(route, t) for route in routes}

    def _paint_bar(self, painter: QPainter, colours: dict[str, str]) -> None:
        t = theme.current()
        whole = QRectF(0.5, 0.5, self.width() - 1, _BAR * self._scale)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        total = sum(abs(row.share) for row in self._rows if not math.isnan(row.share))
        if not total:
            pen = QPen(QColor(t.border), 1)
            pen.setDashPattern([3, 3])
            painter.setPen(pen)
            painter.drawRect(whole)
            return
        x = whole.left()
        for row in self._rows:
            if math.isnan(row.share) or row.share == 0:
                continue
            wide = abs(row.share) / total * whole.width()
            self._fill(painter, QRectF(x, whole.top(), wide, whole.height()), colours[row.route], against=row.share < 0)
            x += wide
            painter.fillRect(QRectF(x - 1, whole.top(), 1, whole.height()), QColor(t.surface))

    def _fill(self, painter: QPainter, box: QRectF, colour: str, *, against: bool) -> None:
        """Hatched: it works against the sum."""
        painter.setPen(QPen(QColor(colour), 1) if against else Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(QColor(colour), Qt.BrushStyle.BDiagPattern) if against else QColor(colour))
        painter.drawRect(box)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    @Slot()
    def _restyle(self) -> None:
        self._measure()
        self._stills.clear()
        self.updateGeometry()
        self.update()


def _size(log10: float) -> str:
    """A norm to be copied: as a number where a double holds it."""
    if math.isnan(log10):
        return "NaN"
    if log10 == math.inf:
        return "inf"
    return (
        numbers.exact(10.0**log10) if -307 < log10 < 308 else numbers.power(log10, 6) if math.isfinite(log10) else "0"
    )
