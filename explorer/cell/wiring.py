"""The circuits of the three cells as plain data: nodes, wires, and what flows on each, forward and backward.

Coordinates: x from 0 (left edge, towards step t−1) to 1 (right edge, towards t+1), y in logical pixels from the top.
What flows backward on a wire is the gradient of what flows forward on it; on the wires at the left edge it is what
step t sends to t−1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from engine.spec import CellKind
from explorer.cell.equations import hidden, through_output
from explorer.cell.quantity import Array, Number, Part, series

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Node:
    at: Point
    latex: str
    kind: Literal["operation", "gate", "function", "weights"]
    name: str
    """For tool tips."""
    value: Number | None = None
    """Stands beside a gate."""


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


@dataclass(frozen=True, slots=True)
class Label:
    """Symbol and number at an edge of the cell, in one phase."""

    at: Point
    """y is the baseline."""
    align: Literal["left", "right"]
    phase: Literal["forward", "backward", "loss"]
    latex: str
    number: Number


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


def _of(function: Callable[..., Array], *keys: str) -> Number:
    return Number(tuple(Part(key) for key in keys), function)


def _product(first: Array, second: Array) -> Array:
    return first * second


def _difference(first: Array, second: Array) -> Array:
    return first - second


def _through_u(dh: Array, o: Array, c: Array) -> Array:
    return dh * through_output(o, c)


def _less_z(z: Array) -> Array:
    return 1 - z


def _new(z: Array, n: Array) -> Array:
    return (1 - z) * n


H_BEFORE, H, C_BEFORE, C = (series(f"values.{symbol}") for symbol in ("h_prev", "h", "c_prev", "c"))
DH, DC, DIRECT = series("grads.h"), series("grads.c"), series("grads.h_direct")


def _gate(symbol: str, x: float, y: float, name: str) -> Node:
    return Node((x, y), symbol, "gate", name, series(f"values.{symbol}"))


def _riser(gate: str, x: float, bottom: float, top: float) -> Wire:
    """From the rail up into a gate: the pre-activation."""
    symbol = f"a_{gate}"
    return Wire(
        ((x, bottom), (x, top)), series(f"values.{symbol}"), series(f"grads.{symbol}"), f"pre-activation {symbol}"
    )


def _loss(x: float, top: float, height: float) -> Wire:
    return Wire(((x, height), (x, top)), None, DIRECT, "the loss’s own ∂L/∂hₜ", source="loss")


def _edges(y_left: float, y_right: float, latex: str, cell: CellKind, right: float = 1.0) -> tuple[Label, ...]:
    """Labels of the hidden state at both edges."""
    return (
        Label((0.0, y_left), "left", "forward", "h_{t-1}", H_BEFORE),
        Label((right, y_right), "right", "forward", "h_t", H),
        Label((0.0, y_left), "left", "backward", latex, hidden(cell, -1)),
        Label((right, y_right), "right", "backward", r"\delta h_t", DH),
    )


def _rnn(activation: str) -> Circuit:
    line, height = 48.0, 142.0
    a, da = series("values.a"), series("grads.a")
    outer = r"\tanh" if activation == "tanh" else r"\mathrm{ReLU}"
    weights, plus, out = 0.23, 0.48, 0.77
    return Circuit(
        nodes=(
            Node((weights, line), "W_{hh}", "weights", "recurrent weights W_hh"),
            Node((plus, 94), "W_{ih}", "weights", "input weights W_ih"),
            Node((plus, line), "+", "operation", "aₜ = W_ih xₜ + W_hh hₜ₋₁ + biases"),
            Node((out, line), outer, "function", f"hₜ = {'tanh' if activation == 'tanh' else 'ReLU'}(aₜ)"),
        ),
        wires=(
            Wire(((0, line), (weights, line)), H_BEFORE, hidden("rnn", -1), "hidden state hₜ₋₁", road=True),
            Wire(((weights, line), (plus, line)), series("recurrent.a"), da, "recurrent part of aₜ"),
            Wire(((plus, line), (out, line)), a, da, "pre-activation aₜ"),
            Wire(((out, line), (1, line)), H, DH, "hidden state hₜ", road=True),
            Wire(((plus, height), (plus, 94)), None, None, "input xₜ", source="input"),
            Wire(((plus, 94), (plus, line)), series("input.a"), None, "input part of aₜ"),
            _loss(0.965, line, height),
        ),
        labels=(
            *_edges(line - 28, line - 28, r"{W_{hh}}^{\top}\delta a_t", "rnn"),
            Label((plus + 0.04, line + 28), "left", "forward", "a_t", a),
            Label((plus + 0.04, line + 28), "left", "backward", r"\delta a_t", da),
            Label((0.94, height - 6), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(plus - 0.025, height - 6),
        frame=(0.07, line - 22, 0.93, 115),
        height=height,
    )


def _lstm() -> Circuit:
    top, mid, low, rail, height = 40.0, 84.0, 126.0, 162.0, 210.0
    f, i, g, o, out = 0.15, 0.36, 0.545, 0.73, 0.885
    back = hidden("lstm", -1)
    carousel = _of(_product, "grads.c", "values.f")
    return Circuit(
        nodes=(
            Node((f, top), r"\times", "operation", "f⊙cₜ₋₁"),
            Node((i, top), "+", "operation", "cₜ = f⊙cₜ₋₁ + i⊙g"),
            Node((i, mid), r"\times", "operation", "i⊙g"),
            Node((o, 66), r"\tanh", "function", "tanh cₜ"),
            Node((o, 96), r"\times", "operation", "hₜ = o⊙tanh cₜ"),
            _gate("f", f, low, "forget gate f"),
            _gate("i", i, low, "input gate i"),
            _gate("g", g, low, "candidate g"),
            _gate("o", o, low + 6, "output gate o"),
        ),
        wires=(
            Wire(((0, top), (f, top)), C_BEFORE, carousel, "cell state cₜ₋₁", road=True),
            Wire(((f, top), (i, top)), _of(_product, "values.f", "values.c_prev"), DC, "f⊙cₜ₋₁"),
            Wire(((i, top), (o, top)), C, DC, "cell state cₜ"),
            Wire(((o, top), (1, top)), C, series("grads.c"), "cell state cₜ", road=True),
            Wire(((f, low), (f, top)), series("values.f"), series("grads.f"), "forget gate f"),
            Wire(((i, mid), (i, top)), _of(_product, "values.i", "values.g"), DC, "i⊙g"),
            Wire(((i, low), (i, mid)), series("values.i"), series("grads.i"), "input gate i"),
            Wire(((g, low), (g, mid), (i, mid)), series("values.g"), series("grads.g"), "candidate g"),
            Wire(((o, top), (o, 66)), C, _of(_through_u, "grads.h", "values.o", "values.c"), "cₜ into tanh"),
            Wire(((o, 66), (o, 96)), _of(np.tanh, "values.c"), _of(_product, "grads.h", "values.o"), "tanh cₜ"),
            Wire(((o, low + 6), (o, 96)), series("values.o"), series("grads.o"), "output gate o"),
            Wire(((o, 96), (out, 96), (out, rail), (1, rail)), H, DH, "hidden state hₜ", road=True),
            Wire(((0, rail), (o, rail)), H_BEFORE, back, "hidden state hₜ₋₁", road=True),
            *(_riser(gate, x, rail, low) for gate, x in (("f", f), ("i", i), ("g", g), ("o", o))),
            Wire(((0.455, height), (0.455, rail)), None, None, "input xₜ", source="input"),
            _loss(0.96, rail, height),
        ),
        labels=(
            *_edges(rail + 25, rail + 25, r"{W_{hh}}^{\top}\delta a_t", "lstm", 0.935),
            Label((0.0, top - 22), "left", "forward", "c_{t-1}", C_BEFORE),
            Label((1.0, top - 22), "right", "forward", "c_t", C),
            Label((0.0, top - 22), "left", "backward", r"\delta c_t\odot f_t", carousel),
            Label((1.0, top - 22), "right", "backward", r"\delta c_t", DC),
            Label((0.935, height - 6), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(0.43, height - 6),
        frame=(0.07, top - 15, 0.925, rail + 10),
        height=height,
    )


def _gru() -> Circuit:
    top, mid, low, rail, below, height = 40.0, 84.0, 126.0, 158.0, 171.0, 210.0
    split, z, r, rq, n = 0.05, 0.2, 0.39, 0.56, 0.74
    back, leak = hidden("gru", -1), _of(_product, "grads.h", "values.z")
    everything = Number((Part("grads.h", -1), Part("grads.h_direct", -1)), _difference, difference=True)
    away = _of(_product, "grads.h", "values.n")  # without its sign: only its size is drawn
    new = _of(_new, "values.z", "values.n")
    return Circuit(
        nodes=(
            Node((z, top), r"\times", "operation", "z⊙hₜ₋₁: the leak"),
            Node((n, top), "+", "operation", "hₜ = (1 − z)⊙n + z⊙hₜ₋₁"),
            Node((0.475, mid), "1{-}", "function", "1 − z"),
            Node((n, mid), r"\times", "operation", "(1 − z)⊙n"),
            Node((rq, low), r"\times", "operation", "r⊙q, q = W_hn hₜ₋₁ + b_hn"),
            _gate("z", z, low, "update gate z"),
            _gate("r", r, low, "reset gate r"),
            _gate("n", n, low, "candidate n"),
        ),
        wires=(
            Wire(((split, top), (z, top)), H_BEFORE, leak, "hidden state hₜ₋₁, straight on: the leak", road=True),
            Wire(((z, top), (n, top)), _of(_product, "values.z", "values.h_prev"), DH, "z⊙hₜ₋₁"),
            Wire(((n, top), (1, top)), H, DH, "hidden state hₜ", road=True),
            Wire(((z, low), (z, top)), series("values.z"), series("grads.z"), "update gate z"),
            Wire(((z, mid), (0.475, mid)), series("values.z"), away, "update gate z"),
            Wire(((0.475, mid), (n, mid)), _of(_less_z, "values.z"), away, "1 − z"),
            Wire(((n, mid), (n, top)), new, DH, "(1 − z)⊙n"),
            Wire(((n, low), (n, mid)), series("values.n"), series("grads.n"), "candidate n"),
            Wire(((r, low), (rq, low)), series("values.r"), series("grads.r"), "reset gate r"),
            Wire(((rq, rail), (rq, low)), series("values.q"), series("grads.q"), "q = W_hn hₜ₋₁ + b_hn"),
            Wire(((rq, low), (n, low)), _of(_product, "values.r", "values.q"), series("grads.a_n"), "r⊙q"),
            Wire(
                ((split, top), (split, rail), (rq, rail)), H_BEFORE, back, "hidden state hₜ₋₁, to the gates", road=True
            ),
            Wire(((0, top), (split, top)), H_BEFORE, everything, "hidden state hₜ₋₁"),
            _riser("z", z, rail, low),
            _riser("r", r, rail, low),
            Wire(((0.48, height), (0.48, rail)), None, None, "input xₜ", source="input"),
            Wire(((0.48, below), (n, below), (n, low)), None, None, "input xₜ", source="input"),
            _loss(0.965, top, height),
        ),
        labels=(
            Label((0.0, top - 22), "left", "forward", "h_{t-1}", H_BEFORE),
            Label((1.0, top - 22), "right", "forward", "h_t", H),
            Label((0.0, top - 22), "left", "backward", r"\delta h_t\odot z_t", leak),
            Label((1.0, top - 22), "right", "backward", r"\delta h_t", DH),
            Label((0.0, rail + 27), "left", "backward", r"{W_{hh}}^{\top}[\,\cdot\,]_t", back),
            Label((0.94, height - 4), "right", "loss", "e_t", DIRECT),
        ),
        input_at=(0.455, height - 6),
        frame=(0.025, top - 15, 0.92, below + 6),
        height=height,
    )


@cache
def circuit(cell: CellKind, activation: str = "tanh") -> Circuit:
    if cell == "lstm":
        return _lstm()
    if cell == "gru":
        return _gru()
    return _rnn(activation)
