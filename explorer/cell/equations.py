"""The equations of the three cells, forward and backward, symbol by symbol, with what stands under each symbol.

Plain data. The backward recursions are those of the design's "The mathematics": δ is the total ∂L/∂ of what follows
it, e the loss's own ∂L/∂h_t. Symbols are PyTorch's. "Before" and "after" are the layer's own: of a reverse layer the
step that was computed before t on the way back is t − 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.quantities import GATES
from engine.spec import CellKind
from explorer.cell import functions as fn
from explorer.cell.quantity import Number, Part, series
from explorer.cell.tokens import (
    CLOSE,
    EQ,
    LEAKY,
    MINUS,
    OPEN,
    PLUS,
    RELU,
    SIGMA,
    TANH,
    TIMES,
    Equation,
    Phase,
    Script,
    Section,
    Token,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the equations and the circuit of a layer depend on."""

    cell: CellKind
    activation: str = "tanh"
    layer_norm: bool = False
    reverse: bool = False
    cell_loss: bool = False
    """A loss reads c itself."""

    @property
    def script(self) -> Script:
        return Script(self.reverse, "s" if self.layer_norm else "a")


E = Token("e_t", "eₜ", series("grads.h_direct"))
E_OF_C = Token("e^c_t", "eᶜₜ", series("grads.c_direct"))
_DELTA = "δ\u00a0= ∂L/∂ of what follows it; e\u00a0= the loss’s own\u00a0∂L/\u2060∂hₜ"
_DELTA_OF_C = "; eᶜ\u00a0= its own\u00a0∂L/\u2060∂cₜ"
_BIASES = "Each W·x and W·h has its bias in it."
_NORMED = "ŝ\u00a0= (s\u00a0−\u00a0μ)·v with v\u00a0= 1/√(σ²\u00a0+\u00a0ε); μ, σ² over the units. Weight γ, bias β."
_BACK_NORMED = "m\u00a0= mean of γ⊙δa, k\u00a0= mean of γ⊙δa⊙ŝ, over the units."


def hidden(cell: CellKind, shift: int = 0) -> Number:
    """What comes to h_t through W_hh from the step after: the excerpt's own series, or else δh_t less everything else.

    shift −1: what step t sends back to the step before.
    """
    made, own = ("back.h", "sent.h") if shift else ("grads.h_hidden", "")
    parts: tuple[Part, ...] = (Part("grads.h", shift), Part("grads.h_direct", shift))
    if cell == "gru":
        parts += (Part("grads.h", shift + 1), Part("values.z", shift + 1))
        return Number(parts, fn.less_leak, "grads.h_hidden", difference=True, made=made, own=own)
    return Number(parts, fn.less, "grads.h_hidden", difference=True, made=made, own=own)


def _x(gate: str) -> Token:
    """The input's part of a sum, with its bias."""
    symbol = f"a_{gate}" if gate else "a"
    return Token(rf"W_{{i{gate or 'h'}}}x_t", f"W_i{gate or 'h'} xₜ", series(f"input.{symbol}"))


def _h(gate: str, s: Script) -> Token:
    """The recurrent part of a sum, with its bias."""
    symbol = f"a_{gate}" if gate else "a"
    latex, plain = rf"W_{{h{gate or 'h'}}}h_{{{s.at('-')}}}", f"W_h{gate or 'h'} h{s.small('-')}"
    return Token(latex, plain, series(f"recurrent.{symbol}"))


def _recurrent(kind: Kind) -> Token:
    s = kind.script
    if kind.cell == "gru":
        a = s.letter
        latex = rf"{{W_{{hh}}}}^{{\top}}[\delta {a}_r,\delta {a}_z,\delta q]_{{{s.at('+')}}}"
        plain = f"W_hhᵀ [δ{a}_r, δ{a}_z, δq]{s.small('+')}"
    else:
        latex, plain = rf"{{W_{{hh}}}}^{{\top}}\delta {s.letter}_{{{s.at('+')}}}", f"W_hhᵀ δ{s.letter}{s.small('+')}"
    return Token(latex, plain, hidden(kind.cell), emphasis=kind.cell == "rnn")


def _slope(gate: str) -> Token:
    """σ′ of a gate from its value: f(1 − f)."""
    number = Number((Part(f"values.{gate}"),), fn.slope_sigmoid, mean=True)
    return Token(f"{gate}_t(1-{gate}_t)", f"{gate}ₜ(1 − {gate}ₜ)", number)


def _slope_tanh(symbol: str) -> Token:
    number = Number((Part(f"values.{symbol}"),), fn.slope_tanh, mean=True)
    return Token(f"(1-{symbol}_t^2)", f"(1 − {symbol}ₜ²)", number)


_U = Token("u_t", "uₜ", Number((Part("values.o"), Part("values.c")), fn.through_output, mean=True))
_TANH_C = Token(r"\tanh c_t", "tanh cₜ", Number((Part("values.c"),), np.tanh, made="values.tanh_c"))
_ONE_LESS_Z = Token("(1-z_t)", "(1 − zₜ)", Number((Part("values.z"),), fn.rest, mean=True))


def _bare(symbol: str, *, gradient: bool = False) -> Token:
    """a_t, s_t of a cell with one sum."""
    if gradient:
        return Token(rf"\delta {symbol}_t", f"δ{symbol}ₜ", series(f"grads.{symbol}"))
    return Token(f"{symbol}_t", f"{symbol}ₜ", series(f"values.{symbol}"))


def _norm_forward(names: tuple[str, ...], s: Script) -> tuple[Equation, ...]:
    """a_f = γ_f ⊙ ŝ_f + β_f."""
    found = []
    for name in names:
        gate = name[2:]
        a = s.value(name) if gate else _bare("a")
        under = f"_{{{gate}}}" if gate else ""
        gamma, standard, beta = (
            Token(latex + under, plain + (f"_{gate}" if gate else ""), series(f"{key}.{name}"))
            for latex, plain, key in ((r"\gamma", "γ", "gamma"), (r"\hat{s}", "ŝ", "normed"), (r"\beta", "β", "beta"))
        )
        found.append(Equation((a, EQ, gamma, TIMES, standard, PLUS, beta)))
    return tuple(found)


def _norm_backward(names: tuple[str, ...], s: Script) -> tuple[Equation, ...]:
    """δs_f = v_f (γ_f ⊙ δa_f − m_f − ŝ_f k_f)."""
    found = []
    for name in names:
        gate = name[2:]
        total = s.delta("s" + name[1:]) if gate else _bare("s", gradient=True)
        da = s.delta(name) if gate else _bare("a", gradient=True)
        under, plainly = (f"_{{{gate}}}", f"_{gate}") if gate else ("", "")
        v, gamma, m, standard, k = (
            Token(latex + under, plain + plainly, series(f"{key}.{name}"))
            for latex, plain, key in (
                ("v", "v", "spread"),
                (r"\gamma", "γ", "gamma"),
                ("m", "m", "centre"),
                (r"\hat{s}", "ŝ", "normed"),
                ("k", "k", "along"),
            )
        )
        right = (v, TIMES, OPEN, gamma, TIMES, da, MINUS, m, MINUS, standard, TIMES, k, CLOSE)
        found.append(Equation((total, EQ, *right)))
    return tuple(found)


def _sum(gate: str, s: Script) -> Equation:
    left = s.value(f"{s.letter}_{gate}") if gate else _bare(s.letter)
    return Equation((left, EQ, _x(gate), PLUS, _h(gate, s)))


def _gate(gate: str, function: Token, kind: Kind) -> Equation:
    s = kind.script
    inner = (s.value(f"a_{gate}"),) if kind.layer_norm else (_x(gate), PLUS, _h(gate, s))
    return Equation((s.value(gate), EQ, function, *inner, CLOSE), gate)


def _normalisation(kind: Kind, sums: tuple[Equation, ...]) -> tuple[Section, ...]:
    """The sections that layer normalisation adds."""
    if not kind.layer_norm:
        return ()
    s, names = kind.script, tuple(f"a_{gate}" if gate else "a" for gate in GATES[kind.cell])
    return (
        Section("Normalisation", "forward", _norm_forward(names, s), _NORMED),
        Section("Sums", "forward", sums, _BIASES),
        Section("Normalisation, backward", "backward", _norm_backward(names, s), _BACK_NORMED),
    )


def _rnn(kind: Kind) -> tuple[Section, ...]:
    s = kind.script
    h, a, da = s.value("h"), _bare("a"), _bare("a", gradient=True)
    of_a = Number((Part("values.a"),), fn.slope_relu, mean=True)
    note, slope = "", _slope_tanh("h")
    if kind.activation == "relu":
        slope = Token(r"1_{[a_t>0]}", "1[aₜ > 0]", of_a)
    elif kind.activation == "leaky_relu":
        slope = Token(r"\varphi'(a_t)", "φ′(aₜ)", Number((Part("values.a"),), fn.slope_leaky_relu, mean=True))
        note = " φ′\u00a0= 1 above\u00a00, 0.01 below."
    elif kind.activation == "sigmoid":
        slope = _slope("h")
    elif kind.activation == "identity":
        slope = Token("1", "1", Number((Part("values.a"),), fn.slope_identity, mean=True))
    outer = {"tanh": TANH, "relu": RELU, "leaky_relu": LEAKY, "sigmoid": SIGMA}.get(kind.activation)
    made = (h, EQ, a) if outer is None else (h, EQ, outer, a, CLOSE)
    sums = (_sum("", s),)
    return (
        Section(
            "Forward",
            "forward",
            (*(() if kind.layer_norm else sums), Equation(made)),
            "" if kind.layer_norm else _BIASES,
        ),
        Section(
            "Backward",
            "backward",
            (
                Equation((s.delta("h"), EQ, E, PLUS, _recurrent(kind))),
                Equation((da, EQ, s.delta("h"), TIMES, slope)),
            ),
            f"{_DELTA}.{note}",
        ),
        *_normalisation(kind, sums),
    )


def _lstm(kind: Kind) -> tuple[Section, ...]:
    s = kind.script
    f, i, g, o, c = map(s.value, "figoc")
    c_before = s.value("c", "-")
    dc, dh = s.delta("c"), s.delta("h")
    way = Token(TIMES.latex, TIMES.plain, operator=TIMES.operator, route="carousel")
    kept = s.value("f", "+", emphasis=True, route="carousel")
    of_c, own = ((PLUS, E_OF_C), _DELTA_OF_C) if kind.cell_loss else ((), "")
    carousel = (s.delta("c", "+", emphasis=True, route="carousel"), way, kept)
    return (
        Section(
            "Forward",
            "forward",
            (
                Equation((c, EQ, f, TIMES, c_before, PLUS, i, TIMES, g)),
                Equation((s.value("h"), EQ, o, TIMES, TANH, c, CLOSE)),
            ),
        ),
        Section(
            "Backward",
            "backward",
            (
                Equation((dh, EQ, E, PLUS, _recurrent(kind))),
                Equation((dc, EQ, *carousel, PLUS, dh, TIMES, _U, *of_c)),
            ),
            f"{_DELTA}{own}; u\u00a0=\u00a0o⊙(1\u00a0−\u00a0tanh²c). δc⊙f is the cell-state carousel.",
        ),
        Section(
            "Gates",
            "forward",
            tuple(_gate(gate, TANH if gate == "g" else SIGMA, kind) for gate in "figo"),
            "" if kind.layer_norm else _BIASES,
        ),
        Section(
            "Gates, backward",
            "backward",
            (
                Equation((s.delta("a_f"), EQ, dc, TIMES, c_before, TIMES, _slope("f")), "f"),
                Equation((s.delta("a_i"), EQ, dc, TIMES, g, TIMES, _slope("i")), "i"),
                Equation((s.delta("a_g"), EQ, dc, TIMES, i, TIMES, _slope_tanh("g")), "g"),
                Equation((s.delta("a_o"), EQ, dh, TIMES, _TANH_C, TIMES, _slope("o")), "o"),
            ),
        ),
        *_normalisation(kind, tuple(_sum(gate, s) for gate in "figo")),
    )


def _gru(kind: Kind) -> tuple[Section, ...]:
    s, a = kind.script, kind.script.letter
    h_before, n, q, r, z = s.value("h", "-"), *map(s.value, "nqrz")
    dh = s.delta("h")
    into_n = (_x("n"), PLUS, r, TIMES, q)
    make_q = Equation((q, EQ, Token(rf"W_{{hn}}h_{{{s.at('-')}}}", f"W_hn h{s.small('-')}", series("recurrent.a_n"))))
    make_n = Equation((n, EQ, TANH, *((s.value("a_n"),) if kind.layer_norm else into_n), CLOSE), "n")
    difference = Number((Part("values.h_prev"), Part("values.n")), fn.less)
    h_less_n = Token(rf"(h_{{{s.at('-')}}}-n_t)", f"(h{s.small('-')} − nₜ)", difference)
    way = Token(TIMES.latex, TIMES.plain, operator=TIMES.operator, route="leak")
    leak = (s.delta("h", "+", emphasis=True, route="leak"), way, s.value("z", "+", emphasis=True, route="leak"))
    into_r = s.delta(f"{a}_n")
    sums = (_sum("z", s), _sum("r", s), Equation((s.value(f"{a}_n"), EQ, *into_n)), make_q)
    gates = (_gate("z", SIGMA, kind), _gate("r", SIGMA, kind), *(() if kind.layer_norm else (make_q,)))
    return (
        Section(
            "Forward",
            "forward",
            (Equation((s.value("h"), EQ, _ONE_LESS_Z, TIMES, n, PLUS, z, TIMES, h_before)), make_n),
            "z = 1 keeps the old state. Half the literature has z the other way round.",
        ),
        Section(
            "Backward",
            "backward",
            (Equation((dh, EQ, *leak, PLUS, E, PLUS, _recurrent(kind))),),
            f"{_DELTA}. δh⊙z is the leak.",
        ),
        Section("Gates", "forward", gates, "" if kind.layer_norm else _BIASES),
        Section(
            "Gates, backward",
            "backward",
            (
                Equation((s.delta("a_z"), EQ, dh, TIMES, h_less_n, TIMES, _slope("z")), "z"),
                Equation((s.delta("a_n"), EQ, dh, TIMES, _ONE_LESS_Z, TIMES, _slope_tanh("n")), "n"),
                Equation((s.delta("a_r"), EQ, into_r, TIMES, q, TIMES, _slope("r")), "r"),
                Equation((s.delta("q"), EQ, into_r, TIMES, r)),
            ),
        ),
        *_normalisation(kind, sums),
    )


@cache
def sections(
    cell: CellKind, activation: str = "tanh", layer_norm: bool = False, reverse: bool = False, cell_loss: bool = False
) -> tuple[Section, ...]:
    """The equations of a cell, in the order in which they stand in the panel."""
    kind = Kind(cell, activation, layer_norm, reverse, cell_loss)
    return {"rnn": _rnn, "lstm": _lstm, "gru": _gru}[cell](kind)


__all__ = ["Equation", "Kind", "Phase", "Section", "Token", "hidden", "sections"]
