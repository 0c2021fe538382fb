"""How the nodes of a circuit are painted."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from explorer.cell import typeset
from explorer.cell.circuit_moment import Moment
from explorer.cell.wiring import Node
from explorer.theme.tokens import Theme

_RADIUS = {"operation": 9.5, "gate": 13.0, "function": 15.0, "weights": 15.0, "norm": 7.5}
_NODE_EM, _FUNCTION_EM, _SMALLEST_EM = 15.0, 11.0, 9.0
GLOW = 70
"""Opacity of what lies under the operation that was done last, of 255."""


def radius_of(node: Node) -> float:
    """In units. Operations of one sign are small; "tanh" needs room."""
    return 11.0 if node.latex == "1{-}" else _RADIUS[node.kind]


def paint_node(p: QPainter, node: Node, centre: QPointF, u: float, t: Theme, moment: Moment) -> None:
    """At a place, in a unit of so many pixels: its outline, its symbol, and whether it is lit, held or not reached."""
    reached, radius = moment.reached, u * radius_of(node)
    key = node.made[moment.way == "backward"]
    there = reached.forward and (not key or reached.made(key, moment.way))
    if key and key in reached.now:
        glow = QColor(t.backward if reached.backward else t.forward)
        glow.setAlpha(2 * GLOW)
        p.setPen(QPen(glow, 5 * u))
        p.setBrush(Qt.BrushStyle.NoBrush)
        p.drawEllipse(centre, radius + 2.5 * u, radius + 2.5 * u)
    outline = QColor(t.text if node.kind in ("operation", "function", "norm") else t.forward)
    if not there:
        outline = QColor(t.border)
    pen = QPen(outline, 1.6 * u)
    if not there and reached.way is not None:
        pen.setDashPattern([2, 2])
    p.setBrush(QColor(t.surface))
    if node.kind == "weights":
        p.setPen(QPen(QColor(t.border), 1.2 * u))
        p.drawRoundedRect(QRectF(centre.x() - 17 * u, centre.y() - 11 * u, 34 * u, 22 * u), 5 * u, 5 * u)
    else:
        p.setPen(pen)
        p.drawEllipse(centre, radius, radius)
    hold = moment.hold(node)
    if hold is not None:  # a second ring: somebody holds it
        ring = QPen(QColor(t.text), 1.2 * u)
        if not hold.whole:
            ring.setDashPattern([2, 2])
        p.setPen(ring)
        p.setBrush(Qt.BrushStyle.NoBrush)
        p.drawEllipse(centre, radius + 2.8 * u, radius + 2.8 * u)
    colour = outline.name() if node.kind == "gate" else t.text if there else t.muted
    if node.kind == "gate" and not there:
        colour = t.muted
    em = {"gate": _NODE_EM, "operation": _NODE_EM - 1, "norm": _SMALLEST_EM}.get(node.kind, _FUNCTION_EM)
    if typeset.width(node.latex, em * u) > 1.85 * radius:
        em *= 1.85 * radius / typeset.width(node.latex, em * u)
    typeset.draw_centred(p, node.latex, centre, em * u, colour)
