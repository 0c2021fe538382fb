"""Where the tracks stand: heights as the user set them, the rest shares what room there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.stage.tracks.base import MAX_HEIGHT, MIN_HEIGHT, Track

FOOT = 48
"""Below the last track, for the button that adds one."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A track's strip in the contents: `height` includes the hairline at its foot."""

    track: Track
    top: int
    height: int

    @property
    def bottom(self) -> int:
        return self.top + self.height


def arrange(tracks: Sequence[Track], heights: Mapping[str, int], room: int) -> list[Slot]:
    """Slots from the top. Tracks without a height of their own grow into `room` (with the foot), up to a limit."""
    wanted = [_bounded(heights.get(track.key, track.height_hint())) for track in tracks]
    growth = [
        0.0 if track.key in heights else height * (track.stretch() - 1)
        for track, height in zip(tracks, wanted, strict=True)
    ]
    spare = room - FOOT - sum(wanted)
    if spare > 0 and sum(growth) > 0:
        share = min(1.0, spare / sum(growth))
        wanted = [height + int(more * share) for height, more in zip(wanted, growth, strict=True)]
    slots, top = [], 0
    for track, height in zip(tracks, wanted, strict=True):
        slots.append(Slot(track, top, height))
        top += height
    return slots


def _bounded(height: int) -> int:
    return min(max(MIN_HEIGHT, int(height)), MAX_HEIGHT)
