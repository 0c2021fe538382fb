"""Texts as numbers of symbols: characters, or words with punctuation marks and line ends. Numpy, no torch."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data.datasets import MAX_NAME

Level: TypeAlias = Literal["character", "word"]

REST = "…"
"""What symbol 0, every other one, is called."""
CHUNK = 2**20
_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]|\n+")


def words(text: str) -> Iterator[str]:
    """Words (with apostrophes and hyphens inside), single signs, and "\\n" for one line end or more."""
    for found in _WORD.finditer(text):
        word = found.group()
        yield "\n" if word[0] == "\n" else word[:MAX_NAME]


def first_places(text: str) -> dict[str, int]:
    """Where each different character comes first, in that order."""
    found: dict[str, int] = {}
    for begin in range(0, len(text), CHUNK):
        chunk = text[begin : begin + CHUNK]
        new = sorted((begin + chunk.index(character), character) for character in set(chunk) - found.keys())
        found.update((character, at) for at, character in new)
    return found


class Symbols:
    """A text as numbers of its different symbols, in the order of their names."""

    names: tuple[str, ...]
    numbers: NDArray[Any]
    """(length,), in the narrowest type that holds them."""

    def __init__(self, text: str, level: Level) -> None:
        if level == "character":
            self.names = tuple(sorted(set(text)))
            place = np.zeros(ord(self.names[-1]) + 1 if self.names else 1, dtype=_narrow(len(self.names)))
            place[[ord(name) for name in self.names]] = np.arange(len(self.names))
            self.numbers = np.empty(len(text), dtype=place.dtype)
            for first in range(0, len(text), CHUNK):
                points = np.frombuffer(text[first : first + CHUNK].encode("utf-32-le"), dtype="<u4")
                self.numbers[first : first + CHUNK] = place[points]
        else:
            known: dict[str, int] = {}
            found = array("i", (known.setdefault(word, len(known)) for word in words(text)))
            self.names = tuple(sorted(known))
            place = np.zeros(max(len(known), 1), dtype=_narrow(len(known)))
            place[[known[name] for name in self.names]] = np.arange(len(known))
            self.numbers = place[np.frombuffer(found, dtype=np.intc)]


def _narrow(count: int) -> type[np.integer[Any]]:
    return np.uint16 if count <= 2**16 else np.int32


def counted(numbers: NDArray[Any], names: int) -> NDArray[np.int64]:
    """(names,): how often each number comes. In pieces, since numpy counts a copy that is eight bytes a number."""
    counts = np.zeros(names, dtype=np.int64)
    for first in range(0, len(numbers), CHUNK):
        counts += np.bincount(numbers[first : first + CHUNK], minlength=names)
    return counts


def most_frequent(numbers: NDArray[Any], names: int, count: int) -> NDArray[np.int64]:
    """The `count` most frequent of these numbers below `names`, the most frequent first; of two alike the smaller."""
    counts = counted(numbers, names)
    order = np.argsort(-counts, kind="stable")
    return order[: min(count, int((counts > 0).sum()))]


def renumbered(symbols: Symbols, kept: NDArray[np.int64]) -> NDArray[Any]:
    """1 … for those that are kept, in their order, and 0 for every other."""
    place = np.zeros(max(len(symbols.names), 1), dtype=_narrow(len(kept) + 1))
    place[kept] = np.arange(1, len(kept) + 1)
    found: NDArray[Any] = place[symbols.numbers]
    return found


def vocabulary(texts: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """REST, and the most frequent symbols of these sequences, at most `most` in all."""
    counts = Counter(symbol for text in texts for symbol in text)
    order = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    return (REST, *order[: most - 1])
