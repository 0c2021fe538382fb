"""The trainer goes to an iteration in short requests, each from where the one before has come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lessons import trained
from slow_courier import SlowCourier

from engine.past import Past
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, TrainingSpec, WhatIf
from engine.training_requests import Train
from explorer import trainer as training
from explorer.document.state import State
from explorer.trainer import TRAINING, Trainer, goal_of

WHAT_IF = WhatIf(recurrent_scale=1.1)


def state(iterations: int = 0, **more: Any) -> State:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=4),))
    made = Experiment(model=model, task=AddingTask(steps=5), training=TrainingSpec(iterations=iterations))
    return State(tracks=(), experiment=made, what_if=WHAT_IF, past=Past(**more))


def weights_of(iteration: int) -> dict[str, Any]:
    return {"weight_hh_l0": np.full((4, 4), iteration, np.float32)}


class Rig:
    def __init__(self) -> None:
        self.courier = SlowCourier()
        self.trainer = Trainer(self.courier)  # type: ignore[arg-type]
        self.progress: list[tuple[int, int]] = []
        self.reached: list[tuple[int, float]] = []
        self.failed: list[str] = []
        self.trainer.progressChanged.connect(lambda done, total: self.progress.append((done, total)))
        self.trainer.reached.connect(
            lambda goal, last: self.reached.append((goal.iteration, last.weights["weight_hh_l0"][0, 0]))
        )
        self.trainer.failed.connect(self.failed.append)

    @property
    def asked(self) -> Train:
        return self.courier.last(TRAINING)[1]

    def answer(self) -> None:
        asked = self.asked
        self.courier.reply(TRAINING, trained(asked.iteration, asked.count, weights_of(asked.iteration + asked.count)))


@pytest.fixture
def rig(qapp: object, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A clock on which every answer takes 10 ms, a fifth of what a chunk may take."""
    ticks = iter(range(1000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: 0.01 * next(ticks))
    return Rig()


def test_chunks_grow_fourfold_while_they_are_quick_and_end_at_the_goal(rig: Rig) -> None:
    rig.trainer.begin(goal_of(state(), 30, None))
    asked = []
    while rig.trainer.running:
        asked.append((rig.asked.iteration, rig.asked.count))
        assert (rig.asked.weights is None) == (len(asked) == 1)
        rig.answer()
    assert asked == [(0, 1), (1, 4), (5, 16), (21, 9)]
    assert rig.progress == [(0, 30), (1, 30), (5, 30), (21, 30), (0, 0)]
    assert rig.reached == [(30, 30.0)]


def test_it_goes_on_from_what_is_kept(rig: Rig) -> None:
    rig.trainer.begin(goal_of(state(history={3: weights_of(3)}), 4, 3))
    assert (rig.asked.iteration, rig.asked.count) == (3, 1)
    assert rig.asked.weights is not None
    assert rig.asked.weights["weight_hh_l0"][0, 0] == 3
    rig.answer()
    assert rig.reached == [(4, 4.0)]
    assert rig.progress == [(0, 0)], "one iteration is no progress worth a bar"


def test_a_what_if_is_no_part_of_what_is_trained_before_an_experiment_opens() -> None:
    assert goal_of(state(iterations=5), 5, None).what_if == WhatIf()
    assert goal_of(state(iterations=5), 6, None).what_if == WHAT_IF


def test_another_goal_takes_the_place_of_the_one_under_way(rig: Rig) -> None:
    rig.trainer.begin(goal_of(state(), 30, None))
    old = rig.courier.last(TRAINING)[0]
    rig.trainer.begin(goal_of(state(), 2, None))
    rig.courier.answered.emit(TRAINING, old, trained(0, 1, weights_of(1)))
    assert rig.courier.count(TRAINING) == 2, "an answer on the way to the old goal is nobody's"
    rig.answer()
    assert (rig.asked.iteration, rig.asked.count) == (1, 1)


def test_what_is_stopped_asks_and_says_nothing_more(rig: Rig) -> None:
    rig.trainer.begin(goal_of(state(), 30, None))
    rig.trainer.stop()
    assert rig.courier.dropped == [TRAINING]
    assert rig.progress[-1] == (0, 0)
    rig.answer()
    assert rig.courier.count(TRAINING) == 1
    assert rig.reached == []


def test_a_failure_gives_the_goal_up(rig: Rig) -> None:
    rig.trainer.begin(goal_of(state(), 30, None))
    generation = rig.courier.last(TRAINING)[0]
    rig.courier.failed.emit("excerpt", generation, "Another question's.")
    assert rig.trainer.running
    rig.courier.failed.emit(TRAINING, generation, "It ran away.")
    assert rig.failed == ["It ran away."]
    assert not rig.trainer.running
