"""Synthetic excerpts for tests of the views: a small recurrent network in plain numpy, without the engine.

The arrays obey the equations of math.md (h = o⊙tanh c, the input and the recurrent part add up to the pre-activation),
so a view can be tested against them; `zeros`, `inf`, `nan` and `subnormal` then put special numbers into the gradients.
The audit of the engine is elsewhere: nothing here is a reference for the engine's numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np

from engine import quantities
from engine.requests import ClipReport, ClipRow, Event, Excerpt, ShownLayer, Verdict
from engine.spec import CellKind

F = np.ndarray


def excerpt(
    cell: CellKind = "rnn",
    *,
    T: int = 50,
    H: int = 12,
    D: int = 2,
    seed: int = 0,
    dtype: str = "float32",
    vanishing: bool = True,
    loss_at: Literal["last", "every"] = "last",
    unit: int | None = None,
    zeros: bool = False,
    inf: bool = False,
    nan: bool = False,
    subnormal: bool = False,
    keys: Iterable[str] | None = None,
    clip: Literal["none", "fired", "idle"] = "idle",
) -> Excerpt:
    """An excerpt of a network with T steps, H units and D inputs, one sample, arrays in `dtype`.

    zeros: one unit's gradients are exactly 0. inf, nan: the gradients of the first steps are ±inf, NaN. subnormal: one
    unit's gradients are subnormal in float32. keys: which arrays (None: all of the cell).
    """
    rng = np.random.default_rng(seed)
    x = np.stack([rng.random(T), *[(rng.random(T) < 2.5 / T).astype(float) for _ in range(D - 1)]], axis=1)
    net = _Net(cell, H, D, rng, vanishing)
    values, inputs_part, recurrent_part = net.forward(x)
    readout = rng.normal(size=H) / math.sqrt(H)
    outputs = values["h"] @ readout
    targets = np.cumsum(x[:, 0] * x[:, -1])
    direct = np.zeros((T, H))
    losses = np.full(T, np.nan)
    where = slice(T - 1, T) if loss_at == "last" else slice(0, T)
    n = 1 if loss_at == "last" else T
    losses[where] = (outputs[where] - targets[where]) ** 2 / n
    direct[where] = 2 * (outputs[where] - targets[where])[:, None] * readout / n
    grads = net.backward(values, direct)
    with np.errstate(over="ignore", under="ignore"):
        every = {f"values.{s}": v.astype(dtype) for s, v in values.items()}
        every |= {f"grads.{s}": v.astype(dtype) for s, v in grads.items()}
    _spoil(every, H, T, zeros=zeros, inf=inf, nan=nan, subnormal=subnormal)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = {key: np.sqrt((a.astype(np.float64) ** 2).sum(axis=1)) for key, a in every.items()}

    def series(a: F) -> F:
        return np.linalg.norm(a, axis=1) if unit is None else a[:, unit].astype(np.float64)

    with np.errstate(invalid="ignore", over="ignore"):
        cell_series = {key: series(a.astype(np.float64)) for key, a in every.items()}
    for state in quantities.STATES[cell]:
        previous = np.vstack([np.zeros((1, H)), values[state][:-1]])
        cell_series[f"values.{state}_prev"] = series(previous)
    cell_series["grads.h_direct"] = series(direct)
    for symbol, part in inputs_part.items():
        cell_series[f"input.{symbol}"] = series(part)
        cell_series[f"recurrent.{symbol}"] = series(recurrent_part[symbol])
    first, last = norms["grads.h"][0], norms["grads.h"][-1]
    wanted = quantities.keys(cell) if keys is None else [k for k in keys if k in every]
    frozen = {f"l0.{key}": _frozen(every[key]) for key in wanted}
    layer = ShownLayer(
        name="l0",
        cell=cell,
        activation="tanh",
        hidden_size=H,
        input_size=D,
        reverse=False,
        layer_norm=False,
        norms={key: _frozen(a) for key, a in norms.items()},
        initial={s: _frozen(np.zeros(H, dtype)) for s in quantities.STATES[cell]},
    )
    return Excerpt(
        layers={"l0": layer},
        layer="l0",
        steps=T,
        batch_size=1,
        length=T,
        dtype=dtype,
        device="cpu",
        device_note="",
        sample=0,
        unit=unit,
        arrays=frozen,
        cell_series={key: _frozen(a) for key, a in cell_series.items()},
        cell_inputs=_frozen(x.astype(dtype)),
        inputs=_frozen(x.astype(dtype)),
        outputs=_frozen(outputs[where][:, None].astype(dtype)),
        targets=_frozen(targets[where][:, None].astype(dtype)),
        loss=float(np.nansum(losses)),
        losses=_frozen(losses),
        clip=_clip(clip),
        update_rows=(ClipRow("weight_ih_l0", 1.5, 0.012), ClipRow("weight_hh_l0", 3.25, 0.034)),
        verdict=_verdict(float(first), float(last), T),
        events=_events(inf, nan, clip, T),
        seconds=0.0019,
        weights=None,
    )


def replaced(e: Excerpt, arrays: dict[str, F]) -> Excerpt:
    """The same excerpt with some arrays of its layer others. The norms stay."""
    named = {key if key.startswith("l0.") else f"l0.{key}": _frozen(a) for key, a in arrays.items()}
    return dataclasses.replace(e, arrays={**e.arrays, **named})


def with_norms(e: Excerpt, norms: dict[str, F]) -> Excerpt:
    """The same excerpt with other norms."""
    return dataclasses.replace(e, layers={"l0": dataclasses.replace(e.of(), norms=norms)})


class _Net:
    """One layer: h₋ (H,) and x (D,) to the gates, and the chain back (math.md, Backward recursions)."""

    def __init__(self, cell: CellKind, H: int, D: int, rng: np.random.Generator, vanishing: bool) -> None:
        self.cell = cell
        self.H = H
        self.gates = [f"a_{g}" if g else "a" for g in quantities.GATES[cell]]
        n = len(self.gates)
        k = 1 / math.sqrt(H)
        self.W = rng.uniform(-k, k, (n * H, D)) * 2
        gain = 0.55 if vanishing else 1.05
        blocks = [np.linalg.qr(rng.normal(size=(H, H)))[0] * (gain if cell == "rnn" else 0.6) for _ in range(n)]
        self.U = np.vstack(blocks)
        self.b = np.zeros(n * H)
        if not vanishing and cell == "lstm":
            self.b[H : 2 * H] = 3.0
        if not vanishing and cell == "gru":
            self.b[H : 2 * H] = 4.0

    def forward(self, x: F) -> tuple[dict[str, F], dict[str, F], dict[str, F]]:
        T, H = len(x), self.H
        inputs = x @ self.W.T + self.b
        recurrent = np.zeros_like(inputs)
        v = {q.symbol: np.zeros((T, H)) for q in quantities.QUANTITIES[self.cell]}
        h = c = np.zeros(H)
        for t in range(T):
            recurrent[t] = self.U @ h
            xs, hs = np.split(inputs[t], len(self.gates)), np.split(recurrent[t], len(self.gates))
            if self.cell == "rnn":
                a = xs[0] + hs[0]
                h = np.tanh(a)
                step = {"a": a, "h": h}
            elif self.cell == "lstm":
                a_i, a_f, a_g, a_o = (p + q for p, q in zip(xs, hs, strict=True))
                i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_g), _sigmoid(a_o)
                c = f * c + i * g
                h = o * np.tanh(c)
                step = {"i": i, "f": f, "g": g, "o": o, "c": c, "h": h}
                step |= {"a_i": a_i, "a_f": a_f, "a_g": a_g, "a_o": a_o}
            else:
                r, z, q = _sigmoid(xs[0] + hs[0]), _sigmoid(xs[1] + hs[1]), hs[2]
                a_n = xs[2] + r * q
                n = np.tanh(a_n)
                h = (1 - z) * n + z * h
                step = {"r": r, "z": z, "n": n, "q": q, "h": h}
                step |= {"a_r": xs[0] + hs[0], "a_z": xs[1] + hs[1], "a_n": a_n}
            for symbol, value in step.items():
                v[symbol][t] = value
        cut = range(0, len(self.gates) * H, H)
        xs_all = {s: inputs[:, k : k + H] for s, k in zip(self.gates, cut, strict=True)}
        hs_all = {s: recurrent[:, k : k + H] for s, k in zip(self.gates, cut, strict=True)}
        return v, xs_all, hs_all

    def backward(self, v: dict[str, F], direct: F) -> dict[str, F]:
        T, H = direct.shape
        d = {symbol: np.zeros((T, H)) for symbol in v}
        dh_next, dc_next = np.zeros(H), np.zeros(H)
        for t in reversed(range(T)):
            at = {symbol: a[t] for symbol, a in v.items()}
            before = {s: v[s][t - 1] if t else np.zeros(H) for s in quantities.STATES[self.cell]}
            dh = direct[t] + dh_next
            if self.cell == "rnn":
                da = dh * (1 - at["h"] ** 2)
                step = {"h": dh, "a": da}
                dh_next = self.U.T @ da
            elif self.cell == "lstm":
                i, f, g, o, c = (at[s] for s in "ifgoc")
                dc = dh * o * (1 - np.tanh(c) ** 2) + dc_next
                di, df, dg, do = dc * g, dc * before["c"], dc * i, dh * np.tanh(c)
                step = {"h": dh, "c": dc, "i": di, "f": df, "g": dg, "o": do}
                step |= {"a_i": di * i * (1 - i), "a_f": df * f * (1 - f)}
                step |= {"a_g": dg * (1 - g**2), "a_o": do * o * (1 - o)}
                dh_next = self.U.T @ np.concatenate([step[s] for s in self.gates])
                dc_next = dc * f
            else:
                r, z, n, q = (at[s] for s in "rznq")
                dz, dn = dh * (before["h"] - n), dh * (1 - z)
                da_n = dn * (1 - n**2)
                dr, dq = da_n * q, da_n * r
                step = {"h": dh, "z": dz, "r": dr, "n": dn, "q": dq}
                step |= {"a_z": dz * z * (1 - z), "a_r": dr * r * (1 - r), "a_n": da_n}
                dh_next = dh * z + self.U.T @ np.concatenate([step["a_r"], step["a_z"], dq])
            for symbol, value in step.items():
                d[symbol][t] = value
        return d


def _sigmoid(a: F) -> F:
    return 1 / (1 + np.exp(-a))


def _spoil(every: dict[str, F], H: int, T: int, *, zeros: bool, inf: bool, nan: bool, subnormal: bool) -> None:
    for key, a in every.items():
        if not key.startswith("grads."):
            continue
        if zeros:
            a[:, H // 2] = 0.0
        if subnormal:
            a[: max(1, T // 4), H // 3] = 3e-41 if a.dtype == np.float32 else 3e-310
        if inf:
            a[: max(1, T // 5), H - 1] = np.inf
            a[: max(1, T // 8), H - 1] = -np.inf
        if nan:
            a[: max(1, T // 10), 0 if H == 1 else H - 2] = np.nan


def _frozen(a: F) -> F:
    out = np.ascontiguousarray(a)
    out.setflags(write=False)
    return out


def _clip(kind: str) -> ClipReport:
    if kind == "none":
        return ClipReport("none", 1.0, 0.5, 0.5, 1.0, 1.0, (), "Nothing was clipped: clipping is off.")
    norm = 40.0 if kind == "fired" else 0.5
    factor = min(1.0, 1.0 / (norm + 1e-6))
    rows = (
        ClipRow("weight_ih_l0", norm * 0.6, norm * 0.6 * factor),
        ClipRow("weight_hh_l0", norm * 0.8, norm * 0.8 * factor),
    )
    sentence = f"Norm {norm:g}, limit 1: every gradient times {factor:.3g}."
    return ClipReport("norm", 1.0, norm, norm, factor, 1.0, rows, sentence)


def _verdict(first: float, last: float, T: int) -> Verdict:
    if T == 1 or not (math.isfinite(first) and math.isfinite(last)) or last == 0:
        return Verdict("undefined", math.nan, 1, T, T)
    log = -math.inf if first == 0 else math.log10(first / last)
    if log < -6:
        return Verdict("vanishing", log, 1, T, T)
    return Verdict("exploding" if log > 6 else "healthy", log, 1, T, T)


def _events(inf: bool, nan: bool, clip: str, T: int) -> tuple[Event, ...]:
    found: list[Event] = []
    if inf:
        found.append(Event("overflow", "backward", max(1, T // 5), "∂L/∂h overflows float32."))
    if nan:
        found.append(Event("nan", "backward", max(1, T // 10), "∂L/∂h is NaN."))
    if clip == "fired":
        found.append(Event("clip", "clip", T, "Clipping fired."))
    return tuple(found)
