"""Where a training was changed on its way, and what was changed there, in words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from engine.past import Led, Past
from engine.spec import NO_WHAT_IF, Experiment, WhatIf
from explorer.document.edit_words import LEADING, OF_WHAT_IF, changed_fields, field_words
from explorer.widgets.numbers import short

Recipe: TypeAlias = Led
"""What an iteration is trained with."""
_GROUPS = (*LEADING, "training.clip.kind", "training.schedule.kind")
"""Fields that bring others of their part along, which are not named one by one then."""
_WHOLE = ("training.truncation", "training.sampling")
"""Parts that may be there or not."""


@dataclass(frozen=True)
class Turn:
    """Where a training went on with something else than before."""

    iteration: int
    """The first that was trained so; its loss and its gradient are of it already."""
    words: str
    """What was changed: "T 6 → 9, learning rate 0.1 → 0.03", "what-if: scale of W_hh 1 → 2"."""
    apart: bool = False
    """Losses before and after are not to be compared: of another T, another task, another loss."""


def turns_of(past: Past) -> tuple[Turn, ...]:
    """In order; each is at an iteration whose state is kept. What leads to iteration 0 is nothing."""
    known = [(k, past.recipes[k]) for k in sorted(past.history) if k > 0 and k in past.recipes]
    return tuple(
        Turn(k, ", ".join(changes(before, after)), apart(before[0], after[0]))
        for (k, before), (_, after) in pairwise(known)
        if before is not after and before != after
    )


def apart(before: Experiment | None, after: Experiment | None) -> bool:
    """Whether losses of the two are of different things. The size of a batch is no part of what a loss is of."""
    if before is None or after is None or before == after:
        return False
    changed = changed_fields(before, after)
    return any((name.startswith("task.") and name != "task.batch_size") or name.endswith(".loss") for name in changed)


def changes(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """What differs between two recipes, a phrase each."""
    found: tuple[str, ...] = ()
    if before[0] is not None and after[0] is not None and before[0] != after[0]:
        found = _of_experiment(before[0], after[0])
    return found + _of_what_if(before[1], after[1])


def _of_experiment(before: Experiment, after: Experiment) -> tuple[str, ...]:
    changed = changed_fields(before, after)
    found: dict[str, None] = {}
    for group in _GROUPS:
        if group in changed:
            part = group.rpartition(".")[0]
            found[_phrase(field_words(group), *changed[group])] = None
            brought = [name for name in changed if name.startswith(f"{part}.")]
            changed = {name: values for name, values in changed.items() if name not in brought}
    for whole in _WHOLE:
        inside = {name: values for name, values in changed.items() if name.startswith(f"{whole}.")}
        sides = [any(values[side] is not None for values in inside.values()) for side in (0, 1)]
        if sides[0] != sides[1]:
            found[f"{field_words(whole)} {'on' if sides[1] else 'off'}"] = None
            changed = {name: values for name, values in changed.items() if name not in inside}
    found |= {_phrase(field_words(name), *values): None for name, values in changed.items()}
    return tuple(found)


_COUNTED = {"gate_biases": "shifted biases", "clamps": "held gates", "cuts": "cut routes"}


def _of_what_if(before: WhatIf, after: WhatIf) -> tuple[str, ...]:
    if before == after:
        return ()
    if after == NO_WHAT_IF:
        return ("what-if taken back",)
    found = []
    for name, words in OF_WHAT_IF.items():
        if name not in _COUNTED and (was := getattr(before, name)) != (now := getattr(after, name)):
            found.append(_phrase(words, was, now))
    for name, words in _COUNTED.items():
        if (was := getattr(before, name)) != (now := getattr(after, name)):
            found.append(_phrase(words, len(was), len(now)) if len(was) != len(now) else f"other {words}")
    return tuple(f"what-if: {phrase}" for phrase in found)


def _phrase(words: str, before: Any, after: Any) -> str:
    """ "T 6 → 9"."""
    return f"{words} {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        text = f"{value:.3g}"
        return short(value, len(text.partition("e")[0].replace(".", "").lstrip("-0")) or 1)
    return str(value).replace("_", " ")
