"""The peak memory of a trace, against the arrays that it hands out.

    python -m benchmarks.memory LSTM|GRU|RNN T B H [float32|bfloat16|…]

prints both, in bytes, as JSON. Each measurement needs a process of its own: what the system keeps is the largest that a
process has ever been. Below a megabyte it sees more of Python than of the trace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def measure(cell: str, T: int, B: int, H: int, dtype: str = "float32") -> tuple[int, int]:
    """(peak, handed out), bytes, on one thread."""
    command = [sys.executable, "-m", "benchmarks.memory", cell, *map(str, (T, B, H)), dtype]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=ROOT, env=os.environ | threads, capture_output=True, text=True, check=True)
    peak, handed_out = json.loads(found.stdout)
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


def main() -> None:
    import torch

    from benchmarks.engine import INPUTS, traced
    from engine import fast

    T, B, H = map(int, sys.argv[2:5])
    kind = {"dtype": getattr(torch, sys.argv[5] if len(sys.argv) > 5 else "float32")}
    torch.manual_seed(0)
    model = getattr(torch.nn, sys.argv[1])(INPUTS, H, **kind)
    x = torch.randn(T, B, INPUTS, **kind)
    traced(model, x[:20])  # what is loaded when it is first used
    before, _ = process_sizes()
    trace = traced(model, x)
    _, most = process_sizes()
    layer = trace["l0"]
    # The fast road leaves the gates' gradients until they are asked for; the careful one has made them on its way.
    quick = kind["dtype"] in fast.GROWTH
    at_once = [grad for name, grad in layer.grads.items() if not quick or name in "hcq" or name.startswith("a")]
    arrays = [*layer.values.values(), *at_once, *layer.weight_grads.values()]
    arrays += [layer.x, layer.output_grads, trace.outputs]
    print(json.dumps([most - before, sum(array.nbytes for array in arrays)]))


if __name__ == "__main__":
    main()
