"""`gradflow train`: trains a preset, a task, a session, somebody's own data or an experiment in a TOML file, and saves
the session.

A saved session goes on where it stopped, to the bit, and its records with it. Ctrl+C pauses: what is done is saved.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from msgspec import structs

from engine import container, session, task_facts
from engine.checks import checked
from engine.data.datasets import Missing
from engine.errors import EngineError, SessionError
from engine.figures import figure, percent
from engine.session import Session, SessionView
from engine.spec import CellKind
from engine.training_loop import Progress, Run, done_sentence, fit
from engine.until import Until, iterations_words, until_of
from explorer.cli import fresh
from explorer.cli.compute import compute
from explorer.cli.judging import held_against, judged, judged_line, of_usual
from explorer.cli.output import checked_output
from explorer.cli.target import Target, UsageError
from explorer.cli.training_bar import TrainingBar
from explorer.stamps import stamp_of

DIVERGED, PAUSED = 1, 130
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
    missing: Missing | None = None
    """Of a series: what is done where a number is missing; None: there may be none."""


def train(
    target: Target, iterations: int | None, until: str | None, output: Path | None, asked: Asked = Asked()
) -> int:
    """Up to `iterations` in all, or where `until` says. 0: done; 1: it diverged; 130: it was interrupted. In each case
    what is done is in `output`."""
    output = _output(target, output)
    start, stamp = _begun(_chosen(target, asked), output)
    if iterations is None and until is None and start.experiment.training.early_stop is None:
        raise UsageError("--iterations is missing: how many in all, 500 say; or --until, as in --until 'loss<0.02'.")
    session.check_room(start.experiment)
    bound = until_of(until, start.experiment)
    begun = start.furthest
    bar = TrainingBar(iterations, task_facts.baseline(start.experiment.task, start.experiment.model))
    at, told, paused, failed = None, False, False, None
    keeper = _Keeper(start, output, stamp, bar)
    try:
        with _pausing() as pause:
            for at in fit(start, iterations, until=until, run=_saying_so(_preparing(start, iterations))):
                bar.show(at)
                told = told or _told_of_running_away(at, bar)
                if not at.ended:
                    keeper.now_and_then(at)
                pause.here()
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
    written = at.iteration > begun or not output.exists()
    if written:
        keeper.save_for_good(at)
    print(_report(at, _ending(at, bound, paused or failed is not None), keeper, written))
    if failed is not None:
        raise failed
    if paused:
        return PAUSED
    for part in ("validation", "test"):
        if (found := judged(at, part)) is not None:
            print(judged_line(found))
        if part == "validation" and bound is not None and (said := held_against(bound, at, found, begun)):
            print(said)
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
    if asked.missing is not None and not target.is_data:
        raise UsageError(f"--missing is of a series in a file; '{target.title}' has a task of its own.")
    if target.is_data:
        assert target.path is not None
        print(f"Reading {shlex.quote(str(target.path))}.", file=sys.stderr, flush=True)
        preset, said = fresh.of_data(target.path, cell or fresh.CELL, asked.column, asked.missing)
        print(f"{said} gradflow {shlex.quote(str(target.path))} shows it, and lets one choose.", file=sys.stderr)
        target = Target(preset=preset, path=target.path)
    elif cell is not None:
        slug = "" if target.preset is None else target.preset.slug
        task = target.task or (slug if slug in fresh.TASKS else "")  # sunspots are a preset and a task
        if not task:
            raise UsageError(f"--cell is of a task or of data; '{target.title}' has layers of its own.")
        target = replace(target, preset=fresh.of_task(task, cell))
    if seed is None:
        return target
    if target.preset is None:
        raise UsageError(f"--seed is of a training that begins; '{target.title}' has begun with a seed of its own.")
    experiment = structs.replace(target.preset.experiment, seed=seed)
    return replace(target, preset=structs.replace(target.preset, experiment=checked(experiment)))


def _begun(target: Target, output: Path) -> tuple[Session, str | None]:
    """What is trained on, and the stamp of what was read from the output; None: no file is there. One that is there is
    written over by its own training alone: by the session that was read from it, or where the same command is given
    again. Raises UsageError and SessionError."""
    start = _start(target)
    if not output.exists():
        return start, None
    if target.path is not None and output.samefile(target.path):
        return start, target.stamp
    name = shlex.quote(str(output))
    try:
        stamp = container.probe(output).sha256
        found = session.load(output, stamp)
    except SessionError:
        raise UsageError(f"{name} is there and is no saved session; another name after -o is needed.") from None
    if target.session is not None or not _same(found, start):
        raise UsageError(
            f"{name} is there, with another training in it: gradflow train {name} --iterations N goes on with that "
            "one, and another name after -o keeps both."
        )
    done = iterations_words(found.furthest)
    print(f"{name} holds {done} of this training already; it goes on from there.", file=sys.stderr)
    return found, stamp


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


def _preparing(start: Session, iterations: int | None) -> str:
    """What it is that begins: the first iteration comes after torch has been read, which takes seconds."""
    task, model = start.experiment.task, start.experiment.model
    cells = " and ".join(dict.fromkeys(layer.cell.upper() for layer in model.layers))
    goal = "" if iterations is None else f", up to {iterations_words(iterations)} in all"
    what = f"'{start.title}'" if start.title else "an experiment without a title"
    return f"Preparing {what}: {cells}, sequences of {task.steps:,} steps, {task.batch_size:,} a batch{goal}."


def _saying_so(said: str) -> Run:
    """Computes as engine.operations does, and says so before it does for the first time: all that can be wrong with
    what was asked for has been looked at then."""
    told = False

    def computing(name: Any, request: Any) -> Any:
        nonlocal told
        if not told:
            told = True
            print(said, file=sys.stderr, flush=True)
        return compute(name, request)

    return computing


def _told_of_running_away(at: Progress, bar: TrainingBar) -> bool:
    """Whether the loss has run away, which is then said: it ends nothing, and somebody may want to."""
    away = None if at.ended else at.run_away
    if away is None:
        return False
    bar.end()
    print(f"gradflow: {away.sentence} Training goes on; Ctrl+C pauses it.", file=sys.stderr, flush=True)
    return True


class _Keeper:
    """Saves now and then; never over what somebody else has written meanwhile."""

    def __init__(self, start: Session, output: Path, stamp: str | None, bar: TrainingBar) -> None:
        """`stamp`: of what was read from the output; None: it was not there."""
        self.output = output
        self.left_out = ""
        """What the file has no room for, in a sentence."""
        self._start, self._stamp, self._bar = start, stamp, bar
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
            instead = folder / self.output.name
            try:
                session.save(session.fitting(at.session(self._start)), instead)
            except SessionError:
                folder.rmdir()
                raise error from None
            raise SessionError(f"{error} What has been trained is in {shlex.quote(str(instead))} instead.") from None

    def save(self, at: Progress) -> None:
        """Where the file is another one than was read or written here (a window, or another training, has saved into
        it), in a new one beside it. Raises SessionError."""
        whole, taken = at.session(self._start), None
        found = session.fitting(whole)
        if stamp_of(self.output) not in (self._stamp, None):
            taken, self.output = self.output, _beside(self.output)
        try:
            with _undisturbed():  # what has been written and is not known of would be taken for somebody else's
                self._stamp = session.save(found, self.output)
            self.left_out = session.left_out(whole, found)
        except SessionError:
            self.output = taken or self.output
            raise
        if taken is not None:
            self._bar.end()
            name, instead = shlex.quote(str(taken)), shlex.quote(str(self.output))
            print(
                f"gradflow: Another program has saved into {name} meanwhile: that is left as it is, and this training "
                f"is in {instead}.",
                file=sys.stderr,
            )


def _beside(taken: Path) -> Path:
    """A name next to it that is free: "out-2.gflow"."""
    return next(
        path
        for number in itertools.count(2)
        if not os.path.lexists(path := taken.with_name(f"{taken.stem}-{number}{taken.suffix}"))
    )


class _Pause:
    """Torch ends the process where an interrupt is raised in the midst of it, or of its import: what has not been
    saved would be lost. So the first one waits for the end of the chunk, and only one more does not."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def here(self) -> None:
        """Raises KeyboardInterrupt where one has come."""
        if self._asked:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _pausing() -> Iterator[_Pause]:
    """Ctrl+C pauses; and whoever ends the program from outside, as a batch system at its time limit, pauses it too."""
    pause = _Pause()
    with _handled((signal.SIGINT, signal.SIGTERM), pause.ask):
        yield pause


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """An interrupt comes at the end of it."""
    came: list[int] = []
    with _handled((signal.SIGINT, signal.SIGTERM), lambda number, _frame: came.append(number)):
        yield
    if came:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _handled(signals: tuple[signal.Signals, ...], how: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Signals reach the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, how) for number in signals}
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


# -- what is said of it -----------------------------------------------------------------------------------------------


def _report(at: Progress, ending: str, keeper: _Keeper, fresh: bool) -> str:
    """`ending`: why it has ended; `fresh`: something has been written."""
    lines = [ending]
    if many := min(LAST, len(at.log)):
        loss = figure(float(at.log.column("losses")[-many:].mean()))
        clipped = float(at.log.column("clipped").mean())
        lines.append(f"training    loss {loss} (mean of the last {many}), {percent(clipped)} of the iterations clipped")
    away = None if at.ended == "diverged" else at.run_away
    if away is not None:
        lines.append(away.sentence)
    name = shlex.quote(str(keeper.output))
    kept = f"Saved in {name}" if fresh else f"{name} is as it was"
    if at.ended == "diverged" or away is not None:
        lines.append(f"{kept}; it can go on with a smaller learning rate or clipping: gradflow {name} opens it.")
    else:
        lines.append(f"{kept}; gradflow train {name} --iterations N goes on, up to N in all.")
    if fresh and keeper.left_out:
        lines.append(keeper.left_out)
    return "\n".join(lines)


def _ending(at: Progress, bound: Until | None, paused: bool) -> str:
    if paused:
        return f"Paused after {iterations_words(at.iteration)}."
    if at.ended == "until" and bound is not None:
        return bound.sentence(at.evaluations[-1], of_usual(at))
    if at.ended != "diverged":
        return at.sentence
    if not at.iteration:
        return "No iteration could be done."
    # As they are counted everywhere, so that the one before which it stopped can be found.
    those = "iteration 0" if at.iteration == 1 else f"0 to {at.iteration - 1:,}"
    return f"{done_sentence(at.iteration).removesuffix('.')}: {those}."
