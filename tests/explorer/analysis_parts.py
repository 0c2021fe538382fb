"""Synthetic answers of the engine's analyses, by formulas, and a courier whose answers come when a test says so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from slow_courier import SlowCourier

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
    FlowPart,
    HistogramPart,
    LyapunovPart,
    OfLayer,
    SlopePart,
    SpectrumPart,
)
from engine.requests import Recorded
from explorer.analysis.chains import Chain
from explorer.analysis.subject import LayerName, Subject

OF = OfLayer("l0", ("l0",))
RNN = (LayerName("l0", "Layer 1 · RNN", "rnn", 4),)


def subject(
    trace: int = 1, *, T: int = 8, sample: int = 0, batch: int = 1, layers: tuple[LayerName, ...] = RNN
) -> Subject:
    return Subject(trace, Recorded("a.gflow", "0"), layers, T, batch, sample, "float32")


def flow_part(ask: AskFlow, T: int = 8, losses: int | None = None, factor: float = 0.5) -> FlowPart:
    """N[t, k] = factor^(t − k): a gradient that falls by the same share at every step."""
    every = math.ceil(T / ask.most) if ask.which == "thinned" else 1
    steps = np.arange(T, max(0, T - every * ask.most), -every)[::-1]
    loss_steps = steps if losses is None else np.array([T])
    rows = loss_steps[ask.start : ask.start + ask.count]
    lags = rows[:, None] - steps[None, :]
    norms = np.where(lags >= 0, factor ** np.maximum(lags, 0.0), np.nan)
    return FlowPart(OF, T, len(loss_steps), loss_steps, steps, every, ask.start, norms, lags >= 0, 0.05)


def slope_part(slope: float = -0.3, residual: float = 0.001, used: int = 8, reached: int = 8) -> SlopePart:
    return SlopePart(OF, slope, residual, used, reached, 8, "The bound says so.", 0.5, True)


def block_part(ask: AskBlock, blocks: tuple[str, ...] = ("a",)) -> BlockPart:
    """Eigenvalues inside, on and outside of the unit circle."""
    values = np.array([2.0 + 0j, 1j, -1j, 0.5 + 0j])
    return BlockPart(OF, blocks, ask.block, values, 2.0, 2.5)


def spectrum_part(ask: AskSpectrum, T: int = 8) -> SpectrumPart:
    """Half of the steps a piece, going back; J_t = diag(0.1, …), one direction dead."""
    begin = ask.state is None
    steps = np.arange(T // 2 + 1, T + 1) if begin else np.arange(1, T // 2 + 1)
    n = len(steps)
    step = np.full((n, FEW + 1), -1.0)
    step[:, -1] = -math.inf
    product = -(T + 1.0 - steps)[:, None] * np.ones((1, FEW + 1))
    product[:, -1] = -math.inf
    ones = np.ones(n, np.int64)
    state = {"taken": np.array(n)} if begin else None
    return SpectrumPart(OF, T, False, 5, T, 0.5 if begin else 1.0, state, steps, step, product, ones, ones)


def histogram_part(ask: AskHistogram, T: int = 8) -> HistogramPart:
    bins = np.zeros((ask.high - ask.low) * ask.per_decade, np.int64)
    bins[10] = 60
    stop = T if ask.start else T // 2
    return HistogramPart(OF, ("grads.h", "grads.a"), T, stop, bins, 10, 5, 4, 3, 18, 2, 1e-15, 3.0)


def answer_to(ask: Ask, T: int = 8) -> Any:
    if isinstance(ask, AskFlow):
        return flow_part(ask, T)
    if isinstance(ask, AskBlock):
        return block_part(ask)
    if isinstance(ask, AskSlope):
        return slope_part()
    if isinstance(ask, AskSpectrum):
        return spectrum_part(ask, T)
    if isinstance(ask, AskLyapunov):
        return LyapunovPart(OF, 1.0, None, np.array([-2.3, -2.3, -2.3, -2.3, -math.inf]), T)
    return histogram_part(ask, T)


def run(chain: Chain, T: int = 8) -> Any:
    """A chain to its end."""
    while (ask := chain.request()) is not None:
        chain.take(answer_to(ask, T))
    return chain.result


class AnalysisCourier(SlowCourier):
    """Answers when the test says so; `ended` is what an engine was stopped in."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []

    def ask(self, channel: str, operation: str, request: Any) -> int:
        assert operation == "analysis"
        return super().ask(channel, operation, request)

    def cancel(self, channel: str) -> None:
        self.ended.append(channel)

    def answer(self, channel: str, T: int = 8) -> None:
        self.reply(channel, answer_to(self.last(channel)[1], T))
