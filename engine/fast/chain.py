"""From step to step back: the only part of BPTT that has to wait for the step before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from engine.cells.slopes import Slopes
from engine.fast.arrays import Steps, arrays, in_order
from engine.fast.captured import Made
from engine.fast.march import Way, march
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

SMALL = 1 << 16
"""Multiplications a step up to which NumPy's product is the quicker one."""
SMALL_VECTOR = 9000
"""And up to which NumPy's product with a vector never starts a second thread: a larger matrix is taken in blocks."""
BLOCKS = 8
"""With more of them torch's product is the quicker one."""


@dataclass(frozen=True, eq=False)
class Product:
    """δa W_hh, and how its factors are seen step by step."""

    add: Callable[[Any, Any, Any], object]
    """(e, δa, out): puts e + δa W_hh into out."""
    of_gates: Callable[[Tensor], Steps]
    """Of δa (T, B, G·H)."""
    of_states: Callable[[Tensor], Steps]
    """Of e and out (T, B, H)."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """K steps of a layer's way back, and their arrays that are filled. (K, B, H), if nothing else is said."""

    layer: Recurrence
    cut: slice
    """Which steps of it."""
    slopes: Slopes
    arriving: Tensor
    """What reaches h of the step before each, without recurrence."""
    carried: dict[str, Tensor]
    """(B, H): what a step hands to the next one besides δh, from stretch to stretch."""
    d: Tensors
    """∂L/∂(states) of these steps, filled but for the first δh on the way …"""
    h_side: Tensor
    """… (K, B, G, H): ∂L/∂(W_hh h₋ + b_hh) …"""
    into: Tensor
    """… and δh of the step before each, which is `d["h"]` one step on."""

    @property
    def backwards(self) -> bool:
        """From the last step to the first; a reverse layer comes back from the first to the last."""
        return not self.layer.course.reverse


def product_of(layer: Recurrence, batch: int) -> Product:
    weight, backwards = layer.weight_back, not layer.course.reverse

    def by_torch(tensor: Tensor) -> Any:
        return in_order(tensor.unbind(0), backwards)

    count = _blocks(weight, batch)
    if layer.drop is not None or count is None:
        return Product(lambda e, of, out: torch.addmm(e, of, weight, out=out), by_torch, by_torch)
    matrix, columns = weight.numpy(), weight.shape[1] // count
    blocks = np.ascontiguousarray(matrix.reshape(len(matrix), count, columns).swapaxes(0, 1))
    product, plus = np.matmul, np.add

    def add(e: Any, of: Any, out: Any) -> None:
        product(of, blocks, out)
        plus(out, e, out)

    def by_numpy(tensor: Tensor) -> Any:
        return in_order(tensor.numpy(), backwards)

    def in_blocks(tensor: Tensor) -> Any:
        return by_numpy(tensor.view(len(tensor), count, -1, columns))

    return Product(add, by_numpy, in_blocks)


def _blocks(weight: Tensor, batch: int) -> int | None:
    """Into how many blocks of columns the matrix is cut for NumPy's product; None: torch's it is."""
    if weight.device.type != "cpu" or batch * weight.numel() > SMALL:
        return None
    if batch > 1:
        return 1
    counts = (n for n in range(1, BLOCKS + 1) if weight.shape[1] % n == 0)
    return next((n for n in counts if weight.numel() <= n * SMALL_VECTOR), None)


def chain_with_c(own: Stretch, product: Product) -> None:
    """Step by step: δc, the pre-activations' gradients, and δh of the step before."""
    slopes, d, h_side = own.slopes, own.d, own.h_side
    assert slopes.c_to_h is not None
    assert slopes.kept is not None
    operations, steps = arrays(h_side, own.backwards)
    multiply, plus = operations.multiply, operations.add
    add = _with_drop(own, product)
    (carousel,) = steps(own.carried["c"].unsqueeze(0))
    elementwise = (
        d["h"], d["c"], d["c"].unsqueeze(2), slopes.c_to_h, slopes.kept,
        slopes.h_side[:, :, :-1], h_side[:, :, :-1], slopes.h_side[:, :, -1], h_side[:, :, -1],
    )  # fmt: skip
    back = product.of_states(own.arriving), product.of_gates(h_side.flatten(2)), product.of_states(own.into)
    for dh, dc, dc_wide, c_to_h, kept, of_c, to_c, of_h, to_h, e, of, earlier in zip(
        *map(steps, elementwise), *back, strict=True
    ):
        multiply(dh, c_to_h, dc)
        plus(dc, carousel, dc)
        multiply(dc_wide, of_c, to_c)
        multiply(dh, of_h, to_h)
        multiply(dc, kept, carousel)
        add(e, of, earlier)


def chain_of_h(own: Stretch, product: Product) -> None:
    """Step by step: the pre-activations' gradients, and δh of the step before."""
    slopes, d, h_side = own.slopes, own.d, own.h_side
    operations, steps = arrays(h_side, own.backwards)
    multiply, plus = operations.multiply, operations.add
    add = _with_drop(own, product)
    dh_wide, of_h, to_h = steps(d["h"].unsqueeze(2)), steps(slopes.h_side), steps(h_side)
    of_gates, earlier = product.of_gates(h_side.flatten(2)), product.of_states(own.into)
    if slopes.kept is None:
        for wide, slope, to, *back in zip(
            dh_wide, of_h, to_h, product.of_states(own.arriving), of_gates, earlier, strict=True
        ):
            multiply(wide, slope, to)
            add(*back)
        return
    leak = torch.empty_like(own.arriving[:1])
    (leak_array,), (leak_row,) = steps(leak), product.of_states(leak)
    for wide, slope, to, dh, kept, e, *back in zip(
        dh_wide, of_h, to_h, steps(d["h"]), steps(slopes.kept), steps(own.arriving), of_gates, earlier, strict=True
    ):
        multiply(wide, slope, to)
        multiply(dh, kept, leak_array)
        plus(leak_array, e, leak_array)
        add(leak_row, *back)


def march_back(whole: Stretch) -> None:
    """What the chain does, many steps to a launch (engine.fast.march). As there, all of the steps."""
    layer, slopes, back = whole.layer, whole.slopes, whole.backwards
    first, end = (-1, 0) if back else (0, -1)
    given = {"slopes": slopes.h_side, "arriving": whole.arriving}
    given |= {name: array for name in ("c_to_h", "kept") if (array := getattr(slopes, name)) is not None}

    def steps(fixed: Tensors, own: Tensors, reaching: Tensors) -> Made:
        K, B, G, H = own["slopes"].shape
        part = replace(layer, cuts=frozenset()).over(K, fixed, own)
        padded, dc, made = (own["slopes"].new_empty(shape) for shape in ((K + 1, B, H), (K, B, H), (K, B, G, H)))
        dh, earlier = (padded[1:], padded[:-1]) if back else (padded[:-1], padded[1:])
        dh[first] = reaching["h"]
        of_part = replace(slopes, h_side=own["slopes"], c_to_h=own.get("c_to_h"), kept=own.get("kept"))
        handed = {s: grad.clone() for s, grad in reaching.items()}
        here = Stretch(part, slice(0, K), of_part, own["arriving"], handed, {"h": dh, "c": dc}, made, earlier)
        chain = chain_of_h if of_part.c_to_h is None else chain_with_c
        chain(here, product_of(part, B))
        found = {"h_side": made, "into": earlier} | ({} if of_part.c_to_h is None else {"c": dc})
        return found, handed | {"h": earlier[end]}

    def own(stretch: slice) -> Tensors:
        place = slice(stretch.start + whole.cut.start, stretch.stop + whole.cut.start)
        return {**layer.part(place.start, place.stop).tensors, **{n: array[stretch] for n, array in given.items()}}

    filled = {"h_side": whole.h_side, "into": whole.into} | ({"c": whole.d["c"]} if "c" in whole.d else {})
    way = Way(slice(0, len(whole.arriving)), back, whole.h_side.shape[2])
    fixed, reaching = {"weight_hh": layer.weight_back}, {**whole.carried, "h": whole.d["h"][first]}
    handed = march(("chain", layer.key), steps, fixed, own, reaching, way, filled)
    if "c" in whole.carried:
        whole.carried["c"].copy_(handed["c"])


def _with_drop(own: Stretch, product: Product) -> Callable[[Any, Any, Any], object]:
    """`Product.add`, or with recurrent dropout what is called once for every step of the stretch, in order."""
    layer = own.layer
    if layer.drop is None:
        return product.add
    weight, whole = layer.weight_back, layer.drop.expand(layer.course.steps, -1, -1)
    masks = iter(in_order(whole[own.cut].unbind(0), own.backwards))

    def dropped(e: Tensor, of: Tensor, out: Tensor) -> None:
        torch.mm(of, weight, out=out)
        out.mul_(next(masks)).add_(e)

    return dropped
