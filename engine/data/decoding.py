"""From bytes to text: UTF-8 with or without a byte order mark, UTF-16 with one, or what somebody says that it is.
Everything else is a sentence."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.data.cells import Reading, finished
from engine.errors import DataError
from engine.spec_reading import shown

_SAVE = "save the file as UTF-8"


Encoding: TypeAlias = Literal[
    "utf-8", "utf-16-le", "utf-16-be", "windows-1252", "latin-1", "windows-1250", "windows-1251", "koi8-r",
    "windows-1253", "windows-1254", "mac-roman", "cp850", "shift-jis", "gb18030", "big5", "euc-kr",
]  # fmt: skip
ENCODINGS: dict[Encoding, str] = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    "windows-1252": "Windows-1252 (Western)",
    "latin-1": "Latin-1 (Western)",
    "mac-roman": "Mac Roman (Western)",
    "cp850": "DOS 850 (Western)",
    "windows-1250": "Windows-1250 (Central European)",
    "windows-1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "windows-1253": "Windows-1253 (Greek)",
    "windows-1254": "Windows-1254 (Turkish)",
    "shift-jis": "Shift JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "euc-kr": "EUC-KR (Korean)",
}
"""Each as Python calls it, and as people do."""
_MARKS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT = 4096
_PIECE = 2**18
"""Bytes that are decoded together."""
_OF_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09, 0x0A, 0x0C, 0x0D, 0x1B})
"""All bytes but control characters."""
_WORD_BYTES = re.compile(rb"[A-Za-z\x80-\xff]+")


@dataclass(frozen=True)
class Decoded:
    pieces: tuple[str, ...]
    """The text, cut anywhere, with "\\n" at the end of its lines, and without the mark."""
    encoding: str
    """In words: one of ENCODINGS, and whether there was a mark."""
    line_ends: str
    """ "\\n", "\\r\\n", "\\r", or "mixed"."""
    codec: Encoding

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


def decoded(data: bytes | bytearray, name: str, encoding: Encoding | None = None) -> Decoded:
    """The text in a file. `encoding`: None looks at a mark, and takes what has none for UTF-8. `name` stands in the
    sentence of an error. Raises DataError."""
    return finished(decoding(data, name, encoding))


def decoding(data: bytes | bytearray, name: str, encoding: Encoding | None = None) -> Reading[Decoded]:
    """The same piece by piece."""
    if encoding is None and data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{name} is UTF-32 (by the mark in its first 4 bytes); {_SAVE}.")
    found, mark = _marked(data, encoding)
    if encoding is None and not mark:
        _no_bare_utf16(data, name)
    lines, blank, pieces = _Lines(), True, list[str]()
    decoder = codecs.getincrementaldecoder(found)()
    for at in range(mark, len(data), _PIECE):
        behind = at + _PIECE
        first = at - len(decoder.getstate()[0])  # it keeps the beginning of a character that goes on
        try:
            piece = decoder.decode(data[at:behind], behind >= len(data))
        except UnicodeDecodeError as error:
            wrong = first + error.start
            place = lines.place(data[first:wrong].decode(found, "replace"))
            cut_off = wrong >= len(data) - 3 and "unexpected end" in error.reason
            raise DataError((yield from _wrong(data, mark, wrong, place, cut_off, encoding, name))) from None
        if (nul := piece.find("\0")) >= 0:
            raise DataError(
                f"{name}, {lines.place(piece[:nul])}: there is a NUL character, which no text has; the file is damaged "
                "or is no text, and one without it is accepted."
            )
        if taken := lines.take(piece, behind >= len(data)):
            pieces.append(taken)
            blank = blank and not taken.strip()
        yield min(1.0, behind / len(data))
    if blank:
        raise DataError(f"{name} has nothing but white space in it.")
    says = f"{ENCODINGS[found]} with a byte order mark" if mark and found == "utf-8" else ENCODINGS[found]
    return Decoded(tuple(pieces), says, lines.ends, found)


class _Lines:
    """Makes "\\n" of all line ends of a text that comes piece by piece, and knows where it is."""

    def __init__(self) -> None:
        self._translator = io.IncrementalNewlineDecoder(None, translate=True)
        self._line = self._column = 1
        """Of the next character."""

    def take(self, piece: str, last: bool) -> str:
        taken = self._translator.decode(piece, last)
        if breaks := taken.count("\n"):
            self._line += breaks
            self._column = len(taken) - taken.rfind("\n")
        else:
            self._column += len(taken)
        return taken

    def place(self, before: str) -> str:
        """Line and column, from 1, of the character behind these next ones. The last that is asked for."""
        self.take(before, True)
        return f"line {self._line:,}, column {self._column:,}"

    @property
    def ends(self) -> str:
        kinds = self._translator.newlines
        return "\n" if kinds is None else kinds if isinstance(kinds, str) else "mixed"


def check_encoding(encoding: Encoding | None) -> None:
    """Raises DataError."""
    if encoding is not None and encoding not in ENCODINGS:
        raise DataError(f"encoding is {shown(encoding)}; {', '.join(ENCODINGS)} are accepted.")


def readable(head: bytes, encoding: Encoding | None = None) -> Callable[[bytes], str] | None:
    """What makes a text of bytes that come piece by piece and begin so, with what does not fit its encoding as
    "\\xf6", so that something of it can be shown; None where it is no text."""
    if _is_no_text(head) and encoding is None:
        return None
    found, mark = _marked(head, encoding)
    decoder, ends = codecs.getincrementaldecoder(found)("backslashreplace"), io.IncrementalNewlineDecoder(None, True)
    begun = False

    def read(piece: bytes) -> str:
        nonlocal begun
        piece, begun = piece if begun else piece[mark:], True
        return ends.decode(decoder.decode(piece))

    return read


def _marked(data: bytes | bytearray, encoding: Encoding | None) -> tuple[Encoding, int]:
    """The encoding, and how many bytes at the beginning say it."""
    for mark, marked in _MARKS:
        if data.startswith(mark) and encoding in (None, marked):
            return marked, len(mark)
    return encoding or "utf-8", 0


def _no_bare_utf16(data: bytes | bytearray, name: str) -> None:
    head = data[:4096]
    for first, which in ((1, "little"), (0, "big")):
        high, low = head[first::2], head[1 - first :: 2]
        if len(high) >= 2 and high.count(0) > 0.4 * len(high) and low.count(0) < 0.1 * len(low):
            raise DataError(
                f"{name} looks like UTF-16 ({which}-endian), but has no byte order mark in its first 2 bytes; {_SAVE}."
            )


def _wrong(
    data: bytes | bytearray, mark: int, at: int, place: str, cut_off: bool, chosen: Encoding | None, name: str
) -> Reading[str]:
    """A sentence about the byte `at`, which does not fit the encoding, chosen or found."""
    found = _marked(data, chosen)[0]
    where = f"{name}, {place} (byte {at:,} from 0)"
    if chosen is not None:
        byte = f"the byte 0x{data[at]:02X}"
        return f"{where}: {byte} does not fit {ENCODINGS[found]}; choose another encoding, or {_SAVE}."
    if found != "utf-8":
        return (
            f"{where}: what stands there is not {ENCODINGS[found]}, which the mark at its beginning promises; {_SAVE}."
        )
    if _is_no_text(head := data[mark : mark + _LOOKED_AT]):
        return (
            f"{name} is no text: there are {len(head.translate(None, _OF_TEXT)):,} control characters in "
            f"its first {len(head):,} bytes; a text, a table or arrays are accepted."
        )
    if cut_off:
        return f"{where}: the file ends in the middle of a character; it is cut off, and a whole one is accepted."
    likely = f", such as {one}" if (one := (yield from _perhaps(data, mark))) else ""
    older = f"so that the file is in an older encoding{likely}"
    return f"{where}: the byte 0x{data[at]:02X} is not UTF-8, {older}; choose the encoding, or {_SAVE}."


def _is_no_text(data: bytes | bytearray) -> bool:
    """More than 1 % control characters."""
    head = data[:_LOOKED_AT]
    return len(head.translate(None, _OF_TEXT)) * 100 > len(head)


def _perhaps(data: bytes | bytearray, mark: int) -> Reading[str]:
    """Common encodings in which the bytes could be words; which one it is cannot be told from them. Letters beyond
    ASCII stand among others in Latin scripts, and alone in the rest."""
    words = _WORD_BYTES.findall(data[mark : mark + _LOOKED_AT] + data[max(mark, len(data) - _LOOKED_AT) :])
    alone = sum(len(word) > 2 and min(word) >= 0x80 for word in words)
    among = sum(min(word) < 0x80 <= max(word) for word in words)
    likely: tuple[Encoding, ...] = ("windows-1252", "windows-1250")
    if alone > among:
        likely = ("windows-1251", "koi8-r", "gb18030")
    said = ""
    for one in likely:
        if (yield from _fits(data, mark, one)):
            said = f"{said} or {ENCODINGS[one]}" if said else ENCODINGS[one]
    return said


def _fits(data: bytes | bytearray, mark: int, encoding: Encoding) -> Reading[bool]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for at in range(mark, len(data), _PIECE):
        try:
            decoder.decode(data[at : at + _PIECE], at + _PIECE >= len(data))
        except UnicodeDecodeError:
            return False
        yield at / len(data)
    return True
