"""What stands beside the unrolled network: the rows' names, and what widths and colours mean."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPolygonF

from engine.quantities import CELL_TITLES
from engine.requests import Excerpt
from explorer.stage import margins, marked, palette
from explorer.stage.cells import TimeView
from explorer.stage.classes import FIRST
from explorer.stage.scales import Scale
from explorer.stage.tracks import words
from explorer.stage.tracks.anatomy import Anatomy
from explorer.stage.tracks.base import Readout
from explorer.stage.tracks.network_ink import MARK_SHARE, bars, marks
from explorer.stage.tracks.network_rows import LayerRow
from explorer.theme import current as theming
from explorer.theme.tokens import GAP

_LEAST_RAMP = 36
"""Logical pixels that the scale of h keeps of its height."""
_ROOMY_RAMP = 62
"""With it, three numbers stand beside the scale of h at ease."""
_TITLE_FOOT = 24
"""Logical pixels below which the title ends."""


# -- header -----------------------------------------------------------------------------------------------------------


def paint_header(
    painter: QPainter, box: QRect, title: str, e: Excerpt | None, rows: tuple[LayerRow, ...], a: Anatomy
) -> None:
    if e is None:
        margins.paint_title(painter, box, title, "text", ())
    elif len(rows) == 1:
        _paint_parts(painter, box, title, rows[0], a)
    else:
        _paint_rows(painter, box, title, e, rows, a)


def _paint_parts(painter: QPainter, box: QRect, title: str, row: LayerRow, a: Anatomy) -> None:
    """Of a single row there is room to name every wire."""
    of = row.layer
    line = f"{CELL_TITLES[of.cell]} · {_count(of.hidden_size)}"
    bottom = margins.paint_title(painter, box, title, "text", ((line, "muted"),))
    font = theming.small()
    parts = [(a.lane_centre(0, s), s) for s in row.kind.states] + [(a.inputs_centre, "input x")]
    if a.rows[0].strip_bottom - a.rows[0].strip_top >= 20 * a.ratio:
        parts.append(((a.rows[0].strip_top + a.rows[0].strip_bottom) / 2 / a.ratio, "units of h"))
    taken = marked.width(line, font) + GAP
    painter.setPen(QColor(theming.current().muted))
    for centre, text in parts:
        place = _line(box, centre)
        beside = taken + marked.width(text, font) + GAP < place.width()
        if place.top() >= bottom - 2 or (beside and place.center().y() > box.top() + 26):
            marked.draw(painter, place, text, font, Qt.AlignmentFlag.AlignRight)


def _paint_rows(painter: QPainter, box: QRect, title: str, e: Excerpt, rows: tuple[LayerRow, ...], a: Anatomy) -> None:
    """A name for each row, or where rows are low for as many as have room; that of the cell panel always."""
    theme, font, strong = theming.current(), theming.small(), theming.small(bold=True)
    margins.paint_title(painter, box, title, "text", ())
    taken = [QRectF(0, box.top(), 1, _TITLE_FOOT)]
    names = tuple(row.layer.name for row in rows)
    order = sorted(range(len(rows)), key=lambda place: (rows[place].layer.name != e.layer, place))
    for place in order:
        row, of = a.rows[place], rows[place].layer
        chosen = of.name == e.layer
        if chosen:
            _mark(painter, box, row.top / a.ratio, row.bottom / a.ratio)
        two = row.height >= (2 * margins.LINE + 2) * a.ratio
        line = _line(box, a.centre(place))
        whole = line.adjusted(0, -margins.LINE / 2, 0, margins.LINE / 2) if two else line
        if any(whole.top() < other.bottom() - 1 and whole.bottom() > other.top() + 1 for other in taken):
            two, whole = False, line
            if any(line.top() < other.bottom() - 1 and line.bottom() > other.top() + 1 for other in taken):
                continue
        taken.append(whole)
        name = line.translated(0, -margins.LINE / 2) if two else line
        whole_name = words.layer(of) + (" →" if f"{of.name}_reverse" in names else "")
        painter.setPen(QColor(theme.text if chosen else theme.muted))
        said = margins.fitting((whole_name, whole_name.removeprefix("layer ")), font, line.width())
        marked.draw(painter, name, said, strong if chosen else font, Qt.AlignmentFlag.AlignRight)
        if two:
            painter.setPen(QColor(theme.muted))
            marked.draw(
                painter, name.translated(0, margins.LINE), _count(of.hidden_size), font, Qt.AlignmentFlag.AlignRight
            )
    line = _line(box, a.inputs_centre)
    painter.setPen(QColor(theme.muted))
    if not any(line.top() < other.bottom() - 1 and line.bottom() > other.top() + 1 for other in taken):
        marked.draw(painter, line, "input x", font, Qt.AlignmentFlag.AlignRight)


def _mark(painter: QPainter, box: QRect, top: float, bottom: float) -> None:
    """A bar beside the row whose cell the cell panel shows."""
    height = max(3.0, bottom - top)
    row = QRectF(box.right() - 3, box.top() + (top + bottom - height) / 2, 3, height)
    painter.fillRect(row, QColor(theming.current().accent))


def _line(box: QRect, centre: float) -> QRectF:
    return QRectF(box.left() + GAP, box.top() + centre - margins.LINE / 2, box.width() - 2 * GAP + 2, margins.LINE)


def _count(units: int) -> str:
    return f"{units:,} unit{'s' if units != 1 else ''}"


# -- scale ------------------------------------------------------------------------------------------------------------


def paint_scale(
    painter: QPainter,
    box: QRect,
    e: Excerpt,
    rows: tuple[LayerRow, ...],
    a: Anatomy,
    gradients: Scale,
    inputs_bound: float,
) -> None:
    theme, font = theming.current(), theming.small()
    top, bottom = a.strip_logical
    bottom += box.top()
    foot = _paint_wedge(painter, box, bottom - _LEAST_RAMP, e, rows, gradients)
    scales = {row.scale for row in rows}
    lines = input_words(e, inputs_bound, a.view)
    inputs = box.top() + a.inputs_centre - len(lines) * margins.LINE / 2
    if len(scales) == 1:
        (scale,) = scales
        start = max(box.top() + round(top) - 6, round(foot) - 1)
        # Down to the words of the inputs, where the words above leave little room.
        end = max(round(bottom) + 7, min(start + _ROOMY_RAMP, round(inputs) - 2))
        if scale is not None and bottom - start >= 20 and (len(rows) > 1 or bottom - box.top() - top >= 20):
            height = min(end - start, 110)
            margins.paint_scale(painter, QRect(box.left(), end - height, box.width(), height), scale)
    else:
        _paint_ends(painter, box, foot, rows, a, font)
    painter.setPen(QColor(theme.muted))
    y = min(inputs, box.bottom() - len(lines) * margins.LINE)
    for text in lines:
        marked.draw(painter, QRectF(box.left() + GAP, y, box.width() - GAP - 1, margins.LINE), text, font)
        y += margins.LINE


def _paint_ends(
    painter: QPainter, box: QRect, foot: float, rows: tuple[LayerRow, ...], a: Anatomy, font: QFont
) -> None:
    """Layers whose h has different scales say each what their colours reach to."""
    painter.setPen(QColor(theming.current().muted))
    above = -1e6
    for place in reversed(range(len(rows))):
        scale = rows[place].scale
        y = box.top() + a.centre(place) - margins.LINE / 2
        if scale is not None and y >= foot and y >= above:
            text = f"h: ±{scale.ends[1]}"
            marked.draw(painter, QRectF(box.left() + GAP, y, box.width() - GAP - 1, margins.LINE), text, font)
            above = y + margins.LINE


def _paint_wedge(
    painter: QPainter, box: QRect, floor: float, e: Excerpt, rows: tuple[LayerRow, ...], gradients: Scale
) -> float:
    """What a wire's width and colour mean, in as many words as there is room for above `floor`. Returns their foot."""
    theme, font = theming.current(), theming.small()
    low, high = gradients.ends
    wedge = QRectF(box.left() + GAP, box.top() + 8, 24, 9)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    colours = palette.wires(gradients, theme.name)
    for band in range(gradients.bands):
        painter.setBrush(QColor.fromRgb(int(colours[FIRST + band])))
        painter.drawPolygon(_slice(wedge, band / gradients.bands, (band + 1) / gradients.bands))
    painter.restore()
    right = box.right() - GAP + 2  # as far from the edge as from the data
    painter.setPen(QColor(theme.muted))
    several = len(rows) > 1 or len(rows[0].norms) > 1
    beside, lines = wedge_words(
        "∂L/∂·" if several else "∂L/∂h",
        (low, high),
        e.batch_size,
        lambda text: marked.width(text, font),
        (right - wedge.right() - 5, right - wedge.left()),
    )
    y = box.top() + 6.0
    marked.draw(painter, QRectF(wedge.right() + 5, y, right - wedge.right() - 5, margins.LINE), beside, font)
    for text in lines:
        if y + 2 * margins.LINE <= floor:
            y += margins.LINE
            marked.draw(painter, QRectF(wedge.left(), y, right - wedge.left(), margins.LINE), text, font)
    return y + margins.LINE


def wedge_words(
    symbol: str, ends: tuple[str, str], batch: int, measure: Callable[[str], float], rooms: tuple[float, float]
) -> tuple[str, list[str]]:
    """What stands beside the wedge, and the lines below it, the most telling first: of what the width and the colour
    tell, from where to where, and how. Nothing is cut: what has no room is said in fewer words, or left out.

    `rooms`: beside the wedge, and below it.
    """

    def fitting(variants: tuple[str, ...], room: float) -> str:
        return next((text for text in variants if measure(text) <= room + 0.5), "")

    low, high = ends
    norm = (f"‖{symbol}‖", symbol)
    beside, below = fitting(norm, rooms[0]), rooms[1]
    lines = [] if beside else [fitting(norm, below)]
    whole = fitting((f"{low} … {high}", f"{low}…{high}"), below)
    if whole:
        lines.append(whole)
    elif (first := fitting((f"{low} to", f"{low}…"), below)) and measure(high) <= below:
        lines += [first, high]
    mean = margins.mean_of(batch)
    how = (*(f"log, {text}" for text in mean), *mean[-1:], "log")
    lines.append(fitting(how, below))
    return beside, [line for line in lines if line]


def _slice(wedge: QRectF, start: float, end: float) -> QPolygonF:
    """Of a wedge that rises to the right, the part between two shares of its width."""
    left, right = wedge.left() + start * wedge.width(), wedge.left() + end * wedge.width()
    foot, middle = wedge.height(), wedge.center().y()
    first, last = max(1.0, foot * start) / 2, max(1.0, foot * end) / 2
    return QPolygonF(
        [
            QPointF(left, middle - first),
            QPointF(right, middle - last),
            QPointF(right, middle + last),
            QPointF(left, middle + first),
        ]
    )


def input_words(e: Excerpt, bound: float, view: TimeView) -> list[str]:
    """What the bars reach to, and what a circle among them means."""
    if e.symbols:
        return [f"{e.symbols} symbols"]
    x = e.inputs
    shown = x[:, bars(x)]
    lines = [f"±{bound:g}" if bool((shown < 0).any()) else f"0 … {bound:g}"]
    circled = marks(x)
    if circled:
        sign = "○" if view.pitch * MARK_SHARE >= 2.5 else "|"
        lines.append(f"{sign} x_{{{', '.join(str(k + 1) for k in circled[:3])}}} = 1")
    return lines


def scale_readout(e: Excerpt, rows: tuple[LayerRow, ...], gradients: Scale) -> Readout:
    low, high = gradients.ends
    values = [f"a wire’s width and colour: log_{{10}} of its gradient’s norm, {low} … {high}"]
    values += [f"the norm is the {text}" for text in margins.mean_of(e.batch_size)[:1]]
    seen = {row.scale: row for row in rows if row.scale is not None}
    for scale, row in list(seen.items())[:4]:
        whose = f"h of {words.layer(row.layer)}" if len(seen) > 1 else "h"
        values.append(f"{whose}: {' … '.join(scale.ends)}")
    return Readout("Scales, fixed", tuple(values))
