"""A trace that would never fit: LSTM, T = 100,000, B = 8, H = 256, within 2 GiB.

    python -m benchmarks.long [--steps T] [--budget MIB] [--json FILE]

trace: `engine.trace_long`, with everything that it keeps; then a window at its start, in its middle and at its end,
looked at and audited. fused: torch's own forward and backward pass over the same, in windows of 1,000 steps whose
states are handed on and whose gradients are not: a reference for time, for it computes less. The ratio is of processor
times, which others at work on the machine disturb little. Peaks are of the whole process, Python and torch included.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import engine
from benchmarks.report import Row, report

T, B, H, INPUTS = 100_000, 8, 256, 16
WINDOW = 200
REFERENCE = 1000
LIMIT = 2048.0
THREADS = 1


def each_step(y: Tensor, steps: slice | None = None) -> Tensor:
    return y.pow(2).sum((1, 2))


def peak() -> float:
    """MiB of resident memory, at its highest so far."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def fused(model: nn.LSTM, x: Tensor) -> None:
    state = None
    for part in x.split(REFERENCE):
        y, state = model(part, state)
        each_step(y).sum().backward()
        state = tuple(s.detach() for s in state)
    model.zero_grad()


def measure(steps: int, budget: int) -> list[Row]:
    case = f"LSTM T={steps:,} B={B} H={H}"
    torch.manual_seed(0)
    model, x = nn.LSTM(INPUTS, H), torch.randn(steps, B, INPUTS)
    fused(model, x[: 2 * REFERENCE])
    rows = [Row(f"{case}: before", peak(), "MiB")]
    run = engine.long_run(model, x, each_step, budget=budget)
    longest, start, used = 0.0, time.perf_counter(), time.process_time()
    while not run.finished:
        moment = time.perf_counter()
        run.advance()
        longest = max(longest, time.perf_counter() - moment)
        print(f"\r{run.done} of {run.total} stretches, {peak():.0f} MiB", end="", file=sys.stderr)
    print(file=sys.stderr)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    trace = run.trace
    rows += [
        Row(f"{case}: trace", seconds, "s"),
        Row(f"{case}: trace, longest advance", longest, "s"),
        Row(f"{case}: trace, peak", peak(), "MiB", LIMIT),
        Row(f"{case}: longest window", trace.longest_window, ""),
    ]
    for name, first in (("first", 1), ("middle", steps // 2), ("last", steps - WINDOW + 1)):
        start = time.perf_counter()
        window = trace.window(first, first + WINDOW - 1)
        rows.append(Row(f"{case}: {name} window of {WINDOW}", time.perf_counter() - start, "s"))
        start = time.perf_counter()
        audit = window.audit()
        assert audit.passed, audit.worst
        rows.append(Row(f"{case}: {name} window, audit", time.perf_counter() - start, "s"))
    window = trace.window(steps - trace.longest_window + 1, steps)
    assert len(window["l0"].values["f"]) == trace.longest_window
    rows.append(Row(f"{case}: windows and audits, peak", peak(), "MiB", LIMIT))
    start = time.perf_counter()
    row = trace.flow_row()
    rows.append(Row(f"{case}: flow row of the last loss", time.perf_counter() - start, "s"))
    rows.append(Row(f"{case}: steps until that is exactly 0", float(row.gt(0).sum()), ""))
    del window, trace, run
    gc.collect()
    start, reference = time.perf_counter(), time.process_time()
    fused(model, x)
    rows.append(Row(f"{case}: fused", time.perf_counter() - start, "s"))
    rows.append(Row(f"{case}: trace ÷ fused", used / (time.process_time() - reference), "×"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=T, metavar="T", help=f"{T:,} if nothing is said")
    parser.add_argument("--budget", type=int, default=1024, metavar="MIB", help="1024 if nothing is said")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, float32, CPU; {INPUTS} inputs a step\n")
    rows = measure(arguments.steps, arguments.budget * 2**20)
    report([Row("threads", torch.get_num_threads(), "", None, "higher"), *rows], arguments.json)


if __name__ == "__main__":
    main()
