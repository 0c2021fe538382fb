"""How far a training is: one line that changes, where there is a terminal; a plain line now and then, where there is
none."""

from __future__ import annotations

import shutil
import sys
import time

from engine.figures import duration, figure
from engine.task_facts import metric_words
from engine.training_loop import Progress

AGAIN = 0.1
"""Seconds between two pictures of the bar."""
LINES = 10
"""Plain lines for all iterations; without an end, one each AT_LEAST seconds."""
AT_LEAST = 5.0


class TrainingBar:
    """On stderr."""

    def __init__(self, goal: int | None, baseline: float | None) -> None:
        """`goal`: iterations in all; None: nobody knows. `baseline`: the loss of answers that have learned nothing."""
        self._goal, self._baseline = goal, baseline
        self._terminal = sys.stderr.isatty()
        self._last, self._tenth = 0.0, 0
        self._on = False
        self._since: tuple[float, int] | None = None
        """When the first chunk was over, which took longer than others will, and the iteration then."""

    def show(self, at: Progress) -> None:
        if at.records is None or not len(at.records):
            return
        now = time.monotonic()
        self._since = self._since or (now, at.iteration)
        if self._terminal:
            if now - self._last >= AGAIN or at.ended:
                self._last, self._on = now, True
                line = f"{self._bar(at)}{_within(self._words(at, now), self._width(at))}"
                print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif self._due(at, now):
            self._last = now
            print(", ".join(self._words(at, now)), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Takes the changing line away."""
        if self._on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _due(self, at: Progress, now: float) -> bool:
        if self._goal is None:
            return now - self._last >= AT_LEAST or bool(at.ended)
        tenth = at.iteration * LINES // max(1, self._goal)
        due, self._tenth = tenth > self._tenth, max(tenth, self._tenth)
        return due or bool(at.ended)

    def _bar(self, at: Progress) -> str:
        if not self._goal:
            return ""
        done = min(20, 20 * at.iteration // self._goal)
        return f"[{'#' * done}{'.' * (20 - done)}] "

    def _width(self, at: Progress) -> int:
        """What the bar leaves of the terminal's line."""
        return max(20, shutil.get_terminal_size().columns - 1 - len(self._bar(at)))

    def _words(self, at: Progress, now: float) -> list[str]:
        """The most important ones first."""
        records = at.records
        assert records is not None
        of = "" if self._goal is None else f"/{self._goal:,}"
        loss = f"loss {figure(float(records.losses[-1]))}"
        if self._baseline is not None:
            loss += f" (baseline {figure(self._baseline)})"
        words = [f"iteration {at.iteration:,}{of}"]
        began, first = self._since or (now, at.iteration)
        if self._goal is not None and first < at.iteration < self._goal and not at.ended:
            words.append(f"{duration((self._goal - at.iteration) * (now - began) / (at.iteration - first))} left")
        words.append(loss)
        if at.evaluations:
            newest = at.evaluations[-1]
            # Of an earlier iteration it is said which: it is no evaluation of the one that the line begins with.
            when = "" if newest.iteration == at.iteration else f" at {newest.iteration:,}"
            words += [f"validation {figure(newest.loss)}{when}", f"{metric_words(newest.metric, newest.value)}{when}"]
        words.append(f"{duration(float(records.seconds.mean()))} each")
        return words


def _within(words: list[str], width: int) -> str:
    """As many of them as fit."""
    while len(words) > 1 and len(", ".join(words)) > width:
        words = words[:-1]
    return ", ".join(words)[:width]
