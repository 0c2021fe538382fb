"""From bytes to text: UTF-8 with or without a byte order mark, and UTF-16 with one. Everything else is a sentence."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from engine.errors import DataError

_SAVE = "save the file as UTF-8"


@dataclass(frozen=True)
class Decoded:
    text: str
    """With "\\n" at the end of its lines, and without the mark."""
    encoding: str
    """ "UTF-8", "UTF-8 with a byte order mark", "UTF-16 (little-endian)"."""
    line_ends: str
    """ "\\n", "\\r\\n", "\\r", or "mixed"."""


def decoded(data: bytes, name: str) -> Decoded:
    """The text in a file. `name` stands in the sentence of an error. Raises DataError."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{name} is UTF-32 (by the mark in its first 4 bytes); {_SAVE}.")
    if data.startswith(codecs.BOM_UTF8):
        codec, mark, encoding = "utf-8", len(codecs.BOM_UTF8), "UTF-8 with a byte order mark"
    elif data.startswith(codecs.BOM_UTF16_LE):
        codec, mark, encoding = "utf-16-le", len(codecs.BOM_UTF16_LE), "UTF-16 (little-endian)"
    elif data.startswith(codecs.BOM_UTF16_BE):
        codec, mark, encoding = "utf-16-be", len(codecs.BOM_UTF16_BE), "UTF-16 (big-endian)"
    else:
        codec, mark, encoding = "utf-8", 0, "UTF-8"
        _no_bare_utf16(data, name)
    body = data[mark:]
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(_wrong(body, error, mark, codec, encoding, name)) from None
    if (nul := text.find("\0")) >= 0:
        raise DataError(
            f"{name}, {_place(text, nul)}: there is a NUL character, which no text has; the file is damaged or is no "
            "text, and one without it is accepted."
        )
    if not text.strip():
        raise DataError(f"{name} has nothing but white space in it.")
    return Decoded(*_one_line_end(text, encoding))


def _no_bare_utf16(data: bytes, name: str) -> None:
    head = data[:4096]
    for first, which in ((1, "little"), (0, "big")):
        high, low = head[first::2], head[1 - first :: 2]
        if len(high) >= 2 and high.count(0) > 0.4 * len(high) and low.count(0) < 0.1 * len(low):
            raise DataError(
                f"{name} looks like UTF-16 ({which}-endian), but has no byte order mark in its first 2 bytes; {_SAVE}."
            )


def _wrong(body: bytes, error: UnicodeDecodeError, mark: int, codec: str, encoding: str, name: str) -> str:
    at = error.start
    place = _place(body[:at].decode(codec, "replace"), None)
    where = f"{name}, {place} (byte {at + mark:,} from 0)"
    if codec != "utf-8":
        return f"{where}: what stands there is not {encoding}, which the mark at its beginning promises; {_SAVE}."
    if at >= len(body) - 3 and "unexpected end" in error.reason:
        return f"{where}: the file ends in the middle of a character; it is cut off, and a whole one is accepted."
    guess = "it may be Windows-1252 or Latin-1" if body[at] >= 0xA0 else "it may be Windows-1252"
    return f"{where}: the byte 0x{body[at]:02X} is not UTF-8 ({guess}); {_SAVE}."


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
