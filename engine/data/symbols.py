"""Texts as numbers of symbols: characters, or words with punctuation marks and line ends. Numpy, no torch."""

from __future__ import annotations

import heapq
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data.cells import Reading, finished, within
from engine.data.datasets import MAX_NAME

Level: TypeAlias = Literal["character", "word"]

REST = "…"
"""What symbol 0, every other one, is called."""
CHUNK = 2**20
_AT_ONCE = 2**15
"""Characters whose words are found, and words that are sorted or numbered, together."""
_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]|\n+")
_BETWEEN = re.compile(r"[^\w\s'’\-]|[^\S\n]|\n(?=[^\n])|\w(?=\n)")
"""What ends where a word, a sign or line ends end for certain, whatever comes before."""
_POINTS = 0x110000


def words(text: str) -> Iterator[str]:
    """Words (with apostrophes and hyphens inside), single signs, and "\\n" for one line end or more."""
    return map(_word, _WORD.findall(text))


def _word(found: str) -> str:
    return "\n" if found[0] == "\n" else found[:MAX_NAME]


def at_words(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in small pieces that end where no word goes on."""
    left: list[str] = []
    for piece in pieces:
        for at in range(0, len(piece), _AT_ONCE):
            some = piece[at : at + _AT_ONCE]
            if not (cut := _last_cut(some)):
                left.append(some)
                continue
            yield "".join((*left, some[:cut]))
            left = [some[cut:]]
    if any(left):
        yield "".join(left)


def _last_cut(some: str) -> int:
    """Where the last word ends that ends for certain; 0 where none does."""
    for back in (256, len(some)):
        first = max(0, len(some) - back)
        ends = [found.end() for found in _BETWEEN.finditer(some, first)]
        if ends:
            return ends[-1]
    return 0


def first_places(text: str) -> dict[str, int]:
    """Where each different character comes first, in that order."""
    return finished(placing((text,)))


def placing(pieces: Sequence[str]) -> Reading[dict[str, int]]:
    """The same of a text in pieces, piece by piece."""
    length = max(1, sum(map(len, pieces)))
    found: dict[str, int] = {}
    seen = np.zeros(_POINTS, dtype=np.bool_)
    begin = 0
    for piece in _small(pieces):
        points = _points(piece)
        new = np.flatnonzero(~seen[points])
        if len(new):
            different, at = np.unique(points[new], return_index=True)
            seen[different] = True
            order = np.argsort(at)
            found.update(zip(map(chr, different[order]), (begin + new[at[order]]).tolist(), strict=True))
        begin += len(piece)
        yield begin / length
    return found


def _small(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        for at in range(0, len(piece), CHUNK):
            yield piece[at : at + CHUNK]


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


class Symbols:
    """A text as numbers of its different symbols, in the order of their names."""

    def __init__(self, names: tuple[str, ...], numbers: NDArray[Any]) -> None:
        self.names = names
        self.numbers = numbers
        """(length,), in the narrowest type that holds them."""


def symbols_of(text: str, level: Level) -> Symbols:
    return finished(numbering((text,), level))


def numbering(pieces: Sequence[str], level: Level) -> Reading[Symbols]:
    """Of a text in pieces, piece by piece."""
    return (yield from (_characters(pieces) if level == "character" else _words(pieces)))


def _characters(pieces: Sequence[str]) -> Reading[Symbols]:
    length = sum(map(len, pieces))
    seen = np.zeros(_POINTS, dtype=np.bool_)
    at = 0
    for piece in _small(pieces):
        seen[_points(piece)] = True
        at += len(piece)
        yield 0.5 * at / max(1, length)
    there = np.flatnonzero(seen)
    place = np.zeros(_POINTS, dtype=_narrow(len(there)))
    place[there] = np.arange(len(there))
    numbers = np.empty(length, dtype=place.dtype)
    at = 0
    for piece in _small(pieces):
        numbers[at : at + len(piece)] = place[_points(piece)]
        at += len(piece)
        yield 0.5 + 0.5 * at / max(1, length)
    return Symbols(tuple(map(chr, there)), numbers)


def _words(pieces: Sequence[str]) -> Reading[Symbols]:
    length, at = max(1, sum(map(len, pieces))), 0
    numbered = _Numbered()
    found = array("i")
    for some in at_words(pieces):
        found.extend(map(numbered.__getitem__, _WORD.findall(some)))
        at += len(some)
        yield 0.8 * at / length
    known = numbered.known
    names = yield from within(_sorting(list(known)), 0.8, 0.9)
    place = np.zeros(max(len(known), 1), dtype=_narrow(len(known)))
    for at in range(0, len(names), _AT_ONCE):
        some_names = names[at : at + _AT_ONCE]
        place[[known[name] for name in some_names]] = np.arange(at, at + len(some_names))
        yield 0.9
    numbers = yield from within(_looked_up(place, np.frombuffer(found, dtype=np.intc)), 0.9, 1.0)
    return Symbols(tuple(names), numbers)


class _Numbered(dict[str, int]):
    """Numbers of words as they stand in a text, in the order in which they come; alike for what is one word."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, int] = {}

    def __missing__(self, found: str) -> int:
        number = self[found] = self.known.setdefault(_word(found), len(self.known))
        return number


def _sorting(names: list[str]) -> Reading[list[str]]:
    runs = []
    for at in range(0, len(names), _AT_ONCE):
        runs.append(sorted(names[at : at + _AT_ONCE]))
        yield 0.5 * at / len(names)
    merged, found = heapq.merge(*runs), list[str]()
    while some := list(islice(merged, _AT_ONCE)):
        found += some
        yield 0.5 + 0.5 * len(found) / len(names)
    return found


def _looked_up(place: NDArray[Any], numbers: NDArray[Any]) -> Reading[NDArray[Any]]:
    """place[numbers], piece by piece."""
    found = np.empty(len(numbers), dtype=place.dtype)
    for at in range(0, len(numbers), CHUNK):
        found[at : at + CHUNK] = place[numbers[at : at + CHUNK]]
        yield at / len(numbers)
    return found


def _narrow(count: int) -> type[np.integer[Any]]:
    return np.uint16 if count <= 2**16 else np.int32


def counted(numbers: NDArray[Any], names: int) -> NDArray[np.int64]:
    """(names,): how often each number comes. In pieces, since numpy counts a copy that is eight bytes a number."""
    return finished(counting(numbers, names))


def counting(numbers: NDArray[Any], names: int) -> Reading[NDArray[np.int64]]:
    """The same piece by piece."""
    counts = np.zeros(names, dtype=np.int64)
    for first in range(0, len(numbers), CHUNK):
        counts += np.bincount(numbers[first : first + CHUNK], minlength=names)
        yield first / len(numbers)
    return counts


def most_frequent(counts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The `count` most frequent of the numbers that come so often, the most frequent first; of two alike the
    smaller."""
    order = np.argsort(-counts, kind="stable")
    return order[: min(count, int((counts > 0).sum()))]


def renumbering(symbols: Symbols, kept: NDArray[np.int64]) -> Reading[NDArray[Any]]:
    """1 … for those that are kept, in their order, and 0 for every other. Piece by piece."""
    place = np.zeros(max(len(symbols.names), 1), dtype=_narrow(len(kept) + 1))
    place[kept] = np.arange(1, len(kept) + 1)
    return (yield from _looked_up(place, symbols.numbers))


def vocabulary(texts: Sequence[Sequence[str]], most: int) -> Reading[tuple[str, ...]]:
    """REST, and the most frequent symbols of these sequences, at most `most` in all. Piece by piece."""
    counts: Counter[str] = Counter()
    pending = 0
    for at, text in enumerate(texts):
        for first in range(0, len(text), CHUNK // 8):
            some = text[first : first + CHUNK // 8]
            counts.update(some)
            pending += len(some)
            if pending >= CHUNK // 8:
                pending = 0
                yield at / len(texts)
    order = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    return (REST, *order[: most - 1])
