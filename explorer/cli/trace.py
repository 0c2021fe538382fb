"""`gradflow trace`: every array of a trace in an .npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine import atomic
from explorer.cli.compute import compute, source_of
from explorer.cli.output import checked_output
from explorer.cli.target import Target


def trace(target: Target, output: Path) -> int:
    """Names as in `engine.Trace.numpy()`: "l0.values.h" (T, B, H), "l0.grads.h", "loss", …"""
    checked_output(output, ".npz")
    arrays = compute("arrays", source_of(target))
    with atomic.replacing(output) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return 0
