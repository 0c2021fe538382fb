"""Why an experiment that is being assembled cannot be traced yet."""

from __future__ import annotations

from functools import lru_cache

from engine.checks import checked
from engine.errors import SpecError
from engine.spec import Experiment

NO_LAYER = "The stack has no layer yet; add one: + RNN, + LSTM or + GRU."


@lru_cache(maxsize=64)
def problem_of(experiment: Experiment) -> str:
    """One sentence; "" where it can be traced. Remembered, since it is asked at every step of the tape."""
    if not experiment.model.layers:
        return NO_LAYER
    try:
        checked(experiment)
    except SpecError as error:
        return str(error)
    return ""
