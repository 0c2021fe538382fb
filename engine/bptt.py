"""The forward pass of one recurrent layer, and backpropagation through time, by the rules of engine.cells.

Shapes: T steps, B samples, D inputs, H units, G row blocks of the weight matrices (the gates). Time comes first, in the
order of the sequence, whichever way the layer runs through it (engine.course).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from engine import fast
from engine.cells import Cell
from engine.cells.slopes import joined
from engine.fast import march
from engine.fast.captured import Made
from engine.fast.march import Way
from engine.later import Later
from engine.precision import arithmetic
from engine.recorded import Recorded
from engine.recurrence import Recurrence

Tensors = Mapping[str, Tensor]

NOTED = "noted "
"""What a `Change` notes stands among the gradients under names that begin so."""
FEW = 64
"""Steps that the careful road keeps by themselves."""


@dataclass(frozen=True, eq=False)
class Backward:
    grads: Tensors
    """Total gradients of states, gates and pre-activations, (T, B, H)."""
    initial: Tensors
    """Of the states before the first step, (B, H)."""
    noted: Tensors = field(default_factory=dict)
    """(T, B, …) each: what a `Change` has noted of every step."""


def blocks(side: Tensor, cell: Cell) -> Tensor:
    """(..., G·H) → (..., G, H)."""
    return side.view(*side.shape[:-1], len(cell.gate_names), -1)


def forward(layer: Recurrence, x: Tensor, initial: Tensors) -> dict[str, Tensor]:
    """Every activation and state, (T, B, H) each. x (T, B, D), initial (B, H)."""
    quick = fast.forward(layer, x, initial)
    return forward_stepwise(layer, x, initial) if quick is None else quick


def forward_stepwise(layer: Recurrence, x: Tensor, initial: Tensors) -> dict[str, Tensor]:
    """The same, one step after the other, in the order of torch's own cells."""
    if march.pays(initial["h"], len(x), len(layer.rules.gate_names)):
        return _forward_in_stretches(layer, x, initial)
    return _steps_forward(layer, x, initial)[0]


def _steps_forward(layer: Recurrence, x: Tensor, initial: Tensors) -> tuple[dict[str, Tensor], Tensors]:
    """What `forward_stepwise` gives, and the states at the end of the way."""
    cell, weights, mask = layer.rules, layer.weights, layer.course.mask
    state = dict(initial)
    found = _Arrays(len(x))
    for t in layer.course.order:
        x_side = blocks(linear(x[t], weights["weight_ih"], weights.get("bias_ih")), cell)
        h_side = blocks(linear(layer.dropped(state["h"], t), weights["weight_hh"], weights.get("bias_hh")), cell)
        v = cell.gates(x_side, h_side, partial(layer.hold, step=t))
        v |= cell.states(v, state)
        if mask is not None:
            found.put(t, {name: value.masked_fill(~mask[t], 0) for name, value in v.items()})
            state = {s: torch.where(mask[t], v[s], before) for s, before in state.items()}
        else:
            found.put(t, v)
            state = {s: v[s] for s in state}
    return found.whole(), state


def _forward_in_stretches(layer: Recurrence, x: Tensor, initial: Tensors) -> dict[str, Tensor]:
    """The same steps, many to a launch (engine.fast.march)."""

    def steps(weights: Tensors, own: Tensors, state: Tensors) -> Made:
        return _steps_forward(layer.over(len(own["x"]), weights, own), own["x"], state)

    def own(cut: slice) -> Tensors:
        return {**layer.part(cut.start, cut.stop).tensors, "x": x[cut]}

    found: dict[str, Tensor] = {}
    way = Way(slice(0, len(x)), layer.course.reverse, len(layer.rules.gate_names))
    march.march(("forward", layer.key), steps, layer.weights, own, initial, way, found)
    return found


def backward(
    layer: Recurrence,
    values: Tensors,
    initial: Tensors,
    direct: Tensor,
    final: Tensors | None = None,
    of_c: Tensor | None = None,
) -> Backward:
    """BPTT. direct (T, B, H) is e_t = ∂L/∂h_t without recurrence; final, what reaches the last states from outside;
    of_c (T, B, H), what reaches each c_t from outside."""
    before = values.before if isinstance(values, Recorded) else layer.before(values, initial)
    quick = fast.backward(layer, values, before, direct, final) if of_c is None else None
    if quick is None:
        if final is None:
            final = dict.fromkeys(layer.rules.state_names, torch.zeros_like(initial["h"]))
        return backward_stepwise(layer, values, before, direct, final, of_c=of_c)
    grads, first = quick
    # What else is known of them, and with padding what they start from, are arrays that nobody else needs.
    plain, given = dict(values), None if layer.course.lengths is not None else before

    def gates() -> Tensors:
        with arithmetic(direct):
            started = layer.before(plain, initial) if given is None else given
            return layer.rules.back(layer.with_held(plain), started, grads)

    return Backward(Later(grads, list(values), gates), first)


class Change(Protocol):
    """What a step goes on with instead of its ∂L/∂(states)."""

    @property
    def tensors(self) -> Tensors:
        """All the tensors that it takes."""

    def over(self, tensors: Tensors) -> Change:
        """The same with these tensors. It never looks at a number, for which a GPU would be waited for."""

    def __call__(self, d: Tensors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """From ∂L/∂(states) of a step, (B, H) each: what it goes on with, and what is noted of it, (B, …) each."""


def backward_stepwise(
    layer: Recurrence,
    values: Tensors,
    before: Tensors,
    direct: Tensor,
    final: Tensors,
    change: Change | None = None,
    of_c: Tensor | None = None,
) -> Backward:
    """The same, one step after the other. With a `change` nothing is a gradient of the loss any more.

    Every product and sum is taken in the order of autograd on the unrolled loop: where numbers overflow, underflow or
    nearly cancel, two right computations part ways, and this one stays with torch.
    """
    first = layer.course.order[-1]
    reaching = {**final, "h": direct[first] + final["h"]}
    if of_c is not None:
        reaching["c"] = of_c[first] + final["c"]
    elif march.pays(final["h"], len(direct), len(layer.rules.gate_names)):
        return _backward_in_stretches(layer, values, before, direct, reaching, change)
    ends = _before_each(layer, direct)
    to_c = None if of_c is None else _before_each(layer, of_c)
    found, start = _steps_back(layer, values, before, ends, reaching, change, to_c)
    return _gone_back(found, start)


def _before_each(layer: Recurrence, direct: Tensor) -> tuple[Tensor | None, ...]:
    """By step, what reaches the state that it starts from; the initial one is reached by nothing."""
    return (*direct[1:].unbind(0), None) if layer.course.reverse else (None, *direct[:-1].unbind(0))


def _steps_back(
    layer: Recurrence,
    values: Tensors,
    before: Tensors,
    arriving: Sequence[Tensor | None],
    reaching: Tensors,
    change: Change | None,
    to_c: Sequence[Tensor | None] | None = None,
) -> tuple[dict[str, Tensor], Tensors]:
    """The gradients of all steps, with what is noted of them under NOTED, and what reaches the states before them.
    `arriving`: by step, the direct part of δh of the states that it starts from; `to_c`, of δc."""
    cell, mask = layer.rules, layer.course.mask
    found = _Arrays(len(arriving))
    for t in layer.course.order[::-1]:
        v, b = {name: value[t] for name, value in values.items()}, {name: value[t] for name, value in before.items()}
        d, noted = cell.join(v, reaching), dict[str, Tensor]()
        if change is not None:
            d, noted = change(d)
            noted = {NOTED + name: array for name, array in noted.items()}
        d |= cell.back(layer.with_held(v, t), b, d)
        e, e_c = arriving[t], None if to_c is None else to_c[t]
        if mask is None:
            found.put(t, {**d, **noted})
            reaching = _with_c(layer.handed_back(v, d, t, e), e_c)
            continue
        d = {name: grad.masked_fill(~mask[t], 0) for name, grad in d.items()}
        found.put(t, {**d, **noted})
        handed = _with_c(layer.handed_back(v, d, t, e), e_c)
        # In the padding the gradient waits: for the sample's last step, or behind its first one for the initial state.
        waiting = _with_c(reaching if e is None else {**reaching, "h": reaching["h"] + e}, e_c)
        reaching = {s: torch.where(mask[t], handed[s], waiting[s]) for s in handed}
    return found.whole(), reaching


def _with_c(reaching: Tensors, e_c: Tensor | None) -> Tensors:
    return reaching if e_c is None else {**reaching, "c": e_c + reaching["c"]}


def _backward_in_stretches(
    layer: Recurrence, values: Tensors, before: Tensors, direct: Tensor, reaching: Tensors, change: Change | None
) -> Backward:
    """The same steps, many to a launch (engine.fast.march)."""
    recorded = {"v " + name: value for name, value in values.items()} | {"b " + s: b for s, b in before.items()}

    def steps(fixed: Tensors, own: Tensors, reaching: Tensors) -> Made:
        part = layer.over(len(own["arriving"]), fixed, own)
        v, b = ({name[2:]: own[name] for name in recorded if name[:2] == kind} for kind in ("v ", "b "))
        arriving = own["arriving"].unbind(0)
        return _steps_back(part, v, b, arriving, reaching, None if change is None else change.over(fixed))

    def own(cut: slice) -> Tensors:
        # −0.0 is the number that changes no other one when it is added, not even 0 or −0.0.
        arriving = layer.course.arriving(direct, cut, -0.0)
        whole = {name: array[cut] for name, array in recorded.items()}
        return {**layer.part(cut.start, cut.stop).tensors, **whole, "arriving": arriving}

    found: dict[str, Tensor] = {}
    fixed = {**layer.weights, **({} if change is None else change.tensors)}
    way = Way(slice(0, len(direct)), not layer.course.reverse, len(layer.rules.gate_names))
    start = march.march(("backward", layer.key, type(change)), steps, fixed, own, reaching, way, found)
    return _gone_back(found, start)


def _gone_back(found: dict[str, Tensor], start: Tensors) -> Backward:
    noted = {name.removeprefix(NOTED): found.pop(name) for name in [*found] if name.startswith(NOTED)}
    return Backward(found, start, noted)


class _Arrays:
    """(T, B, H) by name, put together from their steps a few at a time: all of them beside the whole would be twice the
    memory. The steps come in order, from either end."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._made: dict[str, Tensor] = {}
        self._few: dict[int, dict[str, Tensor]] = {}

    def put(self, t: int, step: dict[str, Tensor]) -> None:
        self._few[t] = step
        if len(self._few) == FEW:
            self._join()

    def whole(self) -> dict[str, Tensor]:
        if self._few:
            self._join()
        return self._made

    def _join(self) -> None:
        first, stop = min(self._few), max(self._few) + 1
        for name, like in self._few[first].items():
            if name not in self._made:
                self._made[name] = like.new_empty(self._steps, *like.shape)
            torch.stack([self._few[t][name] for t in range(first, stop)], out=self._made[name][first:stop])
        self._few = {}


def weight_grads(layer: Recurrence, values: Tensors, grads: Tensors, x: Tensor, h_before: Tensor) -> dict[str, Tensor]:
    """What loss.backward() would leave in .grad: dW_ih = Σ A_tᵀ x_t, dW_hh = Σ A^h_tᵀ h_{t−1}, db = Σ A_t."""
    cell = layer.rules
    same = cell.x_side_names == cell.h_side_names
    of_x = _side(cell, cell.x_side_names, grads)
    of_h = of_x if same else _side(cell, cell.h_side_names, grads)
    found = {"weight_ih": _summed(of_x, x), "weight_hh": _summed(of_h, layer.dropped(h_before))}
    if "bias_ih" in layer.weights:
        found["bias_ih"] = _one([part.sum(0) for part in of_x])
        found["bias_hh"] = found["bias_ih"].clone() if same else _one([part.sum(0) for part in of_h])
    if cell.norm is not None:
        found |= {name: terms.sum((0, 1)) for name, terms in layer.norm_terms(values, grads).items()}
    return found


def _side(cell: Cell, names: Sequence[str], grads: Tensors) -> list[Tensor]:
    """(T·B, k·H) each: the row blocks of a weight matrix, as many at once as a trace that has just been made holds side
    by side. For one from a file it is the same ones, so that every bit is."""
    if not set(names) <= set(cell.sum_names):
        groups = [list(names)]
    else:
        groups = [[names[0]]]
        for name, following in pairwise(names):
            if cell.sum_names.index(following) == cell.sum_names.index(name) + 1:
                groups[-1].append(following)
            else:
                groups.append([following])
    return [joined([grads[name] for name in group]).flatten(-2).flatten(0, 1) for group in groups]


def _summed(side: list[Tensor], met: Tensor) -> Tensor:
    """Σ A_tᵀ met_t, as (met_tᵀ A_t)ᵀ: the quicker order of the two."""
    right = met.flatten(0, 1).T
    return _one([(right @ part).T for part in side]).contiguous()


def _one(blocks: list[Tensor]) -> Tensor:
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
