"""Which tracks a document may show, and what becomes of them when the cell changes. Plain data.

Tracks are texts (engine.tracks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.quantities import CELL_TITLES, Kind, layer_title, layer_words, quantities
from engine.session import MAX_TRACKS
from engine.spec import CellKind
from engine.tracks import FLOW_TRAINING, NETWORK, NORMS, WHOLE, LayerKind, TrackSpec, parse, read_layer

DEFAULTS: dict[CellKind, tuple[str, ...]] = {
    "rnn": (NETWORK, "values.h", "grads.h", NORMS),
    "lstm": (NETWORK, "values.f", "values.i", "values.c", "grads.c", "grads.h", NORMS),
    "gru": (NETWORK, "values.z", "values.r", "values.h", "grads.h", NORMS),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A track that can be added: its key, and the words of its entry and group."""

    key: str
    words: str
    group: str
    detail: str = ""
    """Beside the words: whose it is, its symbol."""
    find: str = ""
    """More words that it is found by."""


ATTENTION = "attention"
WHOLE_NETWORK: dict[str, str] = {
    NETWORK: "Unrolled network",
    "data": "Input, target and output",
    ATTENTION: "Attention weights",
    NORMS: "Gradient norms",
    "losses": "Loss per step",
    FLOW_TRAINING: "Flow over training: ‖∂L/∂h_t‖ by iteration",
}
"""What there is once, by its text (engine.tracks), with its words."""
EACH_LAYER: dict[str, str] = {
    "share": "Share of each step in ∂L/∂W_hh",
    "share?weight=weight_ih": "Share of each step in ∂L/∂W_ih",
    "growth": "∂L/∂W_hh filling up on the way back",
    "growth?weight=weight_ih": "∂L/∂W_ih filling up on the way back",
    "saturation": "Saturation: gates near 0 and 1, dead units",
    "singular": "Singular values of the step Jacobians",
    "routes": "Routes of the gradient to the step before",
}
"""What every layer has, by its text without a layer, with its words: "saturation", "share?weight=weight_ih"."""
_GROUP: dict[Kind, str] = {
    "state": "States and gates",
    "gate": "States and gates",
    "candidate": "States and gates",
    "preactivation": "Pre-activations",
}
_GRADIENTS, _LAYERS_OWN = "Gradients", "Over the steps"
_FIND = {FLOW_TRAINING: "history learning iterations heatmap gradient norm"}
_ORDER = ("States and gates", "Pre-activations", _GRADIENTS, _LAYERS_OWN)


def offers(layers: Mapping[str, LayerKind], readout: str = "", *, trains: bool = True) -> tuple[Offer, ...]:
    """Everything there is to see of a network and of what reads it, by group. A single layer is not named. `trains`:
    not where the trace has been recorded."""
    left_out = {ATTENTION} - {readout} | (set() if trains else {FLOW_TRAINING})
    whole = {key: words for key, words in WHOLE_NETWORK.items() if key not in left_out}
    found = [Offer(key, words, "", find=_FIND.get(key, "")) for key, words in whole.items()]
    for name, kind in layers.items():
        single = len(layers) == 1
        found += _of_layer("" if single else name, kind, f"{name}_reverse" in layers)
    return tuple(found)


def _of_layer(name: str, kind: LayerKind, both: bool) -> list[Offer]:
    group = f"{_capital(layer_words(name, kind.cell))} · " if name else ""
    number = layer_title(name) if name else ""
    way = "reverse" if name.endswith("_reverse") else "forward" if both else ""
    whose = number + {"reverse": " ←", "forward": " →"}.get(way, "")
    by_group: dict[str, list[Offer]] = {one: [] for one in _ORDER}
    for q in quantities(kind.cell, kind.layer_norm):
        for what in ("values", "grads"):
            key = str(TrackSpec(f"{what}.{q.symbol}", name))
            gradient = what == "grads"
            words = f"∂L/∂{q.symbol} – {q.title.lower()}" if gradient else q.title
            if q.kind != "preactivation" and not gradient:
                words = f"{q.title} {q.symbol}"
            of = _GRADIENTS if gradient else _GROUP[q.kind]
            find = f"{number} {way} {name} {q.kind} {q.symbol} {CELL_TITLES[kind.cell]}"
            find += " gradient grad" if gradient else " value"
            by_group[of].append(Offer(key, words, _headed(group, of), whose, find))
    for text, words in EACH_LAYER.items():
        key = str(parse(text).on(name))
        find = f"{number} {way} {name}"
        by_group[_LAYERS_OWN].append(Offer(key, words, _headed(group, _LAYERS_OWN), whose, find))
    return [offer for one in _ORDER for offer in by_group[one]]


def _headed(layer: str, group: str) -> str:
    return f"{layer}{group.lower()}" if layer else group


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def shown_as(key: str, tracks: Sequence[str], layers: Mapping[str, LayerKind]) -> tuple[str, ...]:
    """Which of the tracks show what an offer's key shows, however they show it (order, sample, signs)."""
    wanted = _meant(key, layers)
    return tuple(track for track in tracks if _meant(track, layers) == wanted)


def _meant(key: str, layers: Mapping[str, LayerKind]) -> tuple[object, ...]:
    track = parse(key)
    layer = track.layer or (read_layer(tuple(layers)) if layers and track.what not in WHOLE else "")
    kept = tuple(option for option in track.options if option[0] in ("unit", "weight"))
    return track.what, layer, kept


def with_attention(tracks: tuple[str, ...]) -> tuple[str, ...]:
    """With the track of the attention weights, below the network where that is there, else on top; as it is where the
    session has no room for it."""
    if ATTENTION in tracks or len(tracks) >= MAX_TRACKS:
        return tracks
    place = tracks.index(NETWORK) + 1 if NETWORK in tracks else 0
    return (*tracks[:place], ATTENTION, *tracks[place:])
