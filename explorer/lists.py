"""Lists that pop up over the stage: the tracks there are to add, and the events of the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, QRect, Slot
from shiboken6 import isValid

from engine.requests import Event, Excerpt
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.document.tracks import Offer, offers, shown_as
from explorer.transport.event_ticks import NOT_REACHED
from explorer.transport.words import EVENT_TITLES, EVENT_TONES, describe

if TYPE_CHECKING:
    from explorer.widgets.picker import Entry, Picker


class Lists(QObject):
    """At most one of them is open; each is made anew when it is asked for."""

    def __init__(self, parts: Parts, bindings: Bindings) -> None:
        super().__init__(parts.window)
        self._window, self._document, self._controller = parts.window, parts.document, parts.controller
        self._bindings = bindings
        self._open: Picker | None = None

    @property
    def open(self) -> Picker | None:
        return self._open if self._open is not None and isValid(self._open) else None

    # -- tracks -------------------------------------------------------------------------------------------------------

    def show_offers(self) -> None:
        """Everything there is to see; what is shown has a tick, and is gone to when it is taken again."""
        excerpt = self._controller.excerpt
        if excerpt is None:
            return
        from explorer.widgets.picker import Entry, Picker

        entries = [
            Entry(offer.key, offer.words, offer.group, offer.detail, offer.find) for offer in self._offers(excerpt)
        ]
        picker = Picker(
            entries,
            name="Tracks",
            hint="Find a track: forget gate, grad c 2, a_f …",
            nothing="Nothing here is called that.\nTry a symbol (c, a_f), a gate or a layer’s number.",
            foot="Enter adds or goes there · Ctrl+Enter goes on · Tick or Del removes",
            ticked=self._shown,
            parent=self._window.stage,
        )
        picker.taken.connect(self._add)
        picker.dropped.connect(self._remove)
        button = self._window.stage.canvas.add_button
        self._pop_up(picker, button.mapToGlobal(QPoint(0, button.height())))

    def _shown(self) -> frozenset[str]:
        excerpt, tracks = self._controller.excerpt, self._document.state.tracks
        if excerpt is None:
            return frozenset()
        kinds = excerpt.kinds()
        return frozenset(offer.key for offer in self._offers(excerpt) if shown_as(offer.key, tracks, kinds))

    def _offers(self, excerpt: Excerpt) -> tuple[Offer, ...]:
        return offers(excerpt.kinds(), excerpt.readout, trains=self._document.state.recorded is None)

    @Slot(str)
    def _add(self, key: str) -> None:
        """Where it is shown already, the stage goes there."""
        there = self._there(key)
        self._bindings.tracks.add_track(there[0] if there else key)

    @Slot(str)
    def _remove(self, key: str) -> None:
        if there := self._there(key):
            self._bindings.tracks.remove_tracks(there)

    def _there(self, key: str) -> tuple[str, ...]:
        """The tracks that show it."""
        excerpt = self._controller.excerpt
        return shown_as(key, self._document.state.tracks, excerpt.kinds()) if excerpt is not None else ()

    # -- events -------------------------------------------------------------------------------------------------------

    def show_events(self) -> None:
        excerpt = self._controller.excerpt
        if excerpt is None:
            return
        if not excerpt.events:
            self._window.statusBar().showMessage("Nothing happens on this tape: it has no events.", 4000)
            return
        from explorer.widgets.picker import Picker

        entries = [self._entry(n, event) for n, event in enumerate(excerpt.events)]
        picker = Picker(
            entries,
            name="Events",
            hint="Find an event: overflow, forget gate, t = 13 …",
            nothing="No event has these words.",
            foot="Enter goes there · Esc closes",
            wraps=True,
            parent=self._window.stage,
        )
        picker.resize(820, min(460, 100 + 36 * len(entries)))
        picker.taken.connect(self._go)
        self._pop_up(picker, self._window.transport.mapToGlobal(QPoint(0, self._window.transport.height())))

    def _entry(self, number: int, event: Event) -> Entry:
        from explorer.widgets.picker import Entry

        tape = self._document.tape
        position = event.position(tape.steps)
        where = describe(tape.moment(position))
        if position > self._document.view.position:  # what is going to happen is not given away
            return Entry(str(number), NOT_REACHED, "", where)
        find = f"{EVENT_TITLES[event.kind]} {where}"
        return Entry(str(number), event.sentence, "", where, find, event.kind, EVENT_TONES[event.kind])

    @Slot(str)
    def _go(self, number: str) -> None:
        excerpt = self._controller.excerpt
        if excerpt is not None and int(number) < len(excerpt.events):
            self._bindings.tape.scrub(excerpt.events[int(number)].position(excerpt.steps))

    # -- both ---------------------------------------------------------------------------------------------------------

    def _pop_up(self, picker: Picker, corner: QPoint) -> None:
        if (old := self.open) is not None:
            old.close()
        self._open = picker
        stage = self._window.workbench
        picker.open_at(corner, QRect(stage.mapToGlobal(QPoint(0, 0)), stage.size()))
