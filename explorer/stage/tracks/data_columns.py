"""The data track as columns of a table: the numbers that its lanes are drawn from, a row a step. Made once a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array, Excerpt
from explorer.stage.tracks.lanes import place, probabilities, sigmoid, spread


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    part: Literal["input", "target", "output"]
    names: tuple[str, ...]
    values: NDArray[Any]
    """(T, columns); symbols and classes as whole numbers."""
    only: int = 0
    """The step of an answer that is given once; 0: there is one at every step."""


def of(e: Excerpt) -> tuple[Columns, ...]:
    """Inputs, targets, then outputs: of classes the probabilities and the scores that they are made of."""
    if e.symbols:
        found = [Columns("input", ("input symbol",), _whole(e.inputs))]
    else:
        found = [Columns("input", _names("x", e.inputs.shape[1], "x_{}"), e.inputs)]
    if not e.outputs.size:
        return tuple(found)
    outputs, only = spread(e.outputs, e)[0], 0 if len(e.outputs) == e.steps > 1 else place(e)
    count, classes = outputs.shape[1], e.loss_kind == "cross_entropy"
    if e.targets.size and len(e.targets) == len(e.outputs):
        targets = spread(e.targets, e)[0]
        if classes:
            found.append(Columns("target", ("target class",), _whole(targets[:, :1]), only))
        else:
            found.append(Columns("target", _names("target", targets.shape[1]), targets, only))
    if classes:
        found.append(Columns("output", tuple(f"p({k})" for k in range(count)), probabilities(outputs), only))
        found.append(Columns("output", tuple(f"score {k}" for k in range(count)), outputs, only))
    elif e.loss_kind == "binary_cross_entropy":
        found.append(Columns("output", _names("p", count), sigmoid(outputs), only))
        found.append(Columns("output", _names("score", count), outputs, only))
    else:
        found.append(Columns("output", _names("output", count), outputs, only))
    return tuple(found)


def _names(name: str, count: int, form: str = "") -> tuple[str, ...]:
    return (name,) if count == 1 else tuple((form or f"{name} {{}}").format(k) for k in range(1, count + 1))


def _whole(array: Array) -> NDArray[np.int64]:
    with np.errstate(all="ignore"):
        return np.nan_to_num(array).astype(np.int64)
