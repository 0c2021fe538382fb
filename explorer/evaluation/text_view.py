"""Symbols, line below line: the next symbol coloured by the probability that it was given, or in lanes, what was read,
what is true of it and what was answered. What is wrong is underlined with a wave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.training_requests import Written
from explorer.analysis.plot import Plot
from explorer.evaluation import chances, shades
from explorer.evaluation.answers import Answers
from explorer.evaluation.flow import Lines, broken
from explorer.evaluation.legend import Entry, wave
from explorer.evaluation.words import at_class, of_written, written_share
from explorer.theme import current as theming
from explorer.widgets.labels import label_of, lettered, spoken, written

CELL, WAVE, BETWEEN = 20, 6, 4
"""Height of a cell, of the wave below it, and between lines."""
_LEAST_WIDTH, _AROUND = 12.0, 6.0
_MARGIN = 4
RUNNING_FREE = "running free, on its own answers:"
_NAMES = 46
"""Width of the lanes' names."""


@dataclass(frozen=True, eq=False)
class Lane:
    name: str
    texts: tuple[str, ...]
    """By symbol."""
    symbols: NDArray[np.int64]
    """(cells,)"""
    by_class: bool = False
    """Coloured by class."""
    whole: tuple[str, ...] = ()
    """By symbol, in cells that have room for it; (): the same."""
    shares: NDArray[np.float64] | None = None
    """(cells,): coloured by them; NaN: not coloured."""


class TextView(Plot[int]):
    """A place is a cell. Of the next symbols the first cell is what was given, and after the last come those that the
    network said running free; of a grammar, the strings that it has written by itself, a line each."""

    moved_to = Signal(QRectF)
    """The keys have led there: it wants to be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Symbols and answers", 60, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self._answers: Answers | None = None
        self._n = 0
        self._lanes: tuple[Lane, ...] = ()
        self._wrong = np.zeros(0, bool)
        self._ends: NDArray[np.bool_] | None = None
        self._free_from = 0
        self._heads: tuple[tuple[int, str], ...] = ()
        """Cells that a line begins with which has words above it."""
        self._strings: tuple[int, ...] = ()
        """The first cell of each string written by itself."""
        self._widths = np.zeros(0)
        self._lines = broken(self._widths, 100.0)
        self._head_lines: tuple[int, ...] = ()

    # -- told ---------------------------------------------------------------------------------------------------------

    def set_answers(self, answers: Answers | None, n: int) -> None:
        """The sequence `n` of them."""
        self._answers, self._n = answers, n
        self._heads, self._strings = (), ()
        if answers is None:
            self._lanes, self._wrong, self._ends = (), np.zeros(0, bool), None
        elif answers.kind == "symbols":
            self._take_symbols(answers, n)
        else:
            self._take_tags(answers, n)
        self._widths = self._wanted_widths()
        if self.place is not None and self.place >= len(self._widths):
            self.place = None
        self._break()
        if self.place is not None:
            self.go(self.place)

    def _take_symbols(self, answers: Answers, n: int) -> None:
        truth, labels = answers.truth(n), answers.judged.labels
        first = answers.read(n)[:1]
        free = answers.free(n)
        heads: tuple[tuple[int, str], ...] = () if free is None else ((0, RUNNING_FREE),)
        free = np.zeros(0) if free is None else free
        own = answers.judged.written
        if own is not None:
            free, heads = np.concatenate([np.array(word) for word in own.words]), _heads_of(own)
        symbols = np.concatenate([first, truth, free]).astype(np.int64)
        given = answers.probabilities(n)[np.arange(len(truth)), truth.astype(np.int64)]
        nothing = np.full(1, np.nan)
        shares = np.concatenate([nothing, given, np.full(len(free), np.nan)])
        self._lanes = (Lane("", tuple(written(one) for one in labels), symbols, shares=shares),)
        self._wrong = np.concatenate([[False], truth != answers.answer(n), np.zeros(len(free), bool)])
        self._free_from = 1 + len(truth)
        self._heads = tuple((self._free_from + cell, words) for cell, words in heads if len(free))
        breaks = np.array([number for number, one in enumerate(labels) if "\n" in one], np.int64)
        ends = np.isin(symbols, breaks)
        if len(free):
            ends[self._free_from - 1] = True  # what it says by itself begins a line
        if own is not None:
            lengths = np.array([len(word) for word in own.words])
            begins = self._free_from + np.cumsum(lengths) - lengths
            ends[begins - 1] = True
            self._strings = tuple(begins.tolist())
            for begin, wrong in zip(self._strings, own.wrong, strict=True):
                if wrong is not None:
                    self._wrong[begin + wrong] = True
        self._ends = ends

    def _take_tags(self, answers: Answers, n: int) -> None:
        truth, said = answers.truth(n), answers.answer(n)
        letters = lettered(answers.judged.labels)
        lanes = []
        if answers.reads_symbols:
            texts = tuple(written(one) for one in answers.judged.read_labels)
            lanes.append(Lane("input", texts, answers.read(n).astype(np.int64)))
        whole = tuple(written(one) for one in answers.judged.labels)
        lanes.append(Lane("truth", letters, truth.astype(np.int64), by_class=True, whole=whole))
        lanes.append(Lane("answer", letters, said.astype(np.int64), by_class=True, whole=whole))
        self._lanes, self._wrong = tuple(lanes), truth != said
        self._free_from = len(truth)
        self._ends = None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self._lanes

    @property
    def lines(self) -> Lines:
        return self._lines

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(cells,)"""
        return self._wrong

    def legend(self) -> tuple[Entry, ...]:
        a = self._answers
        if a is None:
            return ()
        if a.kind == "symbols":
            return Entry("probability", "ramp"), Entry("wrong", "wave")
        labels = a.judged.labels
        letters = lettered(labels)
        swatches = [
            Entry("" if letters[k] == written(one) else written(one), "swatch", str(k), letters[k])
            for k, one in enumerate(labels)
        ]
        return (Entry("wrong", "wave"), *swatches)

    # -- places -------------------------------------------------------------------------------------------------------

    def _wanted_widths(self) -> NDArray[np.float64]:
        if not self._lanes:
            return np.zeros(0)
        metrics = QFontMetricsF(theming.font())
        found = np.zeros(len(self._lanes[0].symbols))
        for lane in self._lanes:
            used = np.unique(lane.symbols)
            by_symbol = {
                int(one): max(_LEAST_WIDTH, metrics.horizontalAdvance(_text(lane, int(one))) + _AROUND) for one in used
            }
            widths = np.array([by_symbol[int(one)] for one in used])
            found = np.maximum(found, widths[np.searchsorted(used, lane.symbols)])
        # Tags stand below each other in columns, unless a word is read at each step.
        return np.ceil(found) if len(self._lanes) != 2 else np.full(len(found), np.ceil(found.max(initial=0)))

    @property
    def _line_height(self) -> int:
        return len(self._lanes) * CELL + max(0, len(self._lanes) - 1) + WAVE + BETWEEN

    @property
    def _left(self) -> int:
        return _NAMES if len(self._lanes) > 1 else _MARGIN

    def _break(self) -> None:
        self._lines = broken(self._widths, max(40.0, self.width() - self._left - _MARGIN), self._ends)
        gap = CELL * len(self._heads)
        self._head_lines = tuple(self._lines.line_of(cell) for cell, _ in self._heads)
        height = max(1, self._lines.count) * self._line_height + 2 * _MARGIN + gap
        self.set_height(height)
        self.setMinimumHeight(height)
        self.update()

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._break()

    def _top_of(self, line: int) -> float:
        heads = sum(line >= begin for begin in self._head_lines)
        return _MARGIN + line * self._line_height + CELL * heads

    def cell_box(self, cell: int) -> QRectF:
        """Of all its lanes."""
        top = self._top_of(self._lines.line_of(cell))
        left = self._left + float(self._lines.left[cell])
        return QRectF(left, top, float(self._widths[cell]), self._line_height - BETWEEN)

    def place_at(self, at: QPointF) -> int | None:
        for line in self._seen(at.y(), at.y()):
            if self._top_of(line) <= at.y() < self._top_of(line) + self._line_height:
                return self._lines.at(line, at.x() - self._left)
        return None

    def _seen(self, top: float, bottom: float) -> range:
        first = int((top - _MARGIN - CELL * len(self._heads)) // self._line_height)
        last = int((bottom - _MARGIN) // self._line_height)
        return range(max(0, first), min(self._lines.count, last + 1))

    def moved(self, place: int | None, right: int, down: int) -> int | None:
        count = len(self._widths)
        if not count:
            return None
        if place is None:
            return 0
        if down:
            line = min(max(0, self._lines.line_of(place) + down), self._lines.count - 1)
            box = float(self._lines.left[place] + self._widths[place] / 2)
            return self._lines.nearest(line, box)
        return min(max(0, place + right), count - 1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: len(self._widths) - 1}
        key = Qt.Key(event.key())
        if key in ends and len(self._widths):
            self.go(ends[key])
        elif event.text().lower() == "n" and self._wrong.any():
            self.go(self.next_wrong(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1))
        else:
            super().keyPressEvent(event)
        if self.place is not None:
            self.moved_to.emit(self.cell_box(self.place))

    def next_wrong(self, way: int) -> int:
        """From where the keys are; round the ends."""
        places = np.flatnonzero(self._wrong)
        here = -1 if self.place is None else self.place
        if way > 0:
            behind = places[places > here]
            return int(behind[0] if len(behind) else places[0])
        before = places[places < here]
        return int(before[-1] if len(before) else places[-1])

    def words_at(self, place: int) -> str:
        a = self._answers
        if a is None:
            return ""
        if a.kind == "tags":
            said = at_class(a, self._n, place)
            if not a.reads_symbols:
                return said
            read = spoken(label_of(a.judged.read_labels, a.read(self._n)[place]))
            return said.replace(": ", f": read {read}; ", 1)
        symbol = spoken(label_of(a.judged.labels, self._lanes[0].symbols[place]))
        if place == 0:
            return f"{symbol[0].upper()}{symbol[1:]} was given: the first symbol is read, not predicted."
        if place >= self._free_from and self._strings:
            return self._words_of_string(a, place)
        if place >= self._free_from:
            return f"{symbol[0].upper()}{symbol[1:]}: said by the network, which reads its own answers from here on."
        return at_class(a, self._n, place - 1)

    def _words_of_string(self, a: Answers, place: int) -> str:
        own = a.judged.written
        assert own is not None
        n = bisect_right(self._strings, place) - 1
        symbol = label_of(a.judged.labels, self._lanes[0].symbols[place])
        kind = "the likeliest symbols" if n == 0 else f"drawn, {n:,} of {len(self._strings) - 1:,}"
        text = "".join(label_of(a.judged.labels, one) for one in own.words[n])
        at = place - self._strings[n] + 1
        return f"String {text} ({kind}): {of_written(own, n)}. Symbol {at:,}: {symbol}."

    # -- painting -----------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        if self._lanes:
            self._widths = self._wanted_widths()
            self._break()

    def paint(self, painter: QPainter) -> None:
        theme = theming.current()
        painter.fillRect(self.rect(), QColor(theme.plot))
        if not self._lanes:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        dirty = self.dirty.boundingRect()
        for line in self._seen(dirty.top(), dirty.bottom()):
            self._paint_line(painter, line)
        if self.place is not None:
            self._paint_place(painter, self.place)

    def _paint_line(self, painter: QPainter, line: int) -> None:
        theme, top = theming.current(), self._top_of(line)
        cells = self._lines.cells(line)
        for cell, words in self._heads:
            if cells.start == cell:
                self.text(painter, QRectF(_MARGIN, top - CELL, self.width() - 2 * _MARGIN, CELL), words)
        for number, lane in enumerate(self._lanes):
            y = top + number * (CELL + 1)
            if lane.name:
                self.text(painter, QRectF(_MARGIN, y, _NAMES - 2 * _MARGIN, CELL), lane.name)
            painter.setFont(theming.font())
            metrics = QFontMetricsF(theming.font())
            wholes = [metrics.horizontalAdvance(one) for one in lane.whole]
            for cell in cells:
                box = QRectF(self._left + self._lines.left[cell], y, self._widths[cell], CELL)
                symbol = int(lane.symbols[cell])
                fill, ink = self._colours(lane, cell, symbol)
                if fill is not None:
                    painter.fillRect(box, fill)
                elif lane.shares is not None:
                    painter.setPen(QPen(QColor(theme.border), 1, Qt.PenStyle.DotLine))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRect(box.adjusted(0.5, 0.5, -1.5, -1.5))
                painter.setPen(ink)
                whole = symbol < len(wholes) and wholes[symbol] + _AROUND <= box.width()
                said = lane.whole[symbol] if whole else _text(lane, symbol)
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, said)
        foot = top + len(self._lanes) * (CELL + 1) + 2
        for first, behind in _runs(self._wrong, cells):
            left = self._left + self._lines.left[first]
            right = self._left + self._lines.left[behind - 1] + self._widths[behind - 1]
            wave(painter, left + 1, right - 1, foot)

    def _colours(self, lane: Lane, cell: int, symbol: int) -> tuple[QColor | None, QColor]:
        theme = theming.current()
        if lane.by_class:
            return shades.of_class(symbol, theme.name)
        if lane.shares is not None and not np.isnan(lane.shares[cell]):
            return shades.of_share(float(lane.shares[cell]), theme.name)
        return None, QColor(theme.text)

    def _paint_place(self, painter: QPainter, place: int) -> None:
        theme, box = theming.current(), self.cell_box(place)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        high = len(self._lanes) * (CELL + 1) - 1
        around = QRectF(box.left(), box.top(), box.width(), high).adjusted(-1, -1, 1, 1)
        painter.setPen(QPen(QColor(theme.plot), 4))
        painter.drawRect(around)
        painter.setPen(QPen(QColor(theme.cursor), 2))
        painter.drawRect(around)
        a = self._answers
        at = place - 1 if a is not None and a.kind == "symbols" else place
        if a is None or not 0 <= at < len(a.truth(self._n)):
            return
        rows = chances.chances_of(a.judged.labels, a.probabilities(self._n)[at], a.truth(self._n)[at])
        room = QRectF(self.visibleRegion().boundingRect()) if self.isVisible() else QRectF(self.rect())
        chances.draw(painter, box, room, f"t = {at + 1:,}", rows)


def _heads_of(written: Written) -> tuple[tuple[int, str], ...]:
    """Above the first string, and above the second."""
    likeliest = f"written by itself from B on, always the likeliest symbol: {of_written(written, 0)}"
    drawn = f"symbols drawn from its probabilities: {written_share(written)} strings of the language"
    return (0, likeliest), (len(written.words[0]), drawn)


def _text(lane: Lane, symbol: int) -> str:
    return lane.texts[symbol] if 0 <= symbol < len(lane.texts) else str(symbol)


def _runs(marked: NDArray[np.bool_], cells: range) -> Sequence[tuple[int, int]]:
    """Cells of a line that are marked, next to each other."""
    here = marked[cells.start : cells.stop].astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], here, [0])))) + cells.start
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
