"""What a session says of where somebody was looking, and which traces were pinned. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from engine import tracks
from engine.checks import checked, checked_what_if
from engine.errors import SessionError, SpecError
from engine.plaintext import one_line
from engine.recipes import MAX_ITERATION
from engine.requests import Array
from engine.spec import MAX_LAYERS, Experiment, Spec, WhatIf
from engine.tape import Tape
from engine.within import Granularity

MAX_TRACKS, MAX_HEIGHT = 64, 10_000


class SessionView(Spec, frozen=True, kw_only=True):
    """Where somebody was looking."""

    tracks: tuple[str, ...] = ("network", "norms")
    """From top to bottom, as engine.tracks reads them."""
    position: int = 0
    """On the tape, from 0."""
    granularity: Granularity = "step"
    within: tuple[int, int | None] | None = None
    """How far inside the step: (level, operation) as in engine.within; None: it is whole."""
    sample: int = 0
    layer: str = ""
    """The one in the cell panel: "l0", "l1_reverse"; "" is the one that the read-out reads, forward."""
    unit: int | None = None
    """Of that layer."""
    heights: dict[str, int] = msgspec.field(default_factory=dict)
    """Of tracks, in pixels, where somebody has changed them."""
    collapsed: tuple[str, ...] = ()
    """Tracks that are shown as a strip."""
    time_range: tuple[int, int] | None = None
    """First and last step on screen; None shows all."""
    scales: dict[str, tuple[float, float, float]] = msgspec.field(default_factory=dict)
    """Those that somebody has chosen, by the track that stands for all that share one: low end, high end, linear zone
    (0: none)."""
    theme: Literal["", "light", "dark", "system"] = ""


@dataclass(frozen=True, eq=False)
class PinnedNorms:
    """What is kept of a pinned trace: what it was made of, and norms of its states."""

    experiment: Experiment
    what_if: WhatIf
    iteration: int
    norms: Mapping[str, Array]
    """(T,) float64 by layer and quantity: "l0.grads.h"."""


def check_pin(pin: PinnedNorms) -> None:
    """Raises SpecError or SessionError."""
    checked(pin.experiment)
    checked_what_if(pin.what_if)
    if isinstance(pin.iteration, bool) or not 0 <= pin.iteration <= MAX_ITERATION:
        raise SessionError(f"iteration of a pin is {pin.iteration}; 0 to {MAX_ITERATION:,} is accepted.")
    layers = tracks.layer_kinds(pin.experiment.model.layers)
    for key, array in pin.norms.items():
        track = tracks.parse(key)
        tracks.check(track, layers)
        if not track.is_quantity or not track.layer or track.options:
            raise SessionError(f"A pin has norms of '{one_line(key, 40)}', which is no quantity of a layer.")
        if array.shape != (pin.experiment.task.steps,) or array.dtype != np.float64:
            raise SessionError(f"The pinned norms of {key} are not one float64 a step.")


def check_view(view: SessionView, experiment: Experiment) -> None:
    """That it fits the experiment. Raises SessionError."""
    steps, layers = experiment.task.steps, tracks.layer_kinds(experiment.model.layers)
    if len(view.tracks) > MAX_TRACKS or len(set(view.tracks)) != len(view.tracks):
        raise SessionError(f"view.tracks names a track twice, or more than {MAX_TRACKS}.")
    try:
        for text in (*view.tracks, *view.heights, *view.collapsed, *view.scales):
            tracks.check(tracks.parse(text), layers)
    except SpecError as error:
        raise SessionError(f"view: {error}") from None
    if len(set(view.collapsed)) != len(view.collapsed):
        raise SessionError("view.collapsed names a track twice.")
    if not all(1 <= height <= MAX_HEIGHT for height in view.heights.values()):
        raise SessionError(f"view.heights: 1 to {MAX_HEIGHT} pixels are accepted.")
    for name, (low, high, linear) in view.scales.items():
        if not (np.isfinite(low) and np.isfinite(high) and low < high and 0 <= linear < high):
            raise SessionError(f"view.scales: that of {name} is no scale; its low end must be below its high one.")
    if not 0 <= view.position < len(Tape(steps)):
        raise SessionError(f"view.position is {view.position}; the tape has 0 to {len(Tape(steps)) - 1}.")
    if view.within is not None and not (0 <= view.within[0] < MAX_LAYERS and 0 <= (view.within[1] or 0) <= 99):
        raise SessionError(f"view.within is {view.within}; a level and an operation of it, both from 0, are needed.")
    if not 0 <= view.sample < experiment.task.batch_size:
        raise SessionError(f"view.sample is {view.sample}; the batch has 0 to {experiment.task.batch_size - 1}.")
    if view.layer and view.layer not in layers:
        raise SessionError(f"view.layer is '{one_line(view.layer, 20)}'; there are {', '.join(layers)}.")
    units = layers[view.layer or tracks.read_layer(tuple(layers))].hidden_size
    if view.unit is not None and not 0 <= view.unit < units:
        raise SessionError(f"view.unit is {view.unit}; the layer has 0 to {units - 1}.")
    if view.time_range is not None and not 1 <= view.time_range[0] <= view.time_range[1] <= steps:
        raise SessionError(f"view.time_range is {view.time_range}; steps 1 to {steps} are there.")
