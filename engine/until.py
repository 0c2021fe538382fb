"""A bound on an evaluation, at which training ends: "loss<0.02". One reading of what somebody writes, for the command
line, notebooks and the window. Plain data, no torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.errors import SpecError
from engine.figures import figure, percent
from engine.history import Evaluation
from engine.spec import Experiment
from engine.spec_reading import shown
from engine.task_facts import METRIC_NAMES, metric

What: TypeAlias = Literal["loss", "accuracy", "rmse"]
Sign: TypeAlias = Literal["<", ">"]
_WHATS: dict[str, What] = {"loss": "loss", "accuracy": "accuracy", "rmse": "rmse"}
_NAMES: dict[What, str] = {"loss": "loss", "accuracy": METRIC_NAMES["accuracy"], "rmse": METRIC_NAMES["rmse"]}
_SIGNS: dict[str, Sign] = {"<": "<", ">": ">"}
_BOUND = re.compile(r"(?P<what>loss|accuracy|rmse)(?P<sign>[<>])(?P<number>[^%]*)(?P<percent>%?)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


@dataclass(frozen=True)
class Until:
    """A bound on an evaluation."""

    what: What
    sign: Sign
    value: float

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self._written(self.value)}"

    @property
    def name(self) -> str:
        return _NAMES[self.what]

    def _written(self, value: float) -> str:
        """A bound keeps its digits: "99.95 %" is no "> 99.9 %"."""
        return f"{figure(100 * value, 6)} %" if self.what == "accuracy" else figure(value)

    def reached(self, evaluation: Evaluation) -> bool:
        """Whether it is."""
        found = evaluation.loss if self.what == "loss" else evaluation.value
        return found < self.value if self.sign == "<" else found > self.value

    def sentence(self, evaluation: Evaluation, of: str = "") -> str:
        """Whether an evaluation has reached it. `of`: of what it was made, "64 sequences", where that is to be said."""
        found = evaluation.loss if self.what == "loss" else evaluation.value
        said = percent(found) if self.what == "accuracy" else figure(found)
        is_reached = "is reached" if self.reached(evaluation) else "is not reached"
        made = f", of {of} of the validation part" if of else ""
        return f"{self} {is_reached}: the {self.name} is {said} after {iterations_words(evaluation.iteration)}{made}."


def iterations_words(count: int) -> str:
    """ "1 iteration", "2,000 iterations"."""
    return f"{count:,} iteration" + ("" if count == 1 else "s")


def until_of(asked: str | Until | None, experiment: Experiment) -> Until | None:
    """From what somebody has written, in any case and with a comma or a point: "loss<0.02", "RMSE < 0,2",
    "accuracy > 90 %". Raises SpecError, also for a metric that the task has not, and for what no evaluation can reach.
    """
    if asked is None:
        return None
    own = metric(experiment.task, experiment.model)
    found = _read(asked) if isinstance(asked, str) else asked if isinstance(asked, Until) else None
    said = f"until is {shown(asked) if isinstance(asked, str) else asked if found else shown(asked)}"
    if found is None or found.what not in ("loss", own):
        names = f"'loss' or '{_NAMES[own]}'"
        raise SpecError(f"{said}; {names}, '<' or '>' and a number, as 'loss<0.02', is accepted.")
    if found.what == "accuracy":
        if not (0 <= found.value < 1 if found.sign == ">" else 0 < found.value <= 1):
            raise SpecError(f"{said}; accuracy is a share, and a number {_between(found.sign)} is accepted.")
    elif not (math.isfinite(found.value) and (found.value > 0 or (found.value == 0 and found.sign == ">"))):
        raise SpecError(f"{said}; {found.name} is never below 0, and a finite number above 0 is accepted.")
    return found


def _read(text: str) -> Until | None:
    found = _BOUND.fullmatch(re.sub(r"\s", "", text))
    if found is None or not _NUMBER.fullmatch(found["number"]) or _THOUSANDS.fullmatch(found["number"]):
        return None  # "1,000" may be one or a thousand
    what, value = _WHATS[found["what"].lower()], float(found["number"].replace(",", "."))
    if found["percent"]:
        if what != "accuracy":
            return None
        value /= 100
    return Until(what, _SIGNS[found["sign"]], value)


def _between(sign: Sign) -> str:
    return "from 0 to below 1 (0.9, or 90 %)" if sign == ">" else "above 0, up to 1 (0.9, or 90 %)"
