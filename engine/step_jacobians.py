"""The Jacobians of a recurrent layer's steps, a stretch at a time.

J_t = ∂(state after step t)/∂(state before it), (S, S): S = H, or 2H for the LSTM, whose state is (h, c) in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from engine.cells import Cell
from engine.errors import DataError
from engine.given import whole
from engine.layer_trace import rules_of
from engine.precision import arithmetic
from engine.quantities import ROUTES
from engine.routes import formed, samples_of, values_of
from engine.spec_reading import shown

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

Tensors = Mapping[str, Tensor]

AT_A_TIME = 2**19
"""Numbers of the Jacobians that are held at once."""


@runtime_checkable
class Jacobians(Protocol):
    """Whatever can tell the Jacobians of the steps start … stop − 1, so that a long trace's are never held at once."""

    @property
    def steps(self) -> int:
        """T."""

    @property
    def size(self) -> int:
        """S."""

    def stretch(self, start: int, stop: int) -> Tensor:
        """(stop − start, S, S) float64 on the CPU; steps counted from 0."""


@dataclass(frozen=True, eq=False, slots=True)
class GivenJacobians:
    """Those of a tensor (T, S, S). Raises DataError where it is none."""

    J: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.J.shape)
        if len(shape) != 3 or shape[1] != shape[2] or 0 in shape or not self.J.is_floating_point():
            raise DataError(
                f"The Jacobians are {shape} of {self.J.dtype}; real (steps, S, S) is accepted, none of it 0."
            )

    @property
    def steps(self) -> int:
        return self.J.shape[0]

    @property
    def size(self) -> int:
        return self.J.shape[1]

    def stretch(self, start: int, stop: int) -> Tensor:
        return in_float64(self.J[start:stop])


@dataclass(frozen=True, eq=False, slots=True)
class LayerJacobians:
    """Those of one sample of a layer, by the rules of its cell, at the recorded values and in float64."""

    cell: Cell
    routes: tuple[str, ...]
    weight_hh: Tensor
    values: Tensors
    """(T, H) each, as engine.routes.values_of has them."""
    before: Tensors
    """(T, H) each: the states that each step starts from."""

    @classmethod
    def of(cls, layer: LayerTrace, sample: int = 0) -> LayerJacobians:
        """Raises DataError for a sample that there is not."""
        sample = samples_of(layer, whole("sample", sample)).start
        values = {name: in_float64(value[:, sample]) for name, value in values_of(layer).items()}
        before = {name: in_float64(value[:, sample]) for name, value in layer.before.items()}
        weights = {name: in_float64(weight) for name, weight in layer.weights.items()}
        rules = rules_of(layer.cell, layer.activation, weights, layer.norm_eps)
        return cls(rules, ROUTES[layer.cell], weights["weight_hh"], values, before)

    @property
    def steps(self) -> int:
        return len(self.values["h"])

    @property
    def size(self) -> int:
        return len(self.cell.state_names) * self.weight_hh.shape[1]

    def stretch(self, start: int, stop: int) -> Tensor:
        values = {name: value[start:stop] for name, value in self.values.items()}
        before = {name: value[start:stop] for name, value in self.before.items()}
        with arithmetic(self.weight_hh):
            parts = list(formed(self.cell, self.weight_hh, values, before, self.routes).values())
            for part in parts[1:]:
                parts[0] += part
            return parts[0]


def in_float64(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().to("cpu")
    return tensor if tensor.dtype == torch.bool else tensor.to(torch.float64)


def way_of(
    source: LayerTrace | Jacobians | Tensor, sample: int, valid: Tensor | None, reverse: bool | None
) -> tuple[Tensor | None, bool]:
    """(which steps count, whether the recurrence runs from the last step to the first): as given, else the layer's."""
    mask = getattr(source, "mask", None)
    if valid is None and mask is not None:
        valid = mask[:, sample]
    return valid, bool(getattr(source, "reverse", False)) if reverse is None else reverse


def jacobians_of(source: LayerTrace | Jacobians | Tensor, sample: int = 0) -> Jacobians:
    """Whatever the Jacobians are given as. Raises DataError."""
    if isinstance(source, Tensor):
        return GivenJacobians(source)
    if isinstance(source, Jacobians):
        return source
    if not hasattr(source, "rules"):
        raise DataError(f"The layer is {shown(source)}; a layer of a trace or Jacobians (steps, S, S) are accepted.")
    return LayerJacobians.of(source, sample)


def chosen_steps(steps: Iterable[int] | None, T: int) -> list[int]:
    """Steps counted from 1, as places counted from 0, ascending and each once. Raises DataError."""
    if steps is None:
        return list(range(T))
    if not isinstance(steps, Iterable):
        raise DataError(f"steps is {shown(steps)}; some of the steps 1 to {T} are accepted, as [1, {T}].")
    chosen = {whole("a step", t) for t in steps}
    for t in chosen:
        if not 1 <= t <= T:
            raise DataError(f"Step {t} is outside the trace; steps 1 to {T} are recorded.")
    if not chosen:
        raise DataError(f"steps is empty; some of the steps 1 to {T} are needed.")
    return sorted(t - 1 for t in chosen)


class Walk:
    """Along the steps of a recurrence, or back: the Jacobian of one step after the other, None for a masked one."""

    def __init__(self, jacobians: Jacobians, valid: Tensor | None, back: bool) -> None:
        T = jacobians.steps
        if valid is not None and (tuple(valid.shape) != (T,) or valid.dtype != torch.bool):
            raise DataError(f"valid is {tuple(valid.shape)} of {valid.dtype}; ({T},) of torch.bool is accepted.")
        self._jacobians = jacobians
        self.valid = torch.ones(T, dtype=torch.bool, device="cpu") if valid is None else valid.cpu()
        self.steps = range(T - 1, -1, -1) if back else range(T)
        self._start, self._held = 0, torch.empty(0, device="cpu")

    def at(self, t: int) -> Tensor | None:
        """(S, S)."""
        if not self.valid[t]:
            return None
        if not self._start <= t < self._start + len(self._held):
            count = max(1, AT_A_TIME // self._jacobians.size**2)
            start, stop = (t - count + 1, t + 1) if self.steps.step < 0 else (t, t + count)
            self._start = max(start, 0)
            self._held = self._jacobians.stretch(self._start, min(stop, len(self.steps)))
        return self._held[t - self._start]
