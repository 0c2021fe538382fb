"""How training stands, in words: what it does, why it does not, and what the next press of Train would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engine.training_requests import Diverged

Kind = Literal["", "paused", "there", "until", "early stop", "diverged", "failed", "changed", "stepped"]
"""changed: by an edit; stepped: by undo or redo."""


@dataclass(frozen=True)
class Ending:
    """Why training does not run; kind "": it never has, or what it said is no longer true."""

    kind: Kind = ""
    sentence: str = ""
    diverged: Diverged | None = field(default=None, compare=False)
    """Where training met a number that is not finite."""

    @property
    def outlives_an_edit(self) -> bool:
        """Whether it is true still after an edit, or its undoing, that takes training nowhere else."""
        return self.kind in ("paused", "changed")


@dataclass(frozen=True)
class Outlook:
    """What the next press of Train would do."""

    shown: int
    """The iteration on the stage."""
    start: int
    """Where training would go on."""
    last: int
    """The last iteration that is known; it is put away where training starts before it."""


def span(first: int, last: int) -> str:
    """ "iteration 21", "iterations 21–182"."""
    return f"iteration {first:,}" if first == last else f"iterations {first:,}–{last:,}"


def put_away(start: int, last: int) -> str:
    """What a training that begins anew says of what came after; "" where nothing did."""
    if last <= start:
        return ""
    gone = span(start + 1, last)
    are, them = ("is", "it") if last == start + 1 else ("are", "them")
    return f"{gone[0].upper()}{gone[1:]} {are} put away; undo brings {them} back."


def let_go(iteration: int) -> str:
    """Of a pause that what was under way would have kept waiting."""
    return f"Paused at iteration {iteration:,}; what was under way of the next was let go."


def evaluation_let_go(iteration: int) -> str:
    return f"Paused at iteration {iteration:,}; its evaluation is made when training goes on."


def changed(was: int, start: int, now: int, *, running: bool, stepped: str, another: bool = False) -> str:
    """Of a change while training ran, or that has taken training elsewhere; "" where there is nothing to say. `was`,
    `now`: the last iterations that were known, and are; `start`: where an edit has training begin anew; `another`: a
    step has brought a training that is another one from some iteration on."""
    if another and stepped != "edit":
        here, there, other = ("earlier", "later", "redo") if stepped == "undo" else ("later", "earlier", "undo")
        return f"The {here} training is back, up to iteration {now:,}; {other} brings the {there} one, up to {was:,}."
    if stepped == "edit" and now < was:
        return f"Training begins anew at {start:,}. {put_away(start, was)}" if was > start else ""
    if now < was:
        other = "redo" if stepped == "undo" else "undo"
        return f"Training is back at iteration {now:,}; {other} brings {span(now + 1, was)} back."
    if now > was:
        return f"Training is at iteration {now:,} again."
    if running:
        return f"Paused at iteration {was:,}: the experiment was changed. Train goes on with it as it is now."
    return ""


def stands(
    *, running: bool, goal: int | None, until: str | None, ending: Ending, follows: bool, note: str, outlook: Outlook
) -> tuple[str, str]:
    """What training does, or why it does not; and the tone of it. `note`: what has become of what was known before."""
    if running:
        what = "Training"
        if goal is not None:
            what += f" up to iteration {goal:,}"
        if until is not None:
            what += f" until {until}"
        what += "; the stage follows." if follows else "; the stage stays where you are. End follows again."
        return f"{what} {note}".strip(), "muted"
    if ending.kind in ("diverged", "failed"):
        return ending.sentence, "exploding"
    if outlook.start < outlook.last:
        return f"Train begins anew at {outlook.start:,}. {put_away(outlook.start, outlook.last)}", "muted"
    if outlook.shown < outlook.last and ending.kind not in ("changed", "stepped"):
        return f"The stage shows iteration {outlook.shown:,}; Train goes on from {outlook.last:,}.", "muted"
    return ending.sentence or {"paused": "Paused.", "there": "Done."}.get(ending.kind, ""), "muted"
