"""A file of somebody's own, as bytes: bounded, and no device, pipe or folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.data.cells import Reading
from engine.errors import DataError
from engine.plaintext import one_line

MAX_BYTES = 64 * 2**20
PIECE = 2**20
"""Bytes that are read together: a few milliseconds with all that is done to them."""

_REASONS = {
    errno.ENOENT: "it is not there",
    errno.ENOTDIR: "its folder is not there",
    errno.EACCES: "reading it is not allowed",
    errno.EPERM: "reading it is not allowed",
    errno.EIO: "the disk reports an error",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links go round in a circle",
}
_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive", "export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook or another Office file", "export the sheet as CSV"),
    (b"%PDF", "a PDF", "copy its text or table into a file of its own"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard", "unpack it first"),
    (b"\x89PNG", "a picture", "a table or a text is accepted"),
    (b"\xff\xd8\xff", "a picture", "a table or a text is accepted"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "save the arrays as .npz"),
    (b"PAR1", "a Parquet file", "save the table as CSV"),
    (b"\x80\x04\x95", "a Python pickle, which could run code", "save the arrays as .npz"),
)


def name_of(path: str | Path) -> str:
    """The file's name in a sentence."""
    name = os.path.basename(os.fspath(path)) or os.fspath(path)
    return f"'{one_line(name, 80)}'"


def source_of(name: str) -> str:
    """The file that data came from, in a sentence. The name may be a stranger's."""
    return name_of(name) if name else "a file without a name"


def size_of(path: str | Path, limit: int = MAX_BYTES) -> int:
    """Bytes of an ordinary file that is not empty. Raises DataError."""
    name = name_of(path)
    with reasons(path):
        status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{name} is a folder; a file is accepted.")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{name} is no ordinary file; one with a text, a table or arrays in it is accepted.")
    if status.st_size > limit:
        raise DataError(f"{name} has {status.st_size:,} bytes; at most {limit:,} are accepted: cut or thin it out.")
    if not status.st_size:
        raise DataError(f"{name} is empty: it has 0 bytes.")
    return status.st_size


@contextmanager
def opened(path: str | Path, limit: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """To be read. Raises DataError, also for what goes wrong while it is."""
    size_of(path, limit)
    with reasons(path), open(path, "rb") as file:
        yield file


@contextmanager
def reasons(path: str | Path) -> Iterator[None]:
    """What the system says of a file, in a sentence. Raises DataError."""
    name = name_of(path)
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or one_line(error.strerror or "the system refused it", 120).lower()
        raise DataError(f"{name} cannot be read: {reason}.") from None
    except ValueError:  # a NUL in the name
        raise DataError(f"{name} cannot be read: its name holds a character that none may.") from None


def head(path: str | Path, count: int, limit: int) -> bytes:
    """The first bytes. Raises DataError."""
    with opened(path, limit) as file:
        return file.read(count)


def read(path: str | Path, limit: int = MAX_BYTES) -> bytes:
    """All of it. Raises DataError."""
    return b"".join(pieces(path, limit))


def pieces(path: str | Path, limit: int = MAX_BYTES) -> Generator[bytes, None, None]:
    """All of it, piece by piece. Raises DataError."""
    so_far = 0
    with opened(path, limit) as file:
        while piece := file.read(PIECE):
            so_far += len(piece)
            if so_far > limit:
                raise DataError(f"{name_of(path)} grows while it is read; at most {limit:,} bytes are accepted.")
            yield piece
    if not so_far:
        raise DataError(f"{name_of(path)} is empty: it has 0 bytes.")


def reading(path: str | Path, limit: int = MAX_BYTES) -> Reading[tuple[bytearray, str]]:
    """All of it, and its SHA-256. Raises DataError."""
    size, digest = size_of(path, limit), hashlib.sha256()
    found = bytearray()  # it grows in place; pieces that are joined at the end would take a while all at once
    for piece in pieces(path, limit):
        found += piece
        digest.update(piece)
        yield min(1.0, len(found) / size)
    return found, digest.hexdigest()


def digesting(path: str | Path, limit: int = MAX_BYTES) -> Reading[str]:
    """Its SHA-256 alone. Raises DataError."""
    size, digest, so_far = size_of(path, limit), hashlib.sha256(), 0
    for piece in pieces(path, limit):
        digest.update(piece)
        so_far += len(piece)
        yield min(1.0, so_far / size)
    return digest.hexdigest()


def refuse_foreign(data: bytes, name: str) -> None:
    """Raises DataError where the first bytes are those of a known kind of file that is neither text nor arrays."""
    for signature, what, instead in _SIGNATURES:
        if data.startswith(signature):
            raise DataError(f"{name} is {what} (by its first bytes); {instead}.")
