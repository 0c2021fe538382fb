"""What `engine.record` costs somebody's training step, side by side in one run with the step alone.

    python -m benchmarks.record [--json FILE]

alone: their forward and backward pass. recorded: the same inside `with engine.record(model)`. trace: what asking for
the trace costs afterwards. They take turns; ratios are medians of the turns' ratios.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

import engine
from benchmarks.engine import THREADS, clock
from benchmarks.report import Row, report

SHAPES = ((100, 1, 32), (100, 16, 64), (200, 32, 128))
INPUTS = 16
TURNS = 40


def of_layer(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)[0].pow(2).sum()


def of_cell(model: nn.Module, x: Tensor) -> Tensor:
    state, answers = None, []
    for x_t in x:
        state = model(x_t, state)
        answers.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(answers).pow(2).sum()


def measure(name: str, model: nn.Module, x: Tensor, run: Callable[[nn.Module, Tensor], Tensor]) -> list[Row]:
    def alone() -> None:
        run(model, x).backward()
        model.zero_grad()

    def recorded() -> engine.Recording:
        with engine.record(model) as rec:
            alone()
        return rec

    def trace(rec: engine.Recording) -> None:
        assert rec.trace.weight_grads

    trace(recorded())
    turns: list[tuple[float, float, float]] = []
    for _ in range(TURNS):
        recordings: list[engine.Recording] = []
        by_itself = clock(alone)
        with_it = clock(lambda made=recordings: made.append(recorded()))  # type: ignore[misc]
        turns.append((by_itself, with_it, clock(lambda made=recordings: trace(made[0]))))  # type: ignore[misc]
        if len(turns) % 5 == 0:
            gc.collect()
    return [
        Row(f"{name}: alone, median", statistics.median(a for a, _, _ in turns), "ms"),
        Row(f"{name}: recorded ÷ alone", statistics.median(r / a for a, r, _ in turns), "×"),
        Row(f"{name}: trace afterwards ÷ alone", statistics.median(t / a for a, _, t in turns), "×"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, float32, CPU; {INPUTS} inputs a step\n")
    rows: list[Row] = []
    gc.disable()
    for T, B, H in SHAPES:
        x = torch.randn(T, B, INPUTS)
        for kind in (nn.LSTM, nn.GRU):
            rows += measure(f"{kind.__name__} T={T} B={B} H={H}", kind(INPUTS, H), x, of_layer)
        for of_one in (nn.LSTMCell, nn.GRUCell):
            rows += measure(f"{of_one.__name__} T={T} B={B} H={H}", of_one(INPUTS, H), x, of_cell)
    report(rows, arguments.json)


if __name__ == "__main__":
    main()
