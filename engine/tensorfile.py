"""Named arrays as safetensors bytes, and the strict way back: everything is bounded before an array exists.

The library's own reader accepts a name twice (the last one wins), so the header is read here.
Format: https://huggingface.co/docs/safetensors (8 bytes header length, JSON header, data).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from engine.errors import SessionError
from engine.strictjson import parse

MAX_HEADER_BYTES = 8 * 2**20
MAX_TENSORS = 50_000
MAX_RANK = 6
DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    dtype: Literal["F16", "F32", "F64", "I64"]
    shape: list[int]
    data_offsets: tuple[int, int]


def to_bytes(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays by name. Raises SessionError for a name or dtype that the reader would refuse."""
    for name, array in tensors.items():
        if not _NAME.fullmatch(name) or array.dtype.newbyteorder("<") not in DTYPES.values():
            raise SessionError(f"An array '{name}' of dtype {array.dtype} cannot be saved.")
    # asarray keeps arrays without dimensions as they are, which ascontiguousarray does not.
    return save({name: np.asarray(array, order="C") for name, array in tensors.items()})


def to_parts(tensors: Mapping[str, NDArray[Any]]) -> list[bytes | memoryview]:
    """The same bytes in parts over the memory of the arrays, as far as that is in order: nothing is copied."""
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    # The library orders the arrays by their types and names, and pads its header.
    kept = to_bytes({name: np.zeros((0,) * max(1, array.ndim), array.dtype) for name, array in whole.items()})
    entries: dict[str, Any] = msgspec.json.decode(kept[8:])
    end = 0
    for name, entry in entries.items():
        begin, end = end, end + whole[name].nbytes
        entry |= {"shape": list(whole[name].shape), "data_offsets": [begin, end]}
    header = msgspec.json.encode(entries)
    header += b" " * (-len(header) % 8)
    bodies = [whole[name].reshape(-1).view(np.uint8).data for name in entries if whole[name].size]
    return [len(header).to_bytes(8, "little") + header, *bodies]


def from_bytes(data: memoryview) -> dict[str, NDArray[Any]]:
    """The arrays by name: read-only views of `data`. Raises SessionError."""
    if len(data) < 8:
        raise SessionError("The tensors are damaged: they end too early.")
    header_size = int.from_bytes(data[:8], "little")
    if header_size > min(MAX_HEADER_BYTES, len(data) - 8):
        raise SessionError("The tensors are damaged: their header is longer than they are.")
    header = parse(bytes(data[8 : 8 + header_size]), "The header of the tensors", MAX_HEADER_BYTES)
    try:
        entries = msgspec.convert(header, dict[str, _Entry])
    except msgspec.ValidationError:
        raise SessionError("The header of the tensors does not describe arrays of a known dtype.") from None
    if len(entries) > MAX_TENSORS:
        raise SessionError(f"There are {len(entries):,} tensors; at most {MAX_TENSORS:,} are accepted.")
    body = data[8 + header_size :]
    found: dict[str, NDArray[Any]] = {}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        found[name] = _array(name, entry, body, end)
        end = entry.data_offsets[1]
    if end != len(body):
        raise SessionError("The tensors are damaged: there are bytes that belong to none of them.")
    return found


def _array(name: str, entry: _Entry, body: memoryview, expected: int) -> NDArray[Any]:
    """One array. Its bytes must begin at `expected`, where the one before ended: no gaps, no overlap."""
    if not _NAME.fullmatch(name):
        raise SessionError("A tensor's name has characters that are not accepted.")
    dtype, (begin, end) = DTYPES[entry.dtype], entry.data_offsets
    if len(entry.shape) > MAX_RANK or any(not 0 <= n < 2**40 for n in entry.shape):
        raise SessionError(f"The tensor '{name}' has a shape that is not accepted.")
    size = math.prod(entry.shape) * dtype.itemsize
    if begin != expected or begin % dtype.itemsize or end - begin != size or end > len(body):
        raise SessionError(f"The tensors are damaged: the bytes of '{name}' are not where its shape says.")
    return np.frombuffer(body[begin:end], dtype=dtype).reshape(entry.shape)
