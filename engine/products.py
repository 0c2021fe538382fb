"""Products of many Jacobians by repeated QR: an orthonormal basis on one side, triangles on the other.

Shapes: A (S, S) is what is multiplied onto the product next: J for a product that grows forward in time, Jᵀ for one
that grows back from the last step. Q (S, r) is orthonormal, r the rank that is left. All float64 and finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.graded import Graded, Triangle, log_singular_values, lower, normalised, or_one, scaled, triangle, unresolved
from engine.norms import norm

SPREAD = 1e3
"""Ratio of the longest to the shortest column of A from which A is taken as two factors."""


@dataclass(frozen=True, eq=False, slots=True)
class Factor:
    """diag(lengths)·rows. The lengths are powers of two, so that taking them out rounds nothing."""

    lengths: Tensor
    """(m,)."""
    rows: Tensor
    """(m, n), of length about 1, or 0; or, where these are rows of the unit matrix, which ones: (m,) int64."""

    def on(self, Q: Tensor) -> Triangle:
        """The factor times Q as Q′·R. A row of rows·Q that is nothing but rounding counts as 0."""
        found = self.rows @ Q if self.rows.is_floating_point() else Q[self.rows]
        nothing = torch.linalg.vector_norm(found, dim=1) <= unresolved(len(Q))
        return triangle(found.masked_fill(nothing.unsqueeze(1), 0.0), self.lengths)


def factors(A: Tensor) -> tuple[float, tuple[Factor, ...]]:
    """log c, and B or B·D with A = c·B·D, the first to be applied first; D holds the lengths of A's columns.

    Two where these differ widely, or are 0: then the unit is dead, and by its shape B·D loses the rank that A lacks.
    """
    largest = _rounded(A.abs().max())
    if largest == 0:
        return 0.0, (_by_rows(A),)
    A = A / largest
    lengths = _rounded(norm(A, 0))
    alive = lengths > 0
    if bool(alive.all()) and lengths.max() <= SPREAD * lengths.min():
        return math.log(largest), (_by_rows(A),)
    columns = alive.nonzero().flatten()
    return math.log(largest), (Factor(lengths[columns], columns), _by_rows(A[:, columns] / lengths[columns]))


def _by_rows(A: Tensor) -> Factor:
    lengths = _rounded(norm(A, 1))
    return Factor(lengths, A / or_one(lengths).unsqueeze(1))


def _rounded(lengths: Tensor) -> Tensor:
    """To the power of two below; 0 stays 0."""
    return torch.where(lengths > 0, torch.ldexp(torch.full_like(lengths, 0.5), torch.frexp(lengths).exponent), lengths)


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """A_k … A_1 = Q·diag(e^scales)·rows·V, with an orthogonal V that is forgotten: it changes no singular value."""

    Q: Tensor
    """(S, r)."""
    g: Graded
    """Largest scales first; the rows a lower triangle."""

    @classmethod
    def empty(cls, size: int) -> Product:
        eye = torch.eye(size, dtype=torch.float64, device="cpu")
        return cls(eye, Graded(eye.new_zeros(size), eye))

    def then(self, A: Tensor) -> Product:
        """A·(the product so far)."""
        Q, g = self.Q, self.g
        log_c, stages = factors(A)
        for factor in stages:
            if not len(g.scales):
                return Product(self.Q[:, :0], g)
            found = factor.on(Q)
            scales, rows = scaled(found.R, g.scales)
            g, left = normalised(scales, rows @ g.rows)
            order = g.scales.argsort(descending=True, stable=True)
            Q, g = found.Q[:, left[order]], Graded(g.scales[order], g.rows[order])
        if not len(g.scales):
            return Product(self.Q[:, :0], g)
        return Product(Q, Graded(g.scales + log_c, lower(g.rows)))

    def logs(self) -> Tensor:
        """(S,), descending: logarithms of the singular values, −∞ for every dead direction."""
        return padded(log_singular_values(self.g, lowered=True), len(self.Q))


def padded(logs: Tensor, size: int) -> Tensor:
    """(size,): −∞ for the directions that are missing."""
    return torch.cat([logs, logs.new_full((size - len(logs),), -torch.inf)])


@dataclass(frozen=True, eq=False, slots=True)
class Growth:
    """Repeated QR alone: A_k Q_{k−1} = Q_k R_k from Q_0 = I, with the sums of log|R_ii|."""

    Q: Tensor
    """(S, r)."""
    columns: Tensor
    """(r,): which of the S directions are left."""
    sums: Tensor
    """(S,): Σ log|R_ii|; −∞ for a direction that died: its image lies in the span of those before it."""

    @classmethod
    def empty(cls, size: int) -> Growth:
        return cls(
            torch.eye(size, dtype=torch.float64, device="cpu"),
            torch.arange(size, device="cpu"),
            torch.zeros(size, dtype=torch.float64, device="cpu"),
        )

    def then(self, A: Tensor) -> Growth:
        """One factor more, multiplied from the left."""
        Q, columns, sums = self.Q, self.columns, self.sums
        log_c, stages = factors(A)
        for factor in stages:
            if not len(columns):
                return Growth(self.Q[:, :0], columns, sums)
            found = factor.on(Q)
            kept = columns if found.kept is None else columns[found.kept]
            now = torch.full_like(sums, -torch.inf)
            now[kept] = sums[kept] + found.log_diagonal()
            Q, columns, sums = found.Q, kept, now
        return Growth(Q, columns, sums + log_c)

    def logs(self) -> Tensor:
        """(S,), descending: the sums."""
        return self.sums.sort(descending=True).values
