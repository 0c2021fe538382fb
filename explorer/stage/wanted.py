"""Which arrays of a trace a set of tracks needs."""

from __future__ import annotations

from collections.abc import Iterable

from engine.quantities import keys
from engine.spec import CellKind

NETWORK, NORMS = "network", "norms"


def wanted_keys(tracks: Iterable[str], cell: CellKind | None = None) -> tuple[str, ...]:
    """The `Look.keys` for these tracks, each once, in their order; of a known cell only what it has.

    The network shows h; the norm curves live on `Excerpt.norms`, which always come along.
    """
    wanted: list[str] = []
    for track in tracks:
        key = "values.h" if track == NETWORK else track
        if key.startswith(("values.", "grads.")) and key not in wanted and (cell is None or key in keys(cell)):
            wanted.append(key)
    return tuple(wanted)
