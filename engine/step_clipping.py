"""Clipping inside the backward pass. What comes out is no longer a gradient of the loss, and says so.

Two ways to do it (Pascanu et al. 2013, sec. 3.2, speak of both; Graves 2013 clips what goes back at every step):

- `clipped_backward`: ∂L/∂(states) of every step is clipped before it goes on to the step before, so that what was cut
  off is missing at every earlier step too;
- `clipped_contributions`: BPTT is left alone, and what each step contributes to a weight's gradient is clipped before
  the sum.

Shapes: T steps, B samples, D inputs, H units. Time first, in the order of the sequence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine import bptt
from engine.clip_report import no_gradient, of_steps
from engine.clipping import Clipped, clipped_step
from engine.compared import Pair, compare, together
from engine.errors import DataError
from engine.figures import figure
from engine.layer_trace import LayerTrace
from engine.precision import arithmetic
from engine.spec import ClipSpec
from engine.spec_reading import shown

if TYPE_CHECKING:
    from engine.tracing import Trace

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class ClippedBackward:
    """A backward pass that was clipped at every step. Where `fired` is not all 0, nothing here is a gradient of L."""

    max_norm: float
    grads: Tensors
    """(T, B, H) each: what stands in the place of the total gradients of states, gates and pre-activations; that of the
    states after they were clipped."""
    initial_grads: Tensors
    """(B, H) each; not clipped, for there is no step before."""
    weight_grads: Tensors
    """By the keys of the layer's weights."""
    input_grad: Tensor
    """(T, B, D)."""
    norms: Tensor
    """(T, B) float64: of each step's ∂L/∂(states), all states together, before it was clipped (those of later steps
    having been clipped already)."""
    factors: Tensor
    """(T, B) float64: what they were multiplied with, 1 where nothing was clipped."""
    against: Mapping[str, Pair]
    """Each parameter's gradient (before) and what came out (after): norms, their ratio, and the cosine."""
    whole: Pair
    """The same, all parameters of the layer together."""

    def to_input(self) -> Tensor:
        """A copy of `input_grad`."""
        return self.input_grad.clone()

    @property
    def fired(self) -> Tensor:
        """(T,): how many samples were clipped at each step."""
        return (self.factors != 1.0).sum(1)

    @property
    def is_gradient(self) -> bool:
        """Whether it is still the gradient of the loss: where nothing was clipped."""
        return not bool(self.fired.any())

    @property
    def sentence(self) -> str:
        """What was clipped, at how many steps, and how far from the gradient that leads."""
        return of_steps(self.max_norm, [self.factors], self.whole)


def clipped_backward(layer: LayerTrace, max_norm: float, output_grads: Tensor | None = None) -> ClippedBackward:
    """BPTT over a layer's recorded values, each sample's ∂L/∂(states) clipped to max_norm at every step.

    `output_grads` (T, B, H) is what reaches h directly, the trace's own where it is missing; below a layer that was
    clipped too, that layer's `input_grad` has its part in it. Where nothing is clipped the numbers are those of BPTT
    step by step. A mean over the batch has made each sample's gradient 1/B as large. Raises DataError.
    """
    limit, layer = _limit(max_norm), _layer(layer)
    if output_grads is not None and not isinstance(output_grads, Tensor):
        raise DataError(f"output_grads is {shown(output_grads)}; a tensor (time, batch, hidden) is accepted.")
    direct = layer.output_grads if output_grads is None else output_grads
    if direct.shape != layer.output_grads.shape or direct.dtype != layer.output_grads.dtype:
        raise DataError(
            f"output_grads is {tuple(direct.shape)} of {direct.dtype}; "
            f"{tuple(layer.output_grads.shape)} of {layer.output_grads.dtype} is accepted."
        )
    with arithmetic(layer.x):
        clip = _Clip(layer.x.new_full((), limit, dtype=torch.float64), look=layer.x.device.type == "cpu")
        back = bptt.backward_stepwise(
            layer.recurrence, layer.values, layer.before, direct, layer.final_grads, clip, layer.cell_grads
        )
        norms, factors = back.noted["norms"], back.noted["factors"]
        if layer.mask is not None:  # what waits in the padding is no step
            norms, factors = norms.masked_fill(~layer.mask, 0.0), factors.masked_fill(~layer.mask, 1.0)
        grads, initial = back.grads, back.initial
        weight_grads = bptt.weight_grads(layer.recurrence, layer.values, grads, layer.x, layer.before["h"])
        input_grad = layer.rules.x_side(grads).flatten(-2) @ layer.weights["weight_ih"]
        against = compare(layer.weight_grads, weight_grads)
    whole = together(against)
    return ClippedBackward(limit, grads, initial, weight_grads, input_grad, norms, factors, against, whole)


@dataclass(frozen=True, eq=False)
class _Clip:
    """engine.bptt.Change."""

    limit: Tensor
    """(), float64."""
    look: bool
    """It sees first whether anything is above the limit, which on the CPU is quicker."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"limit": self.limit}

    def over(self, tensors: Tensors) -> _Clip:
        return _Clip(tensors["limit"], False)

    def __call__(self, d: Tensors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        done, norms, factors = clipped_step(d, self.limit, self.look)
        return done, {"norms": norms, "factors": factors}


def clipped_trace(trace: Trace, max_norm: float, *, report: bool = True) -> Clipped:
    """The parameter gradients of a trace whose backward pass is clipped at every step of every layer, by torch's full
    names, and the report on it against the true ones. In a stack the lower layers get less because the upper ones were
    clipped. What stands after the last layer keeps its gradients. `report` as in `engine.clipped`. Raises DataError for
    a trace from a file, which has lost what stands between its layers, if there are several."""
    if not hasattr(trace, "loss_grads") or not hasattr(trace, "layers"):
        raise DataError(f"trace is {shown(trace)}; a trace is accepted, as engine.trace makes it.")
    _limit(max_norm)
    made: dict[str, ClippedBackward]
    if len(trace.layers) == 1:
        made = {name: clipped_backward(layer, max_norm) for name, layer in trace.layers.items()}
        around = dict(trace.head_grads)
    elif trace.loss_grads is None or trace.first_step > 1 or trace.steps != trace.loss_grads.steps:
        raise DataError(
            "Clipping at every step of a stack takes a freshly computed trace, whole; engine.trace makes one (of a "
            "part of the sequence, where that is long)."
        )
    else:
        with arithmetic(trace.layer.x):
            gone = trace.loss_grads.down(
                trace.loss_grads.head.grads, lambda name, direct: clipped_backward(trace[name], max_norm, direct)
            )
        made, around = gone.layers, dict(trace.head_grads) | gone.parameter_grads
    grads = {f"{key}_{name}": grad for name, one in made.items() for key, grad in one.weight_grads.items()} | around
    before = trace.weight_grads
    clip = ClipSpec(kind="step", max_norm=_limit(max_norm))
    factors = {name: made[name].factors for name in trace.layers}
    found = Clipped(clip, before, {key: grads[key] for key in before}, factors)
    if report:
        found.report  # noqa: B018 (it keeps itself)
    return found


@dataclass(frozen=True, eq=False)
class ClippedContributions:
    """A weight's gradient from contributions that were clipped step by step: where one was, no longer a gradient."""

    name: str
    max_norm: float
    grad: Tensor
    """The sum of the clipped contributions, in the shape of the weight."""
    before: Tensor
    """(T,) float64: Frobenius norm of each step's contribution."""
    factors: Tensor
    """(T,) float64: what each was multiplied with, 1 where it was not clipped."""
    against: Pair
    """The weight's gradient (before) and `grad` (after): norms, their ratio, and the cosine."""

    @property
    def after(self) -> Tensor:
        """(T,) float64: the norms after clipping."""
        return torch.where(self.fired, self.before * self.factors, self.before)

    @property
    def fired(self) -> Tensor:
        """(T,) bool."""
        return self.factors != 1.0

    @property
    def is_gradient(self) -> bool:
        """Whether it is still the gradient of the loss: where nothing was clipped."""
        return not bool(self.fired.any())

    @property
    def sentence(self) -> str:
        """What was clipped, at how many steps, and how far from the gradient that leads."""
        limit = figure(self.max_norm)
        if self.is_gradient:
            return f"Nothing was clipped: no step contributes more than {limit} to ∂L/∂{self.name}."
        return (
            f"Clipped the contribution to ∂L/∂{self.name} to a norm of {limit} at {int(self.fired.sum()):,} of "
            f"{len(self.fired):,} steps. {no_gradient(self.against)}"
        )


def clipped_contributions(layer: LayerTrace, name: str, max_norm: float) -> ClippedContributions:
    """What each step contributes to `weight_grads[name]`, all samples of the batch together, clipped to max_norm before
    the steps are summed. Raises DataError."""
    limit, layer = _limit(max_norm), _layer(layer)
    norms = layer.weight_grad_share(name)
    with arithmetic(layer.x):
        factors = torch.where(norms > limit, limit / norms, 1.0)
        # A contribution is A_tᵀ Z_t: scaled with it, A_t scales it, and nothing of the size of T·G·H·H is formed.
        scaled = {key: _times(layer.grads[key], factors) for key in _sides(layer)}
        grad = bptt.weight_grads(layer.recurrence, layer.values, scaled, layer.x, layer.before["h"])[name]
        against = together(compare({name: layer.weight_grads[name]}, {name: grad}))
    return ClippedContributions(name, limit, grad, norms, factors, against)


def _sides(layer: LayerTrace) -> set[str]:
    """The gradients that the weights' are made of."""
    sums = {name for name in layer.values if name == "s" or name.startswith("s_")}
    return {*layer.rules.gate_names, *layer.rules.h_side_names, *sums}


def _times(grads: Tensor, factors: Tensor) -> Tensor:
    """(T, B, H) times (T,), rounded once; to the bit as it was where the factor is 1."""
    return (grads.double() * factors[:, None, None]).to(grads.dtype)


def _layer(layer: Any) -> LayerTrace:
    """The layer itself, or all steps of a long trace's. Raises DataError."""
    whole = getattr(layer, "whole", layer) if not isinstance(layer, LayerTrace) else layer
    if not isinstance(whole, LayerTrace):
        raise DataError(f"layer is {shown(layer)}; a layer of a trace is accepted, as trace['l0'].")
    return whole


def _limit(max_norm: float) -> float:
    if isinstance(max_norm, bool) or not isinstance(max_norm, (int, float)) or not 0 < max_norm < math.inf:
        raise DataError(f"max_norm is {shown(max_norm)}; a number above 0 is accepted.")
    return float(max_norm)
