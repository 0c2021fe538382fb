"""The fast road: the same numbers as engine.bptt to rounding, with whole sequences at once wherever steps allow it.

Forward, h comes from torch's own kernel, and all gates of all steps follow from it in one product. Backward, the
slopes of many steps are multiplied out at once, and only what must be chained is chained. Each function returns None
where that is not safe (numbers that overflow, or a kernel that rounds more than we allow), and engine.bptt, which
keeps to autograd's own order, has to do it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from engine.cells import SidesAdd, SidesDiffer
from engine.cells.slopes import Slopes
from engine.course import Course
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]
Steps: TypeAlias = Sequence[Any]

AGREEMENT = {torch.float32: 1e-6, torch.float64: 1e-13}
"""How far, relative to its step's largest, a state of the kernel may be from what its gates make of it."""
CHUNK = 1 << 16
"""Numbers in the slopes that are prepared at once: they should stay in the cache until the chain has used them."""
SMALL = 9000
"""Multiplications a step up to which NumPy's product is the quicker one (and never starts a second thread)."""
LARGEST = 1e8
"""Gradients beyond this are left to the careful road."""
GROWTH = {torch.float32: 1e3, torch.float64: 1e6}
"""And so are those that grow this much on their way back: in such a chain rounding grows too, and only the same order
of products stays together with autograd."""
LARGE = 1.0
"""Gradients beyond this can bring a subnormal slope, which has lost digits, back among the normal numbers."""


def forward(layer: Recurrence, x: Tensor, initial: Tensors) -> dict[str, Tensor] | None:
    """Every activation and state, (T, B, H) each; None where torch's kernel and our rules part ways, or torch has no
    kernel for such a layer."""
    if layer.kernel is None or layer.drop is not None or layer.held or not layer.plain or x.dtype not in AGREEMENT:
        return None
    cell, weights, course = layer.rules, layer.weights, layer.course
    flat = [weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if name in weights]
    start: Any = initial["h"].unsqueeze(0)
    if layer.kernel == "lstm":
        start = (start, initial["c"].unsqueeze(0))
    kernel = getattr(torch, layer.kernel)
    h = kernel(course.along(x), start, flat, "bias_ih" in weights, 1, 0.0, False, False, False)[0]
    h = course.zeroed(course.along(h))
    h_before = course.before(h, initial["h"])
    v = {name: course.zeroed(value) for name, value in _all_gates(layer, x, h_before).items()}
    with np.errstate(all="ignore"):
        states = cell.replay(v, h_before, initial, _scan_of(course))
    states = {name: course.zeroed(state) for name, state in states.items()}
    if not far_from_overflow([(x, weights["weight_ih"]), (h, weights["weight_hh"])]):
        return None
    apart = (states["h"] - h).abs_().flatten(1).amax(1)
    size = h.abs().flatten(1).amax(1)
    if not bool((apart <= AGREEMENT[x.dtype] * size).all()):  # NaN is not either
        return None
    return v | states


def _all_gates(layer: Recurrence, x: Tensor, h_before: Tensor) -> dict[str, Tensor]:
    """Pre-activations and gates of all steps: one product for each side of the cell, and one array if they add up."""
    cell, weights = layer.rules, layer.weights
    blocks = (*h_before.shape[:2], len(cell.gate_names), h_before.shape[2])
    of_x, of_h = weights.get("bias_ih"), weights.get("bias_hh")
    if not isinstance(cell, SidesAdd):
        x_side, h_side = linear(x, weights["weight_ih"], of_x), linear(h_before, weights["weight_hh"], of_h)
        return cell.gates(x_side.view(blocks), h_side.view(blocks))
    a = linear(x, weights["weight_ih"], None if of_x is None or of_h is None else of_x + of_h)
    a.flatten(0, 1).addmm_(h_before.flatten(0, 1), weights["weight_hh"].T)
    return cell.squash(a.view(blocks))


def far_from_overflow(sides: list[tuple[Tensor, Tensor]]) -> bool:
    """For arrays and the matrices they meet: no product, sum or state comes near the largest number, in any order."""
    limit = math.sqrt(torch.finfo(sides[0][0].dtype).max)
    sizes = [(_largest(array), _largest(weights), weights.shape[1]) for array, weights in sides]
    return all(a <= limit and w <= limit and a * w * columns <= limit for a, w, columns in sizes)


def _largest(tensor: Tensor) -> float:
    """The largest magnitude, in one pass. inf where one is not a number."""
    low, high = torch.aminmax(tensor)
    size = max(-float(low), float(high))
    return math.inf if math.isnan(size) else size


def backward(
    layer: Recurrence, values: Tensors, before: Tensors, direct: Tensor, final: Tensors
) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
    """Total gradients (T, B, H) of states and pre-activations, and of the initial states; None where they run away, or
    where a step is not elementwise slopes and one product."""
    cell, course = layer.rules, layer.course
    if not layer.plain or direct.dtype not in GROWTH:
        return None
    if not far_from_overflow([(before[s], layer.weight_back) for s in cell.state_names]):
        return None
    most = min(LARGEST, GROWTH[direct.dtype] * max(_largest(array) for array in (direct, *final.values())))
    if course.last is not None and course.lengths is not None and not course.reverse:
        if any(bool(final[s].any()) for s in cell.state_names if s != "h"):
            return None
        # What reaches a sample's last state from outside comes in at its own last step.
        at = (course.last, torch.arange(direct.shape[1], device=direct.device))
        direct = direct.index_put(at, torch.where(course.lengths[:, None] > 0, final["h"], 0.0), accumulate=True)
        final = {s: torch.zeros_like(grad) for s, grad in final.items()}
    # With a place for the initial state behind the last step back: what reaches it is put together like any other δh,
    # without a direct part.
    T = len(direct)
    own, into = (slice(0, T), slice(1, T + 1)) if course.reverse else (slice(1, T + 1), slice(0, T))
    nothing = torch.zeros_like(direct[:1])
    e = torch.cat([direct[1:], nothing] if course.reverse else [nothing, direct[:-1]])
    padded = {s: direct.new_empty((T + 1, *direct.shape[1:])) for s in cell.state_names}
    d, earlier = {s: grad[own] for s, grad in padded.items()}, padded["h"][into]
    h_side = direct.new_empty((*direct.shape[:2], len(cell.gate_names), direct.shape[2]))
    carried = {s: final[s].clone() for s in cell.state_names}
    first = 0 if course.reverse else -1
    torch.add(direct[first], final["h"], out=d["h"][first])
    chain = _chain_with_c if "c" in d else _chain_of_h
    chunk = max(1, CHUNK // h_side[0].numel())
    for cut in _chunks(T, chunk, course.reverse):
        slopes = slopes_of(layer, values, before, cut)
        part = {n: g[cut] for n, g in d.items()}
        with np.errstate(all="ignore"):
            chain(layer, slopes, part, h_side[cut], carried, e[cut], earlier[cut], cut)
        size = max(_largest(d[s][cut]) for s in cell.state_names)
        if not size <= most:
            return None
        if size > LARGE and not _digits_are_kept(layer, slopes, values, before, d, h_side, cut):
            return None
    start = _at_the_start(layer, padded, carried)
    d = {s: course.zeroed(grad) for s, grad in d.items()}
    grads = d | dict(zip(cell.h_side_names, h_side.unbind(2), strict=True))
    if isinstance(cell, SidesDiffer):
        grads |= cell.rest(layer.with_held(values), grads)
    return grads, start


def _chunks(T: int, chunk: int, reverse: bool) -> list[slice]:
    """Stretches of steps, from the one that the chain starts with."""
    if reverse:
        return [slice(start, min(start + chunk, T)) for start in range(0, T, chunk)]
    return [slice(max(0, stop - chunk), stop) for stop in range(T, 0, -chunk)]


def slopes_of(layer: Recurrence, values: Tensors, before: Tensors, cut: slice) -> Slopes:
    """Of these steps of a plain layer. 0 in the padding, and where a route is cut past the weights."""
    v = {name: value[cut] for name, value in values.items()}
    v |= {f"held_{gate}": held.where[cut] for gate, held in layer.held.items()}
    slopes = layer.rules.slopes(v, {name: state[cut] for name, state in before.items()})
    if layer.course.mask is not None:  # values of 0 do not make every slope 0: tanh′(0) = 1
        slopes = replace(slopes, h_side=slopes.h_side.masked_fill(~layer.course.mask[cut].unsqueeze(2), 0.0))
    if slopes.kept is not None and not layer.carries:
        slopes = replace(slopes, kept=torch.zeros_like(slopes.kept))
    return slopes


def _at_the_start(layer: Recurrence, padded: Tensors, carried: Tensors) -> dict[str, Tensor]:
    """What has reached the initial states, (B, H). With padding a reverse layer starts at each sample's own end."""
    course, h = layer.course, padded["h"]
    if not course.reverse:
        return {**carried, "h": h[0]}
    if course.lengths is None:
        return {**carried, "h": h[-1]}
    samples = torch.arange(h.shape[1], device=h.device)
    found = {"h": h[course.lengths, samples]}
    if "c" in padded:
        elsewhere = padded["c"][course.lengths, samples]
        found["c"] = torch.where((course.lengths < course.steps)[:, None], elsewhere, carried["c"])
    return found


def _digits_are_kept(
    layer: Recurrence, slopes: Slopes, values: Tensors, before: Tensors, d: Tensors, h_side: Tensor, cut: slice
) -> bool:
    """Whether these steps' gradients are what one factor after the other makes of them, where slopes are tiny or 0.

    A slope is a product that can underflow where no factor does; a large gradient then makes a normal number of what
    is left of it.
    """
    cell = layer.rules
    if slopes.single:
        return True
    ops, _ = _arrays(h_side)
    tiny = torch.finfo(h_side.dtype).tiny
    multiplied = [slopes.h_side] if slopes.c_to_h is None else [slopes.h_side, slopes.c_to_h]
    seen: list[Any] = [ops.abs(array if ops is torch else array.numpy()) for array in multiplied]
    if all(array.min() >= tiny for array in seen):
        return True
    low = torch.stack([slope.flatten(1).abs().amin(1) for slope in multiplied]).amin(0) < tiny
    where = low.nonzero().flatten() + cut.start
    v, b, at = ({n: array[where] for n, array in arrays.items()} for arrays in (layer.with_held(values), before, d))
    pairs = [(h_side[where], cell.h_side(cell.back(v, b, at)))]
    if slopes.c_to_h is not None:
        only_h = {**at, "c": torch.zeros_like(at["h"])}
        pairs.append((at["h"] * slopes.c_to_h[where - cut.start], cell.join(v, only_h)["c"]))
    eps = 8 * torch.finfo(h_side.dtype).eps
    return all(bool(((ours - one).abs() <= eps * one.abs().clamp_min(tiny)).all()) for ours, one in pairs)


def _chain_with_c(
    layer: Recurrence,
    slopes: Slopes,
    d: Tensors,
    h_side: Tensor,
    carried: Tensors,
    direct: Tensor,
    into: Tensor,
    cut: slice,
) -> None:
    """From the last step to the first: δc, the pre-activations' gradients, and δh of the step before."""
    assert slopes.c_to_h is not None
    assert slopes.kept is not None
    ops, steps = _arrays(h_side, layer.course.reverse)
    multiply, add = ops.multiply, ops.add
    product, rows = _product(layer, h_side.shape[1], cut)
    dh, dc, dc_wide = steps(d["h"]), steps(d["c"]), steps(d["c"].unsqueeze(2))
    of_c, of_h = steps(slopes.h_side[:, :, :-1]), steps(slopes.h_side[:, :, -1])
    to_c, to_h = steps(h_side[:, :, :-1]), steps(h_side[:, :, -1])
    c_to_h, kept, (carousel,) = steps(slopes.c_to_h), steps(slopes.kept), steps(carried["c"].unsqueeze(0))
    e, flat, earlier = rows(direct), rows(h_side.flatten(2)), rows(into)
    for t in range(len(dh) - 1, -1, -1):
        multiply(dh[t], c_to_h[t], out=dc[t])
        add(dc[t], carousel, out=dc[t])
        multiply(dc_wide[t], of_c[t], out=to_c[t])
        multiply(dh[t], of_h[t], out=to_h[t])
        multiply(dc[t], kept[t], out=carousel)
        product(t, e[t], flat[t], earlier[t])


def _chain_of_h(
    layer: Recurrence,
    slopes: Slopes,
    d: Tensors,
    h_side: Tensor,
    carried: Tensors,
    direct: Tensor,
    into: Tensor,
    cut: slice,
) -> None:
    """From the last step to the first: the pre-activations' gradients, and δh of the step before."""
    ops, steps = _arrays(h_side, layer.course.reverse)
    multiply, add = ops.multiply, ops.add
    product, rows = _product(layer, h_side.shape[1], cut)
    dh, dh_wide = steps(d["h"]), steps(d["h"].unsqueeze(2))
    of_h, to_h = steps(slopes.h_side), steps(h_side)
    flat, earlier = rows(h_side.flatten(2)), rows(into)
    if slopes.kept is None:
        e = rows(direct)
        for t in range(len(dh) - 1, -1, -1):
            multiply(dh_wide[t], of_h[t], out=to_h[t])
            product(t, e[t], flat[t], earlier[t])
        return
    e, kept = steps(direct), steps(slopes.kept)
    leak = torch.empty_like(direct[:1])
    (leak_array,), (leak_row,) = steps(leak), rows(leak)
    for t in range(len(dh) - 1, -1, -1):
        multiply(dh_wide[t], of_h[t], out=to_h[t])
        multiply(dh[t], kept[t], out=leak_array)
        add(e[t], leak_array, out=leak_array)
        product(t, leak_row, flat[t], earlier[t])


def _product(
    layer: Recurrence, batch: int, cut: slice
) -> tuple[Callable[[int, Any, Any, Any], object], Callable[[Tensor], Steps]]:
    """A function (t, e, δa, out) that puts e + δa W_hh (B, H) into out, and how it wants to see the steps. t counts
    within the chunk, in the layer's order."""
    weight_hh, reverse = layer.weight_back, layer.course.reverse
    drop = layer.drop
    if drop is not None:
        masks = list((drop[cut] if len(drop) > 1 else drop.expand(cut.stop - cut.start, -1, -1)).unbind(0))
        masks = masks[::-1] if reverse else masks

        def dropped(t: int, e: Tensor, of: Tensor, out: Tensor) -> None:
            torch.mm(of, weight_hh, out=out)
            out.mul_(masks[t]).add_(e)

        return dropped, lambda tensor: _in_order(tensor.unbind(0), reverse)
    if weight_hh.device.type == "cpu" and batch * weight_hh.numel() <= SMALL:
        matrix, dot, add = weight_hh.numpy(), np.dot, np.add

        def small(t: int, e: Any, of: Any, out: Any) -> None:
            dot(of, matrix, out)
            add(out, e, out)

        return small, lambda tensor: _in_order(list(tensor.numpy()), reverse)

    def large(t: int, e: Tensor, of: Tensor, out: Tensor) -> None:
        torch.addmm(e, of, weight_hh, out=out)

    return large, lambda tensor: _in_order(tensor.unbind(0), reverse)


def _scan_of(course: Course) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The scan of cells.Cell.replay on this way through the sequence."""

    def scan(keep: Tensor, new: Tensor, initial: Tensor) -> Tensor:
        """s_t = keep_t ⊙ s_{t−1} + new_t, (T, B, H), in place of `new`. In the padding s is the initial state, from
        which a reverse layer starts at each sample's own end."""
        if course.mask is not None:
            new = torch.where(course.mask, new, initial)
        ops, steps = _arrays(new, course.reverse)
        (before,) = steps(initial.unsqueeze(0))
        kept = ops.empty_like(before)
        for keep_t, s_t in zip(steps(keep), steps(new), strict=True):
            ops.multiply(keep_t, before, out=kept)
            ops.add(kept, s_t, out=s_t)
            before = s_t
        return new

    return scan


def _arrays(like: Tensor, reverse: bool = False) -> tuple[Any, Callable[[Tensor], Steps]]:
    """The module whose elementwise operations cost least there, and how it sees a tensor's steps, in the layer's order.

    NumPy's cost a third of torch's on small arrays, and see the same memory.
    """
    if like.device.type == "cpu":
        return np, lambda tensor: _in_order(list(tensor.numpy()), reverse)
    return torch, lambda tensor: _in_order(tensor.unbind(0), reverse)


def _in_order(steps: Steps, reverse: bool) -> Steps:
    return steps[::-1] if reverse else steps
