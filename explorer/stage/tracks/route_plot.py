"""The plot of a layer's routes: what share of the gradient that goes on to the step before takes which."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from engine import dtypes
from engine.quantities import ROUTES
from engine.requests import Array, Excerpt
from engine.tracks import TrackSpec
from explorer.stage import classes
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import bands
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.part_plots import found, layer_line, percent, why
from explorer.stage.tracks.plot import Curve, Group, Maker, PlainAxis, Plot, Style, Variants
from explorer.theme.routes import ROUTE_TONES
from explorer.widgets.numbers import UNSURE, power, power_told_apart, share_told_apart

_LINES = ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))
_ALONG = PlainAxis(0.0, 1.0, _LINES)
_A_LITTLE = PlainAxis(-0.25, 1.25, _LINES, ("−25 %", "125 %"))
_AGAINST = PlainAxis(-1.0, 2.0, ((-1.0, "−100 %"), (0.0, "0 %"), (1.0, "100 %"), (2.0, "200 %")))


def route_plot(track: TrackSpec) -> Maker:
    def make(e: Excerpt, book: ScaleBook, _: tuple[Ghost, ...]) -> Plot | str:
        layer, data = found(track, e)
        if layer is None or data is None:
            return why(track, e)
        names = ROUTES[layer.cell]
        count = len(names)
        shares, sizes = data[:, :count], data[:, count:]
        low, high = bands.stacked(shares)
        axis = book.once(f"{track.key}.{layer.cell}", lambda: _axis(high))
        stack = bands.Stack(axis.place(low), axis.place(high), tuple(ROUTE_TONES[name] for name in names))
        group = Group("grads", layer.reverse)
        codes = _codes(axis, low, high)
        least = math.log10(dtypes.smallest_normal(e.dtype))

        def said(place: int, *, brief: bool = False) -> Callable[[int], str]:
            columns = shares[:, place], sizes[:, place], sizes[:, count]
            return _said(*columns, least, _BRIEF if brief else _exact(e.dtype))

        curves = tuple(
            Curve(
                name if name != "a" else "W_{hh}",
                name if name != "a" else "W_{hh}",
                group,
                Style(stack.tones[place], band=place + 1),
                axis.place(shares[:, place]),
                codes,
                said(place),
                said(place, brief=True),
            )
            for place, name in enumerate(names)
        )
        against = (shares < 0).any(axis=1)
        note = ("⟨vᵣ, v⟩/‖v‖²: the shares of a step add up to 100 %", "below 0: against the others")
        lines: tuple[Variants, ...] = (("of what goes on to t−1", "of what goes on"),)
        lines += (("below 0: against it",),) if against.any() else ()
        return Plot(axis, curves, (*layer_line(e, layer), *lines), scale_note=note, stack=stack)

    return make


def _axis(high: Array) -> PlainAxis:
    """With room below 0 and above 1 where routes cancel."""
    most = float(np.max(np.nan_to_num(high), initial=0.0))
    return _ALONG if most <= 1 + 1e-6 else _A_LITTLE if most <= _A_LITTLE.high else _AGAINST


def _codes(axis: PlainAxis, low: Array, high: Array) -> classes.Codes:
    """Whether a step's stack leaves the axis."""
    codes = np.full(len(low), classes.FIRST, np.uint8)
    codes[low.min(axis=1) < axis.low - 1e-9] = classes.BELOW
    codes[high.max(axis=1) > axis.high + 1e-9] = classes.ABOVE
    codes[np.isnan(low).any(axis=1)] = classes.UNDEFINED
    return codes


Words = tuple[Callable[[float], str], Callable[[float], str]]
"""How a share is written, and how a norm by its logarithm."""
_BRIEF: Words = (percent, lambda log10: power(log10, 3))


def _exact(dtype: str) -> Words:
    return lambda part: share_told_apart(part, dtype), lambda log10: power_told_apart(log10, dtype)


def _said(shares: Array, sizes: Array, whole: Array, least: float, written: Words) -> Callable[[int], str]:
    """`whole`: log₁₀ of the norm of what the shares are of; `least`: of the smallest normal number. Below it digits are
    going, and a sign says so, as in the cell panel."""
    share, norm = written

    def said(t: int) -> str:
        if np.isnan(shares[t]):
            return "no share: nothing passes here"
        part = f"{_sign(whole[t], least) if shares[t] else ''}{share(float(shares[t]))}"
        return f"{part}, norm {_sign(sizes[t], least)}{norm(float(sizes[t]))}"

    return said


def _sign(log10: float, least: float) -> str:
    return UNSURE if -math.inf < log10 < least else ""
