"""Fills of cells, and a text colour on each that can be read: by a share from 0 to 1, or by class."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtGui import QColor

from explorer.stage import palette
from explorer.theme.tokens import THEMES, ThemeName

LEVELS = 64
_ROUNDS = (1.0, 0.62, 0.34)
"""How much of a series' colour is left, each time its colours are through."""


@lru_cache(maxsize=4)
def shares(theme: ThemeName) -> tuple[tuple[QColor, QColor], ...]:
    """(fill, text) of LEVELS shares from 0 to 1."""
    found = palette.ramp("gate", theme, LEVELS)
    return tuple(_pair(QColor(*(int(c) for c in rgb)).name(), theme) for rgb in found)


def of_share(share: float, theme: ThemeName) -> tuple[QColor, QColor]:
    """NaN is not a share: it has the plot's own ground."""
    if not 0.0 <= share <= 1.0:
        return QColor(THEMES[theme].plot), QColor(THEMES[theme].text)
    return shares(theme)[min(LEVELS - 1, int(share * LEVELS))]


@lru_cache(maxsize=256)
def of_class(number: int, theme: ThemeName) -> tuple[QColor, QColor]:
    """Eighteen that differ; letters tell all of them apart."""
    t = THEMES[theme]
    tones = (t.series[2], t.series[0], t.series[3], t.series[4], t.series[5], t.series[1])
    strength = _ROUNDS[number // len(tones) % len(_ROUNDS)]
    return _pair(palette.mix(t.plot, tones[number % len(tones)], strength), theme)


def _pair(fill: str, theme: ThemeName) -> tuple[QColor, QColor]:
    dark, light = sorted((THEMES[theme].text, THEMES[theme].window), key=palette.luminance)
    better = max((dark, light, "black", "white"), key=lambda one: palette.contrast(fill, QColor(one).name()))
    ours = max((dark, light), key=lambda one: palette.contrast(fill, one))
    return QColor(fill), QColor(ours if palette.contrast(fill, ours) >= 4.5 else better)
