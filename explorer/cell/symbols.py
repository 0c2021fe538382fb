"""Every symbol that the cell panel typesets: they are shipped, so that none is typeset while the window runs."""

from __future__ import annotations

from itertools import product

from engine.spec import CellKind
from explorer.cell import equations, wiring

CELLS: tuple[tuple[CellKind, str], ...] = (
    *(("rnn", activation) for activation in ("tanh", "relu", "leaky_relu", "sigmoid", "identity")),
    ("lstm", "tanh"),
    ("gru", "tanh"),
)
INPUT = "x_t"


def used() -> frozenset[str]:
    found = {INPUT}
    for (cell, activation), layer_norm, reverse in product(CELLS, (False, True), (False, True)):
        of_c = cell == "lstm"
        for section in equations.sections(cell, activation, layer_norm, reverse, of_c):
            found.update(token.latex for equation in section.equations for token in equation.tokens)
        circuit = wiring.circuit(cell, activation, layer_norm, reverse, of_c)
        found.update(node.latex for node in circuit.nodes)
        found.update(label.latex for label in circuit.labels)
    return frozenset(found)
