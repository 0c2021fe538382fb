"""What each action does: one slot `do_<id>` per row of explorer/actions.py, in the file of its menu."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction

from explorer import menus
from explorer.actions import Menu
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.commands.available import Available
from explorer.commands.edit import EditCommands
from explorer.commands.file import FileCommands
from explorer.commands.help import HelpCommands
from explorer.commands.model import ModelCommands
from explorer.commands.tape import TapeCommands
from explorer.commands.track import TrackCommands
from explorer.commands.training import TrainingCommands
from explorer.commands.view import ViewCommands
from explorer.files import Files
from explorer.lists import Lists
from explorer.theme.choice import ThemeKeeper
from explorer.widgets.typed import finish_typing


class Commands(QObject):
    """The window's actions by id, each connected with its slot, and what has the slots, by menu."""

    def __init__(self, parts: Parts, bindings: Bindings, files: Files, themes: ThemeKeeper) -> None:
        super().__init__(parts.window)
        self._window = parts.window
        self.actions: dict[str, QAction] = {}  # filled below, before any of those that are given it looks into it
        lists = Lists(parts, bindings)
        tape, track = TapeCommands(parts, bindings, lists, self), TrackCommands(parts, lists, self)
        self.slots: dict[Menu, QObject] = {
            "File": FileCommands(parts, bindings, files, self),
            "Edit": EditCommands(parts, bindings, self.actions, self),
            "Model": ModelCommands(parts, bindings, self),
            "Tape": tape,
            "Training": TrainingCommands(parts, bindings, self),
            "Track": track,
            "View": ViewCommands(parts, bindings, files, themes, self.actions, self),
            "Help": HelpCommands(parts, self),
        }
        stage = parts.window.stage
        self.actions |= menus.build(parts.window, self.slots, stage, parts.window.dock.stack, self._finish_typing)
        stage.addTrackRequested.connect(track.do_add_track)
        stage.events.stepRequested.connect(tape.step_event)
        stage.events.listRequested.connect(tape.do_events)
        self._available = Available(parts, bindings.tape, themes.choice, self.actions, self)

    @Slot()
    def _finish_typing(self) -> None:
        finish_typing(self._window)
