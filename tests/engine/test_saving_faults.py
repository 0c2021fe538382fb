"""A save either happened or did not: whatever the disk does, the old file stays whole, and a sentence says why."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from saved_sessions import assert_same, small_session

import engine
from engine import atomic, recording, session
from engine.errors import SessionError

CALLS = ("open", "write", "fsync", "replace", "close")
"""Every function of the system that a save goes through and that can fail."""


class Faults:
    """Lets the n-th call of one function of `os` fail, and counts the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts = dict.fromkeys(CALLS, 0)
        self.fail: tuple[str, int, int] | None = None
        for name in CALLS:
            monkeypatch.setattr(os, name, self._faulty(name, getattr(os, name)))

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = self.counts[name]
            self.counts[name] += 1
            if self.fail is not None and self.fail[:2] == (name, number):
                if name == "close":  # the descriptor is gone whatever close says
                    real(*args, **kwargs)
                raise OSError(self.fail[2], os.strerror(self.fail[2]))
            return real(*args, **kwargs)

        return call

    def next_save(self, fail: tuple[str, int, int] | None) -> None:
        self.counts, self.fail = dict.fromkeys(CALLS, 0), fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("exists", [True, False])
def test_an_error_at_any_call_leaves_the_old_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, exists: bool
) -> None:
    path = tmp_path / "a.gflow"
    old, new = small_session(), replace(small_session(), title="new")
    if exists:
        session.save(old, path)
    before = path.read_bytes() if exists else None
    faults = Faults(monkeypatch)
    session.save(new, tmp_path / "count.gflow")
    session.save(new, tmp_path / "count.gflow")
    counts = dict(faults.counts)
    tried = 0
    for name in CALLS:
        for number in range(counts[name]):
            faults.next_save((name, number, code))
            try:
                session.save(new, path)
            except SessionError as error:
                sentence = str(error)
                tried += 1
            else:
                sentence = ""
            faults.next_save(None)
            if sentence:
                assert ("disk is full" in sentence) == (code == errno.ENOSPC)
                assert (path.read_bytes() if path.exists() else None) == before, (name, number)
            else:  # the call had nothing to do with this save, or with the backup only: the new file is whole
                assert_same(new, session.load(path))
                restore(path, before)
            left = {p.name for p in tmp_path.iterdir()} - {"a.gflow", "a.gflow.bak", "count.gflow", "count.gflow.bak"}
            assert not left, f"{name} {number} left {left}"
    assert tried >= 8


def restore(path: Path, before: bytes | None) -> None:
    path.unlink()
    atomic.backup_of(path).unlink(missing_ok=True)
    if before is not None:
        path.write_bytes(before)


def test_bytes_that_the_disk_changed_are_noticed_before_the_old_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gflow"
    session.save(small_session(), path)
    before = path.read_bytes()
    write = os.write

    def flipped(descriptor: int, data: memoryview) -> int:
        return write(descriptor, bytes([data[0] ^ 1]) + bytes(data[1:]))

    monkeypatch.setattr(os, "write", flipped)
    with pytest.raises(SessionError):
        session.save(replace(small_session(), title="new"), path)
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:100])))
    session.save(small_session(), tmp_path / "a.gflow")
    assert_same(small_session(), session.load(tmp_path / "a.gflow"))


def test_one_backup_is_kept_and_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    for title in ("one", "two", "three"):
        session.save(replace(small_session(), title=title), path)
    assert session.load(path).title == "three"
    assert session.load(atomic.backup_of(path)).title == "two"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_system_without_links_keeps_a_backup_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_args: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    test_one_backup_is_kept_and_it_opens(tmp_path)


def test_folders_that_cannot_be_synced_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not supported")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    session.save(small_session(), tmp_path / "a.gflow")
    assert_same(small_session(), session.load(tmp_path / "a.gflow"))


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.gflow", tmp_path / "link.gflow"
    session.save(small_session(), real)
    link.symlink_to(real)
    session.save(replace(small_session(), title="new"), link)
    assert link.is_symlink()
    assert session.load(real).title == "new"


def test_permissions_survive_a_save(tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    session.save(small_session(), path)
    path.chmod(0o640)
    session.save(small_session(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_a_missing_folder_and_a_device_are_refused(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path, "it is a folder"),
        (tmp_path / "gone" / "a.gflow", "its folder is not there"),
        (Path(os.devnull), "no ordinary file"),
        (tmp_path / ("n" * 300), "its name is too long"),
        (tmp_path / "a\0b", "a character that none may"),
    ):
        with pytest.raises(SessionError, match=words):
            session.save(small_session(), path)
        with pytest.raises(SessionError, match=words):
            atomic.check_writable(path)


def test_a_folder_that_takes_no_new_files_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """As in /proc, where the folder is there and a new file is "not found"."""
    with (
        pytest.raises(SessionError, match="its folder takes no new files"),
        atomic.replacing(tmp_path / "x.npz"),
    ):
        raise FileNotFoundError(errno.ENOENT, "")


@pytest.mark.parametrize("path", [7, None, b"x"])
def test_a_path_that_is_none_is_refused_in_a_sentence(path: Any) -> None:
    trace = engine.trace(torch.nn.GRU(1, 2), torch.zeros(2, 1, 1), loss=lambda y: y.sum())
    with pytest.raises(SessionError, match="path"):
        trace.save(path)
    with pytest.raises(SessionError, match="path"):
        recording.load(path)


def test_a_name_at_the_limit_of_the_system_is_saved(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 240 + ".gflow")
    session.save(small_session(), path)
    assert_same(small_session(), session.load(path))


def test_a_program_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert path.read_bytes() == b"old"
