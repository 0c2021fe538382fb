"""A recorded trace as a file, self-contained: it can be looked at and audited, on any machine, without the model.

The container is the sessions' (engine.container), its content "trace". Everything that cannot be derived is stored as
it is, gradients included, so that what is opened is what was recorded, to the bit. A trace in bfloat16 or float16 is
stored as float32, which holds each of its numbers, and says so; what is opened is in its own type again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import torch
from torch import Tensor

from engine import container
from engine.cells import Activation
from engine.errors import DataError, SessionError
from engine.flow import LossGradients
from engine.layer_trace import LayerTrace
from engine.plaintext import one_line
from engine.quantities import ROUTES, quantities
from engine.recurrence import Held
from engine.spec import CellKind, Spec
from engine.spec_reading import shown

if TYPE_CHECKING:
    from engine.tracing import Trace

_PARTS = ("weights", "initial", "values", "final_grads", "grads", "initial_grads")
_MAX_LAYERS = 64
_WIDENED = (torch.bfloat16, torch.float16)
"""Stored as float32."""


class _LayerFile(Spec, frozen=True, kw_only=True):
    name: str
    cell: CellKind
    activation: Activation
    reverse: bool = False
    norm_eps: float = 1e-5
    cuts: tuple[str, ...] = ()
    rounded: Literal["bfloat16", "float16"] | None = None


class _TraceFile(Spec, frozen=True, kw_only=True):
    """session.json of a recorded trace."""

    layers: tuple[_LayerFile, ...]
    first_step: int
    order: tuple[str, ...]
    """The names of the tensors in the trace's own order, which a table of quantities keeps; the file sorts them."""
    judged: int | None = None
    """The number of the loss whose gradient "last_flow" is; None: the last one, if any."""
    widened: Literal["bfloat16", "float16"] | None = None
    """What the trace was computed in, where the file has float32 in its place; None: the file has its own type."""


class RecordedLossGradients(LossGradients):
    """Of a trace from a file: of several losses only one's gradient was kept, the one that the verdict rests on."""

    def __init__(self, count: int, kept: int, flow: Tensor, name: str, mask: Tensor | None) -> None:
        self._count, self._kept, self._flow, self._name, self._mask = count, kept, flow, name, mask

    @property
    def count(self) -> int:
        return self._count

    @property
    def many(self) -> bool:
        return False

    def judged(self) -> int:
        return self._kept

    @property
    def steps(self) -> int:
        """0: it has no graph, so nothing can be asked of its stack."""
        return 0

    def again(self) -> dict[str, Tensor]:
        return {}

    def direct(self, loss: int) -> Tensor:
        raise DataError("The direct gradients of single losses are not kept in a file.")

    def mask(self, name: str) -> Tensor | None:
        return self._mask

    def reach(self, name: str, losses: Sequence[int] | None = None) -> Tensor:
        """Up to the last step that it reads, which a file does not tell: where there is a gradient."""
        found = torch.zeros(self._count, len(self._flow), dtype=torch.bool, device="cpu")
        there = self._flow.detach().cpu().flatten(1).ne(0).any(1)
        last = int(there.nonzero().max()) + 1 if bool(there.any()) else len(there)
        found[self._kept, :last] = True
        return found if losses is None else found[list(losses)]

    def flow(self, loss: int, name: str) -> Tensor:
        if loss != self._kept or name != self._name:
            raise DataError(
                f"Of single losses only the gradient of number {self._kept} at {self._name} is kept in a file."
            )
        return self._flow


def save(trace: Trace, path: str | Path, title: str = "") -> str:
    """Write a trace, atomically. Returns the file's `Probe.sha256`. Raises SessionError; an old file is then as it
    was."""
    path = _path(path)
    dtype = trace.layer.x.dtype
    tensors: dict[str, Tensor] = {"outputs": trace.outputs, "losses": trace.losses, "loss": trace.loss}
    tensors |= {f"head_grads/{name}": grad for name, grad in trace.head_grads.items()}
    if trace.past_grad is not None:
        tensors["past_grad"] = trace.past_grad
    kept, judged = kept_of(trace), None
    if kept is not None and kept.count > 1:  # a single loss's gradient is the layer's
        judged = kept.judged()
        tensors["last_flow"] = kept.flow(judged, next(iter(trace.last_level)))
    for name, layer in trace.layers.items():
        tensors |= {f"{name}/x": layer.x, f"{name}/output_grads": layer.output_grads}
        tensors |= {f"{name}/{part}/{key}": t for part in _PARTS for key, t in getattr(layer, part).items()}
        if layer.lengths is not None:
            tensors[f"{name}/lengths"] = layer.lengths
        if layer.drop is not None:
            tensors[f"{name}/drop"] = layer.drop
        if layer.cell_grads is not None:
            tensors[f"{name}/cell_grads"] = layer.cell_grads
        for gate, held in layer.held.items():
            tensors |= {f"{name}/held/{gate}.where": held.where.to(layer.x), f"{name}/held/{gate}.value": held.value}
    last = trace.layer
    summary = container.Summary(last.cell, last.steps, last.batch_size, last.hidden_size, _name(last.x.dtype))
    layers = tuple(
        _LayerFile(
            name=name,
            cell=layer.cell,
            activation=layer.activation,
            reverse=layer.reverse,
            norm_eps=layer.norm_eps,
            cuts=tuple(sorted(layer.cuts)),
            rounded=None if layer.rounded is None else _name(layer.rounded),  # type: ignore[arg-type]
        )
        for name, layer in trace.layers.items()
    )
    described = msgspec.to_builtins(
        _TraceFile(
            layers=layers,
            first_step=trace.first_step,
            order=tuple(tensors),
            judged=judged,
            widened=_name(dtype) if dtype in _WIDENED else None,  # type: ignore[arg-type]
        )
    )
    arrays = {name: (t.float() if t.dtype in _WIDENED else t).detach().cpu().numpy() for name, t in tensors.items()}
    return container.write(path, "trace", described, arrays, summary=summary, title=title)


def kept_of(trace: Trace) -> RecordedLossGradients | None:
    """What a file or a pickle keeps of the single losses: the gradient of the one that the verdict rests on. None where
    there is none any more, and of a window, whose losses reach beyond what is there."""
    losses = trace.loss_grads
    if losses is None or losses.count != len(trace.losses) or trace.first_step != 1:
        return None
    single, layer = losses.count == 1, trace.layer
    judged = 0 if single else losses.judged()
    flow = layer.grads["h"] if single else trace.flow_gradient(judged)
    return RecordedLossGradients(losses.count, judged, flow, next(iter(trace.last_level)), layer.mask)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise SessionError(f"The path is {shown(path)}; a text or a pathlib.Path is accepted.")
    return Path(path)


def load(path: str | Path, sha256: str | None = None) -> Trace:
    """Read a trace, on the CPU, all of it checked. `sha256`: the `Probe.sha256` that is expected, so that a file that
    has changed since is refused. Raises SessionError, and nothing else."""
    path = _path(path)
    contents = container.read(path, "trace", sha256)
    with container.explained(path):
        try:
            return _trace_of(contents)
        except msgspec.ValidationError as error:
            raise SessionError(f"Its session.json: {one_line(str(error), 160)}.") from None
        except DataError as error:
            raise SessionError(str(error)) from None


load_trace = load
"""Its public name, engine.load_trace."""


def _trace_of(contents: container.Contents) -> Trace:
    from engine.tracing import Trace

    read = msgspec.convert(contents.description, _TraceFile)
    names = [layer.name for layer in read.layers]
    if not 1 <= len(names) <= _MAX_LAYERS or len(set(names)) != len(names) or not 1 <= read.first_step <= 2**40:
        raise SessionError(f"It has {len(names)} layers, or one of them twice; 1 to {_MAX_LAYERS} are accepted.")
    if len(set(read.order)) != len(read.order) or set(read.order) != set(contents.tensors):
        raise SessionError("Its list of tensors is not what it holds.")
    # Copies: torch writes to what it is given, and the bytes of the file are read-only.
    made = {name: torch.from_numpy(contents.tensors[name].copy()) for name in read.order}
    found = _Tensors(made if read.widened is None else _narrowed(made, getattr(torch, read.widened)))
    layers = {layer.name: _layer_of(layer, found) for layer in read.layers}
    last_name = next(name for name in names if name.split("_")[0] == names[-1].split("_")[0])
    last = layers[last_name]
    outputs, losses, loss = found.take("outputs"), found.take("losses"), found.take("loss")
    flow = found.take("last_flow") if "last_flow" in found.left else None
    past = found.take("past_grad") if "past_grad" in found.left else None
    head_grads = found.group("head_grads/")
    if found.left:
        raise SessionError(f"It has a tensor '{one_line(min(found.left), 80)}' that belongs to nothing.")
    if loss.shape != () or losses.shape not in ((1,), (last.steps,)):
        raise SessionError(f"Its losses have shape {tuple(losses.shape)}; ({last.steps},) or (1,) is accepted.")
    if any(tensor.dtype != last.x.dtype for tensor in (outputs, losses, loss)):
        raise SessionError(f"Its losses and outputs are not of {last.x.dtype}, as the layer is.")
    loss_grads = None
    if flow is None and len(losses) == 1:
        flow = last.grads["h"]
    if flow is not None and read.first_step == 1:
        T, B, H = last.values["h"].shape
        if flow.dim() != 3 or not 1 <= len(flow) <= T or flow.shape[1:] != (B, H) or flow.dtype != last.x.dtype:
            raise SessionError("The gradient of its last loss has the wrong shape or type.")
        # Earlier versions kept only the steps that the loss reaches.
        flow = torch.cat([flow, flow.new_zeros(T - len(flow), B, H)]) if len(flow) < T else flow
        judged = len(losses) - 1 if read.judged is None else read.judged
        if not 0 <= judged < len(losses):
            raise SessionError(f"It keeps the gradient of loss {judged}, but has {len(losses)} losses.")
        loss_grads = RecordedLossGradients(len(losses), judged, flow, last_name, last.mask)
    x = next(iter(layers.values())).x
    if past is not None and (past.shape != x.shape or past.dtype != x.dtype):
        raise SessionError(f"Its past_grad is {tuple(past.shape)} of {past.dtype}; {tuple(x.shape)} is accepted.")
    _check_summary(contents.probe, last)
    return Trace(layers, outputs, losses, head_grads, loss, loss_grads, read.first_step, past)


def _narrowed(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The float32 ones in the trace's own type, which holds each of their numbers, or the file was not written so."""
    found = {}
    for name, wide in tensors.items():
        found[name] = wide
        if wide.dtype == torch.float32:
            found[name] = narrow = wide.to(dtype)
            again = narrow.float()
            if not bool(((again == wide) | (again.isnan() & wide.isnan())).all()):
                raise SessionError(f"Its '{one_line(name, 80)}' has numbers that are no {_name(dtype)}.")
    return found


def _layer_of(file: _LayerFile, found: _Tensors) -> LayerTrace:
    parts: dict[str, Any] = {part: found.group(f"{file.name}/{part}/") for part in _PARTS}
    x, direct = found.take(f"{file.name}/x"), found.take(f"{file.name}/output_grads")
    if x.dtype not in (torch.float32, torch.float64, *_WIDENED):
        raise SessionError(f"The input of {one_line(file.name, 40)} is {x.dtype}; a floating-point type is accepted.")
    kind: dict[str, Any] = {"reverse": file.reverse, "norm_eps": file.norm_eps, "cuts": frozenset(file.cuts)}
    kind["rounded"] = None if file.rounded is None else getattr(torch, file.rounded)
    if not set(file.cuts) <= set(ROUTES[file.cell]):
        raise SessionError(f"It cuts a route that the {file.cell.upper()} does not have.")
    if f"{file.name}/lengths" in found.left:
        kind["lengths"] = found.take(f"{file.name}/lengths")
    if f"{file.name}/drop" in found.left:
        kind["drop"] = found.take(f"{file.name}/drop")
    if f"{file.name}/cell_grads" in found.left:
        kind["cell_grads"] = found.take(f"{file.name}/cell_grads")
    held = found.group(f"{file.name}/held/")
    kind["held"] = {
        name.removesuffix(".where"): Held(where.bool(), held[name.removesuffix("where") + "value"])
        for name, where in held.items()
        if name.endswith(".where") and name.removesuffix("where") + "value" in held
    }
    if len(kind["held"]) * 2 != len(held):
        raise SessionError(f"What {one_line(file.name, 40)} holds its gates at is not whole.")
    layer = LayerTrace.from_parts(file.cell, file.activation, x, output_grads=direct, **parts, **kind)
    symbols = {q.symbol for q in quantities(file.cell, "norm_weight" in layer.weights)}
    if set(layer.values) != symbols or set(layer.grads) != symbols:
        raise SessionError("It has values or gradients that its cell does not have.")
    return layer


class _Tensors:
    """The file's tensors; what is taken is struck off, so that what is left belongs to nothing."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.left = dict(tensors)

    def take(self, name: str) -> Tensor:
        if name not in self.left:
            raise SessionError(f"It has no tensor '{one_line(name, 80)}'.")
        return self.left.pop(name)

    def group(self, prefix: str) -> dict[str, Tensor]:
        names = [name for name in self.left if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.left.pop(name) for name in names}


def _check_summary(probe: container.Probe, layer: LayerTrace) -> None:
    """The window has laid out its tape by the manifest before this was read."""
    dtype = str(layer.x.dtype).removeprefix("torch.")
    here = (layer.cell, layer.steps, layer.batch_size, layer.hidden_size, dtype)
    if here != (probe.cell, probe.steps, probe.batch_size, probe.hidden_size, probe.dtype):
        raise SessionError("Its manifest describes another trace than the one it holds.")
