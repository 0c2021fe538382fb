"""Memory for what undo and redo bring back. A change that begins another training puts a whole history away; together
these have one budget, beside that of the present one.

Where it is full, the histories that are furthest from now, in steps of undo or redo, go down to what they can be
trained again from: the states at which training was changed, and the last one. Coming back to such a history one
travels by replay, to the bit as before. Where even that is too much, the last state alone is left, and `known_from`
says that what came before cannot be gone back to. Records and evaluations stay whole, and the last state always does:
a history that is put away is never another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

from engine.history import STATE_BYTES
from engine.requests import Weights
from explorer.document.state import State, turning_points

PUT_AWAY_BYTES = 2 * STATE_BYTES
"""For the states of all that undo and redo can bring back, but for those that the present history has too."""


def within_budget(states: Sequence[State], present: State, budget: int = PUT_AWAY_BYTES) -> list[State]:
    """The states that are put away, the furthest from now first, lightened until they take `budget` bytes or nothing
    more can go. A state is the same object where nothing of it went."""
    own = {id(array) for weights in present.history.values() for array in weights.values()}
    holders = Counter(name for state in states for name in set(_arrays(state.history.values())))
    sizes = {name: size for state in states for name, size in _arrays(state.history.values()).items()}
    size = sum(sizes[name] for name in holders if name not in own)
    found = list(states)
    for lightened in (_replayable, _last_alone):
        for number, state in enumerate(found):
            if size <= budget:
                return found
            lighter = lightened(state)
            gone = _arrays(state.history.values()).keys() - _arrays(lighter.history.values()).keys() - own
            if not gone:
                continue
            found[number] = lighter
            holders.subtract(gone)
            size -= sum(sizes[name] for name in gone if not holders[name])
    return found


def _arrays(kept: Iterable[Weights]) -> dict[int, int]:
    """Bytes by identity: histories share arrays."""
    return {id(array): array.nbytes for weights in kept for array in weights.values()}


def _replayable(state: State) -> State:
    needed = turning_points(state.history, state.recipes) | {state.known_from, state.furthest}
    if state.cast_before:  # the seed says it in the present number type, from which it was not trained
        needed.add(min(state.history, default=0))
    return _with(state, needed, state.known_from)


def _last_alone(state: State) -> State:
    return _with(state, {state.furthest}, state.furthest)


def _with(state: State, needed: set[int], known_from: int) -> State:
    history = {k: weights for k, weights in state.history.items() if k in needed}
    recipes = {k: recipe for k, recipe in state.recipes.items() if k in history}
    return replace(state, history=MappingProxyType(history), recipes=MappingProxyType(recipes), known_from=known_from)
