"""The cell at the cursor as a circuit: wires as thick as the logarithm of what flows on them.

Forward values are teal while the tape runs forward; in the backward phase the gradient joins in orange, on top. The
scales are chosen once for a document: the gradients' is the stage's. Inside a step the operation that was done last is
lit, and what comes after it is outlined. The picture grows with the text, and with a very wide panel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.requests import Excerpt
from explorer.cell.circuit_ink import Drawing, forward_decades
from explorer.cell.circuit_moment import Moment, symbol_read
from explorer.cell.exact import digits, exact_text
from explorer.cell.figures import Figures
from explorer.cell.ink import text_scale
from explorer.cell.interventions import Interventions
from explorer.cell.numbers_view import NumbersView
from explorer.cell.picking import Pick
from explorer.cell.quantity import NOTHING, Number, Reading
from explorer.cell.reach import NOTHING_REACHED, Reached
from explorer.cell.readings import Readings
from explorer.cell.wiring import Circuit, Label, Wire, circuit
from explorer.stage import borders
from explorer.stage.scales import DEFAULT_DECADES, for_gradients
from explorer.theme import current as theme
from explorer.theme.tokens import SMALL_PX
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
        self._source = Readings(None)
        self._moment: Moment | None = None
        self._kept: Drawing | None = None
        self._kept_for: tuple[object, ...] = ()
        self._known_now: frozenset[int] = frozenset()
        self._known_for: tuple[object, ...] = ()
        self._text_scale = text_scale()
        self._values: tuple[int, int] | None = None
        self._gradients: tuple[int, int] | None = None
        theme.notifier().changed.connect(self._restyle)

    def set_excerpt(self, excerpt: Excerpt | None, source: Readings | None = None) -> None:
        """The first trace of a document chooses the scales; None: another document follows. `source`: what others of
        the same excerpt read from as well."""
        self._source = source or Readings(excerpt)
        before = self._excerpt
        self._excerpt = excerpt
        if excerpt is None:
            self._values = self._gradients = None
        else:
            if before is not None and before.layer != excerpt.layer:
                self._values = None
            self._values = self._values or forward_decades(excerpt, FORWARD_DECADES)
            self._gradients = self._gradients or for_gradients(excerpt).decades
        new = None
        if excerpt is not None:
            focus, of_c = excerpt.focus, "grads.c_direct" in excerpt.cell_series
            new = circuit(focus.cell, focus.activation, focus.layer_norm, focus.reverse, of_c)
        if new is not self._circuit:
            self._circuit = new
            self._fit_height()
        self._moved()

    def set_gradient_decades(self, low: int, high: int) -> None:
        """Gradients from 10^low to 10^high, where somebody has chosen another scale on the stage."""
        if high > low:
            self._gradients = (low, high)
            self._moved()

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
        self._moved()

    def reading(self, number: Number | None) -> Reading:
        moment = self._read()
        return NOTHING if moment is None else moment.reading(number)

    def _moved(self) -> None:
        """What is there now is read when it is painted or asked for."""
        self._moment = None
        self.update()

    @property
    def _readings(self) -> Mapping[int, Reading]:
        """Everything that is known at the moment, by the number's id."""
        it, moment = self._circuit, self._read()
        if it is None or moment is None:
            return {}
        every = [wire.forward for wire in it.wires] + [wire.backward for wire in it.wires]
        every += [node.value for node in it.nodes] + [node.gradient for node in it.nodes]
        every += [label.number for label in it.labels]
        return {id(number): moment.reading(number) for number in every if moment.has(number)}

    def _read(self) -> Moment | None:
        """What there is to be seen of the step."""
        excerpt, it, source, step = self._excerpt, self._circuit, self._source, self._step
        if self._moment is None and excerpt is not None and it is not None:
            there = source.there(step)
            self._moment = Moment(
                excerpt=excerpt,
                step=step,
                reached=self._reached,
                source=source,
                known=self._known(it) if there else frozenset(),
                held=source.interventions(step) if there else Interventions(),
                input_norm=_input_norm(excerpt, step),
                values=self.decades(backward=False),
                gradients=self.decades(backward=True),
            )
        return self._moment

    def _known(self, it: Circuit) -> frozenset[int]:
        """By id, the numbers that the tape has reached. The same from step to step, as long as a phase lasts."""
        reached, key = self._reached, (id(it), self._reached)
        if self._known_for != key:
            found: list[Number | None] = []
            if reached.forward:
                found += [wire.forward for wire in it.wires] + [node.value for node in it.nodes]
                found = [number for number in found if number is None or reached.has(number, "forward")]
            shown: list[Number | None] = [label.number for label in it.labels if self.shows(label)]
            if reached.backward:
                shown += [wire.backward for wire in it.wires] + [node.gradient for node in it.nodes]
                shown = [number for number in shown if number is None or reached.has(number, "backward")]
            self._known_now = frozenset(id(number) for number in found + shown if number is not None)
            self._known_for = key
        return self._known_now

    def shows(self, label: Label) -> bool:
        """Whether a label belongs to the phase; where its number is not made yet it is left out."""
        backward = self._reached.backward
        if label.phase == "forward":
            return self._reached.forward and not backward and self._reached.has(label.number, "forward")
        return backward and self._reached.has(label.number, "backward")

    # -- geometry

    def unit(self) -> float:
        """How many logical pixels one unit of the picture's height is."""
        scale, width = self._text_scale, max(1, self.width())
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
        self._kept, self._text_scale = None, text_scale()
        self._fit_height()
        self.update()

    # -- painting

    def _drawing(self) -> Drawing | None:
        """Where everything is stays what it is while the tape plays."""
        it, moment = self._circuit, self._read()
        if it is None or moment is None:
            return None
        width, unit, t = float(self.width()), self.unit(), theme.current()
        key = (id(it), width, unit, t.name)
        if self._kept is None or self._kept_for != key:
            font = theme.font(max(1, round(SMALL_PX * unit)))
            self._kept = Drawing(it, width, unit, t, Figures(font), moment)
            self._kept_for = key
        self._kept.moment = moment
        return self._kept

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if (drawing := self._drawing()) is not None:
            drawing.paint(painter, [label for label in drawing.circuit.labels if self.shows(label)])
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
                reading, cut = self.reading(label.number), drawing.moment.cut(label.route)
                exact = "" if cut else digits(reading, excerpt)
                on = ", as far as it goes on" if drawing.moment.stopped(label.number) else ""
                found.append(
                    Pick(
                        f"label {number}", drawing.label_box(label), _plain(label.latex) + on, exact, reading.subnormal
                    )
                )
        for node in drawing.circuit.nodes:
            beside = drawing.moment.beside(node)
            if drawing.moment.has(beside):
                name = node.name if beside is node.value else f"gradient of {node.name}"
                reading = self.reading(beside)
                exact = digits(reading, excerpt)
                found.append(Pick(f"node {node.name}", drawing.value_box(node), name, exact, reading.subnormal))
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
                if node.value is not None and drawing.moment.has(node.value):
                    text += f": {exact_text(self.reading(node.value), excerpt)}"
                held = drawing.moment.held.words(node.latex) if node.kind == "gate" else ""
                return f"{text}\n{held}" if held else text
        for wire in drawing.circuit.wires:
            if self._near(drawing, wire, point):
                return self._words(wire, excerpt, drawing.moment)
        return ""

    def _words(self, wire: Wire, excerpt: Excerpt, moment: Moment) -> str:
        text = wire.name
        norm = _input_norm(excerpt, self._step).value
        if wire.source == "input" and self._reached.forward and norm is not None:
            name = symbol_read(excerpt, self._step)
            text += f": {name}, ‖xₜ‖ = {numbers.exact(norm)}" if name else f": ‖xₜ‖ = {numbers.exact(norm)}"
        if moment.has(wire.forward):
            text += f": {exact_text(self.reading(wire.forward), excerpt)}"
        if wire.route and wire.route in excerpt.focus.cuts and self._reached.backward:
            return f"{text}\nroute {wire.route} is cut: no gradient goes back on it"
        if wire.entry and self._reached.backward and (stop := borders.stop(excerpt, self._step)):
            what = "nothing goes back" if stop == "all" else "its gradient stops"
            text += f"\na window of the truncation begins at t = {self._step}: {what}"
        if wire.backward is not None and self._reached.backward:
            there = moment.has(wire.backward)
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
