"""The next picture of the tracks, drawn a piece at a time while the one before it still stands.

To draw eight tracks anew takes as long as a frame or two. While training runs new traces come by themselves, some of
them a second: each is drawn into a second set of tracks, a track at a time, so that frames come between. When it is to
be shown the two sets change places, and what is on screen is always of one trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.requests import Excerpt
from explorer.stage import strip
from explorer.stage.tracks.base import Track, as_over_training

if TYPE_CHECKING:
    from explorer.stage.stage import Stage


class DrawnAhead:
    """Of a stage. What is drawn here is never shown but by `take`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._excerpt: Excerpt | None = None
        self._ready: dict[str, Track] = {}
        self._spare: dict[str, Track] = {}
        """Tracks that were on screen before: their pictures' memory is used again."""

    def pieces(self, excerpt: Excerpt) -> Iterator[None]:
        """Tell every track of this trace and draw what is on screen, a track between one step of the iteration and the
        next."""
        self._excerpt, self._ready = excerpt, {}
        canvas = self._stage.canvas
        seen = {slot.track.key for slot in canvas.on_screen if strip.is_painted(slot)}
        for slot in tuple(canvas.slots):
            key = slot.track.key
            if as_over_training(slot.track) is not None:  # the trace is the least of what it shows
                continue
            track = self._spare.pop(key, None) or self._stage.another(key)
            track.set_excerpt(excerpt, self._stage.book)
            if key in seen and canvas.view is not None:  # where the view is another by then, it is drawn once more
                track.prepare(canvas.view, round((slot.height - 1) * canvas.view.ratio))
            self._ready[key] = track
            yield
            if self._excerpt is not excerpt:
                return

    def take(self, excerpt: Excerpt) -> dict[str, Track]:
        """The tracks that are drawn for this trace, by key; {} for another one."""
        ready = self._ready if excerpt is self._excerpt else {}
        self._excerpt, self._ready = None, {}
        if not ready:
            self._spare = {}
        return ready

    def keep(self, tracks: dict[str, Track]) -> None:
        """These have given way: the picture after this one is drawn into them."""
        self._spare.update(tracks)

    def forget(self) -> None:
        """Scales, colours or tracks are others: what was drawn is not what would be drawn now."""
        self._excerpt, self._ready, self._spare = None, {}, {}
