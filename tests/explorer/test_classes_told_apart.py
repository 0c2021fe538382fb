"""The classes look different: in grey, with large cells and with cells one pixel wide, in both themes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage import palette
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, magnitude, signed
from explorer.stage.tracks.heatmap import Heatmap
from explorer.theme import current as theming
from explorer.theme.tokens import THEMES, ThemeName

NUMBERS = {"zero": 0.0, "below": 1e-25, "above": 1e9, "inf": np.inf, "nan": np.nan}
CELLS = 12


def _excerpt(value: float, steps: int) -> Excerpt:
    """A gradient of one number everywhere."""
    import dataclasses

    e = synthetic.excerpt("rnn", T=steps, H=2)
    data = np.full((steps, 2), value, np.float32)
    return dataclasses.replace(e, arrays={**e.arrays, "l0.grads.h": data})


def _grey(value: float, width: int, *, reached: bool = True) -> np.ndarray:
    """Grey picture of a gradient track whose cells are `width` × 20 pixels."""
    steps = CELLS if width > 1 else 24
    track = Heatmap("grads.h")
    track.set_excerpt(_excerpt(value, steps), ScaleBook())
    view = TimeView(steps, 1, steps, steps * width)
    track.prepare(view, 40)
    image = QImage(view.width, 40, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    tape = Tape(steps)
    now = Now.at(tape, len(tape) - 1 if reached else 0)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, view.width, 40), now)
    painter.end()
    grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(grey.constBits(), np.uint8).reshape(40, grey.bytesPerLine())
    return rows[:, : view.width].astype(float)


def _pictures(width: int) -> dict[str, np.ndarray]:
    found = {name: _grey(value, width) for name, value in NUMBERS.items()}
    found["not reached"] = _grey(1.0, width, reached=False)
    found["number"] = _grey(1.0, width)
    return found


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("width", [20, 1])
def test_every_class_has_a_picture_of_its_own_in_grey(qtbot: QtBot, name: ThemeName, width: int) -> None:
    theming.apply(name)
    for (a, one), (b, other) in combinations(_pictures(width).items(), 2):
        share = np.mean(np.abs(one - other) > 30)
        assert share > 0.012, f"{a} and {b} look alike"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_classes_one_pixel_wide_differ_by_pattern_or_by_far(qtbot: QtBot, name: ThemeName) -> None:
    """In any one column of pixels: another share of marks, or grounds far apart."""
    theming.apply(name)
    columns = {key: picture[:, 7] for key, picture in _pictures(1).items() if key != "not reached"}

    def signature(column: np.ndarray) -> tuple[float, float, float]:
        return float(np.median(column)), float(column.std()), float(np.abs(np.diff(column)).mean())

    for (a, one), (b, other) in combinations(columns.items(), 2):
        distance = max(abs(x - y) for x, y in zip(signature(one), signature(other), strict=True))
        assert distance > 12, f"{a} and {b} look alike in one column"


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("width", [20, 1])
def test_a_number_on_the_scale_is_plain_and_a_class_never_is(qtbot: QtBot, name: ThemeName, width: int) -> None:
    theming.apply(name)
    for key, picture in _pictures(width).items():
        assert (picture.std() == 0) == (key == "number"), key


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("scale", [GATE, signed(1.0), magnitude()], ids=lambda s: s.kind)
def test_marks_stand_out_from_their_grounds(name: ThemeName, scale: object) -> None:
    for code, look in palette.looks(scale, name).items():
        assert palette.contrast(look.mark, look.ground) >= 3.0, f"class {code}"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_signed_scale_is_as_far_from_the_middle_on_both_sides(name: ThemeName) -> None:
    ends = palette.ramp("signed", name, 2)
    colours = ["#" + "".join(f"{int(c):02x}" for c in rgb) for rgb in ends]
    ground = THEMES[name].plot
    ratio = palette.contrast(colours[0], ground) / palette.contrast(colours[1], ground)
    assert 0.5 < ratio < 2


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("kind", ["gate", "magnitude"])
def test_a_sequential_scale_only_gets_lighter_or_only_darker(name: ThemeName, kind: str) -> None:
    light = [palette.luminance("#" + "".join(f"{int(c):02x}" for c in rgb)) for rgb in palette.ramp(kind, name, 32)]
    steps = np.diff(light)
    assert (steps > 0).all() or (steps < 0).all()
