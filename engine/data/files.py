"""A file of somebody's own, as bytes: bounded, and no device, pipe or folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from engine.errors import DataError
from engine.plaintext import one_line

MAX_BYTES = 64 * 2**20

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


def read(path: str | Path, limit: int = MAX_BYTES) -> bytes:
    """All of it. Raises DataError."""
    name = name_of(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise DataError(f"{name} is a folder; a file is accepted.")
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{name} is no ordinary file; one with a text, a table or arrays in it is accepted.")
        if status.st_size > limit:
            raise DataError(f"{name} has {status.st_size:,} bytes; at most {limit:,} are accepted: cut or thin it out.")
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or one_line(error.strerror or "the system refused it", 120).lower()
        raise DataError(f"{name} cannot be read: {reason}.") from None
    except ValueError:  # a NUL in the name
        raise DataError(f"{name} cannot be read: its name holds a character that none may.") from None
    if len(data) > limit:
        raise DataError(f"{name} grows while it is read; at most {limit:,} bytes are accepted.")
    if not data:
        raise DataError(f"{name} is empty: it has 0 bytes.")
    return data


def refuse_foreign(data: bytes, name: str) -> None:
    """Raises DataError where the first bytes are those of a known kind of file that is neither text nor arrays."""
    for signature, what, instead in _SIGNATURES:
        if data.startswith(signature):
            raise DataError(f"{name} is {what} (by its first bytes); {instead}.")
