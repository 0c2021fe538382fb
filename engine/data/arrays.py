"""Arrays from .npy and .npz files: no pickle, and every size is known and bounded before anything is allocated.

The header of an array is matched against what numpy.lib.format says that it looks like; nothing in it is evaluated.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.datasets import MAX_VALUES
from engine.errors import DataError
from engine.plaintext import one_line

MAGIC_NPY = b"\x93NUMPY"
MAX_ARRAYS = 16
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


def is_npz(data: bytes) -> bool:
    """Whether it is a ZIP archive whose first member is an array, and not a workbook."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    size = int.from_bytes(data[26:28], "little")
    return data[30 : 30 + size].endswith(b".npy")


def read_arrays(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The arrays by name; that of an .npy file is "x". Raises DataError."""
    if data.startswith(MAGIC_NPY):
        return {"x": _array(data, name)}
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if not 1 <= len(members) <= MAX_ARRAYS:
                raise DataError(f"{name} has {len(members)} members; 1 to {MAX_ARRAYS} arrays are accepted.")
            for member in members:
                key = member.filename.removesuffix(".npy")
                shown = one_line(key, 40)
                if not member.filename.endswith(".npy"):
                    raise DataError(f"{name} has a member '{shown}', which is no array; only arrays are accepted.")
                if key in found:
                    raise DataError(f"{name} has two arrays named '{shown}'; each name once is accepted.")
                found[key] = _array(_unpacked(archive, member, f"{name}, array '{shown}'"), f"{name}, array '{shown}'")
                if sum(array.size for array in found.values()) > MAX_VALUES:
                    raise DataError(f"{name} has more than {MAX_VALUES:,} numbers in it, which is all that is read.")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{name} is a damaged .npz archive ({_reason(error)}); save the arrays again.") from None
    return found


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of a member, no more of them than its header promises and than are accepted."""
    most = MAX_VALUES * 8 + MAX_HEADER + 64
    if member.file_size > most:
        raise DataError(f"{name} has {member.file_size:,} bytes; at most {most:,} are accepted.")
    with archive.open(member) as file:
        head = file.read(MAX_HEADER + 64)
        header, start = _header(head, name)
        size = start + math.prod(header.shape) * header.dtype.itemsize
        return head + file.read(max(0, min(size, most) + 1 - len(head)))


def _array(data: bytes, name: str) -> NDArray[Any]:
    header, start = _header(data[: MAX_HEADER + 64], name)
    size = math.prod(header.shape) * header.dtype.itemsize
    if len(data) - start != size:
        less = "fewer" if len(data) - start < size else "more"
        raise DataError(
            f"{name} has {less} bytes behind byte {start} than its shape {header.shape} of {header.dtype} takes "
            f"({size:,}); it is cut off or damaged: save it again."
        )
    flat = np.frombuffer(data, dtype=header.dtype, offset=start)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


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


def as_numbers(array: NDArray[Any], name: str, what: Mapping[int, str]) -> NDArray[np.float64]:
    """float64, C order. NaN stays; `what` names the axes in the sentence for what is not finite or too large."""
    values = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~(np.abs(values) <= 1e150) & ~np.isnan(values)
    if bad.any():
        raise DataError(f"{name}, {place(bad, what)}: {values[bad][0]:g} is no number within ±1e150, as is accepted.")
    return values


def place(bad: NDArray[np.bool_], what: Mapping[int, str]) -> str:
    """Where the first of some bad entries is: "row 3, column 0 (both from 0)"."""
    index = np.argwhere(bad)[0].tolist()
    words = ", ".join(f"{what.get(axis, f'axis {axis}')} {at}" for axis, at in enumerate(index))
    return f"{words} (from 0)"


def _reason(error: Exception) -> str:
    return one_line(str(error).rstrip(".") or type(error).__name__, 100)
