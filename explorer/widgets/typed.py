"""What is being typed in a field and not yet taken: taken before something else changes the document, or let go.

A field that loses the focus takes what was typed. Where that is in the middle of an edit (cards and lists are built
anew, the focus moves), one edit would come inside of another; so whoever begins an edit finishes the typing first.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from PySide6.QtCore import QEvent
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget


@runtime_checkable
class Typed(Protocol):
    """A field that is typed into."""

    def is_typed(self) -> bool:
        """Whether it shows what is not its value: typed and not taken, or refused."""
        ...

    def finish(self) -> None:
        """Take what was typed, as Enter does."""
        ...

    def restore(self) -> None:
        """Let go of what was typed or refused."""
        ...


def finish_typing(beside: QWidget) -> None:
    """In whichever field of this window is typed into: it is the one with the focus, as leaving finishes too."""
    field = beside.window().focusWidget()
    if isinstance(field, Typed):
        field.finish()


def undone_here(field: Typed, event: QEvent) -> bool | None:
    """What a field does with the keys of undo and redo. True: it was undone here, the event is done with.

    Undo lets go of what is being typed, and of nothing else. Without any it is the document's, as redo always is: the
    field's own history would bring back texts that were taken long ago. False: left to the window. None: another key.
    """
    kind = event.type()
    if kind not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) or not isinstance(event, QKeyEvent):
        return None
    undo = event.matches(QKeySequence.StandardKey.Undo)
    if not undo and not event.matches(QKeySequence.StandardKey.Redo):
        return None
    here = undo and field.is_typed()
    if here and kind is QEvent.Type.KeyPress:
        field.restore()
    event.setAccepted(here)
    return here
