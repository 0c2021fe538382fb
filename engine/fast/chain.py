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


def chain_with_c(
    layer: Recurrence,
    product: Product,
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
    operations, steps = arrays(h_side, not layer.course.reverse)
    multiply, plus = operations.multiply, operations.add
    add = _with_drop(layer, product, cut)
    (carousel,) = steps(carried["c"].unsqueeze(0))
    elementwise = (
        d["h"], d["c"], d["c"].unsqueeze(2), slopes.c_to_h, slopes.kept,
        slopes.h_side[:, :, :-1], h_side[:, :, :-1], slopes.h_side[:, :, -1], h_side[:, :, -1],
    )  # fmt: skip
    back = product.of_states(direct), product.of_gates(h_side.flatten(2)), product.of_states(into)
    for dh, dc, dc_wide, c_to_h, kept, of_c, to_c, of_h, to_h, e, of, earlier in zip(
        *map(steps, elementwise), *back, strict=True
    ):
        multiply(dh, c_to_h, dc)
        plus(dc, carousel, dc)
        multiply(dc_wide, of_c, to_c)
        multiply(dh, of_h, to_h)
        multiply(dc, kept, carousel)
        add(e, of, earlier)


def chain_of_h(
    layer: Recurrence,
    product: Product,
    slopes: Slopes,
    d: Tensors,
    h_side: Tensor,
    carried: Tensors,
    direct: Tensor,
    into: Tensor,
    cut: slice,
) -> None:
    """From the last step to the first: the pre-activations' gradients, and δh of the step before."""
    operations, steps = arrays(h_side, not layer.course.reverse)
    multiply, plus = operations.multiply, operations.add
    add = _with_drop(layer, product, cut)
    dh_wide, of_h, to_h = steps(d["h"].unsqueeze(2)), steps(slopes.h_side), steps(h_side)
    of_gates, earlier = product.of_gates(h_side.flatten(2)), product.of_states(into)
    if slopes.kept is None:
        for wide, slope, to, *back in zip(
            dh_wide, of_h, to_h, product.of_states(direct), of_gates, earlier, strict=True
        ):
            multiply(wide, slope, to)
            add(*back)
        return
    leak = torch.empty_like(direct[:1])
    (leak_array,), (leak_row,) = steps(leak), product.of_states(leak)
    for wide, slope, to, dh, kept, e, *back in zip(
        dh_wide, of_h, to_h, steps(d["h"]), steps(slopes.kept), steps(direct), of_gates, earlier, strict=True
    ):
        multiply(wide, slope, to)
        multiply(dh, kept, leak_array)
        plus(leak_array, e, leak_array)
        add(leak_row, *back)


def march_back(
    layer: Recurrence,
    slopes: Slopes,
    d: Tensors,
    h_side: Tensor,
    carried: Tensors,
    direct: Tensor,
    into: Tensor,
    cut: slice,
) -> None:
    """What the chain does, many steps to a launch (engine.fast.march). As there, all of the steps `cut`."""
    back = not layer.course.reverse
    first, end = (-1, 0) if back else (0, -1)
    given = {"slopes": slopes.h_side, "direct": direct}
    given |= {name: array for name in ("c_to_h", "kept") if (array := getattr(slopes, name)) is not None}

    def steps(fixed: Tensors, own: Tensors, reaching: Tensors) -> Made:
        K, B, G, H = own["slopes"].shape
        part = replace(layer, cuts=frozenset()).over(K, fixed, own)
        padded, dc, made = (own["slopes"].new_empty(shape) for shape in ((K + 1, B, H), (K, B, H), (K, B, G, H)))
        dh, earlier = (padded[1:], padded[:-1]) if back else (padded[:-1], padded[1:])
        dh[first] = reaching["h"]
        here = replace(slopes, h_side=own["slopes"], c_to_h=own.get("c_to_h"), kept=own.get("kept"))
        handed = {s: grad.clone() for s, grad in reaching.items()}
        chain = chain_of_h if here.c_to_h is None else chain_with_c
        chain(part, product_of(part, B), here, {"h": dh, "c": dc}, made, handed, own["direct"], earlier, slice(0, K))
        found = {"h_side": made, "into": earlier} | ({} if here.c_to_h is None else {"c": dc})
        return found, handed | {"h": earlier[end]}

    def own(stretch: slice) -> Tensors:
        place = slice(stretch.start + cut.start, stretch.stop + cut.start)
        return {**layer.part(place.start, place.stop).tensors, **{n: array[stretch] for n, array in given.items()}}

    whole = {"h_side": h_side, "into": into} | ({"c": d["c"]} if "c" in d else {})
    way = Way(slice(0, len(direct)), back, h_side.shape[2])
    fixed, reaching = {"weight_hh": layer.weight_back}, {**carried, "h": d["h"][first]}
    handed = march(("chain", layer.key), steps, fixed, own, reaching, way, whole)
    if "c" in carried:
        carried["c"].copy_(handed["c"])


def _with_drop(layer: Recurrence, product: Product, cut: slice) -> Callable[[Any, Any, Any], object]:
    """`Product.add`, or with recurrent dropout what is called once for every step of the stretch, in order."""
    if layer.drop is None:
        return product.add
    weight, whole = layer.weight_back, layer.drop.expand(layer.course.steps, -1, -1)
    masks = iter(in_order(whole[cut].unbind(0), not layer.course.reverse))

    def dropped(e: Tensor, of: Tensor, out: Tensor) -> None:
        torch.mm(of, weight, out=out)
        out.mul_(next(masks)).add_(e)

    return dropped
