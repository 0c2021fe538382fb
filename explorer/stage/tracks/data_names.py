"""What symbols, classes and probabilities are called on the data track: by the names that the excerpt has, else by
numbers."""

from __future__ import annotations

from collections.abc import Mapping

from engine.requests import Excerpt
from explorer.stage.scales import GATE, number
from explorer.stage.tracks.lanes import Lane
from explorer.theme.tokens import SMALL_PX
from explorer.widgets.labels import in_markup, in_markup_spoken

_NAMED = 12
"""Of symbols: up to so many are named one by one in a line."""


def class_words(labels: Mapping[int, str], number: int) -> str:
    """In a sentence: "‘B’", "class 5"."""
    label = labels.get(number)
    return f"class {number}" if label is None else in_markup_spoken(label)


def answer_words(labels: Mapping[int, str], value: float) -> str:
    """Of one answer with a probability: "‘yes’"; "" where it has no name, or is neither 0 nor 1."""
    return in_markup_spoken(labels[int(value)]) if value in (0, 1) and int(value) in labels else ""


def read_words(e: Excerpt) -> str:
    """What there is to be read: "one of B T P S X V E", "of 0 … 6"."""
    if len(e.read_labels) == e.symbols <= _NAMED:
        return "one of " + " ".join(in_markup(e.read_labels[k]) for k in range(e.symbols))
    return f"one of {e.symbols:,} symbols" if e.read_labels else f"of 0 … {e.symbols - 1}"


def rows_of(lane: Lane, height: float) -> tuple[str, ...]:
    """Of classes, a name for each row from the top; () where rows of that many logical pixels in all have no room."""
    count = lane.values.shape[1] if lane.kind == "matrix" and lane.scale is GATE else 0
    if not count or len(lane.labels) != count or height < count * SMALL_PX:
        return ()
    return tuple(in_markup(lane.labels[k]) for k in range(count))


def many(lane: Lane) -> str:
    """Of symbols that stand there by their names: how many there are."""
    return f"{lane.count:,} {'symbols' if lane.part == 'input' else 'classes'}"


def ends(lane: Lane) -> tuple[str, str]:
    """What stands at a lane's foot and at its head."""
    if lane.kind == "symbols":
        return _end(lane, 0, "0"), _end(lane, lane.count - 1, str(lane.count - 1))
    if lane.kind == "matrix" and lane.scale is GATE:
        last = lane.values.shape[1] - 1
        return _end(lane, last, f"class {last}"), _end(lane, 0, "class 0")
    return (number(lane.scale.low), number(lane.scale.high)) if lane.scale is not None else ("", "")


def _end(lane: Lane, number: int, otherwise: str) -> str:
    return in_markup(lane.labels[number]) if number in lane.labels else otherwise
