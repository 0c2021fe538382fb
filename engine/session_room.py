"""How much of a session a file has room for. The newest always has it: where there is too much, the oldest states go,
and with those at which another recipe began the possibility to train again what lies before them. No torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine import container, tensorfile, zipframe
from engine.checks import checked
from engine.errors import SessionError
from engine.history import FLOW_BYTES, SCALAR_BYTES
from engine.kept_states import worth_keeping
from engine.recipes import MAX_RECIPES, Recipe
from engine.requests import Array, Weights
from engine.spec import NO_WHAT_IF, Experiment, OptimizerSpec
from engine.training_state import state_shapes

if TYPE_CHECKING:
    from engine.session import Session

_MOST_TENSORS = tensorfile.MAX_TENSORS - 5000
"""Of the history; the rest is for what else there is."""
_ROOM_FOR_WEIGHTS = 56 * 2**20
"""For states that only save replaying."""
_MARGIN = 8 * 2**20
MAX_STATE_BYTES = container.MAX_FILE_BYTES["session"] - SCALAR_BYTES - FLOW_BYTES - _MARGIN
"""For the states that a training cannot do without, however many records there are."""


def fitting(session: Session) -> Session:
    """The session with as much of its history as is worth its room in a file (engine.kept_states) and as it has room
    for: the last iteration, whatever it takes, and the one that is shown; those at which another recipe began (from
    before them nothing behind them could be trained again), the newest first, as many as there is room for; then the
    first one, and of the others as many as fit, evenly spread. Those before `known_from` cannot be trained again, and
    are all worth it. Where recipes are left out, `known_from` says from where
    on they are known, and `left_out` says it in a sentence. Where the last state leaves no room for the one that is
    shown, the last one is shown."""
    session = _within_recipes(session)
    needed = {session.iteration, *session.turns} & session.history.keys()
    alone = {k for k in session.history if k < session.known_from}
    worth = worth_keeping(session.history, needed | alone, session.log)
    session = replace(session, history={k: session.history[k] for k in worth})
    size = sum(map(_bytes_of, session.history.values()))
    count, tensors = len(session.history), sum(len(state) for state in session.history.values())
    if (size <= _ROOM_FOR_WEIGHTS and tensors <= _MOST_TENSORS) or count <= 1:
        return session
    known = sorted(session.history)
    needed |= {known[-1]}
    room = max(len(needed), min(_ROOM_FOR_WEIGHTS * count // size, _MOST_TENSORS * count // tensors))
    spread = [known[round(i)] for i in np.linspace(0, count - 1, room)]
    wanted = dict.fromkeys([session.iteration, known[-1], *sorted(session.turns), known[0], *spread])
    kept = [k for k in wanted if k in session.history][:room]
    return replace(session, history={k: session.history[k] for k in sorted(kept)})


def left_out(before: Session, after: Session) -> str:
    """What `fitting`, or a file, has left out of a session that cannot be trained again, in one sentence; "" where
    there is nothing of the kind."""
    if after.known_from <= before.known_from:
        gone = [k for k in before.history if 0 < k < before.known_from and k not in after.history]
        return _of_those_shown_only(len(gone), before.known_from) if gone else ""
    limit = zipframe.mebibytes(container.MAX_FILE_BYTES["session"])
    sentence = (
        f"A session has room for {limit} and {MAX_RECIPES} changes of what is trained with: of the iterations before "
        f"{after.known_from:,} only the records are kept, and one can no longer go back to them."
    )
    shown = "" if after.iteration == before.iteration else f" It shows iteration {after.iteration:,}."
    return sentence + shown


def _of_those_shown_only(count: int, known_from: int) -> str:
    """Of states from which nothing is trained again, and that could be shown as long as they were kept."""
    states, are, them = ("state", "is", "it") if count == 1 else ("states", "are", "them")
    return (
        f"A session has room for {zipframe.mebibytes(_ROOM_FOR_WEIGHTS)} of states: {count:,} {states} from before "
        f"iteration {known_from:,} {are} not in it, and one can no longer go back to {them}."
    )


def _within_recipes(session: Session) -> Session:
    """With no more recipes, and states at which one began, than a file takes: else the oldest go, and the iterations
    before them can no longer be trained again."""
    if not session.history:
        return session
    last, shown = max(session.history), session.iteration
    turns = sorted(k for k in session.turns & session.history.keys() if session.known_from < k < last)

    def fits(first: int, also: Collection[int]) -> bool:
        needed = {last, *also, *(k for k in (session.known_from, *turns) if k >= first)} & session.history.keys()
        recipes = sum(recipe.until > first for recipe in session.recipes)
        return recipes <= MAX_RECIPES and _have_room(session, {k: session.history[k] for k in needed})

    first = next((k for k in (session.known_from, *turns) if fits(k, {shown})), last)
    if first == session.known_from:
        return session
    if not fits(first, {shown}):
        # Of what is shown at 0 the seed knows everything.
        session = replace(session, iteration=shown if shown == 0 else last, fingerprint={})
    kept = {k: state for k, state in session.history.items() if k >= first or k == session.iteration != 0}
    if _have_room(session, {k: session.history[k] for k in {0, *kept} & session.history.keys()}):
        kept = {k: session.history[k] for k in sorted({0, *kept} & session.history.keys())}
    recipes = tuple(recipe for recipe in session.recipes if recipe.until > first)
    return replace(session, known_from=first, recipes=recipes, history=kept)


def has_room(session: Session) -> bool:
    return len(said(session)) <= MAX_RECIPES and _have_room(session, session.history)


def _have_room(session: Session, states: Mapping[int, Weights]) -> bool:
    """Whether a file has room for these beside what else is in it."""
    tensors = sum(map(len, states.values()))
    return tensors <= _MOST_TENSORS and sum(map(_bytes_of, states.values())) <= _room_for_states(session)


def _room_for_states(session: Session) -> int:
    """Bytes."""
    log = session.log
    others = sum(map(_bytes_of, (session.fingerprint, *(pin.norms for pin in session.pins))))
    records = min(SCALAR_BYTES, log.scalars.nbytes) + (FLOW_BYTES if len(log.flow) else 0)
    return container.MAX_FILE_BYTES["session"] - _MARGIN - records - others


def _bytes_of(arrays: Mapping[str, Array]) -> int:
    return sum(array.nbytes for array in arrays.values())


def said(session: Session) -> tuple[Recipe, ...]:
    """The recipes that a file has to say. One that says nothing has everything from the session's own experiment, and
    what was trained before it opened (TrainingSpec.iterations) without its what-if."""
    before = session.experiment.training.iterations > 0 and session.what_if != NO_WHAT_IF
    return (session.led,) if before and not session.recipes and session.led is not None else session.recipes


def check_room(experiment: Experiment) -> None:
    """That a training of it can be saved: before somebody trains for it. Raises SpecError and SessionError."""
    needed = _state_bytes(checked(experiment))
    if needed <= MAX_STATE_BYTES:
        return
    training = experiment.training
    plain = msgspec.structs.replace(training, optimizer=OptimizerSpec(kind="sgd"))
    lighter = msgspec.structs.replace(experiment, training=plain)
    ways = ["fewer or smaller layers"]
    if experiment.dtype == "float64" and needed // 2 <= MAX_STATE_BYTES:
        ways.append("float32")
    if _state_bytes(lighter) <= MAX_STATE_BYTES:
        ways.append(f"sgd without momentum ({zipframe.mebibytes(_state_bytes(lighter))})")
    # The ways out come first: they are what is wanted, and no short line cuts them off.
    raise SessionError(
        f"This training could not be saved: {' or '.join(ways)} would do, for its state takes "
        f"{zipframe.mebibytes(needed)} with {training.optimizer.kind} and a session has room for "
        f"{zipframe.mebibytes(MAX_STATE_BYTES)}."
    )


def _state_bytes(experiment: Experiment) -> int:
    return sum(map(prod, state_shapes(experiment).values())) * np.dtype(experiment.dtype).itemsize
