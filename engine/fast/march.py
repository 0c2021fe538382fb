"""A loop over steps on a device where starting an operation is what costs: in stretches, each captured as a whole.

A stretch is a loop that exists anyway, forward or back, careful or fast, over a part of the steps. What it takes from
the stretch before it, and what it makes, go through arrays that stay in place (engine.fast.captured). The stretches
have few lengths, so that a layer of any number of steps needs few captures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from engine.fast import captured
from engine.fast.captured import Function

Tensors: TypeAlias = Mapping[str, Tensor]

LENGTHS = (64, 16, 4, 1)
"""Of stretches, in steps."""
LEAST = 16
"""Steps from which a layer is captured."""
LARGE = 1 << 20
"""Numbers of a step, all row blocks of the weights together, from which an operation takes longer than to start it."""
ROOM = 1 << 23
"""Numbers of all steps of a stretch. What is kept of one takes about ten times that memory."""


def pays(like: Tensor, steps: int, blocks: int) -> bool:
    """Whether a layer with states like this one (B, H), so many row blocks of weights and steps is captured."""
    return like.device.type in captured.HOW and steps >= LEAST and 0 < blocks * like.numel() <= LARGE


@dataclass(frozen=True)
class Way:
    steps: slice
    backwards: bool
    """From the last of them to the first."""
    blocks: int
    """Row blocks of the weights."""


def stretches(way: Way, longest: int) -> Iterator[slice]:
    """All of its steps, in its order."""
    lengths = [length for length in LENGTHS if length <= max(1, longest)]
    first, stop = way.steps.start, way.steps.stop
    while first < stop:
        length = next(length for length in lengths if length <= stop - first)
        if way.backwards:
            yield slice(stop - length, stop)
            stop -= length
        else:
            yield slice(first, first + length)
            first += length


def march(
    what: Hashable,
    function: Function,
    fixed: Tensors,
    own: Callable[[slice], Tensors],
    carried: Tensors,
    way: Way,
    into: dict[str, Tensor],
) -> dict[str, Tensor]:
    """What `function` hands on at the end of all stretches; what it makes in each goes into the arrays of `into`, and
    into new ones where there are none of that name.

    `what`: a name for the function and for everything in it that is no tensor. `fixed`: what is the same for all
    stretches; `own`, what is a stretch's own; `carried`, (B, H) each, what the first one starts from.
    """
    like = next(iter(carried.values()))
    how, longest = captured.HOW[like.device.type], ROOM // (way.blocks * like.numel())
    state, begun = carried, set[int]()
    with captured.CAPTURES.lock:
        how.begin(like.device)
        for stretch in stretches(way, longest):
            given, length = own(stretch), stretch.stop - stretch.start
            found = captured.CAPTURES.find((what, length), function, fixed, given, state, how)
            if found is None:
                made, state = function(fixed, given, state)
            else:
                if length not in begun:
                    found.begin(fixed)
                    begun.add(length)
                made, state = found(given, state)
            for name, array in made.items():
                if name not in into:
                    into[name] = array.new_empty(way.steps.stop, *array.shape[1:])
                into[name][stretch] = array
        return {name: array.clone() for name, array in state.items()}
