"""The plot of a norm track: norms of any quantities of any layers, of this trace and of pinned ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from engine import dtypes
from engine.columns import BOUND
from engine.quantities import STATES
from engine.requests import Array, Excerpt, ShownLayer
from engine.tracks import TrackSpec, has, parse, read_layer
from explorer.extremes import extreme
from explorer.stage import classes, margins
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import words
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.plot import (
    ALWAYS,
    Curve,
    Group,
    Line,
    LogAxis,
    Maker,
    Plot,
    Region,
    Variants,
    ghost_style,
    logs_of,
    style,
)
from explorer.stage.tracks.slope import Slopes
from explorer.widgets.numbers import power, short, told_apart

_MARKED = 4
"""Gradients whose smallest norms have room for a mark."""
VANISHING, EXPLODING = 1e-6, 1e6
"""Against the norm that the way back begins with; the verdict's own thresholds (engine.requests.Verdict)."""


def norm_plot(track: TrackSpec) -> Maker:
    def make(excerpt: Excerpt, book: ScaleBook, ghosts: tuple[Ghost, ...]) -> Plot | str:
        axis = LogAxis(book.gradients(excerpt))
        layers = excerpt.layers
        quantities = [part for part in chosen(track, layers) if has(part, excerpt.kinds())]
        if not quantities:
            return "None of these quantities is there any more."
        several = len(layers) > 1
        count, dtype = len(quantities), excerpt.dtype
        curves = [_curve(part, layers, axis, n, count, several, dtype) for n, part in enumerate(quantities)]
        curves = _with_lowest(curves, excerpt)
        for pin, ghost in enumerate(ghosts):
            curves += _of_ghost(track, ghost, axis, pin, dtype)
        against = _against(quantities, layers)
        lines = (*_dtype_lines(axis, excerpt), *_clip_line(axis, excerpt), *_bound(axis, excerpt, quantities))
        mean = margins.mean_of(excerpt.batch_size)
        those = " that have the step" if mean and excerpt.longest else ""
        note = f"Euclidean norm over units{f', {mean[0]}{those}' if mean else ''}"
        return Plot(
            axis,
            tuple(curves),
            (mean,) if mean else (),
            lines,
            _regions(axis, excerpt, against) if against is not None else (),
            slope_unit="a step",
            scale_note=(note, *_beyond(axis, excerpt)),
            readout_note=mean[0] if mean else "",
            samples=mean[0] if mean else "",
        )

    return make


def title(track: TrackSpec) -> str:
    return "Gradient norm" if all(parse(key).is_gradient for key in track.of) else "Norms"


def chosen(track: TrackSpec, layers: Mapping[str, ShownLayer]) -> list[TrackSpec]:
    """The quantities that it shows, each with its layer; by itself the states of the layer that the read-out reads."""
    read = read_layer(tuple(layers))
    if track.of:
        found = [parse(key) for key in track.of]
        return [part if part.layer else part.on(read) for part in found]
    return [TrackSpec(f"grads.{state}", read) for state in STATES[layers[read].cell]]


def symbol_of(part: TrackSpec) -> str:
    """ "‖∂L/∂h‖"."""
    return f"‖{words.symbol(part)}‖"


def number_of(layer: str) -> str:
    """ "2←": layers count from 1."""
    return f"{int(layer.removeprefix('l').removesuffix('_reverse')) + 1}{'←' if layer.endswith('_reverse') else ''}"


def _curve(
    part: TrackSpec,
    layers: Mapping[str, ShownLayer],
    axis: LogAxis,
    place: int,
    of: int,
    several: bool,
    dtype: str,
) -> Curve:
    layer = layers[part.layer]
    norms = layer.norms[part.what]
    logs, codes = logs_of(norms), classes.classify(norms, axis.scale, classes.behind(len(norms), layer.longest))
    group = Group("grads" if part.is_gradient else "values", layer.reverse)
    slopes = None
    if part.is_gradient:
        # Whatever the scale: looking at other decades does not change what is measured.
        worth = (norms >= dtypes.smallest_normal(dtype)) & np.isfinite(norms) & (codes != classes.UNDEFINED)
        back = slice(None, None, -1 if layer.reverse else 1)
        slopes = Slopes(logs[back], worth[back])
    symbol = part.what.partition(".")[2]
    name = symbol_of(part)
    brief = f"∂{symbol}" if part.is_gradient else symbol
    if several:
        name, brief = f"layer {number_of(part.layer)} {name}", f"{number_of(part.layer)} {brief}"
    return Curve(
        name=name,
        short=brief,
        group=group,
        style=style(place, of),
        places=axis.place(logs),
        codes=codes,
        said=_exactly(norms, dtype, layer.longest),
        values=norms,
        normal=dtypes.smallest_normal(dtype),
        slopes=slopes,
        longest=layer.longest,
    )


def _with_lowest(curves: list[Curve], excerpt: Excerpt) -> list[Curve]:
    """The gradients' curves with a mark at their smallest norm. Of more than a few none has one, and steps after the
    longest sample count for none."""
    if sum(curve.slopes is not None for curve in curves) > _MARKED:
        return curves
    end = excerpt.longest or excerpt.steps
    found = []
    for curve in curves:
        low = None
        if curve.slopes is not None and curve.values is not None and end > 1:
            at = extreme(curve.values, 1, end, largest=False, reverse=curve.group.reverse)
            low = at[0] if at is not None and at[1] < end else None
        found.append(replace(curve, lowest=low))
    return found


def _exactly(norms: Array, dtype: str, longest: int) -> Callable[[int], str]:
    return lambda t: words.PADDING if 0 < longest <= t else told_apart(float(norms[t]), dtype)


def _of_ghost(track: TrackSpec, ghost: Ghost, axis: LogAxis, pin: int, dtype: str) -> list[Curve]:
    found = []
    several = len(ghost.layers) > 1
    shown = [q for q in chosen(track, ghost.layers) if q.layer in ghost.layers]
    shown = [q for q in shown if q.what in ghost.layers[q.layer].norms]
    for place, part in enumerate(shown):
        norms, longest = ghost.layers[part.layer].norms[part.what], ghost.layers[part.layer].longest
        symbol = symbol_of(part)
        symbol = f"layer {number_of(part.layer)} {symbol}" if several else symbol
        found.append(
            Curve(
                name=f"{ghost.name}: {symbol}",
                short=f"{ghost.name}: {words.symbol(part)}",
                group=ALWAYS,
                style=ghost_style(pin, place),
                places=axis.place(logs_of(norms)),
                codes=classes.classify(norms, axis.scale, classes.behind(len(norms), longest)),
                said=_exactly(norms, dtype, longest),
                longest=longest,
                legend=ghost.name if place == 0 else "",
                tag=_tags(ghost, part, several),
            )
        )
    return found


def _tags(ghost: Ghost, part: TrackSpec, several: bool) -> tuple[str, ...]:
    """What stands at a pinned curve: what differs, and which of the norms it is."""
    symbol = part.what.partition(".")[2]
    brief = f"∂{symbol}" if part.is_gradient else symbol
    brief = f"{number_of(part.layer)} {brief}" if several else brief
    first = ghost.name.partition(", ")[0]
    texts = (f"pinned, {ghost.name}: {brief}", f"{ghost.name}: {brief}", f"{first}: {brief}")
    return tuple(dict.fromkeys(text for text in texts if len(text) <= 60))


# -- thresholds -------------------------------------------------------------------------------------------------------


def _against(quantities: list[TrackSpec], layers: Mapping[str, ShownLayer]) -> TrackSpec | None:
    """What the regions are measured against: the read-out's layer's h where it is shown, else the first gradient."""
    gradients = [part for part in quantities if part.is_gradient]
    read = TrackSpec("grads.h", read_layer(tuple(layers)))
    return read if read in gradients else gradients[0] if gradients else None


def _regions(axis: LogAxis, e: Excerpt, against: TrackSpec) -> tuple[Region, ...]:
    layer = e.layers[against.layer]
    last = layer.longest or e.steps
    first = float(logs_of(layer.norms[against.what])[0 if layer.reverse else last - 1])
    if not math.isfinite(first):
        return ()
    losses = int(np.count_nonzero(e.has_loss))
    step = 1 if layer.reverse else last
    name = words.last_norm(losses, step, e.verdict.loss_step, words.symbol(against))
    if len(e.layers) > 1:
        name = f"layer {number_of(against.layer)} {name}"
    low, high = (float(axis.place(np.asarray(first + math.log10(limit)))) for limit in (VANISHING, EXPLODING))
    found: list[Region] = []
    for tone, edge, sign, limit in (
        ("vanishing", low, "▼", f"below 1e-6 of {name}"),
        ("exploding", high, "▲", f"above 1e6 of {name}"),
    ):
        texts = (f"{sign} {tone}: {limit}", f"{sign} {limit}", f"{sign} {tone}")
        found.append(Region(tone, edge, texts))  # type: ignore[arg-type]
    return tuple(found)


def _dtype_limits(e: Excerpt) -> list[tuple[float, str]]:
    return [
        (dtypes.smallest_normal(e.dtype), f"{e.dtype}'s smallest normal number"),
        (dtypes.largest(e.dtype), f"{e.dtype}'s largest number"),
    ]


def _dtype_lines(axis: LogAxis, e: Excerpt) -> list[Line]:
    """Of single numbers, of which a norm is made: below, digits are going."""
    found = []
    for limit, name in _dtype_limits(e):
        place = axis.place(np.asarray(math.log10(limit)))
        if 0 < float(place) < 1:
            brief = name.partition(" ")[2]
            found.append(Line(place, "muted", (f"{name}, {short(limit, 2)}", f"{brief} {short(limit, 2)}")))
    return found


def _beyond(axis: LogAxis, e: Excerpt) -> list[str]:
    """The limits that are not on the axis, in words."""
    found = []
    for limit, name in _dtype_limits(e):
        place = float(axis.place(np.asarray(math.log10(limit))))
        if not 0 < place < 1:
            found.append(f"{name}, {short(limit, 2)}, lies {'below' if place <= 0 else 'above'} it")
    return found


def _clip_line(axis: LogAxis, e: Excerpt) -> list[Line]:
    """Only where norms like these are clipped: those of the states, at every step."""
    if e.clip is None or e.clip.kind != "step" or not e.clip.max_norm > 0:
        return []
    limit = f"{e.clip.max_norm:.3g}"
    texts = (f"clipped at each step: ‖∂L/∂(states)‖ of a sample ≤ {limit}", f"clipped at each step: ≤ {limit}", "clip")
    return [Line(axis.place(np.asarray(math.log10(e.clip.max_norm))), "clip", texts)]


def _bound(axis: LogAxis, e: Excerpt, quantities: list[TrackSpec]) -> list[Line]:
    read = e.of().name
    line = e.arrays.get(f"{read}.{BOUND}")
    if line is None or TrackSpec("grads.h", read) not in quantities or e.steps < 2:
        return []
    # W_hh = 0 lets nothing back: the line falls to −∞ at once, and has no slope.
    slope = -math.inf if line[0] == -math.inf else float(line[0]) - float(line[1])
    if math.isnan(slope):
        return [Line(axis.place(line), "muted", (), always=False, legend=("Pascanu's bound", *_undefined(e)))]
    losses = int(np.count_nonzero(e.has_loss))
    of = " for the last loss alone" if losses > 1 else ""
    each = f"× {power(slope, 3)} a step"
    texts = (
        f"Pascanu's bound{of}: at most {each} back",
        f"Pascanu's bound{of}, {each}",
        f"bound {each}",
        "Pascanu's bound",
        "bound",
    )
    return [Line(axis.place(line), "muted", texts, always=False, legend=("Pascanu's bound", each))]


def _undefined(e: Excerpt) -> Variants:
    """Why there is no bound: it is a power of what the weights are, times the norm that it starts from."""
    start = float(e.of().norms["grads.h"][e.verdict.loss_step - 1])
    if not math.isfinite(start):
        return f"undefined: starts at {short(start)}", f"starts at {short(start)}", "undefined"
    return "undefined: W_hh not finite", "W_hh not finite", "undefined"
