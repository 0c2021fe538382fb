"""Where the symbols of the equations stand: on common baselines, equals signs below each other, wrapped to a width.

Pure arithmetic on measured widths; nothing is drawn here. Lengths in logical pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.cell.tokens import Equation, Section, Token
from explorer.theme.tokens import GAP, PAD, TIGHT

_OPERATOR_ROOM = 5.0
"""On both sides of an operator; half of it where the row is tight."""
_NARROW = 0.82
"""Share of a number's room that is enough where a line is full: the longest numbers are then set narrower."""
_LINE_GAP = 7.0


@dataclass(frozen=True, slots=True)
class Measures:
    """What the layout needs to know of the fonts."""

    symbol: Callable[[Token], float]
    number: Callable[[Token], float]
    """Room for the widest usual number under a symbol (so that nothing moves while the tape plays), or for what stands
    under an operator."""
    em: float
    number_height: float
    heading_height: float
    note_height: Callable[[str, float], float]
    """Of a wrapped note, by its width."""


@dataclass(frozen=True, slots=True)
class Placed:
    token: Token
    section: int
    equation: int
    """Within its section."""
    left: float
    width: float
    symbol_left: float
    baseline: float
    """Of the symbol."""
    number_top: float


@dataclass(frozen=True, slots=True)
class Heading:
    section: int
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Note:
    section: int
    text: str
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Layout:
    placed: tuple[Placed, ...]
    headings: tuple[Heading, ...]
    notes: tuple[Note, ...]
    height: float

    @property
    def width(self) -> float:
        """As far to the right as anything reaches."""
        return max((item.left + item.width for item in self.placed), default=0.0)


def lay_out(sections: Sequence[Section], width: float, m: Measures) -> Layout:
    placed: list[Placed] = []
    headings: list[Heading] = []
    notes: list[Note] = []
    y = 0.0
    ascent, descent = 0.86 * m.em, 0.42 * m.em
    for number, section in enumerate(sections):
        y += GAP + TIGHT if number else 0
        headings.append(Heading(number, y, y + m.heading_height))
        y += m.heading_height + TIGHT
        first = max(_slot(equation.tokens[0], m) for equation in section.equations)
        for place, equation in enumerate(section.equations):
            for row in _rows(equation, first, width, m):
                baseline = y + ascent
                for token, left, room in row:
                    at = left + (room - m.symbol(token)) / 2
                    placed.append(Placed(token, number, place, left, room, at, baseline, baseline + descent))
                y = baseline + descent + m.number_height + _LINE_GAP
        if section.note:
            height = m.note_height(section.note, width)
            notes.append(Note(number, section.note, y, y + height))
            y += height
    return Layout(tuple(placed), tuple(headings), tuple(notes), y)


def _slot(token: Token, m: Measures, share: float = 1.0) -> float:
    return max(m.symbol(token), share * m.number(token))


_Row = list[tuple[Token, float, float]]


def _rows(equation: Equation, first: float, width: float, m: Measures) -> list[_Row]:
    """The lines of an equation: one if it fits (closer if need be), else broken before a plus, then before a times,
    then inside of brackets as well."""
    left, equals, *right = equation.tokens
    head: _Row = [(left, first - _slot(left, m), _slot(left, m)), (equals, first + _OPERATOR_ROOM, m.symbol(equals))]
    start = first + 2 * _OPERATOR_ROOM + m.symbol(equals)
    for room, share in ((_OPERATOR_ROOM, 1.0), (_OPERATOR_ROOM / 2, 1.0), (_OPERATOR_ROOM / 2, _NARROW)):
        row, end = _run(right, start, room, m, share)
        if end <= width:
            return [head + row]
    for breaks, deep in (("+−", False), ("+−·", False), ("+−·", True)):
        lines = _broken(right, start, width, breaks, m, deep=deep)
        rows = [_run(line, start if k == 0 else first - PAD / 2, _OPERATOR_ROOM / 2, m) for k, line in enumerate(lines)]
        if all(end <= width for _, end in rows):
            break
    return [(head + row if k == 0 else row) for k, (row, _) in enumerate(rows)]


def _run(tokens: Sequence[Token], start: float, room: float, m: Measures, share: float = 1.0) -> tuple[_Row, float]:
    row: _Row = []
    x = start
    for token in tokens:
        slot = _slot(token, m, share)
        around = room if token.operator in ("=", "+", "·", "−") else 0.0
        row.append((token, x + around, slot))
        x += slot + 2 * around
    return row, x


def _broken(
    tokens: Sequence[Token], start: float, width: float, breaks: str, m: Measures, *, deep: bool
) -> list[list[Token]]:
    """Greedy: each line takes as many terms as fit."""
    terms: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.operator in tuple(breaks) and (deep or not depth) and terms[-1]:
            terms.append([])
        depth += token.plain.endswith("(") - (token.plain == ")")
        terms[-1].append(token)
    lines: list[list[Token]] = [[]]
    for term in terms:
        _, end = _run(lines[-1] + term, start, _OPERATOR_ROOM / 2, m)
        if lines[-1] and end > width:
            lines.append([])
        lines[-1] = lines[-1] + term
    return lines
