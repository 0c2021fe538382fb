"""A loss that runs away while it is finite still: said above the stage, with ways back. Training goes on meanwhile."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.run_away import LATELY, RunAway, is_away, run_away
from explorer.bindings.parts import Parts
from explorer.bindings.training import TrainingBinding
from explorer.bindings.travel import TravelBinding
from explorer.training.curves import last_losses
from explorer.training.ways_out import WayOut, ways_back
from explorer.widgets.numbers import short


def sentence(away: RunAway) -> str:
    """True for as long as these iterations are there."""
    than = "the baseline" if away.from_baseline else "what it began with"
    return (
        f"At iteration {away.iteration:,} the loss has run away: the median of {LATELY} losses is "
        f"{short(away.lately, 2)}, {short(away.times, 2)} times {than} ({short(away.begun, 3)}); "
        f"iteration {away.good:,} was the last not above that."
    )


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
        away = self._is_away()
        if not away:
            self._voice.take_back()
            self._said = False
        elif not self._said and self._runner.running:
            self._say()

    def _is_away(self) -> bool:
        """By the first and the last rows alone: it is asked after each chunk."""
        chunks = self._book.log.scalars.chunks
        if not chunks:
            return False
        _, last = last_losses(self._book.log.scalars, LATELY)
        return is_away(float(chunks[0]["losses"][0]), last, self._book.baseline)

    def _say(self) -> None:
        experiment = self._document.experiment
        found = run_away(self._book.iterations(), self._book.column("losses"), self._book.baseline)
        if found is None or experiment is None:
            return
        state = self._document.state
        self._said, self._good = True, found.good
        reached = not state.out_of_reach(found.good)
        before = state.recipe_into(found.good)[0] or experiment
        self._ways = ways_back(experiment, before, found.good) if reached else ()
        self._voice.say(sentence(found), [(way.words, way.tip) for way in self._ways])

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
