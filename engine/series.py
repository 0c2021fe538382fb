"""Numbers of a layer, step by step, that are more than a norm: what curves show besides (T,) norms.

All are (T, columns) float64, named in engine.columns, in the order of the sequence. What could take long is bounded:
where there are too many steps for it, it is taken at some of them, evenly spread, and a column says at which.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import columns
from engine.arrays import read_only
from engine.bounds import pascanu_bound
from engine.errors import DataError
from engine.graded import PLAIN, graded, log_singular_values
from engine.layer_trace import LayerTrace, rules_of
from engine.norms import norm
from engine.precision import arithmetic
from engine.quantities import ROUTES
from engine.route_shares import route_shares
from engine.routes import values_of
from engine.saturation import saturation
from engine.shares import times_power
from engine.sources import Traced
from engine.step_jacobians import AT_A_TIME, LayerJacobians, in_float64

Series = NDArray[np.floating]

GROWTH_WORK, QUICK_WORK = 1e9, 1e8
"""Numbers that may be touched while a gradient fills up: some tenth of a second; and while a slider is held."""
SINGULAR_SECONDS, QUICK_SECONDS = 0.15, 0.006
"""For the singular values of one layer; and while a slider is held."""


def of_layer(made: Traced, name: str, what: str, weight: str, sample: int, quick: bool = False) -> Series | None:
    """One of engine.tracks.OF_LAYER, or `columns.BOUND`; None where the layer has no such thing."""
    own = f"#{sample}" if what in ("routes", "singular") else ""
    key = f"{name}.{what}.{weight}{own}{columns.QUICK if quick else ''}"
    if key in made.derived:
        return made.derived[key]
    layer = made.trace.layers[name]
    found: Tensor | None
    if what == "share":
        found = shares(layer, weight)
    elif what == "growth":
        found = growth(layer, weight, QUICK_WORK if quick else GROWTH_WORK)
    elif what == "saturation":
        found = saturated(layer)
    elif what == "singular":
        found = singular(layer, sample, QUICK_SECONDS if quick else SINGULAR_SECONDS)
    elif what == "routes":
        found = routes(layer, sample)
    else:
        found = bound(made, name)
    if found is None:
        return None
    made.derived[key] = read_only(found.double())
    return made.derived[key]


def _sides(layer: LayerTrace, weight: str) -> tuple[Tensor, Tensor]:
    """What a weight's gradient is made of: G = Σ_t side_tᵀ met_t, side (T, B, G·H), met (T, B, H or D); float64."""
    if weight == "weight_ih":
        return layer.rules.x_side(layer.grads).flatten(-2).double(), layer.x.double()
    met = layer.recurrence.dropped(layer.before["h"])
    return layer.rules.h_side(layer.grads).flatten(-2).double(), met.double()


def shares(layer: LayerTrace, weight: str) -> Tensor:
    """(T, 2), columns.SHARE: how large each step's part is, and how much of the whole it makes up. The shares are
    signed, for a step can work against the others; NaN where the whole is 0 or not finite. Both are NaN behind the
    longest sample, where there is no step."""
    own = _of_steps(layer, layer.weight_grad_share(weight))
    with arithmetic(layer.x):
        side, met = _sides(layer, weight)
        whole = side.flatten(0, 1).mT @ met.flatten(0, 1)
        largest = whole.abs().max()
        if not bool(largest.isfinite()) or not bool(largest > 0):
            return torch.stack([own, torch.full_like(own, torch.nan)], 1)
        exponent = torch.frexp(largest).exponent
        level = times_power(whole, -exponent)
        along = ((times_power(side, -exponent) @ level) * met).sum((1, 2))
        return torch.stack([own, _of_steps(layer, along / level.square().sum())], 1)


def _of_steps(layer: LayerTrace, numbers: Tensor) -> Tensor:
    """(T,), NaN behind the longest sample."""
    found = numbers.clone()
    found[layer.longest :] = torch.nan
    return found


def growth(layer: LayerTrace, weight: str, work: float = GROWTH_WORK) -> Tensor:
    """(T, 3), columns.GROWTH: a weight's gradient filling up on the layer's way back, in one pass.

    The sums are taken in float64. The last of them is the trace's own gradient, whose norm it has to the bit.
    Behind the longest sample there is no step: NaN, and nothing is taken.
    """
    own = _of_steps(layer, layer.weight_grad_share(weight))
    found = torch.stack([own.new_full(own.shape, torch.nan), own, torch.zeros_like(own)], 1)
    T, B = layer.longest, layer.batch_size
    if T == 0:
        return found
    order = list(range(T)) if layer.reverse else list(range(T - 1, -1, -1))
    with arithmetic(layer.x):
        side, met = _sides(layer, weight)
        total = side.new_zeros(side.shape[2], met.shape[2])
        each = 20_000 + total.numel() * (1 + 0.2 * B)  # of the order of one step's overhead, in numbers touched
        stride = max(1, -(-int(T * each) // int(work)))
        for start in range(0, T, stride):
            steps = order[start : start + stride]
            cut = slice(min(steps), max(steps) + 1)
            total.addmm_(side[cut].flatten(0, 1).mT, met[cut].flatten(0, 1))
            found[steps[-1], 0], found[steps[-1], 2] = norm(total), 1.0
        found[order[-1], 0] = norm(layer.weight_grads[weight])
    return found


def saturated(layer: LayerTrace) -> Tensor | None:
    """(T, 3 a quantity), columns.squashed × columns.SATURATION; None where nothing can saturate."""
    found = saturation(layer)
    parts: list[Tensor] = []
    for symbol in columns.squashed(layer.cell, layer.activation):
        part = found[symbol]
        parts += [part.low_by_step, part.high_by_step, part.dead_by_step.double() / layer.hidden_size]
    return torch.stack(parts, 1) if parts else None


def singular(layer: LayerTrace, sample: int, seconds: float = SINGULAR_SECONDS) -> Tensor:
    """(T, 5), columns.SINGULAR, of the chosen sample's step Jacobians. −∞ is a dead direction; NaN where a Jacobian is
    not finite, where the layer has no such singular value, in the padding, and where none was taken."""
    found = torch.full((layer.steps, 5), torch.nan, dtype=torch.float64, device="cpu")
    found[:, 4] = 0.0
    last = layer.steps if layer.lengths is None else int(layer.lengths[sample])
    size = layer.hidden_size * len(layer.rules.state_names)
    count = min(last, int(seconds / (3.5e-4 + 1.5e-9 * size**3)))
    if count < 1:
        return found
    chosen = (
        torch.linspace(0, last - 1, count, dtype=torch.float64, device="cpu").round().long()
        if count > 1
        else torch.tensor([0], device="cpu")
    )
    weights = {name: in_float64(weight) for name, weight in layer.weights.items()}
    some = LayerJacobians(
        rules_of(layer.cell, layer.activation, weights, layer.norm_eps),
        ROUTES[layer.cell],
        weights["weight_hh"],
        {name: in_float64(value[chosen, sample]) for name, value in values_of(layer).items()},
        {name: in_float64(value[chosen, sample]) for name, value in layer.before.items()},
    )
    at_once = max(1, AT_A_TIME // size**2)
    for start in range(0, count, at_once):
        J = some.stretch(start, min(count, start + at_once))
        found[chosen[start : start + at_once]] = _largest_and_smallest(J)
    return found


def _largest_and_smallest(J: Tensor) -> Tensor:
    """(n, 5). Where an ordinary decomposition would lose the smallest, it is taken of the graded matrix."""
    n, size = J.shape[:2]
    found = torch.full((n, 5), torch.nan, dtype=torch.float64, device="cpu")
    found[:, 4] = 1.0
    finite = J.isfinite().flatten(1).all(1)
    with arithmetic(J):
        logs = torch.full((n, size), torch.nan, dtype=torch.float64, device="cpu")
        logs[finite] = torch.linalg.svdvals(J[finite]).log()
        hard = finite & ~(logs[:, -1] - logs[:, 0] > math.log(PLAIN))
        for i in hard.nonzero().flatten().tolist():
            exact = log_singular_values(graded(J[i]))
            logs[i] = -torch.inf
            logs[i, : len(exact)] = exact
    logs /= math.log(10.0)
    most = min(3, size)
    found[:, :most] = logs[:, :most]
    found[:, 3] = logs[:, -1]
    return found


def routes(layer: LayerTrace, sample: int) -> Tensor:
    """(T, 2R + 1), columns.routes, of the chosen sample. NaN where nothing passes, and in the padding."""
    found = route_shares(layer, sample, as_traced=True)
    names = ROUTES[layer.cell]
    parts = [found.shares[name] for name in names] + [found.log10_norms[name] for name in (*names, "total")]
    return torch.cat(parts, 1).cpu()


def bound(made: Traced, name: str) -> Tensor | None:
    """(T,) log₁₀ of what Pascanu's bound lets ‖∂L_s/∂h_t‖ be, L_s being the last loss and s the step that it reads:
    (γ·σ_max)^(s − t)·‖∂L_s/∂h_s‖, NaN after s. None where it says nothing about that loss: for other cells, below the
    read-out, where the loss reads more than one step, or samples end at different ones."""
    layer = made.trace.layers[name]
    if layer.cell != "rnn" or name != made.last or layer.lengths is not None:
        return None
    row = made.judged_row
    reached = np.flatnonzero(row != 0)
    if not reached.size:
        return None
    last = int(reached[-1])
    if len(made.trace.losses) == 1 and bool((layer.output_grads[:last] != 0).any()):
        return None
    try:
        factor = pascanu_bound(layer).slope
    except DataError:
        return None
    steps = torch.arange(layer.steps, dtype=torch.float64, device="cpu")
    with np.errstate(divide="ignore"):
        line = float(np.log10(row[last])) + (last - steps) * factor
    return line.masked_fill(steps > last, torch.nan)
