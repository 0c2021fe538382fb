"""In which order data are read: a pure function of the seed and the iteration, so that any batch can be drawn again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from engine.draws import generator
from engine.tasks.part import Draw


def batch_of(count: int, batch_size: int, draw: Draw, purpose: str) -> NDArray[np.int64]:
    """Which of `count` pieces of data, from 0, are in a batch: one or more.

    Of training, `batch_size` of them: epoch by epoch each piece once, in an order of its own, and one epoch follows on
    another within a batch. Of a part that is held back, the pieces as they lie, in batches of nearly equal size, the
    first one again behind the last; or those that are asked for.
    """
    if draw.pieces is not None:
        return np.array(draw.pieces, np.int64)
    if draw.part != "train":
        batches = held_back(count, batch_size)
        number = draw.number % batches
        return np.arange(number * count // batches, (number + 1) * count // batches)
    first = draw.number * batch_size
    places = np.arange(first, first + batch_size)
    epochs = places // count
    found = np.empty(batch_size, dtype=np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        here = epochs == epoch
        found[here] = _epoch(draw.seed, purpose, epoch, count)[places[here] - epoch * count]
    return found


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count` pieces, from 0 in their order, evenly over all of them and with both ends."""
    if most >= count:
        return np.arange(count)
    return np.arange(most) * (count - 1) // max(1, most - 1)


def held_back(count: int, batch_size: int) -> int:
    """Batches that `count` pieces of a part held back make."""
    return -(-count // batch_size)


@lru_cache(maxsize=4)
def _epoch(seed: int, purpose: str, epoch: int, count: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = torch.randperm(count, generator=generator(seed, purpose, epoch), device="cpu").numpy()
    order.flags.writeable = False
    return order
