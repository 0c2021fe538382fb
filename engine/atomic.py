"""Files that are written whole or not at all.

Temporary file in the same folder, write, fsync, verify, keep one backup, os.replace, fsync the folder. Whatever goes
wrong, the old file stays byte for byte as it was, and SessionError says why in one sentence.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from engine.errors import SessionError
from engine.plaintext import one_line

Part: TypeAlias = "bytes | memoryview"

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the disk does not take a file of that size",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "writing is not allowed there",
    errno.EPERM: "writing is not allowed there",
    errno.ENOENT: "its folder is not there",
    errno.ENOTDIR: "its folder is not there",
    errno.EIO: "the disk reports an error",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EISDIR: "it is a folder",
}
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR)
"""What systems answer that cannot fsync a folder (network file systems; Windows cannot open one)."""


def write(
    path: Path,
    parts: Iterable[Part],
    *,
    verify: Callable[[Path], None] | None = None,
    keep_backup: bool = False,
) -> None:
    """Put `parts`, one after the other, in place of `path`. `verify` reads the temporary file and raises SessionError
    if it is not right; `keep_backup` leaves the old file as `backup_of(path)`."""
    with _temporary(path) as (temporary, target):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            for part in parts:
                _write_all(descriptor, memoryview(part).cast("B"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if verify is not None:
            verify(temporary)
        _install(temporary, target, keep_backup)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file's name (with the same ending) to be written by somebody else; on success it replaces `path`."""
    with _temporary(path) as (temporary, target):
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _install(temporary, target, keep_backup=False)


def backup_of(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


def check_writable(path: Path) -> None:
    """Raises SessionError where a later write is bound to fail, before somebody computes for it."""
    try:
        _look_at(Path(os.path.realpath(path)))
    except OSError as error:
        raise _failure(path, error) from None
    except ValueError:  # a NUL in the name
        raise SessionError(
            f"'{_shown(path)}' could not be written: its name holds a character that none may."
        ) from None


def _look_at(target: Path) -> None:
    """Raises OSError, and ValueError for a name that no system takes."""
    try:
        kind = os.stat(target).st_mode
    except FileNotFoundError:
        kind = 0
    if stat.S_ISDIR(kind):
        raise OSError(errno.EISDIR, "")
    if kind and not stat.S_ISREG(kind):
        raise OSError(0, "it is no ordinary file")
    if not stat.S_ISDIR(os.stat(target.parent).st_mode):
        raise OSError(errno.ENOTDIR, "")
    if not os.access(target.parent, os.W_OK) or (kind and not os.access(target, os.W_OK)):
        raise OSError(errno.EACCES, "")


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, Path]]:
    """A name for the temporary file, and the file that it replaces (a link's target, not the link)."""
    check_writable(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.stem[:80]}.{os.urandom(6).hex()}{target.suffix[:20]}")
    try:
        yield temporary, target
    except OSError as error:
        raise _failure(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view[: 2**24]) :]


def _install(temporary: Path, target: Path, keep_backup: bool) -> None:
    """From here on an error takes back what was done."""
    had_old = target.exists()
    if had_old:
        with contextlib.suppress(OSError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
    kept = target.with_name(f".{target.stem[:80]}.{os.urandom(6).hex()}.old")
    try:
        if had_old:
            _second_name(target, kept)
        os.replace(temporary, target)
        try:
            _sync_folder(target.parent)
        except OSError:
            _take_back(target, kept if had_old else None)
            raise
        if had_old and keep_backup:
            # The new file is safe already: a backup that cannot be kept is no failed save.
            with contextlib.suppress(OSError):
                os.replace(kept, backup_of(target))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(kept)


def _take_back(target: Path, kept: Path | None) -> None:
    if kept is None:
        os.unlink(target)
    else:
        os.replace(kept, target)


def _second_name(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:  # a file system without hard links
        shutil.copy2(file, name)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _failure(path: Path, error: OSError) -> SessionError:
    reason = _REASONS.get(error.errno or 0)
    if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(os.path.realpath(path))):
        reason = "its folder takes no new files"
    reason = reason or one_line(error.strerror or "the system refused it", 120).lower()
    return SessionError(f"'{_shown(path)}' could not be written: {reason}.")


def _shown(path: Path) -> str:
    return one_line(path.name or str(path), 80)
