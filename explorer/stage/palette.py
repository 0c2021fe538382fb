"""Colours of scales and looks of classes, by theme. Perceptually uniform maps from `cmap`; no rainbow.

A class is told by shape: a glyph where cells are large, a texture where they are narrow (also in grey, also one pixel
wide), never by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explorer.stage import classes
from explorer.stage.classes import (
    ABOVE,
    BELOW,
    FIRST,
    LEVELS,
    MINUS_INF,
    NAN,
    NO_STEP,
    NOT_REACHED,
    PLUS_INF,
    UNDEFINED,
    ZERO,
)
from explorer.stage.scales import Scale
from explorer.theme.tokens import THEMES, Theme, ThemeName

Pixels = NDArray[np.uint32]

# name, from where to where: the ends are cut where they would be lost against the background.
_MAPS: dict[tuple[str, str], tuple[str, float, float]] = {
    ("gate", "dark"): ("crameri:oslo", 0.12, 0.97),
    ("gate", "light"): ("crameri:oslo", 0.97, 0.2),
    ("signed", "dark"): ("crameri:berlin", 0.0, 1.0),
    ("signed", "light"): ("crameri:vik", 0.04, 0.96),
    ("magnitude", "dark"): ("bids:magma", 0.05, 1.0),
    ("magnitude", "light"): ("bids:magma", 1.0, 0.08),
}

GLYPHS = {ZERO: "0", BELOW: "▽", ABOVE: "▲", PLUS_INF: "∞", MINUS_INF: "−∞", NAN: "×"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a class is drawn: its ground, and its mark (a glyph), or where there is no room for one, its hatch."""

    ground: str
    mark: str
    hatch: str
    """Quieter than the mark: a texture covers wide stretches, and must not be louder than the data."""


@lru_cache(maxsize=64)
def ramp(kind: str, theme: ThemeName, count: int) -> NDArray[np.uint8]:
    """(count, 3): the colours of a scale from its low to its high end."""
    from cmap import Colormap

    name, low, high = _MAPS[kind, theme]
    rgba = np.asarray(Colormap(name)(np.linspace(low, high, count)))
    return np.round(rgba[:, :3] * 255).astype(np.uint8)


@lru_cache(maxsize=64)
def table(scale: Scale, theme: ThemeName) -> Pixels:
    """(256,) 0xffRRGGBB for each code: the scale's colours, and the grounds of the classes."""
    colours = np.zeros((256, 3), np.uint8)
    if scale.kind == "magnitude":
        bands = min(scale.bands, LEVELS)
        colours[FIRST : FIRST + bands] = ramp("magnitude", theme, bands)
    elif scale.kind == "signed":
        both = ramp("signed", theme, LEVELS)
        half = LEVELS // 2
        colours[FIRST : FIRST + LEVELS : 2] = both[:half][::-1]
        colours[FIRST + 1 : FIRST + LEVELS : 2] = both[half:]
    else:
        colours[FIRST : FIRST + LEVELS] = ramp("gate", theme, LEVELS)
    for code, look in looks(scale, theme).items():
        colours[code] = _rgb(look.ground)
    packed = colours.astype(np.uint32)
    return (0xFF000000 | packed[:, 0] << 16 | packed[:, 1] << 8 | packed[:, 2]).astype(np.uint32)


@lru_cache(maxsize=64)
def wires(scale: Scale, theme: ThemeName) -> Pixels:
    """(256,) as `table`, for thin things on the tracks' ground: every band stands out from it, and BELOW has its mark's
    colour."""
    t = THEMES[theme]
    colours = table(scale, theme).copy()
    for place, rgb in enumerate(ramp("magnitude", theme, scale.bands)):
        colours[FIRST + place] = packed(readable(_hex(rgb), t.ground))
    colours[BELOW] = packed(looks(scale, theme)[BELOW].mark)
    return colours


@lru_cache(maxsize=64)
def looks(scale: Scale, theme: ThemeName) -> dict[int, Look]:
    """The looks of everything that is not a number on the scale."""
    t = THEMES[theme]
    ends = ramp(scale.kind, theme, 2)
    low = t.plot if scale.kind == "magnitude" else _hex(ends[0])
    high = _hex(ends[1])
    grounds = {
        NOT_REACHED: (t.ground, t.border),
        UNDEFINED: (mix(t.plot, t.border, 0.3), contrasting(mix(t.plot, t.border, 0.3), t)),
        BELOW: (low, readable(t.vanishing, low)),
        ZERO: (t.zero, contrasting(t.zero, t)),
        ABOVE: (high, readable(t.exploding, high)),
        MINUS_INF: (t.exploding, contrasting(t.exploding, t)),
        PLUS_INF: (t.exploding, contrasting(t.exploding, t)),
        NAN: (t.plot, t.text),
        NO_STEP: (t.surface, contrasting(t.surface, t)),
    }
    quiet = {NO_STEP: 0.35, BELOW: 0.4 if scale.kind == "magnitude" else 0.0, ZERO: 0.4, UNDEFINED: 0.6}
    return {code: Look(a, b, mix(b, a, quiet.get(code, 0.0))) for code, (a, b) in grounds.items()}


def textured(
    pixels: Pixels,
    codes: classes.Codes,
    scale: Scale,
    theme: ThemeName,
    ratio: float,
    plain: tuple[int, ...] = (),
    source: classes.Codes | None = None,
) -> None:
    """Draw the textures of the classes over their grounds. pixels and codes (height, width) in device pixels; the
    classes in `plain` keep a plain ground, for a glyph. `source`: the cells that the codes come from, where there are
    fewer of them than pixels.

    Every texture shows in a stretch one pixel wide or one pixel high as well: diagonals do.
    """
    if not codes.size:
        return
    present = classes.present(codes if source is None else source)
    for code, look in looks(scale, theme).items():
        if code not in present or code in plain:
            continue
        shape = PLUS_INF if code == MINUS_INF and scale.kind == "magnitude" else code  # a size has no sign
        where = codes == code
        where &= _texture(shape, codes.shape[0], codes.shape[1], max(1, round(ratio)))
        np.putmask(pixels, where, np.uint32(packed(look.hatch)))


_PIECE = 256
# Direction of the diagonal, period, thickness (logical pixels). Period and duty tell the textures apart in grey.
_STRIPES = {
    ZERO: (1, 8, 1),
    BELOW: (-1, 8, 2),
    ABOVE: (1, 6, 2),
    PLUS_INF: (1, 4, 2),
    MINUS_INF: (-1, 4, 2),
    NO_STEP: (-1, 12, 1),  # far apart: between them it is as empty as beside the data
}


def _texture(code: int, height: int, width: int, ratio: int) -> NDArray[np.bool_]:
    """Cut from one that is somewhat larger: a window that is being resized needs another width every time."""
    return _large_texture(code, -(-height // _PIECE) * _PIECE, -(-width // _PIECE) * _PIECE, ratio)[:height, :width]


@lru_cache(maxsize=64)
def _large_texture(code: int, height: int, width: int, ratio: int) -> NDArray[np.bool_]:
    y, x = np.arange(height)[:, None] // ratio, np.arange(width)[None, :] // ratio
    if code == NAN:
        return np.asarray((x // 3 + y // 3) % 2 == 0)
    if code == UNDEFINED:  # chevrons: they look like no diagonal, and are in every row and column
        return np.asarray((np.abs(x % 8 - 4) + y) % 5 < 1)
    direction, period, thickness = _STRIPES[code]
    return np.asarray((x * direction + y) % period < thickness)


def texture(code: int, height: int, width: int, ratio: int = 1) -> NDArray[np.bool_]:
    """Where a class's texture has its mark."""
    return _texture(code, height, width, ratio)


@lru_cache(maxsize=1024)
def packed(colour: str) -> int:
    return 0xFF000000 | int(colour[1:7], 16)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@lru_cache(maxsize=1024)
def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=1024)
def contrasting(ground: str, theme: Theme) -> str:
    """The theme's light or dark end, whichever stands out from the ground."""
    return max((theme.text, theme.plot), key=lambda colour: contrast(colour, ground))


@lru_cache(maxsize=1024)
def readable(colour: str, ground: str, least: float = 3.0) -> str:
    """The colour, moved towards white or black until it stands out from the ground."""
    towards = "#ffffff" if contrast("#ffffff", ground) > contrast("#000000", ground) else "#000000"
    for percent in range(0, 101, 10):
        mixed = mix(colour, towards, percent / 100)
        if contrast(mixed, ground) >= least:
            return mixed
    return towards


@lru_cache(maxsize=1024)
def mix(a: str, b: str, share: float) -> str:
    """`share` of b in a."""
    return _hex(np.round(_rgb(a) * (1 - share) + _rgb(b) * share).astype(np.uint8))


def _rgb(colour: str) -> NDArray[np.uint8]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)


def _hex(rgb: NDArray[np.uint8]) -> str:
    return "#" + "".join(f"{int(c):02x}" for c in rgb)
