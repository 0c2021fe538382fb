"""JSON from a stranger's file: bounded in size and depth, no key twice, no NaN. Raises SessionError, nothing else."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from engine.errors import SessionError

MAX_DEPTH = 16

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def parse(data: bytes, what: str, max_bytes: int) -> Any:
    """The JSON in `data`. `what` names it in the sentence of an error."""
    if len(data) > max_bytes:
        raise SessionError(f"{what} has {len(data):,} bytes; at most {max_bytes:,} are accepted.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SessionError(f"{what} is damaged: it is not UTF-8 text.") from None
    if _depth(text) > MAX_DEPTH:
        raise SessionError(f"{what} is nested more than {MAX_DEPTH} deep.")
    try:
        return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refused)
    except _KeyTwiceError:
        raise SessionError(f"{what} has a key twice.") from None
    except (ValueError, RecursionError):  # a wrong JSON, and a number of thousands of digits
        raise SessionError(f"{what} is damaged: it is not valid JSON.") from None


class _KeyTwiceError(Exception):
    pass


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _KeyTwiceError
    return found


def _refused(word: str) -> NoReturn:
    raise ValueError(word)


def _depth(text: str) -> int:
    """How deep the brackets outside of strings are nested."""
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        sign = match.group()
        if sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    return deepest
