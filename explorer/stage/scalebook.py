"""The scales of a document: chosen when a quantity is first seen, kept until somebody asks for others."""

from __future__ import annotations

from engine.quantities import split_key
from engine.requests import Excerpt
from explorer.stage import scales
from explorer.stage.scales import Scale


class ScaleBook:
    """One scale for all gradients, one for each quantity's values."""

    def __init__(self) -> None:
        self._gradients: Scale | None = None
        self._inputs: float | None = None
        self._values: dict[tuple[str, str, str], Scale] = {}

    def reset(self) -> None:
        self._gradients = None
        self._inputs = None
        self._values.clear()

    def gradients(self, excerpt: Excerpt) -> Scale:
        if self._gradients is None:
            self._gradients = scales.for_gradients(excerpt)
        return self._gradients

    def values(self, key: str, excerpt: Excerpt) -> Scale | None:
        """None while its array has not been there yet."""
        name = (excerpt.cell, excerpt.activation, key)
        if name not in self._values and key in excerpt.arrays:
            _, quantity = split_key(key, excerpt.cell)
            self._values[name] = scales.for_values(quantity, excerpt, excerpt.arrays[key])
        return self._values.get(name)

    def inputs(self, excerpt: Excerpt) -> float:
        """The largest input that the bars show."""
        if self._inputs is None:
            self._inputs = scales.round_bound(excerpt.inputs)
        return self._inputs

    def fit(self, key: str, excerpt: Excerpt) -> Scale | None:
        """Choose a track's scale anew from what is there now. Gradients share theirs."""
        if key.startswith("values."):
            self._values.pop((excerpt.cell, excerpt.activation, key), None)
            return self.values(key, excerpt)
        self._gradients = None
        return self.gradients(excerpt)
