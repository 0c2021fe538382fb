"""The fast road forward: by torch's kernel where that is quickest, else by a loop that writes in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from engine.cells import Room, none_held
from engine.course import Course
from engine.fast import kernel, march
from engine.fast.arrays import arrays, empty, far_from_overflow, in_order
from engine.fast.captured import Made
from engine.fast.march import Way
from engine.fast.scan import scan
from engine.recorded import Recorded
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

LOOP = 1024
"""Units times samples from which on the CPU a loop costs less than the kernel and all its gates once more."""
STRETCH = 256
"""Steps that are laid out at once: views of them cost memory too."""


def forward(layer: Recurrence, x: Tensor, initial: Tensors) -> Recorded | None:
    """Every activation and state, (T, B, H) each; None where numbers run away, where torch's kernel and our rules part
    ways, or where a step is more than one product and elementwise operations."""
    weights = layer.weights
    if not layer.plain or x.dtype not in kernel.AGREEMENT or not far_from_overflow([(x, weights["weight_ih"])]):
        return None
    road = _by_kernel if _kernel_is_quicker(layer, x, initial) else _by_loop
    with np.errstate(all="ignore"):
        found = road(layer, x, initial)
    if found is None or not far_from_overflow([(state, weights["weight_hh"]) for state in found.before.values()]):
        return None
    return found


def _kernel_is_quicker(layer: Recurrence, x: Tensor, initial: Tensors) -> bool:
    if layer.kernel is None or layer.drop is not None or layer.held:
        return False
    if x.device.type != "cpu":
        return True
    # There only the LSTM in float32 is fused.
    fused = layer.kernel == "lstm" and x.dtype == torch.float32
    return fused and initial["h"].numel() < LOOP


def _room_for(layer: Recurrence, x: Tensor, initial: Tensors) -> Room:
    """For the whole sequence, with the input's side in the sums and the initial states in their places."""
    cell = layer.rules
    T, B, H = len(x), *initial["h"].shape
    sums = empty((T, B, len(cell.sum_names), H), x)
    matrix, bias = cell.sums_of(layer.weights)
    flat, of_x = sums.view(T * B, -1), x.reshape(T * B, -1)
    if bias is None:
        torch.mm(of_x, matrix.T, out=flat)
    else:
        torch.addmm(bias, of_x, matrix.T, out=flat)
    return _empty_room(layer, sums, initial)


def _empty_room(layer: Recurrence, sums: Tensor, initial: Tensors) -> Room:
    """Around these sums (T, B, S, H), with the initial states in their places."""
    cell, reverse = layer.rules, layer.course.reverse
    T, B, H = len(sums), *initial["h"].shape
    gates = empty((len(cell.squashed), T, B, H), sums).transpose(0, 1)
    before, after = {}, {}
    for s in cell.state_names:
        whole = empty((T + 1, B, H), sums)
        whole[T if reverse else 0] = initial[s]
        before[s], after[s] = (whole[1:], whole[:-1]) if reverse else (whole[:-1], whole[1:])
    return Room(sums, gates, before, after, empty((T, B, H), sums) if "c" in after else None, *arrays(sums))


def _recorded(layer: Recurrence, room: Room, initial: Tensors) -> Recorded:
    cell, course, before = layer.rules, layer.course, room.before
    values = dict(zip(cell.sum_names, room.sums.unbind(2), strict=True))
    values |= dict(zip(cell.squashed, room.gates.unbind(1), strict=True)) | dict(room.after)
    if course.mask is not None:
        for array in (*values.values(), *(() if room.tanh_c is None else (room.tanh_c,))):
            array.masked_fill_(~course.mask, 0.0)
        before = layer.before(values, initial)
    return Recorded(values, before, room.tanh_c)


def _by_loop(layer: Recurrence, x: Tensor, initial: Tensors) -> Recorded:
    room = _room_for(layer, x, initial)
    if march.pays(initial["h"], len(x), len(layer.rules.gate_names)):
        _march(layer, room, initial)
        return _recorded(layer, room, initial)
    for start in range(0, len(x), STRETCH)[:: -1 if layer.course.reverse else 1]:
        cut = slice(start, min(start + STRETCH, len(x)))
        part = room.part(cut)
        _walk(layer, replace(part, hold=_hold(layer, part.gates, cut)), initial, cut)
    return _recorded(layer, room, initial)


def _march(layer: Recurrence, room: Room, initial: Tensors) -> None:
    """`_walk` over all steps, many to a launch (engine.fast.march)."""
    reverse, states = layer.course.reverse, layer.rules.state_names
    weights = {"weight_hh": layer.weights["weight_hh"]}

    def steps(fixed: Tensors, own: Tensors, state: Tensors) -> Made:
        K, cut = len(own["sums"]), slice(0, len(own["sums"]))
        part = layer.over(K, fixed, own)
        here = _empty_room(layer, own["sums"].clone(), state)
        start = {s: fixed[f"initial {s}"] for s in states}
        _walk(part, replace(here, hold=_hold(part, here.gates, cut)), start, cut)
        made = {"sums": here.sums, "gates": here.gates, **here.after}
        if here.tanh_c is not None:
            made["tanh_c"] = here.tanh_c
        return made, {s: here.after[s][0 if reverse else -1] for s in states}

    def own(cut: slice) -> Tensors:
        return {**layer.part(cut.start, cut.stop).tensors, "sums": room.sums[cut]}

    into = {"sums": room.sums, "gates": room.gates, **room.after}
    if room.tanh_c is not None:
        into["tanh_c"] = room.tanh_c
    way = Way(slice(0, len(room.sums)), reverse, len(layer.rules.gate_names))
    fixed = weights | {f"initial {s}": initial[s] for s in states}
    march.march(("walk", layer.key), steps, fixed, own, initial, way, into)


def _walk(layer: Recurrence, room: Room, initial: Tensors, cut: slice) -> None:
    """These steps, in the layer's order."""
    cell, course = layer.rules, layer.course
    step = cell.stepper(room)
    weight = layer.weights["weight_hh"].T
    sums = room.sums.flatten(2)[:, :, : weight.shape[1]].unbind(0)
    h_before, waiting = room.before["h"].unbind(0), _waiting(course, room, initial, cut)
    for t in in_order(range(len(sums)), course.reverse):
        torch.addmm(sums[t], layer.dropped(h_before[t], cut.start + t), weight, out=sums[t])
        step(t)
        waiting(t)


def _waiting(course: Course, room: Room, initial: Tensors, cut: slice) -> Callable[[int], None]:
    """In the padding that a reverse layer starts with, the initial state waits. What is behind the end is nobody's."""
    if course.mask is None or not course.reverse:
        return lambda t: None
    steps = course.mask[cut].unbind(0)
    after = {s: state.unbind(0) for s, state in room.after.items()}

    def wait(t: int) -> None:
        for s, state in after.items():
            torch.where(steps[t], state[t], initial[s], out=state[t])

    return wait


def _hold(layer: Recurrence, gates: Tensor, cut: slice) -> Callable[[int, str], None]:
    found = {
        gate: (held.where[cut].unbind(0), held.value[cut].unbind(0), made.unbind(0))
        for gate, made in zip(layer.rules.squashed, gates.unbind(1), strict=True)
        if (held := layer.held.get(gate)) is not None
    }

    def hold(t: int, names: str) -> None:
        for gate, (where, value, made) in found.items():
            if gate in names:
                torch.where(where[t], value[t], made[t], out=made[t])

    return hold if found else none_held


def _by_kernel(layer: Recurrence, x: Tensor, initial: Tensors) -> Recorded | None:
    """None where torch's kernel and our rules part ways."""
    course, weights, room = layer.course, layer.weights, _room_for(layer, x, initial)
    h = course.along(kernel.outputs(layer, course.along(x), initial, weights)[0])
    room.after["h"].copy_(h)
    h_before = room.before["h"] if course.lengths is None else course.before(h, initial["h"])
    rows = len(weights["weight_hh"])
    room.sums.flatten(2).flatten(0, 1)[:, :rows].addmm_(h_before.flatten(0, 1), weights["weight_hh"].T)
    ours = {**room.after, "h": torch.empty_like(h)}

    def carry(keep: Tensor, new: Tensor) -> None:
        # In the padding c is the initial one, from which a reverse layer starts at each sample's own end.
        if course.mask is not None:
            keep, new = course.zeroed(keep), new.copy_(torch.where(course.mask, new, initial["c"]))
        scan(keep, new, initial["c"], course.reverse)

    layer.rules.replay(replace(room, before={"h": h_before}, after=ours), carry)
    apart, size = (course.zeroed(array).abs().amax((1, 2)) for array in (ours["h"] - h, h))
    if not bool((apart <= kernel.AGREEMENT[x.dtype] * size).all()):  # NaN is not either
        return None
    room.after["h"].copy_(ours["h"])
    return _recorded(layer, room, initial)
