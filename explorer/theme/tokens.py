"""Colours, sizes and spacings by meaning. Widgets ask for a meaning, never for a hex value.

Forward is teal, backward orange, loss yellow, clipping magenta; vanishing blue ▼, healthy green ●, exploding red ▲.
tests/explorer/test_contrast.py holds every text pair to 4.5:1 and every graphic to 3:1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    name: ThemeName
    window: str
    """Behind everything."""
    surface: str
    """Panels, cards."""
    raised: str
    """Buttons, fields, chips."""
    plot: str
    """Behind plots, and under what is not a number."""
    ground: str
    """Behind the tracks' data: not as dark as the middle of a dark diverging map, which would be lost on it."""
    line: str
    """Hairlines between things (decorative)."""
    border: str
    """Borders of controls (3:1 against surface)."""
    text: str
    muted: str
    """Secondary text, still 4.5:1."""
    accent: str
    """Primary buttons, focus, selection."""
    on_accent: str
    forward: str
    backward: str
    loss: str
    clip: str
    update: str
    vanishing: str
    healthy: str
    exploding: str
    cursor: str
    series: tuple[str, ...]
    """Curves that have no meaning of their own."""
    zero: str
    """Fill of cells that are exactly zero."""


DARK = Theme(
    name="dark",
    window="#14161b",
    surface="#1b1e25",
    raised="#262a33",
    plot="#16181e",
    ground="#20232b",
    line="#31363f",
    border="#757d8c",
    text="#e8eaee",
    muted="#a3aab8",
    accent="#ff9142",
    on_accent="#1b1206",
    forward="#2fb7a3",
    backward="#ff9142",
    loss="#f5c542",
    clip="#e37bd0",
    update="#a3aab8",
    vanishing="#62b0f5",
    healthy="#79cf82",
    exploding="#ff7b7b",
    cursor="#ffffff",
    series=("#ff9142", "#ffd3a6", "#62b0f5", "#79cf82", "#e37bd0", "#c7b8ff"),
    zero="#767e8b",
)

LIGHT = Theme(
    name="light",
    window="#f3f4f7",
    surface="#ffffff",
    raised="#f3f4f7",
    plot="#fbfcfd",
    ground="#fbfcfd",
    line="#dde1e8",
    border="#848b98",
    text="#171a20",
    muted="#565e6d",
    accent="#b4500f",
    on_accent="#ffffff",
    forward="#0b7d6e",
    backward="#b4500f",
    loss="#8a6400",
    clip="#a8328f",
    update="#565e6d",
    vanishing="#1b66b8",
    healthy="#2b7a36",
    exploding="#c2263a",
    cursor="#171a20",
    series=("#b4500f", "#7a4a1d", "#1b66b8", "#2b7a36", "#a8328f", "#5b45b0"),
    zero="#7d8592",
)

THEMES: dict[ThemeName, Theme] = {"dark": DARK, "light": LIGHT}

# Spacing in logical pixels; every margin and gap is one of these.
TIGHT, GAP, PAD, ROOM = 4, 8, 12, 20
RADIUS = 6
TEXT_PX = 13
SMALL_PX = 11
TITLE_PX = 24
