"""How fast training is with everything recorded, side by side in one run with a plain loop in torch.

    python -m benchmarks.training [--quick] [--json FILE]

plain: torch.nn's own layer and a linear read-out, `loss.backward()`, clipping by norm and torch.optim, which keep
nothing but the loss. ours: engine.training on the same batches, with the records of every iteration (norms before and
after clipping, by layer, ‖∂L/∂h_t‖ of every step). Both draw their batch anew every iteration, by the same code, and
take turns. plain ÷ ours is the median of the turns' ratios: our throughput as a share of plain's. The aim is the
LSTM's; torch has no fused GRU and RNN on the CPU. "end to end": `engine.operations.run("train", …)` in chunks of about
50 ms, state in and state out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.report import Row, report
from engine import tasks
from engine.network import Network
from engine.operations import run
from engine.requests import Weights
from engine.spec import (
    AddingTask,
    CellKind,
    ClipSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    TrainingSpec,
)
from engine.training import Learner
from engine.training_requests import Train, Trained

CASES: tuple[tuple[CellKind, int, int, int, float | None], ...] = (
    ("lstm", 100, 32, 128, 0.5),
    ("gru", 100, 32, 128, None),
    ("rnn", 100, 32, 128, None),
    ("lstm", 50, 16, 16, None),
    ("gru", 50, 16, 16, None),
    ("rnn", 50, 16, 16, None),
)
"""Cell, T, B, H, and the aim."""
MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
THREADS = 1


def experiment(cell: CellKind, T: int, B: int, H: int) -> Experiment:
    return Experiment(
        model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=H),)),
        task=AddingTask(steps=T, batch_size=B),
        training=TrainingSpec(
            learning_rate=1e-3, optimizer=OptimizerSpec(kind="adam"), clip=ClipSpec(kind="norm", max_norm=1.0)
        ),
    )


class Plain:
    """What somebody writes in torch."""

    def __init__(self, of: Experiment) -> None:
        self.of, self.iteration = of, 0
        self.recurrent = MODULES[of.layer.cell](2, of.layer.hidden_size)
        self.readout = nn.Linear(of.layer.hidden_size, 1)
        weights = Network(of).weights
        self.recurrent.load_state_dict({name: weights[name] for name in self.recurrent.state_dict()})
        self.readout.load_state_dict({name: weights[f"readout.{name}"] for name in self.readout.state_dict()})
        self.parameters = [*self.recurrent.parameters(), *self.readout.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=of.training.learning_rate)
        self.losses: list[float] = []

    def step(self) -> None:
        of = self.of
        batch = tasks.batch(of.task, of.model, of.seed, self.iteration, torch.float32)
        self.iteration += 1
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.readout(self.recurrent(batch.x)[0][-1]), batch.targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, of.training.clip.max_norm)
        self.optimizer.step()
        self.losses.append(loss.item())


class EndToEnd:
    """Chunks as the window asks for them."""

    def __init__(self, of: Experiment, count: int) -> None:
        self.of, self.count, self.iteration = of, count, 0
        self.state: Weights | None = None

    def step(self) -> None:
        done: Trained = run("train", Train(self.of, self.state, self.iteration, self.count, halt=True))
        self.state, self.iteration = done.weights, done.iteration


def clock(step: Callable[[], object], times: int) -> float:
    """Milliseconds of one."""
    start = time.perf_counter()
    for _ in range(times):
        step()
    return 1e3 * (time.perf_counter() - start) / times


def measure(cell: CellKind, T: int, B: int, H: int, aim: float | None, seconds: float) -> list[Row]:
    of = experiment(cell, T, B, H)
    plain, ours = Plain(of), Learner(of)
    for _ in range(3):
        plain.step()
        ours.learn(halt=True)
    each = max(1, int(50 / clock(lambda: ours.learn(halt=True), 3)))
    chunks = EndToEnd(of, each)
    chunks.step()
    turns: list[tuple[float, float, float]] = []
    end = time.perf_counter() + seconds
    while len(turns) < 3 or time.perf_counter() < end:
        turns.append(
            (clock(plain.step, each), clock(lambda: ours.learn(halt=True), each), clock(chunks.step, 1) / each)
        )
    for mine, theirs in zip(ours.recorder.records(T).losses[:3], plain.losses[:3], strict=True):
        assert abs(mine - theirs) < 1e-4 * abs(theirs), "the same training"
    case = f"{cell.upper()} T={T} B={B} H={H}"
    of_plain, of_ours, of_chunks = (statistics.median(times) for times in zip(*turns, strict=True))
    ratio = statistics.median(p / o for p, o, _ in turns)
    whole = statistics.median(p / c for p, _, c in turns)
    return [
        Row(f"{case}: plain", of_plain, "ms"),
        Row(f"{case}: ours", of_ours, "ms"),
        Row(f"{case}: plain ÷ ours", ratio, "×", aim, "higher"),
        Row(f"{case}: end to end, chunks of {each}", of_chunks, "ms"),
        Row(f"{case}: plain ÷ end to end", whole, "×", aim, "higher"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: under a minute")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, float32, CPU; milliseconds an iteration\n")
    rows: list[Row] = []
    for case in CASES:
        rows += measure(*case, seconds=1.0 if arguments.quick else 8.0)
    report(rows, arguments.json)


if __name__ == "__main__":
    main()
