"""A picture that comes while training runs is drawn in pieces before it is shown, one a turn of the event loop, so that
the window's frames come between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, QTimer, Slot

from engine.requests import Excerpt
from explorer.want import Want


class InPieces(QObject):
    """`show` is called once for each picture that is handed in and not let go, in the order in which they come."""

    def __init__(self, show: Callable[[Want, Excerpt], None], parent: QObject) -> None:
        super().__init__(parent)
        self._show = show
        self.draw: Callable[[Excerpt], Iterator[None]] | None = None
        """Draws what is to be shown, a piece with each step of the iteration."""
        self._picture: tuple[Want, Excerpt] | None = None
        self._pieces: Iterator[None] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._go_on)

    def take(self, want: Want, excerpt: Excerpt, *, ahead: bool) -> None:
        """`ahead`: draw it before it is shown; else it is shown at once."""
        self.finish()
        if not ahead or self.draw is None:
            self._show(want, excerpt)
            return
        self._picture, self._pieces = (want, excerpt), self.draw(excerpt)
        self._timer.start()

    def finish(self) -> None:
        """Show now what is being drawn, if anything is."""
        picture = self._picture
        self.forget()
        if picture is not None:
            self._show(*picture)

    def forget(self) -> None:
        self._timer.stop()
        self._picture = self._pieces = None

    @Slot()
    def _go_on(self) -> None:
        if self._pieces is None or next(self._pieces, self) is self:
            self.finish()
