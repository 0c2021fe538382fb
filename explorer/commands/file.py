"""The File menu."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.files import Files


class FileCommands(QObject):
    def __init__(self, parts: Parts, bindings: Bindings, files: Files, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._files = parts, files
        files.dataChosen.connect(bindings.own_data.open)
        parts.window.dock.ownDataRequested.connect(self.do_open_data)

    @Slot()
    def do_start_page(self) -> None:
        self._parts.player.pause()
        self._files.show_start_page()

    @Slot()
    def do_new(self) -> None:
        self._files.new()

    @Slot()
    def do_open(self) -> None:
        self._files.open_dialog()

    @Slot()
    def do_open_data(self) -> None:
        self._files.open_data_dialog()

    @Slot()
    def do_save(self) -> None:
        self._files.save()

    @Slot()
    def do_save_as(self) -> None:
        self._files.save_as()

    @Slot()
    def do_export_picture(self) -> None:
        self._files.export_picture()

    @Slot()
    def do_reset(self) -> None:
        self._files.reset()

    @Slot()
    def do_quit(self) -> None:
        self._parts.window.close()
