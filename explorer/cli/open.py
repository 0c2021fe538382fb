"""`gradflow [TARGET]`: the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.target import Target, resolve

if TYPE_CHECKING:
    from explorer.document.opening import Opening


def open_window(text: str | None, scale: int | None = None, resume: Path | None = None) -> int:
    """Open the window. A wrong TARGET is refused before anything appears. `scale`: the size of everything in percent,
    for this run; `resume`: what an earlier window has handed over."""
    target = None if text is None else resolve(text)
    from explorer import reopening, startup

    found, data = reopening.taken_up(resume) if resume is not None else None, None
    startup.begin()
    from explorer.app import main

    if target is not None and target.is_data:
        data = target.path
    elif target is not None:
        found = opening_of(target)
    status = main(found, scale, data)
    return reopening.start_again() if status == reopening.STATUS else status


def opening_of(target: Target) -> Opening:
    from explorer.document import opening

    if target.preset is not None:
        return opening.of_preset(target.preset)
    assert target.path is not None
    return opening.of_path(target.path)
