"""The equations of the three cells, forward and backward, symbol by symbol, with what stands under each symbol.

Plain data. The backward recursions are those of the design's "The mathematics": δ is the total ∂L/∂ of what follows
it, e the loss's own ∂L/∂h_t, t+1 the step that was computed before on the way back. Symbols are PyTorch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from engine.spec import CellKind
from explorer.cell.quantity import Array, Number, Part, series

Phase = Literal["forward", "backward"]


@dataclass(frozen=True, slots=True)
class Token:
    """A symbol with a number under it, or an operator."""

    latex: str
    plain: str
    number: Number | None = None
    operator: str = ""
    """What stands in the row of numbers under an operator: "=", "·", "+", "tanh("."""
    emphasis: bool = False
    """On the main road of the gradient: drawn in the phase's colour."""

    @property
    def is_operator(self) -> bool:
        return self.number is None


@dataclass(frozen=True, slots=True)
class Equation:
    tokens: tuple[Token, ...]

    @property
    def plain(self) -> str:
        return " ".join(token.plain for token in self.tokens).replace("( ", "(").replace(" )", ")")


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    phase: Phase
    equations: tuple[Equation, ...]
    note: str = ""


EQ = Token("=", "=", operator="=")
PLUS = Token("+", "+", operator="+")
TIMES = Token(r"\odot", "⊙", operator="·")
CLOSE = Token(")", ")", operator=")")
SIGMA = Token(r"\sigma(", "σ(", operator="σ(")
TANH = Token(r"\tanh(", "tanh(", operator="tanh(")
RELU = Token(r"\mathrm{ReLU}(", "ReLU(", operator="ReLU(")

_SUBSCRIPTS = {"": "t", "-": "t-1", "+": "t+1"}
_PLAIN = {"": "ₜ", "-": "ₜ₋₁", "+": "ₜ₊₁"}


def value(symbol: str, when: str = "") -> Token:
    """h_t, h_{t−1} ("-") or f_{t+1} ("+")."""
    number = series(f"values.{symbol}_prev") if when == "-" else series(f"values.{symbol}", 1 if when == "+" else 0)
    latex = symbol if "_" not in symbol else f"{symbol[0]}_{{{symbol[2:]}}}"
    if "_" in symbol:
        return Token(latex, _plain_gate(symbol), number)
    return Token(f"{latex}_{{{_SUBSCRIPTS[when]}}}" if when else f"{latex}_t", symbol + _PLAIN[when], number)


def delta(symbol: str, when: str = "", *, emphasis: bool = False) -> Token:
    """δh_t = ∂L/∂h_t, δc_{t+1} ("+"), δa_f."""
    number = series(f"grads.{symbol}", 1 if when == "+" else 0)
    if "_" in symbol:
        return Token(rf"\delta {symbol[0]}_{{{symbol[2:]}}}", "δ" + _plain_gate(symbol), number, emphasis=emphasis)
    return Token(rf"\delta {symbol}_{{{_SUBSCRIPTS[when]}}}", f"δ{symbol}{_PLAIN[when]}", number, emphasis=emphasis)


def _plain_gate(symbol: str) -> str:
    return symbol  # "a_f": there is no subscript f in Unicode


E = Token("e_t", "eₜ", series("grads.h_direct"))


def _x(gate: str, plain: str) -> Token:
    """The input's part of a pre-activation, with its bias."""
    symbol = f"a_{gate}" if gate else "a"
    return Token(rf"W_{{i{gate or 'h'}}}x_t", f"W_i{gate or 'h'} xₜ", series(f"input.{symbol}"))


def _h(gate: str) -> Token:
    """The recurrent part of a pre-activation, with its bias."""
    symbol = f"a_{gate}" if gate else "a"
    return Token(rf"W_{{h{gate or 'h'}}}h_{{t-1}}", f"W_h{gate or 'h'} hₜ₋₁", series(f"recurrent.{symbol}"))


def _gate(gate: str, function: Token) -> Equation:
    return Equation((value(gate), EQ, function, _x(gate, gate), PLUS, _h(gate), CLOSE))


def _less(whole: Array, *others: Array) -> Array:
    for other in others:
        whole = whole - other
    return whole


def _less_leak(dh: Array, e: Array, dh_next: Array, z_next: Array) -> Array:
    return dh - e - dh_next * z_next


def hidden(cell: CellKind, shift: int = 0) -> Number:
    """What comes to h_t through W_hh from step t+1: the excerpt's own series, or else δh_t less everything else.

    shift −1: what step t sends back to t−1.
    """
    parts: tuple[Part, ...] = (Part("grads.h", shift), Part("grads.h_direct", shift))
    if cell == "gru":
        parts += (Part("grads.h", shift + 1), Part("values.z", shift + 1))
        return Number(parts, _less_leak, "grads.h_hidden", difference=True)
    return Number(parts, _less, "grads.h_hidden", difference=True)


def _recurrent(cell: CellKind) -> Token:
    if cell == "gru":
        latex, plain = r"{W_{hh}}^{\top}[\delta a_r,\delta a_z,\delta q]_{t+1}", "W_hhᵀ[δa_r, δa_z, δq]ₜ₊₁"
    else:
        latex, plain = r"{W_{hh}}^{\top}\delta a_{t+1}", "W_hhᵀ δaₜ₊₁"
    return Token(latex, plain, hidden(cell), emphasis=cell == "rnn")


def _slope(gate: str) -> Token:
    """σ′ of a gate from its value: f(1 − f)."""
    return Token(
        f"{gate}_t(1-{gate}_t)", f"{gate}ₜ(1 − {gate}ₜ)", Number((Part(f"values.{gate}"),), slope_sigmoid, mean=True)
    )


def _slope_tanh(symbol: str) -> Token:
    number = Number((Part(f"values.{symbol}"),), slope_tanh, mean=True)
    return Token(f"(1-{symbol}_t^2)", f"(1 − {symbol}ₜ²)", number)


def slope_sigmoid(gate: Array) -> Array:
    return gate * (1 - gate)


def slope_tanh(value: Array) -> Array:
    return 1 - value * value


def slope_relu(a: Array) -> Array:
    """torch takes 0 at a = 0."""
    return (a > 0).astype(a.dtype)


def through_output(o: Array, c: Array) -> Array:
    """u\u00a0=\u00a0o⊙(1\u00a0−\u00a0tanh²c): what of δh reaches c."""
    tanh_c: Array = np.tanh(c)
    return o * (1 - tanh_c * tanh_c)


def _rest(z: Array) -> Array:
    return 1 - z


def _minus(h: Array, n: Array) -> Array:
    return h - n


_U = Token("u_t", "uₜ", Number((Part("values.o"), Part("values.c")), through_output, mean=True))
_TANH_C = Token(r"\tanh c_t", "tanh cₜ", Number((Part("values.c"),), np.tanh))
_ONE_LESS_Z = Token("(1-z_t)", "(1 − zₜ)", Number((Part("values.z"),), _rest, mean=True))
_H_LESS_N = Token("(h_{t-1}-n_t)", "(hₜ₋₁ − nₜ)", Number((Part("values.h_prev"), Part("values.n")), _minus))


def _rnn(activation: str) -> tuple[Section, ...]:
    outer = TANH if activation == "tanh" else RELU
    slope = _slope_tanh("h")
    if activation == "relu":
        slope = Token(r"1_{[a_t>0]}", "1[aₜ > 0]", Number((Part("values.a"),), slope_relu, mean=True))
    a, da = Token("a_t", "aₜ", series("values.a")), Token(r"\delta a_t", "δaₜ", series("grads.a"))
    return (
        Section(
            "Forward",
            "forward",
            (
                Equation((a, EQ, _x("", ""), PLUS, _h(""))),
                Equation((value("h"), EQ, outer, a, CLOSE)),
            ),
            "Each W·x and W·h has its bias in it.",
        ),
        Section(
            "Backward",
            "backward",
            (
                Equation((delta("h"), EQ, E, PLUS, _recurrent("rnn"))),
                Equation((da, EQ, delta("h"), TIMES, slope)),
            ),
            "δ\u00a0= ∂L/∂ of what follows it; e\u00a0= the loss’s own\u00a0∂L/\u2060∂hₜ.",
        ),
    )


def _lstm() -> tuple[Section, ...]:
    backward = (
        Equation((delta("h"), EQ, E, PLUS, _recurrent("lstm"))),
        Equation(
            (
                delta("c"),
                EQ,
                delta("c", "+", emphasis=True),
                TIMES,
                Token("f_{t+1}", "fₜ₊₁", series("values.f", 1), emphasis=True),
                PLUS,
                delta("h"),
                TIMES,
                _U,
            )
        ),
    )
    through = (
        Equation((delta("a_f"), EQ, delta("c"), TIMES, value("c", "-"), TIMES, _slope("f"))),
        Equation((delta("a_i"), EQ, delta("c"), TIMES, value("g"), TIMES, _slope("i"))),
        Equation((delta("a_g"), EQ, delta("c"), TIMES, value("i"), TIMES, _slope_tanh("g"))),
        Equation((delta("a_o"), EQ, delta("h"), TIMES, _TANH_C, TIMES, _slope("o"))),
    )
    return (
        Section(
            "Forward",
            "forward",
            (
                Equation((value("c"), EQ, value("f"), TIMES, value("c", "-"), PLUS, value("i"), TIMES, value("g"))),
                Equation((value("h"), EQ, value("o"), TIMES, TANH, value("c"), CLOSE)),
            ),
        ),
        Section(
            "Backward",
            "backward",
            backward,
            "δ\u00a0= ∂L/∂ of what follows it; e\u00a0= the loss’s own\u00a0∂L/\u2060∂hₜ; "
            "u\u00a0=\u00a0o⊙(1\u00a0−\u00a0tanh²c). "
            "δc⊙f is the cell-state carousel.",
        ),
        Section(
            "Gates",
            "forward",
            (_gate("f", SIGMA), _gate("i", SIGMA), _gate("g", TANH), _gate("o", SIGMA)),
            "Each W·x and W·h has its bias in it.",
        ),
        Section("Gates, backward", "backward", through),
    )


def _gru() -> tuple[Section, ...]:
    n = Equation((value("n"), EQ, TANH, _x("n", "n"), PLUS, value("r"), TIMES, value("q"), CLOSE))
    q = Equation((value("q"), EQ, Token("W_{hn}h_{t-1}", "W_hn hₜ₋₁", series("recurrent.a_n"))))
    return (
        Section(
            "Forward",
            "forward",
            (
                Equation((value("h"), EQ, _ONE_LESS_Z, TIMES, value("n"), PLUS, value("z"), TIMES, value("h", "-"))),
                n,
            ),
            "z = 1 keeps the old state. Half the literature has z the other way round.",
        ),
        Section(
            "Backward",
            "backward",
            (
                Equation(
                    (
                        delta("h"),
                        EQ,
                        delta("h", "+", emphasis=True),
                        TIMES,
                        Token("z_{t+1}", "zₜ₊₁", series("values.z", 1), emphasis=True),
                        PLUS,
                        E,
                        PLUS,
                        _recurrent("gru"),
                    )
                ),
            ),
            "δ\u00a0= ∂L/∂ of what follows it; e\u00a0= the loss’s own\u00a0∂L/\u2060∂hₜ. δh⊙z is the leak.",
        ),
        Section(
            "Gates",
            "forward",
            (_gate("z", SIGMA), _gate("r", SIGMA), q),
            "Each W·x and W·h has its bias in it.",
        ),
        Section(
            "Gates, backward",
            "backward",
            (
                Equation((delta("a_z"), EQ, delta("h"), TIMES, _H_LESS_N, TIMES, _slope("z"))),
                Equation((delta("a_n"), EQ, delta("h"), TIMES, _ONE_LESS_Z, TIMES, _slope_tanh("n"))),
                Equation((delta("a_r"), EQ, delta("a_n"), TIMES, value("q"), TIMES, _slope("r"))),
                Equation((delta("q"), EQ, delta("a_n"), TIMES, value("r"))),
            ),
        ),
    )


@cache
def sections(cell: CellKind, activation: str = "tanh") -> tuple[Section, ...]:
    """The equations of a cell, in the order in which they stand in the panel."""
    if cell == "lstm":
        return _lstm()
    if cell == "gru":
        return _gru()
    return _rnn(activation)
