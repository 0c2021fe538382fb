"""Pins: traces that stay on the stage beside what comes next."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.tracks import NORMS, parse
from explorer.bindings.parts import Parts
from explorer.document import pins
from explorer.stage.tracks.ghost import Ghost


class PinsBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._controller = parts, parts.document, parts.controller

    def show_pins(self) -> None:
        """Each is named by what differs from what is on screen."""
        d = self._document
        ghosts = (
            Ghost(pins.name(pin, d.experiment, d.state.what_if, d.view.iteration), pin.steps, pin.layers)
            for pin in d.view.pins
        )
        self._parts.window.stage.set_ghosts(tuple(ghosts))

    @Slot()
    def pin(self) -> None:
        """Keep the trace on screen beside what comes next."""
        d, excerpt = self._document, self._controller.excerpt
        if excerpt is None or self._controller.waiting:
            self._parts.say("The trace is still being computed; pin it when it is on screen.", 4000)
            return
        made = pins.pin_of(excerpt, d.experiment, d.state.what_if, d.view.iteration)
        d.look(pins=pins.with_pin(d.view.pins, made))
        self.show_pins()
        shown = any(parse(track).what == NORMS for track in d.state.tracks)
        more = "" if shown else " Add the track “Gradient norms” to see it."
        said = f"Pinned: this trace's norms stay as dotted curves beside those of the next one.{more}"
        self._parts.say(said, 6000)

    @Slot()
    def unpin(self) -> None:
        count = len(self._document.view.pins)
        self._document.look(pins=())
        self.show_pins()
        words = "There is no pin." if not count else f"{count} pin{'s' if count > 1 else ''} removed."
        self._parts.say(words, 3000)
