"""The fast road back: slopes of many steps at once, and only what must be chained is chained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from engine.cells import SidesDiffer
from engine.cells.slopes import Slopes
from engine.fast import kernel, march
from engine.fast.arrays import NUMPYS, arrays, empty, far_from_overflow, largest
from engine.fast.chain import Stretch, chain_of_h, chain_with_c, march_back, product_of
from engine.recorded import Recorded
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

CHUNK = 1 << 19
"""Numbers in the slopes that are prepared at once: they should stay in the cache until the chain has used them."""
WIDE = 2048
"""Rows of W_hh up to which on a GPU the kernel goes back: it multiplies with a square matrix of that size as well."""
LARGEST = 1e8
"""Gradients beyond this are left to the careful road."""
GROWTH = {torch.float32: 1e3, torch.float64: 1e6}
"""And so are those that grow this much on their way back: in such a chain rounding grows too, and only the same order
of products stays together with autograd."""
LARGE = 1.0
"""Gradients beyond this can bring a subnormal slope, which has lost digits, back among the normal numbers."""


class Cut(Mapping[str, Tensor]):
    """A stretch of the steps of arrays (T, …), each of which is cut when it is asked for."""

    def __init__(self, whole: Tensors, stretch: slice) -> None:
        self.whole, self.stretch = whole, stretch

    def __getitem__(self, name: str) -> Tensor:
        return self.whole[name][self.stretch]

    def __contains__(self, name: object) -> bool:
        return name in self.whole

    def __iter__(self) -> Any:
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)


def backward(
    layer: Recurrence, values: Tensors, before: Tensors, direct: Tensor, final: Tensors | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
    """Total gradients (T, B, H) of states and pre-activations, and of the initial states; None where they run away, or
    where a step is not elementwise slopes and one product."""
    if not layer.plain or direct.dtype not in GROWTH:
        return None
    if _kernel_is_quicker(layer, direct):
        found = _backward(layer, values, before, direct, final, by_kernel=True)
        if found is not None:
            return found
    return _backward(layer, values, before, direct, final)


def _kernel_is_quicker(layer: Recurrence, direct: Tensor) -> bool:
    """On a GPU, where each operation of the chain would be a launch of its own; not where each is large."""
    return direct.device.type == "cuda" and len(layer.weight_back) <= WIDE and kernel.can_go_back(layer)


def _backward(
    layer: Recurrence,
    values: Tensors,
    before: Tensors,
    direct: Tensor,
    final: Tensors | None,
    by_kernel: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
    cell, course = layer.rules, layer.course
    if isinstance(values, Recorded):  # what they have met forward was looked at there
        values = values.known
    elif not far_from_overflow([(before[s], layer.weight_back) for s in cell.state_names]):
        return None
    outside = () if final is None else final.values()
    most = min(LARGEST, GROWTH[direct.dtype] * max(largest(array) for array in (direct, *outside)))
    if final is None:
        final = dict.fromkeys(cell.state_names, direct.new_zeros(direct.shape[1:]))
    elif by_kernel and course.lengths is not None and course.reverse:
        return None  # the kernel goes on through the padding behind a sample's last step
    elif course.last is not None and course.lengths is not None and not course.reverse:
        if any(bool(final[s].any()) for s in cell.state_names if s != "h"):
            return None
        # What reaches a sample's last state from outside comes in at its own last step.
        at = (course.last, torch.arange(direct.shape[1], device=direct.device))
        direct = direct.index_put(at, torch.where(course.lengths[:, None] > 0, final["h"], 0.0), accumulate=True)
        final = {s: torch.zeros_like(grad) for s, grad in final.items()}
    # With a place for the initial state behind the last step back: what reaches it is put together like any other δh,
    # without a direct part.
    T, B, H = direct.shape
    own, into = (slice(0, T), slice(1, T + 1)) if course.reverse else (slice(1, T + 1), slice(0, T))
    padded = {s: empty((T + 1, B, H), direct) for s in cell.state_names}
    d, earlier = {s: grad[own] for s, grad in padded.items()}, padded["h"][into]
    sums = empty((T, B, len(cell.sum_names), H), direct)
    h_side = sums[:, :, : len(cell.gate_names)]
    carried = {s: grad.clone() for s, grad in final.items()}
    first = 0 if course.reverse else -1
    torch.add(direct[first], final["h"], out=d["h"][first])
    chain, product = chain_with_c if "c" in d else chain_of_h, product_of(layer, B)
    rest = None if cell.sum_names == cell.gate_names else cast(SidesDiffer, cell).rest
    captured = not by_kernel and march.pays(carried["h"], T, h_side.shape[2])
    chunk = T if by_kernel else max(1, (march.ROOM if captured else CHUNK) // h_side[0].numel())
    values = layer.with_held(values)
    for cut in _chunks(T, chunk, course.reverse):
        slopes = slopes_of(layer, values, before, cut)
        part = {s: grad[cut] for s, grad in d.items()}
        stretch = Stretch(layer, cut, slopes, course.arriving(direct, cut), carried, part, h_side[cut], earlier[cut])
        if by_kernel:
            if not kernel.chain_by_kernel(stretch, values, before, direct):
                return None
        elif captured:
            march_back(stretch)
        else:
            with np.errstate(all="ignore"):
                chain(stretch, product)
        size = max(largest(grad) for grad in part.values())
        if not size <= most:
            return None
        if size > LARGE and not _digits_are_kept(layer, slopes, values, before, d, h_side, cut):
            return None
        if rest is not None:
            for name, grad in rest(Cut(values, cut), part).items():
                # In a reverse layer's padding stands what reaches the initial states, which is no step's.
                own_steps = grad if course.mask is None else grad.masked_fill(~course.mask[cut], 0.0)
                sums[cut, :, cell.sum_names.index(name)] = own_steps
    start = _at_the_start(layer, padded, carried)
    d = {s: course.zeroed(grad) for s, grad in d.items()}
    return d | dict(zip(cell.sum_names, sums.unbind(2), strict=True)), start


def _chunks(T: int, chunk: int, reverse: bool) -> list[slice]:
    """Stretches of steps, from the one that the chain starts with."""
    if reverse:
        return [slice(start, min(start + chunk, T)) for start in range(0, T, chunk)]
    return [slice(max(0, stop - chunk), stop) for stop in range(T, 0, -chunk)]


def slopes_of(layer: Recurrence, values: Tensors, before: Tensors, cut: slice) -> Slopes:
    """Of these steps of a plain layer. 0 in the padding, and where a route is cut past the weights."""
    values = layer.with_held(values)
    if cut.start > 0 or cut.stop < layer.course.steps:
        values, before = Cut(values, cut), Cut(before, cut)
    slopes = layer.rules.slopes(values, before)
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
    tiny = torch.finfo(h_side.dtype).tiny
    low = _smallest(slopes.h_side) < tiny
    if slopes.c_to_h is not None:
        low |= _smallest(slopes.c_to_h) < tiny
    where = low.nonzero().flatten().tolist()
    if not where:
        return True
    within = slice(where[0], where[-1] + 1)
    stretch = slice(cut.start + within.start, cut.start + within.stop)
    v, b, at = Cut(values, stretch), Cut(before, stretch), Cut(d, stretch)
    pairs = [(h_side[stretch], cell.h_side(cell.back(v, b, at)))]
    if slopes.c_to_h is not None:
        only_h = {"h": at["h"], "c": torch.zeros_like(at["h"])}
        pairs.append((at["h"] * slopes.c_to_h[within], cell.join(v, only_h)["c"]))
    eps = 8 * torch.finfo(h_side.dtype).eps
    return all(bool(((ours - one).abs() <= eps * one.abs().clamp_min(tiny)).all()) for ours, one in pairs)


def _smallest(slopes: Tensor) -> Tensor:
    """(steps,): the smallest magnitude."""
    operations, _ = arrays(slopes)
    if operations is not NUMPYS:
        return slopes.abs().flatten(1).amin(1)
    sizes = np.abs(slopes.numpy())
    return torch.from_numpy(sizes.reshape(len(sizes), -1).min(1))
