"""Says where an iteration that is traced again is not the one that was recorded."""

from __future__ import annotations

from PySide6.QtCore import QObject

from engine.requests import Excerpt
from explorer.bindings.parts import Parts
from explorer.document.proof import difference

_READ_MS = 20_000


class ProofBinding(QObject):
    """In the banner, or where that says something already in the status line; once of an iteration."""

    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._controller, self._banner = parts, parts.controller, parts.window.stage.banner
        self._voice = self._banner.voice()
        self._trace = -1
        self._told: set[int] = set()

    def show_opened(self) -> None:
        self._told.clear()

    def show_excerpt(self, excerpt: Excerpt | None) -> None:
        shown, trace = self._controller.shown, self._controller.trace
        if excerpt is None or shown is None or trace == self._trace:
            return
        self._trace = trace
        self._voice.take_back()  # it was about the picture before
        sentence = difference(shown.state, shown.iteration, excerpt)
        if not sentence or shown.iteration in self._told:
            return
        self._told.add(shown.iteration)
        if self._banner.speaker is not None:
            self._parts.say(sentence, _READ_MS)
        else:
            self._voice.say(sentence)
