"""How many numbers each card's parameters are."""

from __future__ import annotations

import math

from engine.parameters import parameter_shapes
from engine.spec import Experiment


def parameter_counts(experiment: Experiment) -> dict[str, int]:
    """By card: "readout", "input", "l0", …; nothing of a stack without a layer."""
    counted: dict[str, int] = {}
    shapes = parameter_shapes(experiment) if experiment.model.layers else {}
    for name, shape in shapes.items():
        card = card_of(name)
        counted[card] = counted.get(card, 0) + math.prod(shape)
    return counted


def card_of(parameter: str) -> str:
    """The card of a parameter: "weight_hh_l1_reverse" belongs to "l1"."""
    if parameter.startswith("embedding."):
        return "input"
    if parameter.startswith(("readout.", "attention.")):
        return "readout"
    return parameter.partition(".")[0].removesuffix("_reverse").rpartition("_")[2]
