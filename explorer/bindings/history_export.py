"""The training's past on its way to a file, as `gradflow history` writes it."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from engine import task_facts
from explorer.bindings.parts import Parts


class HistoryExport(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts = parts

    def ask_where(self) -> None:
        book, document = self._parts.book, self._parts.document
        if not len(book.log) and not book.evaluations:
            self._parts.say("Nothing has been trained yet, so there is no history; ▶ Train makes some.", 6000)
            return
        folder = os.path.dirname(document.path) if document.path else str(Path.home())
        name = os.path.join(folder, f"{document.title or 'Untitled'} history.csv")
        dialog = QFileDialog(self._parts.window, "Export the history", name, "Comma-separated values (*.csv)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(self.save)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def save(self, path: str) -> None:
        """What there is now, written between other things, with progress and cancel where it takes long."""
        from explorer.tables.history import history_parts, parts_of_history
        from explorer.tables.saving import Saving

        book, experiment = self._parts.book, self._parts.document.experiment
        baseline = None if experiment is None else task_facts.baseline(experiment.task, experiment.model)
        parts = history_parts(book.log, book.evaluations, baseline)
        count = parts_of_history(book.log, book.evaluations)
        saving = Saving(parts, count, Path(path), self._parts.window)
        saving.done.connect(self._say)
        saving.done.connect(saving.deleteLater)
        saving.start()

    @Slot(str)
    def _say(self, sentence: str) -> None:
        self._parts.say(sentence, 8000)
