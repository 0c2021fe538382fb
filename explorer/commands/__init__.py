"""What each action does: one slot `do_<id>` per row of explorer/actions.py, in the file of its menu."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from explorer import menus
from explorer.actions import Menu
from explorer.bindings import Bindings
from explorer.commands.available import Available
from explorer.commands.edit import EditCommands
from explorer.commands.file import FileCommands
from explorer.commands.help import HelpCommands
from explorer.commands.model import ModelCommands
from explorer.commands.tape import TapeCommands
from explorer.commands.track import TrackCommands
from explorer.commands.view import ViewCommands
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.files import Files
from explorer.lists import Lists
from explorer.player import Player
from explorer.theme.choice import ThemeKeeper
from explorer.window import MainWindow


class Commands(QObject):
    """The window's actions by id, each connected with its slot, and what has the slots, by menu."""

    def __init__(
        self,
        window: MainWindow,
        document: Document,
        controller: Controller,
        player: Player,
        bindings: Bindings,
        files: Files,
        themes: ThemeKeeper,
    ) -> None:
        super().__init__(window)
        self.actions: dict[str, QAction] = {}  # filled below, before any of those that are given it looks into it
        lists = Lists(window, document, controller, bindings)
        tape = TapeCommands(window, document, controller, player, bindings, lists, self)
        track = TrackCommands(window, lists, self)
        self.slots: dict[Menu, QObject] = {
            "File": FileCommands(window, player, files, self),
            "Edit": EditCommands(window, document, controller, self.actions, self),
            "Model": ModelCommands(window, bindings, self),
            "Tape": tape,
            "Track": track,
            "View": ViewCommands(window, bindings, files, themes, self.actions, self),
            "Help": HelpCommands(window, self),
        }
        self.actions |= menus.build(window, self.slots, window.stage, window.dock.stack)
        window.stage.addTrackRequested.connect(track.do_add_track)
        window.stage.events.stepRequested.connect(tape.step_event)
        window.stage.events.listRequested.connect(tape.do_events)
        self._available = Available(window, document, bindings.tape, themes.choice, self.actions, self)
