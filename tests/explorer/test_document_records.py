"""The records of a document: an edit that leaves the weights alone leaves them alone too, in its file as well."""

from __future__ import annotations

from pathlib import Path

import msgspec
from synthetic import excerpt

from engine import session
from engine.operations import run
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from engine.training_requests import Train
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.saving import session_of
from explorer.document.state import State, View


def longer(document: Document, steps: int) -> Experiment:
    assert document.experiment is not None
    return msgspec.structs.replace(document.experiment, task=AddingTask(steps=steps, batch_size=3))


def train(document: Document, to: int) -> None:
    state = document.state
    assert document.experiment is not None
    request = Train(document.experiment, state.history.get(state.furthest), state.furthest, to - state.furthest)
    document.learn(run("train", request), state.recipe)


def test_records_go_on_over_changes_of_t_and_of_the_precision(tmp_path: Path) -> None:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),))
    document = Document(State(("norms",), Experiment(model=model, task=AddingTask(steps=6, batch_size=3))), View())
    train(document, 4)
    losses = document.state.log.column("losses").tolist()
    document.edit_experiment(longer(document, 9))
    train(document, 7)
    assert document.experiment is not None
    document.edit_experiment(msgspec.structs.replace(document.experiment, dtype="float64"))
    document.edit_experiment(longer(document, 5))
    train(document, 8)
    log = document.state.log
    assert log.iterations.tolist() == list(range(8))
    assert log.column("losses").tolist()[:4] == losses
    assert log.flow_table().steps.tolist() == [6] * 4 + [9] * 3 + [5]
    document.look(iteration=8)
    session.save(session_of(document, excerpt("rnn", T=5, H=4)), tmp_path / "a.gflow")
    again = opening.of_path(tmp_path / "a.gflow").state.log
    assert again.column("losses").tolist() == log.column("losses").tolist()
    assert again.flow_table().steps.tolist() == log.flow_table().steps.tolist()
