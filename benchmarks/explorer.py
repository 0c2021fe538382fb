"""How the window moves: first paint, stepping and scrubbing, frames while the engine is busy, a slider held.

    python -m benchmarks.explorer [--quick] [--json FILE]

Offscreen unless QT_QPA_PLATFORM says otherwise. Times of drawing also stand as a ratio to painting one cached pixmap of
the stage's size, measured in turns in the same run: that is what the machine can do at best.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from benchmarks.report import Row, report, times
from engine.requests import Train
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, WhatIf
from explorer.app import Explorer, application
from explorer.compute.executor import EngineProcess
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.settings import Settings

FRAME_MS = 16.0
SIZE = (1600, 1000)
TRACKS = ("network", "values.f", "values.i", "values.c", "values.h", "grads.c", "grads.h", "norms")


def first_paint(rounds: int) -> list[Row]:
    """From the start of a Python process to the first paint of the stage."""
    taken = []
    for _ in range(rounds):
        begun = time.time()
        command = [sys.executable, "-m", "benchmarks.first_paint"]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
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


def wait_for_picture(explorer: Explorer, *, audit: bool = True) -> None:
    loop = QEventLoop()
    timer = QTimer()
    timer.setInterval(2)

    def look() -> None:
        there = explorer.controller.settled if audit else explorer.controller.excerpt is not None
        if there:
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()


def painted(app: QApplication) -> None:
    """Everything that is due has been painted when this returns."""
    app.processEvents()


def stepping(app: QApplication, explorer: Explorer, name: str, moves: int) -> list[Row]:
    """Steps over both passes, and jumps as a hand makes them that drags the playhead."""
    document = explorer.document
    tape = len(document.tape)
    stage = explorer.window.stage
    reference = CachedPixmap(stage.grab())
    reference.show()
    painted(app)
    rng = random.Random(0)
    walks = {
        "step": [n % tape for n in range(max(0, tape // 2 - moves // 2), tape // 2 - moves // 2 + moves)],
        "scrub": [rng.randrange(tape) for _ in range(moves)],
    }
    rows: list[Row] = []
    for kind, positions in walks.items():
        document.look(position=(positions[0] + 1) % tape)
        painted(app)
        taken, best = [], []
        for position in positions:
            begun = time.perf_counter()
            document.look(position=position)
            painted(app)
            taken.append((time.perf_counter() - begun) * 1e3)
            begun = time.perf_counter()
            reference.repaint()
            best.append((time.perf_counter() - begun) * 1e3)
        rows += times(f"{kind}, {name}", taken, FRAME_MS)
        ratio = statistics.median(t / b for t, b in zip(taken, best, strict=True))
        rows.append(Row(f"{kind}, {name}, ÷ painting one cached pixmap", ratio, "×"))
    rows += times(f"one cached pixmap of the stage's size, {name}", best)
    reference.close()
    reference.deleteLater()
    return rows


def redrawing(app: QApplication, explorer: Explorer, name: str, rounds: int) -> list[Row]:
    """The same trace handed out again: every track builds its picture anew."""
    excerpt = explorer.controller.excerpt
    reference = CachedPixmap(explorer.window.stage.grab())
    reference.show()
    painted(app)
    taken, best = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        explorer.controller.excerptChanged.emit(excerpt)
        painted(app)
        taken.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        reference.repaint()
        best.append((time.perf_counter() - begun) * 1e3)
    reference.close()
    reference.deleteLater()
    ratio = statistics.median(t / b for t, b in zip(taken, best, strict=True))
    case = f"a new trace on screen, {name}"
    return [*times(case, taken), Row(f"{case}, ÷ painting one cached pixmap", ratio, "×")]


def busy_frames(app: QApplication, explorer: Explorer, executor: EngineProcess, name: str, seconds: float) -> list[Row]:
    """Gaps between frames of the playing tape while the engine trains without a pause."""
    from engine.operations import run

    experiment = explorer.document.experiment
    assert experiment is not None
    pending = [executor.submit(run, "train", Train(experiment, None, 0, 1))]
    gaps: list[float] = []
    last = time.perf_counter()
    end = last + seconds
    explorer.document.look(position=0)
    explorer.player.set_speed(60.0)
    explorer.player.play()
    timer = QTimer()
    timer.setInterval(0)
    loop = QEventLoop()

    def frame() -> None:
        nonlocal last
        now = time.perf_counter()
        gaps.append((now - last) * 1e3)
        last = now
        if pending[-1].done():
            pending.append(executor.submit(run, "train", Train(experiment, None, 0, 1)))
        if now > end:
            loop.quit()

    timer.setInterval(int(FRAME_MS))
    timer.timeout.connect(frame)
    timer.start()
    loop.exec()
    timer.stop()
    explorer.player.pause()
    executor.cancel_running()
    return times(f"gap between frames while the engine is busy, {name}", gaps)


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
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    few = arguments.quick
    rows = first_paint(3 if few else 15)
    app = application()
    print(f"platform {app.platformName()}, window {SIZE[0]}×{SIZE[1]}, {len(TRACKS)} tracks of an LSTM")
    executor = EngineProcess()
    executor.start()
    explorer = Explorer(executor, Settings(theme="dark"))
    explorer.window.resize(*SIZE)
    for steps, units in ((50, 16), (1000, 512)):
        name = f"T={steps} H={units}"
        explorer.show(opening(steps, units))
        wait_for_picture(explorer)
        rows += stepping(app, explorer, name, 60 if few else 400)
        rows += redrawing(app, explorer, name, 5 if few else 30)
        rows += busy_frames(app, explorer, executor, name, 1.0 if few else 4.0)
    explorer.show(opening(100, 32))
    wait_for_picture(explorer)
    rows += slider(app, explorer, "T=100 H=32 B=1", 30 if few else 200)
    explorer.window.hide()
    explorer.close()
    report(rows, arguments.json)


if __name__ == "__main__":
    main()
