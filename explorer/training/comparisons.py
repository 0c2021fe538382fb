"""Earlier runs beside the present one: their loss and gradient norm by iteration, and nothing else. Somebody keeps a
run, and one that training anew or an edit puts away is kept by itself. They are of the open document, in memory alone:
a session has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from engine.spec import Experiment
from explorer.document.document import Document
from explorer.document.state import State
from explorer.document.turns import Recipe
from explorer.training.curves import Curves, Ghost
from explorer.training.run_names import name, numbered

MOST = 3
"""At once; with one more the oldest goes, of those that nobody has asked for before others."""
_LEAST = 10
"""Iterations that have to be put away, to be worth a curve."""


@dataclass(frozen=True, eq=False)
class Run:
    """One that has been."""

    curves: Curves
    recipe: Recipe
    """Of its last iteration."""
    turned: int | None
    """The iteration from which on it was trained with that, if not all the way."""
    by_hand: bool
    """Somebody has asked for it."""

    def goes_on_from(self, old: Run) -> bool:
        """Whether the other is its beginning."""
        led = self.recipe == old.recipe or self.turned is not None
        return led and self.curves.goes_on_from(old.curves)

    def called(self, now: Recipe) -> str:
        """What of it is another than now, and where it was changed last on its way."""
        return name(self.recipe, now) + (f", changed at {self.turned:,}" if self.turned is not None else "")


class Comparisons(QObject):
    changed = Signal()
    """Other runs are kept."""

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._runs: tuple[Run, ...] = ()
        self._seen = document.state
        self._named: tuple[Recipe | None, tuple[Run, ...], tuple[str, ...]] = (None, (), ())
        document.opened.connect(self.clear)
        document.stateChanged.connect(self._look)
        document.learned.connect(self._see)

    def names(self) -> tuple[str, ...]:
        """Of all that are kept, the oldest first, by what is another than in the present run."""
        now = _recipe(self._document.state)
        recipe, runs, names = self._named
        if recipe != now or runs is not self._runs:
            names = numbered([run.called(now) for run in self._runs])
            self._named = now, self._runs, names
        return names

    def ghosts(self, now: Curves) -> tuple[Ghost, ...]:
        """Those to be drawn beside the present run: none of another task or loss, and none that is a part of it, but
        where somebody has just asked for it."""
        of = _recipe(self._document.state)[0]
        found = []
        for number, (run, called) in enumerate(zip(self._runs, self.names(), strict=True)):
            if _same_kind(run.recipe[0], of) and (run.by_hand or not now.goes_on_from(run.curves)):
                found.append(Ghost(called, number, run.curves))
        return tuple(found)

    def keep(self) -> bool:
        """The present run, as far as it has come; False: nothing has been trained yet."""
        state = self._document.state
        if not len(state.log):
            return False
        self._add(_run(state, by_hand=True))
        return True

    def remove(self, number: int) -> None:
        self._set(tuple(run for k, run in enumerate(self._runs) if k != number))

    @Slot()
    def clear(self) -> None:
        self._seen = self._document.state
        self._set(())

    def _add(self, run: Run) -> None:
        """A run that one of them goes on from is one with it."""
        runs = [old for old in self._runs if not run.goes_on_from(old)]
        if any(old.by_hand for old in self._runs if old not in runs):
            run = replace(run, by_hand=True)
        while len(runs) >= MOST:
            runs.remove(next((old for old in runs if not old.by_hand), runs[0]))
        self._set((*runs, run))

    def _set(self, runs: tuple[Run, ...]) -> None:
        if runs != self._runs:
            self._runs = runs
            self.changed.emit()

    @Slot()
    def _look(self) -> None:
        """What an edit, or training anew, has put away stays to be seen; what undo takes back is back with redo."""
        was, now = self._seen, self._document.state
        self._seen = now
        if self._document.stepped == "edit" and was.furthest - now.furthest >= _LEAST and len(was.log):
            self._add(_run(was, by_hand=False))

    @Slot()
    def _see(self) -> None:
        self._seen = self._document.state


def _recipe(state: State) -> Recipe:
    """Of the last iteration that was trained; of the next one, where there is none."""
    return state.past.recipes.get(state.furthest, state.recipe)


def _run(state: State, *, by_hand: bool) -> Run:
    log, turns = state.log, state.turns
    curves = Curves(
        iterations=log.iterations,
        losses=log.column("losses"),
        grad_norms=log.column("grad_norms"),
        clipped_norms=log.column("clipped_norms"),
        clipped=log.column("clipped").astype(bool),
        turns=turns,
        count=state.furthest,
    )
    return Run(curves, _recipe(state), turns[-1].iteration if turns else None, by_hand)


def _same_kind(own: Experiment | None, now: Experiment | None) -> bool:
    """Whether curves can stand side by side: those of another length can, their name says it."""
    if own is None or now is None:
        return False
    return type(own.task) is type(now.task) and own.model.loss == now.model.loss
