"""From a request's source to its trace: computed or read once, and remembered.

The memory is keyed by a fingerprint of everything that determines the trace, so it can never be wrong, only missing.
Clipping and the learning rate come after the trace and are no part of it: moving them computes nothing again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import bptt
from engine.arrays import on_device, read_only
from engine.cell_series import by_key, crossing, direct, extra_norms, holds, of_unit, route_series
from engine.checks import checked, checked_what_if
from engine.errors import SpecError
from engine.events import of_layers
from engine.iterating import one_pass
from engine.layer_trace import LayerTrace
from engine.loss_events import loss_events
from engine.memory import Memory
from engine.network import Network
from engine.norms import mean_over_samples, norm
from engine.precision import arithmetic, full_precision
from engine.recipes import as_traced
from engine.requests import Array, Audit, Computed, Event, Recorded, Source
from engine.spec import Experiment, WhatIf
from engine.spec_reading import shown
from engine.tasks import Batch
from engine.tracing import Trace
from engine.training_state import carried_of, fitted, parameters_of, traced_of


@dataclass(frozen=True, eq=False)
class Traced:
    """A trace with what it came from, and what is asked of it again and again."""

    trace: Trace
    network: Network | None
    """None for a recorded trace."""
    batch: Batch | None
    seconds: float
    """That it took to compute."""
    full: Trace | None = None
    """With the gradients of the loss, of an experiment; `trace` is what its truncation leaves of it."""
    _sample_norms: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    _norms: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    _extra_norms: dict[tuple[str, int], dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    _routes: dict[tuple[str, int], dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    _way_norms: dict[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    _crossing_norms: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    derived: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    """What engine.shown has made of it for the whole batch, by key."""
    iteration: int = 0
    """Which drew the dropout."""

    @property
    def layer(self) -> LayerTrace:
        return self.trace.layer

    @property
    def last(self) -> str:
        """The name of that layer."""
        return next(iter(self.trace.last_level))

    def sample_norms(self, layer: str) -> dict[str, Tensor]:
        """(T, B) float64 by key: Euclidean norm over units, of each sample."""
        if layer not in self._sample_norms:
            arrays = by_key(self.trace.layers[layer])
            self._sample_norms[layer] = {key: norm(array, dim=-1).cpu() for key, array in arrays.items()}
        return self._sample_norms[layer]

    def norms(self, layer: str) -> dict[str, NDArray[np.float64]]:
        """(T,) float64 by key: those, then the mean over the samples that have the step; NaN where none has it."""
        if layer not in self._norms:
            mask = self.trace.layers[layer].mask
            mask = None if mask is None else mask.cpu()
            of_samples = self.sample_norms(layer)
            self._norms[layer] = {key: read_only(mean_over_samples(norms, mask)) for key, norms in of_samples.items()}
        return self._norms[layer]

    def way_norms(self, layer: str, way: Literal["input", "direct"]) -> NDArray[np.float64]:
        """(T,) float64 of what goes down into a layer (∂L/∂h_t without recurrence) and out of it (∂L/∂x_t): norm per
        sample, then the mean over the samples that have the step; NaN where none has it."""
        if (layer, way) not in self._way_norms:
            of = self.trace.layers[layer]
            grad = of.input_grad if way == "input" else direct(of, "h")
            assert grad is not None
            self._way_norms[layer, way] = read_only(mean_over_samples(norm(grad, dim=-1), of.mask))
        return self._way_norms[layer, way]

    def crossing_norms(self, layer: str) -> dict[str, NDArray[np.float64]]:
        """(T,) float64 by state, likewise: what comes to a step from the one after it. {} where nothing is truncated:
        then it is what the gradients themselves say."""
        of = self.trace.layers[layer]
        if of.passing is of.grads:
            return {}
        if layer not in self._crossing_norms:
            with arithmetic(of.x):
                norms = {
                    state: mean_over_samples(norm(grads, dim=-1), of.mask) for state, grads in crossing(of).items()
                }
            self._crossing_norms[layer] = {state: read_only(found) for state, found in norms.items()}
        return self._crossing_norms[layer]

    def cell_series(self, layer: str, sample: int, unit: int | None) -> dict[str, NDArray[np.float64]]:
        """(T,) float64 by key: of one unit, or norms over all units. The last sample's norms are remembered."""
        held = {key: read_only(array) for key, array in holds(self.trace.layers[layer], sample, unit).items()}
        return self._numbers(layer, sample, unit) | held

    def routes(self, layer: str, sample: int) -> dict[str, NDArray[np.float64]]:
        """(T,) float64 by key: the shares of the routes. The last sample's are remembered."""
        if (layer, sample) not in self._routes:
            found = route_series(self.trace.layers[layer], sample)
            self._routes.clear()
            self._routes[layer, sample] = {key: read_only(array) for key, array in found.items()}
        return self._routes[layer, sample]

    def _numbers(self, layer: str, sample: int, unit: int | None) -> dict[str, NDArray[np.float64]]:
        traced_layer = self.trace.layers[layer]
        if unit is not None:
            return {key: read_only(array) for key, array in of_unit(traced_layer, sample, unit).items()}
        if (layer, sample) not in self._extra_norms:
            self._extra_norms.clear()
            found = extra_norms(traced_layer, sample)
            self._extra_norms[layer, sample] = {key: read_only(array) for key, array in found.items()}
        of_samples = self.sample_norms(layer)
        return {k: read_only(n[:, sample]) for k, n in of_samples.items()} | self._extra_norms[layer, sample]

    @cached_property
    def own_events(self) -> tuple[Event, ...]:
        """Those that the trace has by itself, without clipping."""
        found = of_layers(self.trace.layers)
        if self.network is None:
            return found  # what a recorded model made of its outputs is its own
        of_loss = loss_events(self.trace, self.network.experiment.model)
        return tuple(sorted((*found, *of_loss), key=lambda event: event.position(self.trace.steps)))

    @cached_property
    def judged_row(self) -> NDArray[np.float64]:
        """N[s, k] = ‖∂L_s/∂h_k‖, k = 1 …, of the last loss that reads anything, per sample, then the mean over the
        samples that have step k; NaN where none has it."""
        layer, loss_grads = self.layer, self.trace.loss_grads
        if len(self.trace.losses) == 1:
            return self.norms(self.last)["grads.h"]
        if loss_grads is not None:
            judged = loss_grads.judged()
            row = mean_over_samples(norm(self.trace.flow_gradient(judged), dim=-1), layer.mask)
            return read_only(self._reached(row, judged + 1))
        # A recorded window keeps no single losses. The last one there is taken to read its own step alone, the last
        # with a direct gradient: what it sends back starts from that e_t.
        read = (layer.output_grads != 0).flatten(1).any(1).nonzero().flatten()
        direct = torch.zeros_like(layer.output_grads)
        if len(read):
            direct[read[-1]] = layer.output_grads[read[-1]]
        with torch.no_grad(), full_precision():
            back = bptt.backward(layer.recurrence, layer.values, layer.initial, direct)
        return read_only(mean_over_samples(norm(back.grads["h"], dim=-1), layer.mask))

    def _reached(self, row: Tensor, t: int) -> Tensor:
        """0 at the steps that truncation keeps loss t from."""
        experiment = self.network.experiment if self.network is not None else None
        cut = experiment.training.truncation if experiment is not None else None
        if cut is None:
            return row
        last = cut.k1 * -(-t // cut.k1)  # as in engine.truncation
        return torch.where(torch.arange(1, len(row) + 1, device=row.device) > last - cut.k2, row, 0.0)

    @property
    def audited(self) -> Trace:
        """With the gradients of the loss, also where what is shown is truncated."""
        return self.full or self.trace

    def audit(self) -> Audit:
        return self.audited.audit()

    @property
    def nbytes(self) -> int:
        """Of the arrays that it holds, those included that are computed when they are first asked for."""
        return sum(
            layer.output_grads.nbytes * (len(layer.values) + len(layer.grads) + 3)  # (T, B, H) each
            + 2 * layer.x.nbytes  # and ∂L/∂x
            + 2 * _size(layer.weights)
            for layer in self.trace.layers.values()
        )


def _size(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


MEMORY: Memory[Traced] = Memory(lambda traced: traced.nbytes)
"""Of this process."""


def traced(source: Source) -> tuple[Traced, bool]:
    """The source's trace, and whether it was remembered. Raises SpecError, DataError, SessionError.

    What is asked is checked before it is looked up: an answer may not hang on what was asked before.
    """
    if not isinstance(source, Recorded):
        _check(source)
    key = fingerprint(source)
    found = MEMORY.get(key)
    if found is not None:
        return found, True
    made = _read(source) if isinstance(source, Recorded) else _compute(source)
    MEMORY.put(key, made)
    return made, False


def fingerprint(source: Source) -> bytes:
    """32 bytes that differ where anything differs that the trace depends on."""
    digest = hashlib.sha256()
    if isinstance(source, Recorded):
        digest.update(msgspec.json.encode(["recorded", source.path, source.sha256]))
        return digest.digest()
    digest.update(_plain(source.experiment, source.what_if, source.iteration))
    depends = {} if source.weights is None else traced_of(source.experiment, source.weights)
    for name, weight in sorted(depends.items()):
        array = np.ascontiguousarray(weight)
        digest.update(msgspec.json.encode([name, str(array.dtype), array.shape]))
        digest.update(array.data if array.size else b"")
    return digest.digest()


def _plain(experiment: Experiment, what_if: WhatIf, iteration: int) -> bytes:
    # MessagePack, since JSON writes NaN and None alike.
    return msgspec.msgpack.encode([*as_traced(experiment, what_if), iteration])


def _check(source: Computed) -> None:
    checked(source.experiment)
    checked_what_if(source.what_if)
    iteration = source.iteration
    if isinstance(iteration, bool) or not isinstance(iteration, int) or iteration < 0:
        raise SpecError(f"iteration is {shown(iteration)}; a whole number from 0 is accepted.")
    if source.weights is None and iteration > 0:
        raise SpecError(f"The weights of iteration {iteration} are missing; only iteration 0 can do without.")


def _compute(source: Computed) -> Traced:
    start = time.perf_counter()
    state = None if source.weights is None else fitted(source.experiment, source.weights)
    network = Network(source.experiment, None if state is None else parameters_of(state), source.what_if)
    done = one_pass(network, source.iteration, on_device(carried_of(state or {}), network.device))
    seconds = time.perf_counter() - start
    return Traced(done.trace, network, done.batch, seconds, done.full, iteration=source.iteration)


def _read(source: Recorded) -> Traced:
    from engine import recording

    start = time.perf_counter()
    return Traced(recording.load(source.path, source.sha256), None, None, time.perf_counter() - start)


def weights_of(network: Network) -> Mapping[str, Array]:
    """The base weights as read-only arrays."""
    return {name: read_only(weight) for name, weight in network.weights.items()}
