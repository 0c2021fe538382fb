"""What equations are written with: symbols with a number under them, and operators. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from explorer.cell.quantity import Number, ahead, series

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
    route: str = ""
    """Part of a term that a route past the weights brings: struck out where a what-if cuts it."""

    @property
    def is_operator(self) -> bool:
        return self.number is None


@dataclass(frozen=True, slots=True)
class Equation:
    tokens: tuple[Token, ...]
    gate: str = ""
    """What it makes of the gate's sum, or of the gate's gradient: not so where a what-if holds the gate."""

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
MINUS = Token("-", "−", operator="−")
TIMES = Token(r"\odot", "⊙", operator="·")
OPEN = Token("(", "(", operator="(")
CLOSE = Token(")", ")", operator=")")
SIGMA = Token(r"\sigma(", "σ(", operator="σ(")
TANH = Token(r"\tanh(", "tanh(", operator="tanh(")
RELU = Token(r"\mathrm{ReLU}(", "ReLU(", operator="ReLU(")
LEAKY = Token(r"\mathrm{LReLU}(", "LReLU(", operator="LReLU(")

_PLAIN = {"t": "ₜ", "t-1": "ₜ₋₁", "t+1": "ₜ₊₁"}


@dataclass(frozen=True, slots=True)
class Script:
    """Writes symbols for a layer's direction: of a reverse layer the step before is t + 1."""

    reverse: bool = False
    letter: str = field(default="a")
    """Of the sums that the weights make: "s" where they are normalised afterwards."""

    def at(self, when: str) -> str:
        """The subscript of this step (""), the one before ("-") or after ("+") on the layer's own way."""
        if not when:
            return "t"
        return "t-1" if (when == "-") is not self.reverse else "t+1"

    def small(self, when: str) -> str:
        """The same in plain text."""
        return _PLAIN[self.at(when)]

    def value(self, symbol: str, when: str = "", *, route: str = "", emphasis: bool = False) -> Token:
        """h_t, h₋ ("-") or f₊ ("+"); a_f, s_f."""
        number = series(f"values.{symbol}_prev") if when == "-" else series(f"values.{symbol}", 1 if when == "+" else 0)
        if "_" in symbol:
            return Token(f"{symbol[0]}_{{{symbol[2:]}}}", symbol, number)
        latex = f"{symbol}_{{{self.at(when)}}}" if when else f"{symbol}_t"
        return Token(latex, symbol + self.small(when), number, emphasis=emphasis, route=route)

    def delta(self, symbol: str, when: str = "", *, route: str = "", emphasis: bool = False) -> Token:
        """δh_t = ∂L/∂h_t, δc₊ ("+"), δa_f."""
        number = series(f"grads.{symbol}")
        if when == "+":
            number = ahead(symbol)
        if "_" in symbol:  # there is no subscript f in Unicode
            return Token(rf"\delta {symbol[0]}_{{{symbol[2:]}}}", f"δ{symbol}", number)
        latex, plain = rf"\delta {symbol}_{{{self.at(when)}}}", f"δ{symbol}{self.small(when)}"
        return Token(latex, plain, number, emphasis=emphasis, route=route)
