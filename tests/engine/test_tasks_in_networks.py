"""Every generated task is traced by every cell, exactly; and symbols read one-hot are symbols read through a table that
is the identity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec import structs

from engine.checks import checked
from engine.network import Network
from engine.spec import (
    AddingTask,
    CellKind,
    CopyTask,
    EchoTask,
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ParityTask,
    ReadoutSpec,
    ReberTask,
    SinesTask,
    Task,
    TemporalOrderTask,
)
from engine.task_facts import FACTS, form

TASKS: list[Task] = [
    AddingTask(steps=8, batch_size=3, shortest=4),
    CopyTask(delay=2, batch_size=3),
    TemporalOrderTask(steps=10, batch_size=3),
    EchoTask(steps=7, delay=2, batch_size=3),
    ParityTask(steps=7, batch_size=3),
    ReberTask(steps=12, batch_size=3),
    SinesTask(steps=8, batch_size=3, noise=0.1),
]
OF_SYMBOLS = [task for task in TASKS if form(task).symbols]
BY_NAME = {type(task).__name__: task for task in TASKS}


def experiment(task: Task, cell: CellKind, last: bool = False) -> Experiment:
    """With the first read-out and loss that the task accepts, or the last ones."""
    accepted, place = form(task), -1 if last else 0
    model = ModelSpec(
        layers=(LayerSpec(cell=cell, hidden_size=4),),
        readout=ReadoutSpec(at=accepted.readouts[place]),
        loss=accepted.losses[place],
    )
    return checked(Experiment(model=model, task=task, dtype="float64", device="cpu", seed=4))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("task", TASKS, ids=BY_NAME)
def test_every_task_is_traced_exactly_by_every_cell(task: Task, last: bool, cell: CellKind) -> None:
    network = Network(experiment(task, cell, last))
    batch = network.batch(2)
    trace = network.trace(iteration=2)
    assert trace["l0"].values["h"].shape[:2] == (task.steps, task.batch_size)
    outputs, losses = network.head(trace["l0"].values["h"], batch.targets, batch.lengths)
    torch.testing.assert_close(trace.loss, losses.sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(trace.outputs, outputs.detach(), rtol=1e-12, atol=1e-14)
    assert bool(trace["l0"].grads["h"].abs().sum() > 0)
    audit = trace.audit()
    assert audit.passed, audit.worst
    assert audit.tolerance == 1e-10
    assert audit.gradients == audit.finite > 0


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("task", OF_SYMBOLS, ids=lambda task: type(task).__name__)
def test_symbols_one_hot_are_symbols_through_a_table_that_is_the_identity(task: Task, cell: CellKind) -> None:
    plain = experiment(task, cell)
    count = form(task).symbols
    table = EmbeddingSpec(symbols=count, size=count)
    embedded = checked(structs.replace(plain, model=structs.replace(plain.model, embedding=table)))
    one = Network(plain)
    other = Network(embedded, dict(one.weights) | {"embedding.weight": torch.eye(count, dtype=torch.float64)})
    ours, theirs = one.trace(iteration=1).numpy(), other.trace(iteration=1).numpy()
    shared = ours.keys() & theirs.keys()
    assert {"loss", "outputs", "l0.values.h", "l0.grads.h", "l0.weight_grads.weight_ih"} <= shared
    for name in shared:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("task", TASKS, ids=BY_NAME)
def test_a_batch_can_be_drawn_again_by_another_network(task: Task) -> None:
    of = experiment(task, "gru")
    first, again = Network(of).trace(iteration=137).numpy(), Network(of).trace(iteration=137).numpy()
    assert first.keys() == again.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_what_is_known_of_a_task_is_a_title_and_whole_sentences() -> None:
    for facts in FACTS.values():
        assert facts.title[0].isupper()
        assert facts.noun.split()[0] in ("the", "this", "these")
        assert facts.tests.endswith((".", "?"))
    assert len({facts.title for facts in FACTS.values()}) == len({facts.noun for facts in FACTS.values()}) == len(FACTS)
