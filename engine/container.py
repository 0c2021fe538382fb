"""The `.gflow` file: a ZIP of stored members, exactly manifest.json, session.json and tensors.safetensors.

It holds a saved session or a recorded trace; the manifest says which, and has the size and SHA-256 of the two others.
Everything is bounded before it is allocated, and every failure is a SessionError of one sentence. Imports no torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec
from numpy.typing import NDArray

from engine import atomic, tensorfile, zipframe
from engine.errors import SessionError
from engine.plaintext import one_line
from engine.spec import CellKind
from engine.strictjson import parse
from engine.zipframe import DESCRIPTION, TENSORS, mebibytes

ContentKind: TypeAlias = Literal["session", "trace"]

FORMAT = "gradient-flow-explorer"
VERSION = (1, 1)
"""major.minor. A newer minor version may only add: fields at the top of session.json, tensors. This one leaves them out
and says so (`newer_words`); a newer major one is refused. What each version holds: docs/house.md, "Files"."""

SUFFIX = ".gflow"
MAX_FILE_BYTES: dict[ContentKind, int] = {"session": 512 * 2**20, "trace": 2**30}
MAX_MANIFEST_BYTES, MAX_DESCRIPTION_BYTES = 64 * 2**10, 4 * 2**20
MAX_TITLE = 120
_MOST = 2**30


class NewerFormatError(SessionError):
    """The file was written by a newer major version."""


class _Member(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int
    sha256: str


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to know before the bulk is read. Whoever reads the bulk holds it to this."""

    cell: CellKind
    steps: int
    batch_size: int
    hidden_size: int
    dtype: str


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: str
    content: ContentKind
    title: str
    written_with: dict[str, str]
    summary: Summary
    members: dict[str, _Member]


@dataclass(frozen=True)
class Probe:
    """What a file says of itself, read from its manifest alone."""

    content: ContentKind
    title: str
    sha256: str
    """Of the manifest, and so of everything: the manifest holds the SHA-256 of the other members."""
    version: tuple[int, int]
    written_with: Mapping[str, str]
    """Versions of "gradient-flow-explorer", "torch", "numpy"."""
    cell: CellKind
    steps: int
    batch_size: int
    hidden_size: int
    dtype: str

    @property
    def summary(self) -> Mapping[str, str | int]:
        """The last five, by name."""
        return {name: getattr(self, name) for name in Summary.__struct_fields__}


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything in a file, checked against its SHA-256, but not yet against what it should mean."""

    probe: Probe
    description: Any
    """session.json, parsed."""
    tensors: Mapping[str, NDArray[Any]]
    """Read-only."""


def write(
    path: Path,
    content: ContentKind,
    description: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    *,
    summary: Summary,
    title: str = "",
) -> str:
    """Save atomically and return the `Probe.sha256`. Raises SessionError; the old file is then as it was."""
    where = f"'{one_line(path.name, 80)}' could not be written: "
    _refuse_to_replace_newer(path)
    described = msgspec.json.encode(description)
    if len(described) > MAX_DESCRIPTION_BYTES:
        raise SessionError(f"{where}its settings and notes are longer than {mebibytes(MAX_DESCRIPTION_BYTES)}.")
    data = tensorfile.to_bytes(tensors)
    if (size := len(described) + len(data) + MAX_MANIFEST_BYTES) > MAX_FILE_BYTES[content]:
        limit = mebibytes(MAX_FILE_BYTES[content])
        raise SessionError(f"{where}it would have {mebibytes(size)}; a {content} may have {limit}.")
    manifest = _Manifest(
        format=FORMAT,
        version="{}.{}".format(*VERSION),
        content=content,
        title=one_line(title, MAX_TITLE),
        written_with=_versions(),
        summary=summary,
        members={name: _Member(len(m), _sha256(m)) for name, m in ((DESCRIPTION, described), (TENSORS, data))},
    )
    head = msgspec.json.encode(manifest)
    sha256 = _sha256(head)

    def verify(temporary: Path) -> None:
        if read(temporary, content).probe.sha256 != sha256:
            raise SessionError(f"{where}the disk gives back other bytes.")

    atomic.write(path, zipframe.framed((head, described, data)), verify=verify, keep_backup=True)
    return sha256


def probe(path: Path) -> Probe:
    """What the file says of itself; the bulk of it is neither read nor checked. Raises SessionError."""
    with _opened(path) as file:
        return _frame(file)[0]


def read(path: Path, content: ContentKind, sha256: str | None = None) -> Contents:
    """Everything in the file, all of it checked. `sha256`: the `Probe.sha256` that is expected. Raises SessionError."""
    with _opened(path) as file:
        found, manifest, spans = _frame(file)
        if found.content != content:
            raise SessionError(f"It holds a {found.content}, not a {content}.")
        if sha256 is not None and found.sha256 != sha256:
            raise SessionError("It has changed since it was opened.")
        described, data = (zipframe.content(file, span) for span in spans[1:])
        for name, member in ((DESCRIPTION, described), (TENSORS, data)):
            if _sha256(member) != manifest.members[name].sha256:
                raise SessionError(f"It is damaged: {name} does not match its checksum.")
        description = parse(described, "Its session.json", MAX_DESCRIPTION_BYTES)
        return Contents(found, description, tensorfile.from_bytes(memoryview(data)))


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Put the file's name before the sentence of a SessionError, and make one of every error of the system."""
    name = one_line(path.name or str(path), 80)
    try:
        yield
    except NewerFormatError as error:
        raise NewerFormatError(f"'{name}' cannot be opened. {error}") from None
    except SessionError as error:
        raise SessionError(f"'{name}' cannot be opened. {error}") from None
    except FileNotFoundError:
        raise SessionError(f"There is no file '{one_line(str(path), 200)}'.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = one_line(getattr(error, "strerror", None) or str(error), 120)
        raise SessionError(f"'{name}' cannot be read: {reason}.") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with explained(path):
        if path.is_dir():
            raise SessionError("It is a folder.")
        if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
            raise SessionError("It is no ordinary file.")
        with path.open("rb") as file:
            yield file


def _frame(file: BinaryIO) -> tuple[Probe, _Manifest, list[zipframe.Span]]:
    """The manifest, and where the members lie; sizes are all in bounds then. Raises SessionError."""
    spans = zipframe.spans(file, max(MAX_FILE_BYTES.values()))
    if spans[0].size > MAX_MANIFEST_BYTES or spans[1].size > MAX_DESCRIPTION_BYTES:
        raise SessionError("Its manifest or its settings are too long.")
    head = zipframe.content(file, spans[0])
    raw = parse(head, "Its manifest", MAX_MANIFEST_BYTES)
    version = _version_of(raw)
    try:
        manifest = msgspec.convert(raw, _Manifest)
    except msgspec.ValidationError:
        raise SessionError(f"Its manifest is not one of format {version[0]}.") from None
    if set(manifest.members) != {DESCRIPTION, TENSORS}:
        raise SessionError("Its manifest names other members than it has.")
    if [manifest.members[DESCRIPTION].bytes, manifest.members[TENSORS].bytes] != [span.size for span in spans[1:]]:
        raise SessionError("It is damaged: a member has another size than the manifest says.")
    if spans[-1].end > MAX_FILE_BYTES[manifest.content]:
        raise SessionError(f"It is larger than {mebibytes(MAX_FILE_BYTES[manifest.content])}.")
    summary = manifest.summary
    if not all(1 <= n <= _MOST for n in (summary.steps, summary.batch_size, summary.hidden_size)):
        raise SessionError("Its manifest has a size of 0 or of more than a file can hold.")
    found = Probe(
        content=manifest.content,
        title=one_line(manifest.title, MAX_TITLE),
        sha256=_sha256(head),
        version=version,
        written_with={one_line(k, 40): one_line(v, 40) for k, v in manifest.written_with.items()},
        cell=summary.cell,
        steps=summary.steps,
        batch_size=summary.batch_size,
        hidden_size=summary.hidden_size,
        dtype=one_line(summary.dtype, 20),
    )
    return found, manifest, spans


def _version_of(raw: Any) -> tuple[int, int]:
    """Looked at before anything else of the manifest, since a newer format may have another one."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise SessionError("It is no file of Gradient Flow Explorer.")
    major, _, minor = str(raw.get("version")).partition(".")
    if not (_is_number(major) and _is_number(minor)) or int(major) < 1:
        raise SessionError("It is damaged: its format has no version.")
    if int(major) > VERSION[0]:
        raise NewerFormatError(
            f"It was written by a newer Gradient Flow Explorer (format {int(major)}.{int(minor)}; "
            f"this one reads up to {VERSION[0]}); it was not changed."
        )
    return int(major), int(minor)


def newer_words(version: tuple[int, int]) -> str:
    """Of a file of a newer minor version, what opens of it; "" of any other."""
    if version <= VERSION:
        return ""
    here = "{}.{}".format(*VERSION)
    return (
        f"This file was written by a newer Gradient Flow Explorer (format {version[0]}.{version[1]}; this one knows "
        f"{here}): what {here} does not know has been left out, and is lost when it is saved here."
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4


def _refuse_to_replace_newer(path: Path) -> None:
    """A file of a newer major version is never overwritten; anything else may be."""
    try:
        probe(path)
    except NewerFormatError:
        name = one_line(path.name, 80)
        raise SessionError(
            f"'{name}' was written by a newer Gradient Flow Explorer and is not overwritten; save under another name."
        ) from None
    except SessionError:
        return


def _versions() -> dict[str, str]:
    """Asked of the installed packages, so that no torch is imported."""
    return {name: version_of(name) for name in ("gradient-flow-explorer", "torch", "numpy")}


def version_of(package: str) -> str:
    """Of an installed package; "unknown" where there is none."""
    from importlib import metadata  # brings half of the e-mail package along: not while the window starts

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
