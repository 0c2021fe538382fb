"""How much is judged, and how much of it comes along to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from engine.parts import Part
from engine.requests import Computed
from engine.spec import Experiment, ReberTask
from engine.task_facts import form
from engine.training_checks import why_not_free
from engine.training_requests import USUAL_SEQUENCES, Judge

MOST_FREE = 100
_MOST_SHOWN, _MOST_NUMBERS = 16, 2**22
"""Sequences that come along, and numbers of them."""
MOST_DOTS = USUAL_SEQUENCES
"""Sequences that come along where each is one dot, its prediction against its target."""


@dataclass(frozen=True)
class Extent:
    """Which part is judged, and how many sequences of it (engine.training_requests.Judge)."""

    part: Part = "validation"
    sequences: int | None = None
    """None: the usual."""


def shown_of(experiment: Experiment) -> int:
    """Sequences of it to look at: as many as memory has room for."""
    task, model = experiment.task, experiment.model
    wanted = form(task)
    answers = (task.steps if model.readout.at == "every" else 1) * max(2, wanted.classes)
    numbers = answers + task.steps * max(1, wanted.numbers)
    most = MOST_DOTS if model.loss == "mse" and model.readout.at != "every" else _MOST_SHOWN
    return max(1, min(most, _MOST_NUMBERS // max(1, numbers)))


def judge_of(source: Computed, extent: Extent) -> Judge:
    """With what there is to look at, and where the network can read its own answers, running free."""
    experiment = source.experiment
    free = 0
    if isinstance(experiment.task, ReberTask) and not why_not_free(experiment):
        free = min(MOST_FREE, experiment.task.steps + 1)  # no string of its batches is longer
    elif not why_not_free(experiment):
        free = min(MOST_FREE, max(10, experiment.task.steps))
    shown = shown_of(experiment)
    return Judge(experiment, source.weights, extent.part, extent.sequences, shown, free, source.what_if)
