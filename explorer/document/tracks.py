"""Which tracks a document may show, and what becomes of them when the cell changes. Plain data.

Tracks are texts (engine.tracks).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.quantities import quantities
from engine.spec import CellKind
from engine.tracks import NETWORK, NORMS

DEFAULTS: dict[CellKind, tuple[str, ...]] = {
    "rnn": (NETWORK, "values.h", "grads.h", NORMS),
    "lstm": (NETWORK, "values.f", "values.i", "values.c", "grads.c", "grads.h", NORMS),
    "gru": (NETWORK, "values.z", "values.r", "values.h", "grads.h", NORMS),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A track that can be added: its key, and the words of its menu entry and group."""

    key: str
    words: str
    group: str


def offers(cell: CellKind, readout: str = "", layer_norm: bool = False) -> tuple[Offer, ...]:
    """Everything there is to see of a cell, and of what reads it."""
    found = quantities(cell, layer_norm)
    general = (
        Offer(NETWORK, "Unrolled network", ""),
        Offer("data", "Input, target and output", ""),
        *((Offer("attention", "Attention weights", ""),) if readout == "attention" else ()),
        Offer(NORMS, "Gradient norms", ""),
    )
    values = tuple(
        Offer(f"values.{q.symbol}", f"{q.title} {q.symbol}" if q.kind != "preactivation" else q.title, _GROUP[q.kind])
        for q in found
    )
    grads = tuple(Offer(f"grads.{q.symbol}", f"∂L/∂{q.symbol} – {q.title.lower()}", "Gradients") for q in found)
    return general + values + grads


_GROUP = {
    "state": "States and gates",
    "gate": "States and gates",
    "candidate": "States and gates",
    "preactivation": "Pre-activations",
}


def suited(tracks: tuple[str, ...], old: CellKind, new: CellKind) -> tuple[str, ...]:
    """The tracks after the cell has changed: the default set of the new cell, unless nothing changed."""
    return tracks if old == new else DEFAULTS[new]
