"""What the unrolled network shows of each layer: told once for each trace, looked up after that."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from engine.quantities import STATES
from engine.requests import Array, Excerpt, ShownLayer
from engine.tracks import TrackSpec
from explorer.stage import borders, classes
from explorer.stage.classified import Ahead
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale
from explorer.stage.tracks.anatomy import RowKind, Wire


class LayerRow:
    """A layer in one direction: its hidden vectors as codes, and the gradients of its wires as norms."""

    def __init__(self, layer: ShownLayer, excerpt: Excerpt, scale: Scale | None, ahead: Ahead) -> None:
        self.layer, self.scale, self._ahead = layer, scale, ahead
        self.track = TrackSpec("values.h", layer.name)
        self.data = excerpt.shown(self.track)
        self.length = excerpt.length
        self.kind = RowKind(layer.name, STATES[layer.cell], layer.reverse)
        self.norms = {symbol: layer.norms[f"grads.{symbol}"] for symbol in self.kind.states}
        self.partly = borders.partly(excerpt) if layer.crossing_norms else None
        """(T,): the steps to which windows that overlap let only some come from the step after."""

    @cached_property
    def codes(self) -> classes.Codes | None:
        """(T, H); padding is undefined."""
        if self.data is None or self.scale is None:
            return None
        return self._ahead.codes(self.track, self.data, self.scale, self.length)

    @cached_property
    def wires(self) -> dict[str, Array]:
        """By state, (T,): the gradient on the wire to the step after. It is ∂L/∂h of the step that it leaves; where
        truncation lets only some of it come over the wire, that."""
        if self.partly is None:
            return self.norms
        crossing = self.layer.crossing_norms
        return {s: np.where(self.partly, crossing[s], norms) for s, norms in self.norms.items()}

    def way(self, wire: Wire) -> Array:
        return self.layer.input_norms if wire.way == "input" else self.layer.direct_norms

    def same(self, other: LayerRow) -> bool:
        """Whether it shows the same numbers on the same scale."""
        return (
            self.layer is other.layer
            and self.data is other.data
            and self.scale == other.scale
            and self.length == other.length
        )


def rows_of(excerpt: Excerpt, book: ScaleBook) -> tuple[LayerRow, ...]:
    """From the input on."""
    scales = {name: book.values(TrackSpec("values.h", name), excerpt) for name in excerpt.layers}
    rows = [LayerRow(layer, excerpt, scales[name], book.ahead) for name, layer in excerpt.layers.items()]
    book.ahead.expect_rows({row.track: row.scale for row in rows if row.scale is not None})
    return tuple(rows)


class Reading:
    """Where the read-out reads, and what the loss is made of. Steps from 0."""

    def __init__(self, excerpt: Excerpt) -> None:
        self.loss = excerpt.loss
        self.losses = excerpt.losses
        self.length = excerpt.length
        there = np.flatnonzero(excerpt.has_loss)
        kind = excerpt.readout or ("every" if len(there) > 1 else "last")
        self.kind = kind
        steps = excerpt.steps
        self.steps = np.zeros(steps, bool)
        """Which steps are read."""
        if kind == "last":
            self.steps[max(0, min(excerpt.length, steps) - 1)] = True
            if list(excerpt.layers.values())[-1].reverse:
                self.steps[0] = True  # where its reverse direction ends
        elif kind == "every":
            self.steps[there] = True
            self.steps[excerpt.length :] = False
        else:
            self.steps[: excerpt.length] = True
        self._ends = kind == "last" and bool(self.steps[0]) and self.length > 1
        self.weights = _weights(excerpt) if kind == "attention" else None
        """(T,): attention's, where they are known."""

    def of(self, *, reverse: bool) -> np.ndarray:
        """(T,) bool: which steps of a direction are read: the last of its own, or all that are read."""
        found = self.steps.copy()
        if self._ends:
            found[self.length - 1 if reverse else 0] = False
        return found

    @property
    def at_every(self) -> bool:
        return self.kind == "every"

    @property
    def last(self) -> int:
        """t of the step that a single loss hangs at, from 1."""
        return int(np.flatnonzero(self.steps)[-1]) + 1 if bool(self.steps.any()) else len(self.steps)


def _weights(excerpt: Excerpt) -> Array | None:
    found = excerpt.arrays.get("attention")
    if found is None or found.size != excerpt.steps:
        return None
    return found.reshape(-1).astype(np.float64)
