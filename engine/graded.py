"""Linear algebra of matrices whose rows differ by more than a floating-point number can hold.

A product of many Jacobians has singular values hundreds of nats apart. It is kept as G = diag(eˢ)·P, P with unit rows:
what is large or small stands in s, as logarithms, and P is an ordinary well-conditioned matrix. Every step that is
taken here errs by a few units in the last place of each *row*, not of the whole matrix, so that the smallest singular
value comes out as exact as the largest (Demmel & Veselić 1992; Drmač & Veselić 2008).

Logarithms are natural. A dead direction is left out of the matrix: its logarithm is −∞. Dead is what is exactly zero
(a row or a column of zeros), and what a backward-stable decomposition cannot tell from zero once rows and columns are
brought to unit length: `unresolved`. A unit with a slope of 1e-20 is not dead, two units with the same weights are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SUSPECT = 1e-8
"""A column this close to the span of those before it, relative to its length, has the matrix' rank counted."""
COUPLING = 1e-8
"""Entries of a triangle below this, relative to their row, change singular values that are far apart by its square."""
CORE, MARGIN = 6.0, 6.0
"""Nats: of the singular values that are read off one window of a triangle, and of what stands around them. Their error
is the rounding times e^(CORE + MARGIN) = 2e5."""
PLAIN = 1e-5
"""The smallest ratio of two singular values for which an ordinary decomposition is exact enough."""
ROUNDINGS = 16
"""How many times more than one decomposition's rounding still counts as nothing."""
MOST_TURNS = 100
HIGHEST = 700.0
"""Nats: e to this is still a number."""


def unresolved(size: int) -> float:
    """What cannot be told from 0 beside 1, in a matrix of this size.

    A backward-stable decomposition leaves size·eps in place of a 0; the decompositions before it had their roundings.
    """
    return ROUNDINGS * max(size, ROUNDINGS) * torch.finfo(torch.float64).eps


@dataclass(frozen=True, eq=False, slots=True)
class Graded:
    """The matrix diag(e^scales)·rows."""

    scales: Tensor
    """(r,): natural logarithms of the rows' lengths."""
    rows: Tensor
    """(r, q): of unit length."""


@dataclass(frozen=True, eq=False, slots=True)
class Triangle:
    """matrix = Q·R, where columns that depend on those before them have no row in R."""

    Q: Tensor
    """(m, r): orthonormal."""
    R: Tensor
    """(r, n): an upper triangle in the kept columns."""
    kept: Tensor | None
    """(r,): the columns that add a dimension to those before them. None: all of them."""

    def log_diagonal(self) -> Tensor:
        """(r,): log|R_ii| of the kept columns."""
        R = self.R if self.kept is None else self.R[:, self.kept]
        return R.diagonal().abs().log()


def graded(matrix: Tensor) -> Graded:
    """(m, n) → its rows without those of zeros. The columns are sorted, which changes no singular value."""
    columns = matrix.abs().amax(0).argsort(descending=True, stable=True)
    scales, rows = scaled(matrix[:, columns], matrix.new_zeros(()))
    return normalised(scales, rows)[0]


def log_singular_values(g: Graded, lowered: bool = False) -> Tensor:
    """(≤ r,), descending: to some 1e-12 of a nat where the unit rows are well-conditioned, whatever their scales.

    `lowered`: the rows are sorted and `lower` already.
    """
    if not len(g.scales):
        return g.scales
    top = g.scales.max()
    if top - g.scales.min() < CORE + MARGIN:
        values: Tensor = torch.linalg.svdvals((g.scales - top).exp().unsqueeze(1) * g.rows)
        if len(values) == len(g.scales) and values[-1] > PLAIN * values[0]:
            return top + values.log()
    g = transposed(g) if lowered else turned(g)
    for _ in range(MOST_TURNS):
        found = _through_windows(g)
        if found is not None:
            return found.sort(descending=True).values
        g = turned(g)
    return g.scales.sort(descending=True).values  # what the QR algorithm itself has found


def turned(g: Graded) -> Graded:
    """The same singular values, from a matrix closer to diagonal: the transpose of diag(e^scales)·lower(rows).

    The largest rows come first. Repeated, this is the QR algorithm for singular values: each turn multiplies what
    couples rows i and j by e^−|sᵢ − sⱼ|. An upper triangle, unless a row was dead.
    """
    order = g.scales.argsort(descending=True, stable=True)
    return transposed(Graded(g.scales[order], lower(g.rows[order])))


def transposed(g: Graded) -> Graded:
    return normalised(*scaled(g.rows.mT, g.scales))[0]


def lower(rows: Tensor) -> Tensor:
    """L of rows = L·V, with orthonormal V, (r, q) → (r, rank): a lower triangle, unless a row was dead."""
    R: Tensor = torch.linalg.qr(rows.mT, mode="r").R
    if _suspicious(R):
        lengths = torch.linalg.vector_norm(rows, dim=0)
        R = triangle((rows / or_one(lengths)).mT, lengths).R
    return R.mT


def triangle(balanced: Tensor, lengths: Tensor) -> Triangle:
    """Q·R = diag(lengths)·balanced, (m,) and (m, n), exact to rounding in each row, however the lengths differ.

    For that, the long rows come first (Cox & Higham 1998). `balanced` has entries of about 1 that are exact to
    rounding: its rank is the one that counts.
    """
    order = lengths.argsort(descending=True, stable=True)
    matrix = lengths[order].unsqueeze(1) * balanced[order]
    Q, R = torch.linalg.qr(matrix)
    short = torch.linalg.vector_norm(balanced, dim=0) <= SUSPECT
    kept = _independent(balanced) if bool(short.any()) or _suspicious(R) else None
    if kept is not None:
        rest = torch.ones(R.shape[1], dtype=torch.bool, device="cpu").index_fill(0, kept, False).nonzero().flatten()
        columns = torch.cat([kept, rest])
        Q, found = torch.linalg.qr(matrix[:, columns])
        Q, R = Q[:, : len(kept)], R.new_empty(len(kept), R.shape[1])
        R[:, columns] = found[: len(kept)]
    back = torch.empty_like(Q)
    back[order] = Q
    return Triangle(back, R, kept)


def _suspicious(R: Tensor) -> bool:
    """Whether columns of what R is the triangle of may depend on each other."""
    lengths = torch.linalg.vector_norm(R, dim=0)
    return R.shape[0] < R.shape[1] or bool((R.diagonal().abs() <= SUSPECT * lengths).any())


def _independent(matrix: Tensor) -> Tensor | None:
    """The columns that add a dimension to those before them; None where all do."""
    R = torch.linalg.qr(matrix, mode="r").R
    smallest = unresolved(max(matrix.shape))
    values = torch.linalg.svdvals(matrix)
    rank = int((values > smallest * values[0]).sum()) if len(values) else 0
    if rank == R.shape[1]:
        return None
    while len(kept := _steps(R, smallest)) > rank and smallest < SUSPECT:
        smallest *= 10  # columns that nearly depend on each other amplify the rounding
    return torch.tensor(kept[:rank], dtype=torch.int64, device="cpu")


def _steps(R: Tensor, smallest: float) -> list[int]:
    """The columns of a triangle in which its echelon form has a step of more than `smallest`.

    The diagonal alone does not tell: where a column added nothing, a later one has its own part above the diagonal.
    """
    R = R.clone()
    kept: list[int] = []
    for column in range(R.shape[1]):
        row = len(kept)
        own = R[row : column + 1, column].clone()
        if not len(own):
            break
        step = float(torch.linalg.vector_norm(own))
        if step <= smallest:
            continue
        kept.append(column)
        if len(own) > 1:  # a reflection that brings it up into one row
            own[0] += step if own[0] >= 0 else -step
            rest = R[row : column + 1, column:]
            rest -= torch.outer(own, own @ rest) * (2 / own.dot(own))
    return kept


def or_one(lengths: Tensor) -> Tensor:
    """To divide by: 1 in place of 0."""
    return torch.where(lengths > 0, lengths, torch.ones_like(lengths))


def scaled(matrix: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """matrix·diag(e^scales) as (s, C): rows eˢ·C, where the largest entry of a row of C is 1 (of a row of zeros, 0).

    Only differences of logarithms are taken to powers: those of thousands of nats would cost as many roundings.
    """
    largest = (matrix.abs().log() + scales).amax(1)
    usable = torch.where(largest > -torch.inf, largest, torch.zeros_like(largest))
    return usable, matrix * (scales - usable.unsqueeze(1)).clamp(max=HIGHEST).exp()


def normalised(scales: Tensor, rows: Tensor) -> tuple[Graded, Tensor]:
    """Unit rows, without those that are nothing but rounding; and which ones are left."""
    lengths = torch.linalg.vector_norm(rows, dim=1)
    left = (lengths > unresolved(max(rows.shape))).nonzero().flatten()
    if len(left) < len(lengths):
        scales, rows, lengths = scales[left], rows[left], lengths[left]
    return Graded(scales + lengths.log(), rows / lengths.unsqueeze(1)), left


def _through_windows(g: Graded) -> Tensor | None:
    """Singular values of an upper triangle, a stretch of similar ones at a time; None where it takes more turns."""
    if g.rows.shape[0] != g.rows.shape[1]:  # a row was dead: no triangle yet
        return None
    windows = _windows(g)
    if windows is None:
        return None
    found = torch.empty_like(g.scales)
    sizes: dict[int, list[_Window]] = {}
    for window in windows:
        sizes.setdefault(window.stop - window.start, []).append(window)
    for same in sizes.values():  # many small ones cost no more than one
        blocks = torch.stack([g.rows[w.start : w.stop, w.start : w.stop] for w in same])
        scales = torch.stack([g.scales[w.start : w.stop] - w.high for w in same])
        values = torch.linalg.svdvals(scales.exp().unsqueeze(2) * blocks).log()
        for w, logs in zip(same, values, strict=True):
            found[w.first : w.end] = w.high + logs[w.first - w.start : w.end - w.start]
    return found


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows start … stop − 1, for the singular values of the rows first … end − 1 within."""

    start: int
    first: int
    end: int
    stop: int
    high: float
    """The largest of these rows' scales."""


def _windows(g: Graded) -> list[_Window] | None:
    """Stretches of at most CORE nats, with all that is less than MARGIN away from them.

    None where one of them does not stand apart from what is outside of its window.
    """
    stretches = _stretches(g.scales.tolist())
    first, end = torch.tensor([(first, end) for first, end, _, _ in stretches], device="cpu").unbind(1)
    low, high = g.scales.new_tensor([(low, high) for _, _, low, high in stretches]).unbind(1)
    least_above = g.scales.cummin(0).values
    most_below = g.scales.flip(0).cummax(0).values.flip(0)
    start = torch.minimum(torch.searchsorted(-least_above, -(high + MARGIN), right=True), first)
    stop = torch.maximum(torch.searchsorted(-most_below, -(low - MARGIN)), end)
    if bool((most_below[start] - low > CORE + 2 * MARGIN).any()):
        return None
    place = torch.arange(len(g.scales), device="cpu")
    counts = end - first
    outside = place.unsqueeze(1) < start.repeat_interleave(counts)  # rows above the window of a column
    outside |= place >= stop.repeat_interleave(counts).unsqueeze(1)  # columns beyond the window of a row
    if bool((outside & (g.rows.abs() > COUPLING)).any()):
        return None
    numbers = zip(start.tolist(), first.tolist(), end.tolist(), stop.tolist(), high.tolist(), strict=True)
    return [_Window(*window) for window in numbers]


def _stretches(scales: list[float]) -> list[tuple[int, int, float, float]]:
    """(first, end, lowest, highest) of consecutive rows that are at most CORE nats apart."""
    found = []
    first, low, high = 0, scales[0], scales[0]
    for place, scale in enumerate(scales):
        new_low, new_high = (scale if scale < low else low), (scale if scale > high else high)
        if new_high - new_low > CORE:
            found.append((first, place, low, high))
            first, new_low, new_high = place, scale, scale
        low, high = new_low, new_high
    return [*found, (first, len(scales), low, high)]
