"""Somebody's own data: a file that was chosen or dropped is looked at in a dialog, and what comes of it is one edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from engine.data import store, windows
from engine.data.files import source_of
from engine.spec import OwnTask
from explorer.bindings.parts import Parts
from explorer.dock.task_edits import with_task
from explorer.training.standing import put_away

if TYPE_CHECKING:
    from explorer.data_dialog.dialog import DataDialog

LOCATE = "Locate…"


class OwnDataBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._window = parts, parts.document, parts.window
        self.dialog: DataDialog | None = None
        self._missing: OwnTask | None = None
        """Whose data the banner says are missing."""
        self._locating = False
        parts.controller.failed.connect(self._failed)
        parts.controller.excerptChanged.connect(self._traced)
        self._voice = parts.window.stage.banner.voice()
        self._voice.chosen.connect(self._chosen)
        parts.controller.recovered.connect(self._voice.take_back)
        parts.reader.brought.connect(self._located)
        parts.reader.failed.connect(self._not_located)

    # -- data that are not there --------------------------------------------------------------------------------------

    @Slot(str)
    def _failed(self, _sentence: str) -> None:
        """A trace that cannot be made because its data are not on this computer: what can still be done."""
        task = None if self._document.experiment is None else self._document.experiment.task
        if not isinstance(task, OwnTask) or store.has(task.data):
            return
        self._missing = task
        stage = self._window.stage
        self._voice.say(
            f"The data of {source_of(task.name)} are not on this computer.",
            [(LOCATE, "Choose the file that they were imported from; it is checked that they are the same data")],
        )
        if self._parts.controller.excerpt is None:
            stage.set_message(
                f"The data of {source_of(task.name)} are missing.\nNothing can be traced or trained; the curves and "
                "the history of the training can be read."
            )

    @Slot(object)
    def _traced(self, excerpt: object) -> None:
        if excerpt is not None:
            self._missing = None

    @Slot(int)
    def _chosen(self, _index: int) -> None:
        if self._missing is None:
            return
        dialog = QFileDialog(self._window, f"Locate {self._missing.name or 'the data'}", "", "All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.locate)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def locate(self, path: str) -> None:
        """Look for the data that are missing in a file."""
        if self._missing is not None and self.dialog is None:
            self._locating = True
            self._parts.say(f"Looking for the data of {source_of(self._missing.name)}…", 0)
            self._parts.reader.find(path, self._missing)

    @Slot(object)
    def _located(self, _task: object) -> None:
        if self._locating:
            self._locating, self._missing = False, None
            self._voice.take_back()
            if self._parts.controller.excerpt is None:
                self._window.stage.set_message("Computing the trace…")
            self._parts.say("They are the same data: their SHA-256 is that of the session.", 6000)
            self._parts.controller.refresh()

    @Slot(str)
    def _not_located(self, sentence: str) -> None:
        if self._locating:
            self._locating = False
            self._parts.say("", 1)
            self._voice.say(sentence, [(LOCATE, "Choose another file")])

    # -- data that are opened -----------------------------------------------------------------------------------------

    @Slot(str)
    def open(self, path: str) -> None:
        """Show the dialog over a file; one that is open already takes it."""
        experiment = self._document.experiment
        if experiment is None:
            self._parts.say("A recorded trace has its own data; open an experiment first.", 6000)
            return
        if self.dialog is not None:
            self.dialog.open_file(path)
            return
        from explorer.data_dialog.dialog import DataDialog

        every = experiment.model.readout.at == "every"
        self.dialog = DataDialog(self._parts.reader, path, windows.STEPS, windows.BATCH_SIZE, every, self._window)
        if trained := self._document.state.furthest:
            running = self._parts.runner.running  # a number of iterations would be old at once
            gone = "Undo brings what was trained back." if running else put_away(0, trained)
            self.dialog.set_consequence(f"Training begins anew. {gone}")
        self.dialog.chosen.connect(self._use)
        self.dialog.finished.connect(self._closed)
        self.dialog.open()

    @Slot(object)
    def _use(self, task: OwnTask) -> None:
        experiment = self._document.experiment
        if experiment is None:
            return
        wanted = with_task(experiment, task)
        self._window.show_workbench()
        self._window.stage.set_prompt("")  # it asked about another experiment
        self._window.dock.stack.input.announce(experiment, wanted)
        self._document.edit_experiment(wanted, f"data from {task.name}")

    @Slot()
    def _closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None
