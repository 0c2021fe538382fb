"""Which arrays of a trace a set of tracks needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.tracks import LayerKind, parse, wanted


def wanted_keys(tracks: Iterable[str], layers: Mapping[str, LayerKind]) -> tuple[str, ...]:
    """The `Look.keys` for these tracks, each once, in their order; only what the network has.

    The norm curves live on norms, which always come along.
    """
    return wanted([parse(track) for track in tracks], layers)
