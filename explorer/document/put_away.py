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
from collections.abc import Sequence

from engine.history import STATE_BYTES
from engine.past import Past

PUT_AWAY_BYTES = 2 * STATE_BYTES
"""For the states of all that undo and redo can bring back, but for those that the present history has too."""


class PutAway:
    """Keeps account of what is put away, so that a step of undo looks at the histories alone that it moves."""

    def __init__(self, budget: int = PUT_AWAY_BYTES) -> None:
        self._budget = budget
        self._pasts: list[Past] = []
        self._holders: Counter[int] = Counter()
        """Of each array, by identity: histories share them."""
        self._sizes: dict[int, int] = {}
        self._size = 0
        """Bytes of all of them, with those that the present history has too."""

    def within_budget(self, pasts: Sequence[Past], present: Past) -> list[Past]:
        """All that is put away now, the furthest from now first, lightened until it takes no more than the budget or
        nothing more can go. A past is the same object where nothing of it went."""
        self._look_at(pasts)
        if self._size <= self._budget:
            return list(pasts)
        own = _arrays(present).keys()
        size = self._size - sum(self._sizes[name] for name in own if name in self._sizes)
        for lightened in (Past.replayable, Past.last_alone):
            for number, past in enumerate(self._pasts):
                if size <= self._budget:
                    return list(self._pasts)
                lighter = lightened(past)
                gone = _arrays(past).keys() - _arrays(lighter).keys() - own
                if not gone:
                    continue
                size -= sum(self._sizes[name] for name in gone if self._holders[name] == 1)
                self._hold(lighter)
                self._let_go(past)
                self._pasts[number] = lighter
        return list(self._pasts)

    def _look_at(self, pasts: Sequence[Past]) -> None:
        left = Counter(map(id, pasts))
        left.subtract(map(id, self._pasts))
        for past in pasts:
            if left[id(past)] > 0:
                left[id(past)] -= 1
                self._hold(past)
        for past in self._pasts:
            if left[id(past)] < 0:
                left[id(past)] += 1
                self._let_go(past)
        self._pasts = list(pasts)

    def _hold(self, past: Past) -> None:
        for name, size in _arrays(past).items():
            self._holders[name] += 1
            if self._holders[name] == 1:
                self._sizes[name] = size
                self._size += size

    def _let_go(self, past: Past) -> None:
        for name in _arrays(past):
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name]
                self._size -= self._sizes.pop(name)


def _arrays(past: Past) -> dict[int, int]:
    """Bytes by identity."""
    return {id(array): array.nbytes for weights in past.history.values() for array in weights.values()}
