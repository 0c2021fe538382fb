"""What a heatmap knows of its numbers: the order of its rows, the class of each, and how many there are of each.

No Qt is needed for it, so it may be worked out in another thread than the window's: `Ahead` does that for an answer as
it arrives, and of large traces the window then only has to colour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine import dtypes
from engine.requests import Array, Excerpt
from engine.tracks import NETWORK, TrackSpec
from explorer.stage import classes
from explorer.stage.ordering import Ordered, ordered
from explorer.stage.scales import Scale

_NETWORK = TrackSpec(NETWORK)
LEAST = 50_000
"""Numbers of a track: fewer are classified in less time than it takes to hand them over."""


@dataclass(frozen=True, eq=False)
class Classified:
    data: Array
    """As it came: (T, H)."""
    scale: Scale
    masked: int
    """Steps of the sample; what comes after is padding."""
    rows: Array
    """(T, rows): in the order in which they are drawn."""
    order: Ordered
    codes: classes.Codes
    counts: NDArray[np.int64]
    """As `classes.counts` gives them."""
    subnormal: NDArray[np.int64]
    """(T + 1,): how many of the first t steps' numbers are subnormal."""

    @property
    def special(self) -> bool:
        """Whether anything is not a number on the scale."""
        return bool(self.counts[-1].any())

    def is_of(self, data: Array | None, scale: Scale | None, masked: int) -> bool:
        return self.data is data and self.scale == scale and self.masked == masked


def masked_of(track: TrackSpec, excerpt: Excerpt) -> int:
    """Steps that a track has numbers for: of the sample, or of the longest one where it shows a mean."""
    return (excerpt.longest or excerpt.steps) if track.is_mean else excerpt.length


def classified(
    track: TrackSpec, data: Array, scale: Scale, masked: int, dtype: str, order: Ordered | None = None
) -> Classified:
    """`order`: where it is known already; it stays when somebody chooses another scale."""
    if order is None:
        order = _order(track, data[:masked], scale, dtype)
    rows = data if track.unit is None and not order.words else np.take(data, order.units, axis=1)
    codes = codes_of(rows, scale, masked)
    tiny = classes.subnormal(rows, dtypes.smallest_normal(dtype))
    subnormal = np.concatenate(([0], np.cumsum(np.count_nonzero(tiny, axis=1))))
    return Classified(data, scale, masked, rows, order, codes, classes.counts(codes), subnormal)


def codes_of(data: Array, scale: Scale, masked: int) -> classes.Codes:
    """Padding, behind `masked` steps, is undefined."""
    undefined = None
    if masked < len(data):
        undefined = np.zeros(data.shape, bool)
        undefined[masked:] = True
    return classes.classify(data, scale, undefined)


def _order(track: TrackSpec, data: Array, scale: Scale, dtype: str) -> Ordered:
    if track.unit is not None:
        return Ordered(np.asarray([track.unit]), "")
    sizes = scale.kind == "magnitude"
    return ordered(data, track.option("order"), magnitudes=sizes, logarithmic=sizes or bool(scale.linear), dtype=dtype)


class Ahead:
    """Classifies what an answer brings while the picture before it still stands.

    `expect`, `keep` and `see` are told in the window's thread what is shown, on which scale, and what of it is on
    screen; `arrived` may be called in any other. A dictionary is replaced as a whole and never changed, so that no
    thread sees half of one.
    """

    def __init__(self) -> None:
        self._expected: dict[TrackSpec, Scale] = {}
        self._found: dict[TrackSpec, Classified] = {}
        self._rows: dict[TrackSpec, Scale] = {}
        self._codes: dict[TrackSpec, tuple[Array, Scale, int, classes.Codes]] = {}
        self._seen: frozenset[TrackSpec] | None = None

    def expect(self, track: TrackSpec, scale: Scale | None) -> None:
        if scale is not None and self._expected.get(track) != scale:
            self._expected = {**self._expected, track: scale}

    def expect_rows(self, rows: dict[TrackSpec, Scale]) -> None:
        """What the rows of the unrolled network show, which takes nothing but the codes."""
        self._rows = rows

    def keep(self, tracks: Collection[TrackSpec]) -> None:
        """No others are shown any more; what was found of them is let go."""
        self._found = {track: found for track, found in self._found.items() if track in tracks}
        self._expected = {track: scale for track, scale in self._expected.items() if track in tracks}
        if _NETWORK not in tracks:
            self._rows, self._codes = {}, {}

    def see(self, tracks: Collection[TrackSpec]) -> None:
        """These are on screen. Of the others, which are scrolled away, nothing is classified before they are looked at;
        until this is told, every track is taken for one that is seen."""
        self._seen = frozenset(tracks)

    def arrived(self, answer: object) -> None:
        if not isinstance(answer, Excerpt):
            return
        found, seen = {}, self._seen
        for track, scale in self._expected.items():
            if seen is not None and track not in seen:
                continue
            data = answer.shown(track)
            if data is not None and data.size >= LEAST and (track.unit is None or track.unit < data.shape[1]):
                found[track] = classified(track, data, scale, masked_of(track, answer), answer.dtype)
        self._found = found
        codes = {}
        for track, scale in self._rows.items() if seen is None or _NETWORK in seen else ():
            data, masked = answer.shown(track), masked_of(track, answer)
            if data is not None and data.size >= LEAST:
                codes[track] = data, scale, masked, _found_in(found.values(), data, scale, masked)
        self._codes = codes

    def take(self, track: TrackSpec, data: Array, scale: Scale, masked: int) -> Classified | None:
        """What has been found of these very numbers on this scale; None: nothing yet."""
        found = self._found.get(track)
        return found if found is not None and found.is_of(data, scale, masked) else None

    def codes(self, track: TrackSpec, data: Array, scale: Scale, masked: int) -> classes.Codes:
        """Of a row's numbers on this scale; classified now where that has not been done."""
        found = self._codes.get(track)
        if found is not None and found[0] is data and found[1:3] == (scale, masked):
            return found[3]
        return codes_of(data, scale, masked)


def _found_in(found: Iterable[Classified], data: Array, scale: Scale, masked: int) -> classes.Codes:
    """A heatmap may show the very same numbers, in the same order."""
    same = (one.codes for one in found if one.is_of(data, scale, masked) and one.rows is data)
    codes = next(same, None)
    return codes_of(data, scale, masked) if codes is None else codes
