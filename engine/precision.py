"""Full float32 products, whatever the caller has switched on: TF32 and bfloat16 shortcuts are 3e-4 wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_BACKENDS: Any = torch.backends
# torch's own switches (since 2.9); "ieee" is the full precision of the type, "none" follows the wider switch above it.
_SWITCHES: dict[str, tuple[Any, ...]] = {
    "cuda": (_BACKENDS.cuda.matmul, _BACKENDS.cudnn.rnn),
    "cpu": (_BACKENDS.mkldnn.matmul, _BACKENDS.mkldnn.rnn),
}


class arithmetic:  # noqa: N801 (used as a function)
    """What everything is computed in: full precision in the type of `like`, autograd off unless it is wanted.

    The caller may be in inference mode, under autocast or under no_grad; afterwards they still are. Written out, since
    a small trace can take less than ten times as long as the context managers of all that.
    """

    def __init__(self, like: Tensor, grad: bool = False) -> None:
        self._device = like.device.type
        self._grad = grad

    def __enter__(self) -> None:
        self._modes: list[Any] = []
        if torch.is_inference_mode_enabled():
            self._modes.append(torch.inference_mode(False))
        if torch.is_autocast_enabled(self._device):
            self._modes.append(torch.autocast(self._device, enabled=False))
        for mode in self._modes:
            mode.__enter__()
        self._grad_before = torch.is_grad_enabled()
        torch.set_grad_enabled(self._grad)
        self._switches = _raised(_SWITCHES.get(self._device, ()))

    def __exit__(self, *error: object) -> None:
        _lowered(self._switches)
        torch.set_grad_enabled(self._grad_before)
        for mode in reversed(self._modes):
            mode.__exit__(*error)


@contextmanager
def without_anomaly_mode() -> Iterator[None]:
    """Inside, a NaN on the way back is a number like any other, even where the caller looks for some
    (torch.autograd.set_detect_anomaly). For passes of our own: what they meet or send is no fault of the caller's."""
    before = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    torch.set_anomaly_enabled(False)
    try:
        yield
    finally:
        torch.set_anomaly_enabled(*before)


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, products are exact to rounding. The caller's switches come back afterwards."""
    before = _raised([switch for switches in _SWITCHES.values() for switch in switches])
    try:
        yield
    finally:
        _lowered(before)


def _raised(switches: Iterable[Any]) -> list[tuple[Any, str]]:
    """Sets them; returns those that were otherwise, and how."""
    before = [(switch, kind) for switch in switches if (kind := switch.fp32_precision) != "ieee"]
    for switch, _ in before:
        switch.fp32_precision = "ieee"
    return before


def _lowered(before: list[tuple[Any, str]]) -> None:
    for switch, kind in before:
        switch.fp32_precision = kind
