"""The one recurrence that needs no weights: the LSTM's carousel, the GRU's leak."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from engine.fast.arrays import arrays

LONG = 256
"""Steps from which it is worth cutting into stretches."""
LONG_IN_LAUNCHES = 16
"""The same where each operation is a launch."""


def scan(keep: Tensor, new: Tensor, start: Tensor, reverse: bool) -> None:
    """s_t = keep_t ⊙ s_{t−1} + new_t in the place of `new`; all (T, B, H), start (B, H). With `reverse` from the last
    step to the first.

    Of a long one, √T stretches are gone through beside one another, each as if it started from 0; then what it does
    start from is carried from one to the next and added. So few operations have to wait for one another.
    """
    T = len(new)
    n, long = math.isqrt(T), LONG if new.device.type == "cpu" else LONG_IN_LAUNCHES
    stretches = T // n if long <= T else 0
    rest = T - stretches * n
    even, odd = (slice(rest, T), slice(0, rest)) if reverse else (slice(0, T - rest), slice(T - rest, T))
    operations, steps = arrays(new, reverse)
    multiply, add = operations.multiply, operations.add
    if stretches:
        start = _by_stretches(keep[even], new[even], start, (stretches, n), reverse)
    (s,) = steps(start.unsqueeze(0))
    part = operations.empty_like(s)
    for s_t, keep_t in zip(steps(new[odd]), steps(keep[odd]), strict=True):
        multiply(keep_t, s, part)
        add(s_t, part, s_t)
        s = s_t


def _by_stretches(keep: Tensor, new: Tensor, start: Tensor, shape: tuple[int, int], reverse: bool) -> Tensor:
    """The same, of (stretches · steps of each, B, H); what comes out at the end."""
    operations, steps = arrays(new, reverse)
    multiply, add = operations.multiply, operations.add
    made, kept = (array.reshape(*shape, *start.shape).transpose(0, 1).contiguous() for array in (new, keep))
    part = operations.empty_like(steps(made)[0])
    for (s_before, kept_before), (s_t, kept_t) in pairwise(zip(steps(made), steps(kept), strict=True)):
        multiply(kept_t, s_before, part)
        add(s_t, part, s_t)
        multiply(kept_t, kept_before, kept_t)
    starts = new.new_empty(shape[0] + 1, *start.shape)
    starts[-1 if reverse else 0] = start
    last, own = (0, slice(1, None)) if reverse else (-1, slice(0, -1))
    following = steps(starts)
    for end, kept_end, s, s_after in zip(
        steps(made[last]), steps(kept[last]), following[:-1], following[1:], strict=True
    ):
        multiply(kept_end, s, s_after)
        add(s_after, end, s_after)
    made.add_(kept.mul_(starts[own]))
    new.copy_(made.transpose(0, 1).reshape(new.shape))
    return starts[0 if reverse else -1]
