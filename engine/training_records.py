"""What is kept of every iteration of a training (engine.training_requests.Records): norms, from the trace that it had
anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.clipping import Clipped
from engine.norms import mean_over_samples, norm, total
from engine.parameters import layer_of
from engine.tracing import Trace
from engine.training_requests import Records, no_records

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Row:
    """Of one iteration, before its update."""

    loss: float
    norms: dict[str, float]
    """Before clipping, by parameter."""
    after: float
    clipped: bool
    flow: NDArray[np.float32]
    """(T,)"""
    flow_bad: bool
    learning_rate: float


class Recorder:
    def __init__(self, first: int) -> None:
        """`first`: the iteration of the first row."""
        self._first = first
        self._rows: list[Row] = []
        self._seconds: list[float] = []

    def row(self, trace: Trace, clipping: Clipped, learning_rate: float) -> Row:
        """Of an iteration that may not be done yet."""
        changed = [name for name, grad in clipping.grads.items() if grad is not clipping.before[name]]
        norms = norms_of([*clipping.before.values(), *(clipping.grads[name] for name in changed)])
        before = dict(zip(clipping.before, norms, strict=False))
        after = {**before, **dict(zip(changed, norms[len(before) :], strict=True))}
        flow, bad = flow_row(trace)
        return Row(
            loss=float(trace.loss),
            norms=before,
            after=total(after.values()),
            clipped=bool(changed) and fired(clipping),
            flow=flow,
            flow_bad=bad,
            learning_rate=learning_rate,
        )

    def add(self, row: Row, seconds: float) -> None:
        """The iteration is done."""
        self._rows.append(row)
        self._seconds.append(seconds)

    def records(self, steps: int) -> Records:
        """Of everything so far, read-only. `steps`: T."""
        rows = self._rows
        if not rows:
            return no_records(self._first, steps)
        groups: dict[str, list[str]] = {}
        for name in rows[0].norms:
            groups.setdefault(layer_of(name), []).append(name)
        return Records(
            first=self._first,
            losses=_float64([row.loss for row in rows]),
            grad_norms=_float64([total(row.norms.values()) for row in rows]),
            clipped_norms=_float64([row.after for row in rows]),
            clipped=_fixed(np.array([row.clipped for row in rows], dtype=np.bool_)),
            layer_norms={
                layer: _float64([total(row.norms[name] for name in names) for row in rows])
                for layer, names in groups.items()
            },
            flow=_fixed(np.stack([row.flow for row in rows])),
            flow_bad=_fixed(np.array([row.flow_bad for row in rows], dtype=np.bool_)),
            learning_rates=_float64([row.learning_rate for row in rows]),
            seconds=_float64(self._seconds),
        )


def norms_of(tensors: Sequence[Tensor]) -> list[float]:
    """Each one's norm, float64; looked at together, since a GPU has to be waited for."""
    return list(torch.stack([norm(tensor) for tensor in tensors]).tolist()) if tensors else []


def fired(clipping: Clipped) -> bool:
    """Whether clipping changed anything."""
    if clipping.factors:
        each = {id(factor): factor for factor in clipping.factors.values()}  # parameters may share one
        return any(bool((factor != 1).any()) for factor in each.values())
    pairs = ((grad, clipping.before[name]) for name, grad in clipping.grads.items())
    return any(not torch.equal(grad, before) and not _same(grad, before) for grad, before in pairs)


def _same(one: Tensor, other: Tensor) -> bool:
    """To the number, NaN being NaN."""
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def flow_row(trace: Trace) -> tuple[NDArray[np.float32], bool]:
    """log₁₀ ‖∂L/∂h_t‖ (T,) of the layer that is read, forward, and whether some of its gradients are not a number. See
    Records.flow."""
    layer = trace.layer
    with torch.no_grad():
        norms = mean_over_samples(norm(layer.grads["h"], dim=-1), layer.mask).cpu().numpy()
    absent = 0 if layer.lengths is None else len(norms) - layer.longest
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = np.log10(norms).astype(np.float32)
    return flow, bool(np.isnan(flow[: len(flow) - absent]).any())


def _float64(values: Sequence[float]) -> NDArray[np.float64]:
    return _fixed(np.array(values, dtype=np.float64))


def _fixed(array: NDArray[Kind]) -> NDArray[Kind]:
    array.flags.writeable = False
    return array
