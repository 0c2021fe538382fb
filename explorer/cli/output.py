"""Where a command may write: looked at before anything is computed."""

from __future__ import annotations

from pathlib import Path

from engine import atomic
from explorer.cli.target import UsageError


def checked_output(path: Path, suffix: str) -> Path:
    """Raises UsageError for another kind of file, and SessionError where it cannot be written."""
    if path.suffix.lower() != suffix:
        raise UsageError(f"The output '{path}' should end in {suffix}.")
    atomic.check_writable(path)
    return path
