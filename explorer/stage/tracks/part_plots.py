"""Plots of a layer's series (engine.series), and of the losses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from engine.columns import GROWTH, QUICK, SATURATION, SHARE, SINGULAR, squashed
from engine.quantities import layer_title
from engine.requests import Array, Excerpt, ShownLayer
from engine.tracks import TrackSpec, has
from explorer.stage import classes, scales
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale
from explorer.stage.tracks import words
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.plot import (
    Curve,
    Group,
    Line,
    LogAxis,
    Maker,
    PlainAxis,
    Plot,
    Style,
    Variants,
    codes_of_logs,
    codes_on,
    logs_of,
)
from explorer.widgets.numbers import power, power_told_apart, share_told_apart, short, told_apart

_SHARES = PlainAxis(0.0, 1.0, ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")))


def losses(track: TrackSpec) -> Maker:
    def make(e: Excerpt, book: ScaleBook, _: tuple[Ghost, ...]) -> Plot | str:
        there = e.has_loss
        axis = LogAxis(book.once(f"{track.key}.", lambda: _scale_of(e.losses[there], 6)))
        codes = classes.classify(e.losses, axis.scale, ~there)
        count = int(np.count_nonzero(there))
        name = "L_t" if count > 1 else "L"
        lines: tuple[Variants, ...] = (("each is a part of L",),) if count > 1 else (("a single loss",),)
        return Plot(
            axis,
            (
                Curve(
                    name,
                    name,
                    Group("loss"),
                    Style("loss"),
                    axis.place(logs_of(e.losses)),
                    codes,
                    _exactly(e),
                    dots=True,
                ),
            ),
            lines,
            header=lambda now: ((f"L = {short(e.loss)}",),) if now.loss else (),
            scale_note=("the loss at each step that has one",),
            samples=_all(e),
        )

    return make


def share(track: TrackSpec) -> Maker:
    def make(e: Excerpt, book: ScaleBook, _: tuple[Ghost, ...]) -> Plot | str:
        layer, data = found(track, e)
        if layer is None or data is None:
            return why(track, e)
        axis = LogAxis(book.once(f"{track.key}.{layer.cell}", lambda: _scale_of(data[:, 0], 6)))
        own, part = data[:, SHARE.index("norm")], data[:, SHARE.index("share")]
        W = weight_symbol(track)

        def of_whole(t: int) -> str:
            return "" if np.isnan(part[t]) else f"{share_told_apart(float(part[t]), e.dtype)} of ∂L/∂{W}, along it"

        def header(now: Now) -> tuple[Variants, ...]:
            if now.grads(layer.reverse) != (1, e.steps) or not np.isfinite(part).any():
                return ()
            most = int(np.nanargmax(part))
            return ((f"most: t = {most + 1}, {percent(float(part[most]))}", f"t = {most + 1}: {short(part[most], 2)}"),)

        curve = Curve(
            "‖step’s part‖",
            "part",
            Group("grads", layer.reverse),
            Style("backward"),
            axis.place(logs_of(own)),
            classes.classify(own, axis.scale, classes.behind(e.steps, e.longest)),
            _part_of(own, e.longest, e.dtype),
            whole=of_whole,
            longest=e.longest,
        )
        lines, note = layer_line(e, layer), (_frobenius(e),)
        return Plot(axis, (curve,), lines, header=header, scale_note=note, samples=_summed(e))

    return make


def growth(track: TrackSpec) -> Maker:
    def make(e: Excerpt, book: ScaleBook, _: tuple[Ghost, ...]) -> Plot | str:
        layer, data = found(track, e)
        if layer is None or data is None:
            return why(track, e)
        axis = LogAxis(book.once(f"{track.key}.{layer.cell}", lambda: _scale_of(data[:, :2], 6)))
        total, own = data[:, GROWTH.index("sum")], data[:, GROWTH.index("step")]
        taken, last_step = data[:, GROWTH.index("computed")] == 1, e.longest or e.steps
        W, group, said = weight_symbol(track), Group("grads", layer.reverse), _part_of(total, e.longest, e.dtype)
        curves = (
            Curve(
                "‖Σ so far‖",
                "Σ",
                group,
                Style("backward"),
                axis.place(logs_of(total)),
                classes.classify(total, axis.scale, ~taken),
                lambda t: said(t) if taken[t] or t >= last_step else "between two steps at which the sum was taken",
                joined=True,
                longest=e.longest,
            ),
            Curve(
                "‖step’s part‖",
                "step",
                group,
                Style("series.1", dash=1),
                axis.place(logs_of(own)),
                classes.classify(own, axis.scale, classes.behind(e.steps, e.longest)),
                _part_of(own, e.longest, e.dtype),
                longest=e.longest,
            ),
        )

        def header(now: Now) -> tuple[Variants, ...]:
            first, last = now.grads(layer.reverse)
            if (first, last) == (1, e.steps):
                whole = float(total[last_step - 1 if layer.reverse else 0])
                return ((f"‖∂L/∂{W}‖ = {short(whole)}",),)
            return ()

        taken_at = f"at {int(taken.sum()):,} steps"
        lines = layer_line(e, layer) + (() if taken[:last_step].all() else ((f"sum taken {taken_at}", taken_at),))
        note, clip = (_frobenius(e),), tuple(_clip(axis, e))
        return Plot(axis, curves, lines, clip, header=header, scale_note=note, samples=_summed(e))

    return make


def saturation(track: TrackSpec) -> Maker:
    def make(e: Excerpt, _: ScaleBook, __: tuple[Ghost, ...]) -> Plot | str:
        layer, data = found(track, e)
        if layer is None:
            return why(track, e)
        symbols = squashed(layer.cell, layer.activation)
        if not symbols:
            return f"Nothing can saturate here: {layer.activation} is nowhere flat."
        if data is None:
            return why(track, e)
        width = len(SATURATION)
        group = Group("values", layer.reverse)
        curves: list[Curve] = []
        shown = [symbol for symbol in symbols if symbol in "fiozr" or layer.cell == "rnn"]
        for n, symbol in enumerate(shown):
            start = symbols.index(symbol) * width
            for end, (name, brief, dash) in _ends(layer, symbol).items():
                curves.append(
                    _share_curve(
                        name, brief, data[:, start + SATURATION.index(end)], group, e.dtype, (2 + n, dash, 1 + n)
                    )
                )
        if layer.cell == "rnn":
            curves.append(
                _share_curve("dead units", "dead", data[:, SATURATION.index("dead")], group, e.dtype, (4, 3, 0))
            )

        def header(now: Now) -> tuple[Variants, ...]:
            first, last = now.values(layer.reverse)
            if first > last:
                return ()
            row = data[(first if layer.reverse else last) - 1]
            dead = {s: round(row[symbols.index(s) * width + 2] * layer.hidden_size) for s in symbols}
            said = [f"{s}: {count}" for s, count in dead.items() if count]
            if not said:
                return (("no unit flat so far", "none flat"),)
            return ((f"always flat: {', '.join(said)}", f"flat: {', '.join(said)}", f"{sum(dead.values())} flat"),)

        return Plot(
            _SHARES,
            tuple(curves),
            layer_line(e, layer),
            header=header,
            scale_note=("share of all units and samples", "flat: slope exactly 0 at every step so far"),
            samples=_all(e),
        )

    return make


def _ends(layer: ShownLayer, symbol: str) -> dict[str, tuple[str, str, int]]:
    """Name, short name and dash of each end that there is."""
    if layer.cell == "rnn" and layer.activation == "relu":
        return {"low": ("a ≤ 0", "a ≤ 0", 1)}
    if layer.cell == "rnn" and layer.activation == "tanh":
        return {"high": ("h > 0.95", "h → 1", 0), "low": ("h < −0.95", "h → −1", 1)}
    return {"high": (f"{symbol} > 0.95", f"{symbol} → 1", 0), "low": (f"{symbol} < 0.05", f"{symbol} → 0", 1)}


def _share_curve(name: str, short: str, values: Array, group: Group, dtype: str, looks: tuple[int, int, int]) -> Curve:
    """`looks`: tone of a series, dash and marker."""
    tone, dash, marker = looks

    def said(written: Callable[[float], str]) -> Callable[[int], str]:
        return lambda t: "no valid step" if np.isnan(values[t]) else written(float(values[t]))

    return Curve(
        name,
        short,
        group,
        Style(f"series.{tone}", dash, marker),
        _SHARES.place(values),
        codes_on(_SHARES, values),
        said(lambda part: share_told_apart(part, dtype)),
        said(percent),
    )


def singular(track: TrackSpec) -> Maker:
    def make(e: Excerpt, book: ScaleBook, _: tuple[Ghost, ...]) -> Plot | str:
        layer, data = found(track, e)
        if layer is None or data is None:
            return why(track, e)
        taken = data[:, SINGULAR.index("computed")] == 1
        size = layer.hidden_size * (2 if layer.cell == "lstm" else 1)
        if not taken.any():
            return f"The Jacobians are {size:,} × {size:,}: their singular values take too long to be shown here."
        known = data[taken, :4]
        axis = LogAxis(book.once(f"{track.key}.{layer.cell}", lambda: _scale_of(known, 8, of_logs=True)))
        names = ["σ_{1}", "σ_{2}", "σ_{3}"][: min(3, size)] + (["σ smallest"] if size > 3 else [])
        group = Group("values", layer.reverse)
        curves = []
        for n, name in enumerate(names):
            logs = data[:, 3 if name == "σ smallest" else n]
            tone = ("forward", "series.2", "series.5", "loss")[3 if name == "σ smallest" else n]
            curves.append(
                Curve(
                    name,
                    name,
                    group,
                    Style(tone, dash=n),
                    axis.place(logs),
                    codes_of_logs(logs, axis.scale, ~taken),
                    _by_power(logs, taken, lambda log10: power_told_apart(log10, e.dtype)),
                    _by_power(logs, taken, lambda log10: power(log10, 4)),
                    joined=True,
                )
            )
        one = Line(axis.place(np.asarray(0.0)), "muted", ("1: neither grows nor shrinks", "1"))
        count = int(taken.sum())
        sparse: tuple[Variants, ...] = (
            () if count == e.length else ((f"at {count:,} of {e.length:,} steps", f"at {count:,} steps"),)
        )
        return Plot(
            axis,
            tuple(curves),
            (*layer_line(e, layer), ("of ∂state_t/∂state_{t−1}",), *sparse),
            (one,),
            scale_note=("singular values of each step's Jacobian, of the chosen sample",),
        )

    return make


def _by_power(logs: Array, taken: np.ndarray, written: Callable[[float], str]) -> Callable[[int], str]:
    return lambda t: written(float(logs[t])) if taken[t] else "not computed at this step"


# -- shared -----------------------------------------------------------------------------------------------------------


def weight_symbol(track: TrackSpec) -> str:
    return "W_{hh}" if track.option("weight") == "weight_hh" else "W_{ih}"


def found(track: TrackSpec, e: Excerpt) -> tuple[ShownLayer | None, Array | None]:
    if not has(track, e.kinds()):
        return None, None
    data = e.shown(track)
    if data is None:
        data = e.arrays.get(track.key_of(tuple(e.layers)) + QUICK)
    return e.of(track.layer), data


def why(track: TrackSpec, e: Excerpt) -> str:
    if track.layer and track.layer not in e.layers:
        return f"There is no {layer_title(track.layer)} any more."
    return "Computing…"


def layer_line(e: Excerpt, layer: ShownLayer) -> tuple[Variants, ...]:
    return ((words.layer(layer),),) if len(e.layers) > 1 else ()


def _frobenius(e: Excerpt) -> str:
    of = f", {_summed(e)}" if _summed(e) else ""
    return f"Frobenius norm of each step's outer products{of}"


def _summed(e: Excerpt) -> str:
    return f"summed over {e.batch_size:,} samples" if e.batch_size > 1 else ""


def _all(e: Excerpt) -> str:
    return f"all {e.batch_size:,} samples" if e.batch_size > 1 else ""


def _exactly(e: Excerpt) -> Callable[[int], str]:
    return lambda t: told_apart(float(e.losses[t]), e.dtype) if e.has_loss[t] else "no loss here"


def _part_of(values: Array, longest: int, dtype: str) -> Callable[[int], str]:
    return lambda t: words.PADDING if 0 < longest <= t else told_apart(float(values[t]), dtype)


def percent(part: float) -> str:
    return f"{short(100 * part, 3)} %"


def _scale_of(values: Array, decades: int, *, of_logs: bool = False) -> Scale:
    """From the largest downwards, at least so many decades."""
    logs = values if of_logs else logs_of(values)
    logs = logs[np.isfinite(logs)]
    if not logs.size:
        return scales.magnitude(-decades, 2)
    high = 2 * math.ceil((float(logs.max()) + 0.1) / 2)
    low = max(2 * math.floor(float(logs.min()) / 2), high - 24)
    return scales.magnitude(min(low, high - decades), high)


def _clip(axis: LogAxis, e: Excerpt) -> list[Line]:
    """The threshold of what is clipped at the end, of which this weight's gradient is all or a part."""
    if e.clip is None or e.clip.kind not in ("norm", "layer", "parameter") or not e.clip.max_norm > 0:
        return []
    limit = f"{e.clip.max_norm:.3g}"
    of = {"norm": "all parameters together", "layer": "each layer's parameters together", "parameter": "each parameter"}
    texts = (f"clip: norm of {of[e.clip.kind]} ≤ {limit}", f"clip norm {limit}", "clip")
    return [Line(axis.place(np.asarray(math.log10(e.clip.max_norm))), "clip", texts)]
