"""What a long trace cannot do, what would not fit, and that it keeps to its budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from long_and_whole import (
    BUDGET,
    STRETCH,
    B,
    D,
    H,
    T,
    ToTargets,
    both,
    drawn,
    long_within,
    model_of,
)
from torch import Tensor, nn

import engine
from engine.spec import (
    AddingTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
)


@pytest.mark.parametrize("steps", [(0, 3), (3, 2), (1, T + 1), (1.0, 3), (True, 3), (None, 3)])
def test_windows_outside_are_refused(steps: tuple[Any, Any]) -> None:
    _, long = both(model_of("rnn"))
    with pytest.raises(engine.DataError):
        long.window(*steps)
    with pytest.raises(engine.DataError):
        long["l0"].window(*steps)


def test_what_would_not_fit_is_refused_with_its_size_and_says_what_fits() -> None:
    long = long_within(BUDGET)
    assert 10 < long.longest_window < 200
    for ask in (
        lambda: long["l0"].values["f"],
        lambda: long["l0"].grads["h"],
        lambda: long["l0"].input_grad,
        lambda: long.outputs,
        lambda: long.numpy(),
    ):
        with pytest.raises(
            engine.DataError, match=r"All 300 steps take .* MiB, .* 4 MiB; trace.window\(t0, t1\) gives"
        ):
            ask()
    with pytest.raises(engine.DataError, match=f"{long.longest_window} steps can be looked at at once"):
        long.window(1, long.longest_window + 1)
    window = long.window(101, 100 + long.longest_window)
    assert window.audit().passed
    assert long["l0"].window(7, 9).steps == 3
    with pytest.raises(engine.DataError, match=r"window\(t0, t1\)\.save"):
        long.save("anywhere.gflow")
    with pytest.raises(engine.DataError, match=r"The budget is 64 KiB; .* needs about"):
        long_within(2**16)


def neighbours(y: Tensor, _: slice) -> Tensor:
    return (y - y.roll(1, 0)).pow(2).sum((1, 2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "mse"}, "loss is 'mse'"),
        ({"loss": lambda y, _: y.sum()}, r"shape \(\); for steps 112 to 120 a tensor \(9,\), one loss a step"),
        ({"loss": lambda y, _: y.sum(2)}, r"shape \(9, 3\)"),
        ({"loss": lambda y, _: 3.0}, "returns a float"),
        ({"loss": neighbours}, "reads the output of step"),
        ({"loss": lambda y, _: (y * torch.rand_like(y)).sum((1, 2))}, None),
        ({"steps": 9}, "steps is 9, and x has 120"),
        ({"x": lambda steps: drawn(T, B, D)[steps]}, "steps is missing"),
        ({"x": lambda steps: drawn(T, B, D)[steps], "steps": 0}, "steps is 0"),
        ({"x": lambda steps: drawn(1, B, D), "steps": T}, r"x of steps 1 to 37 has shape \(1, 3, 2\)"),
        ({"x": lambda steps: None, "steps": T}, "x is missing"),
        ({"x": drawn(T, B, D + 1)}, "3 features"),
        ({"stretch": 0}, "stretch is 0"),
        ({"depth": 1}, "'depth' is no option of a long trace of this LSTM; what_if may be given"),
        ({"stretch": 2.5}, "stretch is 2.5"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": "1 GiB"}, "budget is '1 GiB'"),
        ({"model": nn.Linear(2, 3)}, "Linear"),
        ({"model": nn.LSTM(D, H, 2, dropout=0.5, dtype=torch.float64)}, "dropout 0.5"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_sentence(change: dict[str, Any], words: str | None) -> None:
    given = {"model": model_of("lstm"), "x": drawn(T, B, D), "loss": ToTargets(H), "stretch": STRETCH} | change
    if words is None:  # drawn at random: found when a stretch is computed again
        long = engine.trace_long(**given)
        with pytest.raises(engine.DataError, match="nothing may be drawn at random"):
            long.window(1, 5)
        return
    with pytest.raises(engine.DataError, match=words) as refused:
        engine.trace_long(**given)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith((".", "…"))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ({"readout": ReadoutSpec(at="attention")}, {}, "attention"),
        ({"layers": (LayerSpec(cell="gru", dropout=0.5),)}, {}, "fresh mask"),
        ({"layers": (LayerSpec(cell="gru", batch_norm=True),)}, {"lengths": [9, 5, 2]}, "lengths are given"),
        ({}, {"clip": 1.0}, "'clip' is no option of a long trace of this Network; iteration and lengths"),
        ({}, {"x": drawn(9, B, 7).float()}, "7 features"),
        ({}, {"x": lambda steps: drawn(1, B, 2).float() * (steps.start < 7), "steps": 9}, "shape"),
    ],
)
def test_what_a_network_cannot_do_step_by_step_is_said(
    model: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    spec = ModelSpec(**({"layers": (LayerSpec(cell="gru"),)} | model))
    net = engine.Network(Experiment(model=spec, task=AddingTask(steps=9, batch_size=B)))
    given = {"x": drawn(9, B, 2).float(), "loss": lambda y, _: y.sum((1, 2)), "stretch": 4} | options
    with pytest.raises(engine.DataError, match=words):
        engine.trace_long(net, **given)


MEASURED = """
import sys, torch, engine
from benchmarks.long import peak

torch.set_num_threads(1)
model = torch.nn.LSTM(4, 256)

def look(steps, budget):
    loss = lambda y, _: y.pow(2).sum((1, 2))
    trace = engine.trace_long(model, torch.randn(steps, 16, 4), loss, budget=budget)
    window = trace.window(steps - trace.longest_window + 1, steps)
    assert window.window(1, 2 * trace.model.room.audit_steps).audit().passed
    return trace

look(20, 2**25)
before = peak()
trace = look(600, int(sys.argv[1]))
print(peak() - before, trace.longest_window)
"""


def test_it_keeps_to_its_budget() -> None:
    """The whole trace would take 600 · 16 · 256 · 4 bytes for each of 20 arrays and more: 200 MiB. Measured is the
    memory of the whole process: every page that was touched, those that are given back late too."""
    budget = 128 * 2**20
    command = [sys.executable, "-c", MEASURED, str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    taken, longest = (float(figure) for figure in done.stdout.split())
    assert taken * 2**20 < budget
    assert longest > 150
