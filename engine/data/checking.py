"""What every task over somebody's own data is held to before the data are kept."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import DataError, SpecError
from engine.parts import Part
from engine.spec import OwnTask
from engine.spec_reading import plain, read, shown
from engine.task_checks import check_task

PARTS: tuple[Part, ...] = ("train", "validation", "test")


def check(task: OwnTask, of_part: Callable[[Part], None]) -> None:
    """Its own types and ranges, then each part of the data. `of_part` raises DataError, and so does this."""
    try:
        read(plain(task), type(task), "the task", "task")
        check_task(task)
    except (ValueError, SpecError) as error:
        raise DataError(str(error)) from None
    for part in PARTS:
        of_part(part)


def check_choice(name: str, given: object, accepted: tuple[str, ...]) -> None:
    """That a choice is one of those that there are. Raises DataError."""
    if given not in accepted:
        ways = ", ".join(f"'{one}'" for one in accepted)
        raise DataError(f"{name} is {shown(given)}; one of {ways} is accepted.")
