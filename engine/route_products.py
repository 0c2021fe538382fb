"""The way over many steps: the product of step Jacobians, with all routes or with some of them alone.

"An LSTM's gradient is the product of its forget gates" is what the carousel alone would make of it. The other routes
multiply into each other step by step, so what they bring is no sum over routes, and can be many times more.
Everything is computed in float64 and kept beside a logarithm: 1,000 steps of 1e-3 are a number here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.errors import DataError
from engine.given import whole
from engine.norms import norm
from engine.precision import arithmetic
from engine.quantities import CELL_TITLES, ROUTES
from engine.routes import (
    Routes,
    Tensors,
    added,
    levelled,
    log10_of,
    order_of,
    pass_back,
    routes_of,
    samples_of,
    step_back,
    steps_of,
    values_of,
    wide,
)

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

WORKING = 1 << 16
"""Numbers in each array of the steps that are made ready at once."""


@dataclass(frozen=True, eq=False)
class Product:
    """A matrix that may lie outside any type's range: matrix · exp(log_scale)."""

    matrix: Tensor
    """(S, S) float64. The largest of its entries is 1 in size; zeros where the product is 0. Where inf or NaN is among
    them, they stand as they came."""
    log_scale: float
    """Natural logarithm. −∞ where the product is 0."""


def product(layer: LayerTrace, t1: int, t0: int, sample: int = 0, routes: Routes = None) -> Product:
    """J_{t1} … J_{t0+1} = ∂(states after t1)/∂(states after t0), with these routes open at every step; None: all.

    t0 counts from 0, the initial states, and is less than t1; for the reverse direction t0 counts down from T + 1, the
    initial states there, and is more than t1. Rows and columns in the order (h, c) for the LSTM. All
    entries share one scale: singular values far below the largest are rounding here (the spectra keep them).
    Raises DataError.
    """
    only, samples = routes_of(layer, routes), samples_of(layer, whole("sample", sample))
    t1, t0 = whole("t1", t1), whole("t0", t0)
    T = layer.steps if layer.lengths is None else int(layer.lengths[samples])
    if layer.reverse and not 1 <= t1 < t0 <= T + 1:
        raise DataError(f"t1 and t0 are {t1} and {t0}; in this direction 1 ≤ t1 < t0 ≤ {T + 1} is accepted.")
    if not layer.reverse and not 0 <= t0 < t1 <= T:
        raise DataError(f"t1 and t0 are {t1} and {t0}; 0 ≤ t0 < t1 ≤ {T} is accepted.")
    span = range(t0 - 1, t1 - 1, -1) if layer.reverse else range(t0 + 1, t1 + 1)
    rules, H = layer.rules, layer.hidden_size
    S = len(rules.state_names) * H
    with arithmetic(layer.x):
        weight_hh = wide(layer.weights["weight_hh"])
        unit = torch.eye(S, dtype=torch.float64, device=weight_hh.device)
        passed, exponent = dict(zip(rules.state_names, unit.chunk(len(rules.state_names), 1), strict=True)), 0
        for _, stretch in _backwards(layer, span, samples):
            for v, before in stretch:
                passed = pass_back(rules, weight_hh, v, before, passed, only)
                flat, by = levelled({s: part.flatten() for s, part in passed.items()})
                passed, exponent = {s: part.view(S, H) for s, part in flat.items()}, exponent + int(by)
        matrix = torch.cat([passed[s] for s in rules.state_names], 1)
        largest = float(matrix.abs().max())
        if largest == 0.0:
            return Product(matrix, -math.inf)
        if not math.isfinite(largest):
            largest = 1.0
        return Product(matrix / largest, math.log(largest) + exponent * math.log(2))


def carried(
    layer: LayerTrace, routes: Routes = None, start: int | None = None, sample: int | None = None
) -> dict[str, Tensor]:
    """The total gradients at step `start` (None: the last), taken back on these routes alone (None: on all of them).

    {"h": (T, B), "c": (T, B), "all": (T, B)} float64: log₁₀ of the norms that the total gradients of the states would
    have at every step if no step before `start` had a loss; "all" is of (h, c) together. At `start` they are the
    recorded ones, after it NaN; −∞ for 0. Routes that the trace cuts are closed here too. With padding, `start` None is
    each sample's own last step, and the padding NaN. `sample`: one, from 0 (B is then 1), or None for all.

    On all routes, and of a loss at `start` alone, this is log₁₀‖layer.grads‖; on the carousel alone, log₁₀ of
    ‖δc ⊙ exp(forget_gate_product)‖. Raises DataError.
    """
    only, samples, order = routes_of(layer, routes), samples_of(layer, sample), order_of(layer)
    only = tuple(route for route in only or ROUTES[layer.cell] if route not in layer.cuts)
    ends = layer.recurrence.course.last if start is None else None
    ends = None if ends is None else ends[samples]
    last = order[-1] if start is None else steps_of(layer, whole("start", start))[0]
    rules, names, B = layer.rules, layer.rules.state_names, samples.stop - samples.start
    with arithmetic(layer.x):
        weight_hh = wide(layer.weights["weight_hh"])
        found = {name: weight_hh.new_full((layer.steps, B), math.nan) for name in (*names, "all")}
        d = {s: wide(layer.grads[s][last - 1, samples]) for s in names}
        exponent = torch.zeros(B, dtype=torch.int32, device=weight_hh.device)
        reaching: Tensors | None = None
        for at, stretch in _backwards(layer, order[: order.index(last) + 1], samples):
            seen, exponents = [], []
            for t, (v, before) in zip(at.tolist(), stretch, strict=True):
                d, by = levelled(d if reaching is None else rules.join(v, reaching))
                exponent = exponent + by
                if ends is not None and bool((ends == t).any()):
                    here = (ends == t).to(exponent.device)
                    d = {s: torch.where(here[:, None], wide(layer.grads[s][t, samples]), d[s]) for s in names}
                    exponent = torch.where(here, 0, exponent)
                seen.append(d)
                exponents.append(exponent)
                reaching = added(step_back(rules, weight_hh, v, before, d, only), d)
            sizes = {s: norm(torch.stack([d[s] for d in seen]), dim=-1) for s in names}
            sizes["all"] = sizes["h"] if len(names) == 1 else torch.hypot(sizes["h"], sizes["c"])
            for name, size in sizes.items():
                found[name][at] = log10_of(size, torch.stack(exponents))
        return (
            found
            if layer.mask is None
            else {n: a.masked_fill(_padding(layer, samples), math.nan) for n, a in found.items()}
        )


def _padding(layer: LayerTrace, samples: slice) -> Tensor:
    """(T, B) bool."""
    assert layer.mask is not None
    mask = layer.mask[:, samples]
    return ~(mask.cpu() if mask.device.type == "mps" else mask)


def forget_gate_product(layer: LayerTrace, sample: int | None = None) -> Tensor:
    """(T, B, H) float64: Σ_{s=t+1…T} log f_s, the natural logarithm of ∂c_T/∂c_t on the carousel; 0 at T.

    For the GRU it is that of the leak, Σ log z. −∞ before a gate that is exactly 0. `sample`: one, from 0 (B is then
    1), or None for all. Raises DataError, also for the RNN, where no state is kept past the weights.
    """
    samples = samples_of(layer, sample)
    with arithmetic(layer.x):
        ones = {s: torch.ones_like(layer.values[s]) for s in layer.rules.state_names}
        kept = list(layer.rules.carry(layer.values, ones).values())
        if not kept:
            title = CELL_TITLES[layer.cell]
            raise DataError(f"The {title} has no gate that keeps a state; the LSTM (f) and the GRU (z) have one.")
        back = torch.tensor(order_of(layer), device=kept[0].device).flip(0) - 1
        logs = wide(kept[0][:, samples]).log()
        if layer.mask is not None:
            logs = logs.masked_fill(_padding(layer, samples)[:, :, None], 0.0)
        found = torch.empty_like(logs)
        found[back] = torch.cat([torch.zeros_like(logs[:1]), logs[back][:-1]]).cumsum(0)
        return found if layer.mask is None else found.masked_fill(_padding(layer, samples)[:, :, None], math.nan)


def _backwards(
    layer: LayerTrace, steps: Sequence[int], samples: slice
) -> Iterator[tuple[Tensor, list[tuple[dict[str, Tensor], dict[str, Tensor]]]]]:
    """(values, states before) of these steps in float64, from the last of them to the first, and their indices from 0.
    A stretch of steps at a time."""
    at_once = max(1, WORKING // ((samples.stop - samples.start) * layer.hidden_size))
    for stop in range(len(steps), 0, -at_once):
        stretch = steps[max(0, stop - at_once) : stop]
        index = torch.tensor(stretch, device=layer.x.device).flip(0) - 1
        v, before = (
            {name: wide(array[:, samples][index]).unbind(0) for name, array in arrays.items()}
            for arrays in (values_of(layer), layer.before)
        )
        pairs = [({n: a[i] for n, a in v.items()}, {n: a[i] for n, a in before.items()}) for i in range(len(index))]
        yield index, pairs
