"""What the tests of explorer.compute let the engine's process do: plain Python, no torch, called by reference."""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import SpecError


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree of plain data with arrays in it, as an excerpt is."""

    name: str
    arrays: dict[str, np.ndarray]
    rest: tuple[Any, ...] = ()


class PrivateSpecError(SpecError):
    """An error that only the engine knows by name."""


class Stubborn(Exception):  # noqa: N818 (stands for an exception of another library)
    """Cannot be made again from what it was pickled as."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and\n {second}")


def run(operation: str, request: Any) -> Any:
    return OPERATIONS[operation](request)


def echo(request: Any) -> Any:
    return request


def filled(request: tuple[int, float]) -> Tree:
    """`request[0]` float32 values, all equal to request[1]."""
    return Tree("filled", {"a": np.full(request[0], request[1], np.float32)})


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def leave(code: int) -> None:
    os._exit(code)


def exit_politely(code: int) -> None:
    sys.exit(code)


def refuse(sentence: str) -> None:
    raise PrivateSpecError(sentence)


def stumble(_: None) -> None:
    raise Stubborn(1, 2)


def run_out_of_memory(_: None) -> None:
    raise MemoryError


def hand_out_code(_: None) -> Any:
    return _nothing_to_pickle


def hand_out_a_stranger(_: None) -> Any:
    """An instance of a class from a module that only this process knows."""
    module = types.ModuleType("a_library_of_the_engine")

    class Tensor:
        pass

    Tensor.__module__, Tensor.__qualname__ = module.__name__, "Tensor"
    module.Tensor = Tensor  # type: ignore[attr-defined]  # a module made by hand
    sys.modules[module.__name__] = module
    return Tensor()


def imported(names: tuple[str, ...]) -> dict[str, bool]:
    return {name: name in sys.modules for name in names}


def environment(names: tuple[str, ...]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


def torch_threads(_: None) -> int:
    return int(sys.modules["torch"].get_num_threads())


def about(_: None) -> dict[str, int]:
    return {"pid": os.getpid(), "nice": os.nice(0) if hasattr(os, "nice") else 0}


def prepare_unless_told_otherwise() -> None:
    """For `prepare`: fails as long as a certain file is there."""
    if Path(os.environ["GRADFLOW_TEST_FLAG"]).exists():
        raise SpecError("The flag is up.")


_nothing_to_pickle = (step for step in ())

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (
        echo, filled, wait, leave, exit_politely, refuse, stumble, run_out_of_memory, hand_out_code,
        hand_out_a_stranger, imported, environment,
        torch_threads, about,
    )
}  # fmt: skip
