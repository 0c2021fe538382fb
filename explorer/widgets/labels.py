"""How symbols and classes are written: as they are, or where that would not be seen, by a sign or a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from engine.data.symbols import REST

_SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥", "": "∅"}
_NAMES = {" ": "space", "\n": "line break", "\t": "tab", "\r": "carriage return", "": "empty", REST: "any other symbol"}
_CONTROLS = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
_LONGEST = 24
_LETTERS = 4


def written(label: str) -> str:
    """In a cell: never blank, never more than a few dozen characters, on one line."""
    if label in _SIGNS:
        return _SIGNS[label]
    if len(label) == 1:
        return _written_character(label)
    if _repeated(label):
        return written(label[0])
    line = "".join(one if one == " " else _written_character(one) for one in label)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def in_markup(label: str) -> str:
    """As `written`, among text whose "_" lowers what follows (explorer.stage.marked): of a label it is a sign."""
    return written(label).replace("_", "_\u2060")


def spoken(label: str) -> str:
    """In a sentence: ‘e’, space, line break, U+200B."""
    if label in _NAMES:
        return _NAMES[label]
    if _repeated(label):
        return spoken(label[0])
    return f"‘{written(label)}’"


def in_markup_spoken(label: str) -> str:
    """As `spoken`, likewise."""
    return spoken(label).replace("_", "_\u2060")


def _repeated(label: str) -> bool:
    """One kind of space, several times: one line end or more is one word."""
    return len(label) > 1 and label.isspace() and len(set(label)) == 1


def _written_character(one: str) -> str:
    if one in _SIGNS:
        return _SIGNS[one]
    point, kind = ord(one), unicodedata.category(one)
    if point < len(_CONTROLS):
        return _CONTROLS[point]
    if point == 0x7F:
        return "DEL"
    if kind[0] in "CZ":  # control and format characters, unassigned ones, other spaces
        return f"U+{point:04X}"
    return f"◌{one}" if kind[0] == "M" else one


def lettered(labels: Sequence[str]) -> tuple[str, ...]:
    """As short as they can be told apart by: whole where they are short, else first letters, else numbers."""
    shown = [written(label) for label in labels]
    if all(len(one) <= _LETTERS for one in shown):
        return tuple(shown)
    for count in range(1, _LETTERS + 1):
        cut = [one[:count] for one in shown]
        if len(set(cut)) == len(cut):
            return tuple(cut)
    return tuple(str(number) for number in range(len(shown)))


def label_of(labels: Sequence[str], number: float) -> str:
    """Of a class or a symbol; its number where it has no name."""
    place = int(number)
    return labels[place] if 0 <= place < len(labels) else str(place)
