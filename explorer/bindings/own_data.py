"""Somebody's own data: a file that was chosen or dropped is looked at in a dialog, and what comes of it is one edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from engine.spec import OwnTask
from explorer.bindings.parts import Parts
from explorer.dock.task_edits import DERIVED_STEPS, kind_of, with_task

if TYPE_CHECKING:
    from explorer.data_dialog.dialog import DataDialog

USUAL_STEPS = 50
"""Where the T of the task so far follows from something else."""


class OwnDataBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._document, self._window = parts, parts.document, parts.window
        self.dialog: DataDialog | None = None

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

        task = experiment.task
        steps = USUAL_STEPS if kind_of(task) in DERIVED_STEPS else task.steps
        every = experiment.model.readout.at == "every"
        self.dialog = DataDialog(self._parts.reader, path, steps, task.batch_size, every, self._window)
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
