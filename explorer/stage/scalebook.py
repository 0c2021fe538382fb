"""The scales of a document: chosen when a quantity is first seen, kept until somebody asks for others."""

from __future__ import annotations

from engine.quantities import split_key
from engine.requests import Excerpt
from engine.tracks import TrackSpec, has
from explorer.stage import scales
from explorer.stage.scales import Scale


class ScaleBook:
    """One scale for all gradients, one for each quantity's values."""

    def __init__(self) -> None:
        self._gradients: Scale | None = None
        self._inputs: float | None = None
        self._values: dict[tuple[str, str, str, str], Scale] = {}

    def reset(self) -> None:
        self._gradients = None
        self._inputs = None
        self._values.clear()

    def gradients(self, excerpt: Excerpt) -> Scale:
        if self._gradients is None:
            self._gradients = scales.for_gradients(excerpt)
        return self._gradients

    def values(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """None while its array has not been there yet, or where there is no such layer."""
        if not has(track, excerpt.kinds()):
            return None
        layer, data = excerpt.of(track.layer), excerpt.shown(track)
        name = (layer.name, layer.cell, layer.activation, track.what)
        if name not in self._values and data is not None:
            _, quantity = split_key(track.what, layer.cell)
            self._values[name] = scales.for_values(quantity, layer, data)
        return self._values.get(name)

    def inputs(self, excerpt: Excerpt) -> float:
        """The largest input that the bars show."""
        if self._inputs is None:
            self._inputs = scales.round_bound(excerpt.inputs)
        return self._inputs

    def fit(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """Choose a track's scale anew from what is there now. Gradients share theirs."""
        if track.is_quantity and not track.is_gradient:
            layer = excerpt.of(track.layer)
            self._values.pop((layer.name, layer.cell, layer.activation, track.what), None)
            return self.values(track, excerpt)
        self._gradients = None
        return self.gradients(excerpt)
