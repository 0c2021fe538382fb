"""Plain data of experiments, with one field changed."""

from __future__ import annotations

from typing import Any

GOOD: dict[str, Any] = {"model": {"layers": [{"cell": "rnn"}]}, "task": {"kind": "adding"}}


def in_lists(data: Any) -> Any:
    """A copy with lists for tuples, as a file has them."""
    if isinstance(data, dict):
        return {name: in_lists(value) for name, value in data.items()}
    return [in_lists(one) for one in data] if isinstance(data, (list, tuple)) else data


def with_field(path: str, value: Any, good: dict[str, Any] = GOOD) -> dict[str, Any]:
    """`good` with one field changed; a number in the path is a place in a list."""
    data: Any = in_lists(good)
    here = data
    *way, last = path.replace("[", ".").replace("]", "").split(".")
    for name in way:
        if isinstance(here, list):
            here = here[int(name)]
        else:
            if here.get(name) is None:
                here[name] = {}
            here = here[name]
    here[int(last) if isinstance(here, list) else last] = value
    return data


def one_sentence(sentence: str) -> bool:
    return sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300
