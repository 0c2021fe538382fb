"""`gradflow train`: trains a preset, a session or an experiment in a TOML file, and saves the session.

A saved session goes on where it stopped, to the bit, and its records with it. Ctrl+C pauses: what is done is saved.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from engine import session, task_facts
from engine.errors import DataError
from engine.figures import figure
from engine.parts import Part
from engine.session import Session, SessionView
from engine.spec import Experiment
from engine.training_loop import Progress, fit
from engine.training_requests import Judge, Judged
from explorer.cli.compute import compute
from explorer.cli.output import checked_output
from explorer.cli.target import Target, UsageError
from explorer.cli.training_bar import TrainingBar

DIVERGED, PAUSED = 1, 130
BATCHES = 20
"""Of each part that is judged at the end; of data, as many as there are."""
SAVE_EVERY = 60.0
"""Seconds of training that a power cut can take."""
LAST = 100
"""Iterations that the loss at the end is the mean of."""


def train(target: Target, iterations: int | None, until: str | None, output: Path | None) -> int:
    """Up to `iterations` in all, or where `until` says. 0: done; 1: it diverged; 130: it was interrupted. In each case
    what is done is in `output`."""
    start, output = _start(target), _output(target, output)
    begun = max(start.history, default=0)
    bar = TrainingBar(iterations, task_facts.baseline(start.experiment.task, start.experiment.model))
    at, paused = None, False
    saved = time.monotonic()
    try:
        with _ends_like_ctrl_c():
            for at in fit(start, iterations, until=until):
                bar.show(at)
                if not at.ended and time.monotonic() - saved > SAVE_EVERY:
                    _save(at, start, output)
                    saved = time.monotonic()
    except KeyboardInterrupt:  # between two chunks, or inside one, which is then as if it had never begun
        paused = True
    finally:
        bar.end()
    if at is None:
        return PAUSED
    fresh = at.iteration > begun or not output.exists()
    if fresh:
        _save(at, start, output)
    print(_report(at, output, paused, fresh))
    if paused:
        return PAUSED
    for part in ("validation", "test"):
        if (line := _judged(at, part)) is not None:
            print(line)
    if at.ended == "diverged":
        print(f"gradflow: {at.sentence}", file=sys.stderr)
        return DIVERGED
    return 0


def _start(target: Target) -> Session:
    """Raises UsageError."""
    if target.session is not None:
        return target.session
    if target.preset is None:
        raise UsageError(f"'{target.title}' is a recorded trace, which cannot be trained; a session or a preset can.")
    preset = target.preset
    position = target.tape.position(target.tape.parse(preset.view.moment))
    view = SessionView(tracks=preset.view.tracks, position=position)
    return Session(preset.experiment, preset.what_if, view=view, preset=preset.slug, title=preset.title)


def _output(target: Target, output: Path | None) -> Path:
    """Without -o a session is written where it was read. Raises UsageError and SessionError."""
    if output is None:
        if target.session is None or target.path is None:
            raise UsageError("-o/--output is missing; a file that ends in .gflow is needed, to be trained on from.")
        output = target.path
    return checked_output(output, ".gflow")


@contextlib.contextmanager
def _ends_like_ctrl_c() -> Iterator[None]:
    """Whoever ends the program from outside (a batch system at its time limit) pauses it too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _save(at: Progress, start: Session, output: Path) -> None:
    """Raises SessionError."""
    session.save(session.fitting(at.session(start)), output)


def _report(at: Progress, output: Path, paused: bool, fresh: bool) -> str:
    said = f"Paused after iteration {at.iteration:,}." if paused else at.sentence
    if at.ended == "diverged":
        said = f"Iteration {at.iteration:,} was the last one that could be done." if at.iteration else "None was done."
    lines = [said]
    if many := min(LAST, len(at.log)):
        loss = figure(float(at.log.column("losses")[-many:].mean()))
        clipped = float(at.log.column("clipped").mean())
        lines.append(f"training    loss {loss} (mean of the last {many}), {clipped:.0%} of the iterations clipped")
    kept = f"Saved in {output}" if fresh else f"{output} is as it was"
    lines.append(f"{kept}; gradflow train {output} --iterations N goes on.")
    return "\n".join(lines)


def _judged(at: Progress, part: Part) -> str | None:
    """None where nothing is held back for it."""
    experiment: Experiment = at.experiment
    try:
        found: Judged = compute("judge", Judge(experiment, at.state, part, BATCHES, shown=0, what_if=at.what_if))
    except DataError:
        return None
    value = f"{found.value:.1%}" if found.metric == "accuracy" else figure(found.value)
    nothing = "" if found.baseline is None else f" (baseline {figure(found.baseline)})"
    return f"{part:<11} loss {figure(found.loss)}{nothing}, {found.metric} {value}"
