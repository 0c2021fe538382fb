"""Which tracks a document may show, and what becomes of them when the cell changes. Plain data.

Tracks are texts (engine.tracks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.quantities import quantities
from engine.spec import CellKind
from engine.tracks import NETWORK, NORMS, LayerKind
from explorer.document.curve_offers import curve_keys

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


def offers(cell: CellKind, readout: str = "", layers: Mapping[str, LayerKind] | None = None) -> tuple[Offer, ...]:
    """Everything there is to see of a cell, of what reads it, and the curves of each of the layers."""
    found = quantities(cell, any(layer.layer_norm for layer in (layers or {}).values()))
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
    curves = tuple(Offer(*one) for one in curve_keys(layers or {"l0": LayerKind(cell, 1)}))
    return general + values + grads + curves


_GROUP = {
    "state": "States and gates",
    "gate": "States and gates",
    "candidate": "States and gates",
    "preactivation": "Pre-activations",
}


def suited(tracks: tuple[str, ...], old: CellKind, new: CellKind) -> tuple[str, ...]:
    """The tracks after the cell has changed: the default set of the new cell, unless nothing changed."""
    return tracks if old == new else DEFAULTS[new]
