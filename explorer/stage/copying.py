"""What is copied from the stage, as text to paste: a line a value, with tabs between what it is and how large it is."""

from __future__ import annotations

from collections.abc import Sequence

from engine.requests import Excerpt
from engine.tracks import TrackSpec
from explorer.stage.marked import plain
from explorer.stage.tracks import words
from explorer.stage.tracks.base import Taken


def line(taken: Taken, track: TrackSpec, e: Excerpt) -> str:
    """Symbol, layer, t, unit, sample, value. What a value does not have is left empty, so that columns stay columns."""
    name = taken.layer or (e.of(track.layer).name if track.is_quantity else track.layer)
    layer = words.layer(e.layers[name]) if name in e.layers else ""
    sample = taken.sample or _sample(track, e)
    return "\t".join((plain(taken.symbol), layer, f"t = {taken.step}", taken.unit, sample, taken.value))


def _sample(track: TrackSpec, e: Excerpt) -> str:
    if track.is_mean:
        return f"mean of {e.batch_size:,} samples"
    return f"sample {e.sample + 1} of {e.batch_size}" if e.batch_size > 1 else "one sample"


def text(found: Sequence[Taken], track: TrackSpec, e: Excerpt) -> str:
    return "\n".join(line(one, track, e) for one in found)


def said(found: Sequence[Taken]) -> str:
    """What went to the clipboard, in words: "Copied: ∂L/∂h = 3.2e-9 at t = 13, and 2 more"."""
    first = found[0]
    unit = f", {first.unit}" if first.unit else ""
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"Copied: {plain(first.symbol)} = {first.value} at t = {first.step}{unit}{more}."
