"""By what a file with somebody's own data is told from a session. No Qt."""

from __future__ import annotations

from pathlib import Path

from engine import container
from engine.errors import SessionError

DATA = (".csv", ".tsv", ".tab", ".psv", ".txt", ".npy", ".npz")
EXPERIMENT = ".toml"


def is_data(path: Path) -> bool:
    """Whether a file is looked at as somebody's own data: by its ending, or where neither its name nor what is in it is
    a session's. What is wrong with it is said there best, as that an Excel sheet is exported as CSV."""
    name = path.name.lower()
    if name.endswith(DATA):
        return True
    if ".gflow" in name or name.endswith(EXPERIMENT) or not path.is_file():
        return False
    try:
        container.probe(path)
    except container.NewerFormatError:
        return False
    except SessionError:
        return True
    return False
