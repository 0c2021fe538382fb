"""The embedded Reber grammar: its table, and what its symbols cost somebody who knows only the step, and whether a
string is one of its language. Plain data, no torch.

The finite automaton of Reber (1967), with the symbols B and E around each word as Cleeremans, Servan-Schreiber &
McClelland (1989) and Fahlman (1991) have it. Where two arrows leave a state, each is taken with probability 1/2.
Embedded: B, then T or P, then a word of that grammar, then the same T or P again, then E.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import cache

SYMBOLS = "BTPSXVE"
"""Of the numbers 0 … 6."""
ARROWS: tuple[tuple[tuple[str, int], ...], ...] = (
    (("T", 1), ("P", 2)),  # 0, after the word's B
    (("S", 1), ("X", 3)),  # 1
    (("T", 2), ("V", 4)),  # 2
    (("X", 2), ("S", 5)),  # 3
    (("P", 3), ("V", 5)),  # 4
    (),  # 5, before the word's E
)
"""Of each state: the symbols of the arrows that leave it, and the states that they lead to."""
LAST = len(ARROWS) - 1
AROUND = 6
"""Symbols of an embedded string that are no arrows: B, T or P, the word's B and E, T or P, E."""
SHORTEST = AROUND + 3
"""Symbols of the shortest embedded string, around TXS or PVV."""
LONG = 300
"""Arrows of a word: longer ones come with a probability that is nothing beside 1, .73^300."""


def embedded(coin: Callable[[], int], longest: int) -> list[int] | None:
    """One string as numbers, drawn by a fair coin, 0 or 1; None where it would have more than `longest` symbols."""
    around, string, state = "TP"[coin()], "", 0
    while state != LAST:
        if len(string) == longest - AROUND:
            return None
        symbol, state = ARROWS[state][coin()]
        string += symbol
    return [SYMBOLS.index(symbol) for symbol in f"B{around}B{string}E{around}E"]


def following(word: str) -> list[str]:
    """[n]: the symbols that may follow the first n of these in a string of the embedded grammar, n from 0; the last one
    is "" where the string is at its end, or where no string of the language begins so: there it ends."""
    found, around, state, rest = ["B"], "", 0, ""
    for place, symbol in enumerate(word):
        if symbol not in found[-1]:
            return [*found, ""]
        if place == 1:
            around = symbol
        if place < 2:
            may = ("TP", "B")[place]
        elif state == LAST:
            may, rest = rest[:1], rest[1:]
        else:
            state = state if place == 2 else dict(ARROWS[state])[symbol]
            may, rest = "".join(arrow for arrow, _ in ARROWS[state]) or "E", f"{around}E"
        found.append(may)
        if not may:
            break
    return found


def first_wrong(word: str) -> int | None:
    """The place, from 0, of the first symbol that no string of the embedded grammar has there; None: there is none."""
    may = following(word)
    return next((place for place, symbol in enumerate(word) if place >= len(may) or symbol not in may[place]), None)


def belongs(word: str) -> bool:
    """Whether this is a string of the embedded grammar, from its B to its last E."""
    return bool(word) and first_wrong(word) is None and not following(word)[-1]


@cache
def cost_by_step(longest: int) -> float:
    """Mean cross-entropy of a next symbol, in nats, for somebody who has read nothing and knows how frequent each
    symbol is at each step: over all symbols but the first of all strings of up to `longest`."""
    arrows = min(longest - AROUND, LONG)
    ends = _ends(arrows)
    chance: defaultdict[tuple[int, str], float] = defaultdict(float)
    """Of a place in the string, from 0, and the symbol there."""
    for symbol, share in (("T", 0.5), ("P", 0.5)):
        chance[1, symbol] = share * ends[arrows][0]
    chance[2, "B"] = ends[arrows][0]
    here = [1.0, *[0.0] * LAST]  # of being in each state before an arrow
    for arrow in range(arrows):
        after = [0.0] * (LAST + 1)
        for state in range(LAST):
            for symbol, to in ARROWS[state]:
                after[to] += here[state] / 2
                chance[3 + arrow, symbol] += here[state] / 2 * ends[arrows - arrow - 1][to]
        for place, symbol, share in ((4, "E", 1.0), (5, "T", 0.5), (5, "P", 0.5), (6, "E", 1.0)):
            chance[place + arrow, symbol] += share * after[LAST]
        here = after

    there: defaultdict[int, float] = defaultdict(float)
    for (place, _), share in chance.items():
        there[place] += share
    cost = math.fsum(share * math.log(there[place] / share) for (place, _), share in chance.items() if share > 0)
    return cost / math.fsum(there.values())


def _ends(arrows: int) -> list[list[float]]:
    """[n][state]: the probability that a word ends after at most n more arrows."""
    found = [[0.0] * LAST + [1.0]]
    for _ in range(arrows):
        found.append([sum(found[-1][to] / 2 for _, to in ARROWS[state]) for state in range(LAST)] + [1.0])
    return found
