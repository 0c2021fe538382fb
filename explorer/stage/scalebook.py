"""The scales of a document: chosen when a quantity is first seen, kept until somebody asks for others."""

from __future__ import annotations

import numpy as np

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
        self._outputs: Scale | None = None
        self._attention: Scale | None = None
        self._values: dict[tuple[str, str, str, str], Scale] = {}

    def reset(self) -> None:
        self._gradients = None
        self._inputs = self._outputs = self._attention = None
        self._values.clear()

    def of(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """What a quantity's track is drawn on; None while nobody can tell."""
        if not track.is_gradient:
            return self.values(track, excerpt)
        return scales.with_sign(self.gradients(excerpt)) if track.is_signed else self.gradients(excerpt)

    def gradients(self, excerpt: Excerpt) -> Scale:
        if self._gradients is None:
            self._gradients = scales.for_gradients(excerpt)
        return self._gradients

    def values(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """None while its array has not been there yet, or where there is no such layer."""
        if not has(track, excerpt.kinds()):
            return None
        layer, data = excerpt.of(track.layer), excerpt.shown(track)
        name = self._name(track, excerpt)
        if name not in self._values and data is not None:
            _, quantity = split_key(track.what, layer.cell)
            signed = track.is_signed
            self._values[name] = scales.for_values(quantity, layer, data) if signed else scales.of_sizes(data)
        return self._values.get(name)

    def inputs(self, excerpt: Excerpt) -> float:
        """The largest input that the bars show."""
        if self._inputs is None:
            self._inputs = scales.round_bound(excerpt.inputs)
        return self._inputs

    def of_inputs(self, excerpt: Excerpt) -> Scale:
        """From 0, where no input is negative."""
        bound = self.inputs(excerpt)
        return Scale("gate", -bound if (excerpt.inputs < 0).any() else 0.0, bound)

    def of_outputs(self, excerpt: Excerpt) -> Scale:
        """For targets and outputs together, with zero on it and room for either sign."""
        if self._outputs is None:
            both = np.concatenate([part.ravel().astype(np.float64) for part in (excerpt.targets, excerpt.outputs)])
            down, up = scales.round_bound(np.minimum(both, 0)), scales.round_bound(np.maximum(both, 0))
            largest = max(up if (both > 0).any() else 0.0, down if (both < 0).any() else 0.0) or 1.0
            low = -largest if (both < -largest / 4).any() else -largest / 4
            high = largest if (both > largest / 4).any() else largest / 4
            self._outputs = Scale("gate", low, high)
        return self._outputs

    def of_attention(self) -> Scale:
        """0 … 1 unless somebody asks for less."""
        return self._attention or scales.GATE

    def fit(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """Choose a track's scale anew from what is there now. Gradients share theirs."""
        if track.is_quantity and not track.is_gradient:
            self._values.pop(self._name(track, excerpt), None)
            return self.values(track, excerpt)
        if track.what == "data":
            self._inputs = self._outputs = None
            return self.of_outputs(excerpt) if excerpt.outputs.size else self.of_inputs(excerpt)
        if track.what == "attention":
            weights = excerpt.shown(track)
            self._attention = None if weights is None else Scale("gate", 0.0, min(1.0, scales.round_bound(weights)))
            return self.of_attention()
        self._gradients = None
        return self.of(track, excerpt) if track.is_quantity else self.gradients(excerpt)

    def _name(self, track: TrackSpec, excerpt: Excerpt) -> tuple[str, str, str, str]:
        layer = excerpt.of(track.layer)
        return layer.name, layer.cell, layer.activation, track.what if track.is_signed else f"|{track.what}|"
