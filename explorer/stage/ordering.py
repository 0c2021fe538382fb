"""In which order a heatmap shows its units: by number, by mean, or so that alike ones stand together.

The order is a function of the trace alone: not of the scale, which is somebody's choice, nor of the tape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine import dtypes
from engine.requests import Array

Order = NDArray[np.intp]

MOST_CLUSTERED = 512
"""Units; above, their first principal component orders them."""
_MOST_STEPS = 512
"""Of a series, for telling units apart: as many evenly spaced steps of a longer one."""


@dataclass(frozen=True, slots=True)
class Ordered:
    units: Order
    """Row by row from the top, the unit that stands there, from 0."""
    words: str
    """How they were ordered; "" by number."""


def ordered(data: Array, kind: str, *, magnitudes: bool, logarithmic: bool, dtype: str) -> Ordered:
    """The units of data (T, H), which holds numbers of `dtype`. magnitudes: only |x| is shown. logarithmic: units are
    alike where the logarithms of |x| are."""
    units = np.arange(data.shape[1])
    if kind == "mean":
        return Ordered(by_mean(data, magnitudes=magnitudes), "by mean |·|" if magnitudes else "by mean")
    if kind == "cluster" and len(units) > 2 and len(data):
        series = features(data, logarithmic=logarithmic, dtype=dtype)
        if len(units) <= MOST_CLUSTERED:
            return Ordered(clustered(series), "clustered")
        return Ordered(by_component(series), "by component")
    return Ordered(units, "")


def by_mean(data: Array, *, magnitudes: bool) -> Order:
    """The largest mean on top; a unit whose mean is no number stands at the foot. Alike ones keep their order."""
    wide = data.astype(np.float64)
    with np.errstate(all="ignore"):
        means = np.mean(np.abs(wide) if magnitudes else wide, axis=0)
    return np.argsort(np.where(np.isnan(means), np.inf, -means), kind="stable")


def features(data: Array, *, logarithmic: bool, dtype: str) -> NDArray[np.float64]:
    """(H, at most 512): each unit's series as it can be compared, every number finite and small.

    On a logarithm a number counts by that of its size, exact zero a decade below the smallest number of the type. What
    is infinite counts as the largest number, and NaN as a decade more.
    """
    if len(data) > _MOST_STEPS:
        data = data[np.linspace(0, len(data) - 1, _MOST_STEPS).round().astype(int)]
    wide = data.T.astype(np.float64)
    top = dtypes.largest(dtype)
    with np.errstate(all="ignore"):
        if logarithmic:
            floor = np.log10(dtypes.smallest(dtype)) - 1
            return np.nan_to_num(np.log10(np.abs(wide)), nan=np.log10(top) + 1, posinf=np.log10(top), neginf=floor)
        finite = np.nan_to_num(wide, nan=0.0, posinf=top, neginf=-top)
        largest = float(np.abs(finite).max(initial=0.0))
        return finite / largest if largest > 0 else finite


def by_component(series: Array) -> Order:
    """By the score on the first principal component, found by power iteration on the smaller side."""
    centred = series - series.mean(axis=0)
    inner = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    vector = np.ones(len(inner)) + np.arange(len(inner)) / len(inner)  # any start that is not an eigenvector's mirror
    for _ in range(200):
        following = inner @ vector
        size = float(np.linalg.norm(following))
        if size == 0:
            break
        following /= size
        if np.allclose(following, vector, rtol=0, atol=1e-9):
            break
        vector = following
    scores = vector if len(centred) <= centred.shape[1] else centred @ vector
    if abs(scores.min()) > abs(scores.max()):  # the sign is free; the unit that stands out most is on top
        scores = -scores
    return np.argsort(-scores, kind="stable")


def clustered(series: Array) -> Order:
    """The leaves of an average-linkage tree (Sokal & Michener 1958) of Euclidean distances.

    At every merge the two branches are turned so that their nearest ends meet. That is not the best of all 2^(n-1)
    orders of the leaves, but takes no time.
    """
    count = len(series)
    between = distances(series)
    branches: dict[int, list[int]] = {unit: [unit] for unit in range(count)}
    for a, b in average_linkage(between):
        one, other = branches.pop(a), branches.pop(b)
        ends = [(1, 0), (1, 1), (0, 0), (0, 1)]  # whether each is turned so that this end of it meets the other
        met = [
            between[one[-1], other[0]],
            between[one[-1], other[-1]],
            between[one[0], other[0]],
            between[one[0], other[-1]],
        ]
        one_last, other_last = ends[int(np.argmin(met))]
        first = one if one_last else one[::-1]
        branches[a] = first + (other[::-1] if other_last else other)
    (leaves,) = branches.values()
    if leaves[0] > leaves[-1]:  # which end is up is free
        leaves = leaves[::-1]
    return np.asarray(leaves)


def distances(series: Array) -> NDArray[np.float64]:
    """(H, H) Euclidean, from one product: to about 1e-8 of the series' size."""
    squares = np.einsum("ij,ij->i", series, series)
    found = squares[:, None] + squares[None, :] - 2 * (series @ series.T)
    return np.asarray(np.sqrt(np.maximum(found, 0.0)))


def average_linkage(between: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The merges (a, b), each after those it is made of: b joins a, which stands for both from then on.

    By chains of nearest neighbours (Murtagh 1983), which give the same tree as the search for the closest pair, since
    the average of distances never lets a merge come nearer to a third. O(n²).
    """
    count = len(between)
    d = between.copy()
    np.fill_diagonal(d, np.inf)
    sizes = np.ones(count)
    alive = np.ones(count, bool)
    merges: list[tuple[int, int]] = []
    chain: list[int] = []
    while len(merges) < count - 1:
        if not chain:
            chain.append(int(np.argmax(alive)))
        last = chain[-1]
        nearest = int(np.argmin(d[last]))
        if len(chain) > 1 and d[last, chain[-2]] <= d[last, nearest]:
            nearest = chain[-2]
        if len(chain) < 2 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        del chain[-2:]
        a, b = sorted((last, nearest))
        merges.append((a, b))
        joined = (sizes[a] * d[a] + sizes[b] * d[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        alive[b] = False
        d[a] = d[:, a] = joined
        d[b] = d[:, b] = np.inf
        d[a, a] = np.inf
    return merges
