"""What playing does at the end of the tape: plain data and words. The tape is one iteration of the training; going on
from its end changes the weights, so it is somebody's choice, and said before it happens."""

from __future__ import annotations

from typing import Literal

AtEnd = Literal["stop", "repeat", "next"]
ENDINGS: dict[AtEnd, str] = {
    "stop": "Stop",
    "repeat": "Play it again",
    "next": "Go on with the next iteration",
}


def goes_on(at_end: AtEnd, *, trains: bool) -> bool:
    """Whether playing goes on into the next iteration. `trains`: there is one."""
    return at_end == "next" and trains


def play_words(at_end: AtEnd, *, last: bool, trains: bool, iteration: int) -> tuple[str, str]:
    """(text, tooltip) of the play button; `last`: the playhead is at the end of the tape."""
    onward = goes_on(at_end, trains=trains)
    if last and onward:
        return "Next", f"Train on and play iteration {iteration + 1} (Space)"
    if last:
        return "Again", "Play this iteration again, from its start (Space)"
    then = (
        "then the next iteration" if onward else "again and again" if at_end == "repeat" else "to the end of the tape"
    )
    return "Play", f"Play (Space): {then}"


def step_words(what: str, *, last: bool, trains: bool, iteration: int) -> str:
    """The tooltip of the button that steps on."""
    if last and trains:
        return f"Train on: to the start of iteration {iteration + 1} (→)"
    return f"One {what} on (→)"


def stopped_words(*, trains: bool, iteration: int) -> str:
    """When playing has come to the end and stops."""
    onward = f"; → trains on to iteration {iteration + 1}" if trains else ""
    return f"The end of the tape. Space plays it again{onward}."
