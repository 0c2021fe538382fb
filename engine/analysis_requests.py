"""What the analyses of a trace are asked, and what they answer: plain data both ways, no torch.

Long ones go in pieces of about 50 ms: a request says where the last piece stopped, and its answer what the next one
needs. Each answer names the layer that it is about, and the layers that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.requests import Source

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
State: TypeAlias = Mapping[str, NDArray[np.generic]]
"""Where a piece of work stopped: arrays by name, for the engine alone to read."""

Which: TypeAlias = Literal["thinned", "last"]
"""Of a long trace's steps: every n-th of them, or the last ones."""

MOST_FLOW_STEPS = 256
MOST_SPECTRUM_STEPS = 128
FEW = 4
"""So many of the largest singular values are handed out, and the smallest."""


@dataclass(frozen=True)
class OfLayer:
    """Whose numbers they are."""

    layer: str
    """Its key: "l0", "l1_reverse"."""
    layers: tuple[str, ...]
    """All that the trace has."""


@dataclass(frozen=True, eq=False)
class AskFlow:
    """N[t, k] = ‖∂L_t/∂h_k‖: of the chosen losses those from number `start` on, `count` of them."""

    source: Source
    layer: str = ""
    """ "": the last layer, forward."""
    which: Which = "thinned"
    most: int = MOST_FLOW_STEPS
    """Above so many steps, `which` chooses."""
    start: int = 0
    count: int = 8


@dataclass(frozen=True, eq=False)
class FlowPart:
    of: OfLayer
    total_steps: int
    """T."""
    total_losses: int
    """1: the trace has a single loss, which is taken to stand at the last step of the longest sample: behind that there
    is padding alone."""
    loss_steps: Integers
    """(n,): t of all chosen losses, ascending."""
    steps: Integers
    """(K,): k of the chosen steps, ascending."""
    every: int
    """They are so many steps apart."""
    start: int
    norms: Floats
    """(c, K): of the losses start … start + c − 1. Per sample, then the mean over the batch."""
    reached: Flags
    """(c, K): where the loss can reach the step at all. Elsewhere there is no number."""
    seconds: float
    """That it took."""


@dataclass(frozen=True, eq=False)
class AskBlock:
    """Eigenvalues of one gate's block of W_hh, by its number."""

    source: Source
    layer: str = ""
    block: int = 0


@dataclass(frozen=True, eq=False)
class BlockPart:
    of: OfLayer
    blocks: tuple[str, ...]
    """By gate: "a" for the RNN, "i" "f" "g" "o", "r" "z" "n"."""
    block: int
    eigenvalues: NDArray[np.complex128]
    """(H,), the largest first; NaN where the block is not finite."""
    spectral_radius: float
    sigma_max: float


@dataclass(frozen=True, eq=False)
class AskSlope:
    """How fast ‖∂L_s/∂h_k‖ of the judged loss falls going back, and Pascanu's bound on that."""

    source: Source
    layer: str = ""


@dataclass(frozen=True, eq=False)
class SlopePart:
    of: OfLayer
    slope: float
    """log₁₀ a step back; NaN with fewer than two norms."""
    residual: float
    """Root of the mean square distance from the straight line, in decades."""
    used: int
    """How many norms were finite and not 0."""
    reached: int
    """Out of how many steps that the loss can reach."""
    loss_step: int
    bound: str
    """What Pascanu's bound says, or why there is none, in a sentence."""
    factor: float
    """γ·σ_max(W_hh); NaN where the bound does not apply."""
    certifies: bool
    """The bound alone says that the gradient vanishes."""


@dataclass(frozen=True, eq=False)
class AskSpectrum:
    """Singular values of the step Jacobians and of the product back from the last step, of one sample."""

    source: Source
    layer: str = ""
    sample: int = 0
    most: int = MOST_SPECTRUM_STEPS
    """Above so many steps, so many evenly spaced ones are reported."""
    state: State | None = None
    """None: begin."""


@dataclass(frozen=True, eq=False)
class SpectrumPart:
    """All logarithms are to base 10. −∞: dead. NaN: a masked step, or by way of a NaN or inf."""

    of: OfLayer
    total_steps: int
    reverse: bool
    """The recurrence runs from T to 1, and the product goes back from step 1."""
    size: int
    """Of the state: H, or 2H for the LSTM."""
    chosen: int
    """So many steps are reported in all."""
    progress: float
    state: State | None
    """For the next piece; None: this was the last."""
    steps: Integers
    """(n,): which steps this piece reports, from 1, ascending."""
    step: Floats
    """(n, few + 1): the largest of J_t, descending, and at the end the smallest."""
    product: Floats
    """(n, few + 1): of J_T … J_t."""
    step_dead: Integers
    """(n,): so many singular values of J_t are exactly nothing."""
    product_dead: Integers


@dataclass(frozen=True, eq=False)
class AskLyapunov:
    source: Source
    layer: str = ""
    sample: int = 0
    state: State | None = None


@dataclass(frozen=True, eq=False)
class LyapunovPart:
    of: OfLayer
    progress: float
    state: State | None
    exponents: Floats
    """(S,), descending: nats a step, over the steps so far."""
    steps: int
    """So many were counted."""


@dataclass(frozen=True, eq=False)
class AskHistogram:
    """How the magnitudes of one quantity's numbers are spread, over all samples and units: from step `start` on."""

    source: Source
    layer: str = ""
    key: str = "grads.h"
    low: int = -20
    high: int = 2
    """The range, as powers of ten."""
    per_decade: int = 2
    start: int = 0


@dataclass(frozen=True, eq=False)
class HistogramPart:
    """Counts over the steps start … stop − 1, from 0, without the padding. They add up over the parts."""

    of: OfLayer
    keys: tuple[str, ...]
    """Every gradient of the layer."""
    total_steps: int
    stop: int
    """Where the next part starts."""
    bins: Integers
    """(decades · per_decade,): numbers with 10^low ≤ |x| ≤ 10^high, by magnitude."""
    zero: int
    """Exactly 0."""
    below: int
    above: int
    inf: int
    nan: int
    subnormal: int
    """Of the others: not 0, but with fewer digits."""
    smallest: float
    """The smallest |x| that is neither 0 nor NaN; inf where there is none."""
    largest: float
    """The largest finite |x|; 0 where there is none but zeros."""

    @property
    def total(self) -> int:
        return int(self.bins.sum()) + self.zero + self.below + self.above + self.inf + self.nan


Ask: TypeAlias = AskFlow | AskBlock | AskSlope | AskSpectrum | AskLyapunov | AskHistogram
Part: TypeAlias = FlowPart | BlockPart | SlopePart | SpectrumPart | LyapunovPart | HistogramPart
