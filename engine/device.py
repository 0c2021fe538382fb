"""Devices: what was asked for, what there is, and a sentence where the two differ."""

from __future__ import annotations

import torch

from engine.spec import Device, Dtype

GPU_PAYS_FROM = 2**22
"""B·H² from which "auto" takes a GPU that is there. A step of a smaller network costs less than starting a kernel."""


def resolve(asked: Device, dtype: Dtype = "float32", work: int = 0) -> tuple[torch.device, str]:
    """The device to compute on, and one sentence if that is not the one that was asked for (else "").

    `work` is B·H², the multiplications of one recurrent product; only "auto" looks at it.
    """
    if asked == "cpu":
        return torch.device("cpu"), ""
    if asked == "auto":
        if work >= GPU_PAYS_FROM and torch.cuda.is_available():
            return _cuda(), ""
        return torch.device("cpu"), ""
    if asked == "cuda":
        if torch.cuda.is_available():
            return _cuda(), ""
        return torch.device("cpu"), "There is no CUDA device on this machine; computed on the CPU instead."
    if not torch.backends.mps.is_available():
        return torch.device("cpu"), "There is no MPS device on this machine; computed on the CPU instead."
    if dtype == "float64":
        return torch.device("cpu"), "MPS has no float64; computed on the CPU instead."
    return torch.device("mps"), ""


def _cuda() -> torch.device:
    """The current CUDA device. (engine.precision keeps TF32 out: its products are wrong by 3e-4.)"""
    return torch.device("cuda", torch.cuda.current_device())
