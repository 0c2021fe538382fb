"""What a forward pass of one layer leaves."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Recorded(dict[str, Tensor]):
    """Every activation and state by its symbol, (T, B, H) each, and what is known beside that."""

    def __init__(self, values: Mapping[str, Tensor], before: Mapping[str, Tensor], tanh_c: Tensor | None) -> None:
        super().__init__(values)
        self.before = before
        """(T, B, H) each: the states that each step starts from. They share memory with the values, where they can."""
        self.tanh_c = tanh_c
        """(T, B, H), of the LSTM: no value of its own, but it costs more than all other slopes together."""
