"""The circuits of the three cells as plain data: nodes, wires, and what flows on each, forward and backward.

Coordinates: x from 0 (left edge, towards step t−1) to 1 (right edge, towards t+1), y from the top, in logical pixels at
text of 100 %. Of a reverse layer, whose way leads from right to left, the circuit is its own mirror image. What flows
backward on a wire is the gradient of what flows forward on it; where the step before comes in, it is what step t sends
back to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from engine.spec import CellKind
from explorer.cell import functions as fn
from explorer.cell.equations import Kind, hidden
from explorer.cell.quantity import Array, Number, Part, series

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    at: Point
    latex: str
    kind: Literal["operation", "gate", "function", "weights", "norm"]
    name: str
    """For tool tips."""
    made: tuple[str, str]
    """The keys (engine.operations_of_cell) that say that it has done its work, forward and backward."""
    value: Number | None = None
    """Stands beside a gate."""
    gradient: Number | None = None
    """Stands there in its place while the gate's turn is on the way back."""


@dataclass(frozen=True, slots=True)
class Wire:
    points: tuple[Point, ...]
    forward: Number | None
    backward: Number | None
    name: str
    """What flows forward, for tool tips."""
    road: bool = False
    """Leads from one step to the next: drawn with an arrow head."""
    source: Literal["state", "input", "loss"] = "state"
    route: str = ""
    """The route that leads over it to the step before (engine.quantities.ROUTES), where it can be cut."""
    entry: bool = False
    """The step before comes in here."""


@dataclass(frozen=True, slots=True)
class Label:
    """Symbol and number at an edge of the cell, in one phase."""

    at: Point
    """y is the baseline."""
    align: Literal["left", "right"]
    phase: Literal["forward", "backward", "loss"]
    latex: str
    number: Number
    route: str = ""
    """It is what this route brings."""


@dataclass(frozen=True, slots=True)
class Circuit:
    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    labels: tuple[Label, ...]
    input_at: Point
    """Where x_t and its numbers end; y is the baseline."""
    frame: tuple[float, float, float, float]
    """Left, top, right and bottom of the cell's outline."""
    height: float
    reverse: bool = False
    """What comes in comes from the right."""


def _of(function: Callable[..., Array], made: str, *keys: str) -> Number:
    return Number(tuple(Part(key) for key in keys), function, made=made)


H_BEFORE, H, C_BEFORE, C = (series(f"values.{symbol}") for symbol in ("h_prev", "h", "c_prev", "c"))
DH, DC, DIRECT = series("grads.h"), series("grads.c"), series("grads.h_direct")
DIRECT_C = series("grads.c_direct")


def _gate(symbol: str, x: float, y: float, name: str) -> Node:
    made = (f"values.{symbol}", f"grads.a_{symbol}")
    return Node((x, y), symbol, "gate", name, made, series(f"values.{symbol}"), series(made[1]))


def _riser(gate: str, x: float, bottom: float, top: float, kind: Kind, *, route: bool = True) -> Wire:
    """From the rail up into a gate: the sum."""
    symbol = f"{kind.script.letter}_{gate}"
    name = f"sum {symbol}" if kind.layer_norm else f"pre-activation {symbol}"
    way = ((x, bottom), (x, top))
    return Wire(way, series(f"values.{symbol}"), series(f"grads.{symbol}"), name, route=gate if route else "")


def _norm(gate: str, at: Point, kind: Kind) -> tuple[Node, ...]:
    if not kind.layer_norm:
        return ()
    symbol = f"_{gate}" if gate else ""
    return (
        Node(
            at, "N", "norm", f"layer normalisation: a{symbol} of s{symbol}", (f"values.a{symbol}", f"grads.s{symbol}")
        ),
    )


def _loss(x: float, top: float, height: float) -> Wire:
    return Wire(((x, height), (x, top)), None, DIRECT, "the loss’s own ∂L/∂hₜ", source="loss")


def _edges(y: float, latex: str, kind: Kind, right: float = 1.0) -> tuple[Label, ...]:
    """Labels of the hidden state at both edges."""
    return (
        Label((0.0, y), "left", "forward", f"h_{{{kind.script.at('-')}}}", H_BEFORE),
        Label((right, y), "right", "forward", "h_t", H),
        Label((0.0, y), "left", "backward", latex, hidden(kind.cell, -1)),
        Label((right, y), "right", "backward", r"\delta h_t", DH),
    )


def _rnn(kind: Kind) -> Circuit:
    line, height = 48.0, 142.0
    s, total = kind.script, kind.script.letter
    a, da = series(f"values.{total}"), series(f"grads.{total}")
    outer, words = {
        "tanh": (r"\tanh", "tanh"),
        "relu": (r"\mathrm{ReLU}", "ReLU"),
        "leaky_relu": (r"\mathrm{LReLU}", "leaky ReLU"),
        "sigmoid": (r"\sigma", "σ"),
        "identity": (r"\mathrm{id}", "identity"),
    }[kind.activation]
    weights, plus, out = 0.23, 0.48, 0.77
    before = f"h{s.small('-')}"
    made = f"{total}ₜ = W_ih xₜ + W_hh {before} + biases"
    return Circuit(
        nodes=(
            Node((weights, line), "W_{hh}", "weights", "recurrent weights W_hh", ("recurrent.a", "back.h")),
            Node((plus, 94), "W_{ih}", "weights", "input weights W_ih", ("input.a", "")),
            Node((plus, line), "+", "operation", made, (f"values.{total}", "back.h")),
            *_norm("", ((plus + out) / 2, line), kind),
            Node((out, line), outer, "function", f"hₜ = {words}(aₜ)", ("values.h", "grads.a")),
        ),
        wires=(
            Wire(
                ((0, line), (weights, line)), H_BEFORE, hidden("rnn", -1), f"hidden state {before}",
                road=True, route="a", entry=True,
            ),
            Wire(((weights, line), (plus, line)), series("recurrent.a"), da, f"recurrent part of {total}ₜ"),
            Wire(((plus, line), (out, line)), a, da, f"{'sum' if kind.layer_norm else 'pre-activation'} {total}ₜ"),
            Wire(((out, line), (1, line)), H, DH, "hidden state hₜ", road=True),
            Wire(((plus, height), (plus, 94)), None, None, "input xₜ", source="input"),
            Wire(((plus, 94), (plus, line)), series("input.a"), None, f"input part of {total}ₜ"),
            _loss(0.965, line, height),
        ),
        labels=(
            *_edges(line - 28, rf"{{W_{{hh}}}}^{{\top}}\delta {total}_t", kind),
            Label((plus + 0.04, line + 28), "left", "forward", f"{total}_t", a),
            Label((plus + 0.04, line + 28), "left", "backward", rf"\delta {total}_t", da),
            Label((0.94, height - 6), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(plus - 0.025, height - 6),
        frame=(0.07, line - 22, 0.93, 115),
        height=height,
    )  # fmt: skip


def _lstm(kind: Kind) -> Circuit:
    top, mid, low, rail, height = 40.0, 84.0, 126.0, 168.0, 216.0
    f, i, g, o, out = 0.15, 0.355, 0.53, 0.735, 0.905
    s = kind.script
    c_, h_ = f"c{s.small('-')}", f"h{s.small('-')}"
    back = hidden("lstm", -1)
    carousel = replace(_of(fn.product, "back.c", "grads.c", "values.f"), own="sent.c")
    kept = _of(fn.product, "values.f*c_prev", "values.f", "values.c_prev")
    new = _of(fn.product, "values.i*g", "values.i", "values.g")
    tanh_c = _of(np.tanh, "values.tanh_c", "values.c")
    through_tanh = _of(fn.through_u, "grads.through_tanh", "grads.h", "values.o", "values.c")
    to_tanh = _of(fn.product, "grads.tanh_c", "grads.h", "values.o")
    gates = (("f", f, low), ("i", i, low), ("g", g, low), ("o", o, low + 6))
    return Circuit(
        nodes=(
            Node((f, top), r"\times", "operation", f"f⊙{c_}", ("values.f*c_prev", "back.c")),
            Node((i, top), "+", "operation", f"cₜ = f⊙{c_} + i⊙g", ("values.c", "grads.c")),
            Node((i, mid), r"\times", "operation", "i⊙g", ("values.i*g", "grads.i")),
            Node((o, 66), r"\tanh", "function", "tanh cₜ", ("values.tanh_c", "grads.through_tanh")),
            Node((o, 96), r"\times", "operation", "hₜ = o⊙tanh cₜ", ("values.h", "grads.tanh_c")),
            _gate("f", f, low, "forget gate f"),
            _gate("i", i, low, "input gate i"),
            _gate("g", g, low, "candidate g"),
            _gate("o", o, low + 6, "output gate o"),
            *(node for gate, x, _ in gates for node in _norm(gate, (x, rail - 15), kind)),
        ),
        wires=(
            Wire(((0, top), (f, top)), C_BEFORE, carousel, f"cell state {c_}", road=True, route="carousel", entry=True),
            Wire(((f, top), (i, top)), kept, DC, f"f⊙{c_}"),
            Wire(((i, top), (o, top)), C, DC, "cell state cₜ"),
            Wire(((o, top), (1, top)), C, DC, "cell state cₜ", road=True),
            Wire(((f, low), (f, top)), series("values.f"), series("grads.f"), "forget gate f"),
            Wire(((i, mid), (i, top)), new, DC, "i⊙g"),
            Wire(((i, low), (i, mid)), series("values.i"), series("grads.i"), "input gate i"),
            Wire(((g, low), (g, mid), (i, mid)), series("values.g"), series("grads.g"), "candidate g"),
            Wire(((o, top), (o, 66)), C, through_tanh, "cₜ into tanh"),
            Wire(((o, 66), (o, 96)), tanh_c, to_tanh, "tanh cₜ"),
            Wire(((o, low + 6), (o, 96)), series("values.o"), series("grads.o"), "output gate o"),
            Wire(((o, 96), (out, 96), (out, rail), (1, rail)), H, DH, "hidden state hₜ", road=True),
            Wire(((0, rail), (o, rail)), H_BEFORE, back, f"hidden state {h_}", road=True, entry=True),
            *(_riser(gate, x, rail, y, kind) for gate, x, y in gates),
            Wire(((0.455, height), (0.455, rail)), None, None, "input xₜ", source="input"),
            _loss(0.96, rail, height),
            *(
                (Wire(((0.645, 6), (0.645, top)), None, DIRECT_C, "the loss’s own ∂L/∂cₜ", source="loss"),)
                if kind.cell_loss
                else ()
            ),
        ),
        labels=(
            *((Label((0.625, top - 22), "right", "loss", "e^c_t", DIRECT_C),) if kind.cell_loss else ()),
            *_edges(rail + 25, rf"{{W_{{hh}}}}^{{\top}}\delta {s.letter}_t", kind, 0.935),
            Label((0.0, top - 22), "left", "forward", f"c_{{{s.at('-')}}}", C_BEFORE),
            Label((1.0, top - 22), "right", "forward", "c_t", C),
            Label((0.0, top - 22), "left", "backward", r"\delta c_t\odot f_t", carousel, "carousel"),
            Label((1.0, top - 22), "right", "backward", r"\delta c_t", DC),
            Label((0.935, height - 6), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(0.43, height - 6),
        frame=(0.07, top - 15, 0.925, rail + 10),
        height=height,
    )


def _gru(kind: Kind) -> Circuit:
    top, mid, low, rail, below, height = 40.0, 84.0, 126.0, 164.0, 177.0, 216.0
    split, z, r, rq, plus, n = 0.05, 0.2, 0.37, 0.53, 0.615, 0.77
    s = kind.script
    before = f"h{s.small('-')}"
    back = hidden("gru", -1)
    leak = replace(_of(fn.product, "back.leak", "grads.h", "values.z"), own="sent.leak")
    both = (Part("grads.h", -1), Part("grads.h_direct", -1))
    everything = Number(both, fn.less, difference=True, made="back.h", own="sent.all")
    away = _of(fn.product, "grads.z", "grads.h", "values.n")  # without its sign: only its size is drawn
    new = _of(fn.new, "values.z_rest*n", "values.z", "values.n")
    kept = _of(fn.product, "values.z*h_prev", "values.z", "values.h_prev")
    inner = _of(fn.product, "values.r*q", "values.r", "values.q")
    make_q = f"q = W_hn {before} + b_hn"
    rest = _of(fn.rest, "values.z_rest", "values.z")
    into = f"values.{s.letter}_n"
    into_n = series(f"grads.{s.letter}_n")
    return Circuit(
        nodes=(
            Node((z, top), r"\times", "operation", f"z⊙{before}: the leak", ("values.z*h_prev", "back.leak")),
            Node((n, top), "+", "operation", f"hₜ = (1 − z)⊙n + z⊙{before}", ("values.h", "grads.h")),
            Node((0.475, mid), "1{-}", "function", "1 − z", ("values.z_rest", "grads.z")),
            Node((n, mid), r"\times", "operation", "(1 − z)⊙n", ("values.z_rest*n", "grads.n")),
            Node((rq, low), r"\times", "operation", f"r⊙q, q = W_hn {before} + b_hn", ("values.r*q", "grads.q")),
            _gate("z", z, low, "update gate z"),
            _gate("r", r, low, "reset gate r"),
            _gate("n", n, low, "candidate n"),
            *_norm("z", (z, rail - 14), kind),
            *_norm("r", (r, rail - 14), kind),
            Node((plus, low), "+", "operation", f"{s.letter}_n = W_in xₜ + b_in + r⊙q", (into, f"grads.{s.letter}_n")),
            *_norm("n", (0.683, low), kind),
        ),
        wires=(
            Wire(
                ((split, top), (z, top)), H_BEFORE, leak, f"hidden state {before}, straight on: the leak",
                road=True, route="leak",
            ),
            Wire(((z, top), (n, top)), kept, DH, f"z⊙{before}"),
            Wire(((n, top), (1, top)), H, DH, "hidden state hₜ", road=True),
            Wire(((z, low), (z, top)), series("values.z"), series("grads.z"), "update gate z"),
            Wire(((z, mid), (0.475, mid)), series("values.z"), away, "update gate z"),
            Wire(((0.475, mid), (n, mid)), rest, away, "1 − z"),
            Wire(((n, mid), (n, top)), new, DH, "(1 − z)⊙n"),
            Wire(((n, low), (n, mid)), series("values.n"), series("grads.n"), "candidate n"),
            Wire(((r, low), (rq, low)), series("values.r"), series("grads.r"), "reset gate r"),
            Wire(((rq, rail), (rq, low)), series("values.q"), series("grads.q"), make_q, route="n"),
            Wire(((rq, low), (plus, low)), inner, into_n, "r⊙q"),
            Wire(((plus, low), (n, low)), series(into), into_n, f"sum {s.letter}_n"),
            Wire(
                ((split, top), (split, rail), (rq, rail)), H_BEFORE, back, f"hidden state {before}, to the gates",
                road=True,
            ),
            Wire(((0, top), (split, top)), H_BEFORE, everything, f"hidden state {before}", entry=True),
            _riser("z", z, rail, low, kind),
            _riser("r", r, rail, low, kind),
            Wire(((0.48, height), (0.48, rail)), None, None, "input xₜ", source="input"),
            Wire(((0.48, below), (plus, below), (plus, low)), None, None, "input xₜ", source="input"),
            _loss(0.965, top, height),
        ),
        labels=(
            Label((0.0, top - 22), "left", "forward", f"h_{{{s.at('-')}}}", H_BEFORE),
            Label((1.0, top - 22), "right", "forward", "h_t", H),
            Label((0.0, top - 22), "left", "backward", r"\delta h_t\odot z_t", leak, "leak"),
            Label((1.0, top - 22), "right", "backward", r"\delta h_t", DH),
            Label((0.0, rail + 27), "left", "backward", r"{W_{hh}}^{\top}[\,\cdot\,]_t", back),
            Label((0.94, height - 4), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(0.455, height - 6),
        frame=(0.025, top - 15, 0.92, below + 6),
        height=height,
    )  # fmt: skip


def _mirrored(it: Circuit) -> Circuit:
    """For a layer that runs from T to 1: what comes in comes from the right."""

    def turned(point: Point) -> Point:
        return 1 - point[0], point[1]

    left, top, right, bottom = it.frame
    return Circuit(
        nodes=tuple(replace(node, at=turned(node.at)) for node in it.nodes),
        wires=tuple(replace(wire, points=tuple(map(turned, wire.points))) for wire in it.wires),
        labels=tuple(
            replace(label, at=turned(label.at), align="left" if label.align == "right" else "right")
            for label in it.labels
        ),
        input_at=turned(it.input_at),
        frame=(1 - right, top, 1 - left, bottom),
        height=it.height,
        reverse=True,
    )


@cache
def circuit(
    cell: CellKind, activation: str = "tanh", layer_norm: bool = False, reverse: bool = False, cell_loss: bool = False
) -> Circuit:
    kind = Kind(cell, activation, layer_norm, reverse, cell_loss)
    made = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}[cell](kind)
    return _mirrored(made) if reverse else made
