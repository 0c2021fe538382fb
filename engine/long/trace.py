"""What is known of a long trace: of every step its norms, of every window everything."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import torch
from torch import Tensor

from engine import given
from engine.course import Course
from engine.errors import DataError
from engine.given import whole
from engine.layer_trace import LayerTrace
from engine.long.flow import Progress, SingleLoss
from engine.long.layer import LongLayer
from engine.long.room import bytes_shown
from engine.long.stretched import Stretched
from engine.long.sums import Sums
from engine.long.window import Window, audit_of
from engine.norms import mean_over_samples
from engine.precision import arithmetic
from engine.requests import Audit, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LongTrace:
    """As `Trace`, with every name that it has: `trace["l0"]`, `window`, `losses`, `weight_grads`, `flow_row`,
    `flow_matrix`, `verdict`, `audit`, …

    What needs all steps at once is there as far as the budget reaches, and is refused with its size beyond. Truncated
    BPTT and clipping at every step of a stack take an `engine.trace`, of a part of the sequence, say.
    """

    model: Stretched
    sums: Sums

    @property
    def layers(self) -> Mapping[str, LongLayer]:
        """By torch's suffixes, from the input on."""
        return MappingProxyType({name: LongLayer(self, name) for name in self.model.layers})

    @property
    def losses(self) -> Tensor:
        """(T,)."""
        return self.model.losses

    @property
    def loss(self) -> Tensor:
        """(): the sum of the losses, what BPTT ran on; added up in float64."""
        with arithmetic(self.losses):
            return self.losses.double().sum().to(self.losses)

    @property
    def head_grads(self) -> Tensors:
        """Gradients of what stands around the layers, by parameter name."""
        return MappingProxyType(self.sums.head_grads)

    def __getitem__(self, name: str) -> LongLayer:
        return LongLayer(self, self._name(name))

    def __contains__(self, name: object) -> bool:
        """Whether it has a layer of that name."""
        return name in self.model.layers

    def __iter__(self) -> Iterator[str]:
        """The names of its layers."""
        return iter(self.model.layers)

    @property
    def layer(self) -> LongLayer:
        """The last recurrent layer, the one that the loss reads."""
        return LongLayer(self, self._name(None))

    @property
    def last_level(self) -> dict[str, LongLayer]:
        """The last recurrent layer's directions, by name."""
        return {one.name: LongLayer(self, one.name) for one in self.model.levels[-1].layers}

    @property
    def steps(self) -> int:
        """T, of the whole sequence."""
        return self.model.stretches.steps

    @property
    def batch_size(self) -> int:
        """B."""
        return self.layer.batch_size

    @property
    def weight_grads(self) -> dict[str, Tensor]:
        """Every parameter's gradient by torch's full name: "weight_hh_l0", and the head's."""
        found = {f"{name}_{key}": g for key, layer in self.layers.items() for name, g in layer.weight_grads.items()}
        return found | dict(self.head_grads)

    @property
    def longest_window(self) -> int:
        """So many steps can be looked at at once within the budget."""
        return self.model.room.window_steps

    def window(self, t0: int, t1: int) -> Window:
        """Steps t0 … t1, from 1, both included: an ordinary `Trace`, computed again from the nearest checkpoints.

        The same steps have the same bits in every window. Raises DataError where it is longer than the budget allows,
        and where x or the loss are no longer what they were.
        """
        t0, t1 = whole("t0", t0), whole("t1", t1)
        if not 1 <= t0 <= t1 <= self.steps:
            raise DataError(f"The window {t0} … {t1} is outside the trace; steps 1 to {self.steps} are recorded.")
        if "whole" in vars(self):
            return self.whole.window(t0, t1)
        if t1 - t0 + 1 > self.longest_window:
            raise DataError(
                f"The window {t0} … {t1} takes {self._beyond(t1 - t0 + 1)}; {self.longest_window:,} steps can be "
                "looked at at once."
            )
        return Window.of(self, t0, t1)

    def _beyond(self, steps: int) -> str:
        """The size of so many steps, and what there is for them."""
        room = self.model.room
        return (
            f"{bytes_shown(steps * room.record)}, and beside what the trace holds and works with there are "
            f"{bytes_shown(room.for_windows)} of the budget of {bytes_shown(room.budget)}"
        )

    @cached_property
    def whole(self) -> Window:
        """All steps, where they are within the budget; computed once, and then kept. Raises DataError with the size
        where they are not."""
        if self.steps > self.longest_window:
            raise DataError(
                f"All {self.steps:,} steps take {self._beyond(self.steps)}; trace.window(t0, t1) gives up to "
                f"{self.longest_window:,} of them at once."
            )
        return self.window(1, self.steps)

    @property
    def outputs(self) -> Tensor:
        """(T, B, W). Raises DataError where all steps are more than the budget."""
        return self.whole.outputs

    @property
    def input_grad(self) -> Tensor:
        """(T, B, D): the total ∂L/∂x; see `Trace.input_grad`. Raises DataError where all steps are more than the
        budget."""
        return self.whole.input_grad

    @property
    def past_grad(self) -> Tensor | None:
        """(T, B, D): see `Trace.past_grad`. Raises DataError where all steps are more than the budget."""
        return self.whole.past_grad

    def numpy(self) -> dict[str, NDArray[np.floating]]:
        """Everything as read-only arrays. Raises DataError where that is more than the budget."""
        return self.whole.numpy()

    def flow_row(self, loss: int = -1, layer: str | None = None, progress: Progress | None = None) -> Tensor:
        """(T,) float64: N[s, k] = ‖∂L_s/∂h_k‖ of one loss, counted from 0 or from the end; see `Trace.flow_row`.

        Found by running back from that loss alone, stretch by stretch, until nothing is left of it. Where layers run in
        both directions there is no such end: a row then costs about as much as the way back of the whole trace, for
        each level from the last to this one. Raises DataError.
        """
        return self.single_loss(loss).row(self._name(layer), slice(0, self.steps), progress)

    def flow_matrix(
        self,
        layer: str = "l0",
        losses: Any = None,
        steps: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """(losses, steps) float64: N[s, k] = ‖∂L_s/∂h_k‖ of one layer; see `Trace.flow_matrix`. Of a long trace some of
        both have to be chosen: losses=range(70_000, 70_200), steps=(69_801, 70_200). Raises DataError."""
        from engine.long.matrix import long_flow_norms

        first, last = (1, self.steps) if steps is None else given.stretch("steps", steps, self.steps)
        numbers = given.numbers("losses", losses, self.steps)
        return long_flow_norms(self, self._name(layer), numbers, slice(first - 1, last), progress)

    def truncated(self, k1: int, k2: int) -> NoReturn:
        """Raises DataError: truncated BPTT goes through all steps of a trace."""
        raise DataError(
            f"Truncated BPTT (k1={k1}, k2={k2}) takes all steps of a trace, and a long trace keeps checkpoints; "
            "engine.trace(model, x[t0:t1], loss=…).truncated(k1, k2) has it for a part of the sequence."
        )

    @property
    def loss_grads(self) -> None:
        """None, as for a window from a file: the graphs of the single losses are not kept; `flow_row`, `flow_matrix`
        and `flow_gradient` ask for them stretch by stretch."""
        return

    @property
    def first_step(self) -> int:
        """1; in a window, t of its first step."""
        return 1

    def flow_gradient(self, loss: int = -1, layer: str | None = None) -> Tensor:
        """(T, B, H): see `Trace.flow_gradient`. Raises DataError where all steps are more than the budget."""
        return self.whole.flow_gradient(loss, layer)

    def verdict(self, layer: str | None = None, progress: Progress | None = None) -> Verdict:
        """Vanishing, healthy or exploding; see `Trace.verdict`. It costs what `flow_row` does. Raises DataError."""
        from engine.dtypes import smallest_normal
        from engine.verdict import verdict

        steps = slice(0, self.steps)
        norms = self.single_loss(self.judged).norms(self._name(layer), steps, progress)
        lengths = self.model.lengths_of(steps)
        mask = Course(self.steps, False, lengths).mask
        row = mean_over_samples(norms, None if mask is None else mask.squeeze(2))
        normal = smallest_normal(str(self.model.like.dtype).removeprefix("torch."))
        return verdict(row.cpu().numpy(), None if lengths is None else int(lengths.max()), normal)

    @cached_property
    def judged(self) -> int:
        """The number, from 0, of the last loss that reads anything: the one that the verdict rests on. Stretches are
        computed again from the last one back until it is found."""
        model = self.model
        for number in range(model.stretches.count - 1, -1, -1):
            own = model.stretches.cut(number)
            with arithmetic(model.like):
                direct = model.head_of(number, model.ahead(number)[-1]).grads[0]  # each loss is of its own step alone
                read = Course(len(direct), False, model.lengths_of(own)).zeroed(direct).ne(0).flatten(1).any(1)
            if bool(read.any()):
                return int(own.start) + int(read.nonzero().max())
        return self.steps - 1

    def single_loss(self, loss: int) -> SingleLoss:
        """What one loss sends back. Raises DataError."""
        return SingleLoss(self.model, self._number(loss), self.finite_below)

    def finite_below(self, step: int) -> bool:
        """Whether every value before this step (from 0) is a number."""
        lengths = self.model.lengths
        stop = step if lengths is None else min(step, int(lengths.max()))  # beyond, no sample has a step
        rows = (row for norms in self.sums.norms.values() for key, row in norms.items() if key.startswith("values."))
        return all(bool(row[:stop].isfinite().all()) for row in rows)

    def _number(self, loss: int) -> int:
        """Counted from 0. Raises DataError."""
        if not -self.steps <= whole("loss", loss) < self.steps:
            raise DataError(f"There is no loss {loss}; this trace has {self.steps}, counted from 0.")
        return whole("loss", loss) % self.steps

    def _name(self, layer: str | None) -> str:
        if layer is None:
            return self.model.levels[-1].layers[0].name
        return given.one_of("layer", layer, self.model.layers, "layer of this trace")

    def shares(self, progress: Progress | None = None) -> Mapping[str, Tensors]:
        """`weight_grad_share` of every parameter by layer, (T,) each; computed once, and then kept."""
        if not self.sums.shares:
            found: dict[str, dict[str, Tensor]] = {}
            for steps, layers in self._all(progress):
                for name, layer in layers.items():
                    for key in layer.weights:
                        row = found.setdefault(name, {}).setdefault(
                            key, torch.empty(self.steps, dtype=torch.float64, device="cpu")
                        )
                        row[steps] = layer.weight_grad_share(key).cpu()
            self.sums.shares.update(found)
        return self.sums.shares

    def _all(self, progress: Progress | None) -> Iterator[tuple[slice, dict[str, LayerTrace]]]:
        """Every stretch once more."""
        for number in range(self.model.stretches.count):
            yield self.model.stretches.cut(number), self.model.again(number).layers
            if progress is not None:
                progress(number + 1, self.model.stretches.count)

    def audit(self, progress: Progress | None = None) -> Audit:
        """Error against autograd, per quantity, of every stretch, and of the sums over all of them. It takes some ten
        times as long as the trace; `trace.window(t0, t1).audit()` looks at one place. Raises DataError."""
        return audit_of(self, progress)

    def __reduce__(self) -> NoReturn:
        """Raises DataError: what a stretch is computed from is not all data."""
        raise DataError(
            "A long trace cannot be pickled, for it computes its stretches again with the loss, a function; its "
            f"windows can, trace.window(t0, t1), of up to {self.longest_window:,} steps."
        )

    def __copy__(self) -> LongTrace:
        return LongTrace(self.model, self.sums)

    def __deepcopy__(self, memo: dict[int, Any]) -> LongTrace:
        return LongTrace(copy.deepcopy(self.model, memo), copy.deepcopy(self.sums, memo))

    def save(self, path: str | Path) -> NoReturn:
        """Raises DataError: a long trace is never there as a whole."""
        raise DataError(
            f"A long trace cannot be saved as a whole; trace.window(t0, t1).save(path) saves up to "
            f"{self.longest_window:,} steps."
        )
