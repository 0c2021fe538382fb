"""What a curve track says of its curves at a moment: in its header, in a strip, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explorer.stage.now import Now
from explorer.stage.tracks import curve_legend, words
from explorer.stage.tracks.base import Block, TableData
from explorer.stage.tracks.curve_labels import begun
from explorer.stage.tracks.plot import Curve, Plot, Style
from explorer.widgets.numbers import short

_NO_DIGITS = ("NaN", "∞")
_IN_STRIP = 3
"""Curves whose values have room in a strip."""


def value_of(curve: Curve, now: Now) -> str:
    """At the playhead, short; "" where it is not known."""
    first, last = curve.group.known(now)
    if not first <= now.step <= min(last, len(curve.places)) or curve.legend is not None:
        return ""
    at = now.step - 1
    if 0 < curve.longest <= at:
        return words.PADDING
    return (curve.brief or curve.said)(at) if curve.values is None else short(float(curve.values[at]))


def line_entries(plot: Plot, now: Now) -> list[curve_legend.Entry]:
    """The lines that have a name there, once they are drawn."""
    there = (line for line in plot.lines if line.legend is not None and (line.always or begun(plot, now)))
    named = ((line.tone, *line.legend) for line in there if line.legend is not None)
    return [
        curve_legend.Entry(Style(tone, 1, ghost=True), name, name.split()[-1], tuple(said))
        for tone, name, *said in named
    ]


def entry_of(curve: Curve, plot: Plot, now: Now) -> curve_legend.Entry:
    """A curve in the legend, with its slope and its value."""
    if curve.legend:  # a pinned trace: what differs, the first of it above the rest
        first, _, rest = curve.legend.partition(", ")
        return curve_legend.Entry(curve.style, first, first, (rest,) if rest else ())
    said, span = slope_of(curve, now)
    unit = plot.slope_unit
    texts = (f"{said} decades {unit}", f"{said} dec. {unit}", f"{said} dec.") if said else ()
    value = value_of(curve, now).partition(",")[0]
    values: tuple[str, ...] = (value,) if value else ()
    if value and curve.values is not None:
        values = (value, short(float(curve.values[now.step - 1]), 2))
    return curve_legend.Entry(curve.style, curve.name, curve.short, texts, said, span, values)


def slope_of(curve: Curve, now: Now) -> tuple[str, tuple[str, ...]]:
    """The slope, and of which steps it is where not of all that are known."""
    if curve.slopes is None:
        return "", ()
    first, last = curve.group.known(now)
    if first > last:
        return "", ()
    steps = len(curve.places)
    start = steps + 1 - last if curve.group.from_left else first
    measured = curve.slopes.since(start)
    if measured is None:
        return "", ()
    span = curve.slopes.span(start)
    if span is None:
        return words.slope(measured), ()
    a, b = (steps + 1 - span[1], steps + 1 - span[0]) if curve.group.from_left else span
    return words.slope(measured), (f"t = {a}…{b}", f"{a}…{b}")


def header_says(plot: Plot, now: Now) -> object:
    """What the header says at a moment, to be compared."""
    lines = plot.header(now) if plot.header else ()
    slopes = [slope_of(curve, now) for curve in plot.curves if curve.slopes is not None]
    values = [value_of(curve, now) for curve in plot.curves]
    return lines, slopes, values, begun(plot, now)


def at_playhead(plot: Plot, now: Now) -> str:
    """Of the curves that are known there, as many as fit a line."""
    said = []
    for curve in plot.curves:
        value = value_of(curve, now)
        if value:
            is_number = any(sign.isdigit() for sign in value) or value in _NO_DIGITS
            said.append(f"{curve.name} = {value}" if is_number else f"{curve.name}: {value}")
    return " · ".join(said[:_IN_STRIP])


def table(plot: Plot, title: str, now: Now) -> TableData:
    """The curves of this trace, as far as they have a number for every step."""
    blocks = (
        Block(
            (curve.name,),
            (curve.places if curve.values is None else curve.values)[:, None],
            curve.group.known(now),
            length=curve.longest,
            words=_Said(curve) if curve.values is None else (),
            ranked=curve.values is None,
        )
        for curve in plot.curves
        if len(curve.places) == now.steps and not curve.style.ghost
    )
    return TableData(title, tuple(blocks))


class _Said(Sequence[str]):
    """A curve's exact values in words, each made when it is looked at."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def __len__(self) -> int:
        return len(self._curve.places)

    def __getitem__(self, step: Any) -> Any:
        return self._curve.said(step)
