"""The curve tracks that can be added: of the whole network, and of each of its layers."""

from __future__ import annotations

from collections.abc import Mapping

from engine.quantities import CELL_TITLES
from engine.tracks import LayerKind

CURVES = "Curves"


def curve_keys(layers: Mapping[str, LayerKind]) -> tuple[tuple[str, str, str], ...]:
    """(track, words, group): one group where there is one layer, else one a layer."""
    found = [("losses", "Loss per step", CURVES)]
    several = len(layers) > 1
    for name in layers if several else ("",):
        title = _title(name, layers[name]) if several else ""
        group = f"{CURVES}: {title}" if several else CURVES
        found += [(f"{name}.{what}" if name else what, words, group) for what, words in _OF_LAYER]
    return tuple(found)


_OF_LAYER = (
    ("share", "Share of each step in ∂L/∂W_hh"),
    ("share?weight=weight_ih", "Share of each step in ∂L/∂W_ih"),
    ("growth", "∂L/∂W_hh filling up on the way back"),
    ("growth?weight=weight_ih", "∂L/∂W_ih filling up on the way back"),
    ("saturation", "Saturation: gates near 0 and 1, dead units"),
    ("singular", "Singular values of the step Jacobians"),
    ("routes", "Routes of the gradient to the step before"),
)


def _title(name: str, kind: LayerKind) -> str:
    number = int(name.removeprefix("l").removesuffix("_reverse")) + 1
    return f"layer {number} · {CELL_TITLES[kind.cell]}{' ←' if name.endswith('_reverse') else ''}"
