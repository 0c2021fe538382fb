"""What tracks say: names, lines beside the data, and the readout under the pointer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.errors import SpecError
from engine.quantities import CELL_TITLES, Quantity, layer_title, layer_words, split_key
from engine.requests import Excerpt, ShownLayer
from engine.spec import CellKind
from engine.tracks import TrackSpec
from explorer.stage import classes, scales
from explorer.stage.classes import ABOVE, BELOW, MINUS_INF, NAN, PLUS_INF, SUBNORMAL, UNDEFINED, ZERO
from explorer.stage.scales import Scale
from explorer.stage.tracks.base import Readout, Taken
from explorer.widgets.numbers import exact, short


def quantity(key: str, cell: CellKind) -> Quantity | None:
    """None where the cell has no such quantity."""
    try:
        return split_key(key, cell)[1]
    except SpecError:
        return None


def symbol(track: TrackSpec) -> str:
    """ "f", "∂L/∂a_f", "mean |∂L/∂a_f|"."""
    name = track.what.partition(".")[2]
    if track.is_mean:
        return f"mean |∂L/∂{name}|" if track.is_gradient else f"mean {name}"
    return f"∂L/∂{name}" if track.is_gradient else name


def bare_symbol(track: TrackSpec) -> str:
    """Without what is done to it: "f", "∂L/∂a_f"."""
    return symbol(track.having(sample=None))


def mean(track: TrackSpec, samples: int) -> tuple[str, ...]:
    """Says that it is a mean over the batch, from the longest wording to the shortest."""
    of = "|·|" if track.is_gradient else "it"
    return (f"mean of {of} over {samples:,} samples", f"mean {of}, {samples:,} samples", f"mean of {samples:,}")


def units(count: int, order: str) -> tuple[str, ...]:
    """ "16 units, clustered", and a shorter wording."""
    said = f"{count:,} unit{'s' if count != 1 else ''}"
    return (f"{said}, {order}", f"{count:,}, {order}") if order else (said,)


def layer(of: ShownLayer) -> str:
    """ "layer 2 · LSTM ←"; layers count from 1."""
    return layer_words(of.name, of.cell)


def title(track: TrackSpec, q: Quantity | None) -> str:
    if track.is_gradient:
        return f"Gradient {bare_symbol(track)}"
    if q is None:
        return bare_symbol(track)
    return f"{q.title.partition(' of ')[0]} {q.symbol}"


def lines(track: TrackSpec, q: Quantity | None, count: str, scale: Scale | None = None) -> tuple[str, ...]:
    """The small lines under the title: what it is, `count` of its units ("" leaves it out), how its scale is made."""
    logarithmic = scale is not None and bool(scale.linear)
    zone = f"linear in ±{scales.number(scale.linear)}" if scale is not None and logarithmic else ""
    if track.is_gradient:
        kind = "signed log_{10}" if logarithmic else "log_{10}|·|"
        found = [kind, q.title.lower() if q else "", count, zone or (scale.band_words if scale is not None else "")]
    elif q is None:
        found = [count]
    elif scale is not None and scale.kind == "magnitude":
        found = [count, "log_{10}|·|", scale.band_words]
    elif logarithmic:
        found = [count, "signed log_{10}", zone]
    else:
        _, of, whose = q.title.partition(" of ")
        note = q.note.split(", ") if len(q.note) > 20 else [q.note]
        found = [f"of {whose}" if of else "", *note, count]
    return tuple(line for line in found if line)


def why_empty(track: TrackSpec, excerpt: Excerpt, q: Quantity | None) -> str:
    if track.layer and track.layer not in excerpt.layers:
        return f"There is no {layer_title(track.layer)} any more."
    layer = excerpt.of(track.layer)
    cell = layer.cell
    if q is None and track.unit is not None and track.unit >= layer.hidden_size:
        return f"There is no unit {track.unit} any more: the layer has 0 to {layer.hidden_size - 1}."
    return f"The {CELL_TITLES[cell]} has no {track.what.partition('.')[2]}." if q is None else "On its way…"


def not_reached(track: TrackSpec, t: int) -> Readout:
    return Readout(f"t = {t}", (symbol(track),), "not reached yet")


PADDING = "padding"
"""Of a step that no sample has."""


def no_step(lengths: Sequence[int]) -> tuple[str, str]:
    """("no step", "T was 20") of steps that iterations did not have, by the T that they had, the smallest first."""
    return "no step", f"T was {lengths[0]:,}" + (f" … {lengths[-1]:,}" if len(lengths) > 1 else "")


def padding(track: TrackSpec, t: int, length: int) -> Readout:
    whose = "the longest sample" if track.is_mean else "this sample"
    return Readout(f"t = {t}", (symbol(track),), f"padding: {whose} ends at t = {length}")


def readout(
    track: TrackSpec,
    t: int,
    unit: int,
    value: np.floating,
    code: int,
    scale: Scale,
    shared: int = 1,
    normal: float | None = None,
) -> Readout:
    """`shared`: how many cells stand in the pixel; this is the one that the pixel shows. `normal`: the smallest normal
    number of the trace's type; None: of the value's own."""
    where = f"t = {t} · unit {unit}"
    note = class_words(value, code, scale, normal)
    if shared > 1:
        note = " · ".join(part for part in (note, f"the one shown of {shared:,} in this pixel") if part)
    number, name = exact(float(value), str(value.dtype)), symbol(track)
    taken = Taken(name, t, number, track.layer, f"unit {unit}")
    return Readout(where, (f"{name} = {number}",), note, unit, taken=(taken,))


def class_words(value: np.floating, code: int, scale: Scale, normal: float | None = None) -> str:
    """A class in words: "exactly 0", "below the scale (1e-20)", …; "" for a number on the scale."""
    words = code_words(code, scale.ends)
    least = np.finfo(value.dtype).tiny if normal is None else normal
    if code == BELOW and scale.kind == "magnitude" and abs(float(value)) >= least:
        words += f", no underflow: that begins at {short(float(least))}"
    if code != ZERO and bool(classes.subnormal(np.asarray([value]), normal)[0]):
        words = f"{words}, {SUBNORMAL}" if words else SUBNORMAL
    return words


def code_words(code: int, ends: tuple[str, str]) -> str:
    return {
        ZERO: "exactly 0",
        BELOW: f"below the scale ({ends[0]})",
        ABOVE: f"above the scale ({ends[1]})",
        PLUS_INF: "infinite",
        MINUS_INF: "infinite, negative",
        NAN: "not a number",
    }.get(code, "")


CLASS_NAMES = {
    NAN: "not a number",
    PLUS_INF: "+infinite",
    MINUS_INF: "−infinite",
    ABOVE: "above the scale",
    ZERO: "exactly 0",
    BELOW: "below the scale",
    UNDEFINED: "padding, masked",
}


def scale_readout(
    scale: Scale, found: dict[int, int], subnormal: int, waiting: int, order: str = "", whose: str = ""
) -> Readout:
    """`order`: how the units were put in order; "" by number. `whose`: of which sample; "" the only one."""
    low, high = scale.ends
    kind = f"|·|, {scale.band_words}, " if scale.kind == "magnitude" else ""
    if scale.linear:
        kind = f"logarithmic, linear within ±{scales.number(scale.linear)}, "
    values = tuple(f"{found[code]:,} {CLASS_NAMES[code]}" for code in classes.COUNTED if found.get(code))
    if found.get(BELOW) and scale.kind == "magnitude":
        values += ("below the scale is not underflow: fit the scale to see it",)
    if subnormal:
        values += (f"{subnormal:,} subnormal: their digits are going, underflow",)
    if waiting:
        values += (f"{waiting:,} not reached yet",)
    if values and whose:
        values = (f"counts {whose}:", *values)
    return Readout(
        f"Scale {kind}{low} … {high}, fixed", values or ("every number is on the scale",), _ORDERS.get(order, order)
    )


_ORDERS = {
    "": "",
    "clustered": "units by average linkage of their series, over the whole trace",
    "by component": "more than 512 units: ordered by their first principal component, over the whole trace",
    "by mean": "units by their mean over the whole trace, the largest on top",
    "by mean |·|": "units by their mean |·| over the whole trace, the largest on top",
}
"""What ordering.Ordered.words mean."""


def last_norm(losses: int, step: int, loss_step: int, symbol: str = "∂L/∂h") -> str:
    """What a gradient is measured against, marked up: the norm that its way back begins with, of the last loss where
    there are many (the others do not come to the last step)."""
    loss = f"∂L_{{{loss_step}}}" if losses > 1 and symbol == "∂L/∂h" else "∂L"
    return f"‖{loss}/∂{symbol.removeprefix('∂L/∂')}_{{{step}}}‖"


def slope(decades: float) -> str:
    """ "−0.23", "+0.08", "0.00"."""
    text = f"{abs(decades):.2f}" if abs(decades) >= 0.01 else short(abs(decades), 1)
    if decades == 0:
        return text
    return f"{scales.MINUS if decades < 0 else '+'}{text}"
