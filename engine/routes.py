"""The routes of the gradient from step t to step t−1: past the weights, or through one gate's rows of W_hh.

    RNN    a
    LSTM   carousel (∂c/∂c₋ = f and ∂h/∂c₋ = u ⊙ f, u = o ⊙ (1 − tanh²c)), and i, f, g, o
    GRU    leak (z), and z, r, n

Everything rests on `step_back`, one step's vector-Jacobian product split by route, which uses the cell's own
derivatives and knows no other formula: a Jacobian is what becomes of unit gradients. Only where no unit meets another
within a step are its blocks written out as what they are, diag(slope) · W_hh: the same numbers, two to eight times
sooner. (For the RNN compare Pascanu et al. 2013, eq. 5, whose state is the pre-activation.)

The states of a step are taken as one vector of S numbers: h, or (h, c) for the LSTM. Shapes: T steps, B samples, H
units, G row blocks of W_hh.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from engine.cells import Cell
from engine.errors import DataError
from engine.given import whole
from engine.precision import arithmetic
from engine.quantities import CELL_TITLES, ROUTES
from engine.shares import times_power
from engine.spec_reading import shown

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.long import LongLayer

    AnyLayer: TypeAlias = LayerTrace | LongLayer

Tensors: TypeAlias = Mapping[str, Tensor]
Steps: TypeAlias = int | tuple[int, int] | Iterable[int] | None
Routes: TypeAlias = str | Iterable[str] | None

PAST_THE_WEIGHTS = {"c": "carousel", "h": "leak"}
"""The route on which a state reaches itself without W_hh."""
LIMIT = 2**30
"""Bytes of Jacobians that are formed at once. An LSTM of 256 units in float64 fills them with 85 steps."""
WORKING = 2**20
"""Numbers in each array on the way to a Jacobian."""
NEAR = 2.0**32
"""Gradients between this and its inverse are near enough to 1 to be left as they are."""


def step_back(
    rules: Cell, weight_hh: Tensor, v: Tensors, before: Tensors, d: Tensors, only: tuple[str, ...] | None = None
) -> dict[str, dict[str, Tensor]]:
    """What one step hands back to the states before it, by route: {route: {"h": (..., H), "c": (..., H)}}.

    v and before are the step's values (`values_of`) and the states that it starts from, d the TOTAL gradients of its
    states (`rules.join`), (..., H) each. A state that a route does not reach is left out; so are routes that are not in
    `only`. The sum over all routes is what `bptt.handed_back` gives.
    """
    past = {PAST_THE_WEIGHTS[s]: {s: part} for s, part in rules.carry(v, d).items()}
    parts = past if only is None else {route: past[route] for route in past if route in only}
    gates = gate_routes(rules)
    if only is not None and not set(only) & set(gates):
        return parts
    side = rules.h_side({**d, **rules.back(v, before, d)}).unbind(-2)
    for route, of_gate, rows in zip(gates, side, weight_hh.chunk(len(gates)), strict=True):
        if only is None or route in only:
            passed = of_gate @ rows
            parts[route] = {"h": passed * v["drop"] if "drop" in v else passed}
    return parts


def values_of(layer: LayerTrace) -> dict[str, Tensor]:
    """(T, B, H) each, all that a step back needs to know of a step: its values; where a gate is held, "held_f"; and
    "drop", what h₋ was multiplied with before it met W_hh."""
    shape = layer.values["h"].shape
    found = dict(layer.values)
    found |= {f"held_{gate}": held.where.expand(shape) for gate, held in layer.held.items()}
    return found if layer.drop is None else {**found, "drop": layer.drop.expand(shape)}


def gate_routes(rules: Cell) -> list[str]:
    """The routes through W_hh, one for each of its row blocks."""
    return [name.removeprefix("a_") for name in rules.gate_names]


def jacobians(layer: LayerTrace, steps: Steps = None, sample: int | None = None) -> dict[str, Tensor]:
    """The step Jacobians by route and their sum: {route: (T, B, S, S), …, "total": (T, B, S, S)}.

    J[t, b, i, j] = ∂(state_t)_i/∂(state_{t−1})_j in the trace's own type; S = H, or 2H in the order (h, c) for the
    LSTM; before step 1 stands the initial state. `steps`: one t from 1, a tuple (t0, t1) with both included, a list
    of t, or None for all; `sample`: one, from 0, or None for all. Both dimensions stay, at length 1 for a single one.
    For the reverse direction state_{t−1} is that of step t + 1. They are the forward pass's own: a route that is cut is
    here all the same. In the padding, where there is no step, NaN. A unit whose values are not finite has rows that
    are not. Raises DataError, also where all that was asked for is more than LIMIT bytes.
    """
    chosen, samples = steps_of(layer, steps), samples_of(layer, sample)
    rules = layer.rules
    shape = check_room(layer, len(chosen), samples.stop - samples.start)
    with arithmetic(layer.x):
        index = torch.tensor(chosen, device=layer.x.device) - 1

        def picked(arrays: Tensors) -> dict[str, Tensor]:
            return {name: array[:, samples][index].flatten(0, 1) for name, array in arrays.items()}

        v, before = picked(values_of(layer)), picked(layer.before)
        found = formed(rules, layer.weights["weight_hh"], v, before, ROUTES[layer.cell])
        total = torch.zeros_like(next(iter(found.values())))
        for part in found.values():
            total += part
        if layer.mask is not None:
            padding = ~layer.mask[:, samples][index].flatten()
            for part in (*found.values(), total):
                part[padding] = torch.nan
        return {route: part.view(shape) for route, part in (found | {"total": total}).items()}


def vjp(layer: LayerTrace, t: int, cotangents: Tensor, sample: int = 0, routes: Routes = None) -> Tensor:
    """cotangents · J_t, (K, S), for one sample: what K gradients of the states after step t become before it.

    cotangents (K, S), S = H, or 2H in the order (h, c) for the LSTM: gradients of h and of c by itself, without what
    reaches c through h. Computed in their floating-point type. `routes` are those that are open, None for all of them.
    Nothing but (K, S) is formed, so it goes where `jacobians` would be too large. Raises DataError.
    """
    only = routes_of(layer, routes)
    (t,), samples = steps_of(layer, whole("t", t)), samples_of(layer, whole("sample", sample))
    rules, H = layer.rules, layer.hidden_size
    size = len(rules.state_names) * H
    if not isinstance(cotangents, Tensor) or cotangents.dim() != 2 or cotangents.shape[1] != size:
        given = f"of shape {tuple(cotangents.shape)}" if isinstance(cotangents, Tensor) else shown(cotangents)
        raise DataError(f"cotangents is {given}; a tensor (any number, {size}) is accepted.")
    if not cotangents.dtype.is_floating_point:
        raise DataError(f"cotangents is of {cotangents.dtype}; a floating-point type is accepted.")
    with arithmetic(layer.x):
        v = {name: _like(value[t - 1, samples], cotangents) for name, value in values_of(layer).items()}
        before = {name: state[t - 1, samples].to(cotangents) for name, state in layer.before.items()}
        reaching = dict(zip(rules.state_names, cotangents.chunk(len(rules.state_names), 1), strict=True))
        passed = pass_back(rules, layer.weights["weight_hh"].to(cotangents), v, before, reaching, only)
        return torch.cat([passed[s] for s in rules.state_names], 1)


def pass_back(
    rules: Cell, weight_hh: Tensor, v: Tensors, before: Tensors, reaching: Tensors, only: tuple[str, ...] | None
) -> dict[str, Tensor]:
    """What reaches the states before a step on these routes (None: on all) from what reaches its own, (..., H) each."""
    return added(step_back(rules, weight_hh, v, before, rules.join(v, reaching), only), reaching)


def added(parts: Mapping[str, Tensors], like: Tensors) -> dict[str, Tensor]:
    """The sum over routes, (..., H) for each state of `like`; zeros where no route reaches it."""
    found = {}
    for state, shape in like.items():
        reached = [part[state] for part in parts.values() if state in part]
        found[state] = sum(reached[1:], reached[0]) if reached else torch.zeros_like(shape)
    return found


def levelled(d: Tensors) -> tuple[dict[str, Tensor], Tensor]:
    """Gradients (..., H) of one step, each sample's divided by a power of two, and the exponents of those (...).

    Near 1 in size, they can be multiplied and squared without leaving the range; a power of two rounds nothing.
    """
    largest, *others = (torch.linalg.vector_norm(grad, ord=math.inf, dim=-1) for grad in d.values())
    for other in others:
        largest = torch.maximum(largest, other)
    low, high = torch.aminmax(largest)
    if float(low) > 1 / NEAR and float(high) < NEAR:
        return dict(d), torch.zeros_like(largest, dtype=torch.int32)
    exponent = torch.frexp(torch.where(largest.isfinite(), largest, 0.0)).exponent
    return {s: times_power(grad, -exponent[..., None]) for s, grad in d.items()}, exponent


def log10_of(size: Tensor, exponent: Tensor) -> Tensor:
    """log₁₀(size · 2^exponent), float64."""
    return size.log10() + exponent.double() * math.log10(2)


def wide(tensor: Tensor) -> Tensor:
    """In float64; on the CPU where the device has none. Truth values stay what they are."""
    tensor = tensor.cpu() if tensor.device.type == "mps" else tensor
    return tensor if tensor.dtype == torch.bool else tensor.double()


def _like(tensor: Tensor, cotangents: Tensor) -> Tensor:
    return tensor.to(cotangents.device) if tensor.dtype == torch.bool else tensor.to(cotangents)


def steps_of(layer: AnyLayer, steps: Steps) -> list[int]:
    """The steps that were asked for, t from 1. Raises DataError."""
    accepted = "one step, a tuple (t0, t1) with both included, or a list of steps is accepted"
    if steps is None:
        return list(range(1, layer.steps + 1))
    if isinstance(steps, (str, bytes, Mapping)) or not (hasattr(steps, "__index__") or isinstance(steps, Iterable)):
        raise DataError(f"steps is {shown(steps)}; {accepted}.")
    if not isinstance(steps, Iterable) or getattr(steps, "ndim", 1) == 0:  # NumPy's and torch's numbers seem iterable
        return [_step(layer, steps)]
    chosen = [_step(layer, t) for t in steps]
    if isinstance(steps, tuple):
        if len(chosen) != 2 or chosen[0] > chosen[1]:
            raise DataError(f"steps is {shown(steps)}; {accepted}.")
        return list(range(chosen[0], chosen[1] + 1))
    if not chosen:
        raise DataError(f"steps is empty; {accepted}.")
    return chosen


def _step(layer: AnyLayer, t: object) -> int:
    step = whole("A step", t)
    if not 1 <= step <= layer.steps:
        raise DataError(f"Step {step} is outside the trace; steps 1 to {layer.steps} are recorded.")
    return step


def samples_of(layer: AnyLayer, sample: int | None) -> slice:
    """One sample, from 0, or all of them, as a slice of the batch. Raises DataError."""
    if sample is None:
        return slice(0, layer.batch_size)
    sample = whole("sample", sample)
    if not 0 <= sample < layer.batch_size:
        raise DataError(f"sample is {sample}; this trace has {layer.batch_size}, counted from 0.")
    return slice(sample, sample + 1)


def routes_of(layer: LayerTrace, routes: Routes) -> tuple[str, ...] | None:
    """The routes that were asked for; None stands for all of them. Raises DataError."""
    if routes is None:
        return None
    known, title = ROUTES[layer.cell], CELL_TITLES[layer.cell]
    try:
        chosen = (routes,) if isinstance(routes, str) else tuple(routes)
    except TypeError:
        raise DataError(f"routes is {shown(routes)}; names out of {', '.join(known)} are accepted.") from None
    if not chosen:
        raise DataError(f"routes is empty; names out of {', '.join(known)} are accepted.")
    for route in chosen:
        if route not in known:
            raise DataError(f"{shown(route)} is no route of the {title}; it has {', '.join(known)}.")
    return chosen


def order_of(layer: LayerTrace) -> range:
    """The steps t in the order in which the recurrence takes them."""
    return range(layer.steps, 0, -1) if layer.reverse else range(1, layer.steps + 1)


def check_room(layer: AnyLayer, steps: int, samples: int) -> tuple[int, int, int, int]:
    """The shape of a route's Jacobians. Raises DataError where all routes' are more than LIMIT bytes."""
    S, routes = len(layer.rules.state_names) * layer.hidden_size, len(ROUTES[layer.cell])
    shape = (steps, samples, S, S)
    needed = math.prod(shape) * layer.weights["weight_hh"].element_size() * (routes + 1)
    if needed > LIMIT:
        raise DataError(
            f"steps and sample ask for {steps:,} × {samples:,} Jacobians of {S:,} × {S:,} in {routes + 1} parts, "
            f"{needed / 2**30:,.1f} GiB; up to {LIMIT / 2**30:g} GiB is accepted, so choose fewer steps or one sample."
        )
    return shape


def formed(rules: Cell, weight_hh: Tensor, v: Tensors, before: Tensors, routes: tuple[str, ...]) -> dict[str, Tensor]:
    """Each route's Jacobian, {route: (N, S, S)}, of N steps with values (`values_of`) and states before, (N, H)."""
    make = _by_slopes if _units_keep_apart(rules) else _by_unit_gradients
    return make(rules, weight_hh, v, before, routes)


def _units_keep_apart(rules: Cell) -> bool:
    """Whether within a step a unit meets others only in W_hh h₋ (layer normalisation mixes them)."""
    return rules.norm is None


def _by_slopes(
    rules: Cell, weight_hh: Tensor, v: Tensors, before: Tensors, routes: tuple[str, ...]
) -> dict[str, Tensor]:
    """{route: (N, S, S)} from values (N, H), where units keep apart: each block is diag(slope) · W_hh, or diag(slope).

    Gradients of 1 at all units of one state, sent through `join`, `back` and `carry`, are that state's slopes.
    """
    names = rules.state_names
    N, H = v["h"].shape
    units = torch.eye(len(names), dtype=v["h"].dtype, device=v["h"].device)[:, :, None, None]
    ones = {s: units[:, k].expand(-1, N, H) for k, s in enumerate(names)}
    d = rules.join(v, ones)
    side, past = rules.h_side({**d, **rules.back(v, before, d)}), rules.carry(v, d)
    found = {route: v["h"].new_zeros((N, len(names) * H, len(names) * H)) for route in routes}
    gates = gate_routes(rules)
    for k in range(len(names)):
        row = slice(k * H, (k + 1) * H)
        for g, (route, rows) in enumerate(zip(gates, weight_hh.chunk(len(gates)), strict=True)):
            block = torch.mul(side[k, :, g, :, None], rows, out=found[route][:, row, :H])
            if "drop" in v:
                block *= v["drop"][:, None, :]
        for s, slope in past.items():
            column = slice(names.index(s) * H, (names.index(s) + 1) * H)
            found[PAST_THE_WEIGHTS[s]][:, row, column].diagonal(dim1=1, dim2=2).copy_(slope[k])
    return found


def _by_unit_gradients(
    rules: Cell, weight_hh: Tensor, v: Tensors, before: Tensors, routes: tuple[str, ...]
) -> dict[str, Tensor]:
    """{route: (N, S, S)} from values (N, H), for any cell: S unit gradients for each."""
    names = rules.state_names
    N, H = v["h"].shape
    S = len(names) * H
    units = torch.eye(S, dtype=v["h"].dtype, device=v["h"].device)[:, None]
    found = {route: v["h"].new_zeros((N, S, S)) for route in routes}
    at_once = max(1, WORKING // (S * H))
    for start in range(0, N, at_once):
        cut = slice(start, min(start + at_once, N))
        v_cut, before_cut = ({n: array[cut] for n, array in arrays.items()} for arrays in (v, before))
        reaching = {s: e.expand(S, cut.stop - start, H) for s, e in zip(names, units.chunk(len(names), 2), strict=True)}
        for route, part in step_back(rules, weight_hh, v_cut, before_cut, rules.join(v_cut, reaching)).items():
            for s, reached in part.items():
                column = slice(names.index(s) * H, (names.index(s) + 1) * H)
                found[route][cut, :, column] = reached.transpose(0, 1)
    return found
