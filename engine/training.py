"""Training. The gradients are those of the trace, so that what is seen is what is applied."""

from __future__ import annotations

import time
from collections.abc import Mapping

from torch import Tensor

from engine.arrays import on_device, read_only
from engine.clipping import Clipped, clip_grads, clipped
from engine.diverging import first_bad
from engine.errors import SpecError
from engine.iterating import carried_on, one_pass
from engine.network import Network
from engine.optimizing import stepped
from engine.requests import Weights
from engine.schedule import learning_rate
from engine.spec import NO_WHAT_IF, ClipSpec, Experiment, WhatIf, clip_of
from engine.step_clipping import clipped_trace
from engine.tracing import Trace
from engine.training_records import Recorder
from engine.training_requests import Diverged, Train, Trained
from engine.training_state import STEPS, carried_of, fitted, optimizer_of, parameters_of, wrong_steps
from engine.what_if import effective_weights

MAX_CHUNK = 1_000_000


def train(request: Train) -> Trained:
    """Iterations iteration … iteration + count − 1. NaN and inf travel on, unless it is to halt. Chunks of any size
    give the same bits.

    Raises SpecError and DataError.
    """
    if not 0 <= request.count <= MAX_CHUNK:
        raise SpecError(f"count is {request.count}; a whole number from 0 to {MAX_CHUNK:,} is accepted.")
    if request.iteration < 0:
        raise SpecError(f"iteration is {request.iteration}; a whole number from 0 is accepted.")
    learner = Learner(request.experiment, request.weights, request.iteration, request.what_if)
    diverged = None
    while diverged is None and learner.iteration < request.iteration + request.count:
        diverged = learner.learn(request.halt)
    if diverged is not None:
        from engine.remedies import explained

        diverged = explained(diverged, request.experiment, request.what_if)
    records = learner.recorder.records(learner.steps)
    return Trained(
        weights={name: read_only(tensor) for name, tensor in learner.state.items()},
        iteration=learner.iteration,
        losses=tuple(records.losses.tolist()),
        records=records,
        diverged=diverged,
    )


class Learner:
    """A training on its way: a network, what else its next iteration depends on, and the records of those done."""

    def __init__(
        self,
        experiment: Experiment,
        state: Weights | None = None,
        iteration: int = 0,
        what_if: WhatIf = NO_WHAT_IF,
    ) -> None:
        """`state` as Train.weights. Raises SpecError and DataError."""
        self.network = Network(experiment, None if state is None else parameters_of(state), what_if)
        self.iteration = iteration
        """The next one."""
        kept = {} if state is None else fitted(self.network.experiment, state)
        if wrong := wrong_steps(kept):
            raise SpecError(f"{STEPS} of the state {wrong}.")
        self._kept = on_device(optimizer_of(kept), self.network.device)
        self._carried = on_device(carried_of(kept), self.network.device)
        self._clip = clip_of(self.network.experiment, what_if)
        self.recorder = Recorder(iteration)

    @property
    def steps(self) -> int:
        """T."""
        return self.network.experiment.task.steps

    @property
    def state(self) -> dict[str, Tensor]:
        """engine.training_state."""
        return {**self.network.weights, **self._kept, **self._carried}

    def learn(self, halt: bool = False) -> Diverged | None:
        """One iteration. `halt`: nothing is done, and what is not finite is returned, where it would write a number
        that is not. Raises DataError."""
        began = time.perf_counter()
        network, experiment, i = self.network, self.network.experiment, self.iteration
        done = one_pass(network, i, self._carried)
        effective = network.with_what_if
        clipping = clipped_of(done.trace, self._clip, effective)
        after, kept = stepped(experiment, network.weights, self._kept, clipping.grads, i, network.what_if, effective)
        carried = carried_on(network, done.trace)
        row = self.recorder.row(done.trace, clipping, learning_rate(experiment.training, i))
        if halt:
            bad = first_bad(i, done.trace, clipping, {**after, **kept, **carried})
            if bad is not None:
                return bad
        network.take(after)
        self._kept, self._carried = kept, carried
        self.recorder.add(row, time.perf_counter() - began)
        self.iteration += 1
        return None


def clipped_of(trace: Trace, clip: ClipSpec, weights: Mapping[str, Tensor]) -> Clipped:
    """A trace's parameter gradients after clipping of any kind, and the report on it. `weights`: the effective ones.

    Clipping at every step is the one kind that needs the whole trace, since it happens within the backward pass.
    """
    if clip.kind == "step":
        return clipped_trace(trace, clip.max_norm, report=False)
    return clipped(trace.weight_grads, clip, weights, report=False)


def updated(
    experiment: Experiment, weights: Mapping[str, Tensor], grads: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The base weights after the first update of the network on screen; new tensors.

    `grads` are those of the effective weights, before clipping. Raises DataError where the experiment clips at every
    step: then they come from `clipped_of`, and `moved` is the rest.
    """
    clip = clip_of(experiment, what_if)
    grads = clip_grads(grads, clip, effective_weights(experiment, weights, what_if))
    return moved(experiment, weights, grads, what_if)


def moved(
    experiment: Experiment, weights: Mapping[str, Tensor], grads: Mapping[str, Tensor], what_if: WhatIf = NO_WHAT_IF
) -> dict[str, Tensor]:
    """The base weights after an optimiser's first step against gradients that are clipped already; new tensors. See
    engine.optimizing."""
    return stepped(experiment, weights, {}, grads, 0, what_if)[0]
