"""How evenly frames come: the gaps between the ticks of a timer that wants to paint, and what the window's thread does
between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractEventDispatcher, QEventLoop, QTimer

from benchmarks.report import Row, times

FRAME_MS = 16.0
LATE = 1.5
"""Frame times, after which a frame has been left out."""


@dataclass
class Frames:
    gaps: list[float] = field(default_factory=list)
    """Milliseconds from one tick to the next."""
    turns: list[float] = field(default_factory=list)
    """Processor time of the window's thread in each turn of its event loop, in milliseconds: no frame comes earlier
    than that, however many processors there are, and other programs have no part in it."""

    def __iadd__(self, other: Frames) -> Frames:
        self.gaps += other.gaps
        self.turns += other.turns
        return self

    @property
    def late(self) -> float:
        """The share of frames that come later than they should, in percent."""
        return 100.0 * sum(gap > LATE * FRAME_MS for gap in self.gaps) / max(1, len(self.gaps))


def watch(seconds: float, paint: Callable[[], object] | None = None) -> Frames:
    """Let the event loop run. `paint`: done at every tick."""
    found = Frames()
    timer, loop, dispatcher = QTimer(), QEventLoop(), QAbstractEventDispatcher.instance()
    last = time.perf_counter()
    end, used = last + seconds, time.thread_time()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        found.gaps.append((now - last) * 1e3)
        last = now
        if paint is not None:
            paint()
        if now > end:
            loop.quit()

    def rest() -> None:
        nonlocal used
        now = time.thread_time()
        found.turns.append((now - used) * 1e3)
        used = now

    timer.setInterval(int(FRAME_MS))
    timer.timeout.connect(tick)
    dispatcher.aboutToBlock.connect(rest)
    timer.start()
    loop.exec()
    timer.stop()
    dispatcher.aboutToBlock.disconnect(rest)
    return found


def rows(case: str, frames: Frames, reference: Frames) -> list[Row]:
    """`reference`: the same while nothing is painted but one cached pixmap, with the engine as busy."""
    longest = sorted(frames.turns)[-max(1, len(frames.turns) // 100) :]
    return [
        *times(f"gap between frames {case}", frames.gaps),
        Row(f"frames later than {LATE:g} frame times {case}", frames.late, "%"),
        Row(f"the same, one cached pixmap painted instead, {case}", reference.late, "%"),
        Row(f"longest turn of the window's thread {case}, processor time", longest[-1], "ms", FRAME_MS),
        Row(f"longest but for one in a hundred {case}, processor time", longest[0], "ms", FRAME_MS / 2),
    ]
