"""What a training consists of: the states that are kept of it, what led to each of them, the records of its iterations,
its evaluations, and from where on all this is known. A document and a training on its way hold it; a session is written
from it and read into it. Everything here is a pure function of what it is given; no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

import msgspec
import numpy as np

from engine.history import MOST_STATES, STATE_BYTES, Evaluation, Log, kept_before, thinned
from engine.recipes import Origin, Recipe, out_of_reach, recorded_until
from engine.requests import Weights
from engine.spec import NO_WHAT_IF, Experiment, TrainingSpec, WhatIf
from engine.training_requests import Trained

Led: TypeAlias = tuple[Experiment | None, WhatIf]
"""What an iteration is trained with, as far as it changes one (`as_trained`)."""

TURN_BYTES = 4 * STATE_BYTES
"""For the states at which training was changed: what came before those that do not fit cannot be trained again."""
_ROOMIER = 0.9
"""Of the budget: where it is full it is thinned to this, so that it need not be thinned again at every chunk."""
_NO_HISTORY: Mapping[int, Weights] = MappingProxyType({})
"""The same object wherever nothing was trained: whoever asks whether the past is another one compares objects."""


def as_trained(experiment: Experiment | None) -> Experiment | None:
    """As far as it changes an iteration: when it is judged, and when it stops, are as usual."""
    if experiment is None:
        return None
    usual, training = TrainingSpec(), experiment.training
    watched = (training.evaluate_every, training.early_stop) != (usual.evaluate_every, usual.early_stop)
    if not watched:
        return experiment
    training = msgspec.structs.replace(training, evaluate_every=usual.evaluate_every, early_stop=usual.early_stop)
    return msgspec.structs.replace(experiment, training=training)


@dataclass(frozen=True, eq=False)
class Past:
    """Without arguments: nothing has been trained. `now`, wherever it is asked for, is what the next iteration would be
    trained with: what is not known of an iteration is taken from it."""

    history: Mapping[int, Weights] = field(default_factory=lambda: _NO_HISTORY)
    """States (engine.training_state) by iteration, as far as they were kept; what is missing is trained again from the
    nearest one before."""
    recipes: Mapping[int, Led] = field(default_factory=dict)
    """What each of them was trained with, as far as it is known."""
    log: Log = field(default_factory=Log)
    """What was recorded of the iterations that were trained."""
    evaluations: tuple[Evaluation, ...] = ()
    """Of what is held back, in the order of the iterations."""
    known_from: int = 0
    """From here on it is known what each iteration was trained with (engine.recipes); 0: from the beginning, else the
    state of this one is kept."""
    cast_before: int = 0
    """Iterations before it were trained in another number type: they are known from here on at the earliest, and their
    records are not compared."""
    origins: tuple[Origin, ...] = ()
    """What made the records that came with a file; the others were made here."""

    # -- what is known of an iteration --------------------------------------------------------------------------------

    @property
    def furthest(self) -> int:
        """The last iteration that is known."""
        return max(self.history, default=0)

    def kept_before(self, iteration: int) -> int | None:
        """The nearest kept iteration at or before one; None if there is none."""
        return kept_before(self.history, iteration)

    def out_of_reach(self, iteration: int) -> str:
        """Why one cannot go back to an iteration, in one sentence; "" where one can."""
        return out_of_reach(iteration, self.history, self.known_from, self.cast_before)

    def led_to(self, iteration: int, now: Led) -> Led:
        """What an iteration was trained with, or would be: that of the next one that is kept, for where it changed an
        iteration is kept."""
        return self._led_to(iteration, min((k for k in self.history if k >= iteration), default=None), now)

    def goes_on(self, iteration: int, now: Led) -> bool:
        """Whether everything that comes after an iteration was trained as it would be now."""
        known = iteration >= self.known_from
        return known and all(self._led_to(k, k, now) == now for k in self.history if k > iteration)

    def next_is(self, iteration: int, now: Led) -> bool:
        """Whether the iteration after this one is kept, and was trained as it would be now."""
        return iteration + 1 in self.history and self.recipes.get(iteration + 1) == now

    def recorded_with(self, iteration: int) -> Led | None:
        """What the record of an iteration was made with: what it goes on to was trained so. None where it is not
        known."""
        if iteration < max(self.known_from, self.cast_before):
            return None
        later = min((k for k in self.history if k > iteration), default=None)
        return None if later is None else self.recipes.get(later)

    def recorded_by(self, iteration: int) -> Origin | None:
        """What made the record of an iteration; None: it was made here."""
        return next((one for one in self.origins if iteration < one.until), None)

    def is_another(self, iteration: int, weights: Weights, led: Led | None, now: Led) -> bool:
        """Whether an iteration was known with other weights than these; where they are not kept, whether it had come
        of something else than `led`."""
        known = self.history.get(iteration)
        if known is None:
            if led is None or iteration >= self.furthest:
                return False
            return iteration < self.known_from or led != self.led_to(iteration, now)
        return known is not weights and not _same(known, weights)

    def _led_to(self, iteration: int, later: int | None, now: Led) -> Led:
        """`later`: the next one that is kept."""
        known = None if later is None else self.recipes.get(later)
        return led_by_own(iteration, now) if known is None else known

    # -- more of it, and less -----------------------------------------------------------------------------------------

    def until(self, iteration: int) -> Past:
        """Without everything that came after an iteration."""
        history = {k: w for k, w in self.history.items() if k <= iteration}
        return replace(
            self,
            known_from=self.known_from if self.known_from <= iteration else max(history, default=0),
            cast_before=min(self.cast_before, max(0, iteration)),
            origins=recorded_until(self.origins, iteration),
            history=MappingProxyType(history),
            recipes=MappingProxyType({k: led for k, led in self.recipes.items() if k in history}),
            log=self.log.until(max(0, iteration)),
            evaluations=tuple(one for one in self.evaluations if one.iteration <= iteration),
        )

    def appended(self, trained: Trained, led: Led) -> Past:
        """With a chunk that goes on from the last iteration, and what it was trained with; nothing is let go."""
        further = trained.iteration > self.furthest  # else it met a number that is not finite at once
        more = self._with(trained.iteration, trained.weights, led if further else None)
        return replace(more, log=self.log.appended(trained.records))

    def learning(self, trained: Trained, led: Led, now: Led, shown: Collection[int] = ()) -> Past:
        """With the iterations of a chunk, wherever it begins: where it has come to (`remembering`), and their
        records."""
        another = self.is_another(trained.iteration, trained.weights, led, now)
        past = self.remembering(trained.iteration, trained.weights, led, now, shown)
        if another or trained.iteration > (self.log.next or 0):
            past = replace(past, log=past.log.appended(trained.records))
        return past

    def judged(self, evaluation: Evaluation) -> Past:
        """With an evaluation. What there was of its iteration, and of later ones, is let go."""
        kept = tuple(one for one in self.evaluations if one.iteration < evaluation.iteration)
        return replace(self, evaluations=(*kept, evaluation))

    def remembering(
        self, iteration: int, weights: Weights, led: Led | None, now: Led, shown: Collection[int] = ()
    ) -> Past:
        """With one more iteration kept. Other weights than those that were there begin another future: what came after
        the old ones is let go. Where memory runs out, the past is thinned, but for this one and what is shown."""
        if self.is_another(iteration, weights, led, now):
            return self.until(iteration - 1).remembering(iteration, weights, led, now, shown)
        more = self._with(iteration, weights, led)
        history, recipes, known_from = more.history, more.recipes, self.known_from
        size = sum(array.nbytes for array in weights.values())
        if len(history) > MOST_STATES or size * len(history) > STATE_BYTES:
            budget, most = int(_ROOMIER * STATE_BYTES), int(_ROOMIER * MOST_STATES)
            turns = more.turning_points()
            needed = sorted(k for k in turns | ({known_from} - {0}) if k >= known_from)
            room = max(1, min(most - len(shown) - 1, TURN_BYTES // max(1, size)))
            if len(needed) > room:
                known_from = needed[-room]
                history = {k: w for k, w in history.items() if k >= known_from or k in {0, iteration, *shown}}
            # This one too, wherever it lies: whoever had it trained again would else ask for it without end.
            history = thinned(history, {iteration, *shown, *needed[-room:], *({0} & turns)}, budget, most)
        recipes = {k: led for k, led in recipes.items() if k in history and k >= known_from}
        return replace(
            self, history=MappingProxyType(history), recipes=MappingProxyType(recipes), known_from=known_from
        )

    def within(self, budget: int, needed: Collection[int]) -> Past:
        """With as many of its states as `budget` bytes allow (engine.history.thinned), and those that are `needed`."""
        return self._only(thinned(self.history, needed, budget), self.known_from)

    def replayable(self) -> Past:
        """With the states alone that everything else can be trained again from: those at which training was changed,
        and the last one."""
        needed = self.turning_points() | {self.known_from, self.furthest}
        if self.cast_before:  # the seed says it in the present number type, from which it was not trained
            needed.add(min(self.history, default=0))
        return self._only(needed, self.known_from)

    def last_alone(self) -> Past:
        """With the last state alone: what came before it can no longer be gone back to."""
        return self._only({self.furthest}, self.furthest)

    def cast(self, dtype: str) -> Past:
        """Trained weights outlive a change of the number type: the same network, in another arithmetic. What came
        before was trained in the old one, and cannot be trained again in this one."""
        history = {k: {name: array.astype(dtype) for name, array in w.items()} for k, w in self.history.items()}
        before = self.furthest
        # What led to where the number type was changed goes on in the new one, but else as it was.
        recipes = {k: _in_dtype(led, dtype) for k, led in self.recipes.items() if k == before}
        return replace(
            self,
            history=MappingProxyType(history),
            recipes=MappingProxyType(recipes),
            known_from=before,
            cast_before=before,
        )

    def _with(self, iteration: int, weights: Weights, led: Led | None) -> Past:
        recipes = self.recipes if led is None else {**self.recipes, iteration: led}
        return replace(self, history={**self.history, iteration: weights}, recipes=recipes)

    def _only(self, needed: Collection[int], known_from: int) -> Past:
        history = {k: weights for k, weights in self.history.items() if k in needed}
        recipes = {k: led for k, led in self.recipes.items() if k in history}
        return replace(
            self, history=MappingProxyType(history), recipes=MappingProxyType(recipes), known_from=known_from
        )

    # -- beside what it was trained with, and another one -------------------------------------------------------------

    def turning_points(self) -> set[int]:
        """The iterations after which something else led on: from the one before it none could be trained again."""
        kept = sorted(self.history)
        return {k for k, after in pairwise(kept) if self.recipes.get(k) != self.recipes.get(after)}

    def said(self, now: Led) -> tuple[Recipe, ...]:
        """What the kept iterations were trained with, as a session says it; () where that is what would be done now."""
        found: list[Recipe] = []
        for k in sorted(k for k in self.history if k >= max(1, self.known_from)):
            experiment, what_if = self._led_to(k, k, now)
            assert experiment is not None
            if found and (found[-1].experiment, found[-1].what_if) == (experiment, what_if):
                found[-1] = Recipe(until=k, experiment=experiment, what_if=what_if)
            else:
                found.append(Recipe(until=k, experiment=experiment, what_if=what_if))
        same = len(found) == 1 and (found[0].experiment, found[0].what_if) == now == (now[0], NO_WHAT_IF)
        return () if same else tuple(found)

    def is_as(self, other: Past) -> bool:
        """Whether states, records and evaluations are the very same objects: a past that goes on makes new ones."""
        mine, its = ((one.history, one.log, one.evaluations) for one in (self, other))
        return all(a is b for a, b in zip(mine, its, strict=True))

    def parts_from(self, other: Past) -> bool:
        """Whether both have been trained, but not only one further than the other: where both know an iteration, it is
        another one."""
        recorded = np.intersect1d(self.log.iterations, other.log.iterations)
        if len(recorded):
            a, b = (log.column("losses")[log.iterations == recorded[-1]] for log in (self.log, other.log))
            if not np.array_equal(a, b, equal_nan=True):
                return True
        shared = max(self.history.keys() & other.history.keys(), default=0)
        if not shared:
            return False
        mine, its = self.history[shared], other.history[shared]
        cast = {a.dtype for a in mine.values()} != {a.dtype for a in its.values()}
        return mine is not its and not cast and not _same(mine, its)


def led_by_own(iteration: int, now: Led) -> Led:
    """What an iteration is trained with that nothing else is said of. What is trained before an experiment opens is the
    experiment's own; a what-if belongs to what is done later."""
    experiment, what_if = now
    assert experiment is not None
    return experiment, NO_WHAT_IF if iteration <= experiment.training.iterations else what_if


def _same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def _in_dtype(led: Led, dtype: str) -> Led:
    experiment, what_if = led
    return None if experiment is None else msgspec.structs.replace(experiment, dtype=dtype), what_if
