"""Full float32 products, whatever the caller has switched on: TF32 and bfloat16 shortcuts are 3e-4 wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_BACKENDS: Any = torch.backends
# torch's own switches (since 2.9); "ieee" is the full precision of the type, "none" follows the wider switch above it.
_SWITCHES: tuple[Any, ...] = (
    _BACKENDS.cuda.matmul,
    _BACKENDS.cudnn.rnn,
    _BACKENDS.mkldnn.matmul,
    _BACKENDS.mkldnn.rnn,
)


@contextmanager
def arithmetic(like: Tensor, grad: bool = False) -> Iterator[None]:
    """What everything is computed in: full precision in the type of `like`, autograd off unless it is wanted.

    The caller may be in inference mode, under autocast or under no_grad; afterwards they still are.
    """
    autocast_off = torch.autocast(like.device.type, enabled=False)
    with torch.inference_mode(False), torch.set_grad_enabled(grad), autocast_off, full_precision():
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, products are exact to rounding. The caller's switches come back afterwards."""
    before = [switch.fp32_precision for switch in _SWITCHES]
    try:
        for switch, kind in zip(_SWITCHES, before, strict=True):
            if kind != "ieee":
                switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, kind in zip(_SWITCHES, before, strict=True):
            if kind != "ieee":
                switch.fp32_precision = kind
