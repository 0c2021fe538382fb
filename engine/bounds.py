"""What the recurrent weights alone say about the gradient, and what was measured: eigenvalues, Pascanu's bound, decay.

Pascanu, Mikolov & Bengio 2013, section 2.1: ‖∂L/∂h_{t−1}‖ ≤ γ·σ_max(W_hh)·‖∂L/∂h_t‖, γ = sup|φ′|, where no loss adds
to it on the way. The spectral radius decides only in a linear network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.errors import DataError
from engine.norms import mean_over_samples, norm
from engine.precision import arithmetic
from engine.quantities import CELL_TITLES
from engine.spec_reading import shown
from engine.step_jacobians import chosen_steps, in_float64

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.long import LongLayer

STEEPEST = {"tanh": 1.0, "relu": 1.0, "leaky_relu": 1.0, "identity": 1.0, "sigmoid": 0.25}
"""γ = sup|φ′| by activation."""

CERTIFIED = (
    "γ·σ_max(W_hh) = {factor:.3g} is below 1: that is sufficient for the gradient to vanish, "
    "at least by this factor a step."
)
NOT_CERTIFIED = (
    "γ·σ_max(W_hh) = {factor:.3g} is not below 1: that is necessary for the gradient to explode but not sufficient; "
    "the bound does not say whether it vanishes."
)
UNDEFINED = "γ·σ_max(W_hh) is undefined: the recurrent weights hold NaN or inf."


@dataclass(frozen=True, eq=False)
class RecurrentBlock:
    """One gate's block of W_hh, (H, H)."""

    eigenvalues: Tensor
    """(H,) complex128, the largest first. NaN where the block is not finite."""
    spectral_radius: float
    """The largest |eigenvalue|. Where eigenvalues are defective, it is exact only to some √eps of the norm."""
    sigma_max: float
    """The largest singular value."""


@dataclass(frozen=True)
class Decay:
    """A straight line through log₁₀ of norms, by least squares."""

    slope: float
    """log₁₀ a step back in time: negative where the gradient vanishes. NaN with fewer than two norms."""
    used: int
    """How many norms were finite and not 0."""
    of: int
    """Out of how many."""


@dataclass(frozen=True)
class PascanuBound:
    """The bound on one step, and what was measured."""

    gamma: float
    """sup|φ′|."""
    sigma_max: float
    """Of W_hh."""
    factor: float
    """γ·σ_max: by at most so much does one step back multiply the norm of the gradient."""
    certifies_vanishing: bool
    """factor < 1. If not, the gradient may vanish all the same."""
    sentence: str
    """The same in words."""
    measured: Decay

    @property
    def slope(self) -> float:
        """log₁₀ of the factor: no `measured.slope` of a single loss lies above it."""
        return math.log10(self.factor) if self.factor > 0 else -math.inf if self.factor == 0 else math.nan


def recurrent_blocks(layer: LayerTrace | LongLayer) -> dict[str, RecurrentBlock]:
    """Eigenvalues and norms of W_hh by gate: "a" for the RNN, "i" "f" "g" "o", "r" "z" "n"."""
    names = [name.removeprefix("a_") for name in layer.rules.gate_names]
    blocks = in_float64(layer.weights["weight_hh"]).chunk(len(names))
    with arithmetic(blocks[0]):
        return {name: _block(W) for name, W in zip(names, blocks, strict=True)}


def block_of(layer: LayerTrace, number: int) -> RecurrentBlock:
    """One of these alone, by its number from 0, as `recurrent_blocks` has them."""
    with arithmetic(layer.weights["weight_hh"]):
        return _block(in_float64(layer.weights["weight_hh"].chunk(len(layer.rules.gate_names))[number]))


def _block(W: Tensor) -> RecurrentBlock:
    if not bool(W.isfinite().all()):
        unknown = torch.full((len(W),), complex(math.nan, math.nan), dtype=torch.complex128, device=W.device)
        return RecurrentBlock(unknown, math.nan, math.nan)
    eigenvalues = torch.linalg.eigvals(W)
    sizes = eigenvalues.abs()
    order = sizes.argsort(descending=True, stable=True)
    return RecurrentBlock(eigenvalues[order], float(sizes.max()), float(torch.linalg.svdvals(W)[0]))


def pascanu_bound(
    layer: LayerTrace | LongLayer, norms: Tensor | None = None, steps: Iterable[int] | None = None
) -> PascanuBound:
    """γ·σ_max(W_hh) of a vanilla RNN beside the measured decay of ‖∂L/∂h_t‖.

    `norms` (T,) are those to measure, as a row of a flow matrix; where they are missing, those of layer.grads["h"],
    mean over the samples that have the step, which compare with the bound only where the loss reads the last step
    alone. `steps`, from 1: over which to measure (None: all). Raises DataError for other cells, whose gates and leaks
    pass W_hh by.
    """
    if layer.cell != "rnn":
        raise DataError(
            f"Pascanu's bound is one for the vanilla RNN; the gradient of the {CELL_TITLES[layer.cell]} "
            "also takes other ways than W_hh."
        )
    if layer.rules.norm is not None or layer.drop is not None:
        raise DataError(
            "Pascanu's bound is one for W_hh alone; this layer normalises its sums or drops parts of its state as well."
        )
    if layer.activation not in STEEPEST:
        raise DataError(f"The activation is {shown(layer.activation)}; γ is known for {', '.join(STEEPEST)}.")
    if norms is None:
        norms = mean_over_samples(norm(layer.grads["h"], 2), layer.mask)
    gamma, sigma_max = STEEPEST[layer.activation], recurrent_blocks(layer)["a"].sigma_max
    factor = gamma * sigma_max
    sentence = UNDEFINED if math.isnan(factor) else CERTIFIED if factor < 1 else NOT_CERTIFIED
    return PascanuBound(
        gamma, sigma_max, factor, factor < 1, sentence.format(factor=factor), decay(norms, steps, layer.reverse)
    )


def decay(norms: Tensor, steps: Iterable[int] | None = None, reverse: bool = False) -> Decay:
    """How fast norms (T,) fall on the gradient's way back, over the steps given, from 1 (None: all): from T to 1, or,
    where the recurrence itself runs from T to 1, `reverse`, from 1 to T. Raises DataError."""
    if norms.dim() != 1:
        raise DataError(f"The norms have shape {tuple(norms.shape)}; one a step, (T,), is accepted.")
    values = in_float64(norms)
    chosen = torch.tensor(chosen_steps(steps, len(norms)), dtype=torch.float64, device=values.device)
    values = values[chosen.long()]
    usable = values.isfinite() & (values > 0)
    back, logs = chosen[usable] * (1.0 if reverse else -1.0), values[usable].log10()
    if len(logs) < 2:
        return Decay(math.nan, len(logs), len(values))
    back, logs = back - back.mean(), logs - logs.mean()
    return Decay(float(back.dot(logs) / back.dot(back)), len(logs), len(values))
