"""How much of the gradient that passes from step t to step t−1 each route carries.

With v_r the part of route r and v = Σ_r v_r what passes, the share of r is ⟨v_r, v⟩/‖v‖²: signed (a route can work
against the others), and 1 in sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.frozen import freeze
from engine.norms import norm
from engine.precision import arithmetic
from engine.quantities import ROUTES
from engine.routes import added, levelled, log10_of, samples_of, step_back, values_of, wide
from engine.shares import times_power

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

WORKING = 1 << 16
"""Numbers in each array of the steps that are taken at once: those of a chunk should stay in the cache."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What each route carries. (T, B) float64 each; row t − 1 is the way from step t to the states before it."""

    shares: Mapping[str, Tensor]
    """By route: ⟨v_r, v⟩/‖v‖². NaN where v is 0 or not finite: 0/0 is no share."""
    log10_norms: Mapping[str, Tensor]
    """By route: log₁₀‖v_r‖; "total": log₁₀‖v‖. −∞ for 0."""

    def __post_init__(self) -> None:
        freeze(self, "shares", "log10_norms")


@dataclass(frozen=True, eq=False)
class RouteShares(Parts):
    """Of all states together: for the LSTM, v is (v_h, v_c)."""

    by_state: Mapping[str, Parts]
    """What reaches h₋ alone, and c₋ alone; of each, the routes that reach it."""
    ratio: Tensor
    """(T, B) float64: ‖v‖/‖δ_t‖, δ_t being the total gradients of all states at step t. NaN where δ_t is 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        freeze(self, "by_state")


def route_shares(layer: LayerTrace, sample: int | None = None, *, as_traced: bool = False) -> RouteShares:
    """Every step's shares, from the TOTAL gradients that the trace has recorded, as far as truncation lets them go on.

    `sample`: one, from 0 (B is then 1), or None for all. ∂h/∂c₋ belongs to the carousel, as ∂c/∂c₋ does. Computed in
    float64, each step's gradients first divided by a power of two: neither 1e-300 nor 1e300 leaves the range, and a
    part counts that the trace's own type would have lost. `as_traced`: not so; where a part is subnormal in the trace's
    type, it is what the trace's arithmetic makes of it, as it stands beside the trace's own numbers. A route that the
    trace cuts carries nothing. In the padding everything is NaN. Raises DataError.
    """
    samples = samples_of(layer, sample)
    rules, names, routes = layer.rules, layer.rules.state_names, ROUTES[layer.cell]
    with arithmetic(layer.x):
        weight_hh = wide(layer.weights["weight_hh"])
        # Not the gates' gradients, which a trace may have yet to compute: they follow from those of the states.
        recorded = (values_of(layer), layer.before, {s: layer.passing[s] for s in names})
        at_once = max(1, WORKING // ((samples.stop - samples.start) * layer.hidden_size))
        stopped = layer.passing is not layer.grads
        pieces, exponents, given = [], [], []
        for start in range(0, layer.steps, at_once):
            cut = slice(start, start + at_once)
            v, before, d = ({n: wide(a[cut, samples]) for n, a in arrays.items()} for arrays in recorded)
            whole = d if not stopped else {s: wide(layer.grads[s][cut, samples]) for s in names}
            d, exponent = levelled(d)
            parts = step_back(rules, weight_hh, v, before, d)
            if as_traced:
                parts = _as_traced(layer, parts, exponent, cut, samples)
            for route in layer.cuts:
                parts[route] = {state: torch.zeros_like(part) for state, part in parts[route].items()}
            pieces.append(_measured(parts, d))
            exponents.append(exponent)
            if stopped:  # the ratio is to all that the step has
                whole = {s: times_power(grad, -exponent[..., None]) for s, grad in whole.items()}
            given.append(_joint([norm(grad, dim=-1) for grad in (whole if stopped else d).values()]))
        reached = {s: _Reached.joined([piece[s] for piece in pieces], routes) for s in names}
        found = _shares(reached, routes, torch.cat(exponents), torch.cat(given))
        return found if layer.mask is None else _without(found, ~layer.mask[:, samples])


def _as_traced(
    layer: LayerTrace, parts: Mapping[str, Mapping[str, Tensor]], exponent: Tensor, cut: slice, samples: slice
) -> dict[str, dict[str, Tensor]]:
    """The parts of these steps, divided by 2^exponent as they are, with those that are subnormal in the trace's type
    taken from its own arithmetic."""
    least = math.log2(torch.finfo(layer.x.dtype).tiny) + 2
    tiny = {}
    for route, of_route in parts.items():
        for s, part in of_route.items():
            largest = torch.linalg.vector_norm(part, ord=math.inf, dim=-1)
            tiny[route, s] = (largest > 0) & (largest.log2() + exponent < least)
    if not any(bool(where.any()) for where in tiny.values()):
        return {route: dict(of_route) for route, of_route in parts.items()}
    grads = {s: layer.passing[s] for s in layer.rules.state_names}
    v, before, d = (
        {n: array[cut, samples] for n, array in arrays.items()} for arrays in (values_of(layer), layer.before, grads)
    )
    own = step_back(layer.rules, layer.weights["weight_hh"], v, before, d)
    return {
        route: {
            s: torch.where(tiny[route, s][..., None], times_power(wide(own[route][s]), -exponent[..., None]), part)
            for s, part in of_route.items()
        }
        for route, of_route in parts.items()
    }


def _without(found: RouteShares, padding: Tensor) -> RouteShares:
    """NaN in the padding, (T, B) bool, where there is no step."""
    padding = padding.to(found.ratio.device)

    def emptied(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: array.masked_fill(padding, torch.nan) for name, array in arrays.items()}

    by_state = {s: Parts(emptied(part.shares), emptied(part.log10_norms)) for s, part in found.by_state.items()}
    ratio = found.ratio.masked_fill(padding, torch.nan)
    return RouteShares(emptied(found.shares), emptied(found.log10_norms), by_state, ratio)


@dataclass(frozen=True, eq=False)
class _Reached:
    """What reaches one state, (T, B) each."""

    size: Tensor
    """‖v‖."""
    sizes: Mapping[str, Tensor]
    """By route: ‖v_r‖."""
    along: Mapping[str, Tensor]
    """By route: ⟨v_r, v⟩/‖v‖."""

    @classmethod
    def joined(cls, pieces: Sequence[_Reached], routes: Sequence[str]) -> _Reached:
        """One stretch of steps after the other."""
        own = [route for route in routes if route in pieces[0].sizes]
        return cls(
            torch.cat([piece.size for piece in pieces]),
            {route: torch.cat([piece.sizes[route] for piece in pieces]) for route in own},
            {route: torch.cat([piece.along[route] for piece in pieces]) for route in own},
        )


def _measured(parts: Mapping[str, Mapping[str, Tensor]], like: Mapping[str, Tensor]) -> dict[str, _Reached]:
    found = {}
    for s, v in added(parts, like).items():
        size = norm(v, dim=-1)
        direction = v / size[..., None]
        own = {route: part[s] for route, part in parts.items() if s in part}
        sizes = {route: norm(part, dim=-1) for route, part in own.items()}
        found[s] = _Reached(size, sizes, {route: (part * direction).sum(-1) for route, part in own.items()})
    return found


def _shares(reached: Mapping[str, _Reached], routes: Sequence[str], exponent: Tensor, given: Tensor) -> RouteShares:
    total = _joint([of_state.size for of_state in reached.values()])
    shares, sizes, by_state = {}, {}, {}
    for route in routes:
        own = [of_state for of_state in reached.values() if route in of_state.sizes]
        # ⟨v_r, v⟩ is the sum of what it is in each state, and 0 in one that nothing reaches.
        along = [torch.where(part.size == 0, 0.0, part.along[route] * (part.size / total)) for part in own]
        shares[route] = _share(torch.stack(along).sum(0), total)
        sizes[route] = _joint([part.sizes[route] for part in own])
    for s, part in reached.items():
        by_state[s] = Parts(
            {route: _share(along, part.size) for route, along in part.along.items()},
            {route: log10_of(size, exponent) for route, size in (*part.sizes.items(), ("total", part.size))},
        )
    norms = {route: log10_of(size, exponent) for route, size in (*sizes.items(), ("total", total))}
    return RouteShares(shares, norms, by_state, total / given)


def _share(along: Tensor, size: Tensor) -> Tensor:
    return torch.where((size > 0) & size.isfinite(), along / size, torch.nan)


def _joint(norms: Sequence[Tensor]) -> Tensor:
    """The norm of what has these norms, without leaving the range."""
    whole = norms[0]
    for part in norms[1:]:
        whole = torch.hypot(whole, part)
    return whole
