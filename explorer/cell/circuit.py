"""Paints the cell at the cursor as a circuit: wires as thick as the logarithm of what flows on them.

Forward values are teal while the tape runs forward; in the backward phase the gradient joins in orange, on top. The
scales are chosen once for a document: the gradients' is the stage's. Zero is dashed, not finite is red, what is unknown
is a dotted hair, and what carries no gradient a plain one.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.requests import Excerpt
from explorer.cell import typeset
from explorer.cell.equations_view import exact_text
from explorer.cell.ink import colour_of, draw_fitted, log_width
from explorer.cell.quantity import NOTHING, Number, Reading, read, short
from explorer.cell.symbols import INPUT
from explorer.cell.wiring import Circuit, Label, Node, Wire, circuit
from explorer.stage.scales import DEFAULT_DECADES, for_gradients
from explorer.theme import current as theme
from explorer.theme.tokens import Theme
from explorer.widgets import numbers

FORWARD_DECADES = (-2, 1)
"""Of values; upwards further where they are larger."""
_THINNEST, _THICKEST = 1.2, 8.0
_HAIR = 1.5
_EDGE = 4.0
_RADIUS = {"operation": 9.5, "gate": 13.0, "function": 15.0, "weights": 15.0}
_LABEL_EM, _NODE_EM, _FUNCTION_EM = 13.0, 15.0, 11.0


class CircuitView(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("The cell as a circuit")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._excerpt: Excerpt | None = None
        self._circuit: Circuit | None = None
        self._step = 1
        self._forward = self._backward = False
        self._readings: dict[int, Reading] = {}
        self._input = NOTHING
        self._values: tuple[int, int] | None = None
        self._gradients: tuple[int, int] | None = None
        theme.notifier().changed.connect(self._repaint)

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        """The first trace of a document chooses the scales; None: another document follows."""
        self._excerpt = excerpt
        if excerpt is None:
            self._values = self._gradients = None
        else:
            self._values = self._values or forward_decades(excerpt)
            self._gradients = self._gradients or for_gradients(excerpt).decades
        new = None if excerpt is None else circuit(excerpt.focus.cell, excerpt.focus.activation)
        if new is not self._circuit:
            self._circuit = new
            self.setFixedHeight(0 if new is None else round(new.height))
        self._read()

    def set_gradient_decades(self, low: int, high: int) -> None:
        """Gradients from 10^low to 10^high, where somebody has chosen another scale on the stage."""
        if high > low:
            self._gradients = (low, high)
            self.update()

    def decades(self, *, backward: bool) -> tuple[int, int]:
        """The exponents of the ends of a scale."""
        found = self._gradients if backward else self._values
        return found or (DEFAULT_DECADES if backward else FORWARD_DECADES)

    def scale_text(self, *, backward: bool) -> str:
        """The scale of the wires in words."""
        low, high = self.decades(backward=backward)
        what = "gradient" if backward else "value"
        return f"wire width: log₁₀ |{what}|, {numbers.decade(low)} … {numbers.decade(high)}"

    def set_moment(self, step: int, *, forward: bool, backward: bool) -> None:
        """Show step t (from 1); `forward`, `backward`: whether the tape has reached it on either way."""
        self._step, self._forward, self._backward = step, forward, backward
        self._read()

    def reading(self, number: Number | None) -> Reading:
        return NOTHING if number is None else self._readings.get(id(number), NOTHING)

    def _read(self) -> None:
        self._readings = {}
        excerpt, it = self._excerpt, self._circuit
        if excerpt is not None and it is not None and 1 <= self._step <= excerpt.steps:
            found: list[Number | None] = []
            if self._forward:
                found += [wire.forward for wire in it.wires] + [node.value for node in it.nodes]
            if self._backward:
                found += [wire.backward for wire in it.wires]
            found += [label.number for label in it.labels if self._shows(label)]
            self._readings = {id(number): read(number, excerpt, self._step) for number in found if number is not None}
        self._input = _input_norm(excerpt, self._step)
        self.update()

    def _shows(self, label: Label) -> bool:
        if label.phase == "forward":
            return self._forward and not self._backward
        return self._backward

    def sizeHint(self) -> QSize:
        return QSize(296, 0 if self._circuit is None else round(self._circuit.height))

    def minimumSizeHint(self) -> QSize:
        return QSize(220, self.sizeHint().height())

    @Slot()
    def _repaint(self) -> None:
        self.update()

    # -- painting

    def _at(self, x: float, y: float) -> QPointF:
        return QPointF(x * self.width(), y)

    def paintEvent(self, event: QPaintEvent) -> None:
        it = self._circuit
        if it is None or self._excerpt is None:
            return
        t = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, top, right, bottom = it.frame
        painter.setPen(QPen(QColor(t.line), 1))
        painter.drawRoundedRect(QRectF(self._at(left, top), self._at(right, bottom)), 12, 12)
        order = sorted(it.wires, key=lambda wire: wire.road)  # the roads lie on top
        for wire in order:
            self._paint_wire(painter, wire, t)
        for wire in order:
            if wire.road:
                self._paint_arrow(painter, wire, t)
        small = theme.small()
        metrics = QFontMetricsF(small)
        painter.setFont(small)
        for node in it.nodes:
            self._paint_node(painter, node, metrics, t)
        for label in it.labels:
            if self._shows(label):
                self._paint_label(painter, label, metrics, t)
        if self._forward:
            self._paint_input(painter, it, metrics, t)
        painter.end()

    def _paint_wire(self, painter: QPainter, wire: Wire, t: Theme) -> None:
        if wire.source == "loss":
            if self._backward and self.reading(wire.backward).value not in (None, 0.0):
                self._stroke(painter, wire, self._pen(self.reading(wire.backward), t, t.loss, backward=True))
            return
        if wire.source == "input" and self._forward and not self._backward:
            self._stroke(painter, wire, self._pen(self._input, t, t.forward, backward=False))
            return
        if not self._forward:
            self._stroke(painter, wire, QPen(QColor(t.border), _THINNEST))
        elif not self._backward:
            self._stroke(painter, wire, self._pen(self.reading(wire.forward), t, t.forward, backward=False))
        elif wire.backward is None:
            self._stroke(painter, wire, QPen(QColor(t.muted), _HAIR))
        else:
            self._stroke(painter, wire, self._pen(self.reading(wire.backward), t, t.backward, backward=True))

    def _stroke(self, painter: QPainter, wire: Wire, pen: QPen) -> None:
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF([self._at(*point) for point in wire.points]))

    def _paint_arrow(self, painter: QPainter, wire: Wire, t: Theme) -> None:
        """A head on a road, in the direction in which things go at the moment."""
        number = wire.backward if self._backward else wire.forward
        reading = self.reading(number)
        if not self._forward or reading.value in (None, 0.0):
            return
        a, b = (self._at(*point) for point in wire.points[-2:])
        middle = (a + b) / 2
        if wire.points[0][0] == 0:  # near the edge, where the cell is entered
            middle = self._at(wire.points[0][0], wire.points[0][1]) + QPointF(14, 0)
        elif wire.points[-1][0] == 1:
            middle = b - QPointF(14, 0)
        width = self._width(reading, backward=self._backward)
        size = 4.5 + width * 0.5
        to = -1 if self._backward else 1
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_flow_colour(reading, t, t.backward if self._backward else t.forward)))
        tip = middle + QPointF(to * size, 0)
        back = middle - QPointF(to * size * 0.6, 0)
        painter.drawPolygon(QPolygonF([tip, back + QPointF(0, size), back - QPointF(0, size)]))

    def _paint_node(self, painter: QPainter, node: Node, metrics: QFontMetricsF, t: Theme) -> None:
        centre, radius = self._at(*node.at), _radius(node)
        outline = t.text if node.kind in ("operation", "function") else t.forward
        if not self._forward:
            outline = t.border
        painter.setPen(QPen(QColor(outline), 1.6))
        painter.setBrush(QColor(t.surface))
        if node.kind == "weights":
            painter.setPen(QPen(QColor(t.border), 1.2))
            painter.drawRoundedRect(QRectF(centre.x() - 17, centre.y() - 11, 34, 22), 5, 5)
        else:
            painter.drawEllipse(centre, radius, radius)
        colour = outline if node.kind == "gate" else t.text if self._forward else t.muted
        em = {"gate": _NODE_EM, "operation": _NODE_EM - 1}.get(node.kind, _FUNCTION_EM)
        typeset.draw_centred(painter, node.latex, centre, em, colour)
        if node.value is not None and self._forward:
            reading = self.reading(node.value)
            painter.setPen(QColor(colour_of(reading, t.text)))
            box = QRectF(centre.x() + 9, centre.y() - 25, 36, 14)
            draw_fitted(painter, box, reading.text, metrics, centred=False, bar=reading.mean)

    def _paint_label(self, painter: QPainter, label: Label, metrics: QFontMetricsF, t: Theme) -> None:
        reading = self.reading(label.number)
        if label.phase == "loss" and reading.value in (None, 0.0):
            return
        colour = {"forward": t.forward, "backward": t.backward, "loss": t.loss}[label.phase]
        text = reading.text
        symbol, number = typeset.width(label.latex, _LABEL_EM), metrics.horizontalAdvance(text)
        anchor = self._at(*label.at)
        inset = _EDGE if label.at[0] in (0.0, 1.0) else 0.0
        x = anchor.x() + inset if label.align == "left" else anchor.x() - inset - symbol - number - 6
        painter.fillRect(QRectF(x - 2, anchor.y() - 11, symbol + number + 10, 15), QColor(t.surface))
        typeset.draw(painter, label.latex, x, anchor.y(), _LABEL_EM, colour)
        painter.setPen(QColor(colour_of(reading, colour)))
        painter.drawText(QPointF(x + symbol + 6, anchor.y()), text)

    def _paint_input(self, painter: QPainter, it: Circuit, metrics: QFontMetricsF, t: Theme) -> None:
        """x_t and its numbers, as many as there is room for."""
        anchor = self._at(*it.input_at)
        symbol = typeset.width(INPUT, _LABEL_EM) + 5
        text = self._input_text(metrics, anchor.x() - symbol - _EDGE)
        x = anchor.x() - metrics.horizontalAdvance(text)
        painter.fillRect(QRectF(x - symbol - 2, anchor.y() - 11, anchor.x() - x + symbol + 4, 15), QColor(t.surface))
        typeset.draw(painter, INPUT, x - symbol, anchor.y(), _LABEL_EM, t.forward)
        painter.setPen(QColor(t.forward))
        painter.drawText(QPointF(x, anchor.y()), text)

    def _input_text(self, metrics: QFontMetricsF, room: float) -> str:
        assert self._excerpt is not None
        inputs = self._excerpt.cell_inputs
        if self._step > len(inputs):
            return ""
        values = inputs[self._step - 1]
        for count in range(min(len(values), 6), 0, -1):
            rest = ", …" if count < len(values) else ""
            text = "(" + ", ".join(short(float(v)) for v in values[:count]) + rest + ")"
            if metrics.horizontalAdvance(text) <= room:
                return text
        return "(…)"

    def _width(self, reading: Reading, *, backward: bool) -> float:
        low, high = self.decades(backward=backward)
        return log_width(reading.value or 0.0, low, high, _THINNEST, _THICKEST)

    def _pen(self, reading: Reading, t: Theme, colour: str, *, backward: bool) -> QPen:
        if reading.value is None:
            pen = QPen(QColor(colour), _THINNEST)
            pen.setDashPattern([1.5, 2.5])
            return pen
        if reading.value == 0:
            pen = QPen(QColor(t.zero), 1.4)
            pen.setDashPattern([5, 4])
            return pen
        return QPen(QColor(_flow_colour(reading, t, colour)), self._width(reading, backward=backward))

    # -- exact numbers

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.exact_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def exact_at(self, point: QPointF) -> str:
        """What a node is, or what flows on a wire, exactly; "" beside them."""
        it, excerpt = self._circuit, self._excerpt
        if it is None or excerpt is None:
            return ""
        for node in it.nodes:
            away = self._at(*node.at) - point
            if math.hypot(away.x(), away.y()) <= _radius(node):
                if node.value is None or not self._forward:
                    return node.name
                return f"{node.name}: {exact_text(self.reading(node.value), excerpt)}"
        for wire in it.wires:
            if not self._near(wire, point):
                continue
            text = wire.name
            if wire.source == "input" and self._forward and self._input.value is not None:
                text += f": ‖xₜ‖ = {numbers.exact(self._input.value)}"
            if wire.forward is not None and self._forward:
                text += f": {exact_text(self.reading(wire.forward), excerpt)}"
            if wire.backward is not None and self._backward:
                text += f"\ngradient: {exact_text(self.reading(wire.backward), excerpt)}"
            return text
        return ""

    def _near(self, wire: Wire, point: QPointF) -> bool:
        corners = [self._at(*p) for p in wire.points]
        return any(QRectF(a, b).normalized().adjusted(-5, -5, 5, 5).contains(point) for a, b in pairwise(corners))


def _radius(node: Node) -> float:
    """Operations of one sign are small; "tanh" needs room."""
    return 11.0 if node.latex == "1{-}" else _RADIUS[node.kind]


def _flow_colour(reading: Reading, t: Theme, colour: str) -> str:
    return colour if reading.finite else t.exploding


def forward_decades(excerpt: Excerpt) -> tuple[int, int]:
    """1e-2 … 1e1, unless a state is larger."""
    low, high = FORWARD_DECADES
    for key, norm in excerpt.focus.norms.items():
        finite = norm[np.isfinite(norm) & (norm > 0)]
        if key.startswith("values.") and finite.size:
            high = max(high, math.ceil(math.log10(float(finite.max()))))
    return low, high


def _input_norm(excerpt: Excerpt | None, step: int) -> Reading:
    """‖xₜ‖."""
    if excerpt is None or not 1 <= step <= len(excerpt.cell_inputs):
        return NOTHING
    return Reading(float(np.linalg.norm(excerpt.cell_inputs[step - 1].astype(np.float64))))
