"""Finding entries by a few letters of their words: "grad c 2" finds ∂L/∂c of layer 2. Plain functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")
_EXACT, _START, _INSIDE, _SCATTERED = 8, 5, 2, 1
_FEWEST_SCATTERED = 3
"""Letters from which on they may stand apart in a word ("frgt")."""


def words_in(text: str) -> tuple[str, ...]:
    """The words of an entry, plain: ∂ is typed as d, and a_f is found as a, f, af and a_f."""
    plain = text.lower().replace("∂", "d").replace("σ", "s")
    found = [word for part in plain.split() for word in _WORD.findall(part)]
    found += [part.replace("_", "") for part in re.findall(r"\w+", plain) if "_" in part]
    found += [part.rpartition("/d")[2] for part in plain.split() if "/d" in part]
    return tuple(dict.fromkeys(found))


def score(typed: Sequence[str], words: Sequence[str]) -> int:
    """How well an entry's words fit what was typed; 0: not every typed word is in it."""
    total = 0
    for token in typed:
        best = max((_fit(token, word) for word in words), default=0)
        if not best:
            return 0
        total += best
    return total or 1


def tokens(typed: str) -> tuple[str, ...]:
    plain = typed.lower().replace("∂", "d").replace("_", "")
    return tuple(word for part in plain.split() for word in _WORD.findall(part))


def _fit(token: str, word: str) -> int:
    if token == word:
        return _EXACT
    if token.isdigit():  # a number is meant as it is: 1 is not 12
        return 0
    if word.startswith(token):
        return _START
    if token in word:
        return _INSIDE if len(token) > 1 else 0
    return _SCATTERED if len(token) >= _FEWEST_SCATTERED and _scattered(token, word) else 0


def _scattered(token: str, word: str) -> bool:
    if word[0] != token[0]:
        return False
    rest = iter(word)
    return all(letter in rest for letter in token)
