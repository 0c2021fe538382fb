"""How a circuit is painted: wires, nodes, labels, and what is lit, cut, held or not reached.

Zero is dashed, not finite is red, what is unknown is a dotted hair, what carries no gradient a plain one. Every length
but x grows with `unit`, so that the picture is as crisp and as legible at any size of the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from engine.requests import Excerpt
from explorer.cell import typeset
from explorer.cell.circuit_moment import Moment, symbol_read
from explorer.cell.circuit_nodes import GLOW, paint_node, radius_of
from explorer.cell.figures import Figures
from explorer.cell.ink import colour_of, draw_fitted, log_width
from explorer.cell.kept import KeptPictures
from explorer.cell.quantity import Number, Reading, short
from explorer.cell.symbols import INPUT
from explorer.cell.wiring import Circuit, Label, Node, Wire
from explorer.theme.tokens import Theme

_THINNEST, _THICKEST, _HAIR = 1.2, 8.0, 1.5
_EDGE = 4.0
_LABEL_EM = 13.0
_CUT = "cut"


@dataclass(slots=True)
class Drawing:
    """A circuit at one size in one theme. It keeps where everything is, and the nodes as a picture; what the wires
    carry and the numbers are painted at every step."""

    circuit: Circuit
    width: float
    unit: float
    theme: Theme
    figures: Figures
    moment: Moment
    painter: QPainter | None = None
    """None: only where things are is asked."""
    _order: list[tuple[Wire, QPolygonF]] = field(init=False)
    _heads: dict[int, tuple[float, float]] = field(init=False)
    """Where a wire's arrow is."""
    _symbols: dict[str, float] = field(init=False)
    """How wide the labels' symbols are."""
    _frame: QImage | None = None
    _nodes: KeptPictures = field(default_factory=KeptPictures)
    _pens: dict[str, QPen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = sorted(self.circuit.wires, key=lambda wire: wire.road)  # the roads lie on top
        self._order = [(wire, self._way(wire.points)) for wire in order]
        self._heads = {id(wire): self._head_at(wire) for wire in order}
        em = _LABEL_EM * self.unit
        self._symbols = {
            latex: typeset.width(latex, em) for latex in (INPUT, *(la.latex for la in self.circuit.labels))
        }

    @property
    def metrics(self) -> QFontMetricsF:
        return self.figures.metrics

    def at(self, x: float, y: float) -> QPointF:
        return QPointF(x * self.width, y * self.unit)

    def _way(self, points: Sequence[tuple[float, float]]) -> QPolygonF:
        return QPolygonF([self.at(*point) for point in points])

    # -- the whole

    def paint(self, painter: QPainter, labels: Sequence[Label]) -> None:
        self.painter = painter
        moment = self.moment
        ratio = painter.device().devicePixelRatioF()
        painter.setFont(self.figures.font)
        painter.drawImage(0, 0, self._frame_picture(ratio))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if moment.reached.now:
            for wire, way in self._order:
                if self._lit(wire):
                    self._glow_wire(wire, way)
        self._wires()
        for wire, _ in self._order:
            if wire.road:
                self._arrow(wire)
            if moment.cut(wire.route):
                self._cut_mark(wire)
        painter.drawImage(0, 0, self._nodes_picture(ratio))
        for node in self.circuit.nodes:
            if moment.has(moment.beside(node)):
                self._node_value(node)
        for label in labels:
            if not self.left_out(label):
                self._label(label)
        if moment.reached.forward:
            self._input()
        self.painter = None

    def _frame_picture(self, ratio: float) -> QImage:
        """The cell's outline, on the panel's colour."""
        if self._frame is None or self._frame.devicePixelRatio() != ratio:
            self._frame = self._empty(ratio, QImage.Format.Format_RGB32)
            self._frame.fill(QColor(self.theme.surface))
            left, top, right, bottom = self.circuit.frame
            painter = QPainter(self._frame)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self.theme.line), 1))
            painter.drawRoundedRect(QRectF(self.at(left, top), self.at(right, bottom)), 12 * self.unit, 12 * self.unit)
            painter.end()
        return self._frame

    def _empty(self, ratio: float, kind: QImage.Format) -> QImage:
        wide, high = self.width * ratio, self.circuit.height * self.unit * ratio
        made = QImage(math.ceil(wide), math.ceil(high), kind)
        made.setDevicePixelRatio(ratio)
        return made

    @property
    def _p(self) -> QPainter:
        assert self.painter is not None
        return self.painter

    # -- wires

    def _number(self, wire: Wire) -> Number | None:
        return wire.backward if self.moment.reached.backward else wire.forward

    @property
    def _phase_colour(self) -> str:
        return self.theme.backward if self.moment.reached.backward else self.theme.forward

    def _lit(self, wire: Wire) -> bool:
        number = self._number(wire)
        return number is not None and not self.moment.cut(wire.route) and self.moment.reached.is_now(number)

    def _there(self, wire: Wire) -> bool:
        if self.moment.reached.way is None:  # what is reached is whole
            return True
        number = self._number(wire)
        return number is None or self.moment.reached.has(number, self.moment.way)

    def _wires(self) -> None:
        """Most are lines as thick as a number: those are drawn here, in one go, the others one by one."""
        moment, painter = self.moment, self._p
        reached, source, step, cuts = moment.reached, moment.source, moment.step, moment.held.cuts
        backward, whole = reached.backward, reached.forward and reached.way is None
        low, high = moment.gradients if backward else moment.values
        pen = self._pen_of(self._phase_colour)
        thinnest, more = self.unit * _THINNEST, self.unit * (_THICKEST - _THINNEST)
        for wire, way in self._order:
            number = wire.backward if backward else wire.forward
            usual = whole and wire.source == "state" and wire.route not in cuts and moment.has(number)
            if usual and number is not None:
                value = source.of(number, step).value
                if value and math.isfinite(value):
                    share = (math.log10(abs(value)) - low) / (high - low)
                    pen.setWidthF(thinnest + more * min(1.0, max(0.0, share)))
                    painter.setPen(pen)
                    painter.drawPolyline(way)
                    continue
            self._wire(wire, way)

    def _wire(self, wire: Wire, way: QPolygonF) -> None:
        t, moment = self.theme, self.moment
        reached = moment.reached
        if wire.source == "loss":
            reading = moment.reading(wire.backward)
            if reached.backward and reading.value not in (None, 0.0):
                self._stroke(way, self._pen(reading, t.loss, backward=True))
        elif wire.source == "input" and reached.forward and not reached.backward:
            self._stroke(way, self._pen(moment.input_norm, t.forward, backward=False))
        elif not reached.forward or not self._there(wire):
            self._stroke(way, self._outline())
        elif not reached.backward:
            self._stroke(way, self._pen(moment.reading(wire.forward), t.forward, backward=False))
        elif wire.backward is None:
            self._stroke(way, _flat(QPen(QColor(t.muted), _HAIR * self.unit)))
        elif moment.cut(wire.route):  # up to the cut it is there, beyond it nothing is
            self._stroke(self._way(wire.points[:2]), self._outline())
            rest = self._way((self._cut_at(wire), *wire.points[1:]))
            self._stroke(rest, self._pen(moment.reading(wire.backward), t.backward, backward=True))
        else:
            self._stroke(way, self._pen(moment.reading(wire.backward), t.backward, backward=True))

    def _outline(self) -> QPen:
        """Of what the tape has not reached."""
        pen = QPen(QColor(self.theme.border), _THINNEST * self.unit)
        if self.moment.reached.way is not None:
            pen.setDashPattern([1, 3])
        return _flat(pen)

    def _thickness(self, reading: Reading, *, backward: bool) -> float:
        low, high = self.moment.gradients if backward else self.moment.values
        return self.unit * log_width(reading.value or 0.0, low, high, _THINNEST, _THICKEST)

    def _pen(self, reading: Reading, colour: str, *, backward: bool) -> QPen:
        if reading.value is None:
            pen = QPen(QColor(colour), _THINNEST * self.unit)
            pen.setDashPattern([1.5, 2.5])
            return _flat(pen)
        if reading.value == 0:
            pen = QPen(QColor(self.theme.zero), 1.4 * self.unit)
            pen.setDashPattern([5, 4])
            return _flat(pen)
        pen = self._pen_of(self._colour(reading, colour))
        pen.setWidthF(self._thickness(reading, backward=backward))
        return pen

    def _pen_of(self, colour: str) -> QPen:
        if colour not in self._pens:
            self._pens[colour] = _flat(QPen(QColor(colour), 1.0))
        return self._pens[colour]

    def _colour(self, reading: Reading, colour: str) -> str:
        return colour if reading.finite else self.theme.exploding

    def _stroke(self, way: QPolygonF, pen: QPen) -> None:
        self._p.setPen(pen)
        self._p.drawPolyline(way)

    def _glow_wire(self, wire: Wire, way: QPolygonF) -> None:
        glow = QColor(self._phase_colour)
        glow.setAlpha(GLOW)
        backward = self.moment.reached.backward
        thick = self._thickness(self.moment.reading(self._number(wire)), backward=backward)
        self._stroke(way, _flat(QPen(glow, thick + 9 * self.unit)))

    def _arrow(self, wire: Wire) -> None:
        """A head on a road, in the direction in which things go at the moment."""
        moment = self.moment
        if not moment.reached.forward or not self._there(wire) or moment.cut(wire.route):
            return
        reading = moment.reading(self._number(wire))
        if reading.value in (None, 0.0):
            return
        x, y = self._heads[id(wire)]
        size = 4.5 * self.unit + self._thickness(reading, backward=moment.reached.backward) * 0.5
        to = -1 if moment.reached.backward is not self.circuit.reverse else 1
        self._p.setPen(Qt.PenStyle.NoPen)
        self._p.setBrush(QColor(self._colour(reading, self._phase_colour)))
        back = x - to * size * 0.6
        self._p.drawPolygon(QPolygonF([QPointF(x + to * size, y), QPointF(back, y + size), QPointF(back, y - size)]))
        self._p.setBrush(Qt.BrushStyle.NoBrush)

    def _head_at(self, wire: Wire) -> tuple[float, float]:
        """The middle of its last stretch; where the cell is entered or left, near that edge."""
        (x, y), (to_x, to_y) = wire.points[-2:]
        at = (x + to_x) / 2 * self.width, (y + to_y) / 2 * self.unit
        near = 14 * self.unit
        for end_x, end_y in (wire.points[0], wire.points[-1]):
            if end_x in (0.0, 1.0):
                at = end_x * self.width + (near if end_x == 0 else -near), end_y * self.unit
        return at

    def _cut_at(self, wire: Wire) -> tuple[float, float]:
        """On its first stretch, beside the end where it comes in: the rest of the wire may lie under a node."""
        (x, y), (to_x, to_y) = wire.points[:2]
        share = 0.5 if y == to_y else 0.2
        return x + (to_x - x) * share, y + (to_y - y) * share

    def _cut_mark(self, wire: Wire) -> None:
        """Two strokes across a gap in the wire."""
        level = wire.points[0][1] == wire.points[1][1]
        middle = self.at(*self._cut_at(wire))
        along = QPointF(1, 0) if level else QPointF(0, 1)
        across = QPointF(0.35, 1) if level else QPointF(1, -0.35)
        size = 6.0 * self.unit
        gap = QPen(QColor(self.theme.surface), 5 * self.unit)
        gap.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._p.setPen(gap)
        self._p.drawLine(middle - along * 3 * self.unit, middle + along * 3 * self.unit)
        self._p.setPen(QPen(QColor(self.theme.text), 1.6 * self.unit))
        for sign in (-1, 1):
            at = middle + along * (sign * 2.5 * self.unit)
            self._p.drawLine(at - across * size, at + across * size)

    # -- nodes

    def radius(self, node: Node) -> float:
        return self.unit * radius_of(node)

    def value_box(self, node: Node, text: str | None = None) -> QRectF:
        """Where a gate's number stands: above it, on the side that its wire does not turn to."""
        centre, u = self.at(*node.at), self.unit
        wide = min(36 * u, self.figures.width(self._value_text(node) if text is None else text))
        left = centre.x() - 9 * u - wide if self.circuit.reverse else centre.x() + 9 * u
        return QRectF(left, centre.y() - 25 * u, min(wide, self.width - left), 14 * u)

    def _value_text(self, node: Node) -> str:
        hold = self.moment.hold(node)
        number = self.moment.beside(node)
        if number is not node.value:
            return self.moment.reading(number).text
        return hold.sign if hold is not None and hold.whole else self.moment.reading(node.value).text

    def _nodes_picture(self, ratio: float) -> QImage:
        """All nodes without their numbers: painted for each of what of them is reached or held."""
        moment = self.moment
        rings = tuple((gate, hold.whole) for gate, hold in moment.held.holds.items())
        key = (moment.reached, rings, ratio)
        return self._nodes.of(key, lambda: self._paint_nodes(ratio))

    def _paint_nodes(self, ratio: float) -> QImage:
        nodes = self._empty(ratio, QImage.Format.Format_ARGB32_Premultiplied)
        nodes.fill(0)
        painter = QPainter(nodes)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for node in self.circuit.nodes:
            paint_node(painter, node, self.at(*node.at), self.unit, self.theme, self.moment)
        painter.end()
        return nodes

    def _node_value(self, node: Node) -> None:
        number = self.moment.beside(node)
        reading, text = self.moment.reading(number), self._value_text(node)
        usual = self.theme.text if number is node.value else self.theme.backward
        self._p.setPen(QColor(colour_of(reading, usual)))
        bar = reading.mean and text[0] != ":"
        draw_fitted(self._p, self.value_box(node, text), text, self.figures, centred=False, bar=bar)

    # -- labels

    def left_out(self, label: Label) -> bool:
        return label.phase == "loss" and self.moment.reading(label.number).value in (None, 0.0)

    def _label_text(self, label: Label) -> str:
        if self.moment.cut(label.route):
            return _CUT
        text, stop = self.moment.reading(label.number).text, self.moment.stopped(label.number)
        return "stops here" if stop == "all" else f"of it {text}" if stop == "some" else text

    def label_box(self, label: Label, text: str | None = None) -> QRectF:
        u, anchor = self.unit, self.at(*label.at)
        symbol = self._symbols[label.latex]
        width = symbol + 6 * u + self.figures.width(self._label_text(label) if text is None else text)
        inset = _EDGE * u if label.at[0] in (0.0, 1.0) else 0.0
        x = anchor.x() + inset if label.align == "left" else anchor.x() - inset - width
        return QRectF(min(max(0.0, x), max(0.0, self.width - width)), anchor.y() - 11 * u, width, 15 * u)

    def _label(self, label: Label) -> None:
        p, t, u = self._p, self.theme, self.unit
        reading, text = self.moment.reading(label.number), self._label_text(label)
        box = self.label_box(label, text)
        baseline = box.top() + 11 * u
        colour = {"forward": t.forward, "backward": t.backward, "loss": t.loss}[label.phase]
        p.fillRect(box.adjusted(-2, 0, 2, 0), QColor(t.surface))
        if self.moment.reached.is_now(label.number):
            glow = QColor(self._phase_colour)
            glow.setAlpha(GLOW)
            p.setPen(Qt.PenStyle.NoPen)
            p.setBrush(glow)
            p.drawRoundedRect(box.adjusted(-2, -1, 2, 1), 3 * u, 3 * u)
        typeset.draw(p, label.latex, box.left(), baseline, _LABEL_EM * u, colour)
        cut = self.moment.cut(label.route)
        p.setPen(QColor(t.text if cut else colour_of(reading, colour)))
        at = box.left() + self._symbols[label.latex] + 6 * u
        self.figures.draw(p, at, baseline, text)

    def _input(self) -> None:
        """x_t and its numbers, as many as there is room for."""
        p, t, u = self._p, self.theme, self.unit
        end = self.at(*self.circuit.input_at)
        symbol = self._symbols[INPUT] + 5 * u
        room = (self.width - end.x() if self.circuit.reverse else end.x()) - symbol - _EDGE * u
        text, width = self._input_text(room)
        width += symbol
        left = end.x() if self.circuit.reverse else end.x() - width
        p.fillRect(QRectF(left - 2, end.y() - 11 * u, width + 4, 15 * u), QColor(t.surface))
        typeset.draw(p, INPUT, left, end.y(), _LABEL_EM * u, t.forward)
        p.setPen(QColor(t.forward))
        p.drawText(QPointF(left + symbol, end.y()), text)

    def _input_text(self, room: float) -> tuple[str, float]:
        """And how wide it is."""
        inputs = self.moment.excerpt.cell_inputs
        if self.moment.step > len(inputs):
            return "", 0.0
        values, name = inputs[self.moment.step - 1], symbol_read(self.moment.excerpt, self.moment.step)
        of = f"{name} = " if name else ""
        for count in range(min(len(values), 6), 0, -1):
            rest = ", …" if count < len(values) else ""
            text = f"{of}(" + ", ".join(short(float(v)) for v in values[:count]) + rest + ")"
            if (width := self.metrics.horizontalAdvance(text)) <= room:
                return text, width
        return name or "(…)", self.metrics.horizontalAdvance(name or "(…)")


def _flat(pen: QPen) -> QPen:
    """Of a wire: corners are sharp, and it ends where it ends."""
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


def forward_decades(excerpt: Excerpt, usual: tuple[int, int]) -> tuple[int, int]:
    """The usual ones, unless a value is larger."""
    low, high = usual
    for key, norm in excerpt.focus.norms.items():
        finite = norm[np.isfinite(norm) & (norm > 0)]
        if key.startswith("values.") and finite.size:
            high = max(high, math.ceil(math.log10(float(finite.max()))))
    return low, high
