"""One colour for each route of a gradient to the step before, in every view. Routes of other cells share it."""

from __future__ import annotations

from explorer.theme.tokens import Theme

ROUTE_TONES = {
    "a": "backward",
    "carousel": "backward",
    "leak": "backward",
    "i": "series.2",
    "z": "series.2",
    "f": "series.3",
    "r": "series.3",
    "g": "series.4",
    "n": "series.4",
    "o": "series.5",
}
"""By route (engine.quantities.ROUTES): a field of the theme, or one of its series. The main road has the colour of the
way back; a cell's other routes are told apart."""


def colour_of(tone: str, theme: Theme) -> str:
    """Of a tone: "backward", "series.2"."""
    name, dot, place = tone.partition(".")
    return theme.series[int(place)] if dot else str(getattr(theme, name))


def route_colour(route: str, theme: Theme) -> str:
    return colour_of(ROUTE_TONES[route], theme)
