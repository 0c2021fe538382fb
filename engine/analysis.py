"""Analyses of a trace, asked for by the window in pieces (engine.analysis_requests).

A run that goes on is remembered until somebody asks for another one; where it is missing, the request's state has
everything that it needs. So a request stays a pure function of plain data.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.analysis_requests import (
    FEW,
    Ask,
    AskBlock,
    AskFlow,
    AskHistogram,
    AskLyapunov,
    AskSlope,
    AskSpectrum,
    BlockPart,
    Floats,
    FlowPart,
    HistogramPart,
    Integers,
    LyapunovPart,
    OfLayer,
    Part,
    SlopePart,
    SpectrumPart,
)
from engine.arrays import read_only
from engine.bounds import block_of, decay, pascanu_bound
from engine.errors import DataError
from engine.layer_trace import LayerTrace
from engine.norms import mean_over_samples, norm
from engine.quantities import quantities
from engine.sources import fingerprint, traced
from engine.spectra import LyapunovRun, SpectrumRun
from engine.tracing import Trace

NUMBERS_A_PART = 2**19
"""Of a histogram: counted in some 50 ms."""
_LN10 = math.log(10.0)


def answer(ask: Ask) -> Part:
    """Raises EngineError."""
    if isinstance(ask, AskFlow):
        return _flow(ask)
    if isinstance(ask, AskBlock):
        return _block(ask)
    if isinstance(ask, AskSlope):
        return _slope(ask)
    if isinstance(ask, AskSpectrum):
        return _spectrum(ask)
    if isinstance(ask, AskLyapunov):
        return _lyapunov(ask)
    return _histogram(ask)


def _found(ask: Ask) -> tuple[Trace, LayerTrace, OfLayer]:
    """Raises EngineError."""
    trace = traced(ask.source)[0].trace
    name = ask.layer or next(iter(trace.last_level))
    return trace, trace[name], OfLayer(name, tuple(trace.layers))


# -- the flow matrix --------------------------------------------------------------------------------------------------


def _flow(ask: AskFlow) -> FlowPart:
    began = time.perf_counter()
    trace, layer, of = _found(ask)
    T = trace.steps
    count = len(trace.losses) if trace.loss_grads is None else trace.loss_grads.count
    every = math.ceil(T / ask.most) if ask.which == "thinned" else 1
    # From the last step back, so that the last loss and the last step are among them.
    steps = np.arange(T, max(0, T - every * ask.most), -every, dtype=np.int64)[::-1]
    losses = steps - 1 if count > 1 else np.zeros(1, np.int64)
    chosen = losses[ask.start : ask.start + max(1, ask.count)].tolist()
    at = torch.from_numpy(steps - steps[0])
    if trace.loss_grads is not None:
        norms = trace.flow_matrix(of.layer, chosen, (int(steps[0]), T))[:, at]
        reached = trace.loss_grads.reach(of.layer, chosen)[:, torch.from_numpy(steps - 1)]
    elif count == 1:
        # A recorded trace: what came back from its one loss is what was recorded.
        norms = mean_over_samples(norm(layer.grads["h"], dim=2), layer.mask)[None, steps[0] - 1 :][:, at]
        there = torch.ones(T, dtype=torch.bool, device="cpu") if layer.mask is None else layer.mask.any(1).cpu()
        reached = there[None, torch.from_numpy(steps - 1)]
    else:
        raise DataError("This recorded trace has several losses, but not what each of them sends back.")
    loss_steps = losses + 1 if count > 1 else np.full(1, layer.longest, np.int64)
    return FlowPart(
        of=of,
        total_steps=T,
        total_losses=count,
        loss_steps=_frozen(loss_steps),
        steps=_frozen(steps),
        every=every,
        start=ask.start,
        norms=read_only(norms),
        reached=_frozen(reached.cpu().numpy()),
        seconds=time.perf_counter() - began,
    )


# -- the recurrent weights --------------------------------------------------------------------------------------------


def _block(ask: AskBlock) -> BlockPart:
    _, layer, of = _found(ask)
    names = tuple(name.removeprefix("a_") for name in layer.rules.gate_names)
    if not 0 <= ask.block < len(names):
        raise DataError(f"There is no block {ask.block} of W_hh; this cell has {len(names)}, counted from 0.")
    found = block_of(layer, ask.block)
    eigenvalues = _frozen(found.eigenvalues.numpy())
    return BlockPart(of, names, ask.block, eigenvalues, found.spectral_radius, found.sigma_max)


def _slope(ask: AskSlope) -> SlopePart:
    trace, layer, of = _found(ask)
    T = trace.steps
    if trace.loss_grads is not None:
        loss = trace.loss_grads.judged()
        norms = trace.flow_row(loss, of.layer).cpu()
        reached = trace.loss_grads.reach(of.layer, [loss])[0]
        loss_step = loss + 1 if trace.loss_grads.many else layer.longest
    else:
        norms = mean_over_samples(norm(layer.grads["h"], dim=2), layer.mask).cpu()
        reached, loss_step = torch.ones(T, dtype=torch.bool, device="cpu"), layer.longest
    # A loss sends nothing to steps behind the last one that it reads: an exact 0 that is no part of the fall.
    reached = reached.cpu() & _from_first(norms != 0, layer.reverse)
    steps = (reached.nonzero().flatten() + 1).tolist()
    if not steps:
        raise DataError("This loss reaches no step of the layer: there is no slope.")
    measured = decay(norms, steps, layer.reverse)
    factor, certifies = math.nan, False
    try:
        found = pascanu_bound(layer, norms, steps)
        sentence, factor, certifies = found.sentence, found.factor, found.certifies_vanishing
    except DataError as error:
        sentence = str(error)
    residual = _residual(norms, steps, layer.reverse, measured.slope)
    return SlopePart(of, measured.slope, residual, measured.used, len(steps), loss_step, sentence, factor, certifies)


def _from_first(there: Tensor, reverse: bool) -> Tensor:
    """(T,) bool: from where the way back begins, as the layer runs, on."""
    began = there.int() if reverse else there.int().flip(0)
    began = began.cummax(0).values.bool()
    return began if reverse else began.flip(0)


def _residual(norms: Tensor, steps: list[int], reverse: bool, slope: float) -> float:
    t = torch.tensor(steps, dtype=torch.float64, device="cpu")
    values = norms[t.long() - 1].double()
    usable = values.isfinite() & (values > 0)
    if int(usable.sum()) < 2:
        return math.nan
    back, logs = t[usable] * (1.0 if reverse else -1.0), values[usable].log10()
    rest = logs - logs.mean() - slope * (back - back.mean())
    return float(rest.square().mean().sqrt())


# -- spectra ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Kept:
    """The run that was last at work, and what tells it from others."""

    key: object = None
    taken: int = -1
    run: Any = None


_KEPT = _Kept()


def forget() -> None:
    """Let go of the run that is remembered."""
    _keep(None, None)


def _keep(key: object, run: Any) -> None:
    _KEPT.key, _KEPT.run, _KEPT.taken = key, run, -1 if run is None else run.taken


def _spectrum(ask: AskSpectrum) -> SpectrumPart:
    _, layer, of = _found(ask)
    T = layer.steps
    chosen = spread(T, ask.most)
    key = (fingerprint(ask.source), "spectrum", of.layer, ask.sample, ask.most)
    run = _going_on(key, ask.state)
    if run is None:
        run = SpectrumRun(layer, ask.sample, chosen)
        if ask.state is not None:
            run.resume(ask.state)
    run.advance()
    found = run.result()
    run.hand_out()
    _keep(None if run.done else key, None if run.done else run)
    step, product = (part / _LN10 for part in (found.step, found.product))
    return SpectrumPart(
        of=of,
        total_steps=T,
        reverse=layer.reverse,
        size=found.step.shape[1],
        chosen=len(chosen),
        progress=run.progress,
        state=None if run.done else run.state(),
        steps=_frozen(found.steps.numpy()),
        step=_ends(step),
        product=_ends(product),
        step_dead=_dead(step),
        product_dead=_dead(product),
    )


def _lyapunov(ask: AskLyapunov) -> LyapunovPart:
    _, layer, of = _found(ask)
    key = (fingerprint(ask.source), "lyapunov", of.layer, ask.sample)
    run = _going_on(key, ask.state)
    if run is None:
        run = LyapunovRun(layer, ask.sample)
        if ask.state is not None:
            run.resume(ask.state)
    run.advance()
    found = run.result()
    _keep(None if run.done else key, None if run.done else run)
    state = None if run.done else run.state()
    return LyapunovPart(of, run.progress, state, read_only(found.exponents), found.steps)


def _going_on(key: object, state: Any) -> Any:
    """The remembered run, where it is this one and stands where the state does."""
    same = state is not None and _KEPT.key == key and _KEPT.taken == int(state["taken"])
    return _KEPT.run if same else None


def spread(T: int, most: int) -> list[int]:
    """Steps from 1 to T, both among them: all, or `most` that are as evenly spaced as whole numbers can be."""
    if most >= T:
        return list(range(1, T + 1))
    return [int(t) for t in np.unique(np.round(np.linspace(1, T, max(2, most))).astype(np.int64))]


def _ends(logs: Tensor) -> Floats:
    """The largest few and the smallest; of a small state NaN where there are not so many."""
    few = logs.new_full((len(logs), FEW), math.nan)
    count = min(FEW, logs.shape[1])
    few[:, :count] = logs[:, :count]
    return read_only(torch.cat([few, logs[:, -1:]], dim=1))


def _dead(logs: Tensor) -> Integers:
    dead: Integers = _frozen((logs == -math.inf).sum(1).numpy())
    return dead


# -- histograms -------------------------------------------------------------------------------------------------------


def _histogram(ask: AskHistogram) -> HistogramPart:
    _, layer, of = _found(ask)
    kind, _, symbol = ask.key.partition(".")
    kept = {"grads": layer.grads, "values": layer.values}.get(kind, {})
    if symbol not in kept:
        raise DataError(f"'{ask.key}' is no quantity of this layer; it has {', '.join(_keys(layer))}.")
    if ask.high <= ask.low or ask.per_decade < 1:
        raise DataError(f"A histogram from 1e{ask.low} to 1e{ask.high} in {ask.per_decade} a decade has no bars.")
    array = kept[symbol]
    stop = min(layer.steps, ask.start + max(1, NUMBERS_A_PART // array[0].numel()))
    part = array[ask.start : stop]
    if layer.mask is not None:
        part = part[layer.mask[ask.start : stop]]
    sizes = read_only(part.abs()).ravel()
    with np.errstate(over="ignore"):  # an end that the type cannot hold is inf: nothing is above it
        edges = edges_of(ask.low, ask.high, ask.per_decade).astype(sizes.dtype)
    nan, inf = np.isnan(sizes), np.isinf(sizes)
    finite = sizes[~(nan | inf)]
    some = finite[finite > 0]
    below, above = some < edges[0], some > edges[-1]
    inside = some[~(below | above)]
    places = np.minimum(np.searchsorted(edges, inside, side="right") - 1, len(edges) - 2)
    return HistogramPart(
        of=of,
        keys=_keys(layer),
        total_steps=layer.steps,
        stop=stop,
        bins=_frozen(np.bincount(places, minlength=len(edges) - 1).astype(np.int64)),
        zero=len(finite) - len(some),
        below=int(below.sum()),
        above=int(above.sum()),
        inf=int(inf.sum()),
        nan=int(nan.sum()),
        subnormal=int((some < np.finfo(sizes.dtype).tiny).sum()),
        smallest=float(some.min()) if len(some) else math.inf,
        largest=float(some.max()) if len(some) else 0.0,
    )


def edges_of(low: int, high: int, per_decade: int) -> Floats:
    """(decades · per_decade + 1,): whole powers of ten are what "1e-20" reads as."""
    places = range(low * per_decade, high * per_decade + 1)
    return np.array([float(f"1e{p // per_decade}") * 10 ** (p % per_decade / per_decade) for p in places])


def _keys(layer: LayerTrace) -> tuple[str, ...]:
    found = quantities(layer.cell, "norm_weight" in layer.weights)
    return tuple(f"grads.{q.symbol}" for q in found if q.symbol in layer.grads)


def _frozen(array: Any) -> Any:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
