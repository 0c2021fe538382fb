"""Requests to the engine: `run(operation, request)`, a pure function of plain data.

The window's process imports this module to name `run`, so nothing at its top imports torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.checks import checked
from engine.errors import DeviceWarning, SpecError
from engine.requests import Computed, Look, Operation, Source
from engine.spec import Experiment
from engine.training_requests import Judge, Train

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.requests import Audit

THREADS_PAY_FROM = 2**19
"""B·H², the multiplications of one recurrent product, below which one thread computes: handing out the work would cost
more than the work. From there on the process's own count computes, which the environment sets (OMP_NUM_THREADS, 1 in
the window and on the command line), and another count may round the last bit of a sum otherwise."""


def run(operation: Operation, request: Any) -> Any:
    """excerpt: Look → Excerpt.  train: Train → Trained.  judge: Judge → Judged.  audit: Source → Audit.
    audit_on: Source → Audit, or None: a piece of it has been made, ask again.
    arrays: Source → dict of arrays.  analysis: one of engine.analysis_requests → its part.
    look_at: LookAt → Preview or Partly.  peek: Peek → Lines.  bring: Bring → OwnTask.  let_go: None → None
    (engine.data_requests).

    Raises EngineError (SpecError, DataError, SessionError, …), whose text is a sentence for the person. What a device
    falls back to is said in the answer, which is shown, and not as a warning besides.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceWarning)
        return _run(operation, request)


def _run(operation: Operation, request: Any) -> Any:
    match operation:
        case "excerpt":
            from engine.excerpt import excerpt

            with _threads(_experiment(request)):
                return excerpt(request)
        case "train":
            from engine.training import train

            with _threads(_experiment(request)):
                return train(request)
        case "judge":
            from engine.judging import judge

            with _threads(_experiment(request)):
                return judge(request)
        case "audit":
            with _threads(_experiment(request)):
                return _audit(request)
        case "audit_on":
            with _threads(_experiment(request)):
                return _audit_on(request)
        case "arrays":
            with _threads(_experiment(request)):
                return _arrays(request)
        case "analysis":
            from engine.analysis import answer

            with _threads(_experiment(request.source)):
                return answer(request)
        case "look_at":
            from engine.data_requests import look

            return look(request)
        case "peek":
            from engine.data_requests import peek

            return peek(request)
        case "bring":
            from engine.data_requests import bring

            return bring(request)
        case "let_go":
            from engine.data_requests import let_go

            return let_go(request)
    accepted = "excerpt, train, judge, audit, audit_on, arrays, analysis, look_at, peek, bring and let_go"
    raise SpecError(f"'{operation}' is no operation; accepted are {accepted}.")


def warm_up() -> None:
    """Do once everything that is slow the first time, so that the first real request is quick. Leaves no trace."""
    from engine.sources import MEMORY
    from engine.spec import AddingTask, CellKind, LayerSpec, ModelSpec

    cells: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
    for cell in cells:
        experiment = Experiment(
            model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=2),)), task=AddingTask(steps=2, batch_size=2)
        )
        run("excerpt", Look(source=Computed(experiment), keys=("values.h",)))
        run("audit", Computed(experiment))
    run("train", Train(experiment=experiment, weights=None))
    MEMORY.clear()


def forget() -> None:
    """Empty this process's memory of traces, and of runs on their way."""
    from engine import analysis, auditing
    from engine.sources import MEMORY

    MEMORY.clear()
    analysis.forget()
    auditing.forget()


def _audit_on(source: Source) -> Audit | None:
    from engine.auditing import go_on

    return go_on(source)


def _audit(source: Source) -> Audit:
    from engine.sources import traced

    return traced(source)[0].audit()


def _arrays(source: Source) -> dict[str, NDArray[np.floating]]:
    """Everything in `Trace.numpy()`, and for a computed trace "targets" and the base weights, "weights.NAME"."""
    from engine.arrays import read_only
    from engine.sources import traced, weights_of

    made, _ = traced(source)
    arrays = made.trace.numpy()
    if made.batch is not None:
        arrays["targets"] = read_only(made.batch.targets)
    if made.network is not None:
        arrays |= {f"weights.{name}": weight for name, weight in weights_of(made.network).items()}
    return arrays


def _experiment(request: Look | Train | Judge | Source) -> Experiment | None:
    """Raises SpecError."""
    source = request.source if isinstance(request, Look) else request
    return checked(source.experiment) if isinstance(source, (Computed, Train, Judge)) else None


@contextmanager
def _threads(experiment: Experiment | None) -> Iterator[None]:
    """As many torch threads as this work deserves; the process's own count comes back afterwards."""
    import torch

    before = torch.get_num_threads()
    if experiment is not None:
        work = experiment.task.batch_size * max(layer.hidden_size for layer in experiment.model.layers) ** 2
        few = work < THREADS_PAY_FROM
    else:
        few = True
    if few and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
