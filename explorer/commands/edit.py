"""The Edit menu."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction

from explorer import menus
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts


class EditCommands(QObject):
    def __init__(self, parts: Parts, bindings: Bindings, actions: dict[str, QAction], parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._bindings, self._actions = parts, bindings, actions

    @Slot()
    def do_stop(self) -> None:
        """Esc: stop what is computed, or leave the start page for the document behind it, or take marks away."""
        if self._parts.window.on_start_page:
            self._parts.window.show_workbench()
        elif self._parts.runner.running:
            self._parts.runner.pause()
        elif self._parts.controller.waiting:
            self._parts.controller.cancel()
        else:
            self._bindings.analysis.unmark()

    @Slot()
    def do_undo(self) -> None:
        self._parts.window.dock.restore()
        self._parts.document.undo_stack.undo()

    @Slot()
    def do_redo(self) -> None:
        self._parts.window.dock.restore()
        self._parts.document.undo_stack.redo()

    @Slot()
    def do_copy(self) -> None:
        self._bindings.stage.copy()

    @Slot()
    def do_palette(self) -> None:
        palette = menus.Palette(self._actions, self._parts.window)
        palette.finished.connect(self._palette_closed)
        palette.open()

    @Slot(int)
    def _palette_closed(self, _result: int) -> None:
        palette = self.sender()
        if isinstance(palette, menus.Palette):
            palette.deleteLater()
            if palette.chosen:
                self._actions[palette.chosen].trigger()
