"""Where a training meets the first number that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from engine.clipping import Clipped
from engine.tracing import Trace
from engine.training_requests import Diverged
from engine.training_state import CARRIED, OPTIMIZER


def first_bad(iteration: int, trace: Trace, clipping: Clipped, after: Mapping[str, Tensor]) -> Diverged | None:
    """The first tensor of an iteration that is not finite, in the order in which it is computed: the loss, the
    gradients, the state `after` it. None where all are."""
    everything = [trace.loss, *clipping.before.values(), *after.values()]
    with torch.no_grad():
        largest = torch.stack([norm.double() for norm in torch._foreach_norm(everything, math.inf)])
        if bool(torch.isfinite(largest).all()):
            return None
    for name, tensor in _named(trace, clipping, after):
        count = int((~torch.isfinite(tensor)).sum())
        if count:
            return Diverged(iteration, name, _sentence(iteration, name, count, tensor))
    return None


def _named(trace: Trace, clipping: Clipped, after: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    yield "loss", trace.loss
    for name, grad in clipping.before.items():
        yield f"gradient of {name}", grad
    for name, tensor in after.items():
        if name.startswith(OPTIMIZER):
            what, _, of = name.removeprefix(OPTIMIZER).partition(".")
            yield f"{what} of {of}", tensor
        elif name.startswith(CARRIED):
            layer, _, state = name.removeprefix(CARRIED).partition(".")
            yield f"carried {state} of {layer}", tensor
        else:
            yield name, tensor


def _sentence(iteration: int, name: str, count: int, tensor: Tensor) -> str:
    kind = "NaN" if bool(tensor.isnan().any()) else "infinite"
    if tensor.numel() == 1:
        what = f"the {name} would be {kind}"
    else:
        some = "is" if count == 1 else "are"
        what = f"{count:,} of the {tensor.numel():,} numbers in the {name} {some} not finite"
    return f"Training stopped before iteration {iteration:,}: {what}."
