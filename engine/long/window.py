"""A window of a long trace: put together from the stretches that it lies in, and audited a few steps at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from engine import given
from engine.audit import audit_trace
from engine.flow import LossGradients
from engine.given import whole
from engine.layer_trace import LayerTrace
from engine.long.sums import add
from engine.measure import worst_step
from engine.precision import arithmetic
from engine.quantities import GATES
from engine.requests import Audit, AuditRow
from engine.stack import Layer, Ran
from engine.step_pieces import Read
from engine.tracing import Trace

if TYPE_CHECKING:
    from engine.long.flow import Progress
    from engine.long.stretched import Stretched, Tensors
    from engine.long.trace import LongTrace


@dataclass(frozen=True, eq=False)
class Window(Trace):
    """An ordinary trace, which asks the long one for what reaches beyond it."""

    origin: LongTrace | None = None

    @classmethod
    def of(cls, origin: LongTrace, t0: int, t1: int) -> Window:
        """Steps t0 … t1, from 1."""
        steps = slice(t0 - 1, t1)
        layers, outputs, past = _assembled(origin.model, steps)
        losses = origin.losses[steps].clone()
        return cls(
            layers, outputs, losses, origin.head_grads, origin.loss, first_step=t0, past_grad=past, origin=origin
        )

    @property
    def _long(self) -> LongTrace:
        assert self.origin is not None
        return self.origin

    def window(self, t0: int, t1: int) -> Window:
        """See `Trace.window`."""
        part = super().window(t0, t1)
        assert isinstance(part, Window)
        return part

    def flow_row(self, loss: int = -1, layer: str | None = None) -> Tensor:
        """(n,): see `Trace.flow_row`. The losses are those of the long trace, from wherever they come."""
        return self._long.single_loss(whole("loss", loss)).row(self._name(layer), self._own_steps)

    def flow_gradient(self, loss: int = -1, layer: str | None = None) -> Tensor:
        """(n, B, H): see `Trace.flow_gradient`."""
        return self._long.single_loss(whole("loss", loss)).gradient(self._name(layer), self._own_steps)

    def flow_matrix(self, layer: str = "l0", losses: Any = None, steps: tuple[int, int] | None = None) -> Tensor:
        """(losses, steps): see `Trace.flow_matrix`. The losses are those of the long trace."""
        first, last = (1, self.steps) if steps is None else given.stretch("steps", steps, self.steps)
        at = self.first_step - 1
        return self._long.flow_matrix(layer, losses, (at + first, at + last))

    def _judged(self) -> int:
        return self._long.judged

    def audit(self) -> Audit:
        """See `Trace.audit`. So many steps at a time as the budget has room for."""
        model = self._long.model
        audits = []
        for first in range(0, self.steps, model.room.audit_steps):
            stop = min(first + model.room.audit_steps, self.steps)
            part = self.window(first + 1, stop)
            losses = WindowLosses(part, model)
            plain = {one.name: getattr(part, one.name) for one in fields(Trace)} | {"loss_grads": losses}
            audits.append((first, audit_trace(Trace(**plain))))
        return joined(audits)


class WindowLosses(LossGradients):
    """Single losses of a window's own steps, with what stands after and between the layers computed afresh from what is
    recorded. They know of nothing beyond the window: where all layers run forward, nothing is missing."""

    def __init__(self, part: Trace, model: Stretched) -> None:
        levels, read = list[Ran](), Read(())
        with arithmetic(model.like):
            for level in model.levels:
                layers = [part.layers[one.name] for one in level.layers]
                enter = level.enter if levels else None  # x is not kept, but what the first level made of it
                levels.append(Ran(tuple(one.name for one in level.layers), enter, read, level.parameters))
                read = Read(tuple(layer.values["h"] for layer in layers), (layers[0].x,))
            steps = slice(part.first_step - 1, part.first_step - 1 + part.steps)
            head = model.run_head(steps, read() if model.reads_stream else read()[:1])
            self._loss = model.losses.double().sum().to(model.losses)
        super().__init__(part.layers, levels, head)

    @property
    def many(self) -> bool:
        """A window of one step has a single loss, but its layers' gradients are those of all."""
        return True

    def again(self) -> dict[str, Tensor]:
        """For the audit: of the window's own steps; and the loss of all."""
        return super().again() | {"loss": self._loss}

    @property
    def of_all_steps(self) -> bool:
        return False


def joined(audits: Iterable[tuple[int, Audit]]) -> Audit:
    """One audit of many: of every quantity the worst. With each, the number of steps that are before it."""
    worst: dict[str, AuditRow] = {}
    tolerance, gradients, finite = 0.0, 0, 0
    for first, audit in audits:
        tolerance = audit.tolerance
        gradients, finite = gradients + audit.gradients, finite + audit.finite
        for row in audit.rows:
            row = replace(row, step=row.step + first if row.step else 0)
            if row.quantity not in worst or row.error > worst[row.quantity].error:
                worst[row.quantity] = row
    return Audit(tuple(worst.values()), tolerance, gradients, finite)


def audit_of(trace: LongTrace, progress: Progress | None = None) -> Audit:
    """Every stretch, as a window of its own, and the sums over all of them."""
    model = trace.model
    audits: list[tuple[int, Audit]] = []
    sums: dict[str, dict[str, Tensor]] = {}
    for number in range(model.stretches.count):
        own = model.stretches.cut(number)
        window = Window.of(trace, own.start + 1, own.stop)
        for name, layer in window.layers.items():
            add(sums.setdefault(name, {}), layer.weight_grads)
        audits = [(0, joined([*audits, (own.start, window.audit())]))]
        if progress is not None:
            progress(number + 1, model.stretches.count)
    whole_sums = [
        _sum_row(f"{name}.weight_grads.{key}", ours, sums[name][key], len(GATES[layer.cell]))
        for name, layer in trace.layers.items()
        for key, ours in layer.weight_grads.items()
    ]
    return joined([*audits, (0, Audit(tuple(whole_sums), audits[0][1].tolerance))])


def _sum_row(quantity: str, ours: Tensor, found: Tensor, blocks: int) -> AuditRow:
    """The worst of a parameter's row blocks."""
    expected = found.to(ours).reshape(blocks, -1)
    return AuditRow(quantity, worst_step(ours.reshape(blocks, -1), expected)[0], 0)


def _assembled(model: Stretched, steps: slice) -> tuple[dict[str, LayerTrace], Tensor, Tensor | None]:
    """Every layer's trace of these steps, the outputs, and what comes past the first level, in arrays that hold nothing
    else."""
    layers = {name: _Parts(model, layer, steps) for name, layer in model.layers.items()}
    around = _Rows(steps.stop - steps.start)
    for number in range(model.stretches.of(steps.start), model.stretches.of(steps.stop - 1) + 1):
        own = model.stretches.cut(number)
        first, stop = max(steps.start, own.start) - own.start, min(steps.stop, own.stop) - own.start
        again = model.again(number)
        around.add("outputs", again.head.outputs[first:stop])
        if again.past is not None:
            around.add("past", again.past[first:stop])
        for name, trace in again.layers.items():
            layers[name].add(trace if stop - first == trace.steps else trace.window(first + 1, stop))
    made = {name: parts.finish() for name, parts in layers.items()}
    return made, around.arrays["outputs"], around.arrays.get("past")


class _Rows:
    """Arrays that are filled from the first step on."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.arrays: dict[str, Tensor] = {}
        self._filled: dict[str, int] = {}

    def add(self, name: str, part: Tensor) -> None:
        at = self._filled.get(name, 0)
        if name not in self.arrays:
            self.arrays[name] = part.new_empty(self._steps, *part.shape[1:])
        self.arrays[name][at : at + len(part)] = part
        self._filled[name] = at + len(part)


class _Parts:
    """One layer's window while its parts come in, from the first step on."""

    def __init__(self, model: Stretched, layer: Layer, steps: slice) -> None:
        self._layer = layer
        self._cut = layer.recurrence(model.stretches.steps, model.lengths).part(steps.start, steps.stop)
        n = steps.stop - steps.start
        self._rows, self._values, self._grads = _Rows(n), _Rows(n), _Rows(n)
        self._ends: list[tuple[Tensors, Tensors, Tensors]] = []
        """Of each part: the states it starts from, what comes back to its last ones, and what it hands back."""

    def add(self, part: LayerTrace) -> None:
        self._rows.add("x", part.x)
        self._rows.add("output_grads", part.output_grads)
        for symbol, value in part.values.items():
            self._values.add(symbol, value)
            self._grads.add(symbol, part.grads[symbol])
        ends = (part.initial, part.final_grads, part.initial_grads)
        copies = tuple({s: state.clone() for s, state in one.items()} for one in ends)
        self._ends.append(copies)  # type: ignore[arg-type]

    def finish(self) -> LayerTrace:
        layer, cut = self._layer, self._cut
        on_its_way = self._ends[::-1] if layer.reverse else self._ends
        initial, _, initial_grads = on_its_way[0]
        return LayerTrace(
            layer.cell,
            layer.activation,
            self._rows.arrays["x"],
            layer.weights,
            initial,
            self._values.arrays,
            self._rows.arrays["output_grads"],
            on_its_way[-1][1],
            self._grads.arrays,
            initial_grads,
            layer.reverse,
            cut.course.lengths,
            layer.norm_eps,
            cut.drop,
            cut.held,
            layer.cuts,
        )
