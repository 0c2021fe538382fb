"""The program started anew with the same document: for what is read only once, when it starts (the size of everything).

The document goes through a session in a folder that nobody else can read, and a note beside it that says what a session
does not: which file it belongs to, and whether it holds work that this file has not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from engine import session
from engine.errors import SessionError
from engine.requests import Excerpt
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.opening import Opening
from explorer.document.saving import session_of

STATUS = 75
"""Exit status of the window: start again with what `handed_over` has kept."""
_NOTE, _SESSION = "note.json", "document.gflow"

_kept: tuple[Path, int] | None = None


class _Note(msgspec.Struct, frozen=True):
    title: str
    path: str = ""
    """Of its own file, or of the recorded trace."""
    preset: str = ""
    unsaved: bool = False
    recorded: bool = False
    position: int = 0
    stamp: str = ""
    """Of its own file, as it was opened or saved: what another program writes into that meanwhile is no part of it."""


def hand_over(document: Document, excerpt: Excerpt | None, scale: int, stamp: str = "") -> None:
    """Keep the document for the next start. `stamp`: of its file, as it was opened or saved here. Raises
    SessionError where that cannot be; then nothing has happened."""
    global _kept
    recorded = document.state.recorded
    path = recorded.path if recorded is not None else document.path
    note = _Note(
        title=document.title,
        path=os.path.abspath(path) if path else "",
        preset=document.preset,
        unsaved=document.dirty,
        recorded=recorded is not None,
        position=document.view.position,
        stamp=stamp,
    )
    saved = None if recorded is not None else session_of(document, excerpt)
    try:
        folder = Path(tempfile.mkdtemp(prefix="gradflow-"))
    except OSError as error:
        raise SessionError(f"There is no place to keep the document meanwhile: {error.strerror}.") from None
    try:
        (folder / _NOTE).write_bytes(msgspec.json.encode(note))
        if saved is not None:
            session.save(saved, folder / _SESSION)
    except (OSError, SessionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SessionError(f"The document cannot be kept meanwhile. {error}") from None
    _kept = folder, scale


def taken_up(folder: Path) -> Opening:
    """What was handed over, as an opening; the folder is removed once all of it has been read. Raises SessionError."""
    try:
        note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=_Note)
    except (OSError, ValueError, RecursionError):
        raise SessionError(f"Nothing has been handed over in '{folder}'.") from None
    if note.recorded:
        found = opening.of_path(Path(note.path))
        found = replace(found, view=replace(found.view, position=note.position))
    else:
        found = replace(
            opening.of_path(folder / _SESSION),
            title=note.title,
            path=note.path,
            preset=note.preset,
            unsaved=note.unsaved,
            stamp=note.stamp,
        )
    for name in (_NOTE, _SESSION):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
    return found


def command(folder: Path, scale: int) -> list[str]:
    """The command line that takes it up."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "explorer"]
    return [*program, "--resume", str(folder), "--scale", str(scale)]


def start_again() -> int:
    """After the window has closed: become the next start (on Windows: wait for it). Returns its exit status."""
    assert _kept is not None, "nothing was handed over"
    line = command(*_kept)
    if sys.platform == "win32":
        return subprocess.call(line)
    sys.stdout.flush()
    sys.stderr.flush()
    return os.execv(line[0], line)
