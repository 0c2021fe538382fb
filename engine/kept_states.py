"""Which states of a training are worth their room in a file: replaying to an iteration from the one before it gives the
same bits, so that a state saves time and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray

from engine.history import Log
from engine.requests import Weights

EASY_BYTES = 3 * 2**19
"""So much is never too much: of a usual training a file stays under 2 MB."""
REPLAY_SECONDS = 1.0
"""More is kept only where replaying from one state to the next would else take longer, on the machine that trained."""


def worth_keeping(history: Mapping[int, Weights], needed: Collection[int], log: Log) -> list[int]:
    """The iterations whose states a file is to have: the first, the last, those `needed`, and others so that it takes
    as long from each to the next, by the seconds that the records tell. All of them where the records do not tell."""
    known = sorted(history)
    sizes = [sum(array.nbytes for array in history[k].values()) for k in known]
    if len(known) <= 2 or sum(sizes) <= EASY_BYTES:
        return known
    spent = _spent(known, log)
    if spent is None:
        return known
    room = EASY_BYTES * len(known) // sum(sizes)
    count = max(2, room - len(needed), 1 + ceil((spent[-1] - spent[0]) / REPLAY_SECONDS))
    if count >= len(known):
        return known
    wanted = np.linspace(spent[0], spent[-1], count)
    after = np.clip(np.searchsorted(spent, wanted), 1, len(known) - 1)
    nearer = after - (wanted - spent[after - 1] < spent[after] - wanted)
    return sorted({known[0], known[-1], *(k for k in needed if k in history), *(known[i] for i in nearer)})


def _spent(known: list[int], log: Log) -> NDArray[np.float64] | None:
    """Seconds of training before each of these iterations; None where there are no records of them all. Rows that are
    thinned away took as long as the one that is there."""
    if not len(log) or log.next is None:
        return None
    iterations, seconds = log.iterations, log.column("seconds")
    if iterations[0] > known[0] or log.next < known[-1] or not (np.isfinite(seconds).all() and (seconds > 0).all()):
        return None
    edges = np.append(iterations, log.next)
    before = np.concatenate(([0.0], np.cumsum(np.diff(edges) * seconds)))
    return np.interp(np.array(known, np.float64), edges, before)
