"""Spectra of a recurrent layer: singular values of every step's Jacobian and of their products, Lyapunov exponents.

The product back from the last step, J_T … J_t, is what a gradient at the end goes through on its way to the state
before step t. It is taken by repeated QR and kept in logarithms (engine.products): a plain product under- or overflows,
and its decomposition is off by hundreds of nats after 200 steps.

Everything here is a natural logarithm in float64 on the CPU, as exact as the recorded values say: where a Jacobian's
rows and columns, brought to unit length, have singular values κ apart, the error of each logarithm is some 1e-16·κ.
−∞ is a dead direction (engine.graded says when). NaN is a masked step, or one with NaN or inf in its Jacobian, and
every product through the latter.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.arrays import read_only
from engine.errors import DataError
from engine.graded import Graded, graded, log_singular_values
from engine.precision import arithmetic
from engine.products import Growth, Product, padded
from engine.spec_reading import shown
from engine.step_jacobians import Jacobians, Walk, chosen_steps, jacobians_of, way_of

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

ProductKind: TypeAlias = Literal["singular values", "QR estimate"]

A_WHILE = 0.05
"""Seconds: how long a request may take."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Natural logarithms of singular values, descending. −∞: dead. NaN: masked, or by way of a NaN or inf."""

    steps: Tensor
    """(n,) int64: which steps, from 1, ascending."""
    valid: Tensor
    """(n,) bool: False for masked steps."""
    step: Tensor
    """(n, S): of J_t."""
    product: Tensor
    """(n, S): of J_T … J_t (J_1 … J_t where the recurrence runs backwards). Masked steps are left out of it."""
    product_shows: ProductKind
    """What `product` is: the "singular values", or the "QR estimate" Σ log|R_ii|, which differs while T is finite."""


@dataclass(frozen=True, eq=False)
class Lyapunov:
    """The mean growth along the sequence, λ_i = mean log|R_ii| with J_t Q_{t−1} = Q_t R_t and Q_0 = I.

    Their sum is exactly the mean of log|det J_t|. While T is finite they differ from (1/T)·log σ_i(J_T … J_1).
    """

    exponents: Tensor
    """(S,), descending: nats a step. −∞ for dead directions; NaN where a Jacobian is not finite, or no step counts."""
    steps: int
    """Over how many steps the mean is taken: those that are not masked."""


def spectrum(
    layer: LayerTrace | Jacobians | Tensor,
    sample: int = 0,
    steps: Iterable[int] | None = None,
    *,
    valid: Tensor | None = None,
    reverse: bool | None = None,
    product: ProductKind = "singular values",
) -> Spectrum:
    """Singular values of each step's Jacobian and of the running product back from the last step.

    `layer` is a layer of a trace, of which one sample is looked at, or the Jacobians themselves, (T, S, S). `steps`,
    from 1, are those to report (None: all). `valid` (T,) bool leaves padded steps out, and `reverse` tells that the
    recurrence runs from step T to step 1; None: as the layer has it. Takes seconds for a large layer: `SpectrumRun`
    does the same in pieces. Raises DataError.
    """
    run = SpectrumRun(layer, sample, steps, valid=valid, reverse=reverse, product=product)
    while not run.done:
        run.advance()
    return run.result()


def lyapunov(
    layer: LayerTrace | Jacobians | Tensor, sample: int = 0, *, valid: Tensor | None = None, reverse: bool | None = None
) -> Lyapunov:
    """Lyapunov exponents along a sequence (Benettin et al. 1980). Arguments as in `spectrum`; in pieces: `LyapunovRun`.

    Raises DataError.
    """
    run = LyapunovRun(layer, sample, valid=valid, reverse=reverse)
    while not run.done:
        run.advance()
    return run.result()


class SpectrumRun:
    """`spectrum` in pieces of bounded work, for progress and cancelling. It can be pickled between them."""

    def __init__(
        self,
        layer: LayerTrace | Jacobians | Tensor,
        sample: int = 0,
        steps: Iterable[int] | None = None,
        *,
        valid: Tensor | None = None,
        reverse: bool | None = None,
        product: ProductKind = "singular values",
    ) -> None:
        if product not in ("singular values", "QR estimate"):
            raise DataError(f"product is {shown(product)}; 'singular values' or 'QR estimate' is accepted.")
        jacobians = jacobians_of(layer, sample)
        valid, reverse = way_of(layer, sample, valid, reverse)
        self._size, self._shows = jacobians.size, product
        self._walk = Walk(jacobians, valid, back=not reverse)
        chosen = chosen_steps(steps, jacobians.steps)
        last = max(self._walk.steps.index(t) for t in chosen)
        self._steps, self._chosen = self._walk.steps[: last + 1], frozenset(chosen)
        self._taken = 0
        self._product: Product | Growth | None = (Product if product == "singular values" else Growth).empty(self._size)
        self._found: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def done(self) -> bool:
        """Whether all steps are taken, so that the spectrum is there."""
        return self._taken == len(self._steps)

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self._taken / len(self._steps)

    @property
    def taken(self) -> int:
        """Steps that are behind it."""
        return self._taken

    def state(self) -> dict[str, NDArray[Any]]:
        """Where it stands, as plain arrays: with the same arguments and `resume`, another run goes on from there."""
        found = {"taken": np.array(self._taken)}
        if isinstance(self._product, Product):
            g = self._product.g
            return found | {name: read_only(a) for name, a in (("Q", self._product.Q), ("s", g.scales), ("P", g.rows))}
        if self._product is not None:
            return found | _growth_state(self._product)
        return found

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from there. What had been found until then has been handed out, and is no part of `result`."""
        self._taken = int(state["taken"])
        self._found.clear()
        if "P" in state:
            self._product = Product(_tensor(state["Q"]), Graded(_tensor(state["s"]), _tensor(state["P"])))
        else:
            self._product = _growth_of(state) if "Q" in state else None

    def hand_out(self) -> None:
        """Let go of what `result` has told."""
        self._found.clear()

    def advance(self, seconds: float = A_WHILE) -> None:
        """Work for about so long: a step more at least, if there is one left."""
        end = time.perf_counter() + seconds
        while not self.done:
            self._advance_a_step()
            if time.perf_counter() >= end:
                break

    def _advance_a_step(self) -> None:
        t = self._steps[self._taken]
        J = self._walk.at(t)
        nothing = torch.full((self._size,), torch.nan, dtype=torch.float64, device="cpu")
        step = product = nothing
        if J is not None:
            with arithmetic(J):
                finite = bool(J.isfinite().all())
                if not finite:
                    self._product = None
                elif self._product is not None:
                    self._product = self._product.then(J.mT)
                if t in self._chosen:
                    if finite:
                        step = padded(log_singular_values(graded(J)), self._size)
                    if self._product is not None:
                        product = self._product.logs()
        if t in self._chosen:
            self._found[t] = step, product
        self._taken += 1

    def result(self) -> Spectrum:
        """Over the chosen steps that were reached so far."""
        steps = torch.tensor(sorted(self._found), dtype=torch.int64, device="cpu")
        none = torch.empty(0, self._size, dtype=torch.float64, device="cpu")
        step, product = (
            torch.stack([self._found[t][which] for t in steps.tolist()]) if len(steps) else none for which in (0, 1)
        )
        return Spectrum(steps + 1, self._walk.valid[steps], step, product, self._shows)


class LyapunovRun:
    """`lyapunov` in pieces of bounded work, for progress and cancelling. It can be pickled between them."""

    def __init__(
        self,
        layer: LayerTrace | Jacobians | Tensor,
        sample: int = 0,
        *,
        valid: Tensor | None = None,
        reverse: bool | None = None,
    ) -> None:
        jacobians = jacobians_of(layer, sample)
        valid, reverse = way_of(layer, sample, valid, reverse)
        self._walk = Walk(jacobians, valid, back=reverse)
        self._taken = 0
        self._growth = Growth.empty(jacobians.size)
        self._finite = True

    @property
    def done(self) -> bool:
        """Whether all steps are taken, or one had a number that is none; either way the exponents are there."""
        return self._taken == len(self._walk.steps) or not self._finite

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return 1.0 if self.done else self._taken / len(self._walk.steps)

    @property
    def taken(self) -> int:
        """Steps that are behind it."""
        return self._taken

    def state(self) -> dict[str, NDArray[Any]]:
        """Where it stands, as plain arrays: with the same arguments and `resume`, another run goes on from there."""
        return {"taken": np.array(self._taken), "finite": np.array(self._finite), **_growth_state(self._growth)}

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from there."""
        self._taken, self._finite, self._growth = int(state["taken"]), bool(state["finite"]), _growth_of(state)

    def advance(self, seconds: float = A_WHILE) -> None:
        """Work for about so long: a step more at least, if there is one left."""
        end = time.perf_counter() + seconds
        while not self.done:
            J = self._walk.at(self._walk.steps[self._taken])
            if J is not None:
                with arithmetic(J):
                    self._finite = bool(J.isfinite().all())
                    if self._finite:
                        self._growth = self._growth.then(J)
            self._taken += 1
            if time.perf_counter() >= end:
                break

    def result(self) -> Lyapunov:
        """Over the steps that were taken so far."""
        counted = int(
            self._walk.valid[torch.tensor(self._walk.steps[: self._taken], dtype=torch.int64, device="cpu")].sum()
        )
        means = (
            self._growth.logs() / counted if counted and self._finite else torch.full_like(self._growth.sums, torch.nan)
        )
        return Lyapunov(means, counted)


def _growth_state(growth: Growth) -> dict[str, NDArray[Any]]:
    return {name: read_only(a) for name, a in (("Q", growth.Q), ("columns", growth.columns), ("sums", growth.sums))}


def _growth_of(state: Mapping[str, NDArray[Any]]) -> Growth:
    return Growth(_tensor(state["Q"]), _tensor(state["columns"]), _tensor(state["sums"]))


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: what crossed over is read-only
