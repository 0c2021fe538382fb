"""Texts as numbers of symbols: characters, or words with punctuation marks and line ends. Numpy, no torch."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data.datasets import MAX_NAME

Level: TypeAlias = Literal["character", "word"]

REST = "…"
"""What symbol 0, every other one, is called."""
_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]|\n+")


def words(text: str) -> Iterator[str]:
    """Words (with apostrophes and hyphens inside), single signs, and "\\n" for one line end or more."""
    for found in _WORD.finditer(text):
        word = found.group()
        yield "\n" if word[0] == "\n" else word[:MAX_NAME]


class Symbols:
    """A text as numbers of its different symbols, in the order of their names."""

    names: tuple[str, ...]
    numbers: NDArray[np.int32]
    """(length,)"""

    def __init__(self, text: str, level: Level) -> None:
        if level == "character":
            points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
            present = np.flatnonzero(np.bincount(points))
            place = np.zeros(int(present[-1]) + 1 if len(present) else 1, dtype=np.int32)
            place[present] = np.arange(len(present))
            self.names, self.numbers = tuple(map(chr, present.tolist())), place[points]
        else:
            known: dict[str, int] = {}
            found = array("i", (known.setdefault(word, len(known)) for word in words(text)))
            by_name = sorted(known)
            place = np.zeros(max(len(known), 1), dtype=np.int32)
            place[[known[name] for name in by_name]] = np.arange(len(by_name))
            self.names, self.numbers = tuple(by_name), place[np.frombuffer(found, dtype=np.intc)]


def most_frequent(numbers: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """The `count` most frequent of these numbers, the most frequent first; of two alike the smaller one."""
    counts = np.bincount(numbers)
    order = np.argsort(-counts, kind="stable")
    return order[: min(count, int((counts > 0).sum()))]


def renumbered(symbols: Symbols, kept: NDArray[np.int64]) -> NDArray[np.int32]:
    """1 … for those that are kept, in their order, and 0 for every other."""
    place = np.zeros(max(len(symbols.names), 1), dtype=np.int32)
    place[kept] = np.arange(1, len(kept) + 1)
    return place[symbols.numbers]


def vocabulary(texts: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """REST, and the most frequent symbols of these sequences, at most `most` in all."""
    counts = Counter(symbol for text in texts for symbol in text)
    order = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    return (REST, *order[: most - 1])
