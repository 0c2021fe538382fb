"""How soon a pause is one where something long is under way: from asking for it until no answer counts any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.report import Row, times
from benchmarks.waiting import wait, wait_for_picture, wait_until
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View

STEPS, BATCH, UNITS = 200, 64, 256
"""Of an LSTM whose iteration takes more than a second here."""
PROMISED_MS = 100.0
_GOES_ON = 0.15
"""Seconds that training has run before it is paused."""


def rows(explorer: Explorer, rounds: int) -> list[Row]:
    cases: dict[str, list[float]] = {}
    for _ in range(rounds):
        _open(explorer, evaluate_every=1_000_000)
        cases.setdefault("the first iteration, of unknown length", []).append(_paused(explorer, _running_for_a_while))
    explorer.runner.advance(1)
    wait_until(lambda: not explorer.runner.under_way)
    for _ in range(rounds):
        cases.setdefault("an iteration that is known to be long", []).append(_paused(explorer, _running_for_a_while))
    for _ in range(rounds):
        _open(explorer, evaluate_every=1)
        cases.setdefault("an evaluation", []).append(_paused(explorer, _judging))
    name = f"LSTM T={STEPS} B={BATCH} H={UNITS}"
    return [row for case, taken in cases.items() for row in times(f"pause during {case}, {name}", taken, PROMISED_MS)]


def _open(explorer: Explorer, evaluate_every: int) -> None:
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=UNITS),)),
        task=AddingTask(steps=STEPS, batch_size=BATCH),
        training=TrainingSpec(evaluate_every=evaluate_every),
    )
    explorer.show(Opening(State(tracks=("norms",), experiment=experiment), View(), title="pauses"))
    wait_for_picture(explorer, audit=False)


def _running_for_a_while(_explorer: Explorer) -> None:
    wait(_GOES_ON)


def _judging(explorer: Explorer) -> None:
    wait_until(lambda: explorer.runner.iteration > 0)  # its evaluation is asked for with it
    wait(_GOES_ON)


def _paused(explorer: Explorer, when: Callable[[Explorer], None]) -> float:
    """Milliseconds."""
    runner = explorer.runner
    runner.start()
    when(explorer)
    asked = time.perf_counter()
    runner.pause()
    wait_until(lambda: not runner.under_way)
    taken = (time.perf_counter() - asked) * 1e3
    done = runner.iteration
    wait(1.0)  # a fresh process is there by then
    wait_for_picture(explorer, audit=False)
    assert runner.iteration == done, "a pause is one"
    return taken
