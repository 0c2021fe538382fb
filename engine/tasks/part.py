"""Which batch is drawn: of what is learned from, or of what is held back to judge it by."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.draws import generator
from engine.parts import Part as Part


@dataclass(frozen=True)
class Draw:
    """Of generated tasks each part has random streams of its own; of data, its own stretch of them."""

    seed: int
    number: int
    """Of training: the iteration."""
    part: Part = "train"
    pieces: tuple[int, ...] | None = None
    """Of a part of data that is held back: these of its sequences, from 0 in their order; None: those of batch `number`
    when the part is cut into batches."""

    def generator(self, purpose: str) -> torch.Generator:
        """A stream for one purpose."""
        return generator(self.seed, purpose if self.part == "train" else f"{purpose} {self.part}", self.number)
