"""One layer of a long trace: what needs no steps is there, what goes through all of them goes stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from engine import given
from engine.layer_trace import LayerTrace
from engine.long.flow import Progress
from engine.recurrence import Held, Recurrence
from engine.requests import Audit
from engine.routes import Steps, check_room, samples_of, steps_of
from engine.stack import Layer

if TYPE_CHECKING:
    from engine.bounds import PascanuBound, RecurrentBlock
    from engine.cells import Activation, Cell
    from engine.long.trace import LongTrace
    from engine.saturation import Saturation
    from engine.spec import CellKind

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LongLayer:
    """One layer, one direction, as `LayerTrace` has it. What is (T, B, H) is given as far as the budget reaches, and
    refused with its size beyond; `window` gives it for any stretch."""

    trace: LongTrace
    name: str

    @property
    def _layer(self) -> Layer:
        return self.trace.model.layers[self.name]

    @property
    def cell(self) -> CellKind:
        """ "rnn", "lstm" or "gru"."""
        return self._layer.cell

    @property
    def activation(self) -> Activation:
        """The vanilla RNN's squashing function; "tanh" of the others."""
        return self._layer.activation

    @property
    def weights(self) -> Tensors:
        """Snapshots, as in LayerTrace."""
        return MappingProxyType(self._layer.weights)

    @property
    def initial(self) -> Tensors:
        """{"h": (B, H)} and, for the LSTM, "c"."""
        return MappingProxyType(self._layer.initial)

    @property
    def initial_grads(self) -> Tensors:
        """(B, H) each: ∂L/∂(initial)."""
        model = self.trace.model
        return MappingProxyType(model.grads.before(self.name, model.stretches.count - 1 if self.reverse else 0))

    @property
    def final_grads(self) -> Tensors:
        """(B, H) each: what reaches the last states from outside, which in a long trace is nothing: 0."""
        return MappingProxyType({s: torch.zeros_like(state) for s, state in self.initial.items()})

    @property
    def weight_grads(self) -> Tensors:
        """What loss.backward() would leave in .grad. Summed over the stretches in float64."""
        return MappingProxyType(self.trace.sums.weight_grads[self.name])

    @property
    def norms(self) -> Tensors:
        """(T,) float64 each, by "values.f", "grads.a_f": Euclidean norm over the units, per sample, then the mean over
        the batch; NaN at a step that no sample has."""
        return MappingProxyType(self.trace.sums.norms[self.name])

    @property
    def reverse(self) -> bool:
        """Whether it runs from step T to step 1."""
        return self._layer.reverse

    @property
    def lengths(self) -> Tensor | None:
        """(B,) int64: steps of each sample; None: all T."""
        return self.trace.model.lengths

    @property
    def norm_eps(self) -> float:
        """ε of layer normalisation."""
        return self._layer.norm_eps

    @property
    def drop(self) -> Tensor | None:
        """(1, B, H): what h₋ was multiplied with before it met W_hh (recurrent dropout); None: nothing."""
        return self._layer.drop

    @property
    def held(self) -> Mapping[str, Held]:
        """Gates that were held at a value, as in LayerTrace."""
        return MappingProxyType(dict(self._layer.held))

    @property
    def cuts(self) -> frozenset[str]:
        """Routes that the gradient could not take."""
        return self._layer.cuts

    @property
    def rounded(self) -> None:
        """None: a long trace is computed in its own type throughout."""
        return

    @property
    def cell_grads(self) -> None:
        """None: nothing reaches an LSTM's c_t from outside."""
        return

    @property
    def steps(self) -> int:
        """T, of the whole sequence."""
        return self.trace.steps

    @property
    def longest(self) -> int:
        """Steps of the longest sample: behind them there is padding alone."""
        return self.steps if self.lengths is None else int(self.lengths.max())

    @property
    def batch_size(self) -> int:
        """B."""
        return self.initial["h"].shape[0]

    @property
    def hidden_size(self) -> int:
        """H, of this direction alone."""
        return self.initial["h"].shape[1]

    @property
    def recurrence(self) -> Recurrence:
        """How it goes from step to step."""
        return replace(self._layer.recurrence(self.steps, self.lengths), kernel=None)

    @property
    def rules(self) -> Cell:
        """The cell's equations."""
        return self.recurrence.rules

    @property
    def mask(self) -> Tensor | None:
        """(T, B) bool: where there is a step; None: everywhere."""
        found = self.recurrence.course.mask
        return None if found is None else found.squeeze(2)

    @property
    def whole(self) -> LayerTrace:
        """All steps as a LayerTrace. Raises DataError where that is more than the budget; so do the five below."""
        return self.trace.whole[self.name]

    @property
    def values(self) -> Tensors:
        """(T, B, H) each, by symbol, as in LayerTrace."""
        return self.whole.values

    @property
    def grads(self) -> Tensors:
        """(T, B, H) each: total ∂L/∂(value), by the keys of `values`."""
        return self.whole.grads

    @property
    def x(self) -> Tensor:
        """(T, B, D): what the layer was given."""
        return self.whole.x

    @property
    def output_grads(self) -> Tensor:
        """(T, B, H): e_t, the direct ∂L/∂h_t, without recurrence."""
        return self.whole.output_grads

    @property
    def input_grad(self) -> Tensor:
        """(T, B, D): ∂L/∂x as far as it comes through this layer and this direction alone; see
        `LayerTrace.input_grad`."""
        return self.whole.input_grad

    def __getattr__(self, name: str) -> Any:
        """What else a LayerTrace has (`route_shares`, `spectrum`, …), of all steps. Raises DataError where they are
        more than the budget."""
        if name.startswith("_") or not (hasattr(LayerTrace, name) or name in LayerTrace.__dataclass_fields__):
            raise AttributeError(f"A long trace's layer has no {name!r}.")
        return getattr(self.whole, name)

    def weight_grad_share(self, name: str) -> Tensor:
        """(T,) float64: Frobenius norm of what each step contributes to `weight_grads[name]`. The first time that any
        is asked for, all stretches are computed again. Raises DataError."""
        given.one_of("name", name, self.weights, "parameter of this layer")
        return self.trace.shares()[self.name][name]

    def window(self, t0: int, t1: int) -> LayerTrace:
        """Steps t0 … t1, from 1, both included, as an ordinary LayerTrace. Raises DataError."""
        return self.trace.window(t0, t1)[self.name]

    def jacobians(self, steps: Steps = None, sample: int | None = None) -> dict[str, Tensor]:
        """The step Jacobians by route and "total"; see engine.routes.jacobians. Only the stretches that these steps lie
        in are computed again. Raises DataError."""
        if steps is None:
            return self.whole.jacobians(None, sample)
        chosen, samples = steps_of(self, steps), samples_of(self, sample)
        check_room(self, len(chosen), samples.stop - samples.start)
        parts: list[dict[str, Tensor]] = []
        found: list[int] = []
        for some in self._together(sorted(set(chosen))):
            part = self.window(some[0], some[-1])
            parts.append(part.jacobians([t - some[0] + 1 for t in some], sample))
            found += some
        joined = parts[0] if len(parts) == 1 else {key: torch.cat([one[key] for one in parts]) for key in parts[0]}
        if found == chosen:
            return joined
        places = [found.index(t) for t in chosen]
        return {route: part[places] for route, part in joined.items()}

    def _together(self, steps: list[int]) -> Iterator[list[int]]:
        """Ascending steps, from 1, in groups that lie in one window of one stretch each."""
        stretches, most = self.trace.model.stretches, self.trace.longest_window
        group: list[int] = []
        for t in steps:
            if group and (stretches.of(t - 1) != stretches.of(group[0] - 1) or t - group[0] >= most):
                yield group
                group = []
            group.append(t)
        yield group

    def recurrent_blocks(self) -> dict[str, RecurrentBlock]:
        """Eigenvalues, spectral radius and largest singular value of each gate's block of W_hh; see engine.bounds."""
        from engine.bounds import recurrent_blocks

        return recurrent_blocks(self)

    def pascanu_bound(self) -> PascanuBound:
        """γ·σ_max(W_hh) beside the measured decay, for the vanilla RNN; see engine.bounds. Raises DataError."""
        from engine.bounds import pascanu_bound

        return pascanu_bound(self, self.norms["grads.h"])

    def saturation(self, progress: Progress | None = None) -> dict[str, Saturation]:
        """Shares of entries at the ends of each gate's range, and dead units; see engine.saturation. All stretches are
        computed again. Raises DataError."""
        from engine.saturation import saturation_of

        return saturation_of(self._stretches(progress), self.reverse)

    def _stretches(self, progress: Progress | None) -> Iterator[LayerTrace]:
        """Every stretch once more, in the layer's own order."""
        model = self.trace.model
        count = model.stretches.count
        for done, number in enumerate(range(count - 1, -1, -1) if self.reverse else range(count)):
            yield model.again(number).layers[self.name]
            if progress is not None:
                progress(done + 1, count)

    def audit(self, progress: Progress | None = None) -> Audit:
        """This layer's rows of `LongTrace.audit`. Raises DataError."""
        audit, own = self.trace.audit(progress), f"{self.name}."
        rows = (row for row in audit.rows if row.quantity.startswith(own))
        return Audit(tuple(replace(row, quantity=row.quantity.removeprefix(own)) for row in rows), audit.tolerance)
