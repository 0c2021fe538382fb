"""The data track as columns of a table: the numbers that its lanes are drawn from, a row a step. Made once a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array, Excerpt
from explorer.stage.tracks.lanes import column_name, one_probability, place, probabilities, sigmoid, spread, target_name
from explorer.widgets.labels import written


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    part: Literal["input", "target", "output"]
    names: tuple[str, ...]
    values: NDArray[Any]
    """(T, columns); symbols and classes as whole numbers."""
    only: int = 0
    """The step of an answer that is given once; 0: there is one at every step."""
    words: tuple[str, ...] = ()
    """(T,): what symbols are called, where they have names."""


def of(e: Excerpt) -> tuple[Columns, ...]:
    """Inputs, targets, then outputs: of classes the probabilities and the scores that they are made of."""
    if e.symbols:
        symbols = _whole(e.inputs)
        found = [Columns("input", ("input symbol",), symbols, words=_words(symbols, e.read_labels))]
    else:
        found = [Columns("input", _read(e), e.inputs)]
    if not e.outputs.size:
        return tuple(found)
    outputs, only = spread(e.outputs, e)[0], 0 if len(e.outputs) == e.steps > 1 else place(e)
    count, classes = outputs.shape[1], e.loss_kind == "cross_entropy"
    if e.targets.size and len(e.targets) == len(e.outputs):
        targets = spread(e.targets, e)[0]
        if classes:
            right = _whole(targets[:, :1])
            name = target_name(e) if e.target_name else "target class"
            found.append(Columns("target", (name,), right, only, _words(right, e.labels)))
        else:
            named = _words(_whole(targets), e.labels) if e.loss_kind == "binary_cross_entropy" else ()
            found.append(Columns("target", _names(target_name(e), targets.shape[1]), targets, only, named))
    if classes:
        names = [written(e.labels[k]) if k in e.labels else str(k) for k in range(count)]
        found.append(Columns("output", tuple(f"p({name})" for name in names), probabilities(outputs), only))
        found.append(Columns("output", tuple(f"score {name}" for name in names), outputs, only))
    elif e.loss_kind == "binary_cross_entropy":
        found.append(Columns("output", _names(one_probability(e.labels), count), sigmoid(outputs), only))
        found.append(Columns("output", _names("score", count), outputs, only))
    else:
        found.append(Columns("output", _names("output", count), outputs, only))
    return tuple(found)


def _read(e: Excerpt) -> tuple[str, ...]:
    count = e.inputs.shape[1]
    return tuple(column_name(e, k) for k in range(count)) if e.read_labels else _names("x", count, "x_{}")


def _words(numbers: NDArray[np.int64], labels: Mapping[int, str]) -> tuple[str, ...]:
    if not labels:
        return ()
    return tuple(written(labels[k]) if k in labels else str(k) for k in numbers[:, 0].tolist())


def _names(name: str, count: int, form: str = "") -> tuple[str, ...]:
    return (name,) if count == 1 else tuple((form or f"{name} {{}}").format(k) for k in range(1, count + 1))


def _whole(array: Array) -> NDArray[np.int64]:
    with np.errstate(all="ignore"):
        return np.nan_to_num(array).astype(np.int64)
