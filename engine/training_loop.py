"""The loop of a training, for the command line and notebooks: chunks of about 50 ms, evaluations on what is held back,
and a reason to stop.

    for progress in engine.fit(experiment, 500, until="loss<0.02"):
        print(progress.iteration, progress.records.losses[-1])
    engine.session.save(progress.session(), "out.gflow")

It is gone on with, also with something else, by the session: `fit(replace(session, experiment=other), 1000)`; what the
iterations before were trained with is kept in it, and `state_at` goes back to any of them.

Between two chunks nothing is under way: whoever leaves the loop there has everything in `progress`, and `fit` goes on
from its session. Neither the size of the chunks nor a pause changes a bit of any number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from engine.checks import checked, checked_what_if
from engine.errors import DataError, SpecError
from engine.figures import figure
from engine.history import STATE_BYTES, Evaluation, Log, baseline_of, best_of, kept_before, stops
from engine.past import Past, as_trained
from engine.recipes import Recipe, alike, in_dtype, recipes_until
from engine.requests import Weights
from engine.run_away import RunAway, of_log
from engine.session import Session, fitting
from engine.spec import NO_WHAT_IF, Dtype, EarlyStopSpec, Experiment, OwnTask, WhatIf
from engine.spec_reading import shown
from engine.training_checks import MAX_ITERATIONS
from engine.training_requests import Diverged, Judge, Judged, Records, Train, Trained
from engine.until import Until, iterations_words, until_of

Run: TypeAlias = Callable[[Any, Any], Any]
"""engine.operations.run, or another process's."""
Ended: TypeAlias = Literal["", "iterations", "until", "early stop", "diverged"]

CHUNK_SECONDS = 0.05
MOST_IN_A_CHUNK = 1000
LEAST_SHARE = 1e-9
"""A part of the data with a smaller one is not there."""


def early_stop_sentence(stop: EarlyStopSpec, evaluations: Sequence[Evaluation]) -> str:
    """Where the least loss was comes first: it is what is wanted next, and no short line cuts it off."""
    best = best_of(evaluations)
    times = "the last evaluation" if stop.patience == 1 else f"the last {stop.patience} evaluations"
    if best is None:
        return f"Stopped early: the validation loss has not fallen at {times}."
    lower = "no lower" if stop.least == 0 else f"not lower by more than {figure(stop.least)}"
    least = f"least validation loss {figure(best.loss)} after {iterations_words(best.iteration)}"
    return f"Stopped early: {least}; {lower} at {times}."


def done_sentence(count: int) -> str:
    return f"{iterations_words(count)} {'is' if count == 1 else 'are'} done."


def evaluation_due(experiment: Experiment, iteration: int, evaluations: Sequence[Evaluation]) -> bool:
    """Whether the evaluation that belongs to an iteration is still to be made before training goes on, as where a pause
    came before its end: so early stopping counts as it does without a pause."""
    due = iteration > 0 and iteration % experiment.training.evaluate_every == 0
    return due and all(evaluation.iteration != iteration for evaluation in evaluations)


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a training is, after a chunk."""

    experiment: Experiment
    what_if: WhatIf
    past: Past
    """All that has been trained, up to here."""
    records: Records | None = None
    """Of the last chunk."""
    judged: Judged | None = None
    """What the last of them is from, if it was made after this chunk."""
    ended: Ended = ""
    """Why this is the last one; "": it goes on."""
    sentence: str = ""
    """The same, for people."""
    diverged: Diverged | None = None
    start: Session | None = None
    """What it went on from, with what its iterations were trained with, but without its states; None: from the
    beginning."""

    @property
    def iteration(self) -> int:
        """Iterations that are done."""
        return self.past.furthest

    @property
    def state(self) -> Weights | None:
        """After them (engine.training_state); None: as initialised by the seed."""
        return self.past.history.get(self.iteration)

    @property
    def states(self) -> Mapping[int, Weights]:
        """Those that are kept, by iteration, this one too."""
        return self.past.history

    @property
    def log(self) -> Log:
        """The records of all iterations."""
        return self.past.log

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All there were."""
        return self.past.evaluations

    @property
    def run_away(self) -> RunAway | None:
        """Of the loss, where it has run away and stays finite: that ends nothing, and nothing is being learned."""
        return of_log(self.log, baseline_of(self.evaluations, self.experiment))

    def session(self, start: Session | None = None) -> Session:
        """To be saved, and gone on from: what `fit` went on from, with this training in it; with as many of the states
        as a file has room for (engine.session.fitting). `start`: another one whose title, notes, view and the like it
        takes; what was trained, and with what, is always this training's own."""
        before = Session(self.experiment, self.what_if) if self.start is None else self.start
        words = before if start is None else start
        whole = replace(
            before.gone_on(self.past),
            view=words.view,
            preset=words.preset,
            title=words.title,
            notes=words.notes,
            device=words.device,
            pins=words.pins,
        )
        return fitting(whole)


@dataclass(frozen=True, eq=False)
class _Course:
    """What is asked for."""

    experiment: Experiment
    what_if: WhatIf
    goal: int
    until: Until | None
    halt: bool
    budget: int
    run: Run
    judged_before: int = 0
    """Evaluations that there were: where more iterations are asked for, it does not stop by them again."""
    turns: frozenset[int] = frozenset()
    """Where it was trained with something else up to there: from a state before it none after it could be replayed."""


def fit(
    experiment: Experiment | Session,
    iterations: int | None = None,
    *,
    until: str | Until | None = None,
    what_if: WhatIf | None = None,
    halt: bool = True,
    budget: int = STATE_BYTES,
    run: Run | None = None,
) -> Iterator[Progress]:
    """Train up to an iteration, chunk by chunk; from the last state of a session, if one is given.

    It ends at `iterations` (in all; None: without end, if there is another one), where an evaluation on the validation
    part fulfils `until` ("loss<0.02", "accuracy>0.99", "RMSE<15"), where TrainingSpec.early_stop says so, or with
    `halt` before the first number that is not finite. A session that has stopped early goes on where `iterations` asks
    for more of them, and early stopping counts from there. Evaluations are made at every multiple of
    TrainingSpec.evaluate_every. Where the experiment has another number type than the session was trained in, its
    states are cast, and no iteration before the last of them can be trained again (`Session.known_from`). `budget`:
    bytes for the states that are kept. Raises SpecError and DataError.
    """
    from engine.operations import run as here

    start = experiment if isinstance(experiment, Session) else None
    of = checked(experiment.experiment if isinstance(experiment, Session) else experiment)
    if what_if is None:
        what_if = NO_WHAT_IF if start is None else start.what_if
    bound = until_of(until, of)
    if iterations is None and bound is None and of.training.early_stop is None:
        raise SpecError("iterations is missing; a whole number, or until or training.early_stop, is needed to end.")
    goal = MAX_ITERATIONS if iterations is None else iterations
    if isinstance(goal, bool) or not isinstance(goal, int) or not 0 <= goal <= MAX_ITERATIONS:
        raise SpecError(f"iterations is {shown(iterations)}; a whole number from 0 to {MAX_ITERATIONS:,} is accepted.")
    what_if = checked_what_if(what_if)
    start = None if start is None else _gone_on_with(_cast(start, of.dtype), of, what_if)
    turns = frozenset() if start is None else start.turns
    course = _Course(of, what_if, goal, bound, halt, budget, here if run is None else run, turns=turns)
    at = _from(start, course)
    if iterations is not None and at.iteration < goal:
        course = replace(course, judged_before=len(at.evaluations))
    if not _ended(course, at).ended and evaluation_due(of, at.iteration, at.evaluations):
        at = _evaluated(course, at)
    at = _ended(course, at)
    if not at.ended and (bound is not None or of.training.early_stop is not None):
        check_held_back(of, bound)
        course.run("judge", probe(of, at.state, course.what_if))
    return _chunks(course, at)


def state_at(session: Session, iteration: int, run: Run | None = None) -> Weights | None:
    """A session's state at an iteration that is done (engine.training_state), to the bit, trained again from the
    nearest that is kept with what it was trained with then; None for iteration 0, where the seed says it. Raises
    DataError where it is not known what it was trained with, or where the session has not come so far; SpecError.

    Of a training on its way: `state_at(progress.session(), iteration)`."""
    from engine.operations import run as here

    if isinstance(iteration, bool) or not isinstance(iteration, int) or iteration < 0:
        raise SpecError(f"iteration is {shown(iteration)}; a whole number from 0 is accepted.")
    last = session.furthest
    if iteration > last:
        raise DataError(f"Iteration {iteration:,} has not been trained; this session has 0 to {last:,}.")
    if why := session.out_of_reach(iteration):
        raise DataError(why)
    recipe, start = session.trained(iteration), kept_before(session.history, iteration)
    state = None if start is None else session.history[start]
    if iteration == (start or 0):
        return state
    request = Train(recipe.experiment, state, start or 0, iteration - (start or 0), recipe.what_if)
    trained: Trained = (here if run is None else run)("train", request)
    return trained.weights


def _cast(start: Session, dtype: Dtype) -> Session:
    """With its states in the number type that is trained in, as the window has them after such an edit."""
    other: Dtype = "float32" if dtype == "float64" else "float64"
    if {array.dtype for state in start.history.values() for array in state.values()} != {np.dtype(other)}:
        return start
    if not start.furthest:  # nothing has been trained: the seed says it in that type
        return replace(start, history={}, recipes=(), led=None)
    past = start.past.cast(dtype)
    return replace(
        start,
        history=past.history,
        recipes=tuple(in_dtype(recipe, dtype) for recipe in start.recipes if recipe.until == start.furthest),
        known_from=past.known_from,
        cast_before=past.cast_before,
        fingerprint={},
    )


def _gone_on_with(start: Session, experiment: Experiment, what_if: WhatIf) -> Session:
    """The session before it is trained on: it says with what it has come so far. What goes on as before is no turn."""
    now = Recipe(until=0, experiment=experiment, what_if=what_if)
    recipes = recipes_until(start.recipes, start.furthest)
    if start.led is not None and alike(start.led, now):
        while recipes and alike(recipes[-1], now):
            recipes = recipes[:-1]
    return replace(start, experiment=experiment, what_if=what_if, recipes=recipes)


def _from(start: Session | None, course: _Course) -> Progress:
    """Where it begins. What a session has of later iterations than its last state is no part of it."""
    if start is None:
        return Progress(course.experiment, course.what_if, Past())
    past = start.past.until(start.furthest)
    return Progress(course.experiment, course.what_if, past, start=replace(start, history={}))


def _chunks(course: _Course, at: Progress) -> Iterator[Progress]:
    count = 1
    if at.ended:
        yield at
    every = course.experiment.training.evaluate_every
    while not at.ended:
        ahead = min(every - at.iteration % every, course.goal - at.iteration)
        at = _ended(course, _after(course, at, min(count, ahead)))
        if at.records is not None and len(at.records):
            possible = CHUNK_SECONDS / max(1e-6, float(at.records.seconds.mean()))
            count = max(1, min(MOST_IN_A_CHUNK, int(possible), 4 * count))
        yield at


def _after(course: _Course, at: Progress, count: int) -> Progress:
    """After one more chunk, and its evaluation if there is one to be made."""
    request = Train(course.experiment, at.state, at.iteration, count, course.what_if, course.halt)
    trained: Trained = course.run("train", request)
    past = at.past.appended(trained, (as_trained(course.experiment), course.what_if))
    past = past.within(course.budget, course.turns)
    after = replace(at, past=past, records=trained.records, judged=None, diverged=trained.diverged)
    due = trained.iteration > at.iteration and evaluation_due(course.experiment, after.iteration, after.evaluations)
    return _evaluated(course, after) if due else after


def _evaluated(course: _Course, at: Progress) -> Progress:
    judged = _judged(course, at.state)
    if judged is None:
        return at
    return replace(at, past=at.past.judged(Evaluation.of(at.iteration, judged)), judged=judged)


def _judged(course: _Course, state: Weights | None) -> Judged | None:
    """None where nothing is held back, as long as nobody needs it."""
    request = Judge(course.experiment, state, what_if=course.what_if)
    try:
        found: Judged = course.run("judge", request)
    except DataError:
        if course.until is not None or course.experiment.training.early_stop is not None:
            raise
        return None
    return found


def _ended(course: _Course, at: Progress) -> Progress:
    stop, newest = course.experiment.training.early_stop, at.evaluations[-1] if at.evaluations else None
    if at.diverged is not None:
        return replace(at, ended="diverged", sentence=at.diverged.sentence)
    if course.until is not None and newest is not None and course.until.reached(newest):
        return replace(at, ended="until", sentence=course.until.sentence(newest))
    if stop is not None and len(at.evaluations) > course.judged_before and stops(at.evaluations, stop):
        return replace(at, ended="early stop", sentence=early_stop_sentence(stop, at.evaluations))
    if at.iteration >= course.goal:
        return replace(at, ended="iterations", sentence=done_sentence(at.iteration))
    return at


def check_held_back(experiment: Experiment, until: Until | None) -> None:
    """That something is held back to judge by, as far as the split alone tells; what the data hold shows when they are
    read (`probe`). Raises SpecError."""
    from engine.data.files import source_of  # brings all of engine.data along: not while the window starts

    task = experiment.task
    if isinstance(task, OwnTask) and task.split.validation < LEAST_SHARE:
        what = "training.early_stop is set" if until is None else f"until is {until}"
        raise SpecError(
            f"{what}, but nothing of {source_of(task.name)} is held back to judge by: task.split.validation is 0, and "
            "a share above it is needed."
        )


def probe(experiment: Experiment, state: Weights | None, what_if: WhatIf) -> Judge:
    """A small judgement that shows whether there is anything to judge by, before training relies on it."""
    return Judge(experiment, state, sequences=1, shown=0, what_if=what_if)
