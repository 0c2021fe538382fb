"""What the bindings and the commands work between."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.analysis.desk import Desk
from explorer.controller import Controller
from explorer.data_dialog.reader import Reader
from explorer.document.document import Document
from explorer.evaluation.evaluator import Evaluator
from explorer.player import Player
from explorer.training.book import Book
from explorer.training.runner import Runner
from explorer.window import MainWindow


@dataclass(frozen=True, eq=False)
class Parts:
    window: MainWindow
    document: Document
    controller: Controller
    player: Player
    desk: Desk
    book: Book
    runner: Runner
    reader: Reader
    evaluator: Evaluator

    def say(self, words: str, milliseconds: int) -> None:
        """For a moment, in the status bar."""
        self.window.statusBar().showMessage(words, milliseconds)
