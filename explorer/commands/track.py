"""The Track menu: what it does to the track that is selected on the stage."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings.parts import Parts
from explorer.lists import Lists


class TrackCommands(QObject):
    def __init__(self, parts: Parts, lists: Lists, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._handling, self._lists = parts, parts.window.stage.handling, lists

    @Slot()
    def do_add_track(self) -> None:
        self._lists.show_offers()

    @Slot()
    def do_select_above(self) -> None:
        self._handling.select_next(-1)

    @Slot()
    def do_select_below(self) -> None:
        self._handling.select_next(1)

    def _on_selected(self, done: bool) -> None:
        if not done:
            words = "Select a track first: with ↑ and ↓ on the stage, or by a click on its name."
            self._parts.say(words, 4000)

    @Slot()
    def do_track_menu(self) -> None:
        self._on_selected(self._handling.menu())

    @Slot()
    def do_fit_scale(self) -> None:
        self._on_selected(self._handling.fit_scale())

    @Slot()
    def do_show_table(self) -> None:
        self._on_selected(self._handling.table())

    @Slot()
    def do_duplicate_track(self) -> None:
        self._on_selected(self._handling.duplicate())

    @Slot()
    def do_collapse_track(self) -> None:
        self._on_selected(self._handling.collapse())

    @Slot()
    def do_move_track_up(self) -> None:
        self._on_selected(self._handling.move(-1))

    @Slot()
    def do_move_track_down(self) -> None:
        self._on_selected(self._handling.move(1))

    @Slot()
    def do_taller_track(self) -> None:
        self._on_selected(self._handling.grow(1))

    @Slot()
    def do_lower_track(self) -> None:
        self._on_selected(self._handling.grow(-1))

    @Slot()
    def do_remove_track(self) -> None:
        self._on_selected(self._handling.remove())
