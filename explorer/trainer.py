"""Training towards an iteration: a chain of short requests, each of which hands its weights to the next."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from engine.requests import Weights
from engine.spec import Experiment, WhatIf
from engine.training_requests import Train, Trained
from explorer.compute.courier import Courier
from explorer.document.state import Recipe, State

TRAINING = "train"
"""The courier's channel."""
_CHUNK_SECONDS = 0.05
_MOST = 1000
"""Iterations in one request."""


@dataclass(frozen=True, eq=False)
class Goal:
    """The iteration that is wanted, and the one with known weights from which training goes on."""

    experiment: Experiment
    what_if: WhatIf
    start: int
    weights: Weights | None
    """Of `start`; None: as initialised by the seed."""
    iteration: int

    @property
    def recipe(self) -> Recipe:
        return self.experiment, self.what_if


def goal_of(state: State, iteration: int, start: int | None, *, anew: bool = False) -> Goal:
    """An iteration of an experiment, from one whose weights are kept; None: from the beginning. `anew`: as it would be
    trained now, whatever it was trained with."""
    experiment, what_if = state.recipe if anew else state.recipe_into(iteration)
    assert experiment is not None
    assert anew or not state.out_of_reach(iteration), "it would be trained otherwise than it was"
    if start is None:
        return Goal(experiment, what_if, 0, None, iteration)
    return Goal(experiment, what_if, start, state.history[start], iteration)


class Trainer(QObject):
    """Has one goal at a time, asks for chunks that take about 50 ms, and says when it is there."""

    progressChanged = Signal(int, int)
    """Iterations done and to do, where it is more than one; (0, 0) when it is over."""
    advanced = Signal(object, object)
    """A Goal, and what was trained on the way to it (Trained)."""
    reached = Signal(object, object)
    """A Goal, and the last of it."""
    failed = Signal(str)
    """One sentence; the goal has been given up."""

    def __init__(self, courier: Courier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = courier
        self._goal: Goal | None = None
        self._iteration, self._count = 0, 1
        self._weights: Weights | None = None
        self._generation = 0
        self._asked_at = 0.0
        courier.answered.connect(self._answered)
        courier.failed.connect(self._answer_failed)

    @property
    def running(self) -> bool:
        return self._goal is not None

    def begin(self, goal: Goal) -> None:
        """In place of what was under way."""
        self._goal, self._iteration, self._weights, self._count = goal, goal.start, goal.weights, 1
        self._ask(goal)

    def stop(self) -> None:
        if self._goal is not None:
            self._goal = None
            self._courier.drop(TRAINING)
            self.progressChanged.emit(0, 0)

    def _ask(self, goal: Goal) -> None:
        count = min(self._count, goal.iteration - self._iteration)
        self._asked_at = time.perf_counter()
        request = Train(goal.experiment, self._weights, self._iteration, count, goal.what_if)
        self._generation = self._courier.ask(TRAINING, "train", request)
        if goal.iteration - goal.start > 1:
            self.progressChanged.emit(self._iteration - goal.start, goal.iteration - goal.start)

    @Slot(str, int, object)
    def _answered(self, channel: str, generation: int, answer: object) -> None:
        goal = self._goal
        if goal is None or channel != TRAINING or generation != self._generation or not isinstance(answer, Trained):
            return
        seconds = max(1e-4, time.perf_counter() - self._asked_at)
        self._count = max(1, min(_MOST, int(self._count * min(4.0, _CHUNK_SECONDS / seconds))))
        self._weights, self._iteration = answer.weights, answer.iteration
        if self._iteration < goal.iteration:
            self.advanced.emit(goal, answer)
            if goal is self._goal:
                self._ask(goal)
            return
        self.stop()
        self.reached.emit(goal, answer)

    @Slot(str, int, str)
    def _answer_failed(self, channel: str, generation: int, sentence: str) -> None:
        if self._goal is not None and channel == TRAINING and generation == self._generation:
            self.stop()
            self.failed.emit(sentence)
