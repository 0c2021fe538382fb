"""How the window moves: first paint, stepping and scrubbing, zoom, resize and a new trace, all while the engine
computes without a pause (one thread, lower priority); a slider held; memory over many steps.

    python -m benchmarks.explorer [--quick] [--training] [--json FILE]

Offscreen unless QT_QPA_PLATFORM says otherwise (xcb under Xvfb). Times of drawing also stand as a ratio to painting one
cached pixmap of the stage's size, measured in turns in the same run: that is what the machine can do at best.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from benchmarks import frames, pauses
from benchmarks.frames import FRAME_MS
from benchmarks.installed import install
from benchmarks.memory import process_sizes
from benchmarks.report import Row, report, times
from benchmarks.waiting import wait_for_picture, wait_until
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, WhatIf
from engine.training_requests import Train
from explorer.app import Explorer, application
from explorer.compute.executor import EngineProcess
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import Settings

FIRST_DRAW_MS = 150.0
"""Of the largest case; the others have a frame."""
CASES = ((50, 16), (200, 64), (1000, 512), (10_000, 64))
"""Steps and units of an LSTM."""
TRAINED = ((100, 32), (1000, 64))
"""Likewise, while training runs."""
SIZE = (1600, 1000)
TRACKS = ("network", "values.f", "values.i", "values.c", "values.h", "grads.c", "grads.h", "norms")


def first_paint(rounds: int) -> list[Row]:
    """From the start of a Python process to the first paint of the stage, of the program as it is installed."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        top = install(Path(folder))
        for _ in range(rounds):
            begun = time.time()
            command = [sys.executable, "-m", "benchmarks.first_paint"]
            run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=top)
            painted, _, torch_there = run.stdout.split()
            if torch_there != "False":
                raise RuntimeError("torch was imported into the process with the window")
            taken.append((float(painted) - begun) * 1e3)
    return times("first paint of a fresh process", taken, 1000.0)


class CachedPixmap(QWidget):
    """The reference: a widget that paints one cached pixmap and nothing else."""

    def __init__(self, picture: QPixmap) -> None:
        super().__init__()
        self._picture = picture
        self.resize(picture.deviceIndependentSize().toSize())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.end()


def opening(steps: int, units: int) -> Opening:
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=units),)),
        task=AddingTask(steps=steps, batch_size=1),
    )
    return Opening(State(tracks=TRACKS, experiment=experiment), View(), title="benchmark")


def painted(app: QApplication) -> None:
    """Everything that is due has been painted when this returns."""
    app.processEvents()


class Busy:
    """Keeps the engine's process at work as long as it is entered."""

    def __init__(self, executor: EngineProcess, experiment: Experiment) -> None:
        self._executor, self._request = executor, Train(experiment, None, 0, 1)
        self._on = False

    def __enter__(self) -> Busy:
        self._on = True
        self._again(None)
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._executor.cancel_running()

    def _again(self, _done: object) -> None:
        from engine.operations import run

        if self._on:
            self._executor.submit(run, "train", self._request).add_done_callback(self._again)


class Turns:
    """Times of something, each beside one of painting a cached pixmap of the stage's size."""

    def __init__(self, app: QApplication, explorer: Explorer) -> None:
        self._app = app
        self._reference = CachedPixmap(explorer.window.stage.grab())
        self._reference.show()
        painted(app)
        self.taken: list[float] = []
        self.best: list[float] = []

    def take(self, act: Callable[[], object]) -> None:
        begun = time.perf_counter()
        act()
        painted(self._app)
        self.taken.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        self._reference.repaint()
        self.best.append((time.perf_counter() - begun) * 1e3)

    def rows(self, case: str, aim: float = FRAME_MS) -> list[Row]:
        self._reference.close()
        self._reference.deleteLater()
        ratio = statistics.median(t / b for t, b in zip(self.taken, self.best, strict=True))
        median = statistics.median(self.best)
        return [
            *times(case, self.taken, aim),
            Row(f"{case}, one cached pixmap beside it, median", median, "ms"),
            Row(f"{case}, ÷ painting one cached pixmap", ratio, "×"),
        ]


def stepping(app: QApplication, explorer: Explorer, name: str, moves: int) -> list[Row]:
    """Steps over both passes, and jumps as a hand makes them that drags the playhead."""
    document = explorer.document
    tape = len(document.tape)
    rng = random.Random(0)
    middle = max(0, tape // 2 - moves // 2)
    walks = {
        "step": [n % tape for n in range(middle, middle + moves)],
        "scrub": [rng.randrange(tape) for _ in range(moves)],
    }
    rows: list[Row] = []
    for kind, positions in walks.items():
        document.look(position=(positions[0] + 1) % tape)
        painted(app)
        turns = Turns(app, explorer)
        for position in positions:
            turns.take(partial(document.look, position=position))
        rows += turns.rows(f"{kind}, {name}")
    return rows


def redrawing(app: QApplication, explorer: Explorer, name: str, rounds: int, aim: float) -> list[Row]:
    """A new trace of that size: another sample of numbers, so that every track classifies and draws anew. Large tracks
    are classified in the thread in which the answer arrives; that is a row of its own."""
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    turns, before = Turns(app, explorer), []
    for n in range(rounds):
        other = replace(excerpt, arrays={key: array * (1 + n % 2) for key, array in excerpt.arrays.items()})
        begun = time.perf_counter()
        explorer.window.stage.ahead.arrived(other)
        before.append((time.perf_counter() - begun) * 1e3)
        turns.take(partial(explorer.controller.excerptChanged.emit, other))
    explorer.controller.excerptChanged.emit(excerpt)
    painted(app)
    median = Row(f"classified before it, in another thread, {name}, median", statistics.median(before), "ms")
    return [*turns.rows(f"first draw of a new trace, {name}", aim), median]


def zooming(app: QApplication, explorer: Explorer, name: str, rounds: int) -> list[Row]:
    stage, rng = explorer.window.stage, random.Random(1)
    turns = Turns(app, explorer)
    for n in range(rounds):
        factor = 1.25 if n % 8 < 4 else 0.8
        turns.take(partial(stage.time_range.zoom_at, rng.uniform(0, stage.canvas.data_width), factor))
    stage.time_range.fit()
    painted(app)
    return turns.rows(f"zoom, {name}")


def resizing(app: QApplication, explorer: Explorer, name: str, rounds: int) -> list[Row]:
    """A window that is being dragged larger and smaller: most of these pictures are made of its last exact one. And
    single changes of its size, each of which is painted exactly."""
    turns, alone = Turns(app, explorer), Turns(app, explorer)
    for n in range(rounds):
        turns.take(partial(explorer.window.resize, SIZE[0] - 7 * (n % 9), SIZE[1] - 5 * (n % 7)))
    for n in range(max(3, rounds // 5)):
        wait_until(explorer.window.live.rested)
        alone.take(partial(explorer.window.resize, SIZE[0] - 7 * (n % 9) - 3, SIZE[1] - 5 * (n % 7) - 3))
    explorer.window.resize(*SIZE)
    painted(app)
    return [*turns.rows(f"resize, {name}"), *alone.rows(f"resize at once, {name}")]


def flat_memory(app: QApplication, explorer: Explorer, name: str, steps: int) -> list[Row]:
    """What so many steps leave behind, after as many to warm up."""
    document = explorer.document
    tape = len(document.tape)
    sizes = []
    for _ in range(2):
        for n in range(steps):
            document.look(position=n % tape)
            painted(app)
        sizes.append(process_sizes()[0])
    return [Row(f"memory that {steps:,} steps leave behind, {name}", (sizes[1] - sizes[0]) / 2**20, "MiB", 4.0)]


def busy_frames(app: QApplication, explorer: Explorer, name: str, seconds: float) -> list[Row]:
    """Gaps between frames of the playing tape."""
    explorer.document.look(position=0)
    explorer.player.set_speed(60.0)
    explorer.player.play()
    gaps = frames.watch(seconds).gaps
    explorer.player.pause()
    return times(f"gap between frames while playing, {name}", gaps)


def training_frames(
    app: QApplication, executor: EngineProcess, explorer: Explorer, name: str, seconds: float
) -> list[Row]:
    """Frames while training runs, the drawer open and the stage following, beside those of a window that shows one
    cached pixmap before and after it, and how soon a pause is one: from asking for it until nothing more comes."""
    seen, pauses = frames.Frames(), list[float]()
    explorer.window.drawer.show_tab("training")
    painted(app)
    reference = _of_one_pixmap(executor, explorer, seconds / 4)
    begun = explorer.book.next
    for _ in range(5):
        explorer.runner.start()
        seen += frames.watch(seconds / 5)
        asked = time.perf_counter()
        explorer.runner.pause()
        wait_until(lambda: not explorer.runner.under_way)
        pauses.append((time.perf_counter() - asked) * 1e3)
        wait_for_picture(explorer)
    done = explorer.book.next - begun
    reference += _of_one_pixmap(executor, explorer, seconds / 4)
    explorer.window.drawer.shut()
    return [
        *frames.rows(f"while training, {name}", seen, reference),
        *times(f"from pause to the last answer, {name}", pauses, 100.0),
        Row(f"iterations a second meanwhile, {name}", done / seconds, "1/s"),
    ]


def _of_one_pixmap(executor: EngineProcess, explorer: Explorer, seconds: float) -> frames.Frames:
    """Of a window that paints one and nothing else, with the engine at work."""
    experiment = explorer.document.experiment
    assert experiment is not None
    pixmap = CachedPixmap(explorer.window.stage.grab())
    pixmap.show()
    with Busy(executor, experiment):
        found = frames.watch(seconds, pixmap.repaint)
    pixmap.close()
    pixmap.deleteLater()
    explorer.runner.advance(1)  # the engine's process may have been started anew
    wait_until(lambda: not explorer.runner.under_way)
    wait_for_picture(explorer)
    return found


def slider(app: QApplication, explorer: Explorer, name: str, moves: int) -> list[Row]:
    """From moving a slider to the repainted window: the engine's trace, the way over, the drawing."""
    taken = []
    loop = QEventLoop()  # waits as the program does; a loop that polls would hold the interpreter back
    explorer.controller.excerptChanged.connect(loop.quit)
    for n in range(moves):
        begun = time.perf_counter()
        explorer.document.drag_what_if(WhatIf(recurrent_scale=1.0 + 0.001 * (n + 1)))
        loop.exec()
        painted(app)
        taken.append((time.perf_counter() - begun) * 1e3)
    explorer.controller.excerptChanged.disconnect(loop.quit)
    explorer.document.edit_what_if(WhatIf())
    return times(f"slider to repainted window, {name}", taken, FRAME_MS)


def main() -> None:
    parser = argparse.ArgumentParser(description="How the window moves.")
    parser.add_argument("--json", metavar="FILE", help="write the rows there as well")
    parser.add_argument("--training", action="store_true", help="nothing but frames while training runs, and pauses")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    few = arguments.quick
    rows = [] if arguments.training else first_paint(3 if few else 15)
    app = application()
    print(f"platform {app.platformName()}, window {SIZE[0]}×{SIZE[1]}, {len(TRACKS)} tracks of an LSTM, engine busy")
    executor = EngineProcess()
    executor.start()
    explorer = Explorer(executor, Settings(theme="dark"))
    explorer.window.resize(*SIZE)
    for steps, units in () if arguments.training else CASES:
        name = f"T={steps} H={units}"
        explorer.show(opening(steps, units))
        wait_for_picture(explorer, audit=steps <= 1000)
        experiment = explorer.document.experiment
        assert experiment is not None
        with Busy(executor, experiment):
            rows += stepping(app, explorer, name, 60 if few else 400)
            rows += redrawing(app, explorer, name, 5 if few else 30, FIRST_DRAW_MS if steps == 10_000 else FRAME_MS)
            rows += zooming(app, explorer, name, 16 if few else 80)
            rows += resizing(app, explorer, name, 9 if few else 63)
            rows += busy_frames(app, explorer, name, 1.0 if few else 4.0)
        if steps == 1000:
            rows += flat_memory(app, explorer, name, 500 if few else 10_000)
    for steps, units in TRAINED:
        explorer.show(opening(steps, units))
        wait_for_picture(explorer)
        rows += training_frames(app, executor, explorer, f"T={steps} H={units}", 2.5 if few else 10.0)
    rows += pauses.rows(explorer, 3 if few else 10)
    if not arguments.training:
        explorer.show(opening(100, 32))
        wait_for_picture(explorer)
        rows += slider(app, explorer, "T=100 H=32 B=1", 30 if few else 200)
    explorer.window.hide()
    explorer.close()
    report(rows, arguments.json)


if __name__ == "__main__":
    main()
