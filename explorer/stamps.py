"""By what one tells that a file is another one than it was: whoever has read or written it knows its stamp from these
very bytes, and nobody's clock is asked."""

from __future__ import annotations

from pathlib import Path

from engine import container
from engine.errors import SessionError

FOREIGN = "no session"
"""Of a file that is there, and that cannot be read as one of ours."""


def stamp_of(path: str | Path) -> str | None:
    """The `Probe.sha256` of the file as it is now, or FOREIGN; None: none is there."""
    path = Path(path)
    if not path.exists():
        return None
    try:
        return container.probe(path).sha256
    except SessionError:
        return FOREIGN
