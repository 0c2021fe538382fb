"""Strings of the embedded Reber grammar that a network writes by itself, and those that it foresees."""

from __future__ import annotations

import torch
from torch import Tensor

from engine import reber
from engine.network import Network
from engine.sampling import run_free
from engine.task_facts import form
from engine.tasks import Batch
from engine.training_requests import Written

DRAWN = 20
"""Strings whose symbols are drawn."""
_ENDS = 2
"""Every string of the language has so many E: the word's, and its own."""


def written(network: Network, most: int) -> Written:
    """One string of the likeliest symbols and DRAWN drawn ones, each from B to its second E, or of `most` symbols. They
    follow from the experiment's seed and the parameters."""
    drawn = _begun(network, DRAWN, most, greedy=False)
    words = tuple(_ended(word) for word in (*_begun(network, 1, most, greedy=True), *drawn))
    texts = ["".join(reber.SYMBOLS[symbol] for symbol in word) for word in words]
    return Written(words, tuple(map(reber.first_wrong, texts)), tuple(map(reber.belongs, texts)))


def _begun(network: Network, count: int, most: int, *, greedy: bool) -> list[list[int]]:
    """(count, most)"""
    first = torch.full((1, count), reber.SYMBOLS.index("B"), device="cpu")
    batch = Batch(first, first)
    if network.experiment.model.embedding is None:
        batch = batch.one_hot(form(network.experiment.task).symbols)
    batch = batch.to(network.dtype, network.device)
    begun: list[list[int]] = first.T.tolist()
    if most < 2:
        return begun
    said: list[list[int]] = run_free(network, batch, most - 1, greedy=greedy).tolist()
    return [[*b, *s] for b, s in zip(begun, said, strict=True)]


def _ended(word: list[int]) -> tuple[int, ...]:
    ends = [place for place, symbol in enumerate(word) if reber.SYMBOLS[symbol] == "E"]
    return tuple(word[: ends[_ENDS - 1] + 1] if len(ends) >= _ENDS else word)


def foreseen(batch: Batch, outputs: Tensor) -> int:
    """Strings of a batch of which at every step each symbol that may come next has a larger output, (T, B, 7), than
    each that may not."""
    assert batch.lengths is not None
    symbols, told = (batch.x.argmax(-1) if batch.x.dim() == 3 else batch.x).cpu().T.tolist(), outputs.double().cpu()
    count = 0
    for n, length in enumerate(batch.lengths.tolist()):
        word = "".join(reber.SYMBOLS[symbol] for symbol in symbols[n][:length])
        may = torch.tensor([[one in here for one in reber.SYMBOLS] for here in reber.following(word)[1:]], device="cpu")
        least = told[:length, n].masked_fill(~may, torch.inf).amin(1)
        most = told[:length, n].masked_fill(may, -torch.inf).amax(1)
        count += bool((least > most).all())
    return count
