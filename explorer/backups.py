"""The file that saving leaves beside a session: what it held before. What is said of it, and what it is opened as."""

from __future__ import annotations

import os
from pathlib import Path

from engine import atomic

FILTER = "As it was before it was last saved (*.gflow.bak)"


def beside(path: str) -> Path | None:
    """The one that lies beside a session, beside a link's target as saving leaves it; None: there is none."""
    found = atomic.backup_of(Path(os.path.realpath(path)))
    return found if found.is_file() else None


def session_of(path: Path) -> str:
    """The name of the session that a file is the backup of: "tides.gflow" of "tides.gflow.bak"; "" where it is none."""
    return path.stem if path.name.lower().endswith(".gflow.bak") else ""


def sentence(backup: Path) -> str:
    """Where the former version is, and how somebody gets back to it."""
    return f"What it held before is kept beside it as {backup.name}, until it is saved again; File ▸ Open… opens that."


def opened_sentence(path: Path) -> str:
    return f"This is {session_of(path)} as it was before it was last saved. Save asks for a name."
