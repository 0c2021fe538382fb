"""The Track menu: what it does to the track that is selected on the stage."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.lists import Lists
from explorer.window import MainWindow


class TrackCommands(QObject):
    def __init__(self, window: MainWindow, lists: Lists, parent: QObject) -> None:
        super().__init__(parent)
        self._window, self._lists = window, lists

    @Slot()
    def do_add_track(self) -> None:
        self._lists.show_offers()

    @Slot()
    def do_select_above(self) -> None:
        self._window.stage.handling.select_next(-1)

    @Slot()
    def do_select_below(self) -> None:
        self._window.stage.handling.select_next(1)

    def _on_selected(self, done: bool) -> None:
        if not done:
            words = "Select a track first: with ↑ and ↓ on the stage, or by a click on its name."
            self._window.statusBar().showMessage(words, 4000)

    @Slot()
    def do_track_menu(self) -> None:
        self._on_selected(self._window.stage.handling.menu())

    @Slot()
    def do_show_table(self) -> None:
        self._on_selected(self._window.stage.handling.table())

    @Slot()
    def do_duplicate_track(self) -> None:
        self._on_selected(self._window.stage.handling.duplicate())

    @Slot()
    def do_collapse_track(self) -> None:
        self._on_selected(self._window.stage.handling.collapse())

    @Slot()
    def do_move_track_up(self) -> None:
        self._on_selected(self._window.stage.handling.move(-1))

    @Slot()
    def do_move_track_down(self) -> None:
        self._on_selected(self._window.stage.handling.move(1))

    @Slot()
    def do_taller_track(self) -> None:
        self._on_selected(self._window.stage.handling.grow(1))

    @Slot()
    def do_lower_track(self) -> None:
        self._on_selected(self._window.stage.handling.grow(-1))

    @Slot()
    def do_remove_track(self) -> None:
        self._on_selected(self._window.stage.handling.remove())
