"""What a caller hands in, checked: each failure is a DataError of one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError
from engine.plaintext import one_line
from engine.spec_reading import kind_of, shown, with_article


def whole(name: str, value: Any) -> int:
    """A whole number, Python's or numpy's."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DataError(f"{name} is {shown(value)}; a whole number is accepted.")
    try:
        return int(value.__index__())
    except TypeError:  # a tensor of many numbers
        raise DataError(f"{name} is {shown(value)}; a whole number is accepted.") from None


def one_of(name: str, value: Any, known: Iterable[str], what: str) -> str:
    """The value, if it is one of the known names, each the name of a `what`."""
    if not isinstance(value, str):
        raise DataError(f"{name} is {_named(value)}; the name of a {what} is accepted: {', '.join(known)}.")
    if value not in known:
        raise DataError(f"'{one_line(value, 80)}' is no {what}; it has {', '.join(known)}.")
    return value


def sequence(x: Any) -> Tensor:
    """x, if it is a tensor with numbers in it. Its shape and type are looked at beside the weights."""
    if x is None:
        raise DataError("x is missing; a tensor (time, batch, feature) is accepted.")
    if not isinstance(x, Tensor):
        raise DataError(f"x is {kind_of(x)}; a tensor (time, batch, feature) is accepted.")
    return with_numbers("x", x)


def with_numbers(name: str, tensor: Tensor) -> Tensor:
    if tensor.device.type == "meta":
        raise DataError(f"{name} is on the device 'meta', where tensors have no numbers.")
    if tensor.layout != torch.strided or tensor.is_nested:
        kind = "nested" if tensor.is_nested else "sparse"
        raise DataError(f"{name} is a {kind} tensor; a dense one is accepted.")
    return tensor


def states(initial: Any, names: Sequence[str]) -> dict[str, Tensor]:
    """The initial states by name: from {"h": …, "c": …}, or as torch takes them, h_0 or the LSTM's (h_0, c_0)."""
    if initial is None:
        return {}
    if isinstance(initial, Mapping):
        given = dict(initial)
    elif isinstance(initial, Tensor) and len(names) == 1:
        given = {names[0]: initial}
    elif isinstance(initial, (tuple, list)) and len(initial) == len(names):
        given = dict(zip(names, initial, strict=True))
    else:
        natural = "a tensor h_0" if len(names) == 1 else f"a pair ({', '.join(f'{name}_0' for name in names)})"
        raise DataError(f"initial is {_named(initial)}; {natural} is accepted, or a dict by {_or(names)}.")
    for name, state in given.items():
        if name not in names:
            raise DataError(f"initial has {shown(name)}; the states of this layer are {', '.join(names)}.")
        if not isinstance(state, Tensor):
            raise DataError(f"initial.{name} is {_named(state)}; a tensor (batch, hidden) is accepted.")
        with_numbers(f"initial.{name}", state)
    return given


def _named(value: Any) -> str:
    if isinstance(value, (str, int, float)):
        return shown(value)
    if isinstance(value, (tuple, list)):
        return f"{kind_of(value)} of {len(value)}"
    kind = type(value)
    return kind_of(value) if kind.__module__ == "builtins" else with_article(f"{kind.__module__}.{kind.__name__}")


def _or(names: Sequence[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def lengths(given: Any, steps: int, batch: int) -> Tensor | None:
    """(B,) int64 on the CPU, if they are that; None where all sequences are whole."""
    if given is None:
        return None
    try:
        found = torch.as_tensor(given, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise DataError(f"lengths is {_named(given)}; whole numbers, one a sample, are accepted.") from None
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool or tuple(found.shape) != (batch,):
        kind = f"{tuple(found.shape)} of {found.dtype}"
        raise DataError(f"lengths is {kind}; whole numbers ({batch},), one a sample, are accepted.")
    found = found.detach().to("cpu", torch.int64, copy=True)
    if bool((found < 1).any()) or bool((found > steps).any()):
        raise DataError(f"lengths go from {int(found.min())} to {int(found.max())}; 1 to {steps} are accepted.")
    return None if bool((found == steps).all()) else found


def numbers(name: str, chosen: Any, count: int) -> list[int]:
    """Some of 0 … count − 1, from a slice, or whole numbers from 0 or from the end, each once; None: all."""
    if chosen is None:
        return list(range(count))
    accepted = f"a slice, a range or a list of whole numbers from {-count} to {count - 1}, each once, is accepted"
    if isinstance(chosen, slice):
        found = list(range(count))[chosen]
    else:
        if isinstance(chosen, (Tensor, np.ndarray)):
            chosen = chosen.tolist()
        if not isinstance(chosen, (Sequence, range)) or isinstance(chosen, str):
            raise DataError(f"{name} is {_named(chosen)}; {accepted}.")
        given = [whole(name, one) for one in chosen]
        for one in given:
            if not -count <= one < count:
                raise DataError(f"{name} has {one}; {accepted}.")
        found = [one % count for one in given]
    if not found or len(set(found)) < len(found):
        raise DataError(f"{name} has {'one of them twice' if found else 'none'}; {accepted}.")
    return found


def stretch(name: str, chosen: Any, steps: int) -> tuple[int, int]:
    """First and last of 1 … steps, both included."""
    if not isinstance(chosen, (tuple, list)) or len(chosen) != 2:
        raise DataError(f"{name} is {_named(chosen)}; a pair (first, last) of steps from 1 to {steps} is accepted.")
    first, last = (whole(name, one) for one in chosen)
    if not 1 <= first <= last <= steps:
        raise DataError(f"{name} is ({first}, {last}); a pair (first, last) within 1 to {steps} is accepted.")
    return first, last
