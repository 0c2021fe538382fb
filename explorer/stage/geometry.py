"""Where the tracks stand: heights as the user set them, the rest shares what room there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from explorer.stage.tracks.base import MAX_HEIGHT, MIN_HEIGHT, Track

FOOT = 48
"""Below the last track, for the button that adds one."""
STRIP = 26
"""Of a track that is collapsed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A track's strip in the contents: `height` includes the hairline at its foot."""

    track: Track
    top: int
    height: int
    collapsed: bool = False

    @property
    def bottom(self) -> int:
        return self.top + self.height


def arrange(
    tracks: Sequence[Track], heights: Mapping[str, int], room: int, collapsed: Collection[str] = ()
) -> list[Slot]:
    """Slots from the top. Tracks without a height of their own grow into `room` (with the foot), up to a limit."""
    wanted = [
        STRIP if track.key in collapsed else bounded(heights.get(track.key, track.height_hint())) for track in tracks
    ]
    growth = [
        0.0 if track.key in heights or track.key in collapsed else height * (track.stretch() - 1)
        for track, height in zip(tracks, wanted, strict=True)
    ]
    spare = room - FOOT - sum(wanted)
    if spare > 0 and sum(growth) > 0:
        share = min(1.0, spare / sum(growth))
        wanted = [height + int(more * share) for height, more in zip(wanted, growth, strict=True)]
    slots, top = [], 0
    for track, height in zip(tracks, wanted, strict=True):
        slots.append(Slot(track, top, height, track.key in collapsed))
        top += height
    return slots


def place_of_drop(slots: Sequence[Slot], y: int) -> int:
    """Above which slot a track lands that is let go at `y` (of the contents); their number: below the last."""
    return next((n for n, slot in enumerate(slots) if y < slot.top + slot.height / 2), len(slots))


def bounded(height: int) -> int:
    return min(max(MIN_HEIGHT, int(height)), MAX_HEIGHT)
