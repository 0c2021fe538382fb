"""One judgement as the views take it: what came back, of which iteration, and how a sequence of it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine import task_facts
from engine.spec import (
    CopyTask,
    DigitsTask,
    EchoTask,
    Experiment,
    ReberTask,
    SeriesTask,
    SinesTask,
    SunspotsTask,
    TextTask,
)
from engine.training_checks import why_not_free
from engine.training_requests import Judged
from explorer.widgets.labels import written

Kind = Literal["series", "numbers", "symbols", "tags", "class"]
"""Curves; one number a sequence; the next symbol; a tag a step; one class a sequence."""
Floats = NDArray[np.float64]
_COUNTED: dict[type[Any], str] = {
    CopyTask: "last ten",
    ReberTask: "last but one",
    EchoTask: "echoes only",
}
_GO_ON = (ReberTask, SeriesTask, SinesTask, SunspotsTask, TextTask)
"""Tasks of which a network could go on by itself."""
_DIGIT = (8, 8)
"""As scikit-learn has them."""
MOST_TOLD = 5
"""Classes whose probabilities are said."""


@dataclass(frozen=True, eq=False)
class Answers:
    judged: Judged
    iteration: int
    kind: Kind
    every: bool
    """One answer a step."""
    noun: str
    """Of the task."""
    column: int = 0
    """Of the inputs: the one that is forecast."""
    ahead: int = 0
    """Steps from the one at which a number is said to the one that it is about."""
    counted: str = ""
    """Which steps alone count for metric and confusion, where not all do: "last ten"."""
    places: NDArray[np.int64] | None = None
    """Of the one sequence of all forecasts: the years or rows that they are about."""
    place_noun: str = "t"
    quantity: str = ""
    """What is forecast, by its name: a column of somebody's own."""
    target: str = "target"
    """What was due is called by that: in somebody's own data it is a column."""
    scaled: bool = False
    """The loss is of scaled numbers; everything else is in the units of the data."""
    not_free: str = ""
    """Of a series or of symbols, why the network does not run free, as the end of a sentence; "" where it does."""
    picture: tuple[int, int] | None = None
    """Rows and columns of what a sequence is a picture of."""

    @cached_property
    def whole(self) -> Answers | None:
        """All forecasts of a series as one sequence."""
        return all_forecasts(self)

    @property
    def count(self) -> int:
        """Sequences that can be shown."""
        return len(self.judged.predictions)

    def length(self, n: int) -> int:
        return int(self.judged.lengths[n])

    def truth(self, n: int) -> Floats:
        """(L,), or (1,)."""
        return self._of(self.judged.targets, n)

    def answer(self, n: int) -> Floats:
        return self._of(self.judged.predictions, n)

    def errors(self, n: int) -> Floats | None:
        """(L,) or (1,): squared."""
        return None if self.judged.errors is None else self._of(self.judged.errors, n)

    def probabilities(self, n: int) -> Floats:
        """(L, classes), or (1, classes)."""
        assert self.judged.probabilities is not None
        return self._of(self.judged.probabilities, n)

    def read(self, n: int) -> Floats:
        """(L,): the symbols that are read, or the number that is forecast."""
        inputs = np.asarray(self.judged.inputs[n][: self.length(n)], np.float64)
        return inputs if inputs.ndim == 1 else inputs[:, min(self.column, inputs.shape[1] - 1)]

    def about(self, n: int) -> NDArray[np.int64]:
        """(L,) or (1,): the steps, years or rows that the answers are about."""
        if self.places is not None:
            return self.places
        first = (1 if self.every else self.length(n)) + self.ahead
        return np.arange(first, first + (self.length(n) if self.every else 1))

    def place(self, about: int) -> str:
        """ "t = 1,200", "year 1916"."""
        return f"t = {about:,}" if self.places is None else f"{self.place_noun} {self.written(about)}"

    def written(self, about: int) -> str:
        """A year is no quantity: it has no thousands to set apart."""
        return str(about) if self.place_noun == "year" else f"{about:,}"

    @property
    def reads_symbols(self) -> bool:
        return self.judged.inputs.ndim == 2 and bool(self.judged.read_labels)

    def free(self, n: int) -> Floats | None:
        return None if self.judged.free is None else np.asarray(self.judged.free[n], np.float64)

    def came(self, n: int) -> Floats | None:
        """Of the steps that it says running free: what came, as far as it is known; else NaN."""
        return None if self.judged.came is None else np.asarray(self.judged.came[n], np.float64)

    def _of(self, array: NDArray[np.generic], n: int) -> Floats:
        return np.asarray(array[n][: self.length(n) if self.every else 1], np.float64)


def answers_of(judged: Judged, iteration: int, experiment: Experiment) -> Answers:
    """Of what was asked about an experiment."""
    task, every = experiment.task, experiment.model.readout.at == "every"
    forecast = judged.errors is not None
    kinds: dict[str, Kind] = {"symbol": "symbols", "tag": "tags", "class": "class"}
    kind: Kind = kinds.get(judged.shape, "series" if every or forecast else "numbers")
    column, ahead = 0, 1 if forecast else 0
    if isinstance(task, SeriesTask):
        column, ahead = task.columns.index(task.target) if task.target in task.columns else 0, task.ahead
    noun, counted = task_facts.facts(task).noun, _COUNTED.get(type(task), "")
    return Answers(
        judged,
        iteration,
        kind,
        every,
        noun,
        column,
        ahead,
        counted,
        quantity=task_facts.quantity(task),
        target=written(name) if (name := task_facts.target_name(task)) else "target",
        scaled=task_facts.is_scaled(task, experiment.model),
        not_free=why_not_free(experiment) if isinstance(task, _GO_ON) else "",
        picture=_DIGIT if isinstance(task, DigitsTask) else None,
    )


def all_forecasts(answers: Answers) -> Answers | None:
    """What was said about each year or row of a series, as one sequence; None where that is not what is judged."""
    found = answers.judged.forecasts
    if found is None:
        return None
    said, due = found.predictions[None], found.targets[None]
    flat = replace(
        answers.judged,
        inputs=due[..., None],
        predictions=said,
        targets=due,
        errors=(said - due) ** 2,
        lengths=np.array([len(found.places)]),
        free=None,
        came=None,
        forecasts=None,
        written=None,
    )
    return replace(answers, judged=flat, every=True, ahead=0, places=found.places, place_noun=found.noun)


def top(probabilities: Floats, most: int = MOST_TOLD) -> list[tuple[int, float]]:
    """The likeliest classes, (class, probability), the likeliest first; of equal ones the first."""
    order = np.argsort(-probabilities, kind="stable")[:most]
    return [(int(one), float(probabilities[one])) for one in order]


def wrong(truth: Floats, answer: Floats) -> NDArray[np.bool_]:
    return np.asarray(truth != answer)
