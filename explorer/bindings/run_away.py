"""A loss that runs away while it is finite still: said above the stage, with ways back. Training goes on meanwhile."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.run_away import has_run_away, of_log
from explorer.bindings.parts import Parts
from explorer.bindings.training import TrainingBinding
from explorer.bindings.travel import TravelBinding
from explorer.training.ways_out import WayOut, ways_back


class RunAwayBinding(QObject):
    """Says it once; again only after the loss has been well in between, or another training has begun."""

    def __init__(self, parts: Parts, training: TrainingBinding, travel: TravelBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._document, self._runner, self._book = parts.document, parts.runner, parts.book
        self._training, self._travel = training, travel
        self._voice = parts.window.stage.banner.voice()
        self._said = False
        self._ways: tuple[WayOut, ...] = ()
        self._good = 0
        self._book.changed.connect(self._look)
        self._voice.chosen.connect(self._take)

    def show_opened(self) -> None:
        """Of another document it is said when it is trained on."""
        self._said = False

    @Slot()
    def _look(self) -> None:
        """While training runs; what is found in a file, or brought back by undo, is nothing that happens now."""
        if not has_run_away(self._book.log, self._book.baseline):
            self._voice.take_back()
            self._said = False
        elif not self._said and self._runner.running:
            self._say()

    def _say(self) -> None:
        state, found = self._document.state, of_log(self._book.log, self._book.baseline)
        if state.experiment is None or found is None:
            return
        self._said, self._good = True, found.good
        reached = not state.out_of_reach(found.good)
        before = state.recipe_into(found.good)[0] or state.experiment
        self._ways = ways_back(state.experiment, before, found.good) if reached else ()
        self._voice.say(found.sentence, [(way.words, way.tip) for way in self._ways])

    @Slot(int)
    def _take(self, number: int) -> None:
        if not 0 <= number < len(self._ways) or not self._voice.stands:
            return
        way, good = self._ways[number], self._good
        self._voice.take_back()
        if number == 0:
            self._runner.pause()
            self._travel.to(good)
        else:
            self._training.train_from(good, way.experiment)
