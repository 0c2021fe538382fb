"""What stands left and right of a track's data: its name, and its scale with the counts of the classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from explorer.stage import glyphs, marked, palette
from explorer.stage.classes import ABOVE, BELOW, COUNTED, MINUS_INF, NAN, NO_STEP, PLUS_INF, UNDEFINED, ZERO
from explorer.stage.layer import Layer
from explorer.stage.scales import Scale
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, SMALL_PX, TEXT_PX, TIGHT, ThemeName

GRIP_WIDTH = 12
"""Left of a track's name: where its chevron is."""
HEADER_WIDTH = 128 + GRIP_WIDTH
"""Of a stage with room (`columns`)."""
LINE = SMALL_PX + 4
"""A line of small text."""
_TITLE = TEXT_PX - 1
_RAMP_WIDTH = 9
_SWATCH = (12, 12)
_WORDS = {
    NAN: ("NaN",),
    PLUS_INF: ("infinite", "inf"),
    MINUS_INF: ("−infinite", "−inf"),
    ABOVE: ("above",),
    ZERO: ("exactly 0", "zero"),
    BELOW: ("below",),
    UNDEFINED: ("padding",),
}


class Columns(NamedTuple):
    """Logical pixels of a stage's headers and scales."""

    header: int
    scale: int


def columns(width: int) -> Columns:
    """The narrower the stage, the more of it belongs to the data."""
    if width >= 900:
        return Columns(HEADER_WIDTH, 120)
    return Columns(HEADER_WIDTH, 104) if width >= 600 else Columns(118 + GRIP_WIDTH, 88)


def fitting(variants: Iterable[str], font: QFont, width: float) -> str:
    """The first of the texts that has room, "" if none has."""
    return next((text for text in variants if marked.width(text, font) <= width + 0.5), "")


def paint_title(painter: QPainter, box: QRect, title: str, tone: str, lines: tuple[tuple[str, str], ...]) -> float:
    """A bold title (two lines where it must) and small lines (text, tone) as far as they fit. Returns their bottom."""
    theme = theming.current()
    left, width = box.left() + GAP + 1, text_room(box)
    y = float(box.top() + 6)
    font = theming.font(_TITLE, bold=True)
    painter.setPen(QColor(getattr(theme, tone)))
    for part in _wrapped(title, font, width):
        marked.draw(painter, QRectF(left, y, width, _TITLE + 4), part, font)
        y += _TITLE + 4
    small = theming.small()
    for text, colour in lines:
        if y + LINE > box.bottom():
            break
        painter.setPen(QColor(getattr(theme, colour)))
        marked.draw(painter, QRectF(left, y, width, LINE), text, small)
        y += LINE
    return y


def title_boxes(box: QRect, title: str, lines: tuple[str, ...]) -> list[QRectF]:
    """What `paint_title` fills, line by line: beside it there may be room for something else."""
    left, y = box.left() + GAP + 1, float(box.top() + 6)
    bold, small = theming.font(_TITLE, bold=True), theming.small()
    found = []
    for part in _wrapped(title, bold, text_room(box)):
        found.append(QRectF(left, y, marked.width(part, bold), _TITLE + 4))
        y += _TITLE + 4
    for text in lines:
        if y + LINE > box.bottom():
            break
        found.append(QRectF(left, y, marked.width(text, small), LINE))
        y += LINE
    return found


def text_room(header: QRect) -> int:
    """How wide a line in a header may be."""
    return header.width() - GAP - TIGHT - 1


def _wrapped(title: str, font: QFont, width: float) -> list[str]:
    if marked.width(title, font) <= width:
        return [title]
    words = title.split(" ")
    for cut in range(len(words) - 1, 0, -1):
        first = " ".join(words[:cut])
        if marked.width(first, font) <= width:
            return [first, " ".join(words[cut:])]
    return [title]


def sample_of(sample: int, batch: int) -> tuple[str, ...]:
    """Says that numbers are those of one sample (from 0) of several; () for a single sample."""
    return (f"of sample {sample + 1}", f"sample {sample + 1}") if batch > 1 else ()


def mean_of(batch: int) -> tuple[str, ...]:
    """Says that a number is a mean over the batch, from the longest wording to the shortest; () for a single sample."""
    return (f"mean of {batch:,} samples", f"mean of {batch:,}") if batch > 1 else ()


# -- the scale --------------------------------------------------------------------------------------------------------


FIT = ("click to fit", "fit")
"""Beside a scale that fits nothing any more, from the longest wording to the shortest."""
BACK = ("click: shared scale", "click: back", "back")
"""Beside one that a track has for itself."""
_OFFERED, _GOES_ON = -1, -2
"""In the place of a class: what a click does, and more words for the line above."""


@dataclass(frozen=True)
class Notes:
    """What is said beside a scale."""

    whose: tuple[str, ...] = ()
    """What is counted, above the counts, from its longest wording to its shortest."""
    named: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Other words for a class."""
    offer: tuple[str, ...] = ()
    """What a click on the scale does, likewise; () where it does nothing."""
    uncounted: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """Classes that have a swatch, a name and what there is to be said of it, and no number."""


_NOTHING_MORE = Notes()


def paint_scale(
    painter: QPainter,
    box: QRect,
    scale: Scale,
    counts: dict[int, int] | None = None,
    subnormal: int = 0,
    *,
    hatched: bool = True,
    notes: Notes = _NOTHING_MORE,
) -> None:
    """The scale's colours upright at the left of the box, its numbers beside them, and between its ends a line for each
    class that is there, the worst first. `hatched`: the cells are too small for glyphs, so the swatches have none."""
    theme, font = theming.current(), theming.small()
    bar = ramp_box(box)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.drawImage(bar, _column(scale, theme.name))
    x, right = bar.right() + 7, box.right() - 1
    room = max(0, (bar.height() - 2 * LINE) // LINE)
    if not room and bar.height() + 6 >= 2 * LINE + SMALL_PX + 1:  # the letters have it, if not their lines
        room = 1
    rows, beside = _rows(scale, counts or {}, max(1, room)), 0
    rows += _uncounted(notes.uncounted, max(1, room) - len(rows), right - x - _SWATCH[0] - TIGHT)
    if rows and not room:  # a low track: the worst class stands right of the scale's numbers
        beside = round(max(marked.width(end, font) for end in scale.ends)) + GAP
        if x + beside + _SWATCH[0] > right:
            rows, beside = [], 0
    if subnormal and len(rows) < room:  # they are in other classes too; the readout has them always
        told = fitting((f"{subnormal:,} subnormal", f"{_thousands(subnormal)} subnormal"), font, right - x)
        rows += [(None, 0, told)] if told else []
    said = fitting(notes.whose, font, right - x)
    if rows and said and len(rows) < room:
        rows.insert(0, (None, 0, said))
    words = fitting(notes.offer, font, right - x)
    if words and not beside and (room > 1 or not rows):  # a class of numbers goes before it
        rows = [(_OFFERED, 0, words), *rows[: max(0, room - 1)]]
    top = bar.center().y() - len(rows) * LINE // 2
    taken = len(rows) * LINE + 4 if rows and not beside else 0
    _paint_numbers(painter, box, scale, QRectF(0, top - 2, 1, taken))
    x += beside
    for place, (code, count, text) in enumerate(rows):
        y = top + place * LINE
        if code in (None, _OFFERED, _GOES_ON):
            painter.setPen(QColor(theme.accent if code == _OFFERED else theme.muted))
            left = x + _SWATCH[0] + TIGHT if code == _GOES_ON else x
            marked.draw(painter, QRectF(left, y, right - left, LINE), text, font)
            continue
        paint_swatch(painter, QRect(x, y + 1, *_SWATCH), code, scale, hatched=hatched)
        start = x + _SWATCH[0] + TIGHT
        said, words = "", fitting((text,), font, right - start)
        if count:
            names = _beyond(code, scale) + notes.named.get(code, _WORDS[code])
            said, words = _counted(count, names, font, right - start)
            if code == UNDEFINED and not words:  # how much padding there is says less than that it is padding
                said, words = "", fitting(names, font, right - start)
        painter.setPen(QColor(theme.text))
        if said:
            start += round(marked.draw(painter, QRectF(start, y, right - start, LINE), said, font)) + TIGHT
        if words:
            painter.setPen(QColor(theme.muted))
            marked.draw(painter, QRectF(start, y, right - start, LINE), words, font)


def _counted(count: int, names: tuple[str, ...], font: QFont, room: float) -> tuple[str, str]:
    """How many of a class, and its name: a rounded number with a name goes before an exact one without."""
    numbers = tuple(dict.fromkeys((f"{count:,}", _thousands(count)) if count >= 1000 else (f"{count:,}",)))
    for said in numbers:
        words = fitting(names, font, room - round(marked.width(said, font)) - TIGHT)
        if words:
            return said, words
    return fitting(numbers, font, room), ""


def _beyond(code: int, scale: Scale) -> tuple[str, ...]:
    """Off the scale with the end that it is beyond: what is below 1e-20 has not underflowed."""
    low, high = scale.ends
    if code == BELOW:
        return f"below {low}", f"< {low}"
    return (f"above {high}", f"> {high}") if code == ABOVE else ()


def _rows(scale: Scale, counts: dict[int, int], room: int) -> list[tuple[int | None, int, str]]:
    """(class, count, "") or (None, 0, words), at most `room` of them."""
    counts = dict(counts)
    if scale.kind == "magnitude":  # a size has no sign
        counts[PLUS_INF] = counts.get(PLUS_INF, 0) + counts.pop(MINUS_INF, 0)
    rows: list[tuple[int | None, int, str]] = [(code, counts[code], "") for code in COUNTED if counts.get(code)]
    if len(rows) > room == 1:
        return rows[:1]  # the worst; the readout has them all
    if len(rows) > room:
        hidden = len(rows) - max(0, room - 1)
        return [*rows[: max(0, room - 1)], (None, 0, f"+{hidden} more")] if room else []
    return rows


def _uncounted(classes: Mapping[int, tuple[str, str]], room: int, width: float) -> list[tuple[int, int, str]]:
    """(class, 0, words), at most `room` of them: in one line, in two, or its name alone."""
    rows: list[tuple[int, int, str]] = []
    for code, (name, more) in classes.items():
        if len(rows) >= room:
            break
        whole, goes_on = (fitting((text,), theming.small(), width) for text in (f"{name}: {more}", more))
        rows.append((code, 0, whole or name))
        if goes_on and not whole and len(rows) < room:
            rows.append((_GOES_ON, 0, goes_on))
    return rows


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.0f}M"


def _paint_numbers(painter: QPainter, box: QRect, scale: Scale, taken: QRectF) -> None:
    """The scale's numbers beside its colours: the ends, and between them what has room."""
    theme, font = theming.current(), theming.small()
    bar = ramp_box(box)
    x, width = bar.right() + 7, box.right() - bar.right() - 7
    low, high = scale.ends
    top, bottom = QRectF(x, bar.top() - 3, width, LINE), QRectF(x, bar.bottom() + 3 - LINE, width, LINE)
    painter.setPen(QColor(theme.muted))
    marked.draw(painter, top, high, font)
    marked.draw(painter, bottom, low, font)
    last = bottom.top()
    for place, text in scale.marks(max(1, int((bar.height() - LINE) / (LINE + 1)))):
        y = bar.bottom() + 1 - place * bar.height()
        line = QRectF(x, y - LINE / 2, width, LINE)
        if line.bottom() > last + 1 or line.top() < top.bottom() - 1:
            continue
        if scale.linear:  # a bracket around the linear zone
            half = max(2, round(scale.linear_share * bar.height() / 2))
            painter.fillRect(QRect(bar.right() + 2, round(y) - half, 1, 2 * half + 1), QColor(theme.muted))
            for foot in (-half, half):
                painter.fillRect(QRect(bar.right() + 2, round(y) + foot, 3, 1), QColor(theme.muted))
        else:
            painter.fillRect(QRectF(bar.right() + 1, round(y - 0.5), 3, 1), QColor(theme.muted))
        if not (taken.height() and line.top() < taken.bottom() and line.bottom() > taken.top()):
            marked.draw(painter, line, text, font)
        last = line.top()


def ramp_box(box: QRect) -> QRect:
    return QRect(box.left() + GAP, box.top() + 7, _RAMP_WIDTH, box.height() - 15)


@lru_cache(maxsize=64)
def _column(scale: Scale, theme: ThemeName) -> QImage:
    count = scale.bands if scale.kind == "magnitude" else 128
    image = QImage(1, count, QImage.Format.Format_RGB32)
    for row, (r, g, b) in enumerate(palette.ramp(scale.kind, theme, count)[::-1]):
        image.setPixelColor(0, row, QColor(int(r), int(g), int(b)))
    return image


def paint_swatch(painter: QPainter, box: QRect, code: int, scale: Scale, *, hatched: bool) -> None:
    """A class as it looks in the cells."""
    theme = theming.current()
    look = palette.looks(scale, theme.name)[code]
    if hatched or code in (NAN, UNDEFINED, NO_STEP):
        painter.drawImage(box, _hatched(code, scale, theme.name, box.width(), box.height()))
    else:
        painter.fillRect(box, QColor(look.ground))
        glyphs.draw(painter, code, QRectF(box), look.mark)
    if code in (BELOW, NAN, UNDEFINED, NO_STEP):  # their grounds are nearly the column's
        painter.setPen(QColor(theme.border))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.drawRect(box.adjusted(0, 0, -1, -1))


@lru_cache(maxsize=64)
def _hatched(code: int, scale: Scale, theme: ThemeName, width: int, height: int) -> QImage:
    codes = np.full((height, width), code, np.uint8)
    pixels = palette.table(scale, theme)[codes]
    palette.textured(pixels, codes, scale, theme, 1.0)
    layer = Layer().sized(width, height)
    layer.pixels()[:] = pixels
    return layer.image


def paint_note(painter: QPainter, box: QRect, text: str) -> None:
    """A sentence in the middle of a track that has nothing to show."""
    theme = theming.current()
    font = theming.small()
    width = min(float(box.width() - 2 * GAP), marked.width(text, font) + 2 * GAP)
    chip = QRectF(0, 0, width, LINE + 4)
    chip.moveCenter(QRectF(box).center())
    painter.fillRect(chip, QColor(theme.ground))
    painter.setPen(QColor(theme.muted))
    marked.draw(painter, chip.adjusted(TIGHT, 0, -TIGHT, 0), text, font, Qt.AlignmentFlag.AlignHCenter)
