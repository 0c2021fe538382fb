"""Where we are on the tape, in words and colours. Plain functions; the window's title and the lecture use them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.operations_of_cell import Way
from engine.requests import Event
from engine.tape import Moment, Phase, Tape
from engine.within import Inside, Within
from explorer.theme.tokens import Theme

PHASE_TITLES: dict[Phase, str] = {
    Phase.FORWARD: "Forward",
    Phase.LOSS: "Loss",
    Phase.BACKWARD: "Backward",
    Phase.CLIP: "Clip",
    Phase.UPDATE: "Update",
}

EVENT_TONES: dict[str, str] = {
    "underflow": "vanishing",
    "overflow": "exploding",
    "nan": "exploding",
    "clip": "clip",
    "saturated": "forward",
    "dead": "muted",
}
"""The theme's colour of an event's tick. The tick's shape (an icon of the same name) tells them apart without it."""
EVENT_TITLES: dict[str, str] = {
    "underflow": "Underflow",
    "overflow": "Overflow",
    "nan": "NaN",
    "clip": "Clipping",
    "saturated": "Saturated gate",
    "dead": "Dead units",
}
_WORST = ("nan", "overflow", "underflow", "dead", "saturated", "clip")


def worst(events: Sequence[Event]) -> Event:
    """The one whose glyph stands for them all where there is room for one."""
    return min(events, key=lambda event: _WORST.index(event.kind))


def describe(moment: Moment) -> str:
    """ "Forward · t = 13", "Loss", "Backward · t = 13", "Clip", "Update"."""
    title = PHASE_TITLES[moment.phase]
    return f"{title} · t = {moment.step}" if moment.phase in (Phase.FORWARD, Phase.BACKWARD) else title


def inside_words(inside: Inside, within: Within | None, way: Way | None, *, reverse: bool = False) -> str:
    """Where inside of a step: "layer 2 · forget gate f"; "" where it is whole. One layer needs no number, the reverse
    direction of one that is looked at an arrow."""
    if within is None or way is None:
        return ""
    arrow = " ←" if reverse and within.level == inside.focus else ""
    layer = f"layer {within.level + 1}{arrow}" if inside.levels > 1 or arrow else ""
    operation = inside.current(within, way)
    return " · ".join(part for part in (layer, operation.words(way) if operation is not None else "") if part)


def own_words(inside: Inside, own: int) -> str:
    """Of the reverse layer that is looked at: it stands at another step than the tape. "layer 2 ← at t = 10"."""
    return f"layer {inside.focus + 1} ← at t = {own}"


def longest_words(inside: Inside, steps: int, *, reverse: bool = False) -> tuple[str, ...]:
    """All that can be said of places inside of a step."""
    ways: tuple[Way, Way] = ("forward", "backward")
    said = [
        inside_words(inside, within, way, reverse=reverse) for way in ways for within in inside.moments(way, "gate")
    ]
    return (*said, *([own_words(inside, steps)] if reverse else []))


def place(tape: Tape, position: int) -> str:
    """ "moment 69 of 83". Moments are counted from 1."""
    return f"moment {position + 1} of {len(tape)}"


def tone(phase: Phase) -> str:
    """The name of the theme's colour of a phase."""
    return phase.value


def colour(phase: Phase, theme: Theme) -> str:
    return str(getattr(theme, tone(phase)))


def event_position(tape: Tape, event: Event) -> int:
    """Where on the tape an event's tick stands."""
    return replace(event, step=min(max(event.step, 1), tape.steps)).position(tape.steps)
