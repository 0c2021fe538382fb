"""What a cell does within one step, operation by operation, and what each of them yields. Plain data.

Forward an operation makes values; backward, in reverse order, the same operation hands the gradient on to what it was
made of: both ways have the same names. A sum hands on what it gets and is no operation of its own on the way back, and
one more stands at its start, where ∂L/∂h arrives. Symbols are those of engine.cells.

    RNN    the two sides, their sum a, h
    LSTM   sums a; f, i, g; f ⊙ c₋, i ⊙ g, c; o, tanh c, h
    GRU    sums a_z, a_r and q; z, r; r ⊙ q, a_n, n; (1 − z) ⊙ n, z ⊙ h₋, h

With layer normalisation the sums are s, and one operation makes a of them.

What is yielded is named by keys. "values.f", "grads.a_f", "input.a_f", "recurrent.a_f" are `Excerpt.cell_series`' own;
"values.f*c_prev" is a product that no trace keeps, "grads.tanh_c" the gradient of one; "back.h" and "back.c" are what
goes to the states of the step before, through W_hh and past it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from engine.quantities import GATES
from engine.spec import CellKind

Way = Literal["forward", "backward"]


@dataclass(frozen=True, slots=True)
class CellOperation:
    symbol: str
    """What it makes, as it is written: "f", "f⊙c₋"."""
    title: str
    """In words, symbol included: "forget gate f"."""
    forward: tuple[str, ...]
    """Keys of the values that it yields; () where it belongs to the way back alone."""
    backward: tuple[str, ...]
    """Keys of the gradients that it yields; () for an operation that only hands on."""
    backward_title: str = ""
    """Where the way back has other words for it."""

    def yields(self, way: Way) -> tuple[str, ...]:
        return self.forward if way == "forward" else self.backward

    def words(self, way: Way) -> str:
        return self.backward_title if way == "backward" and self.backward_title else self.title


@cache
def operations(cell: CellKind, way: Way, layer_norm: bool = False) -> tuple[CellOperation, ...]:
    """A step's operations in the order in which they are done."""
    made = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}[cell](layer_norm)
    return made if way == "forward" else (_ARRIVAL, *(one for one in reversed(made) if one.backward))


def known(cell: CellKind, way: Way, done: int, layer_norm: bool = False) -> frozenset[str]:
    """The keys that the first `done` operations have yielded."""
    return frozenset(key for one in operations(cell, way, layer_norm)[:done] for key in one.yields(way))


_BACK = "back through W_hh"
_ARRIVAL = CellOperation("δh", "what arrives at h", (), ("grads.h", "grads.h_direct", "grads.h_hidden"))


def _sides(cell: CellKind) -> tuple[str, ...]:
    names = [f"a_{gate}" if gate else "a" for gate in GATES[cell]]
    return tuple(f"{side}.{name}" for side in ("input", "recurrent") for name in names)


def _keys(kind: str, *symbols: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{symbol}" for symbol in symbols)


def _normed(names: tuple[str, ...]) -> CellOperation:
    """a of s, for these pre-activations ("a_f"); on the way back δs of δa."""
    sums = tuple("s" + name[1:] for name in names)
    forward = (*_keys("values", *names), *_keys("normed", *names), *_keys("spread", *names))
    backward = (*_keys("grads", *sums), *_keys("centre", *names), *_keys("along", *names))
    symbol = names[0] if len(names) == 1 else "a"
    return CellOperation(symbol, f"layer normalisation {symbol}", forward, backward)


def _rnn(norm: bool) -> tuple[CellOperation, ...]:
    total = "s" if norm else "a"
    return (
        CellOperation("W_ih x", "input part W_ih x", ("input.a",), ()),
        CellOperation("W_hh h₋", "recurrent part W_hh h₋", ("recurrent.a",), ("back.h",), _BACK),
        CellOperation(total, f"sum {total}", _keys("values", total), ()),
        *((_normed(("a",)),) if norm else ()),
        CellOperation("h", "hidden state h", ("values.h",), ("grads.a",)),
    )


def _lstm(norm: bool) -> tuple[CellOperation, ...]:
    gates = ("f", "i", "g", "o")
    names = tuple(f"a_{gate}" for gate in gates)
    sums = tuple("s" + name[1:] for name in names) if norm else names
    title = {"f": "forget gate f", "i": "input gate i", "g": "candidate g", "o": "output gate o"}
    made = {g: CellOperation(g, title[g], _keys("values", g), _keys("grads", f"a_{g}")) for g in gates}
    letter = "s" if norm else "a"
    return (
        CellOperation(letter, f"sums {letter}", (*_sides("lstm"), *_keys("values", *sums)), ("back.h",), _BACK),
        *((_normed(names),) if norm else ()),
        made["f"],
        made["i"],
        made["g"],
        CellOperation("f⊙c₋", "product f⊙c₋", ("values.f*c_prev",), ("grads.f", "back.c")),
        CellOperation("i⊙g", "product i⊙g", ("values.i*g",), ("grads.i", "grads.g")),
        CellOperation("c", "cell state c", ("values.c",), ("grads.c", "grads.c_direct")),
        made["o"],
        CellOperation("tanh c", "tanh c", ("values.tanh_c",), ("grads.through_tanh",)),
        CellOperation("h", "hidden state h", ("values.h",), ("grads.o", "grads.tanh_c")),
    )


def _gru(norm: bool) -> tuple[CellOperation, ...]:
    letter = "s" if norm else "a"
    first = (f"{letter}_z", f"{letter}_r")
    return (
        CellOperation(letter, f"sums {letter}, q", (*_sides("gru"), *_keys("values", *first, "q")), ("back.h",), _BACK),
        *((_normed(("a_z", "a_r")),) if norm else ()),
        CellOperation("z", "update gate z", ("values.z",), ("grads.a_z",)),
        CellOperation("r", "reset gate r", ("values.r",), ("grads.a_r",)),
        CellOperation("r⊙q", "product r⊙q", ("values.r*q",), ("grads.r", "grads.q")),
        CellOperation(f"{letter}_n", f"sum {letter}_n", (f"values.{letter}_n",), ()),
        *((_normed(("a_n",)),) if norm else ()),
        CellOperation("n", "candidate n", ("values.n",), ("grads.a_n",)),
        CellOperation("(1−z)⊙n", "product (1 − z)⊙n", ("values.z_rest", "values.z_rest*n"), ("grads.n", "grads.z")),
        CellOperation("z⊙h₋", "product z⊙h₋", ("values.z*h_prev",), ("back.leak",)),
        CellOperation("h", "hidden state h", ("values.h",), ()),
    )
