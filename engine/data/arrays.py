"""Arrays from .npy and .npz files: no pickle, and every size is known and bounded before anything is allocated.

The header of an array is matched against what numpy.lib.format says that it looks like; nothing in it is evaluated.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.data import files
from engine.data.cells import Reading, within
from engine.data.datasets import MAX_VALUES, pieces_of
from engine.data.numbers import LARGEST
from engine.data.windows import packed
from engine.errors import DataError
from engine.plaintext import one_line

MAGIC_NPY = b"\x93NUMPY"
MAX_ARRAYS = 16
MAX_BYTES = MAX_VALUES * 8 + 2**20
"""Of a file: all numbers, and what is told about them."""
MAX_HEADER = 10_000
MAX_DIMENSIONS = 3
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'(?P<descr>[^']{1,40})'\s*,\s*'fortran_order':\s*(?P<fortran>True|False)\s*,"
    rb"\s*'shape':\s*\((?P<shape>[0-9L, ]{0,200})\)\s*,?\s*\}\s*"
)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Surveyed:
    """What is known of the arrays of a file whose numbers are not kept."""

    sha256: str
    size: int
    """Bytes of the file."""
    arrays: dict[str, NDArray[Any]]
    """By name, of the right shape and type, but without memory of their own; of `lengths` the numbers themselves."""
    missing: dict[str, int]
    """How many NaN there are in each."""
    missing_rows: dict[str, tuple[bytes, ...]]
    """In which rows of each column, of arrays of one or two axes (`windows.packed`); () where none is missing."""


def is_npz(data: bytes) -> bool:
    """Whether it is a ZIP archive whose first member is an array, and not a workbook. The first bytes suffice."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    size = int.from_bytes(data[26:28], "little")
    return data[30 : 30 + size].endswith(b".npy")


def surveying(path: str | Path) -> Reading[Surveyed]:
    """Piece by piece, with no more than a piece of them in memory. Raises DataError."""
    _check_begins(path)
    kept: dict[str, _Counter | _Loader] = {}

    def take(key: str, header: _Header) -> _Counter | _Loader:
        kept[key] = _Loader(header) if key.lower() == "lengths" else _Counter(header)
        return kept[key]

    yield from within(_each(path, take), 0.0, 0.7)
    sha256 = yield from within(files.digesting(path, MAX_BYTES), 0.7, 1.0)
    arrays = {key: one.array for key, one in kept.items()}
    rows: dict[str, tuple[bytes, ...]] = {}
    for key, one in kept.items():
        rows[key] = yield from one.missing_rows()
    missing = {key: one.missing for key, one in kept.items()}
    return Surveyed(sha256, files.size_of(path, MAX_BYTES), arrays, missing, rows)


def loading(path: str | Path) -> Reading[tuple[str, dict[str, NDArray[Any]]]]:
    """SHA-256 of the file, and the arrays by name; that of an .npy file is "x". Piece by piece. Raises DataError."""
    _check_begins(path)
    kept: dict[str, _Loader] = {}

    def take(key: str, header: _Header) -> _Loader:
        return kept.setdefault(key, _Loader(header))

    sha256 = yield from within(files.digesting(path, MAX_BYTES), 0.0, 0.3)
    yield from within(_each(path, take), 0.3, 1.0)
    return sha256, {key: one.array for key, one in kept.items()}


def _check_begins(path: str | Path) -> None:
    head = files.head(path, 256, MAX_BYTES)
    if not head.startswith(MAGIC_NPY) and not is_npz(head):
        name = files.name_of(path)
        files.refuse_foreign(head, name)
        raise DataError(f"{name} begins neither as an .npy nor as an .npz file does (bytes 0 to 5).")


class _Counter:
    """Counts what is missing and knows where, and keeps nothing."""

    def __init__(self, header: _Header) -> None:
        self.array = np.broadcast_to(np.zeros((), dtype=header.dtype), header.shape)
        self.missing = 0
        self._left = b""
        self._fortran = header.fortran
        self._at = 0
        self._absent: NDArray[np.bool_] | None = None
        """In the order of the file, from the first one on."""

    def take(self, piece: bytes) -> None:
        if self.array.dtype.kind != "f":
            return
        piece = self._left + piece
        whole = len(piece) - len(piece) % self.array.itemsize
        absent = np.isnan(np.frombuffer(piece[:whole], dtype=self.array.dtype))
        if absent.any():
            self.missing += int(absent.sum())
            if self._absent is None:
                self._absent = np.zeros(self.array.size, dtype=np.bool_)
            self._absent[self._at : self._at + len(absent)] = absent
        self._at += len(absent)
        self._left = piece[whole:]

    def missing_rows(self) -> Reading[tuple[bytes, ...]]:
        """Of each column; () where none is missing, or there are no rows and columns."""
        if self._absent is None or self.array.ndim > 2:
            return ()
        columns = self._absent.reshape(self.array.shape, order="F" if self._fortran else "C").reshape(
            len(self.array), -1
        )
        found = []
        for column in columns.T:
            found.append(packed(column))
            yield 1.0
        return tuple(found)


class _Loader:
    """Keeps all numbers."""

    def __init__(self, header: _Header) -> None:
        self._bytes = np.empty(header.bytes, dtype=np.uint8)
        self._at = 0
        flat = self._bytes.view(header.dtype)
        self.array = flat.reshape(header.shape, order="F" if header.fortran else "C")
        self.missing = 0

    def missing_rows(self) -> Reading[tuple[bytes, ...]]:
        """Nothing is missing among whole numbers, which are all that is kept when arrays are looked at."""
        yield 1.0
        return ()

    def take(self, piece: bytes) -> None:
        self._bytes[self._at : self._at + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        self._at += len(piece)


_Take: TypeAlias = "Callable[[str, _Header], _Counter | _Loader]"


def _each(path: str | Path, take: _Take) -> Reading[None]:
    name = files.name_of(path)
    with files.opened(path, MAX_BYTES) as file:
        if files.head(path, 6, MAX_BYTES) == MAGIC_NPY:
            yield from _streamed(file, name, lambda header: take("x", header))
        else:
            yield from _members(file, name, take)


def _members(file: BinaryIO, name: str, take: _Take) -> Reading[None]:
    found: set[str] = set()
    numbers = 0

    def taken(key: str, header: _Header) -> _Counter | _Loader:
        nonlocal numbers
        numbers += math.prod(header.shape)
        if numbers > MAX_VALUES:
            raise DataError(f"{name} has more than {MAX_VALUES:,} numbers in it, which is all that is read.")
        return take(key, header)

    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if not 1 <= len(members) <= MAX_ARRAYS:
                raise DataError(f"{name} has {len(members)} members; 1 to {MAX_ARRAYS} arrays are accepted.")
            for at, member in enumerate(members):
                key = member.filename.removesuffix(".npy")
                shown = one_line(key, 40)
                if not member.filename.endswith(".npy"):
                    raise DataError(f"{name} has a member '{shown}', which is no array; only arrays are accepted.")
                if key in found:
                    raise DataError(f"{name} has two arrays named '{shown}'; each name once is accepted.")
                found.add(key)
                if member.file_size > MAX_BYTES:
                    raise DataError(
                        f"{name}, array '{shown}' has {member.file_size:,} bytes; at most {MAX_BYTES:,} are accepted."
                    )
                with archive.open(member) as stream:
                    reading = _streamed(stream, f"{name}, array '{shown}'", partial(taken, key))
                    yield from within(reading, at / len(members), (at + 1) / len(members))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{name} is a damaged .npz archive ({_reason(error)}); save the arrays again.") from None


def _streamed(file: IO[bytes], name: str, take: Callable[[_Header], _Counter | _Loader]) -> Reading[None]:
    """One array out of a file that begins with its header. No more of it is read than its header promises."""
    head = file.read(MAX_HEADER + 64)
    header, start = _header(head, name)
    taker = take(header)
    left, piece = header.bytes, head[start:]
    while piece and left > 0:
        taker.take(piece[:left])
        left -= len(piece)
        yield 1.0 - max(0, left) / header.bytes
        piece = file.read(files.PIECE)
    if left != 0 or piece:
        less = "fewer" if left > 0 else "more"
        raise DataError(
            f"{name} has {less} bytes behind byte {start} than its shape {header.shape} of {header.dtype} takes "
            f"({header.bytes:,}); it is cut off or damaged: save it again."
        )


def _header(head: bytes, name: str) -> tuple[_Header, int]:
    """What the first bytes say of the array, and where its numbers begin. Raises DataError."""
    if not head.startswith(MAGIC_NPY):
        raise DataError(f"{name} does not begin as an .npy file does (bytes 0 to 5); save it with numpy.save.")
    version = tuple(head[6:8])
    wide = 2 if version == (1, 0) else 4
    size = int.from_bytes(head[8 : 8 + wide], "little")
    if version not in ((1, 0), (2, 0), (3, 0)) or size > MAX_HEADER:
        raise DataError(
            f"{name} has an .npy header of {size:,} bytes in version {'.'.join(map(str, version))} (from byte 6); "
            f"versions 1.0 to 3.0 with at most {MAX_HEADER:,} bytes are accepted."
        )
    start = 8 + wide + size
    found = _HEADER.fullmatch(head[8 + wide : start])
    if found is None or len(head) < start:
        if b"'descr': [" in head[:start]:
            raise DataError(
                f"{name} is a structured array (by its header, from byte {8 + wide}); numbers are accepted."
            )
        raise DataError(f"{name} has a damaged .npy header, from byte {8 + wide}; save it with numpy.save.")
    descr = found["descr"].decode("latin-1")
    try:
        dtype = np.dtype(descr)
        shape = tuple(int(n.rstrip(b"L")) for n in found["shape"].replace(b" ", b"").split(b",") if n)
    except (TypeError, ValueError):
        shown = one_line(descr, 40)
        raise DataError(f"{name} is of a type '{shown}' (from byte {8 + wide}) that is no type of numbers.") from None
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects (a pickle, which could run code); numbers are accepted.")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise DataError(f"{name} is of {one_line(str(dtype), 40)}; float16 to float64, whole or bool are accepted.")
    axes = one_line(str(shape), 80)
    if not 1 <= len(shape) <= MAX_DIMENSIONS or 0 in shape:
        raise DataError(f"{name} has the shape {axes}; one to three axes of 1 or more are accepted.")
    if math.prod(shape) > MAX_VALUES:
        raise DataError(f"{name} has the shape {axes}, {math.prod(shape):,} numbers; {MAX_VALUES:,} are accepted.")
    return _Header(shape, dtype, found["fortran"] == b"True"), start


def as_numbers(array: NDArray[Any], name: str, what: Mapping[int, str]) -> Reading[NDArray[np.float64]]:
    """float64, C order, piece by piece. NaN stays; `what` names the axes in the sentence for what is not finite or too
    large. What is in that form already is not copied."""
    there = array.dtype == np.float64 and array.flags.c_contiguous
    values = array if there else np.empty(array.shape)
    for first, behind in pieces_of(array.shape):
        piece = values[first:behind]
        if not there:
            piece[...] = array[first:behind]
        bad = ~(np.abs(piece) <= LARGEST) & ~np.isnan(piece)
        if bad.any():
            raise DataError(
                f"{name}, {place(bad, what, first)}: {piece[bad][0]:g} is no number within ±1e150, as is accepted."
            )
        yield behind / len(array)
    return values


def place(bad: NDArray[np.bool_], what: Mapping[int, str], first: int = 0) -> str:
    """Where the first of some bad entries is: "row 3, column 0 (both from 0)". `first`: of the rows that they are."""
    index = np.argwhere(bad)[0].tolist()
    index[0] += first
    words = ", ".join(f"{what.get(axis, f'axis {axis}')} {at}" for axis, at in enumerate(index))
    return f"{words} (from 0)"


def _reason(error: Exception) -> str:
    return one_line(str(error).rstrip(".") or type(error).__name__, 100)
