"""What the data track shows of an excerpt, lane by lane from the top: inputs, targets, outputs. No ink.

Arrays have a row for each step of the sequence. A read-out that answers once stands at the sample's last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.requests import Array, Excerpt
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale
from explorer.widgets.labels import in_markup, written

Kind = Literal["bars", "series", "symbols", "matrix"]
_NAMED_ROW = 0.6
"""Weight of a row with a name beside it."""
MOST_BARS = 6
"""Features that get a lane each; more become the rows of one."""


@dataclass(frozen=True, eq=False)
class Lane:
    """bars, series: (T,) numbers.  symbols: (T,) whole numbers from 0.  matrix: (T, K)."""

    kind: Kind
    name: str
    """Marked up: "x_1"."""
    values: Array
    there: NDArray[np.bool_]
    """(T,): the steps that have it; the padding does not."""
    scale: Scale | None
    weight: float
    """Its share of the height."""
    part: Literal["input", "output", "target"]
    count: int = 0
    """Of symbols: how many there are."""
    labels: Mapping[int, str] = field(default_factory=dict)
    """What symbols and classes are called, as far as they have names."""
    targets: Array | None = None
    """Of a series: what the outputs should have been, (T,). Of a matrix: the right class, (T,)."""


def lanes(e: Excerpt, book: ScaleBook) -> tuple[Lane, ...]:
    return (*_inputs(e, book), *_outputs(e, book))


def place(e: Excerpt) -> int:
    """The step, from 1, where a single answer stands."""
    return max(1, e.length)


def _inputs(e: Excerpt, book: ScaleBook) -> list[Lane]:
    every, features = _own_steps(e), e.inputs.shape[1]
    if e.symbols:
        return [Lane("symbols", "input", e.inputs[:, 0], every, None, 1.0, "input", e.symbols, e.read_labels)]
    scale = book.of_inputs(e)
    if features == 1:
        return [
            Lane(
                "series",
                in_markup(e.read_labels[0]) if e.read_labels else "input x",
                e.inputs[:, 0],
                every,
                scale,
                2.0,
                "input",
            )
        ]
    if features > MOST_BARS:
        wide = Scale("signed", -scale.high, scale.high)
        return [Lane("matrix", f"x_1 … x_{{{features}}}", e.inputs, every, wide, 3.0, "input")]
    names = [in_markup(e.read_labels[k]) if k in e.read_labels else f"x_{k + 1}" for k in range(features)]
    return [Lane("bars", names[k], e.inputs[:, k], every, scale, 1.0, "input") for k in range(features)]


def column_name(e: Excerpt, k: int) -> str:
    """Of a number that is read, from 0: what it is called in the data, or "x_1"."""
    return written(e.read_labels[k]) if k in e.read_labels else f"x_{k + 1}"


def target_name(e: Excerpt) -> str:
    """What the targets are called: by their column in the data, "close"; where that column is read as well, "target
    close", for they are those of another row."""
    if not e.target_name:
        return "target"
    name = written(e.target_name)
    return f"target {name}" if not e.symbols and e.target_name in e.read_labels.values() else name


def target_in_markup(e: Excerpt) -> str:
    """The same, among text whose "_" lowers what follows."""
    return in_markup(target_name(e)) if e.target_name else "target"


def _outputs(e: Excerpt, book: ScaleBook) -> list[Lane]:
    if not e.outputs.size:
        return []
    outputs, there = spread(e.outputs, e)
    targets, target = spread(e.targets, e)[0] if len(e.targets) == len(e.outputs) else None, target_in_markup(e)
    if e.loss_kind == "cross_entropy":
        found = []
        if targets is not None:
            found.append(
                Lane("symbols", target, targets[:, 0], there, None, 1.0, "target", e.outputs.shape[1], e.labels)
            )
        right = None if targets is None else targets[:, 0]
        count = e.outputs.shape[1]
        rows = min(5.0, max(2.0, count / 2)) if len(e.labels) != count else min(6.0, max(2.0, count * _NAMED_ROW))
        p = Lane(
            "matrix", "output p", probabilities(outputs), there, GATE, rows, "output", labels=e.labels, targets=right
        )
        return [*found, p]
    if e.loss_kind == "binary_cross_entropy":
        outputs = sigmoid(outputs)
    scale = GATE if e.loss_kind == "binary_cross_entropy" else book.of_outputs(e)
    name = f"output {one_probability(e.labels)}" if e.loss_kind == "binary_cross_entropy" else "output"
    if outputs.shape[1] == 1:
        wished = None if targets is None or targets.shape[1] != 1 else targets[:, 0]
        return [Lane("series", name, outputs[:, 0], there, scale, 3.0, "output", targets=wished)]
    bound = max(abs(scale.low), scale.high)
    wide = GATE if scale is GATE else Scale("signed", -bound, bound)
    found = [Lane("matrix", name, outputs, there, wide, 3.0, "output")]
    if targets is not None and targets.shape == outputs.shape:
        found.insert(0, Lane("matrix", target, targets, there, wide, 3.0, "target"))
    return found


def one_probability(labels: Mapping[int, str]) -> str:
    """What the one probability is of, marked up: "p(yes)", "p"."""
    return f"p({in_markup(labels[1])})" if 1 in labels else "p"


def spread(array: Array, e: Excerpt) -> tuple[Array, NDArray[np.bool_]]:
    """(n, O) as (T, O), and which steps have it."""
    if len(array) == e.steps > 1:
        return array, _own_steps(e)
    whole, there = np.zeros((e.steps, array.shape[1]), array.dtype), np.zeros(e.steps, bool)
    whole[place(e) - 1] = array[-1]
    there[place(e) - 1] = True
    return whole, there


def _own_steps(e: Excerpt) -> NDArray[np.bool_]:
    return np.arange(e.steps) < e.length


def probabilities(scores: Array) -> NDArray[np.float64]:
    """softmax over the classes, (…, O)."""
    with np.errstate(all="ignore"):
        wide = scores.astype(np.float64)
        grown = np.exp(wide - wide.max(axis=-1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=-1, keepdims=True))


def sigmoid(scores: Array) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return np.asarray(1 / (1 + np.exp(-scores.astype(np.float64))))
