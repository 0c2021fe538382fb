"""What tracks say: names, lines beside the data, and the readout under the pointer."""

from __future__ import annotations

import numpy as np

from engine.errors import SpecError
from engine.quantities import CELL_TITLES, Quantity, split_key
from engine.requests import Excerpt, ShownLayer
from engine.spec import CellKind
from engine.tracks import TrackSpec
from explorer.stage import classes, scales
from explorer.stage.classes import ABOVE, BELOW, MINUS_INF, NAN, PLUS_INF, ZERO
from explorer.stage.scales import Scale
from explorer.stage.tracks.base import Readout
from explorer.widgets.numbers import exact, short


def quantity(key: str, cell: CellKind) -> Quantity | None:
    """None where the cell has no such quantity."""
    try:
        return split_key(key, cell)[1]
    except SpecError:
        return None


def symbol(track: TrackSpec) -> str:
    """ "f", "∂L/∂a_f"."""
    name = track.what.partition(".")[2]
    return f"∂L/∂{name}" if track.is_gradient else name


def layer(of: ShownLayer) -> str:
    """ "layer 2 · LSTM ←"; layers count from 1."""
    number = int(of.name.removeprefix("l").removesuffix("_reverse")) + 1
    return f"layer {number} · {CELL_TITLES[of.cell]}{' ←' if of.reverse else ''}"


def title(track: TrackSpec, q: Quantity | None) -> str:
    if track.is_gradient:
        return f"Gradient {symbol(track)}"
    if q is None:
        return symbol(track)
    return f"{q.title.partition(' of ')[0]} {q.symbol}"


def lines(track: TrackSpec, q: Quantity | None, units: int, scale: Scale | None = None) -> tuple[str, ...]:
    """The small lines under the title: what it is, its unit, how its scale is made."""
    count = f"{units:,} unit{'s' if units != 1 else ''}"
    if track.is_gradient:
        return ("log_{10}|·|", *((q.title.lower(),) if q else ()), count, "2 decades a band")
    if q is None:
        return (count,)
    if scale is not None and scale.linear:
        return (count, "signed log_{10}", f"linear in ±{scales.number(scale.linear)}")
    _, of, whose = q.title.partition(" of ")
    note = q.note.split(", ") if len(q.note) > 20 else [q.note]
    return tuple(line for line in (f"of {whose}" if of else "", *note, count) if line)


def why_empty(track: TrackSpec, excerpt: Excerpt, q: Quantity | None) -> str:
    if track.layer and track.layer not in excerpt.layers:
        return f"There is no layer {track.layer} any more."
    cell = excerpt.of(track.layer).cell
    return f"The {CELL_TITLES[cell]} has no {track.what.partition('.')[2]}." if q is None else "On its way…"


def not_reached(track: TrackSpec, t: int) -> Readout:
    return Readout(f"t = {t}", (symbol(track),), "not reached yet")


def padding(track: TrackSpec, t: int, length: int) -> Readout:
    return Readout(f"t = {t}", (symbol(track),), f"padding: this sample ends at t = {length}")


def readout(
    track: TrackSpec, t: int, unit: int, value: np.floating, code: int, scale: Scale, shared: int = 1
) -> Readout:
    """`shared`: how many cells stand in the pixel; this is the one that the pixel shows."""
    where = f"t = {t} · unit {unit}"
    note = class_words(value, code, scale)
    if shared > 1:
        note = " · ".join(part for part in (note, f"the one shown of {shared:,} in this pixel") if part)
    return Readout(where, (f"{symbol(track)} = {exact(float(value), str(value.dtype))}",), note, unit)


def class_words(value: np.floating, code: int, scale: Scale) -> str:
    """A class in words: "exactly 0", "below the scale (1e-20)", …; "" for a number on the scale."""
    low, high = scale.ends
    words = {
        ZERO: "exactly 0",
        BELOW: f"below the scale ({low})",
        ABOVE: f"above the scale ({high})",
        PLUS_INF: "infinite",
        MINUS_INF: "infinite, negative",
        NAN: "not a number",
    }.get(code, "")
    if code != ZERO and bool(classes.subnormal(np.asarray([value]))[0]):
        words = f"{words}, subnormal: its digits are going" if words else "subnormal: its digits are going"
    return words


CLASS_NAMES = {
    NAN: "not a number",
    PLUS_INF: "+infinite",
    MINUS_INF: "−infinite",
    ABOVE: "above the scale",
    ZERO: "exactly 0",
    BELOW: "below the scale",
}


def scale_readout(scale: Scale, found: dict[int, int], subnormal: int, waiting: int) -> Readout:
    low, high = scale.ends
    kind = {"gate": "", "signed": "", "magnitude": "|·|, two decades a band, "}[scale.kind]
    if scale.linear:
        kind = f"logarithmic, linear within ±{scales.number(scale.linear)}, "
    values = tuple(f"{found[code]:,} {CLASS_NAMES[code]}" for code in classes.SPECIAL if found.get(code))
    if subnormal:
        values += (f"of these, {subnormal:,} subnormal: their digits are going",)
    if waiting:
        values += (f"{waiting:,} not reached yet",)
    return Readout(f"Scale {kind}{low} … {high}, fixed", values or ("every number is on the scale",))


def last_norm(losses: int, steps: int, loss_step: int) -> str:
    """What a gradient is measured against, marked up: the last step's norm, of the last loss where there are many (the
    others do not come to the last step)."""
    return f"‖∂L_{{{loss_step}}}/∂h_{{{steps}}}‖" if losses > 1 else f"‖∂L/∂h_{{{steps}}}‖"


def slope(decades: float) -> str:
    """ "−0.23", "+0.08", "0.00"."""
    text = f"{abs(decades):.2f}" if abs(decades) >= 0.01 else short(abs(decades), 1)
    if decades == 0:
        return text
    return f"{scales.MINUS if decades < 0 else '+'}{text}"
