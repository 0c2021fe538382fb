"""How the stage follows training: now and then the newest iteration is shown, and training keeps most of the time."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Slot

from explorer.controller import Controller
from explorer.document.document import Document

SHOWS_EVERY = 0.3
"""Seconds from one picture of the newest iteration to the next, at least."""
SHOWS_SHARE = 4
"""Of the time, training gets that many times what pictures get."""


class Following(QObject):
    """Asks for the picture of the newest iteration, unless somebody has travelled elsewhere."""

    def __init__(self, document: Document, controller: Controller, parent: QObject) -> None:
        super().__init__(parent)
        self._document, self._controller = document, controller
        self.on = True
        """Whether it does; whoever travels turns it off."""
        self._shown_at = self._asked_at = 0.0
        self._rest = SHOWS_EVERY
        controller.excerptChanged.connect(self._shown)

    def begin(self) -> None:
        """A training begins, and what is on screen is its beginning."""
        self.on = True
        self._rest = SHOWS_EVERY
        self._shown_at = time.perf_counter()

    def now_and_then(self) -> None:
        """After a chunk."""
        if not self.on or self._controller.waiting or time.perf_counter() - self._shown_at < self._rest:
            return
        self._asked_at = time.perf_counter()
        self.show_newest()

    def catch_up(self) -> None:
        """Training rests: what it has come to is shown."""
        if self.on:
            self.show_newest()

    def show_newest(self) -> None:
        document = self._document
        newest = document.state.furthest
        if document.view.iteration != newest and document.experiment is not None:
            self._controller.go_to_iteration(newest, document.view.position)

    @Slot(object)
    def _shown(self, _excerpt: object) -> None:
        now = time.perf_counter()
        self._shown_at = now
        if self._asked_at:
            self._rest = max(SHOWS_EVERY, SHOWS_SHARE * (now - self._asked_at))
            self._asked_at = 0.0
