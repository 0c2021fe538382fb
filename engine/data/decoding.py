"""From bytes to text: UTF-8 with or without a byte order mark, UTF-16 with one, or what somebody says that it is.
Everything else is a sentence."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

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
_OF_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09, 0x0A, 0x0C, 0x0D, 0x1B})
"""All bytes but control characters."""
_WORD_BYTES = re.compile(rb"[A-Za-z\x80-\xff]+")


@dataclass(frozen=True)
class Decoded:
    text: str
    """With "\\n" at the end of its lines, and without the mark."""
    encoding: str
    """In words: one of ENCODINGS, and whether there was a mark."""
    line_ends: str
    """ "\\n", "\\r\\n", "\\r", or "mixed"."""
    codec: Encoding


def decoded(data: bytes, name: str, encoding: Encoding | None = None) -> Decoded:
    """The text in a file. `encoding`: None looks at a mark, and takes what has none for UTF-8. `name` stands in the
    sentence of an error. Raises DataError."""
    if encoding is None and data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{name} is UTF-32 (by the mark in its first 4 bytes); {_SAVE}.")
    found, mark = _marked(data, encoding)
    if encoding is None and not mark:
        _no_bare_utf16(data, name)
    body = data[mark:]
    try:
        text = body.decode(found)
    except UnicodeDecodeError as error:
        raise DataError(_wrong(body, error, mark, found, encoding is not None, name)) from None
    if (nul := text.find("\0")) >= 0:
        raise DataError(
            f"{name}, {_place(text, nul)}: there is a NUL character, which no text has; the file is damaged or is no "
            "text, and one without it is accepted."
        )
    if not text.strip():
        raise DataError(f"{name} has nothing but white space in it.")
    says = f"{ENCODINGS[found]} with a byte order mark" if mark and found == "utf-8" else ENCODINGS[found]
    return Decoded(*_one_line_end(text, says), found)


def check_encoding(encoding: Encoding | None) -> None:
    """Raises DataError."""
    if encoding is not None and encoding not in ENCODINGS:
        raise DataError(f"encoding is {shown(encoding)}; {', '.join(ENCODINGS)} are accepted.")


def readable(data: bytes, encoding: Encoding | None = None) -> str:
    """A text with what does not fit its encoding as "\\xf6", so that something of it can be shown; "" of no text."""
    if _is_no_text(data) and encoding is None:
        return ""
    found, mark = _marked(data, encoding)
    return _one_line_end(data[mark:].decode(found, "backslashreplace"), "")[0]


def _marked(data: bytes, encoding: Encoding | None) -> tuple[Encoding, int]:
    """The encoding, and how many bytes at the beginning say it."""
    for mark, marked in _MARKS:
        if data.startswith(mark) and encoding in (None, marked):
            return marked, len(mark)
    return encoding or "utf-8", 0


def _no_bare_utf16(data: bytes, name: str) -> None:
    head = data[:4096]
    for first, which in ((1, "little"), (0, "big")):
        high, low = head[first::2], head[1 - first :: 2]
        if len(high) >= 2 and high.count(0) > 0.4 * len(high) and low.count(0) < 0.1 * len(low):
            raise DataError(
                f"{name} looks like UTF-16 ({which}-endian), but has no byte order mark in its first 2 bytes; {_SAVE}."
            )


def _wrong(body: bytes, error: UnicodeDecodeError, mark: int, found: Encoding, chosen: bool, name: str) -> str:
    at = error.start
    place = _place(body[:at].decode(found, "replace"), None)
    where = f"{name}, {place} (byte {at + mark:,} from 0)"
    if chosen:
        byte = f"the byte 0x{body[at]:02X}"
        return f"{where}: {byte} does not fit {ENCODINGS[found]}; choose another encoding, or {_SAVE}."
    if found != "utf-8":
        return (
            f"{where}: what stands there is not {ENCODINGS[found]}, which the mark at its beginning promises; {_SAVE}."
        )
    if _is_no_text(body):
        return (
            f"{name} is no text: there are {len(body[:_LOOKED_AT].translate(None, _OF_TEXT)):,} control characters in "
            f"its first {min(_LOOKED_AT, len(body)):,} bytes; a text, a table or arrays are accepted."
        )
    if at >= len(body) - 3 and "unexpected end" in error.reason:
        return f"{where}: the file ends in the middle of a character; it is cut off, and a whole one is accepted."
    likely = f", such as {one}" if (one := _perhaps(body)) else ""
    older = f"so that the file is in an older encoding{likely}"
    return f"{where}: the byte 0x{body[at]:02X} is not UTF-8, {older}; choose the encoding, or {_SAVE}."


def _is_no_text(data: bytes) -> bool:
    """More than 1 % control characters."""
    head = data[:_LOOKED_AT]
    return len(head.translate(None, _OF_TEXT)) * 100 > len(head)


def _perhaps(body: bytes) -> str:
    """Common encodings in which the bytes could be words; which one it is cannot be told from them. Letters beyond
    ASCII stand among others in Latin scripts, and alone in the rest."""
    words = _WORD_BYTES.findall(body[:_LOOKED_AT] + body[-_LOOKED_AT:])
    alone = sum(len(word) > 2 and min(word) >= 0x80 for word in words)
    among = sum(min(word) < 0x80 <= max(word) for word in words)
    likely: tuple[Encoding, ...] = ("windows-1252", "windows-1250")
    if alone > among:
        likely = ("windows-1251", "koi8-r", "gb18030")
    return " or ".join(ENCODINGS[one] for one in likely if _fits(body, one))


def _fits(body: bytes, encoding: Encoding) -> bool:
    try:
        body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _place(text: str, at: int | None) -> str:
    """Line and column, from 1, of the character at `at`; None: of the one after the last."""
    before = text if at is None else text[:at]
    before = before.replace("\r\n", "\n").replace("\r", "\n")
    return f"line {before.count(chr(10)) + 1:,}, column {len(before) - before.rfind(chr(10)):,}"


def _one_line_end(text: str, encoding: str) -> tuple[str, str, str]:
    if "\r" not in text:
        return text, encoding, "\n"
    pairs = text.count("\r\n")
    lone, bare = text.count("\r") - pairs, text.count("\n") - pairs
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kinds = [end for end, count in (("\r\n", pairs), ("\r", lone), ("\n", bare)) if count]
    return text, encoding, kinds[0] if len(kinds) == 1 else "mixed"
