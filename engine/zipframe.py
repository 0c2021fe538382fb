"""The ZIP around a `.gflow` file: three stored members in a fixed order and nothing else.

The reader takes only the layout that the writer makes (no compression, no extra fields, no comment, no gap), so nothing
is left to a lenient library and every size is known before anything is allocated. Other programs see a plain ZIP.

PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from engine.errors import SessionError

MANIFEST, DESCRIPTION, TENSORS = MEMBERS = ("manifest.json", "session.json", "tensors.safetensors")

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DIRECTORY_BYTES = sum(_CENTRAL.size + len(name) for name in MEMBERS)
_NEEDS = 10
"""Version 1.0 of the format is needed to extract."""
_TIME, _DATE = 0, 1 << 5 | 1
"""1 January 1980, midnight: the same content makes the same bytes."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a member's bytes lie in the file."""

    begin: int
    size: int
    crc: int

    @property
    def end(self) -> int:
        return self.begin + self.size


def framed(members: tuple[bytes, bytes, bytes]) -> list[bytes]:
    """The file as the bytes to write, in order."""
    parts: list[bytes] = []
    directory = b""
    offset = 0
    for name, data in zip(MEMBERS, members, strict=True):
        local, entry = _headers(name, zlib.crc32(data), len(data), offset)
        parts += [local, data]
        directory += entry
        offset += len(local) + len(data)
    return [*parts, directory, _end(offset)]


def spans(file: BinaryIO, max_bytes: int) -> list[Span]:
    """Where the members lie, in order. Raises SessionError for anything but the writer's own layout."""
    size = os.fstat(file.fileno()).st_size
    if size > max_bytes:
        raise SessionError(f"It has {mebibytes(size)}; at most {mebibytes(max_bytes)} are accepted.")
    damaged = SessionError("It is damaged, or it is no file of Gradient Flow Explorer.")
    directory_at = size - _DIRECTORY_BYTES - _END.size
    if directory_at < 0:
        raise damaged
    file.seek(directory_at)
    tail = file.read(size - directory_at)
    if tail[_DIRECTORY_BYTES:] != _end(directory_at):
        raise damaged
    found: list[Span] = []
    offset = position = 0
    for name in MEMBERS:
        crc, _, length = struct.unpack_from("<3I", tail, position + 16)
        local, entry = _headers(name, crc, length, offset)
        if tail[position : position + len(entry)] != entry:
            raise damaged
        file.seek(offset)
        if file.read(len(local)) != local:
            raise damaged
        found.append(Span(offset + len(local), length, crc))
        position += len(entry)
        offset = found[-1].end
    if offset != directory_at:
        raise damaged
    return found


def content(file: BinaryIO, span: Span) -> bytes:
    """A member's bytes. Raises SessionError where they do not match their checksum."""
    file.seek(span.begin)
    data = file.read(span.size)
    if len(data) != span.size or zlib.crc32(data) != span.crc:
        raise SessionError("It is damaged: its content does not match its checksum.")
    return data


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _headers(name: str, crc: int, size: int, offset: int) -> tuple[bytes, bytes]:
    """A member's local header, and its entry in the central directory. 2³² and more is refused by the caller's cap."""
    raw = name.encode("ascii")
    common = (_NEEDS, 0, 0, _TIME, _DATE, crc, size, size, len(raw), 0)
    local = _LOCAL.pack(b"PK\3\4", *common) + raw
    entry = _CENTRAL.pack(b"PK\1\2", _NEEDS, *common, 0, 0, 0, 0, offset) + raw
    return local, entry


def _end(directory_at: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, len(MEMBERS), len(MEMBERS), _DIRECTORY_BYTES, directory_at, 0)
