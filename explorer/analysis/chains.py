"""Analyses as chains of short requests: what is asked next, and what there is so far.

A chain belongs to one trace and one choice. `request` is None when it is done. Results are frozen, and as far as they
are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from engine.analysis_requests import (
    MOST_SPECTRUM_STEPS,
    Ask,
    AskBlock,
    AskFlow,
    AskHistogram,
    AskLyapunov,
    AskSlope,
    AskSpectrum,
    BlockPart,
    Flags,
    Floats,
    FlowPart,
    HistogramPart,
    Integers,
    LyapunovPart,
    Part,
    SlopePart,
    SpectrumPart,
    Which,
)
from explorer.analysis.subject import Subject

PIECE_SECONDS = 0.05
HEAVY = 4e10
"""State size cubed times steps, from which singular values are computed only when somebody asks for them: minutes."""


@dataclass(frozen=True)
class FlowChoice:
    layer: str
    which: Which = "thinned"


@dataclass(frozen=True)
class WeightsChoice:
    layer: str


@dataclass(frozen=True)
class SpectrumChoice:
    layer: str


@dataclass(frozen=True)
class HistogramChoice:
    layer: str
    key: str
    low: int
    high: int


Choice: TypeAlias = FlowChoice | WeightsChoice | SpectrumChoice | HistogramChoice


@dataclass(frozen=True, eq=False)
class FlowResult:
    total_steps: int
    total_losses: int
    every: int
    loss_steps: Integers
    """(n,)."""
    steps: Integers
    """(K,)."""
    norms: Floats
    """(n, K)."""
    reached: Flags
    known: int
    """So many losses are there, from the first."""


@dataclass(frozen=True, eq=False)
class WeightsResult:
    blocks: tuple[str, ...]
    parts: tuple[BlockPart, ...]
    """As many as there are, in the order of `blocks`."""
    slope: SlopePart | None


@dataclass(frozen=True, eq=False)
class SpectrumResult:
    """Logarithms to base 10, (n, few + 1) each: the largest few, and at the end the smallest."""

    total_steps: int
    reverse: bool
    size: int
    chosen: int
    steps: Integers
    step: Floats
    product: Floats
    step_dead: Integers
    product_dead: Integers
    slope: SlopePart | None
    lyapunov: LyapunovPart | None
    """None until it is whole."""


@dataclass(frozen=True, eq=False)
class HistogramResult:
    choice: HistogramChoice
    per_decade: int
    counts: HistogramPart
    """All parts so far together."""

    @property
    def whole(self) -> bool:
        return self.counts.stop >= self.counts.total_steps


Result: TypeAlias = FlowResult | WeightsResult | SpectrumResult | HistogramResult


class Chain(Protocol):
    def request(self) -> Ask | None:
        """What to ask now; None: nothing is left."""

    def take(self, part: Part) -> None:
        """The answer to the last request."""

    @property
    def result(self) -> Result | None:
        """As far as it is known."""

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None where nobody knows."""


def chain_of(subject: Subject, choice: Choice) -> Chain:
    if isinstance(choice, FlowChoice):
        return FlowChain(subject, choice)
    if isinstance(choice, WeightsChoice):
        return WeightsChain(subject, choice)
    if isinstance(choice, SpectrumChoice):
        return SpectrumChain(subject, choice)
    return HistogramChain(subject, choice)


def is_heavy(subject: Subject, choice: Choice) -> bool:
    """Whether it takes minutes: then it is begun on command alone."""
    return isinstance(choice, SpectrumChoice) and float(_size(subject, choice)) ** 3 * subject.steps > HEAVY


def heavy_words(subject: Subject, choice: Choice) -> str:
    size = _size(subject, choice)
    return f"{subject.steps:,} Jacobians of {size:,} × {size:,} take minutes: they are begun on command."


def _size(subject: Subject, choice: Choice) -> int:
    return next((one.state_size for one in subject.layers if one.key == choice.layer), 0)


class FlowChain:
    """A few losses at a time; as many as take about 50 ms, or twice what a piece takes anyway."""

    def __init__(self, subject: Subject, choice: FlowChoice) -> None:
        self._ask = AskFlow(subject.source, choice.layer, choice.which, count=4)
        self._least = float("inf")
        self._result: FlowResult | None = None

    def request(self) -> Ask | None:
        found = self._result
        return self._ask if found is None or found.known < len(found.loss_steps) else None

    def take(self, part: Part) -> None:
        assert isinstance(part, FlowPart)
        n, K = len(part.loss_steps), len(part.steps)
        found = self._result
        norms = np.full((n, K), np.nan) if found is None else found.norms.copy()
        reached = np.zeros((n, K), bool) if found is None else found.reached.copy()
        stop = part.start + len(part.norms)
        norms[part.start : stop], reached[part.start : stop] = part.norms, part.reached
        for array in (norms, reached):
            array.setflags(write=False)
        self._result = FlowResult(
            part.total_steps, part.total_losses, part.every, part.loss_steps, part.steps, norms, reached, stop
        )
        self._least = min(self._least, part.seconds)
        aim = max(PIECE_SECONDS, 2 * self._least)
        count = round(len(part.norms) * min(4.0, aim / max(1e-4, part.seconds)))
        self._ask = replace(self._ask, start=stop, count=max(1, count))

    @property
    def result(self) -> FlowResult | None:
        return self._result

    @property
    def progress(self) -> float | None:
        return None if self._result is None else self._result.known / len(self._result.loss_steps)


class WeightsChain:
    """The blocks of W_hh, one after the other, then what was measured."""

    def __init__(self, subject: Subject, choice: WeightsChoice) -> None:
        self._source, self._layer = subject.source, choice.layer
        self._parts: tuple[BlockPart, ...] = ()
        self._slope: SlopePart | None = None

    def request(self) -> Ask | None:
        if not self._parts or len(self._parts) < len(self._parts[0].blocks):
            return AskBlock(self._source, self._layer, len(self._parts))
        return AskSlope(self._source, self._layer) if self._slope is None else None

    def take(self, part: Part) -> None:
        if isinstance(part, SlopePart):
            self._slope = part
        else:
            assert isinstance(part, BlockPart)
            self._parts += (part,)

    @property
    def result(self) -> WeightsResult | None:
        return WeightsResult(self._parts[0].blocks, self._parts, self._slope) if self._parts else None

    @property
    def progress(self) -> float | None:
        if not self._parts:
            return None
        return (len(self._parts) + (self._slope is not None)) / (len(self._parts[0].blocks) + 1)


class SpectrumChain:
    """The bound, the singular values going back, then the Lyapunov exponents going on."""

    def __init__(self, subject: Subject, choice: SpectrumChoice) -> None:
        self._source, self._layer = subject.source, choice.layer
        self._ask: Ask | None = AskSpectrum(subject.source, choice.layer, subject.sample, MOST_SPECTRUM_STEPS)
        self._sample = subject.sample
        self._parts: list[SpectrumPart] = []
        self._slope: SlopePart | None = None
        self._lyapunov: LyapunovPart | None = None

    def request(self) -> Ask | None:
        return AskSlope(self._source, self._layer) if self._slope is None else self._ask

    def take(self, part: Part) -> None:
        if isinstance(part, SlopePart):
            self._slope = part
        elif isinstance(part, SpectrumPart):
            self._parts.append(part)
            if part.state is None:
                self._ask = AskLyapunov(self._source, self._layer, self._sample)
            else:
                self._ask = AskSpectrum(self._source, self._layer, self._sample, MOST_SPECTRUM_STEPS, part.state)
        else:
            assert isinstance(part, LyapunovPart)
            self._lyapunov = part
            last = part.state is None
            self._ask = None if last else AskLyapunov(self._source, self._layer, self._sample, part.state)

    @property
    def result(self) -> SpectrumResult | None:
        if not self._parts:
            return None
        last = self._parts[-1]
        order = np.argsort(np.concatenate([p.steps for p in self._parts]), kind="stable")
        return SpectrumResult(
            last.total_steps,
            last.reverse,
            last.size,
            last.chosen,
            np.concatenate([p.steps for p in self._parts])[order],
            np.concatenate([p.step for p in self._parts])[order],
            np.concatenate([p.product for p in self._parts])[order],
            np.concatenate([p.step_dead for p in self._parts])[order],
            np.concatenate([p.product_dead for p in self._parts])[order],
            self._slope,
            self._lyapunov if self._ask is None else None,
        )

    @property
    def progress(self) -> float | None:
        if not self._parts:
            return None
        further = 0.0 if self._lyapunov is None else self._lyapunov.progress
        return 0.8 * self._parts[-1].progress + 0.2 * further


class HistogramChain:
    def __init__(self, subject: Subject, choice: HistogramChoice) -> None:
        self._choice = choice
        self._ask = AskHistogram(subject.source, choice.layer, choice.key, choice.low, choice.high)
        self._counts: HistogramPart | None = None

    def request(self) -> Ask | None:
        found = self._counts
        return self._ask if found is None or found.stop < found.total_steps else None

    def take(self, part: Part) -> None:
        assert isinstance(part, HistogramPart)
        old = self._counts
        self._counts = part if old is None else _added(old, part)
        self._ask = replace(self._ask, start=part.stop)

    @property
    def result(self) -> HistogramResult | None:
        return None if self._counts is None else HistogramResult(self._choice, self._ask.per_decade, self._counts)

    @property
    def progress(self) -> float | None:
        return None if self._counts is None else self._counts.stop / self._counts.total_steps


def _added(a: HistogramPart, b: HistogramPart) -> HistogramPart:
    return replace(
        b,
        bins=a.bins + b.bins,
        zero=a.zero + b.zero,
        below=a.below + b.below,
        above=a.above + b.above,
        inf=a.inf + b.inf,
        nan=a.nan + b.nan,
        subnormal=a.subnormal + b.subnormal,
        smallest=min(a.smallest, b.smallest),
        largest=max(a.largest, b.largest),
    )
