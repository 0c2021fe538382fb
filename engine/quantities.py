"""The names of what a trace holds, cell by cell. Plain data: views and files speak of quantities by these names.

A key is "values.f" or "grads.a_f": the quantity itself, or the total gradient ∂L/∂(it).
Symbols are PyTorch's; the GRU's is h = (1 − z)⊙n + z⊙h₋ (half the literature has z the other way round).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import SpecError
from engine.spec import CellKind

Kind = Literal["state", "gate", "candidate", "preactivation"]


@dataclass(frozen=True, slots=True)
class Quantity:
    symbol: str
    """As in `layer.values`: "f", "a_f"."""
    title: str
    kind: Kind
    low: float | None
    """Range of the values; None where they are unbounded."""
    high: float | None
    note: str = ""
    """What the ends of the range mean, in a word or two."""


def _pre(gate: str, of: str) -> Quantity:
    return Quantity(f"a_{gate}" if gate else "a", f"Pre-activation of {of}", "preactivation", None, None)


_GATE_ENDS = "0 closed, 1 open"

QUANTITIES: dict[CellKind, tuple[Quantity, ...]] = {
    "rnn": (
        Quantity("h", "Hidden state", "state", None, None),
        _pre("", "h"),
    ),
    "lstm": (
        Quantity("f", "Forget gate", "gate", 0.0, 1.0, "0 forgets, 1 keeps"),
        Quantity("i", "Input gate", "gate", 0.0, 1.0, _GATE_ENDS),
        Quantity("g", "Candidate", "candidate", -1.0, 1.0),
        Quantity("o", "Output gate", "gate", 0.0, 1.0, _GATE_ENDS),
        Quantity("c", "Cell state", "state", None, None),
        Quantity("h", "Hidden state", "state", -1.0, 1.0),
        _pre("f", "f"),
        _pre("i", "i"),
        _pre("g", "g"),
        _pre("o", "o"),
    ),
    "gru": (
        Quantity("z", "Update gate", "gate", 0.0, 1.0, "0 replaces, 1 keeps"),
        Quantity("r", "Reset gate", "gate", 0.0, 1.0, "0 drops the past, 1 lets it in"),
        Quantity("n", "Candidate", "candidate", -1.0, 1.0),
        Quantity("h", "Hidden state", "state", None, None),
        Quantity("q", "Recurrent part of the candidate", "preactivation", None, None),
        _pre("z", "z"),
        _pre("r", "r"),
        _pre("n", "n"),
    ),
}

STATES: dict[CellKind, tuple[str, ...]] = {"rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
GATES: dict[CellKind, tuple[str, ...]] = {"rnn": ("",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
"""The row blocks of the weight matrices, in torch's order."""

CLAMPABLE: dict[CellKind, tuple[str, ...]] = {"rnn": (), "lstm": GATES["lstm"], "gru": GATES["gru"]}
"""What a what-if can hold at a value."""
HELD_WITHIN: dict[str, tuple[float, float]] = {
    q.symbol: (q.low, q.high)
    for cell, found in QUANTITIES.items()
    for q in found
    if q.symbol in CLAMPABLE[cell] and q.low is not None and q.high is not None
}
"""At values that the gate's own function has: σ of a gate, tanh of a candidate, ends included."""
ROUTES: dict[CellKind, tuple[str, ...]] = {
    "rnn": ("a",),
    "lstm": ("carousel", "i", "f", "g", "o"),
    "gru": ("leak", "z", "r", "n"),
}
"""The ways of a gradient from step t to step t − 1: past the weights, or through a gate's block of them."""

CELL_TITLES: dict[CellKind, str] = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def layer_title(name: str) -> str:
    """A layer as people count, from 1, with ← where it runs from the last step to the first: "l1_reverse" is
    "layer 2 ←". Everything that somebody reads calls it so; torch's own names are those of files and of weights."""
    number = int(name.removeprefix("l").removesuffix("_reverse")) + 1
    return f"layer {number}{' ←' if name.endswith('_reverse') else ''}"


def layer_words(name: str, cell: CellKind) -> str:
    """ "layer 2 · LSTM ←"."""
    number, arrow, _ = layer_title(name).partition(" ←")
    return f"{number} · {CELL_TITLES[cell]}{arrow}"


def quantities(cell: CellKind, layer_norm: bool = False) -> tuple[Quantity, ...]:
    """What a layer of that kind records. With layer normalisation a_f is what the gate is made of, after it, and s_f
    what was normalised."""
    found = QUANTITIES[cell]
    if not layer_norm:
        return found
    sums = (q for q in found if q.symbol == "a" or q.symbol.startswith("a_"))
    return found + tuple(
        Quantity("s" + q.symbol[1:], q.title.replace("Pre-activation", "Sum before normalisation"), q.kind, None, None)
        for q in sums
    )


def quantity(cell: CellKind, symbol: str) -> Quantity:
    for found in quantities(cell, symbol.startswith("s")):
        if found.symbol == symbol:
            return found
    names = ", ".join(q.symbol for q in QUANTITIES[cell])
    raise SpecError(f"'{symbol}' is no quantity of the {CELL_TITLES[cell]}; it has {names}.")


def split_key(key: str, cell: CellKind) -> tuple[Literal["values", "grads"], Quantity]:
    """ "grads.a_f" → ("grads", the quantity a_f). Raises SpecError."""
    kind, _, symbol = key.partition(".")
    if kind == "values":
        return "values", quantity(cell, symbol)
    if kind == "grads":
        return "grads", quantity(cell, symbol)
    raise SpecError(f"'{key}' is no quantity; write values.SYMBOL or grads.SYMBOL.")


def keys(cell: CellKind) -> tuple[str, ...]:
    """Every key of a cell, values first."""
    symbols = [q.symbol for q in QUANTITIES[cell]]
    return tuple(f"values.{s}" for s in symbols) + tuple(f"grads.{s}" for s in symbols)
