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
        self._training.travel(self._parts.book.next)

    @Slot()
    def do_first_iteration(self) -> None:
        self._training.travel(0)

    @Slot()
    def do_go_to_iteration(self) -> None:
        self._training.ask_iteration()

    @Slot()
    def do_best_iteration(self) -> None:
        self._training.travel_to_best()

    @Slot()
    def do_keep_run(self) -> None:
        self._training.keep_run()

    @Slot()
    def do_remove_runs(self) -> None:
        self._training.remove_runs()

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
