"""A few lines of a file as they stand in it, whatever is wrong with them: what a sentence is about, to be seen beside
it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.data import arrays, files
from engine.data.cells import Reading, finished
from engine.data.decoding import Encoding, readable
from engine.data.preview import MAX_TEXT_BYTES
from engine.errors import DataError
from engine.plaintext import as_it_stands

BEFORE, BEHIND = 4, 8
LONGEST = 300
HEAD = 4096


@dataclass(frozen=True)
class Lines:
    first: int
    """The number of the first one, from 1."""
    texts: tuple[str, ...] = ()
    """None where there is no text to be seen."""


def lines_of(path: str | Path, around: int = 1, encoding: Encoding | None = None) -> Lines:
    """Some lines before and behind one of them, bytes that do not fit the encoding as "\\xf6"."""
    return finished(looking_for_lines(path, around, encoding))


def looking_for_lines(path: str | Path, around: int, encoding: Encoding | None) -> Reading[Lines]:
    """The same piece by piece."""
    first = max(1, around - BEFORE)
    last = around + BEHIND
    found: list[str] = []
    line = 1
    left = ""
    try:
        head = files.head(path, HEAD, MAX_TEXT_BYTES)
        files.refuse_foreign(head, files.name_of(path))
        if head.startswith(arrays.MAGIC_NPY) or arrays.is_npz(head):
            return Lines(1)
        reader = readable(head, encoding)
        if reader is None:
            return Lines(1)
        for piece in files.pieces(path, MAX_TEXT_BYTES):
            *whole, left = f"{left}{reader(piece)}".split("\n")
            found += whole[max(0, first - line) : max(0, last + 1 - line)]
            line += len(whole)
            left = left if line >= first else left[:LONGEST]
            if line > last:
                break
            yield 0.0
    except DataError:
        return Lines(1)
    if line <= last:
        found.append(left)
    if not any(text.strip() for text in found):
        return Lines(1)
    return Lines(first, tuple(as_it_stands(text, LONGEST) for text in found))
