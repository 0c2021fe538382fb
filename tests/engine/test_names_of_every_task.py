"""What the symbols and classes of a task are called: the stage and the evaluation name them alike, for every task."""

from __future__ import annotations

import pytest

from engine.judging import judge
from engine.operations import run
from engine.reber import SYMBOLS
from engine.requests import Computed, Excerpt, Look
from engine.spec import (
    CopyTask,
    DigitsTask,
    EchoTask,
    Experiment,
    LayerSpec,
    Loss,
    ModelSpec,
    ParityTask,
    ReadAt,
    ReadoutSpec,
    ReberTask,
    SinesTask,
    Task,
    TemporalOrderTask,
)
from engine.training_requests import Judge

ANSWERS = ("no", "yes")
COPY = ("blank", "1", "2", "3", "4", "5", "6", "7", "8", "marker")
# Task, read-out, loss, and by the tasks' own definitions what is read and what is answered.
TASKS: dict[str, tuple[Task, ReadAt, Loss, tuple[str, ...], tuple[str, ...]]] = {
    "reber": (ReberTask(steps=16, batch_size=3), "every", "cross_entropy", tuple("BTPSXVE"), tuple("BTPSXVE")),
    "copy": (CopyTask(delay=4, batch_size=3), "every", "cross_entropy", COPY, COPY),
    "order": (
        TemporalOrderTask(steps=20, batch_size=3),
        "last",
        "cross_entropy",
        ("a", "b", "c", "d", "A", "B"),
        ("AA", "AB", "BA", "BB"),
    ),
    "parity": (ParityTask(steps=6, batch_size=3), "last", "binary_cross_entropy", (), ANSWERS),
    "parity of two classes": (ParityTask(steps=6, batch_size=3), "last", "cross_entropy", (), ANSWERS),
    "echo": (EchoTask(steps=6, batch_size=3, delay=2), "every", "binary_cross_entropy", (), ANSWERS),
    "digits": (DigitsTask(batch_size=3), "last", "cross_entropy", (), tuple("0123456789")),
    "sines": (SinesTask(steps=9, batch_size=3), "last", "mse", (), ()),
}


def experiment(key: str) -> Experiment:
    task, at, loss, *_ = TASKS[key]
    layers = (LayerSpec(cell="gru", hidden_size=3),)
    return Experiment(model=ModelSpec(layers=layers, readout=ReadoutSpec(at=at), loss=loss), task=task)


@pytest.mark.parametrize("key", TASKS)
def test_the_stage_and_the_evaluation_call_symbols_and_classes_the_same(key: str) -> None:
    given = experiment(key)
    found: Excerpt = run("excerpt", Look(Computed(given), ()))
    read, answered = TASKS[key][3:]
    assert (tuple(found.read_labels.values()), tuple(found.labels.values())) == (read, answered)
    assert list(found.read_labels) == list(range(found.symbols)), "every symbol has one, by its number"
    judged = judge(Judge(given, found.weights, sequences=1))
    assert (judged.read_labels, judged.labels) == (read, answered)


def test_what_the_stage_calls_the_steps_of_a_string_is_a_string_of_the_grammar() -> None:
    found: Excerpt = run("excerpt", Look(Computed(experiment("reber")), ()))
    string = "".join(found.read_labels[int(k)] for k in found.inputs[: found.length, 0])
    targets = "".join(found.labels[int(k)] for k in found.targets[: found.length, 0])
    assert string[0] == SYMBOLS[0] == "B"
    assert string[1] in "TP"
    assert targets[:-1] == string[1:]
    assert targets[-1] == "E", "a string is read up to its last symbol but one, and ends with E"
    assert targets[-2] == string[1], "the last symbol but one is the second"
