"""The cell at the cursor as a circuit: wires as thick as the logarithm of what flows on them.

Forward values are teal while the tape runs forward; in the backward phase the gradient joins in orange, on top. The
scales are chosen once for a document: the gradients' is the stage's. Inside a step the operation that was done last is
lit, and what comes after it is outlined. The picture grows with the text, and with a very wide panel.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.requests import Excerpt
from explorer.cell.circuit_ink import Drawing, forward_decades
from explorer.cell.exact import digits, exact_text
from explorer.cell.ink import text_scale
from explorer.cell.interventions import Interventions, interventions
from explorer.cell.numbers_view import NumbersView
from explorer.cell.picking import Pick
from explorer.cell.quantity import NOTHING, Number, Reading, read
from explorer.cell.reach import NOTHING_REACHED, Reached
from explorer.cell.wiring import Circuit, Label, Wire, circuit
from explorer.stage.scales import DEFAULT_DECADES, for_gradients
from explorer.theme import current as theme
from explorer.widgets import numbers

FORWARD_DECADES = (-2, 1)
"""Of values; upwards further where they are larger."""
_NARROWEST, _WIDEST = 252.0, 440.0
"""Between these widths, in units of the picture, it is as large as the text; beyond it shrinks and grows."""


class CircuitView(NumbersView):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("The cell as a circuit", parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._excerpt: Excerpt | None = None
        self._circuit: Circuit | None = None
        self._step = 1
        self._reached = NOTHING_REACHED
        self._readings: dict[int, Reading] = {}
        self._held = Interventions()
        self._input = NOTHING
        self._values: tuple[int, int] | None = None
        self._gradients: tuple[int, int] | None = None
        theme.notifier().changed.connect(self._restyle)

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        """The first trace of a document chooses the scales; None: another document follows."""
        before = self._excerpt
        self._excerpt = excerpt
        if excerpt is None:
            self._values = self._gradients = None
        else:
            if before is not None and before.layer != excerpt.layer:
                self._values = None
            self._values = self._values or forward_decades(excerpt, FORWARD_DECADES)
            self._gradients = self._gradients or for_gradients(excerpt).decades
        focus = None if excerpt is None else excerpt.focus
        new = None if focus is None else circuit(focus.cell, focus.activation, focus.layer_norm, focus.reverse)
        if new is not self._circuit:
            self._circuit = new
            self._fit_height()
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

    def set_moment(self, step: int, reached: Reached) -> None:
        """Show step t (from 1), as far as the tape has reached it."""
        self._step, self._reached = step, reached
        self._read()

    def reading(self, number: Number | None) -> Reading:
        return NOTHING if number is None else self._readings.get(id(number), NOTHING)

    def _read(self) -> None:
        self._readings = {}
        excerpt, it = self._excerpt, self._circuit
        if excerpt is not None and it is not None and 1 <= self._step <= excerpt.steps:
            found: list[Number | None] = []
            if self._reached.forward:
                found += [wire.forward for wire in it.wires] + [node.value for node in it.nodes]
                found = [number for number in found if number is None or self._reached.has(number, "forward")]
            if self._reached.backward:
                back = [wire.backward for wire in it.wires] + [label.number for label in it.labels if self.shows(label)]
                found += [number for number in back if number is None or self._reached.has(number, "backward")]
            else:
                found += [label.number for label in it.labels if self.shows(label)]
            self._readings = {id(number): read(number, excerpt, self._step) for number in found if number is not None}
            self._held = interventions(excerpt, self._step)
        self._input = _input_norm(excerpt, self._step)
        self.update()

    def shows(self, label: Label) -> bool:
        """Whether a label belongs to the phase; where its number is not made yet it is left out."""
        backward = self._reached.backward
        if label.phase == "forward":
            return self._reached.forward and not backward and self._reached.has(label.number, "forward")
        return backward and self._reached.has(label.number, "backward")

    # -- geometry

    def unit(self) -> float:
        """How many logical pixels one unit of the picture's height is."""
        scale, width = text_scale(), max(1, self.width())
        return max(min(scale, width / _NARROWEST), width / _WIDEST)

    def _fit_height(self) -> None:
        height = 0 if self._circuit is None else round(self._circuit.height * self.unit())
        if height != self.height():
            self.setFixedHeight(height)
            self.updateGeometry()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_height()

    def sizeHint(self) -> QSize:
        return QSize(296, 0 if self._circuit is None else round(self._circuit.height * self.unit()))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    @Slot()
    def _restyle(self) -> None:
        self._fit_height()
        self.update()

    # -- painting

    def _drawing(self, painter: QPainter | None = None) -> Drawing | None:
        it, excerpt = self._circuit, self._excerpt
        if it is None or excerpt is None:
            return None
        return Drawing(
            painter=painter,
            circuit=it,
            excerpt=excerpt,
            step=self._step,
            reached=self._reached,
            readings=self._readings,
            held=self._held,
            input_norm=self._input,
            values=self.decades(backward=False),
            gradients=self.decades(backward=True),
            width=float(self.width()),
            unit=self.unit(),
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if (drawing := self._drawing(painter)) is not None:
            drawing.paint([label for label in drawing.circuit.labels if self.shows(label)])
            self.paint_focus(painter)
        painter.end()

    # -- exact numbers

    def picks(self) -> list[Pick]:
        drawing, excerpt = self._drawing(), self._excerpt
        if drawing is None or excerpt is None:
            return []
        found: list[Pick] = []
        for number, label in enumerate(drawing.circuit.labels):
            if self.shows(label) and not drawing.left_out(label):
                name = label.latex if label.phase != "loss" else "e_t"
                exact = "" if drawing.cut(label.route) else digits(self.reading(label.number), excerpt)
                found.append(Pick(f"label {number}", drawing.label_box(label), _plain(name), exact))
        for node in drawing.circuit.nodes:
            if node.value is not None and id(node.value) in self._readings:
                exact = digits(self.reading(node.value), excerpt)
                found.append(Pick(f"node {node.name}", drawing.value_box(node), node.name, exact))
        return sorted(found, key=lambda pick: (round(pick.box.center().y() / 12), pick.box.left()))

    def exact_at(self, x: float, y: float) -> str:
        """What a node is, or what flows on a wire, exactly; "" beside them."""
        drawing, excerpt = self._drawing(), self._excerpt
        if drawing is None or excerpt is None:
            return ""
        point = QPointF(x, y)
        for node in drawing.circuit.nodes:
            away = drawing.at(*node.at) - point
            if math.hypot(away.x(), away.y()) <= drawing.radius(node):
                text = node.name
                if node.value is not None and id(node.value) in self._readings:
                    text += f": {exact_text(self.reading(node.value), excerpt)}"
                held = self._held.words(node.latex) if node.kind == "gate" else ""
                return f"{text}\n{held}" if held else text
        for wire in drawing.circuit.wires:
            if self._near(drawing, wire, point):
                return self._words(wire, excerpt)
        return ""

    def _words(self, wire: Wire, excerpt: Excerpt) -> str:
        text = wire.name
        if wire.source == "input" and self._reached.forward and self._input.value is not None:
            text += f": ‖xₜ‖ = {numbers.exact(self._input.value)}"
        if wire.forward is not None and id(wire.forward) in self._readings:
            text += f": {exact_text(self.reading(wire.forward), excerpt)}"
        if wire.route and wire.route in excerpt.focus.cuts and self._reached.backward:
            return f"{text}\nroute {wire.route} is cut: no gradient goes back on it"
        if wire.backward is not None and self._reached.backward:
            there = id(wire.backward) in self._readings
            text += "\ngradient: " + (exact_text(self.reading(wire.backward), excerpt) if there else "not reached yet")
        return text

    def _near(self, drawing: Drawing, wire: Wire, point: QPointF) -> bool:
        corners = [drawing.at(*p) for p in wire.points]
        return any(QRectF(a, b).normalized().adjusted(-5, -5, 5, 5).contains(point) for a, b in pairwise(corners))


def _plain(latex: str) -> str:
    """A label's symbol in plain text, for those who hear it."""
    for old, new in ((r"\delta ", "δ"), (r"\odot ", "⊙"), (r"^{\top}", "ᵀ"), (r"\,\cdot\,", "·")):
        latex = latex.replace(old, new)
    return latex.replace("{", "").replace("}", "")


def _input_norm(excerpt: Excerpt | None, step: int) -> Reading:
    """‖xₜ‖."""
    if excerpt is None or not 1 <= step <= len(excerpt.cell_inputs):
        return NOTHING
    return Reading(float(np.linalg.norm(excerpt.cell_inputs[step - 1].astype(np.float64))))
