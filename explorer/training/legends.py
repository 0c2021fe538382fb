"""What the training's curves and marks mean, in one line above each plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.stage import palette
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD
from explorer.training import ink
from explorer.training.axes import Axis
from explorer.training.curves import Curves, Floats
from explorer.training.words import baseline_words, layer_words, persistence_words

_SAMPLE = 16.0
_MARKS = {"above": ink.above_mark, "below": ink.below_mark, "bad": ink.bad_mark}
_ELIDED = "…"
_LONGEST_BRIEF = 14
"""Characters of a run's name where there is little room: it shall not press out what comes after it."""


@dataclass(frozen=True)
class Entry:
    """`brief` is written where the whole has no room."""

    words: str
    brief: str = ""
    kind: str = ""
    """ "thin", "line", "mean", "dash", "dots", "point", "layer", "ghost", "turn", "above", "below", "bad"; "": words
    alone."""
    colour: str = ""
    layer: tuple[str, int] = ("", 0)
    """Its name and its number; of a ghost the number of its colour."""
    terse: str = ""
    """Where even the brief one has no room: what it leaves out stands elsewhere in the drawer."""

    @property
    def is_title(self) -> bool:
        return not self.kind and not self.colour


def loss_legend(curves: Curves, over: int, axis: Axis, *, ran_away: bool = False) -> list[Entry]:
    """`ran_away`: that is why the axis is logarithmic."""
    theme = theming.current()
    title = "Loss of scaled numbers" if curves.scaled else "Loss"
    title += "" if axis.kind == "linear" else ", logarithmic"
    brief = ("Scaled loss" if curves.scaled else "Loss") + ("" if axis.kind == "linear" else ", log")
    entries = [Entry(f"{title} since it ran away" if ran_away else title, brief, terse="Loss")]
    if over > 1:
        entries.append(Entry(f"mean of {over:,}, pale: each", f"mean of {over:,}", "mean", theme.loss, terse="mean"))
    elif len(curves):
        entries.append(Entry("each iteration", "each", "thin", theme.loss))
    if curves.evaluations:
        entries.append(Entry("validation", "validation", "point", theme.text))
    if curves.baseline is not None:
        entries.append(Entry(baseline_words(curves.baseline), "baseline", "dash", theme.muted))
    if curves.persistence is not None:
        entries.append(Entry(persistence_words(curves.persistence), "last value", "dots", theme.muted))
    entries += _turns(curves)
    entries += _off_the_axis(axis.places(curves.losses), axis)
    return entries + _ghosts(curves)  # the last is left out first; their names stand at the curves too


def norm_legend(curves: Curves, over: int, axis: Axis) -> list[Entry]:
    theme = theming.current()
    entries = [Entry("Gradient norm", "Grad norm")]
    if not len(curves):
        return entries + _ghosts(curves)
    clipped, kind = bool(curves.clipped.any()), "line" if over > 1 else "thin"
    if clipped:
        entries.append(Entry("before clipping", "before", kind, theme.backward))
        entries.append(Entry("after clipping", "after", kind, theme.clip))
    else:
        entries.append(Entry("of all parameters", "of all", kind, theme.backward))
    for number, name in enumerate(curves.layer_norms):
        brief = layer_words(name).replace(", reverse", " rev.")
        entries.append(Entry(layer_words(name), brief, "layer", layer=(name, number)))
    entries += _turns(curves)
    entries += _off_the_axis(axis.places(curves.grad_norms), axis) + _ghosts(curves)
    if over > 1:  # as in the legend above, which says it where this one has no room
        entries.append(Entry(f"means of {over:,}, pale: least to most", f"means of {over:,}", colour=theme.muted))
    return entries


def _turns(curves: Curves) -> list[Entry]:
    """Above both plots: of one legend there may be no room."""
    return [Entry("settings changed", "changed", "turn")] if curves.turns else []


def _ghosts(curves: Curves) -> list[Entry]:
    return [Entry(one.name, _cut(one.name), "ghost", layer=(one.name, one.number)) for one in curves.ghosts]


def without(entries: Sequence[Entry], named: Sequence[str]) -> list[Entry]:
    """Less the earlier runs whose names stand at their curves."""
    return [one for one in entries if one.kind != "ghost" or one.words not in named]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_BRIEF else f"{name[: _LONGEST_BRIEF - 1].rstrip(', ')}…"


def _off_the_axis(places: Floats, axis: Axis) -> list[Entry]:
    """The marks at the edges that there are."""
    below = "0 or below the axis" if axis.kind == "log" else "below the axis"
    found = (
        (bool((places > 1).any()), Entry("above the axis", "above", "above", "exploding")),
        (bool((places < 0).any()), Entry(below, "below", "below", "vanishing")),
        (bool(np.isnan(places).any()), Entry("not a number", "NaN", "bad", "text")),
    )
    return [entry for there, entry in found if there]


def said(entries: Sequence[Entry]) -> str:
    return ", ".join(entry.words for entry in entries)


def shown_words(entries: Sequence[Entry], room: float) -> list[str]:
    """What is written of each: whole, else all of them brief, or terse; what has no room even then is left out from
    the end, and "…" stands for it."""
    return _fitted(entries, room)[0]


def _fitted(entries: Sequence[Entry], room: float) -> tuple[list[str], float]:
    """As `shown_words`, and the gap from one to the next: brief ones stand closer together where they have to."""
    whole, brief = [one.words for one in entries], [one.brief or one.words for one in entries]
    terse = [one.terse or words for one, words in zip(entries, brief, strict=True)]
    for words, gap in ((whole, PAD), (brief, PAD), (brief, GAP), (terse, GAP)):
        if _width(entries, words, gap) <= room:
            return words, gap
    while len(terse) > 1 and _width(entries, terse, GAP) + _text_width(_ELIDED) + GAP > room:
        terse.pop()
    return [*terse, _ELIDED], GAP


def _width(entries: Sequence[Entry], words: Sequence[str], gap: float) -> float:
    each = (_sample(one) + _text_width(text, bold=one.is_title) for one, text in zip(entries, words, strict=False))
    return sum(each) + gap * (len(words) - 1)


def _text_width(text: str, *, bold: bool = False) -> float:
    return QFontMetricsF(theming.small(bold=bold)).horizontalAdvance(text)


def _sample(entry: Entry) -> float:
    """Room before the words."""
    if not entry.kind:
        return 0.0
    return 12.0 if entry.kind in ("point", "turn") or entry.kind in _MARKS else _SAMPLE + 6


def draw_legend(painter: QPainter, box: QRectF, entries: Sequence[Entry]) -> None:
    theme, x = theming.current(), box.left()
    words, gap = _fitted(entries, box.width())
    for entry, text in zip(entries, words, strict=False):
        if text == _ELIDED:
            break
        sample, width = _sample(entry), _text_width(text, bold=entry.is_title)
        _draw_sample(painter, QRectF(x, box.top(), sample, box.height()), entry)
        painter.setFont(theming.small(bold=entry.is_title))
        painter.setPen(QColor(theme.text if entry.is_title else theme.muted))
        painter.drawText(QRectF(x + sample, box.top(), width + 2, box.height()), Qt.AlignmentFlag.AlignVCenter, text)
        x += sample + width + gap
    if words[-1] == _ELIDED:
        painter.setFont(theming.small())
        painter.setPen(QColor(theme.muted))
        painter.drawText(QRectF(x, box.top(), 20, box.height()), Qt.AlignmentFlag.AlignVCenter, _ELIDED)


def _draw_sample(painter: QPainter, box: QRectF, entry: Entry) -> None:
    theme, middle = theming.current(), round(box.center().y()) + 0.5
    if entry.kind == "point":
        ink.draw_point(painter, QPointF(box.left() + 5, middle), entry.colour, 3.5)
    elif entry.kind == "turn":
        ink.draw_turns(painter, np.array([box.left() + 5]), [QRectF(box.left(), middle - 6, 10, 12)])
    elif entry.kind in _MARKS:
        top = {"above": middle - 4, "bad": middle - 10.5}.get(entry.kind, 0.0)
        where = QRectF(box.left(), top, 10, middle + 4 - top)
        _MARKS[entry.kind](painter, where, box.left() + 4, theme)
    elif entry.kind:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if entry.kind == "dots":
            painter.setPen(ink.level_pen(ink.REPEATED, theme))
        elif entry.kind == "layer":
            painter.setPen(ink.pen_of_layer(*entry.layer, theme))
        elif entry.kind == "ghost":
            painter.setPen(ink.ghost_pen(entry.layer[1], theme))
        else:
            if entry.kind == "mean":
                pale = QColor(palette.mix(theme.plot, entry.colour, ink.PALE))
                painter.fillRect(QRectF(box.left(), middle - 4.5, _SAMPLE, 8), pale)
            style = Qt.PenStyle.DashLine if entry.kind == "dash" else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(entry.colour), 2 if entry.kind in ("line", "mean") else 1, style))
        painter.drawLine(QLineF(box.left(), middle, box.left() + _SAMPLE, middle))
