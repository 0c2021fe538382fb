"""The Training menu."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings import Bindings
from explorer.bindings.history_export import HistoryExport
from explorer.bindings.parts import Parts


class TrainingCommands(QObject):
    def __init__(self, parts: Parts, bindings: Bindings, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._training, self._evaluation = parts, bindings.training, bindings.evaluation
        self._travel, self._comparisons = bindings.travel, bindings.comparisons
        self.history_export = HistoryExport(parts, self)

    @Slot()
    def do_train(self) -> None:
        self._training.toggle()

    @Slot()
    def do_train_one(self) -> None:
        self._training.advance(1)

    @Slot()
    def do_train_ten(self) -> None:
        self._training.advance(10)

    @Slot()
    def do_train_until(self) -> None:
        self._training.ask_until()

    @Slot()
    def do_newest_iteration(self) -> None:
        self._travel.to(self._parts.book.next)

    @Slot()
    def do_first_iteration(self) -> None:
        self._travel.to(0)

    @Slot()
    def do_go_to_iteration(self) -> None:
        self._travel.ask()

    @Slot()
    def do_best_iteration(self) -> None:
        self._travel.to_best()

    @Slot()
    def do_keep_run(self) -> None:
        self._comparisons.keep()

    @Slot()
    def do_remove_runs(self) -> None:
        self._comparisons.clear()

    @Slot()
    def do_focus_curves(self) -> None:
        self._training.take_focus()

    @Slot()
    def do_judge(self) -> None:
        self._evaluation.judge()

    @Slot()
    def do_focus_answers(self) -> None:
        self._evaluation.take_focus()

    @Slot()
    def do_export_history(self) -> None:
        self.history_export.ask_where()
