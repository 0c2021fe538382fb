"""Which arrays the cell panel can make use of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from engine.spec import CellKind
from explorer.cell.equations import sections
from explorer.cell.quantity import Number
from explorer.cell.wiring import circuit


@cache
def wanted_keys(cell: CellKind) -> tuple[str, ...]:
    """The arrays that means and the norms of products are made of, for `Look.keys` where the look is at all units.

    Optional: without them those numbers are left open. For one unit none is needed.
    """
    of_arrays = (number for number in _numbers(cell) if number.function is not None or number.mean)
    found = {key for number in of_arrays for key in number.keys}
    return tuple(sorted({key.removesuffix("_prev") for key in found} - {"grads.h_direct"}))


def _numbers(cell: CellKind) -> Iterator[Number]:
    for activation in ("tanh", "relu", "leaky_relu", "sigmoid", "identity") if cell == "rnn" else ("tanh",):
        for section in sections(cell, activation):
            for equation in section.equations:
                yield from (token.number for token in equation.tokens if token.number is not None)
    for wire in circuit(cell).wires:
        yield from (number for number in (wire.forward, wire.backward) if number is not None)
