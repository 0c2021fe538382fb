"""What the unrolled network says of the place under the pointer: exact numbers, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.dtypes import smallest_normal
from engine.requests import Excerpt
from explorer.stage import borders, classes
from explorer.stage.margins import mean_of
from explorer.stage.now import Now
from explorer.stage.scales import Scale
from explorer.stage.tracks import words
from explorer.stage.tracks.anatomy import Anatomy, Part, Wire
from explorer.stage.tracks.base import Readout, Taken
from explorer.stage.tracks.lanes import column_name
from explorer.stage.tracks.network_rows import LayerRow, Reading
from explorer.widgets.labels import in_markup_spoken
from explorer.widgets.numbers import exact, told_apart

_MOST_FEATURES = 6


class Hover:
    def __init__(self, excerpt: Excerpt, rows: tuple[LayerRow, ...], reading: Reading, gradients: Scale) -> None:
        self.excerpt, self.rows, self.reading, self.gradients = excerpt, rows, reading, gradients

    def at(self, a: Anatomy, x: int, y: int, now: Now) -> Readout | None:
        """At a device pixel of the data."""
        t, part = a.view.step_at(x), a.part_at(y)
        if part.name == "loss":
            return self._loss(t, now)
        if t > self.excerpt.length:
            return self._padding(t, part)
        if part.name == "inputs":
            return self._inputs(t, now)
        if part.name == "gap" and part.gap is not None:
            return self._upright(a.wire_at(part.gap, x, y), t, now)
        row = self.rows[part.row]
        if part.name == "strip":
            return self._strip(
                row, t, a.rows[part.row].units(row.layer.hidden_size).at(y - a.rows[part.row].strip_top), now
            )
        return self._level(row, part.symbol, t, now)

    def _where(self, t: int, row: LayerRow) -> str:
        return f"t = {t} · {words.layer(row.layer)}" if len(self.rows) > 1 else f"t = {t}"

    def _values_known(self, row: LayerRow, t: int, now: Now) -> bool:
        first, last = now.values(row.layer.reverse)
        return first <= t <= last

    def _grads_known(self, row: LayerRow, t: int, now: Now) -> bool:
        first, last = now.grads(row.layer.reverse)
        return first <= t <= last

    def _padding(self, t: int, part: Part) -> Readout:
        where = self._where(t, self.rows[part.row]) if part.row >= 0 else f"t = {t} · input"
        return Readout(where, (), f"padding: this sample ends at t = {self.excerpt.length}")

    def _strip(self, row: LayerRow, t: int, unit: int, now: Now) -> Readout:
        where = self._where(t, row)
        if not self._values_known(row, t, now) or row.codes is None or row.data is None or row.scale is None:
            return Readout(where, (), "not reached yet", cell=row.layer.name)
        said = words.readout(row.track, t, unit, row.data[t - 1, unit], int(row.codes[t - 1, unit]), row.scale)
        taken = tuple(replace(one, layer=row.layer.name) for one in said.taken)
        return replace(said, where=f"{where} · unit {unit}", cell=row.layer.name, taken=taken)

    def _level(self, row: LayerRow, symbol: str, t: int, now: Now) -> Readout:
        where = self._where(t, row)
        if not self._values_known(row, t, now):
            return Readout(where, (), "not reached yet", cell=row.layer.name)
        taken = self.norms(row, symbol, t, now)
        values = tuple(f"{one.symbol} = {one.value}" for one in taken)
        note = ""
        if self._grads_known(row, t, now):
            norm = row.norms[symbol][t - 1]
            note = self._class_words(norm)
            if stop := borders.stop(self.excerpt, t + 1):
                what = "nothing comes from there" if stop == "all" else "its gradient stops there"
                if stop == "some" and row.partly is not None:
                    what += f"; {self._told(row.wires[symbol][t - 1])} of the others comes here"
                border = f"a window of the truncation begins at t = {t + 1}: {what}"
                note = f"{note} · {border}" if note else border
        return Readout(where, values, self._mean(note), cell=row.layer.name, taken=taken)

    def norms(self, row: LayerRow, symbol: str, t: int, now: Now) -> tuple[Taken, ...]:
        """Of a state and of its gradient, as far as they are known."""
        found = []
        if self._values_known(row, t, now):
            found.append(self._norm(row, f"‖{symbol}‖", t, row.layer.norms[f"values.{symbol}"][t - 1]))
        if self._grads_known(row, t, now):
            found.append(self._norm(row, f"‖∂L/∂{symbol}‖", t, row.norms[symbol][t - 1]))
        return tuple(found)

    def _norm(self, row: LayerRow, symbol: str, t: int, value: float) -> Taken:
        return Taken(symbol, t, self._told(value), row.layer.name, sample=self._mean(""))

    def _upright(self, wire: Wire, t: int, now: Now) -> Readout:
        """Between two rows: what comes up, and the gradient that goes down."""
        row = self.rows[wire.row]
        where = self._where(t, row)
        if wire.way == "input":
            what, way = "‖∂L/∂x‖", f"from here down into {self._below(row)}"
        else:
            what, way = "‖e‖", f"the direct ∂L/∂h, from {self._above(row)}"
            if row.layer.name in self._highest() and not self.reading.steps[t - 1] and not row.way(wire)[t - 1]:
                return Readout(where, (), "not read by the read-out")
        if not self._grads_known(row, t, now):
            up = f"x of this layer, from {self._below(row)}" if wire.way == "input" else f"h, to {self._above(row)}"
            return Readout(where, (), f"{up}; its gradient is not reached yet")
        norm = row.way(wire)[t - 1]
        note = self._class_words(norm)
        note = " · ".join(part for part in (way, self._mean(note)) if part)
        taken = self._norm(row, what, t, norm)
        return Readout(where, (f"{what} = {taken.value}",), note, taken=(taken,))

    def _told(self, value: float) -> str:
        return told_apart(float(value), self.excerpt.dtype)

    def _class_words(self, norm: np.floating) -> str:
        normal = smallest_normal(self.excerpt.dtype)
        return words.class_words(norm, classes.code_of(norm, self.gradients), self.gradients, normal)

    def _mean(self, note: str) -> str:
        """Norms are means over the batch."""
        return " · ".join(part for part in (*mean_of(self.excerpt.batch_size)[:1], note) if part)

    def _level_of(self, row: LayerRow) -> int:
        return int(row.layer.name.removeprefix("l").removesuffix("_reverse"))

    def _highest(self) -> tuple[str, ...]:
        top = self._level_of(self.rows[-1])
        return tuple(row.layer.name for row in self.rows if self._level_of(row) == top)

    def _below(self, row: LayerRow) -> str:
        level = self._level_of(row)
        return f"layer {level}" if level else "the input"

    def _above(self, row: LayerRow) -> str:
        return "the loss" if row.layer.name in self._highest() else f"layer {self._level_of(row) + 2}"

    def _inputs(self, t: int, now: Now) -> Readout:
        e = self.excerpt
        if not any(self._values_known(row, t, now) for row in self.rows):
            return Readout(f"t = {t} · input", (), "not reached yet")
        x = e.inputs[t - 1]
        if e.symbols:
            values: tuple[str, ...] = (symbol_words(e, t),)
        else:
            values = tuple(f"x_{k} = {exact(float(v), str(v.dtype))}" for k, v in enumerate(x[:_MOST_FEATURES], 1))
        more = len(x) - _MOST_FEATURES
        note = f"and {more} more" if more > 0 else ""
        return Readout(f"t = {t} · input", values, note, taken=inputs_of(e, t))

    def _loss(self, t: int, now: Now) -> Readout:
        e, reading = self.excerpt, self.reading
        if not now.loss:
            return Readout("Loss", (), "not reached yet")
        total = f"L = {self._told(e.loss)}"
        taken = (Taken("L", t, self._told(e.loss), sample=self._batch()),)
        if reading.at_every:
            here = float(e.losses[t - 1])
            if not reading.steps[t - 1]:
                return Readout(f"t = {t}", (total,), "no loss at this step", taken=taken)
            part = Taken("this step’s part of L", t, self._told(here), sample=self._batch())
            return Readout(f"t = {t}", (f"this step’s part = {part.value}", total), taken=(part, *taken))
        if not reading.steps[t - 1]:
            return Readout(f"t = {t}", (total,), "not read by the read-out", taken=taken)
        if reading.weights is not None:
            alpha = Taken("α", t, self._told(reading.weights[t - 1]))
            note = "attention’s weight of this step"
            return Readout(f"t = {t}", (f"α = {alpha.value}", total), note, taken=(alpha, *taken))
        notes = {"mean": "read together with every other step", "attention": "read together, by attention"}
        return Readout(f"t = {t}", (total,), notes.get(reading.kind, ""), taken=taken)

    def _batch(self) -> str:
        """The loss is that of all samples."""
        return f"all {self.excerpt.batch_size:,} samples" if self.excerpt.batch_size > 1 else ""


def symbol_words(e: Excerpt, t: int) -> str:
    """What symbol is read at a step: "symbol 5", "‘e’, symbol 5"."""
    number = int(e.inputs[t - 1, 0])
    label = e.read_labels.get(number)
    return f"symbol {number}" if label in (None, str(number)) else f"{in_markup_spoken(label)}, symbol {number}"


def inputs_of(e: Excerpt, t: int) -> tuple[Taken, ...]:
    """Every feature of a step, also those for which the readout has no room."""
    x = e.inputs[t - 1]
    if e.symbols:
        return (Taken("input symbol", t, e.read_labels.get(int(x[0]), f"{x[0]:.0f}")),)
    return tuple(Taken(column_name(e, k), t, exact(float(v), str(v.dtype))) for k, v in enumerate(x))
