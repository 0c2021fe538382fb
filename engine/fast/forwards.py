"""The fast road forward: by torch's kernel where that is quickest, else by a loop that writes in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from engine.cells import Room, SidesAdd, none_held
from engine.course import Course
from engine.fast.arrays import arrays, empty, far_from_overflow, in_order
from engine.recorded import Recorded
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

AGREEMENT = {torch.float32: 1e-6, torch.float64: 1e-13}
"""How far, relative to its step's largest, a state of the kernel may be from what its gates make of it."""
LOOP = 1 << 18
"""Multiplications a step from which on the CPU a loop costs less than the kernel and all its gates once more."""
STRETCH = 256
"""Steps that are laid out at once: views of them cost memory too."""


def forward(layer: Recurrence, x: Tensor, initial: Tensors) -> Recorded | None:
    """Every activation and state, (T, B, H) each; None where numbers run away, where torch's kernel and our rules part
    ways, or where a step is more than one product and elementwise operations."""
    if not layer.plain or x.dtype not in AGREEMENT or not far_from_overflow([(x, layer.weights["weight_ih"])]):
        return None
    road = _by_kernel if _kernel_is_quicker(layer, x) else _by_loop
    with np.errstate(all="ignore"):
        found = road(layer, x, initial)
    if found is None or not far_from_overflow([(found["h"], layer.weights["weight_hh"])]):
        return None
    return found


def _kernel_is_quicker(layer: Recurrence, x: Tensor) -> bool:
    if layer.kernel is None or layer.drop is not None or layer.held:
        return False
    if x.device.type != "cpu":
        return True
    # There only the LSTM in float32 is fused.
    fused = layer.kernel == "lstm" and x.dtype == torch.float32
    return fused and x.shape[1] * layer.weights["weight_hh"].numel() < LOOP


def _by_loop(layer: Recurrence, x: Tensor, initial: Tensors) -> Recorded:
    cell, course = layer.rules, layer.course
    T, B, H = len(x), x.shape[1], layer.weights["weight_hh"].shape[1]
    sums, gates = empty((T, B, len(cell.sum_names), H), x), empty((T, len(cell.squashed), B, H), x)
    matrix, bias = cell.sums_of(layer.weights)
    flat = sums.view(T * B, -1)
    if bias is None:
        torch.mm(x.reshape(T * B, -1), matrix.T, out=flat)
    else:
        torch.addmm(bias, x.reshape(T * B, -1), matrix.T, out=flat)
    before, after = {}, {}
    for s in cell.state_names:
        whole = empty((T + 1, B, H), x)
        whole[T if course.reverse else 0] = initial[s]
        before[s], after[s] = (whole[1:], whole[:-1]) if course.reverse else (whole[:-1], whole[1:])
    tanh_c = empty((T, B, H), x) if "c" in after else None
    operations, steps = arrays(x)
    for start in range(0, T, STRETCH)[:: -1 if course.reverse else 1]:
        cut = slice(start, min(start + STRETCH, T))
        room = Room(
            sums[cut],
            gates[cut],
            {s: state[cut] for s, state in before.items()},
            {s: state[cut] for s, state in after.items()},
            None if tanh_c is None else tanh_c[cut],
            operations,
            steps,
            _hold(layer, gates[cut], cut),
        )
        _walk(layer, room, initial, cut)
    values = dict(zip(cell.sum_names, sums.unbind(2), strict=True))
    values |= dict(zip(cell.squashed, gates.unbind(1), strict=True)) | after
    if course.mask is not None:
        for array in (*values.values(), *(() if tanh_c is None else (tanh_c,))):
            array.masked_fill_(~course.mask, 0.0)
        before = layer.before(values, initial)
    return Recorded(values, before, tanh_c)


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
    cell, weights, course = layer.rules, layer.weights, layer.course
    flat = [weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if name in weights]
    start: Any = initial["h"].unsqueeze(0)
    if layer.kernel == "lstm":
        start = (start, initial["c"].unsqueeze(0))
    kernel = getattr(torch, str(layer.kernel))
    h = kernel(course.along(x), start, flat, "bias_ih" in weights, 1, 0.0, False, False, False)[0]
    h = course.zeroed(course.along(h))
    h_before = course.before(h, initial["h"])
    v = {name: course.zeroed(value) for name, value in _all_gates(layer, x, h_before).items()}
    states = cell.replay(v, h_before, initial, _scan_of(course))
    states = {name: course.zeroed(state) for name, state in states.items()}
    apart = (states["h"] - h).abs_().flatten(1).amax(1)
    size = h.abs().flatten(1).amax(1)
    if not bool((apart <= AGREEMENT[x.dtype] * size).all()):  # NaN is not either
        return None
    tanh_c = states.pop("tanh_c", None)
    if course.lengths is not None:
        return Recorded(v | states, layer.before(states, initial), tanh_c)
    before = {}
    for s, state in states.items():
        whole = torch.cat([state, initial[s][None]] if course.reverse else [initial[s][None], state])
        before[s], states[s] = (whole[1:], whole[:-1]) if course.reverse else (whole[:-1], whole[1:])
    return Recorded(v | states, before, tanh_c)


def _all_gates(layer: Recurrence, x: Tensor, h_before: Tensor) -> dict[str, Tensor]:
    """Pre-activations and gates of all steps: one product for each side of the cell, and one array if they add up."""
    cell, weights = layer.rules, layer.weights
    blocks = (*h_before.shape[:2], len(cell.gate_names), h_before.shape[2])
    of_x, of_h = weights.get("bias_ih"), weights.get("bias_hh")
    if not isinstance(cell, SidesAdd):
        x_side, h_side = linear(x, weights["weight_ih"], of_x), linear(h_before, weights["weight_hh"], of_h)
        return cell.gates(x_side.view(blocks), h_side.view(blocks))
    a = linear(x, *cell.sums_of(weights))
    a.flatten(0, 1).addmm_(h_before.flatten(0, 1), weights["weight_hh"].T)
    return cell.squash(a.view(blocks))


def _scan_of(course: Course) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The scan of cells.Cell.replay on this way through the sequence."""

    def scan(keep: Tensor, new: Tensor, initial: Tensor) -> Tensor:
        """s_t = keep_t ⊙ s_{t−1} + new_t, (T, B, H), in place of `new`. In the padding s is the initial state, from
        which a reverse layer starts at each sample's own end."""
        if course.mask is not None:
            new = torch.where(course.mask, new, initial)
        ops, steps = arrays(new, course.reverse)
        (before,) = steps(initial.unsqueeze(0))
        kept = ops.empty_like(before)
        for keep_t, s_t in zip(steps(keep), steps(new), strict=True):
            ops.multiply(keep_t, before, out=kept)
            ops.add(kept, s_t, out=s_t)
            before = s_t
        return new

    return scan
