"""From step to step back: the only part of BPTT that has to wait for the step before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from engine.cells.slopes import Slopes
from engine.fast.arrays import Steps, arrays, in_order
from engine.recurrence import Recurrence

Tensors: TypeAlias = Mapping[str, Tensor]

SMALL = 1 << 16
"""Multiplications a step up to which NumPy's product is the quicker one."""
SMALL_VECTOR = 9000
"""And up to which NumPy's product with a vector never starts a second thread: a larger matrix is taken in pieces."""
PIECES = 4
"""With more of them torch's product is the quicker one."""


def chain_with_c(
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
    ops, steps = arrays(h_side, not layer.course.reverse)
    multiply, add = ops.multiply, ops.add
    product, rows = _product(layer, h_side.shape[1], cut)
    (carousel,) = steps(carried["c"].unsqueeze(0))
    elementwise = (
        d["h"], d["c"], d["c"].unsqueeze(2), slopes.c_to_h, slopes.kept,
        slopes.h_side[:, :, :-1], h_side[:, :, :-1], slopes.h_side[:, :, -1], h_side[:, :, -1],
    )  # fmt: skip
    for dh, dc, dc_wide, c_to_h, kept, of_c, to_c, of_h, to_h, *arrive in zip(
        *map(steps, elementwise), rows(direct), rows(h_side.flatten(2)), rows(into), strict=True
    ):
        multiply(dh, c_to_h, out=dc)
        add(dc, carousel, out=dc)
        multiply(dc_wide, of_c, out=to_c)
        multiply(dh, of_h, out=to_h)
        multiply(dc, kept, out=carousel)
        product(*arrive)


def chain_of_h(
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
    ops, steps = arrays(h_side, not layer.course.reverse)
    multiply, add = ops.multiply, ops.add
    product, rows = _product(layer, h_side.shape[1], cut)
    dh_wide, of_h, to_h = steps(d["h"].unsqueeze(2)), steps(slopes.h_side), steps(h_side)
    flat, earlier = rows(h_side.flatten(2)), rows(into)
    if slopes.kept is None:
        for dh, of, to, *arrive in zip(dh_wide, of_h, to_h, rows(direct), flat, earlier, strict=True):
            multiply(dh, of, out=to)
            product(*arrive)
        return
    leak = torch.empty_like(direct[0])
    (leak_array,), (leak_row,) = steps(leak.unsqueeze(0)), rows(leak.unsqueeze(0))
    for wide, of, to, dh, kept, e, *arrive in zip(
        dh_wide, of_h, to_h, steps(d["h"]), steps(slopes.kept), steps(direct), flat, earlier, strict=True
    ):
        multiply(wide, of, out=to)
        multiply(dh, kept, out=leak_array)
        add(leak_array, e, out=leak_array)
        product(leak_row, *arrive)


def _product(
    layer: Recurrence, batch: int, cut: slice
) -> tuple[Callable[[Any, Any, Any], object], Callable[[Tensor], Steps]]:
    """A function (e, δa, out) that puts e + δa W_hh (B, H) into out, called once for every step of the stretch, and how
    it wants to see the steps: in the order of the way back."""
    weight, backwards = layer.weight_back, not layer.course.reverse
    pieces = -(-weight.numel() // SMALL_VECTOR) if batch == 1 else 1
    if layer.drop is not None:
        drop = layer.drop[cut] if len(layer.drop) > 1 else layer.drop.expand(cut.stop - cut.start, -1, -1)
        masks = iter(in_order(drop.unbind(0), backwards))

        def dropped(e: Tensor, of: Tensor, out: Tensor) -> None:
            torch.mm(of, weight, out=out)
            out.mul_(next(masks)).add_(e)

        return dropped, lambda tensor: in_order(tensor.unbind(0), backwards)
    if weight.device.type == "cpu" and batch * weight.numel() <= SMALL and pieces <= PIECES:
        matrices = [np.ascontiguousarray(part) for part in np.array_split(weight.numpy(), pieces, axis=1)]
        ends = np.cumsum([part.shape[1] for part in matrices])
        blocks = [(part, slice(end - part.shape[1], end)) for part, end in zip(matrices, ends.tolist(), strict=True)]
        dot, add = np.dot, np.add

        def whole(e: Any, of: Any, out: Any) -> None:
            dot(of, matrices[0], out)
            add(out, e, out)

        def by_pieces(e: Any, of: Any, out: Any) -> None:
            for matrix, columns in blocks:
                dot(of, matrix, out[:, columns])
            add(out, e, out)

        return whole if pieces == 1 else by_pieces, lambda tensor: in_order(list(tensor.numpy()), backwards)

    def large(e: Tensor, of: Tensor, out: Tensor) -> None:
        torch.addmm(e, of, weight, out=out)

    return large, lambda tensor: in_order(tensor.unbind(0), backwards)
