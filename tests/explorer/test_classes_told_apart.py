"""The classes look different: in grey, with large cells and with cells one pixel wide, in both themes."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage import classes, palette
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, magnitude, signed
from explorer.stage.tracks.heatmap import Heatmap
from explorer.theme import current as theming
from explorer.theme.tokens import THEMES, ThemeName

CLASSES = {"zero": 0.0, "below": 1e-25, "above": 1e9, "inf": np.inf, "nan": np.nan}
NUMBERS = {"1e-10": 1e-10, "1": 1.0}
TALL = 20
"""Logical pixels of a cell's height."""

themes = pytest.mark.parametrize("name", ["light", "dark"])
widths = pytest.mark.parametrize("width", [20, 1])
ratios = pytest.mark.parametrize("ratio", [1, 2])
tracks = pytest.mark.parametrize("key", ["grads.h", "grads.h?show=signed", "values.h", "grads.h?unit=1"])


def _excerpt(value: float, steps: int, key: str, *, masked: bool) -> Excerpt:
    """Of one number everywhere; masked: the sample has ended before it began."""
    e = synthetic.excerpt("rnn", T=steps, H=2)
    what = key.partition("?")[0]
    data = np.full((steps, 2), value, np.float32)
    return dataclasses.replace(e, arrays={**e.arrays, f"l0.{what}": data}, length=0 if masked else steps)


def _grey(
    value: float, width: int, ratio: int, key: str = "grads.h", *, reached: bool = True, masked: bool = False
) -> np.ndarray:
    """Grey picture of a track whose cells are `width` × 20 logical pixels, in device pixels."""
    steps = 12 if width > 1 else 48
    book = ScaleBook()
    track = Heatmap(key)
    track.set_excerpt(_excerpt(1.0, steps, key, masked=False), book)  # the scale comes from an ordinary trace
    track.set_excerpt(_excerpt(value, steps, key, masked=masked), book)
    view = TimeView(steps, 1, steps, steps * width * ratio, float(ratio))
    height = 2 * TALL * ratio
    track.prepare(view, height)
    image = QImage(view.width, height, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    painter = QPainter(image)
    tape = Tape(steps)
    now = Now.at(tape, len(tape) - 1 if reached else 0)
    if not reached and not track.is_gradient:
        now = dataclasses.replace(now, forward=0)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, view.width, height), now)
    painter.end()
    grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(grey.constBits(), np.uint8).reshape(height, grey.bytesPerLine())
    return rows[:, : view.width].astype(float)


def _pictures(width: int, ratio: int, key: str = "grads.h") -> dict[str, np.ndarray]:
    numbers = NUMBERS if "signed" in key or "grads" in key else {"-0.7": -0.7, "1": 1.0}
    found = {name: _grey(value, width, ratio, key) for name, value in (CLASSES | numbers).items()}
    if "signed" in key or "values" in key:
        found["-inf"] = _grey(-np.inf, width, ratio, key)
        found["below"] = _grey(-1e9, width, ratio, key)
    found["masked"] = _grey(1.0, width, ratio, key, masked=True)
    found["not reached"] = _grey(1.0, width, ratio, key, reached=False)
    return found


def _signature(picture: np.ndarray) -> np.ndarray:
    """What stays the same when a pattern is shifted: how dark, how much of it, how fine, and which way it runs."""
    p = picture
    moved = [(p[1:], p[:-1]), (p[:, 1:], p[:, :-1]), (p[1:, 1:], p[:-1, :-1]), (p[1:, :-1], p[:-1, 1:])]
    changes = [float(np.abs(a - b).mean()) for a, b in moved if a.size]
    return np.array([*np.quantile(picture, (0.1, 0.5, 0.9)), picture.mean(), *changes])


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(_signature(one) - _signature(other)).max())


@themes
@widths
@ratios
@tracks
def test_every_class_has_a_picture_of_its_own_in_grey(
    qtbot: QtBot, name: ThemeName, width: int, ratio: int, key: str
) -> None:
    """Large cells by their glyphs, narrow ones by another pattern or another brightness, wherever a pattern begins."""
    theming.apply(name)
    for (a, one), (b, other) in combinations(_pictures(width, ratio, key).items(), 2):
        assert np.mean(np.abs(one - other) > 30) > 0.012, f"{a} and {b} look alike"
        if width == 1:
            assert _distance(one, other) > 10, f"{a} and {b} have the same pattern"


@themes
@ratios
def test_a_lone_cell_one_pixel_wide_is_told_by_its_pattern_or_its_brightness(
    qtbot: QtBot, name: ThemeName, ratio: int
) -> None:
    """In any one step. What is not reached never stands alone."""
    theming.apply(name)
    pictures = {key: picture for key, picture in _pictures(1, ratio).items() if key != "not reached"}
    for t in (7, 12, 20):
        columns = {key: picture[:, t * ratio : (t + 1) * ratio] for key, picture in pictures.items()}
        for (a, one), (b, other) in combinations(columns.items(), 2):
            assert _distance(one, other) > 12, f"{a} and {b} look alike at step {t}"


@themes
@widths
@ratios
def test_a_number_on_the_scale_is_plain_and_a_class_never_is(
    qtbot: QtBot, name: ThemeName, width: int, ratio: int
) -> None:
    theming.apply(name)
    for key, picture in _pictures(width, ratio).items():
        assert (picture.std() == 0) == (key in NUMBERS), key


@themes
def test_the_texture_of_what_is_masked_is_no_diagonal_and_in_every_row_and_column(name: ThemeName) -> None:
    masked = palette.texture(classes.UNDEFINED, 60, 60)
    assert masked.any(0).all()
    assert masked.any(1).all()
    for code in classes.SPECIAL:
        other = palette.texture(code, 60, 60)
        shifts = [np.mean(np.roll(other, (dy, dx), (0, 1)) == masked) for dy in range(12) for dx in range(12)]
        assert max(shifts) < 0.9, f"class {code}"


@themes
@pytest.mark.parametrize("scale", [GATE, signed(1.0), magnitude()], ids=lambda s: s.kind)
def test_marks_stand_out_from_their_grounds(name: ThemeName, scale: object) -> None:
    for code, look in palette.looks(scale, name).items():
        assert palette.contrast(look.mark, look.ground) >= 3.0, f"class {code}"


@themes
def test_a_signed_scale_is_as_far_from_the_middle_on_both_sides(name: ThemeName) -> None:
    ends = palette.ramp("signed", name, 2)
    colours = ["#" + "".join(f"{int(c):02x}" for c in rgb) for rgb in ends]
    ground = THEMES[name].plot
    ratio = palette.contrast(colours[0], ground) / palette.contrast(colours[1], ground)
    assert 0.5 < ratio < 2


@themes
@pytest.mark.parametrize("kind", ["gate", "magnitude"])
def test_a_sequential_scale_only_gets_lighter_or_only_darker(name: ThemeName, kind: str) -> None:
    light = [palette.luminance("#" + "".join(f"{int(c):02x}" for c in rgb)) for rgb in palette.ramp(kind, name, 32)]
    steps = np.diff(light)
    assert (steps > 0).all() or (steps < 0).all()
