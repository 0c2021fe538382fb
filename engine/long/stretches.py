"""A sequence cut into stretches, and in which order the layers of a stack go through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from engine.stack import Layer, Level

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stretches:
    """T steps in stretches of `size`, of which the last may be shorter. Steps and stretches count from 0."""

    steps: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.steps // self.size)

    def cut(self, number: int) -> slice:
        """Its steps."""
        return slice(number * self.size, min((number + 1) * self.size, self.steps))

    def of(self, step: int) -> int:
        """The stretch that has this step."""
        return step // self.size


@dataclass(frozen=True)
class Pass:
    """Once through all stretches, with the layers that can go all the way in this order."""

    reverse: bool
    """Those that run from the last step to the first."""
    layers: frozenset[str]
    depth: int
    """So many levels take part, counted from where the pass comes from; of the last of them perhaps one direction."""

    def order(self, count: int, back: bool) -> range:
        """The stretches as they are met, forward or on the way back."""
        return range(count - 1, -1, -1) if self.reverse != back else range(count)


def passes(levels: Iterable[Level]) -> tuple[Pass, ...]:
    """How often a stack has to be gone through; `levels` from the input on for the way forward, else from the top.

    A layer can march as soon as everything that it reads is there, stretch by stretch: from layers that march along,
    or that have gone before and are recomputed from their checkpoints. One direction needs one pass, L bidirectional
    layers need L + 1.
    """
    levels = tuple(levels)
    found: list[Pass] = []
    gone: set[str] = set()
    reverse = all(layer.reverse for layer in levels[0].layers)
    while not all(layer.name in gone for level in levels for layer in level.layers):
        marching: set[str] = set()
        depth = 0
        for level in levels:
            depth += 1
            marching |= {one.name for one in level.layers if one.reverse == reverse and one.name not in gone}
            if any(one.name not in gone | marching for one in level.layers):
                break
        found.append(Pass(reverse, frozenset(marching), depth))
        gone |= marching
        reverse = not reverse
    return tuple(found)


class Borders:
    """What stands at each layer's borders between stretches, (B, H) each: its states, or their total gradients.

    Border k lies before stretch k in the order of the sequence; a layer in reverse comes to a stretch from k + 1.
    """

    def __init__(self, layers: Sequence[Layer], count: int) -> None:
        self._reverse = {layer.name: layer.reverse for layer in layers}
        self._kept = {
            layer.name: {s: start.new_zeros(count + 1, *start.shape) for s, start in layer.initial.items()}
            for layer in layers
        }

    def before(self, name: str, stretch: int) -> dict[str, Tensor]:
        """At the end of the stretch from which the layer comes."""
        return self._at(name, stretch + self._reverse[name])

    def after(self, name: str, stretch: int) -> dict[str, Tensor]:
        """At the other one."""
        return self._at(name, stretch + (not self._reverse[name]))

    def put_before(self, name: str, stretch: int, states: Tensors) -> None:
        self._put(name, stretch + self._reverse[name], states)

    def put_after(self, name: str, stretch: int, states: Tensors) -> None:
        self._put(name, stretch + (not self._reverse[name]), states)

    def _at(self, name: str, border: int) -> dict[str, Tensor]:
        return {s: kept[border].clone() for s, kept in self._kept[name].items()}

    def _put(self, name: str, border: int, states: Tensors) -> None:
        for s, kept in self._kept[name].items():
            kept[border] = states[s]

    @property
    def bytes(self) -> int:
        return sum(kept.nbytes for states in self._kept.values() for kept in states.values())
