"""`gradflow [TARGET]`: the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.cli.target import Target, resolve

if TYPE_CHECKING:
    from explorer.document.opening import Opening


def open_window(text: str | None) -> int:
    """Open the window. A wrong TARGET is refused before anything appears."""
    target = None if text is None else resolve(text)
    from explorer import startup

    startup.begin()
    from explorer.app import main

    return main(None if target is None else opening_of(target))


def opening_of(target: Target) -> Opening:
    from explorer.document import opening

    if target.preset is not None:
        return opening.of_preset(target.preset)
    assert target.path is not None
    return opening.of_path(target.path)
