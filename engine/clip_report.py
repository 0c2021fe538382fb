"""What clipping did, in numbers and in one sentence. What it does is engine.clipping's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from engine.clipping import Clipped, groups, norm_in_dtype
from engine.compared import Pair, compare, together
from engine.figures import figure
from engine.precision import arithmetic
from engine.requests import ClipReport, ClipRow

Pairs: TypeAlias = Mapping[str, Pair]

SAME = 1e-12
"""A cosine this close to 1 is 1, up to rounding."""


def report(made: Clipped) -> ClipReport:
    """The report on a finished clipping, of any kind."""
    kind = made.clip.kind
    grads = list(made.before.values())
    with arithmetic(grads[0]):
        pairs = compare(made.before, made.grads)
        whole = together(pairs)
        rows = tuple(_row(made, name, pair) for name, pair in pairs.items())
        parts = groups(made.before, made.clip) if kind == "layer" else {}
        layers = tuple(_layer(made, name, names, pairs) for name, names in parts.items())
        units, clipped = _counted(made, rows, layers)
        return ClipReport(
            kind=kind,
            max_norm=made.clip.max_norm,
            norm=whole.before,
            norm_in_dtype=_number(norm_in_dtype(grads)),
            factor=_single_factor(made),
            cosine=whole.cosine,
            rows=rows,
            sentence=_sentence(made, pairs, whole, rows, units, clipped),
            norm_after=whole.after,
            layers=layers,
            units=units,
            clipped=clipped,
            is_gradient=kind != "step" or clipped == 0,
        )


def _single_factor(made: Clipped) -> float:
    if made.clip.kind == "none":
        return 1.0
    return _number(next(iter(made.factors.values()))) if made.clip.kind == "norm" else math.nan


def _number(factor: Tensor) -> float:
    """NaN always as the same object, so that equal reports are equal."""
    number = float(factor)
    return math.nan if math.isnan(number) else number


def _row(made: Clipped, name: str, pair: Pair) -> ClipRow:
    before, after = made.before[name], made.grads[name]
    factor, units, clipped = math.nan, 1, 0
    if made.clip.kind == "value":
        units, clipped = before.numel(), int((before != after).logical_and(~before.isnan()).sum())
    elif made.clip.kind == "step":
        units = 0
    elif name not in made.factors:  # nothing was clipped, or not this one
        factor, units = 1.0, 0
    else:
        factors = made.factors[name]
        units, clipped = factors.numel(), int((factors != 1.0).sum())
        factor = _number(factors) if factors.dim() == 0 else math.nan
    return ClipRow(name, _same_nan(pair.before), _same_nan(pair.after), factor, pair.cosine, units, clipped)


def _same_nan(number: float) -> float:
    return math.nan if math.isnan(number) else number


def _layer(made: Clipped, layer: str, names: list[str], pairs: Pairs) -> ClipRow:
    pair = together({name: pairs[name] for name in names})
    factor = _number(made.factors[names[0]])
    return ClipRow(layer, _same_nan(pair.before), _same_nan(pair.after), factor, pair.cosine, 1, int(factor != 1.0))


def _counted(made: Clipped, rows: Iterable[ClipRow], layers: tuple[ClipRow, ...]) -> tuple[int, int]:
    """(units, clipped)"""
    kind = made.clip.kind
    if kind == "none":
        return 0, 0
    if kind == "norm":
        return 1, int(_single_factor(made) != 1.0)
    if kind == "step":
        factors = list(made.factors.values())
        return sum(one.numel() for one in factors), sum(int((one != 1.0).sum()) for one in factors)
    counted = list(layers) or list(rows)
    return sum(row.units for row in counted), sum(row.clipped for row in counted)


def _sentence(made: Clipped, pairs: Pairs, whole: Pair, rows: tuple[ClipRow, ...], units: int, clipped: int) -> str:
    kind, limit = made.clip.kind, figure(made.clip.max_norm)
    if kind == "none":
        return "Nothing is clipped: this experiment has no clipping."
    if kind == "value":
        return _by_value(made, whole, units, clipped)
    if kind == "agc":
        return _adaptive(made, whole, units, clipped)
    if kind == "step":
        return of_steps(made.clip.max_norm, made.factors.values(), whole)
    if kind == "norm":
        return _of_norm(made, list(pairs), pairs) or _by_norm(whole, limit, _single_factor(made))
    parts = groups(made.before, made.clip)
    for group, names in parts.items():
        trouble = _of_norm(made, names, pairs, f" of {group}" if group else "")
        if trouble:
            return trouble
    if clipped == 0:
        return f"Nothing was clipped: no {kind} has a norm above {limit}."
    factors = {group: _number(made.factors[names[0]]) for group, names in parts.items()}
    least = min(factors, key=lambda group: factors[group])
    most = f"most of all {least or 'the cell'}, times {figure(factors[least])}"
    return (
        f"Clipped {clipped} of {_many(units, kind)} to a norm of {limit}, each by itself ({most}); "
        f"{_turned(whole.cosine)}."
    )


def _by_norm(whole: Pair, limit: str, factor: float) -> str:
    if factor == 1.0:
        return f"Nothing was clipped: the norm, {figure(whole.before)}, is below {limit}."
    return f"Clipped: the norm was {figure(whole.before)}; every gradient was multiplied by {figure(factor)}."


def _of_norm(made: Clipped, names: list[str], pairs: Pairs, of: str = "") -> str:
    """The ways in which a norm in the gradients' own dtype ruins them all; "" where it did not."""
    if _number(made.factors[names[0]]) > 0.0:
        return ""
    grads = [made.before[name] for name in names]
    size, dtype = float(norm_in_dtype(grads)), str(grads[0].dtype).removeprefix("torch.")
    if math.isnan(size):
        return (
            f"A gradient{of} is NaN, so the norm and the factor are NaN too, and clipping makes every gradient{of} NaN."
        )
    if any(bool(torch.isinf(grad).any()) for grad in grads):
        return (
            f"A gradient{of} is inf, so the factor is 0: inf · 0 is NaN, and clipping makes all other gradients{of} 0."
        )
    norm = figure(together({name: pairs[name] for name in names}).before)
    if math.isinf(size):
        return (
            f"Every gradient{of} is finite, but their norm, {norm}, overflows {dtype} to inf: "
            f"the factor is 0, and clipping makes every gradient{of} 0."
        )
    return (
        f"The norm{of}, {norm}, is so far above {figure(made.clip.max_norm)} that the factor underflows "
        f"{dtype} to 0: clipping makes every gradient{of} 0."
    )


def _by_value(made: Clipped, whole: Pair, units: int, clipped: int) -> str:
    limit = figure(made.clip.max_value)
    if clipped == 0:
        said = f"Nothing was clipped: no entry is beyond ±{limit}."
    else:
        said = f"Clipped {clipped:,} of {_many(units, 'entry')} to ±{limit}, each by itself; {_turned(whole.cosine)}."
    infinite = sum(int(torch.isinf(grad).sum()) for grad in made.before.values())
    nan = sum(int(torch.isnan(grad).sum()) for grad in made.before.values())
    if infinite:
        said += f" {infinite:,} of them had overflowed to inf, which cannot be seen any more."
    if nan:
        said += f" {_many(nan, 'entry')} {'is' if nan == 1 else 'are'} NaN: clipping by value leaves NaN as it is."
    return said


def _adaptive(made: Clipped, whole: Pair, units: int, clipped: int) -> str:
    ratio = figure(made.clip.ratio)
    if clipped == 0:
        said = f"Nothing was clipped: no row's gradient is above {ratio} times the norm of its weights."
    else:
        least = min(float(factors.min()) for factors in made.factors.values())
        said = (
            f"Clipped {clipped:,} of {units:,} rows and vectors to {ratio} times the norm of their weights "
            f"(the smallest factor is {figure(least)}); {_turned(whole.cosine)}."
        )
    judged = [made.before[name] for name in made.factors]
    if any(bool(torch.isinf(grad).any()) for grad in judged):
        said += " A gradient is inf: its row becomes NaN there and 0 elsewhere."
    if any(bool(torch.isnan(grad).any()) for grad in judged):
        said += " A gradient is NaN: its row is left as it is."
    return said


def of_steps(max_norm: float, factors: Iterable[Tensor], whole: Pair) -> str:
    """What clipping every step of the backward pass did; factors (T, B), one for each layer."""
    found = list(factors)
    clipped, units = sum(int((one != 1.0).sum()) for one in found), sum(one.numel() for one in found)
    if clipped == 0:
        return f"Nothing was clipped: at no step was the norm of a sample's ∂L/∂(states) above {figure(max_norm)}."
    steps, of = sum(int((one != 1.0).any(1).sum()) for one in found), sum(len(one) for one in found)
    return (
        f"Clipped ∂L/∂(states) to a norm of {figure(max_norm)} at {steps:,} of {_many(of, 'step')} on the way back "
        f"({clipped:,} of {units:,} samples and steps). {no_gradient(whole)}"
    )


def no_gradient(against: Pair) -> str:
    """The label on what was clipped before the sum over the steps was taken."""
    ratio = "an undefined multiple of" if math.isnan(against.ratio) else f"{figure(against.ratio)} times"
    return (
        f"What comes out is no longer a gradient of the loss: cosine with it {_cosine(against.cosine)}, "
        f"{ratio} its norm."
    )


def _turned(cosine: float) -> str:
    if math.isnan(cosine):
        return "the cosine with the gradient before is undefined"
    return f"the direction {'is kept' if 1.0 - cosine < SAME else 'changed'}, cosine {_cosine(cosine)}"


def _cosine(cosine: float) -> str:
    """0.93, or 1 − 2.1e-7 where four digits would not tell it from 1."""
    if math.isnan(cosine):
        return "undefined"
    return f"1 − {figure(1.0 - cosine, 2)}" if SAME <= 1.0 - cosine < 1e-4 else figure(cosine, 4)


def _many(count: int, noun: str) -> str:
    plural = noun.replace("entry", "entrie") + "s"
    return f"{count:,} {noun if count == 1 else plural}"
