"""What is recorded of one recurrent layer: every value and every total gradient, self-contained and immutable.

Shapes: T steps, B samples, D inputs, H units, G row blocks of the weights. Time first, in the order of the sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine import bptt, layer_parts
from engine.cells import Activation, Cell, Norm, cell_of
from engine.course import Course
from engine.errors import DataError
from engine.given import one_of, whole
from engine.norms import norm
from engine.precision import arithmetic
from engine.quantities import GATES
from engine.recurrence import Held, Recurrence
from engine.shares import share_norms
from engine.spec import CellKind

if TYPE_CHECKING:
    from engine.bounds import PascanuBound, RecurrentBlock
    from engine.requests import Audit
    from engine.route_products import Product
    from engine.route_shares import RouteShares
    from engine.routes import Routes, Steps
    from engine.saturation import Saturation
    from engine.spectra import Lyapunov, Spectrum

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer, one direction. Made by `engine.trace`; from plain tensors by `LayerTrace.from_parts`."""

    cell: CellKind
    activation: Activation
    x: Tensor
    """(T, B, D): what the layer was given."""
    weights: Tensors
    """Snapshots of "weight_ih" (G·H, D), "weight_hh" (G·H, H) and, where the layer has them, "bias_ih", "bias_hh", and
    γ and β of layer normalisation, "norm_weight", "norm_bias" (G·H)."""
    initial: Tensors
    """{"h": (B, H)} and, for the LSTM, "c": the states before the first step (for the reverse direction, after T)."""
    values: Tensors
    """(T, B, H) each, by symbol (engine.quantities): "f", "a_f". "h" and "c" are AFTER step t."""
    output_grads: Tensor
    """(T, B, H): e_t, the direct ∂L/∂h_t, without recurrence."""
    final_grads: Tensors
    """(B, H) each: what reaches the last states from outside: a loss on h_n or c_n; in a window, later steps."""
    grads: Tensors
    """(T, B, H) each: TOTAL ∂L/∂(value), every path counted; the keys of `values`."""
    initial_grads: Tensors
    """(B, H) each: ∂L/∂(initial). In a window: as far as it comes through the steps of the window."""
    reverse: bool = False
    """It runs from step T to step 1. All arrays are in the order of the sequence all the same."""
    lengths: Tensor | None = None
    """(B,) int64: steps of each sample; what is beyond is padding, where values and gradients are 0. None: all T."""
    norm_eps: float = 1e-5
    """ε of layer normalisation."""
    drop: Tensor | None = None
    """(T or 1, B, H): what h₋ was multiplied with before it met W_hh (recurrent dropout)."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """Gates that were held at a value."""
    cuts: frozenset[str] = frozenset()
    """Routes that the gradient could not take: then `grads` are no gradients of the loss."""
    rounded: torch.dtype | None = None
    """What sums and gates were rounded to before the states were made of them, where that is narrower than the type of
    the trace (engine.autocast); None: to nothing. The gradients are those at the values as they were."""
    cell_grads: Tensor | None = None
    """(T, B, H): of an LSTM, what reaches each c_t from outside, besides through h_t and c_{t+1}: in a recorded loop of
    an nn.LSTMCell a loss may read every c_t. None: nothing but what is in `final_grads`."""

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the fields alone, with all that would come later. What follows from them follows."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: dict(part) if isinstance(part, MappingProxyType) else part for name, part in state.items()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, part in state.items():
            object.__setattr__(self, name, part)
        self.__post_init__()

    def __post_init__(self) -> None:
        # Views of the mappings: what comes later (engine.later) stays where it is.
        for part in ("weights", "initial", "values", "final_grads", "grads", "initial_grads", "held"):
            object.__setattr__(self, part, MappingProxyType(getattr(self, part)))

    @classmethod
    def from_parts(
        cls,
        cell: CellKind,
        activation: Activation,
        x: Tensor,
        weights: Tensors,
        initial: Tensors,
        values: Tensors,
        output_grads: Tensor,
        final_grads: Tensors | None = None,
        **kind: Any,
    ) -> LayerTrace:
        """From plain tensors, as they come out of a file. They are taken as they are, without a copy.

        Needed are x, the weights, the initial states, every value and `output_grads`. `final_grads` is zero where it
        is missing. `kind`: reverse, lengths, norm_eps, drop, held, cuts, rounded, cell_grads, grads, initial_grads, as
        in the fields. Where one of the last two is missing, BPTT computes both; where both are given they are kept as
        given, and `audit()` tells whether they are right. Parameter gradients, shares and the input's gradient always
        follow from the rest. Raises DataError where a part is missing or has the wrong shape or type.
        """
        grads, initial_grads = kind.pop("grads", None), kind.pop("initial_grads", None)
        rules = layer_parts.checked_rules(cell, activation)
        symbols, names = layer_parts.symbols_of(cell, weights), rules.state_names
        layer_parts.check_layer(rules, x, weights)
        T, B, H = len(x), x.shape[1], weights["weight_hh"].shape[1]
        layer_parts.check_all("initial", initial, names, (B, H), x)
        layer_parts.check_all("values", values, symbols, (T, B, H), x)
        layer_parts.check_all("output_grads", {"h": output_grads}, ["h"], (T, B, H), x)
        if final_grads is None:
            final_grads = {s: torch.zeros_like(initial[s]) for s in names}
        layer_parts.check_all("final_grads", final_grads, names, (B, H), x)
        layer_parts.check_kind(cell, kind, (T, B, H), x)
        cell_grads = kind.get("cell_grads")
        layer = cls(cell, activation, x, weights, initial, values, output_grads, final_grads, {}, {}, **kind)
        if grads is not None and initial_grads is not None:
            layer_parts.check_all("grads", grads, symbols, (T, B, H), x)
            layer_parts.check_all("initial_grads", initial_grads, names, (B, H), x)
        else:
            with arithmetic(x):
                back = bptt.backward(layer.recurrence, values, initial, output_grads, final_grads, cell_grads)
            grads, initial_grads = back.grads, back.initial
        return replace(layer, grads=grads, initial_grads=initial_grads)

    @property
    def rules(self) -> Cell:
        """The cell's equations."""
        return self.recurrence.rules

    @cached_property
    def recurrence(self) -> Recurrence:
        """How it goes from step to step."""
        rules = rules_of(self.cell, self.activation, self.weights, self.norm_eps)
        course = Course(self.steps, self.reverse, self.lengths)
        return Recurrence(self.cell, rules, self.weights, course, None, self.drop, self.held, self.cuts)

    @property
    def mask(self) -> Tensor | None:
        """(T, B) bool: where there is a step; None: everywhere."""
        found = self.recurrence.course.mask
        return None if found is None else found.squeeze(2)

    @property
    def longest(self) -> int:
        """Steps of the longest sample: behind them there is padding alone."""
        return self.steps if self.lengths is None else int(self.lengths.max())

    @property
    def steps(self) -> int:
        """T; in a window, its own."""
        return len(self.x)

    @property
    def batch_size(self) -> int:
        """B."""
        return self.x.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, of this direction alone."""
        return self.weights["weight_hh"].shape[1]

    @cached_property
    def before(self) -> Tensors:
        """(T, B, H) each: the states that each step starts from."""
        return MappingProxyType(self.recurrence.before(self.values, self.initial))

    def starting_from(self, before: Tensors) -> LayerTrace:
        """Itself, told `before`, which it would else put together when asked for it."""
        self.__dict__["before"] = MappingProxyType(before)
        return self

    @cached_property
    def weight_grads(self) -> Tensors:
        """What loss.backward() would leave in .grad, by the keys of `weights`. In a window: its own steps' part."""
        with arithmetic(self.x):
            known = vars(self).get("before")  # what is made for this alone is not kept
            before = self.recurrence.before(self.values, self.initial) if known is None else known
            found = bptt.weight_grads(self.recurrence, self.values, self.grads, self.x, before["h"])
            return MappingProxyType(found)

    @cached_property
    def passing(self) -> Tensors:
        """The gradients of pre-activations and states as far as they go on to the step before: all, unless truncation
        stops some."""
        return self.grads

    @cached_property
    def input_grad(self) -> Tensor:
        """(T, B, D): ∂L/∂x as far as it comes through this layer and this direction alone; `Trace.input_grad` is all
        of it."""
        return self.to_input()

    def to_input(self) -> Tensor:
        """The same, in an array that nobody else holds."""
        with arithmetic(self.x):
            return self.rules.x_side(self.grads).flatten(-2) @ self.weights["weight_ih"]

    def weight_grad_share(self, name: str) -> Tensor:
        """(T,) float64: Frobenius norm of what each step contributes to `weight_grads[name]`. Raises DataError."""
        one_of("name", name, self.weights, "parameter of this layer")
        with arithmetic(self.x):
            if name.startswith("norm"):
                return norm(self.recurrence.norm_terms(self.values, self.grads)[name].sum(1), dim=1)
            side = (self.rules.x_side if name.endswith("_ih") else self.rules.h_side)(self.grads).flatten(-2)
            if name.startswith("bias"):
                return share_norms(side, torch.ones_like(side[..., :1]))
            return share_norms(side, self.x if name == "weight_ih" else self.recurrence.dropped(self.before["h"]))

    def window(self, t0: int, t1: int) -> LayerTrace:
        """Steps t0 … t1, from 1, both included, as a trace of its own. Raises DataError."""
        t0, t1 = whole("t0", t0), whole("t1", t1)
        if not 1 <= t0 <= t1 <= self.steps:
            raise DataError(f"The window {t0} … {t1} is outside the trace; steps 1 to {self.steps} are recorded.")
        stretch = slice(t0 - 1, t1)

        def cut(arrays: Tensors) -> Tensors:
            return {name: array[stretch] for name, array in arrays.items()}

        part = self.recurrence.part(t0 - 1, t1)
        first, last = (t1, t0) if self.reverse else (t0, t1)  # of the layer's own way through the window
        with arithmetic(self.x):
            final, start = self._arriving(last, part.course), self._leaving(first)
        return replace(
            self,
            x=self.x[stretch],
            initial=self._starting(first),
            values=cut(self.values),
            output_grads=self.output_grads[stretch],
            final_grads=final,
            grads=cut(self.grads),
            initial_grads=start,
            lengths=part.course.lengths,
            drop=part.drop,
            held=part.held,
            cell_grads=None if self.cell_grads is None else self.cell_grads[stretch],
        )

    def _starting(self, t: int) -> Tensors:
        """The states before step t. In a window that a sample does not reach, or starts within: its initial ones."""
        found = {s: self.before[s][t - 1] for s in self.rules.state_names}
        if self.lengths is None or not self.reverse:
            return found
        within = (self.lengths > t)[:, None]
        return {s: torch.where(within, found[s], self.initial[s]) for s in found}

    def _leaving(self, t: int) -> Tensors:
        """What step t hands back to the states before it."""
        if t == (self.steps if self.reverse else 1):
            return self.initial_grads
        found = self._handed_back(t - 1)
        if self.lengths is None or not self.reverse:
            return found
        within = (self.lengths > t)[:, None]
        return {s: torch.where(within, found[s], self.initial_grads[s]) for s in found}

    def _arriving(self, t: int, course: Course) -> Tensors:
        """What comes back to the states after step t: from the next step, or from outside where a sample ends here."""
        if t == (1 if self.reverse else self.steps):
            return self.final_grads
        found = self._handed_back(t - 2 if self.reverse else t)
        if self.lengths is None:
            return found
        if self.reverse:  # a sample without a step in the window hands on what reaches its initial state
            outside = (self.lengths < t)[:, None]
            return {s: torch.where(outside, self.initial_grads[s], found[s]) for s in found}
        ends = ((self.lengths <= t) & (self.lengths > t - course.steps))[:, None]
        return {s: torch.where(ends, self.final_grads[s], found[s]) for s in found}

    def _handed_back(self, index: int) -> Tensors:
        """What step `index` (from 0) hands back to the states before it."""
        step = {name: grad[index] for name, grad in self.grads.items()}
        values = {name: value[index] for name, value in self.values.items()}
        return self.recurrence.handed_back(values, step, index)

    def jacobians(self, steps: Steps = None, sample: int | None = None) -> dict[str, Tensor]:
        """The step Jacobians by route and "total": {route: (T, B, S, S)}; see engine.routes.jacobians."""
        from engine.routes import jacobians

        return jacobians(self, steps, sample)

    def route_shares(self, sample: int | None = None) -> RouteShares:
        """How much of the gradient that passes from t to t − 1 each route carries; see engine.route_shares."""
        from engine.route_shares import route_shares

        return route_shares(self, sample)

    def carried(self, routes: Routes = None, start: int | None = None, sample: int | None = None) -> dict[str, Tensor]:
        """log₁₀ norms of one step's gradients taken back on some routes alone; see engine.route_products.carried."""
        from engine.route_products import carried

        return carried(self, routes, start, sample)

    def product(self, t1: int, t0: int, sample: int = 0, routes: Routes = None) -> Product:
        """J_{t1} … J_{t0+1}, out of any type's range; see engine.route_products.product."""
        from engine.route_products import product

        return product(self, t1, t0, sample, routes)

    def forget_gate_product(self, sample: int | None = None) -> Tensor:
        """(T, B, H): logarithm of the product of the forget gates; see engine.route_products."""
        from engine.route_products import forget_gate_product

        return forget_gate_product(self, sample)

    def spectrum(self, sample: int = 0, steps: Iterable[int] | None = None) -> Spectrum:
        """Singular values of each step's Jacobian and of the running product back from T; see engine.spectra."""
        from engine.spectra import spectrum

        return spectrum(self, sample, steps)

    def lyapunov(self, sample: int = 0) -> Lyapunov:
        """The mean growth along the sequence; see engine.spectra.lyapunov."""
        from engine.spectra import lyapunov

        return lyapunov(self, sample)

    def recurrent_blocks(self) -> dict[str, RecurrentBlock]:
        """Eigenvalues, spectral radius and largest singular value of each gate's block of W_hh; see engine.bounds."""
        from engine.bounds import recurrent_blocks

        return recurrent_blocks(self)

    def pascanu_bound(self) -> PascanuBound:
        """γ·σ_max(W_hh) beside the measured decay, for the vanilla RNN; see engine.bounds. Raises DataError."""
        from engine.bounds import pascanu_bound

        return pascanu_bound(self)

    def saturation(self) -> dict[str, Saturation]:
        """Shares of entries at the ends of each gate's range, and dead units; see engine.saturation."""
        from engine.saturation import saturation

        return saturation(self)

    def audit(self) -> Audit:
        """Error against autograd, quantity by quantity, computed afresh (engine.audit)."""
        from engine.audit import audit_layer

        return audit_layer(self)


def rules_of(cell: CellKind, activation: Activation, weights: Tensors, norm_eps: float = 1e-5) -> Cell:
    """The equations of a layer with these weights; with a norm where they have γ and β. Raises DataError."""
    if "norm_weight" not in weights:
        return cell_of(cell, activation)
    gamma, beta = (weights[name].view(len(GATES[cell]), -1) for name in ("norm_weight", "norm_bias"))
    return cell_of(cell, activation, Norm(gamma, beta, norm_eps))
