"""Every symbol that the cell panel typesets: they are shipped, so that none is typeset while the window runs."""

from __future__ import annotations

from engine.spec import CellKind
from explorer.cell import equations, wiring

CELLS: tuple[tuple[CellKind, str], ...] = (("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh"))
INPUT = "x_t"


def used() -> frozenset[str]:
    found = {INPUT}
    for cell, activation in CELLS:
        for section in equations.sections(cell, activation):
            found.update(token.latex for equation in section.equations for token in equation.tokens)
        circuit = wiring.circuit(cell, activation)
        found.update(node.latex for node in circuit.nodes)
        found.update(label.latex for label in circuit.labels)
    return frozenset(found)
