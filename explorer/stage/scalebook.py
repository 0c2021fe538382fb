"""The scales of a document: chosen when a quantity is first seen, kept until somebody asks for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import numpy as np

from engine.quantities import split_key
from engine.requests import Array, Excerpt
from engine.tracks import FLOW_TRAINING, TrackSpec, has
from explorer.stage import scales
from explorer.stage.classified import Ahead
from explorer.stage.scales import Scale, ScaleKind

Chosen = Mapping[str, tuple[float, float, float]]
"""By the track that stands for all that share a scale: its low and high end, and its linear zone (0: none)."""
GRADIENTS = "grads.h"
"""Stands for all of them."""

S = TypeVar("S")


class ScaleBook:
    """One scale for all gradients, one for each quantity's values. What somebody has chosen goes before all else."""

    def __init__(self) -> None:
        self.ahead = Ahead()
        self._chosen: dict[str, tuple[float, float, float]] = {}
        self._gradients: Scale | None = None
        self._inputs: float | None = None
        self._outputs: Scale | None = None
        self._values: dict[tuple[str, str, str, str], Scale] = {}
        self._others: dict[str, object] = {}

    def reset(self) -> None:
        self.ahead.keep(())
        self._chosen.clear()
        self._gradients = None
        self._inputs = self._outputs = None
        self._others.clear()
        self._values.clear()

    # -- what somebody has chosen -------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Chosen:
        """To be kept with the document."""
        return dict(self._chosen)

    def set_chosen(self, chosen: Chosen) -> None:
        self._chosen = dict(chosen)

    def name(self, track: TrackSpec, excerpt: Excerpt) -> str:
        """The text that stands for all tracks that share this one's scale; "" where it cannot be chosen by its ends."""
        if track.what == FLOW_TRAINING:
            return track.what  # of its own, where somebody wants it so
        if track.on_gradients:
            return GRADIENTS
        if track.what == "attention":
            return track.what
        if not (track.is_quantity and has(track, excerpt.kinds())):
            return ""
        plain = TrackSpec(track.what).on(excerpt.of(track.layer).name)
        return str(plain if track.is_signed else plain.having(show="magnitude"))

    def choose(self, track: TrackSpec, excerpt: Excerpt, scale: Scale) -> None:
        self._chosen[self.name(track, excerpt)] = scale.low, scale.high, scale.linear

    def forget(self, track: TrackSpec, excerpt: Excerpt) -> None:
        """Back to what the program would choose now."""
        name = self.name(track, excerpt)
        self._chosen.pop(name, None)
        if name or not track.is_quantity:
            self._anew(track, excerpt)

    def _of_choice(self, name: str, kind: ScaleKind) -> Scale | None:
        """None where nobody has chosen, or what was chosen is no scale of that kind."""
        low, high, linear = self._chosen.get(name, (0.0, 0.0, 0.0))
        if not low < high or (kind == "magnitude" and low <= 0) or (kind == "signed" and low != -high):
            return None
        return Scale(kind, low, high, linear)

    # -- what is shown on what ----------------------------------------------------------------------------------------

    def of(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """What a quantity's track is drawn on; None while nobody can tell."""
        if not track.is_gradient:
            return self.values(track, excerpt)
        return scales.with_sign(self.gradients(excerpt)) if track.is_signed else self.gradients(excerpt)

    def gradients(self, excerpt: Excerpt) -> Scale:
        chosen = self._of_choice(GRADIENTS, "magnitude")
        if chosen is not None:
            return chosen
        if self._gradients is None:
            self._gradients = scales.for_gradients(excerpt)
        return self._gradients

    def over_training(self, excerpt: Excerpt) -> Scale:
        """That of all gradients, unless this track was given one of its own."""
        return self._of_choice(FLOW_TRAINING, "magnitude") or self.gradients(excerpt)

    def values(self, track: TrackSpec, excerpt: Excerpt) -> Scale | None:
        """None while its array has not been there yet, or where there is no such layer."""
        if not has(track, excerpt.kinds()):
            return None
        layer, data = excerpt.of(track.layer), excerpt.shown(track)
        name, signed = self._name(track, excerpt), track.is_signed
        _, quantity = split_key(track.what, layer.cell)
        kind: ScaleKind = "magnitude" if not signed else "gate" if quantity.kind == "gate" else "signed"
        chosen = self._of_choice(self.name(track, excerpt), kind)
        if chosen is not None:
            return chosen
        if name not in self._values and data is not None:
            self._values[name] = scales.for_values(quantity, layer, data) if signed else scales.of_sizes(data)
        return self._values.get(name)

    def once(self, what: str, make: Callable[[], S]) -> S:
        """The scale of anything else that a track shows, by the track's key and the cell; made when first seen."""
        if what not in self._others:
            self._others[what] = make()
        return cast("S", self._others[what])

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

    def of_attention(self, weights: Array | None) -> Scale:
        """0 … 1; where none of the weights is a half when they are first seen, up to the largest, for they sum to 1: of
        fifty that are alike each is a line at the foot of 0 … 1. It is kept like any other."""
        chosen = self._of_choice("attention", "gate")
        if chosen is not None or weights is None:
            return chosen or scales.GATE
        return self.once("attention", lambda: _of_weights(weights))

    def fit(self, track: TrackSpec, excerpt: Excerpt, shown: Array | None = None) -> Scale | None:
        """Choose a track's scale from what it shows now, and keep it. Gradients share theirs: that of their sizes. Only
        the flow over training has its own then, for its rows are norms, of many iterations.
        `shown`: its numbers, where they are not the excerpt's."""
        self.forget(track, excerpt)
        if track.what == "data":
            return self.of_outputs(excerpt) if excerpt.outputs.size else self.of_inputs(excerpt)
        if track.what == "attention":
            weights = excerpt.shown(track)
            if weights is not None:
                self.choose(track, excerpt, Scale("gate", 0.0, min(1.0, scales.round_bound(weights))))
            return self.of_attention(weights)
        if not (track.is_quantity or track.on_gradients):  # a track that says its own scale
            return None
        of_gradients = track.on_gradients
        usual = self.gradients(excerpt) if of_gradients else self.values(track, excerpt)
        shares = of_gradients and self.name(track, excerpt) == GRADIENTS
        from explorer.stage.fitting import shown_by

        data = shown_by(track, excerpt) if shown is None else shown
        found = scales.fitted(usual.kind, data) if usual is not None and data is not None else None
        if found is not None and shares:  # all that share it stay on it upwards
            found = scales.reaching(found, excerpt)
        if found is None:  # nothing there that a scale could be fitted to
            return usual
        self.choose(track, excerpt, found)
        return found

    def _anew(self, track: TrackSpec, excerpt: Excerpt) -> None:
        if track.what == "data":
            self._inputs = self._outputs = None
        elif track.is_quantity and not track.is_gradient:
            self._values.pop(self._name(track, excerpt), None)
        elif track.on_gradients and track.what != FLOW_TRAINING:
            self._gradients = None
        elif track.what == "attention":
            self._others.pop("attention", None)
        else:
            old = f"{track.key}."
            self._others = {what: scale for what, scale in self._others.items() if not what.startswith(old)}

    def _name(self, track: TrackSpec, excerpt: Excerpt) -> tuple[str, str, str, str]:
        layer = excerpt.of(track.layer)
        return layer.name, layer.cell, layer.activation, track.what if track.is_signed else f"|{track.what}|"


def _of_weights(weights: Array) -> Scale:
    top = scales.largest(weights)
    return Scale("gate", 0.0, scales.round_bound(weights)) if 0 < top < 0.5 else scales.GATE
