"""The chain back for many losses on a device where starting an operation is what costs: a stretch to a launch.

The steps are those of engine.flow_steps. All rows take part at every step: those of losses that are not there yet are
0, and are kept at 0 where a product with something that is no finite number would make them NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.fast.captured import Made
from engine.fast.march import Way, march
from engine.flow_steps import Block, Prepared, Tensors, by_factors, by_slopes

if TYPE_CHECKING:
    from engine.flow_chain import Chain, Stream


@dataclass(frozen=True, eq=False)
class Stretch:
    """Steps back for a block of losses: from the block's first slot into those behind, what is carried, and the
    stream."""

    places: range
    there: Sequence[int]
    """At each of these steps, so many of the first rows."""
    prepared: Prepared | None
    """The slopes; None: one factor after the other."""
    block: Block
    arriving: Callable[[int, Tensor], None]
    """(t, δh): adds what arrives at step t without recurrence to the first rows, in place."""
    stream: Stream | None
    """Of what the layer reads, where that is asked for."""


def march_back(chain: Chain, stretch: Stretch) -> None:
    """What Chain does one by one."""
    places, there, prepared, block = stretch.places, stretch.there, stretch.prepared, stretch.block
    layer, N, like = chain.layer, block.slots.shape[1], chain.like
    of_input = stretch.stream is not None
    block.show(N)
    # By factors everything that was recorded is needed, by slopes only those.
    recorded: dict[str, Tensor] = {}
    if prepared is None:
        recorded |= {"v " + name: value for name, value in chain.values.items()}
        recorded |= {"b " + s: state for s, state in chain.before.items()}

    def steps(fixed: Tensors, own: Tensors, reaching: Tensors) -> Made:
        K = len(own["arriving"])
        part, here = layer.over(K, fixed, own), Block(like, chain.shape, chain.on_c, N, K)
        here.show(N)
        here.slots[0], here.carried[:] = reaching["h"], reaching["c"]
        padding = None if part.course.mask is None else ~part.course.mask
        slopes = None if prepared is None else Prepared.of(own, chain.on_c)
        v, b = ({name[2:]: own[name] for name in recorded if name[:2] == kind} for kind in ("v ", "b "))
        sides = []
        for place, t in enumerate(part.course.order[::-1]):
            here.slots[place].add_(own["arriving"][place])
            if padding is not None:
                here.slots[place].masked_fill_(padding[t], 0.0)
            if slopes is None:
                side = by_factors(part, v, b, t, here, place, N)
                for handed in (here.slots[place + 1], here.carried):
                    handed.masked_fill_(own["absent"][place], 0.0)
            else:
                side = by_slopes(slopes, t, here, place, fixed["weight_back"], part.mask_of(t), of_input)
            if of_input:
                sides.append(side.clone())
        made = {"h": here.slots[:K]} | ({"x_side": torch.stack(sides)} if of_input else {})
        return made, {"h": here.slots[K], "c": here.carried}

    def own(cut: slice) -> Tensors:
        at = places[cut]
        first, stop = min(at), max(at) + 1
        given = {**layer.part(first, stop).tensors, **{name: array[first:stop] for name, array in recorded.items()}}
        given["arriving"] = like.new_zeros(len(at), *block.slots.shape[1:])
        for e, t, n in zip(given["arriving"].unbind(0), at, there[cut], strict=True):
            stretch.arriving(t, e[:n])
        if prepared is not None:
            inside = first % chain.chunk
            return given | {name: array[inside : inside + len(at)] for name, array in prepared.whole.items()}
        here = torch.tensor(there[cut], device=like.device)[:, None, None, None]
        return given | {"absent": torch.arange(N, device=like.device)[:, None, None] >= here}

    whole = {"h": block.slots[: len(places)]}
    fixed, reaching = {**layer.weights, "weight_back": chain.weight_hh}, {"h": block.slots[0], "c": block.carried}
    what = ("flow", layer.key, prepared is None, of_input)
    handed = march(what, steps, fixed, own, reaching, Way(slice(0, len(places)), False, chain.shape[1]), whole)
    block.slots[len(places)], block.carried[:] = handed["h"], handed["c"]
    if stretch.stream is None:
        return
    for place, n in enumerate(there):
        to_input = stretch.stream.at(places[place], n)
        if to_input is not None:
            to_input.addmm_(whole["x_side"][place, : len(to_input)], chain.weight_ih)
