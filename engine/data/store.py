"""Imported data by the SHA-256 of their file, in a folder of our own. What has one hash never changes.

A file is: 8 bytes "GFDATA1\\n", 8 bytes length of the JSON (little-endian), the JSON (what the arrays mean), and the
arrays as safetensors (of a text: the text itself, UTF-8). It is written whole or not at all, and its hash is computed
again whenever it is read, so that a damaged one is named instead of used.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs
from numpy.typing import NDArray

from engine import atomic, tensorfile
from engine.data import files
from engine.data.cells import Reading, finished, within
from engine.data.datasets import (
    Data,
    Missing,
    SequencesData,
    SeriesData,
    TextData,
    check_length,
    checked,
    checking,
)
from engine.errors import DataError, SessionError
from engine.plaintext import one_line
from engine.strictjson import parse

MAGIC = b"GFDATA1\n"
MAX_JSON_BYTES = 16 * 2**20
MAX_FILE_BYTES = 768 * 2**20
MAX_REMEMBERED_BYTES = 256 * 2**20

_HASH = re.compile("[0-9a-f]{64}")
_SYNCED = 8 * 2**20
"""Bytes that are handed to the disk together, so that no wait for it is long."""


class _Series(msgspec.Struct, tag="series", tag_field="kind", forbid_unknown_fields=True):
    columns: tuple[str, ...]
    missing: Missing


class _Text(msgspec.Struct, tag="text", tag_field="kind", forbid_unknown_fields=True):
    pass


class _Sequences(msgspec.Struct, tag="sequences", tag_field="kind", forbid_unknown_fields=True):
    answers: Literal["class", "tags", "value"]
    columns: tuple[str, ...]
    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]


def folder() -> Path:
    """Where they lie: GRADFLOW_DATA, or the app's own data folder."""
    given = os.environ.get("GRADFLOW_DATA")
    return Path(given) if given else Path(platformdirs.user_data_dir("gradient-flow-explorer", False)) / "data"


def put(data: Data) -> str:
    """Keep these data; the hash by which they are found. Raises DataError."""
    return finished(putting(data))


def putting(data: Data, remember: bool = False) -> Reading[str]:
    """The same piece by piece. `remember`: they are wanted at once."""
    yield from within(checking(data), 0.0, 0.2)
    if isinstance(data, TextData):
        return (yield from within(putting_text((data.text,)), 0.2, 1.0))
    parts = _parts(data)
    digest = yield from within(_keeping(lambda: parts), 0.2, 1.0)
    if remember:
        _remember((str(folder()), digest), data, sum(map(len, parts)))
    return digest


def digesting(data: Data) -> Reading[str]:
    """The hash under which they would be kept."""
    digest = hashlib.sha256()
    parts = [_framed(_Text()), data.text.encode()] if isinstance(data, TextData) else _parts(data)
    for piece in _small(parts):
        digest.update(piece)
        yield 0.0
    return digest.hexdigest()


def putting_text(pieces: Sequence[str]) -> Reading[str]:
    """A text in pieces, piece by piece."""
    check_length(sum(map(len, pieces)))
    head = _framed(_Text())
    return (yield from _keeping(lambda: chain((head,), (piece.encode() for piece in pieces))))


def adopt(found: bytes) -> str:
    """Keep the bytes of such a file, for instance out of a session; its hash. Everything in them is checked first.
    Raises DataError."""
    from_bytes(found)
    return finished(_keeping(lambda: (found,)))


def _keeping(parts: Callable[[], Iterable[bytes | memoryview]]) -> Reading[str]:
    """Write the file of these parts, whole or not at all, where none of their hash is there yet; the hash."""
    digest, size = hashlib.sha256(), 0
    for piece in _small(parts()):
        digest.update(piece)
        size += len(piece)
        yield 0.0
    found = digest.hexdigest()
    path = _path(found)
    if path.is_file() and (yield from within(files.digesting(path, MAX_FILE_BYTES), 0.2, 1.0)) == found:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as temporary, open(temporary, "xb", buffering=0) as file:
            written = 0
            for piece in _small(parts()):
                written += len(piece)
                file.write(piece)
                if written % _SYNCED < len(piece):
                    os.fsync(file.fileno())
                yield 0.2 + 0.8 * written / size
    except OSError as error:
        reason = one_line(error.strerror or "the system refused it", 120).lower()
        raise DataError(f"The data cannot be kept in {folder()}: {reason}.") from None
    except SessionError as error:
        raise DataError(f"The data cannot be kept in {folder()}: {error}") from None
    return found


def _small(parts: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(view), files.PIECE):
            yield view[at : at + files.PIECE]


def get(digest: str, name: str = "") -> Data:
    """The data of that hash, verified. `name`: of the file that they came from, for the sentence where they are
    missing. Raises DataError."""
    key = (str(folder()), digest)
    if key in _remembered:
        _remembered.move_to_end(key)
        return _remembered[key][0]
    found = read_bytes(digest, name)
    data = from_bytes(found)
    _remember(key, data, len(found))
    return data


def read_bytes(digest: str, name: str = "") -> bytes:
    """The file of that hash, verified: for a session that embeds it. Raises DataError."""
    if not _HASH.fullmatch(digest):
        raise DataError("The data are named by what is no SHA-256; 64 digits 0-9 and a-f are accepted.")
    path = _path(digest)
    whose = f"The data of {files.source_of(name)}"
    if not path.is_file():
        raise DataError(
            f"{whose} are not on this computer (no {digest[:12]}… in {folder()}); import the file again to use them."
        )
    try:
        found = files.read(path, MAX_FILE_BYTES)
    except DataError as error:
        raise DataError(f"{whose} cannot be read: {error}") from None
    if hashlib.sha256(found).hexdigest() != digest:
        raise DataError(f"{whose} are damaged ({path.name[:12]}… has another content); import the file again.")
    return found


def has(digest: str) -> bool:
    """Whether a file of that hash is there; whether it is whole shows when it is read."""
    return bool(_HASH.fullmatch(digest)) and _path(digest).is_file()


def to_bytes(data: Data) -> bytes:
    """Raises DataError where something in them does not fit."""
    checked(data)
    return b"".join((_framed(_Text()), data.text.encode()) if isinstance(data, TextData) else _parts(data))


def _parts(data: SeriesData | SequencesData) -> list[bytes | memoryview]:
    """The file in parts, over the same memory as the data."""
    if isinstance(data, SeriesData):
        return [
            _framed(_Series(data.columns, data.missing)),
            *tensorfile.to_parts({"values": data.values, "breaks": data.breaks}),
        ]
    arrays: dict[str, NDArray[Any]] = {"lengths": data.lengths, "answer": data.answer}
    if data.numbers is not None:
        arrays["numbers"] = data.numbers
    if data.symbols is not None:
        arrays["symbols"] = data.symbols
    head = _Sequences(data.answers, data.columns, data.vocabulary, data.labels)
    return [_framed(head), *tensorfile.to_parts(arrays)]


def _framed(head: _Series | _Text | _Sequences) -> bytes:
    json = msgspec.json.encode(head)
    if len(json) > MAX_JSON_BYTES:
        raise DataError(f"The names in the data take {len(json):,} bytes; at most {MAX_JSON_BYTES:,} are accepted.")
    return b"".join((MAGIC, len(json).to_bytes(8, "little"), json))


def from_bytes(found: bytes) -> Data:
    """Raises DataError for everything that `to_bytes` would not have written."""
    start = len(MAGIC) + 8
    if len(found) > MAX_FILE_BYTES or not found.startswith(MAGIC) or len(found) < start:
        raise DataError("The data are damaged, or of a newer version: they do not begin as they should.")
    size = int.from_bytes(found[len(MAGIC) : start], "little")
    if size > min(MAX_JSON_BYTES, len(found) - start):
        raise DataError("The data are damaged: their description is longer than they are.")
    try:
        plain = parse(found[start : start + size], "The description of the data", MAX_JSON_BYTES)
        head = msgspec.convert(plain, _Series | _Text | _Sequences)
        return checked(_data(head, memoryview(found)[start + size :]))
    except SessionError as error:
        raise DataError(str(error)) from None
    except msgspec.ValidationError:
        raise DataError("The description of the data does not say what it should.") from None
    except UnicodeError:
        raise DataError("The data are damaged: their text is not UTF-8.") from None
    except (KeyError, AttributeError, ValueError, TypeError):
        raise DataError("The data are damaged: arrays that belong to them are missing.") from None


def _data(head: _Series | _Text | _Sequences, body: memoryview) -> Data:
    if isinstance(head, _Text):
        return TextData(bytes(body).decode())
    arrays: Mapping[str, NDArray[Any]] = tensorfile.from_bytes(body)
    if isinstance(head, _Series):
        values, breaks = _exactly(arrays, "values", "breaks")
        return SeriesData(head.columns, values, head.missing, breaks)
    inputs = "symbols" if "symbols" in arrays else "numbers"
    lengths, answer, given = _exactly(arrays, "lengths", "answer", inputs)
    numbers, symbols = (None, given) if inputs == "symbols" else (given, None)
    return SequencesData(head.answers, lengths, numbers, symbols, answer, head.columns, head.vocabulary, head.labels)


def _exactly(arrays: Mapping[str, NDArray[Any]], *names: str) -> list[NDArray[Any]]:
    if set(arrays) != set(names):
        raise KeyError(names)
    return [arrays[name] for name in names]


def _path(digest: str) -> Path:
    return folder() / f"{digest}.gfdata"


_remembered: OrderedDict[tuple[str, str], tuple[Data, int]] = OrderedDict()
"""Of this process: what was read last."""


def _remember(key: tuple[str, str], data: Data, size: int) -> None:
    _remembered[key] = (data, size)
    while len(_remembered) > 1 and sum(size for _, size in _remembered.values()) > MAX_REMEMBERED_BYTES:
        _remembered.popitem(last=False)
