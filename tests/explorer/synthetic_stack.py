"""Synthetic excerpts of whole stacks: layers of `synthetic`, put together. Each has its own numbers; that one layer
reads the other is not computed, so no test may rest on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import synthetic

from engine.requests import Excerpt
from engine.spec import CellKind


def stack(layers: Sequence[tuple[CellKind, bool]], *, T: int = 20, H: int = 3, **given: Any) -> Excerpt:
    """Layers from the input on: (cell, bidirectional). `given` as `synthetic.excerpt` takes it."""
    made, arrays = {}, {}
    base = synthetic.excerpt(layers[-1][0], T=T, H=H, **given)
    seed = 10
    for place, (cell, bidirectional) in enumerate(layers):
        for reverse in (False, True)[: 1 + bidirectional]:
            seed += 1
            one = synthetic.excerpt(cell, T=T, H=H, seed=seed, keys=("values.h", "grads.h"), **given)
            name = f"l{place}_reverse" if reverse else f"l{place}"
            made[name] = dataclasses.replace(one.of(), name=name, reverse=reverse)
            arrays |= {key.replace("l0.", f"{name}."): array for key, array in one.arrays.items()}
    focus = f"l{len(layers) - 1}"
    return dataclasses.replace(base, layers=made, arrays=arrays, layer=focus)


def with_layer(e: Excerpt, name: str, **changes: Any) -> Excerpt:
    """The same with a field of one layer another."""
    return dataclasses.replace(e, layers={**e.layers, name: dataclasses.replace(e.layers[name], **changes)})


def with_values(e: Excerpt, name: str, values: np.ndarray) -> Excerpt:
    """The same with other hidden vectors of one layer."""
    return dataclasses.replace(e, arrays={**e.arrays, f"{name}.values.h": values})
