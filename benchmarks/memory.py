"""The peak memory of a trace, against the arrays that it hands out.

    python -m benchmarks.memory                                   all cases, as a table
    python -m benchmarks.memory LSTM|GRU|RNN T B H [float32|…]    a single layer
    python -m benchmarks.memory STACK LSTM|GRU|RNN T B H          two bidirectional layers, as STACKS names them
    python -m benchmarks.memory -                                 such cases, as JSON, a line each, from the input

With a case it prints both, in bytes, as JSON. Each measurement needs a process of its own: what the system keeps is the
largest that a process has ever been. Several (`Measuring`) are made in copies of one that has loaded torch and has
computed nothing: a copy's largest size begins at what it is when it is made. Below a megabyte it sees more of Python
than of the trace, and what the allocator keeps counts too: packed and with dropout, an RNN with H 64 (arrays of 2 MiB)
comes to 1.9 to 2.1, with H 128 to 1.7; a single LSTM or GRU over T 1,000 with B 1 and H 64 (4 MiB) to 2.0 to 2.2. Of
those torch itself holds 1.5 to 1.6 at the peak, and where freed arrays go back to the system at once
(MALLOC_MMAP_THRESHOLD_=65536) the process has 1.6 to 1.7.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import engine

ROOT = Path(__file__).parents[1]

STACKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {"residual": True, "at": "mean"},
    "layer norm": {"layer_norm": True},
    "dropout": {"dropout": 0.2},
    "recurrent dropout": {"recurrent": 0.2, "at": "last"},
    "batch norm": {"batch_norm": True},
    "batch norm, dropout, attention": {"batch_norm": True, "dropout": 0.2, "at": "attention"},
    "lengths": {"shortest": 0.5, "dropout": 0.2},
    "own loss": {"own": True},
    "own loss, batch norm": {"own": True, "batch_norm": True},
    "module": {},
    "module, packed, dropout": {"packed": True, "dropout": 0.2},
}
"""Networks with their task's own loss unless it says "own loss", read at every step unless `at` says otherwise; and
torch's modules with a loss of the caller's."""


class Measuring:
    """A process that has loaded torch, of which each measurement is a copy. To be entered."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.memory", "-"]
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def layer(self, cell: str, T: int, B: int, H: int, dtype: str = "float32") -> tuple[int, int]:
        """(peak, handed out), bytes, on one thread. Raises RuntimeError where it could not be measured."""
        return self._measured(cell, *map(str, (T, B, H)), dtype)

    def stack(self, stack: str, cell: str, T: int, B: int, H: int) -> tuple[int, int]:
        """The same of one of STACKS."""
        return self._measured(stack, cell, *map(str, (T, B, H)))

    def _measured(self, *case: str) -> tuple[int, int]:
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        print(json.dumps(case), file=asked, flush=True)
        line = answers.readline()
        if not line:
            raise RuntimeError(f"The memory of {' '.join(case)} was not measured; its process says why.")
        peak, handed_out = json.loads(line)
        return peak, handed_out


def process_sizes() -> tuple[int, int]:
    """This process's memory now, and the most that it has been; bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) * 1024, int(lines["VmHWM"].split()[0]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes there
    return most, most


def handed_out(trace: engine.Trace) -> int:
    """Bytes of every array that a trace has made and that can be read off it; one that is a part of another once. The
    fast road leaves the gates' gradients until they are asked for; the careful one has made them on its way."""
    from engine import fast

    found: dict[int, int] = {}
    for layer in trace.layers.values():
        quick = layer.x.dtype in fast.GROWTH and layer.recurrence.plain
        at_once = [g for name, g in layer.grads.items() if not quick or name in "hcq" or name.startswith("a")]
        ends = [*layer.initial.values(), *layer.initial_grads.values(), *layer.final_grads.values()]
        weights = [*layer.weights.values(), *layer.weight_grads.values()]
        drop = [] if layer.drop is None else [layer.drop]
        for array in (layer.x, layer.output_grads, *layer.values.values(), *at_once, *ends, *weights, *drop):
            found[array.untyped_storage().data_ptr()] = array.untyped_storage().nbytes()
    for array in (trace.outputs, *(() if trace.past_grad is None else (trace.past_grad,))):
        found[array.untyped_storage().data_ptr()] = array.untyped_storage().nbytes()
    return sum(found.values())


def _network(cell: str, H: int, batch: int, of: dict[str, Any]) -> Callable[[int], engine.Trace]:
    import torch

    import engine

    def layer(depth: int) -> engine.LayerSpec:
        drop = of.get("recurrent")
        return engine.LayerSpec(
            cell=cell,  # type: ignore[arg-type]
            hidden_size=H,
            bidirectional=True,
            layer_norm=of.get("layer_norm", False),
            batch_norm=of.get("batch_norm", False),
            dropout=of.get("dropout", 0.0),
            residual=of.get("residual", False) and depth > 0,
            recurrent_dropout=None if drop is None else engine.RecurrentDropoutSpec(p=drop, mask="step"),
        )

    def traced(T: int) -> engine.Trace:
        shortest = None if "shortest" not in of else max(2, int(of["shortest"] * T))
        task = engine.AddingTask(steps=T, batch_size=batch, shortest=shortest)
        readout = engine.ReadoutSpec(at=of.get("at", "every"))
        model = engine.ModelSpec(layers=(layer(0), layer(1)), readout=readout)
        network = engine.Network(engine.Experiment(model=model, task=task, device="cpu"))
        if not of.get("own"):
            return network.trace()
        return network.trace(torch.randn(T, batch, 2), lambda y: y.pow(2).sum((1, 2)))

    return traced


def _module(cell: str, H: int, batch: int, of: dict[str, Any]) -> Callable[[int], engine.Trace]:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    import engine

    model = getattr(torch.nn, cell.upper())(16, H, 2, bidirectional=True, dropout=of.get("dropout", 0.0))

    def traced(T: int) -> engine.Trace:
        x: Any = torch.randn(T, batch, 16)
        if of.get("packed"):
            lengths = torch.linspace(T / 2, T, batch).long()
            x = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)))

    return traced


def _layer(cell: str, H: int, batch: int, dtype: str) -> Callable[[int], engine.Trace]:
    import torch

    from benchmarks.engine import INPUTS, traced

    kind = {"dtype": getattr(torch, dtype)}
    model = getattr(torch.nn, cell)(INPUTS, H, **kind)
    return lambda T: traced(model, torch.randn(T, batch, INPUTS, **kind))


def table() -> None:
    print(f"{'two bidirectional layers, T 1,000, B 8, H 128':48s} {'handed out':>10s} {'peak':>9s} ratio")
    with Measuring() as measuring:
        for stack, cell in itertools.product(STACKS, ("RNN", "GRU", "LSTM")):
            peak, out = measuring.stack(stack, cell, 1000, 8, 128)
            print(
                f"{f'{cell}, {stack}':48s} {out / 2**20:6.0f} MiB {peak / 2**20:5.0f} MiB {peak / out:5.2f}", flush=True
            )


def _measure_copies() -> None:
    """Each case of the input in a copy of this process, which waits for it; ends at the first one that fails."""
    import benchmarks.engine  # noqa: F401  what any of them needs is loaded once

    for line in sys.stdin:
        copy = os.fork()
        if copy == 0:
            try:
                _measure(*json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)  # without the farewells that are the first process's
        if os.waitpid(copy, 0)[1] != 0:
            sys.exit(1)


def _measure(*case: str) -> None:
    import torch

    torch.manual_seed(0)
    if case[0] in STACKS:
        cell, (T, B, H), of = case[1], map(int, case[2:5]), STACKS[case[0]]
        made = (_module if case[0].startswith("module") else _network)(cell.lower(), H, B, of)
    else:
        T, B, H = map(int, case[1:4])
        made = _layer(case[0], H, B, case[4] if len(case) > 4 else "float32")
    small = made(20)  # what is loaded when it is first used
    for one in small.layers.values():
        dict(one.weight_grads)
    before, _ = process_sizes()
    trace = made(T)
    out = handed_out(trace)
    _, most = process_sizes()
    print(json.dumps([most - before, out]), flush=True)


def main() -> None:
    if len(sys.argv) == 1:
        table()
    elif sys.argv[1:] == ["-"]:
        _measure_copies()
    else:
        _measure(*sys.argv[1:])


if __name__ == "__main__":
    main()
