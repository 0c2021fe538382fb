"""Input, target and output of the chosen sample. Inputs appear with the forward pass; so do the outputs of a read-out
at every step. Targets, and an answer that is given once, appear with the loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from engine.requests import Excerpt
from explorer.stage import classes, margins, marked, palette
from explorer.stage.blank import draw_blank
from explorer.stage.cells import TimeView, cells
from explorer.stage.layer import Layer
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE
from explorer.stage.tracks import data_columns, data_names, lane_ink, words
from explorer.stage.tracks.base import Block, Readout, TableData, Taken, between
from explorer.stage.tracks.data_columns import Columns
from explorer.stage.tracks.lanes import Lane, lanes, one_probability, place, target_in_markup
from explorer.stage.tracks.network_hover import inputs_of, symbol_words
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, TIGHT, Theme
from explorer.widgets.labels import in_markup
from explorer.widgets.numbers import exact, short

_PAD, _BETWEEN = 6, 7
"""Logical pixels above and below all lanes, and between two."""
_NAMES_LEFT = 44
"""Right of the track's own name."""
_IN_STRIP = 4
"""Numbers that have room in a strip."""
_READS = {"last": "read at the last step", "mean": "read from the mean", "attention": "read by attention"}


class Data:
    """Layers: the blank; what is known before the loss; and all of it."""

    thin = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.header_has_numbers = True  # what its lanes are called hangs on the task and the read-out
        self._excerpt: Excerpt | None = None
        self._lanes: tuple[Lane, ...] = ()
        self._both_ways = False
        self._early_outputs = False
        self._columns: tuple[Columns, ...] | None = None
        self._blank, self._early, self._full = Layer(), Layer(), Layer()
        self._key: object = None
        self._view = TimeView(1, 1, 1, 1)
        self._height = 1

    def set_excerpt(self, excerpt: Excerpt, book: ScaleBook) -> None:
        self._excerpt, self._lanes, self._key = excerpt, lanes(excerpt, book), None
        self._columns = None
        self._both_ways = any(layer.reverse for layer in excerpt.layers.values())
        self._early_outputs = len(excerpt.outputs) == excerpt.steps > 1 and not self._both_ways

    def title(self) -> str:
        return "Input, target and output"

    def height_hint(self) -> int:
        return 2 * _PAD + sum(round(22 * lane.weight) + _BETWEEN for lane in self._lanes) if self._lanes else 84

    def stretch(self) -> float:
        return 1.5

    def forget_pixels(self) -> None:
        self._key = None

    # -- pixels -------------------------------------------------------------------------------------------------------

    def _boxes(self) -> list[QRectF]:
        """Each lane's place, logical."""
        height = self._height / self._view.ratio - 2 * _PAD - _BETWEEN * max(0, len(self._lanes) - 1)
        total = sum(lane.weight for lane in self._lanes) or 1.0
        found, y = [], float(_PAD)
        for lane in self._lanes:
            part = max(2.0, height * lane.weight / total)
            found.append(QRectF(0, round(y), self._view.width / self._view.ratio, round(y + part) - round(y)))
            y += part + _BETWEEN
        return found

    def prepare(self, view: TimeView, height: int) -> None:
        key = (view.key, height)
        self._view, self._height = view, height
        if key == self._key:
            return
        self._key = key
        draw_blank(self._blank.sized(view.width, height), view.cells, cells(height, height), view.ratio)
        theme = theming.current()
        for layer, everything in ((self._early, False), (self._full, True)):
            self._draw(layer.sized(view.width, height), theme, everything)

    def _draw(self, layer: Layer, theme: Theme, everything: bool) -> None:
        view, e = self._view, self._excerpt
        pixels = layer.pixels()
        pixels[:] = palette.packed(theme.ground)
        if e is None:
            return
        boxes, shown = self._boxes(), [lane for lane in self._lanes if everything or self._is_early(lane)]
        for lane, box in zip(self._lanes, boxes, strict=True):
            band = pixels[round(box.top() * view.ratio) : round(box.bottom() * view.ratio)]
            if lane not in shown:
                self._empty(band, theme)
                continue
            if everything and lane.targets is not None and lane.kind == "series" and lane_ink.dots_crowd(lane, view):
                wished = dataclasses.replace(lane, values=lane.targets, part="target")
                lane_ink.draw(band, wished, view, theme, joined=False)
            lane_ink.draw(band, lane, view, theme, joined=not self._both_ways)
        self._mask(pixels, theme)
        del pixels
        painter = layer.painter(view.ratio)
        for lane, box in zip(self._lanes, boxes, strict=True):
            if lane in shown and lane.kind == "symbols":
                lane_ink.draw_texts(painter, lane, box, view, theme)
            if everything and lane.targets is not None and not lane_ink.dots_crowd(lane, view):
                lane_ink.draw_targets(painter, lane, box, view, theme)
        painter.end()

    def _is_early(self, lane: Lane) -> bool:
        return lane.part == "input" or (lane.part == "output" and self._early_outputs)

    def _empty(self, band: palette.Pixels, theme: Theme) -> None:
        """A lane that is not known before the loss."""
        layer = Layer().sized(band.shape[1], band.shape[0])
        draw_blank(layer, self._view.cells, cells(band.shape[0], band.shape[0]), self._view.ratio)
        band[:] = layer.pixels()

    def _mask(self, pixels: palette.Pixels, theme: Theme) -> None:
        """The padding after the sample's last step."""
        assert self._excerpt is not None
        start = self._view.since(self._excerpt.length + 1)
        if self._excerpt.length < self._excerpt.steps and start < self._view.width:
            part = pixels[:, start:]
            codes = np.full(part.shape, classes.UNDEFINED, np.uint8)
            part[:] = palette.table(GATE, theme.name)[classes.UNDEFINED]
            palette.textured(part, codes, GATE, theme.name, self._view.ratio)

    def _say_answer(self, painter: QPainter, lane: Lane, box: QRectF, theme: Theme) -> None:
        """One answer for a whole sequence, in words beside it, where there is room. The cursor goes by behind them."""
        assert self._excerpt is not None
        e, t, font = self._excerpt, place(self._excerpt), theming.small()
        if not self._view.shows(t):
            return
        reads = _READS.get(e.readout, "")
        said = [text for text in (self._answer(lane, t, brief=True), reads) if text]
        room = self._view.left(t) / self._view.ratio - 2 * GAP
        text = margins.fitting((", ".join(said), said[0]), font, room)
        if not text:
            return
        wide = marked.width(text, font)
        line = QRectF(box.left() + GAP + room - wide, box.center().y() - margins.LINE / 2, wide, margins.LINE)
        painter.fillRect(line.adjusted(-TIGHT, 0, TIGHT, 0).toAlignedRect(), QColor(theme.ground))
        painter.setPen(QColor(theme.muted))
        marked.draw(painter, line, text, font)

    def _answer(self, lane: Lane, t: int, *, brief: bool) -> str:
        return " · ".join(self._said_of_output(lane, t, brief=brief))

    # -- painting -----------------------------------------------------------------------------------------------------

    def _known(self, now: Now) -> list[tuple[int, int]]:
        """The pixels [from, to) of what is known before the loss."""
        width, left = self._view.width, self._view.until(now.forward)
        if not self._both_ways:
            return [(0, left)]
        right = self._view.since(self._view.steps + 1 - now.forward)
        return [(0, width)] if right <= left else [(0, left), (right, width)]

    def paint(self, painter: QPainter, origin: QPoint, part: QRect, now: Now) -> None:
        ratio = self._view.ratio
        if self._excerpt is None:
            self._blank.blit(painter, origin, part, ratio)
            return
        if now.loss:
            self._full.blit(painter, origin, part, ratio)
            return
        edges = [0, *(edge for span in self._known(now) for edge in span), self._view.width]
        for number_, (start, end) in enumerate(pairwise(edges)):
            layer = self._early if number_ % 2 else self._blank
            layer.blit(painter, origin, QRect(start, 0, end - start, self._height).intersected(part), ratio)

    def paint_over(self, painter: QPainter, origin: QPoint, now: Now) -> None:
        """The target at the playhead, and the words of an answer, which the cursor would hide."""
        for lane, box in zip(self._lanes, self._boxes(), strict=True):
            if now.loss and lane.part == "output" and np.count_nonzero(lane.there) == 1:
                self._say_answer(painter, lane, box.translated(origin), theming.current())
            if now.loss and self._has_dots(lane) and self._view.shows(now.step):
                lane_ink.draw_dot(painter, lane, box.translated(origin), self._view, theming.current(), now.step)

    def _has_dots(self, lane: Lane) -> bool:
        return lane.kind == "series" and lane.targets is not None and not lane_ink.dots_crowd(lane, self._view)

    def changes(self, old: Now, new: Now) -> list[tuple[int, int]]:
        if old.loss != new.loss:
            return [(0, self._view.width)]
        if new.loss:
            if old.step == new.step or not any(map(self._has_dots, self._lanes)):
                return []
            reach = round(lane_ink.REACH * self._view.ratio)
            shown = [round(self._view.centre(now.step)) for now in (old, new) if self._view.shows(now.step)]
            return [(x - reach, x + reach) for x in shown]
        if old.forward == new.forward:
            return []
        before = [edge for span in self._known(old) for edge in span]
        after = [edge for span in self._known(new) for edge in span]
        if len(before) != len(after):
            return [(0, self._view.width)]
        return [pair for a, b in zip(before, after, strict=True) for pair in between(a, b)]

    # -- beside the data ----------------------------------------------------------------------------------------------

    def paint_header(self, painter: QPainter, box: QRect, now: Now) -> None:
        theme, font = theming.current(), theming.small()
        margins.paint_title(painter, box, "Data", "text", ())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for lane, part in zip(self._lanes, self._boxes(), strict=True):
            room = box.width() - _NAMES_LEFT - TIGHT - 3
            name = margins.fitting((lane.name, lane.name.partition("(")[0]), font, room) or lane.name
            names = [(name, lane_ink.colour_of(lane, theme))]
            if lane.targets is not None and lane.kind == "series":
                names.insert(0, (self._target_beside("●", room), theme.loss))
            if lane.targets is not None and lane.kind == "matrix":
                names.append((self._target_beside("○", room), theme.loss))
            names = names[: max(1, int(part.height() // margins.LINE))]
            y = box.top() + part.center().y() - len(names) * margins.LINE / 2
            for said, colour in names:
                painter.setPen(QColor(palette.readable(colour, theme.surface, 4.5)))
                line = QRectF(box.left() + _NAMES_LEFT, y, room, margins.LINE)
                marked.draw(painter, line, said, font, Qt.AlignmentFlag.AlignRight)
                y += margins.LINE

    def _target_beside(self, sign: str, room: float) -> str:
        """The name of the targets and the sign that they are drawn by; the name alone says which column it is."""
        e = self._excerpt
        assert e is not None
        name, bare = target_in_markup(e), in_markup(e.target_name)
        forms = (f"{name} {sign}", f"{bare} {sign}", f"target {sign}", sign)
        return margins.fitting(forms, theming.small(), room) or forms[0]

    def paint_scale(self, painter: QPainter, box: QRect, now: Now) -> None:
        theme, font = theming.current(), theming.small()
        painter.setPen(QColor(theme.muted))
        x, width = box.left() + 7, box.width() - 8
        for lane, part in zip(self._lanes, self._boxes(), strict=True):
            low, high = data_names.ends(lane)
            top = QRectF(x, box.top() + part.top() - 2, width, margins.LINE)
            foot = QRectF(x, box.top() + part.bottom() + 2 - margins.LINE, width, margins.LINE)
            if names := data_names.rows_of(lane, part.height()):
                for row, name in enumerate(names):
                    y = box.top() + part.top() + (row + 0.5) * part.height() / len(names)
                    marked.draw(painter, QRectF(x, y - margins.LINE / 2, width, margins.LINE), name, font)
            elif lane.labels and lane.kind == "symbols" and lane_ink.has_room_for_text(lane, self._view):
                middle = QRectF(x, box.top() + part.center().y() - margins.LINE / 2, width, margins.LINE)
                marked.draw(painter, middle, data_names.many(lane), font)
            elif part.height() >= 2 * margins.LINE:
                marked.draw(painter, top, high, font)
                marked.draw(painter, foot, low, font)
            else:
                middle = QRectF(x, box.top() + part.center().y() - margins.LINE / 2, width, margins.LINE)
                marked.draw(painter, middle, f"{low} … {high}", font)

    def scale_says(self, now: Now) -> object:
        return tuple(data_names.ends(lane) for lane in self._lanes), self._height, self._view.pitch

    def margins_change(self, old: Now, new: Now) -> tuple[bool, bool]:
        return False, False

    def table(self, now: Now) -> TableData | None:
        """Inputs as far as somebody has read them, then targets and outputs to the last digit."""
        e = self._excerpt
        if e is None:
            return None
        if self._columns is None:
            self._columns = data_columns.of(e)
        read, also = (1, now.forward), (1, 0)
        if self._both_ways and 2 * now.forward < e.steps:
            also = now.values(reverse=True)
        elif self._both_ways:
            read = (1, e.steps)
        answered = (1, e.steps) if now.loss else (1, 0)
        blocks = []
        for column in self._columns:
            if column.part == "input":
                known = read
            else:
                known = read if column.part == "output" and self._early_outputs and not now.loss else answered
            more = also if column.part == "input" else (1, 0)
            length, only = e.length, column.only
            blocks.append(
                Block(column.names, column.values, known, length=length, also=more, only=only, words=column.words)
            )
        return TableData(self.title(), tuple(blocks))

    # -- under the pointer --------------------------------------------------------------------------------------------

    def hover(self, x: int, y: int, now: Now) -> Readout | None:
        e = self._excerpt
        if e is None or not self._lanes:
            return None
        t, logical = self._view.step_at(x), y / self._view.ratio
        boxes = self._boxes()
        at = min(range(len(boxes)), key=lambda n: abs(boxes[n].center().y() - logical) - boxes[n].height() / 2)
        lane = self._lanes[at]
        where = f"t = {t} · {lane.part}"
        if t > e.length:
            return Readout(where, (), f"padding: this sample ends at t = {e.length}")
        reached = t <= now.forward or (self._both_ways and t > e.steps - now.forward)
        if not (now.loss or (reached and self._is_early(lane))):
            return Readout(where, (), "not reached yet")
        if not lane.there[t - 1]:
            return Readout(where, (), f"there is one answer, at t = {place(e)}")
        if lane.part == "input":
            return self._hover_input(where, t, e)
        found = (number for number in self._numbers_at(t, now) if number[0] != "input")
        taken = tuple(Taken(name, t, _exactly(value)) for _, name, value in found)
        return Readout(where, self._said_of_output(lane, t, known=now.loss), taken=taken)

    def _hover_input(self, where: str, t: int, e: Excerpt) -> Readout:
        if e.symbols:
            said = (symbol_words(e, t),)
            return Readout(where, said, data_names.read_words(e), taken=inputs_of(e, t))
        row = e.inputs[t - 1]
        names = [in_markup(e.read_labels[k]) if k in e.read_labels else f"x_{k + 1}" for k in range(len(row[:6]))]
        values = tuple(f"{name} = {exact(float(v), str(v.dtype))}" for name, v in zip(names, row, strict=False))
        return Readout(where, values, f"and {len(row) - 6} more" if len(row) > 6 else "", taken=inputs_of(e, t))

    # -- as words -----------------------------------------------------------------------------------------------------

    def at_playhead(self, now: Now) -> str:
        """As many numbers as fit a line: "x_1 = 0.203 · x_2 = 0 · target = 0.889"."""
        if self._excerpt is not None and now.step > self._excerpt.length:
            return words.PADDING
        found = islice(self._numbers_at(now.step, now), _IN_STRIP)
        return " · ".join(f"{self._marked_up(part, name)} = {_brief(value)}" for part, name, value in found)

    def _marked_up(self, part: str, name: str) -> str:
        """A name of the data's own has no subscripts."""
        e = self._excerpt
        assert e is not None
        own = (part == "input" and e.read_labels and not e.symbols) or (part == "target" and e.target_name)
        return in_markup(name) if own else name

    def taken(self, now: Now) -> tuple[Taken, ...]:
        return tuple(Taken(name, now.step, _exactly(value)) for _, name, value in self._numbers_at(now.step, now))

    def _numbers_at(self, t: int, now: Now) -> Iterator[tuple[str, str, Any]]:
        """Everything that the table has of a step, as far as the tape has come: its part, its name, and the number."""
        made = self.table(now)
        if made is None or self._columns is None:
            return
        for block, column in zip(made.blocks, self._columns, strict=True):
            known = block.known[0] <= t <= block.known[1] or block.also[0] <= t <= block.also[1]
            if known and not 0 < block.length < t and block.only in (0, t):
                here = (block.words[t - 1],) if block.words else block.values[t - 1]
                for name, value in zip(block.names, here, strict=True):
                    yield column.part, name, value

    def _said_of_output(self, lane: Lane, t: int, *, brief: bool = False, known: bool = True) -> tuple[str, ...]:
        """Target, output, and what lies between; `known`: the target is."""
        e = self._excerpt
        assert e is not None
        n = t - 1 if len(e.outputs) == e.steps > 1 else -1
        outputs, targets = e.outputs[n], e.targets[n] if len(e.targets) == len(e.outputs) and known else None

        def said(value: np.floating) -> str:
            return short(float(value), 4) if brief else exact(float(value), str(value.dtype))

        if e.loss_kind == "cross_entropy":
            whole = next(one.values for one in self._lanes if one.kind == "matrix" and one.part == "output")
            row = whole[t - 1]
            likely = int(np.argmax(row)) if np.isfinite(row).all() else None
            found: tuple[str, ...] = ()
            if targets is not None:
                right = int(targets[0])
                p = f"p({lane_ink.symbol_text(e.labels, right)}) = {short(float(row[right]), 4)}"
                found = (f"{target_in_markup(e)}: {data_names.class_words(e.labels, right)}", p)
            if likely is not None and not (brief and found):
                found += (
                    f"most likely: {data_names.class_words(e.labels, likely)}, p = {short(float(row[likely]), 4)}",
                )
            return found or ("no probabilities: a score is not finite",)
        named = target_in_markup(e)
        target = () if targets is None else tuple(f"{named} {said(v)}" for v in targets[:3])
        if e.loss_kind == "binary_cross_entropy":
            p = f"{one_probability(e.labels)} = {short(float(lane.values[t - 1]), 4)}"
            due = "" if targets is None else data_names.answer_words(e.labels, float(targets[0]))
            return (*((f"{named}: {due}",) if due else target), p, f"score = {said(outputs[0])}")
        return (*target, *(f"output {said(v)}" for v in outputs[:3]))

    def hover_scale(self, now: Now) -> Readout | None:
        if not self._lanes:
            return None
        names = (lane.name.replace("output p", "p") for lane in self._lanes)
        ends = (" … ".join(data_names.ends(lane)) for lane in self._lanes)
        values = tuple(f"{name}: {both}" for name, both in zip(names, ends, strict=True))
        return Readout("Scales, fixed", values[:8])


def _exactly(value: Any) -> str:
    """A symbol's or a class's number is a whole one."""
    return exact(float(value), value.dtype.name) if isinstance(value, np.floating) else str(value)


def _brief(value: Any) -> str:
    return short(float(value)) if isinstance(value, np.floating) else str(value)
