"""An experiment for the command line, and what a training of it without a pause comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import presets
from engine.session import Session
from engine.training_loop import Progress
from explorer.cli import main

Run = Callable[..., tuple[int, str, str]]

EXPERIMENT = """
title = "Mine"
[experiment]
seed = 3
[experiment.model]
layers = [{ cell = "gru", hidden_size = 3 }]
[experiment.task]
kind = "adding"
steps = 6
batch_size = 4
[experiment.training]
learning_rate = 0.05
optimizer = { kind = "adam" }
clip = { kind = "norm", max_norm = 0.5 }
evaluate_every = 4
"""


def runs_in(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process and a folder of its own: (exit status, stdout, stderr)."""
    monkeypatch.chdir(folder)
    (folder / "mine.toml").write_text(EXPERIMENT, encoding="utf-8")

    def call(*argv: object) -> tuple[int, str, str]:
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def trained(iterations: int) -> Progress:
    """The same experiment by the engine's loop, in one go."""
    *_, last = engine.fit(presets.read_experiment(Path("mine.toml")).experiment, iterations)
    return last


def assert_same_training(found: Session, iterations: int) -> None:
    """The state, the records (but for the clock) and the evaluations of a training without a pause, to the bit."""
    expected = trained(iterations)
    assert expected.state is not None
    assert found.iteration == expected.iteration == iterations
    for name, array in expected.state.items():
        assert np.array_equal(found.history[iterations][name], array), name
    columns, wanted = found.log.columns(), expected.log.columns()
    assert list(columns) == list(wanted)
    for name in set(wanted) - {"seconds"}:
        assert np.array_equal(columns[name], wanted[name]), name
    assert np.array_equal(found.log.flow_table().flow, expected.log.flow_table().flow)
    assert np.array_equal(found.log.flow.iterations, expected.log.flow.iterations)
    assert found.evaluations == expected.evaluations
