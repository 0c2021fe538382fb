"""What becomes of a what-if, and of the layer that is looked at, when the stack changes. Plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from engine.checks import check_fit
from engine.errors import SpecError
from engine.quantities import GATES
from engine.spec import NO_WHAT_IF, Clamp, Cut, Experiment, WhatIf
from engine.tracks import read_layer

Places: TypeAlias = Mapping[int, int]
"""Where each layer has gone, from 0; one that is missing has been deleted."""
Part = TypeVar("Part", Clamp, Cut)


def fitted(what_if: WhatIf, experiment: Experiment, places: Places | None = None) -> WhatIf:
    """As much of it as the stack has: gates that some layer has, clamps and cuts of layers that are there. Those of a
    layer that has moved move with it."""
    if what_if == NO_WHAT_IF:
        return what_if
    layers = experiment.model.layers
    gates = {gate for layer in layers for gate in GATES[layer.cell]}
    clamps = (_followed(clamp, places) for clamp in what_if.clamps)
    cuts = (_followed(cut, places) for cut in what_if.cuts)
    return replace(
        what_if,
        forget_bias=what_if.forget_bias if "f" in gates or not layers else 0.0,
        gate_biases=tuple(bias for bias in what_if.gate_biases if bias.gate in gates or not layers),
        clamps=tuple(c for c in clamps if c is not None and _fits(WhatIf(clamps=(c,)), experiment)),
        cuts=tuple(c for c in cuts if c is not None and _fits(WhatIf(cuts=(c,)), experiment)),
    )


def _followed(part: Part, places: Places | None) -> Part | None:
    if places is None:
        return part
    name = followed_name(part.layer, places)
    return None if name is None else replace(part, layer=name)


def followed_name(layer: str, places: Places) -> str | None:
    """The name that a layer has after it has moved: "l1_reverse" → "l0_reverse"; None: it has been deleted."""
    number, _, reverse = layer.removeprefix("l").partition("_")
    place = places.get(int(number))
    return None if place is None else f"l{place}{'_' if reverse else ''}{reverse}"


def followed_choice(layer: str, before: Collection[str], after: Collection[str], places: Places) -> str:
    """The layer of the cell panel after an edit that has moved some: the same one, whatever it is called now; "" where
    it has been deleted. "" is the layer that the read-out reads, and stays that unless the layer itself has moved."""
    read, reads_now = (read_layer(tuple(names)) if names else "" for names in (before, after))
    if not (layer or read):
        return ""
    name = followed_name(layer or read, places) or ""
    return name if layer or name not in (read, reads_now) else ""


def _fits(what_if: WhatIf, experiment: Experiment) -> bool:
    try:
        check_fit(experiment.model.layers, experiment.task.steps, what_if)
    except SpecError:
        return False
    return True
