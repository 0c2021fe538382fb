"""What a curve track says under the pointer, exactly, and what of it can be copied."""

from __future__ import annotations

import numpy as np

from explorer.stage import classes
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.tracks import words
from explorer.stage.tracks.base import Readout, Taken
from explorer.stage.tracks.curve_ink import y_of
from explorer.stage.tracks.curve_words import slope_of
from explorer.stage.tracks.plot import ALWAYS, Curve, Plot

_NEAREST = 8
"""Curves under the pointer that are read out; of more, those nearest to it."""
_WITH_SLOPES = 4
"""Curves whose slopes have room in the header; of more, they are under the pointer."""


def hover(plot: Plot, view: TimeView, height: float, at: tuple[int, int], now: Now) -> Readout | None:
    """At a place in device pixels; `height` of the track in logical ones."""
    first, last = view.steps_at(at[0])
    t = view.step_at(at[0])
    known: list[Curve] = []
    waiting: list[Curve] = []
    for curve in plot.curves:
        start, end = curve.group.known(now)
        there = start <= first and last <= end if curve.group is not ALWAYS else True
        (known if there else waiting).append(curve)
    known = [curve for curve in known if t <= len(curve.places)]
    if not known:
        names = tuple(curve.name for curve in waiting if curve.legend is None)
        return Readout(f"t = {t}", names[:_NEAREST], "not reached yet") if names else None
    shown = _nearest(known, t, at[1] / view.ratio, height)
    notes = [plot.readout_note] if plot.readout_note else []
    notes += [f"{c.short}: {c.note}" for c in shown if c.note]
    for curve in shown:
        said = words.code_words(int(curve.codes[t - 1]), plot.axis.ends)
        if curve.values is not None and 0 < abs(float(curve.values[t - 1])) < curve.normal:
            said = f"{said}, {classes.SUBNORMAL}" if said else classes.SUBNORMAL
        if said:
            notes.append(f"{curve.short}: {said}")
    if len(known) > len(shown):
        notes.append(f"{len(known) - len(shown)} more here")
    elif waiting:
        notes.append(f"{len(waiting)} not reached yet")
    values = [f"{c.name}{' = ' if _has_value(c, t) else ': '}{c.said(t - 1)}" for c in shown]
    if len(plot.curves) > _WITH_SLOPES:  # then the header has no room for them
        slopes = [slope_of(curve, now)[0] for curve in shown]
        values = [f"{v}   {s} dec." if s else v for v, s in zip(values, slopes, strict=True)]
    values += [c.whole(t - 1) for c in shown if c.whole is not None and c.group.known(now) == (1, view.steps)]
    taken = tuple(_taken(plot, curve, t) for curve in shown if _has_value(curve, t))
    return Readout(f"t = {t}", tuple(value for value in values if value), " · ".join(notes), taken=taken)


def taken(plot: Plot, now: Now) -> tuple[Taken, ...]:
    """Of every curve of this trace that is known at the playhead."""
    t = now.step
    there = [(curve, curve.group.known(now)) for curve in plot.curves if not curve.style.ghost]
    return tuple(
        _taken(plot, curve, t)
        for curve, (first, last) in there
        if first <= t <= min(last, len(curve.places)) and _has_value(curve, t)
    )


def _has_value(curve: Curve, t: int) -> bool:
    """Where it has none, it says why in its place."""
    return int(curve.codes[t - 1]) != classes.UNDEFINED


def _nearest(curves: list[Curve], t: int, y: float, height: float) -> list[Curve]:
    if len(curves) <= _NEAREST:
        return curves
    far = [abs(y_of(float(c.places[t - 1]), height) - y) if c.on[t - 1] else 1e9 for c in curves]
    kept = set(np.argsort(far, kind="stable")[:_NEAREST].tolist())
    return [curve for n, curve in enumerate(curves) if n in kept]


def _taken(plot: Plot, curve: Curve, t: int) -> Taken:
    return Taken(curve.name, t, curve.said(t - 1), sample=plot.samples)
