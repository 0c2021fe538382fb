"""How an error crosses from the engine to the window: as a sentence, never as a pickled exception object.

An exception object of torch, unpickled, would import torch into the window's process.
"""

from __future__ import annotations

import traceback
from typing import NamedTuple

from engine import errors
from engine.errors import EngineError

LONGEST_SENTENCE = 300
"""Characters; what is longer stands in the details."""


class EngineCrashError(EngineError):
    """The engine failed in a way that nobody foresaw, or its process ended. `details` is for a log."""

    def __init__(self, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.details = details


class EngineCancelledError(EngineError):
    """What was asked for was cancelled before there was an answer."""


class Failure(NamedTuple):
    """An error in plain text."""

    kind: str
    """Name of a class in engine.errors, or "" for what nobody foresaw."""
    sentence: str
    details: str


def describe(error: BaseException) -> Failure:
    """The sentence for the status bar and the traceback for the log."""
    details = "".join(traceback.format_exception(error))
    kind = _foreseen(type(error))
    if kind:
        return Failure(kind, str(error), details)
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "out of memory" in said.lower() or "can't allocate memory" in said.lower():
        sentence = "There is not enough memory for this; fewer steps, units or samples would fit."
    else:
        name = type(error).__name__
        sentence = f"The computation failed ({name}: {said})." if said else f"The computation failed ({name})."
    if len(sentence) > LONGEST_SENTENCE:
        sentence = sentence[: LONGEST_SENTENCE - 3] + "…)."
    return Failure("", sentence, details)


def revive(failure: Failure) -> EngineError:
    """The exception to raise on the window's side: of the same class where engine.errors has it."""
    if not failure.kind:
        return EngineCrashError(failure.sentence, failure.details)
    kind: type[EngineError] = getattr(errors, failure.kind)
    return kind(failure.sentence)


def _foreseen(kind: type[BaseException]) -> str:
    """The nearest class in engine.errors that `kind` descends from, "" if there is none."""
    own = (base for base in kind.__mro__ if issubclass(base, EngineError) and base.__module__ == errors.__name__)
    return next((base.__name__ for base in own), "")
