"""Every pair of text and background is readable: 4.5:1, graphics 3:1 (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import pytest

from explorer.theme.tokens import DARK, LIGHT, Theme

BACKGROUNDS = ("window", "surface", "raised", "plot")
TEXTS = ("text", "muted", "accent", "forward", "backward", "loss", "clip", "vanishing", "healthy", "exploding")


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_text_can_be_read_on_every_background(theme: Theme, text: str, background: str) -> None:
    assert contrast(getattr(theme, text), getattr(theme, background)) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
def test_text_on_the_accent_can_be_read(theme: Theme) -> None:
    assert contrast(theme.on_accent, theme.accent) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
def test_graphics_stand_out_from_what_is_behind_them(theme: Theme) -> None:
    for graphic in (theme.cursor, theme.update, theme.zero, *theme.series):
        assert contrast(graphic, theme.plot) >= 3.0
    for background in (theme.surface, theme.raised, theme.window):
        assert contrast(theme.border, background) >= 3.0
