"""A few lines of a file as they stand in it, whatever is wrong with them: what a sentence is about, to be seen beside
it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.data import arrays, files
from engine.data.decoding import Encoding, readable
from engine.errors import DataError
from engine.plaintext import as_it_stands

BEFORE, BEHIND = 4, 8
LONGEST = 300


@dataclass(frozen=True)
class Lines:
    first: int
    """The number of the first one, from 1."""
    texts: tuple[str, ...] = ()
    """None where there is no text to be seen."""


def lines_of(path: str | Path, around: int = 1, encoding: Encoding | None = None) -> Lines:
    """Some lines before and behind one of them, bytes that do not fit the encoding as "\\xf6"."""
    try:
        data = files.read(path)
        files.refuse_foreign(data, files.name_of(path))
    except DataError:
        return Lines(1)
    if data.startswith(arrays.MAGIC_NPY) or arrays.is_npz(data):
        return Lines(1)
    first = max(1, around - BEFORE)
    texts = readable(data, encoding).split("\n")[first - 1 : around + BEHIND]
    if not any(text.strip() for text in texts):
        return Lines(1)
    return Lines(first, tuple(as_it_stands(text, LONGEST) for text in texts))
