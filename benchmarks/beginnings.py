"""How well each task is learned by what a new experiment begins with, beside plain descent: loss on held-back sequences
after so many iterations, as a share of what answers cost that have learned nothing.

    python -m benchmarks.beginnings                       # every task, three cells: a quarter of an hour
    python -m benchmarks.beginnings echo parity --iterations 200

One layer of 16 units, each task as it is by itself, seed 0. plain: TrainingSpec(), which is descent with 0.1.
begins: engine.beginning. A share of 1 is an experiment that has learned nothing. Rows are printed as they come.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from msgspec.structs import replace

from engine import beginning
from engine.operations import run
from engine.spec import CellKind, Experiment, TrainingSpec
from engine.training_loop import fit
from engine.training_requests import Judge, Judged
from explorer.cli.fresh import TASKS, of_task

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
BATCHES = 20


def share(experiment: Experiment, iterations: int) -> tuple[float, float]:
    """Of the baseline that is left after the training, and the baseline."""
    *_, last = fit(experiment, iterations, budget=1)
    judged: Judged = run("judge", Judge(experiment, last.state, "validation", BATCHES, shown=0))
    assert judged.baseline is not None
    return judged.loss / judged.baseline, judged.baseline


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="TASK", help=f"one of {', '.join(TASKS)}; none: all")
    parser.add_argument("--iterations", metavar="N", type=int, default=1000, help="of each training (1000)")
    arguments = parser.parse_args(argv)
    for name in arguments.names:
        if name not in TASKS:
            parser.error(f"there is no task '{name}'; there are {', '.join(TASKS)}")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, CPU; validation loss ÷ baseline after {arguments.iterations:,} iterations\n")
    print(f"{'task':<16} {'T':>3}  {'cell':<5} {'baseline':>8} {'plain':>7} {'begins':>7}", flush=True)
    for name in arguments.names or TASKS:
        for cell in CELLS:
            of = replace(of_task(name, cell).experiment, device="cpu")
            plain, nothing = share(replace(of, training=TrainingSpec()), arguments.iterations)
            begins, _ = share(replace(of, training=beginning.TRAINING), arguments.iterations)
            line = f"{name:<16} {of.task.steps:>3}  {cell:<5} {nothing:>8.3f} {plain:>7.3f} {begins:>7.3f}"
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
