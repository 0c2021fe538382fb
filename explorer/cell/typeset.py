"""Mathematical symbols as pictures: LaTeX → SVG (ziamath) → QImage, on a common baseline, crisp at any scale.

ziamath takes some 200 ms to import and milliseconds a symbol, so the symbols that the cell panel uses are shipped as
SVG in resources/equations/symbols.json; `python -m explorer.cell.typeset` makes that file anew, and a test compares.
Only a symbol that is missing there is typeset while the program runs.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QPointF, QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

from engine import folders

_EM = 32
"""Size at which the SVGs are made; they are scaled from there."""

_KEPT = 1024
"""Pictures that are kept; one is a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A typeset symbol. Lengths in em, y downwards from the baseline (so `top` is negative for what stands on it)."""

    svg: str
    left: float
    top: float
    width: float
    height: float


def shipped_file() -> Path:
    return folders.resources() / "equations" / "symbols.json"


@cache
def _shipped() -> dict[str, str]:
    try:
        symbols: dict[str, str] = json.loads(shipped_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # everything can be typeset, only later
    return symbols


def typeset(latex: str) -> str:
    """The SVG of a formula, made by ziamath: black paths, baseline at y = 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how ziamath finds its font on Python 3.11
        from ziamath.config import config  # takes 200 ms, and what is shipped does not need it
        from ziamath.zmath import Latex

    config.svg2 = False  # QtSvg draws nothing of ziamath's SVG 2
    made: str = Latex(latex, size=_EM, inline=True).svg()
    return made


@cache
def symbol(latex: str) -> Symbol:
    svg = _shipped().get(latex) or typeset(latex)
    from xml.etree import ElementTree  # the window starts before anything is typeset

    left, top, width, height = (float(part) for part in ElementTree.fromstring(svg).attrib["viewBox"].split())
    return Symbol(svg, left / _EM, top / _EM, width / _EM, height / _EM)


def width(latex: str, em: float) -> float:
    """Of a symbol's ink (and a hair of margin), in logical pixels."""
    return symbol(latex).width * em


_pictures: OrderedDict[tuple[str, float, str, float], tuple[QImage, int, int]] = OrderedDict()


def _picture(latex: str, em: float, colour: str, ratio: float) -> tuple[QImage, int, int]:
    """The picture, and where its top left corner is from the point on the baseline, in device pixels.

    A QImage, since a QPixmap in a module must not outlive the application.
    """
    key = (latex, em, colour, ratio)
    found = _pictures.get(key)
    if found is not None:
        _pictures.move_to_end(key)
        return found
    it, scale = symbol(latex), em * ratio
    left, top = 0, math.floor(it.top * scale)
    right, bottom = math.ceil(it.width * scale), math.ceil((it.top + it.height) * scale)
    image = QImage(max(1, right - left), max(1, bottom - top), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    svg = it.svg.replace('fill="black"', f'fill="{colour}"')
    QSvgRenderer(QByteArray(svg.encode())).render(
        painter, QRectF(0, it.top * scale - top, it.width * scale, it.height * scale)
    )
    painter.end()
    image.setDevicePixelRatio(ratio)
    _pictures[key] = image, left, top
    while len(_pictures) > _KEPT:
        _pictures.popitem(last=False)
    return _pictures[key]


def draw(painter: QPainter, latex: str, x: float, baseline: float, em: float, colour: str) -> None:
    """Draw a symbol with its left edge at x, in logical pixels; `colour` is "#rrggbb"."""
    ratio = painter.device().devicePixelRatioF()
    image, left, top = _picture(latex, em, colour, ratio)
    # On whole device pixels: a picture between two pixels is a blurred one.
    at = QPointF((round(x * ratio) + left) / ratio, (round(baseline * ratio) + top) / ratio)
    painter.drawImage(at, image)


def draw_centred(painter: QPainter, latex: str, centre: QPointF, em: float, colour: str) -> None:
    """Draw a symbol with the middle of its ink at a point."""
    it = symbol(latex)
    x = centre.x() - it.width * em / 2
    draw(painter, latex, x, centre.y() - (it.top + it.height / 2) * em, em, colour)


def forget() -> None:
    """Drop every picture (for tests and measurements)."""
    _pictures.clear()


def main() -> None:
    """Make resources/equations/symbols.json anew."""
    from explorer.cell.symbols import used

    made = {latex: typeset(latex) for latex in sorted(used())}
    shipped_file().parent.mkdir(exist_ok=True)
    text = json.dumps(made, ensure_ascii=False, indent=0, sort_keys=True)
    shipped_file().write_text(text + "\n", encoding="utf-8", newline="\n")
    print(f"{len(made)} symbols, {len(text) // 1024} KB → {shipped_file()}")


if __name__ == "__main__":
    main()
