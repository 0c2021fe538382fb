"""Full float32 products, whatever the caller has switched on: TF32 and bfloat16 shortcuts are 3e-4 wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Each of torch's own switches (torch ≥ 2.9). "ieee" is the full precision of the type.
_SWITCHES = (
    torch.backends.cuda.matmul,
    torch.backends.cudnn.rnn,  # type: ignore[attr-defined]  # torch ships no stub for it
    torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    torch.backends.mkldnn.rnn,  # type: ignore[attr-defined]
)


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, products are exact to rounding. The caller's switches come back afterwards."""
    changed = []
    try:
        for switch in _SWITCHES:
            before = switch.fp32_precision
            if before not in ("none", "ieee") or (before == "none" and torch.backends.fp32_precision != "none"):  # type: ignore[attr-defined]
                changed.append((switch, before))
                switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, before in changed:
            switch.fp32_precision = before
