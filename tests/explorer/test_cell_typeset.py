"""Symbols are shipped as ziamath makes them, so none is made while the window runs, and they are drawn crisply."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from explorer.cell import typeset
from explorer.cell.symbols import used


def test_the_shipped_symbols_are_what_ziamath_makes_of_the_symbols_in_use() -> None:
    shipped = json.loads(typeset.shipped_file().read_text(encoding="utf-8"))
    assert set(shipped) == used(), "run python -m explorer.cell.typeset"
    for latex, svg in shipped.items():
        assert svg == typeset.typeset(latex), latex


def test_the_panel_needs_no_ziamath() -> None:
    code = (
        "import sys, explorer.cell.panel, explorer.cell.typeset as t; t.symbol('h_t'); print('ziamath' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_a_symbol_that_is_not_shipped_is_typeset_when_it_is_needed() -> None:
    assert r"\zeta_7" not in used()
    assert typeset.symbol(r"\zeta_7").width > 0.3


def painted(latex: str, ratio: float, colour: str = "#ff0000") -> QImage:
    image = QImage(round(100 * ratio), round(60 * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(0)
    painter = QPainter(image)
    typeset.draw(painter, latex, 10, 40, 20, colour)
    painter.end()
    return image


def ink(image: QImage) -> list[tuple[int, int, QColor]]:
    found = []
    for y in range(image.height()):
        for x in range(image.width()):
            colour = image.pixelColor(x, y)
            if colour.alpha() > 127:
                found.append((x, y, colour))
    return found


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_a_symbol_stands_on_its_baseline_in_its_colour_at_every_pixel_ratio(qtbot: QtBot, ratio: float) -> None:
    pixels = ink(painted("h", ratio))
    assert pixels
    assert {(c.red() > 200, c.green() < 60, c.blue() < 60) for _, _, c in pixels} == {(True, True, True)}
    lowest, highest = max(y for _, y, _ in pixels), min(y for _, y, _ in pixels)
    assert lowest == pytest.approx(40 * ratio, abs=1.5)  # an h has no descender
    assert highest < 30 * ratio


def test_a_picture_is_made_once_for_each_size_colour_and_pixel_ratio(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    typeset.forget()
    made: list[bytes] = []
    renderer = typeset.QSvgRenderer

    def counted(svg: object) -> object:
        made.append(b"")
        return renderer(svg)

    monkeypatch.setattr(typeset, "QSvgRenderer", counted)
    for colour, ratio in (("#ff0000", 1.0), ("#ff0000", 1.0), ("#00ff00", 1.0), ("#ff0000", 2.0), ("#00ff00", 1.0)):
        painted("h_t", ratio, colour)
    assert len(made) == 3


def test_a_symbol_is_centred_by_its_ink(qtbot: QtBot) -> None:
    image = QImage(60, 60, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    typeset.draw_centred(painter, "+", QPointF(30, 30), 24, "#ffffff")
    painter.end()
    xs, ys = [x for x, _, _ in ink(image)], [y for _, y, _ in ink(image)]
    assert (min(xs) + max(xs)) / 2 == pytest.approx(30, abs=1.5)
    assert (min(ys) + max(ys)) / 2 == pytest.approx(30, abs=1.5)
