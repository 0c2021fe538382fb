"""A loss that runs away while it is finite still: said above the stage, with ways back. Training goes on meanwhile."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.run_away import has_run_away, of_log
from explorer.bindings.parts import Parts
from explorer.bindings.training import TrainingBinding
from explorer.training.standing import Ending
from explorer.training.ways_out import WayOut, ways_back


class RunAwayBinding(QObject):
    """Says it once; again only after the loss has been well in between, or another training has begun."""

    def __init__(self, parts: Parts, training: TrainingBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._document, self._runner, self._book = parts.document, parts.runner, parts.book
        self._training, self._stage = training, parts.window.stage
        self._said = False
        self._sentence = ""
        self._ways: tuple[WayOut, ...] = ()
        self._good = 0
        self._book.changed.connect(self._look)
        self._runner.ended.connect(self._ended)
        self._runner.runningChanged.connect(self._running_changed)
        self._stage.banner.chosen.connect(self._take)

    def show_opened(self) -> None:
        """Of another document it is said when it is trained on."""
        self._put_away()
        self._said = False

    @Slot()
    def _look(self) -> None:
        """While training runs; what is found in a file, or brought back by undo, is nothing that happens now."""
        if not has_run_away(self._book.log, self._book.baseline):
            self._put_away()
            self._said = False
        elif not self._said and self._runner.running:
            self._say()

    def _say(self) -> None:
        state, found = self._document.state, of_log(self._book.log, self._book.baseline)
        if state.experiment is None or found is None:
            return
        self._said, self._good = True, found.good
        self._sentence = found.sentence
        reached = not state.out_of_reach(found.good)
        before = state.recipe_into(found.good)[0] or state.experiment
        self._ways = ways_back(state.experiment, before, found.good) if reached else ()
        self._stage.set_banner(self._sentence, [(way.words, way.tip) for way in self._ways])

    def _put_away(self) -> None:
        """Unless something else is said there by now."""
        if self._sentence and self._stage.banner.text() == self._sentence:
            self._stage.set_banner("")
        self._sentence, self._ways = "", ()

    @Slot(object)
    def _ended(self, ending: Ending) -> None:
        """What it diverges by takes the place of it, with ways out of its own."""
        if ending.kind in ("diverged", "failed"):
            self._sentence, self._ways = "", ()

    @Slot(bool)
    def _running_changed(self, running: bool) -> None:
        """Whoever presses Train has seen it."""
        if running:
            self._put_away()

    @Slot(int)
    def _take(self, number: int) -> None:
        if not 0 <= number < len(self._ways) or self._stage.banner.text() != self._sentence:
            return
        way, good = self._ways[number], self._good
        self._put_away()
        if number == 0:
            self._runner.pause()
            self._training.travel(good)
        else:
            self._training.train_from(good, way.experiment)
