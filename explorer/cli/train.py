"""`gradflow train`: trains a preset, a task, a session, somebody's own data or an experiment in a TOML file, and saves
the session.

A saved session goes on where it stopped, to the bit, and its records with it. Ctrl+C pauses: what is done is saved.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from engine import session, task_facts
from engine.checks import checked
from engine.errors import DataError, EngineError, SessionError
from engine.figures import figure, percent
from engine.parts import Part
from engine.session import Session, SessionView
from engine.spec import CellKind, DigitsTask, Experiment, OwnTask, SunspotsTask
from engine.task_facts import metric_words
from engine.training_loop import Progress, done_sentence, fit
from engine.training_requests import Judge, Judged
from engine.until import iterations_words
from explorer.cli import fresh
from explorer.cli.compute import compute
from explorer.cli.output import checked_output
from explorer.cli.target import Target, UsageError
from explorer.cli.training_bar import TrainingBar

DIVERGED, PAUSED = 1, 130
BATCHES = 20
"""Of each part of a generated task that are judged at the end."""
ALL = 10_000
"""Of data: as many as one judgement takes."""
SAVE_EVERY = 60.0
"""Seconds of training that a power cut can take."""
LAST = 100
"""Iterations that the loss at the end is the mean of."""


@dataclass(frozen=True)
class Asked:
    """What is asked for instead of what there is; None: as it is."""

    seed: int | None = None
    cell: CellKind | None = None
    """Of a task or data."""
    column: str | None = None
    """Of a table: what is forecast, or answered."""


def train(
    target: Target, iterations: int | None, until: str | None, output: Path | None, asked: Asked = Asked()
) -> int:
    """Up to `iterations` in all, or where `until` says. 0: done; 1: it diverged; 130: it was interrupted. In each case
    what is done is in `output`."""
    output = _output(target, output)
    start, output = _begun(_chosen(target, asked), output)
    if iterations is None and until is None and start.experiment.training.early_stop is None:
        raise UsageError("--iterations is missing: how many in all, 500 say; or --until, as in --until 'loss<0.02'.")
    session.check_room(start.experiment)
    begun = max(start.history, default=0)
    bar = TrainingBar(iterations, task_facts.baseline(start.experiment.task, start.experiment.model))
    at, paused, failed = None, False, None
    keeper = _Keeper(start, output, bar)
    try:
        with _ends_like_ctrl_c():
            for at in fit(start, iterations, until=until):
                bar.show(at)
                if not at.ended:
                    keeper.now_and_then(at)
    except KeyboardInterrupt:  # between two chunks, or inside one, which is then as if it had never begun
        paused = True
    except EngineError as error:
        if at is None:
            raise
        failed = error
    finally:
        bar.end()
    if at is None:
        print("gradflow: Interrupted before an iteration was done; nothing has been written.", file=sys.stderr)
        return PAUSED
    fresh = at.iteration > begun or not output.exists()
    if fresh:
        keeper.save_for_good(at)
    print(_report(at, output, paused or failed is not None, fresh))
    if failed is not None:
        raise failed
    if paused:
        return PAUSED
    for part in ("validation", "test"):
        if (line := _judged(at, part)) is not None:
            print(line)
    if at.ended == "diverged":
        print(f"gradflow: {at.sentence}", file=sys.stderr)
        return DIVERGED
    return 0


# -- from where, and where to -----------------------------------------------------------------------------------------


def _chosen(target: Target, asked: Asked) -> Target:
    """With what was asked for besides. Raises UsageError and DataError."""
    cell, seed = asked.cell, asked.seed
    if asked.column is not None and not target.is_data:
        raise UsageError(f"--target is a column of a table; '{target.title}' has a task of its own.")
    if target.is_data:
        assert target.path is not None
        preset, said = fresh.of_data(target.path, cell or fresh.CELL, asked.column)
        print(f"{said} gradflow {shlex.quote(str(target.path))} shows it, and lets one choose.", file=sys.stderr)
        target = Target(preset=preset, path=target.path)
    elif cell is not None:
        if not target.task:
            raise UsageError(f"--cell is of a task or of data; '{target.title}' has layers of its own.")
        target = replace(target, preset=fresh.of_task(target.task, cell))
    if seed is None:
        return target
    if target.preset is None:
        raise UsageError(f"--seed is of a training that begins; '{target.title}' has begun with a seed of its own.")
    experiment = structs.replace(target.preset.experiment, seed=seed)
    return replace(target, preset=structs.replace(target.preset, experiment=checked(experiment)))


def _begun(target: Target, output: Path) -> tuple[Session, Path]:
    """What is trained on, and the file that it goes to. A file that is there is written over by its own training alone:
    by the session that was read from it, or where the same command is given again. Raises UsageError and SessionError.
    """
    start = _start(target)
    if not output.exists() or (target.path is not None and output.samefile(target.path)):
        return start, output
    name = shlex.quote(str(output))
    try:
        found = session.load(output)
    except SessionError:
        raise UsageError(f"{name} is there and is no saved session; another name after -o is needed.") from None
    if target.session is not None or not _same(found, start):
        raise UsageError(
            f"{name} is there, with another training in it: gradflow train {name} --iterations N goes on with that "
            "one, and another name after -o keeps both."
        )
    done = iterations_words(max(found.history, default=0))
    print(f"{name} holds {done} of this training already; it goes on from there.", file=sys.stderr)
    return found, output


def _same(found: Session, start: Session) -> bool:
    """Whether what is found is what has come, or could come, of the start."""
    return (found.experiment, found.what_if, found.recipes) == (start.experiment, start.what_if, ())


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


# -- while it trains --------------------------------------------------------------------------------------------------


class _Keeper:
    """Saves now and then."""

    def __init__(self, start: Session, output: Path, bar: TrainingBar) -> None:
        self._start, self._output, self._bar = start, output, bar
        self._saved = time.monotonic()

    def now_and_then(self, at: Progress) -> None:
        """A disk that is full for a moment ends no training."""
        if time.monotonic() - self._saved <= SAVE_EVERY:
            return
        try:
            self.save(at)
        except SessionError as error:
            self._bar.end()
            print(f"gradflow: {error} Training goes on, and saving is tried again.", file=sys.stderr)
        self._saved = time.monotonic()

    def save_for_good(self, at: Progress) -> None:
        """Where the file cannot be written any more, in the folder for temporary ones: no training is lost. Raises
        SessionError in both cases."""
        try:
            self.save(at)
        except SessionError as error:
            folder = Path(tempfile.mkdtemp(prefix="gradflow-"))
            instead = folder / self._output.name
            try:
                session.save(session.fitting(at.session(self._start)), instead)
            except SessionError:
                folder.rmdir()
                raise error from None
            raise SessionError(f"{error} What has been trained is in {shlex.quote(str(instead))} instead.") from None

    def save(self, at: Progress) -> None:
        """Raises SessionError."""
        session.save(session.fitting(at.session(self._start)), self._output)


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


# -- what is said of it -----------------------------------------------------------------------------------------------


def _report(at: Progress, output: Path, paused: bool, fresh: bool) -> str:
    """`fresh`: something has been written."""
    lines = [_ending(at, paused)]
    if many := min(LAST, len(at.log)):
        loss = figure(float(at.log.column("losses")[-many:].mean()))
        clipped = float(at.log.column("clipped").mean())
        lines.append(f"training    loss {loss} (mean of the last {many}), {percent(clipped)} of the iterations clipped")
    name = shlex.quote(str(output))
    kept = f"Saved in {name}" if fresh else f"{name} is as it was"
    if at.ended == "diverged":
        lines.append(f"{kept}; it can go on with a smaller learning rate or clipping: gradflow {name} opens it.")
    else:
        lines.append(f"{kept}; gradflow train {name} --iterations N goes on, up to N in all.")
    return "\n".join(lines)


def _ending(at: Progress, paused: bool) -> str:
    if paused:
        return f"Paused after {iterations_words(at.iteration)}."
    if at.ended != "diverged":
        return at.sentence
    if not at.iteration:
        return "No iteration could be done."
    # As they are counted everywhere, so that the one before which it stopped can be found.
    those = "iteration 0" if at.iteration == 1 else f"0 to {at.iteration - 1:,}"
    return f"{done_sentence(at.iteration).removesuffix('.')}: {those}."


def _judged(at: Progress, part: Part) -> str | None:
    """None where nothing is held back for it."""
    experiment: Experiment = at.experiment
    batches = ALL if isinstance(experiment.task, (OwnTask, SunspotsTask, DigitsTask)) else BATCHES
    try:
        found: Judged = compute("judge", Judge(experiment, at.state, part, batches, shown=0, what_if=at.what_if))
    except DataError:
        return None
    nothing = "" if found.baseline is None else f" (baseline {figure(found.baseline)})"
    many = f"{found.sequences:,} sequences"
    if found.there is not None:
        many = f"all {many}" if found.sequences >= found.there else f"{found.sequences:,} of {found.there:,} sequences"
    return f"{part:<11} loss {figure(found.loss)}{nothing}, {metric_words(found.metric, found.value)}, of {many}"
