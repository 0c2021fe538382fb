"""How fast a trace is, side by side in one run with what it is measured against.

    python -m benchmarks.engine [--quick] [--device cuda] [--json FILE]

fused: torch's own forward and backward pass, which records nothing (the limit).
loop: a Python loop over the cell's equations with retain_grad() on every gate and state (what a user writes today).
trace: `engine.trace`, with values, the gradients of states and pre-activations, and the parameters' gradients.

The three take turns, so that a noisy moment of the machine hits all of them. trace ÷ fused is the median of the turns'
ratios; the loop has a turn only now and then, and loop ÷ trace is a quotient of medians.

Weights are as torch draws them, with which gradients stay within the growth that the fast road allows itself (1e3,
engine.fast.GROWTH). Where they explode it steps aside for the one in autograd's own order, which is slower: the rows
"exploding" have larger recurrent weights, and no aim. `--quick` takes the large cases for the LSTM alone.

Layers that torch has no kernel for (layer norm, recurrent dropout, held gates, …) have rows of their own
(benchmarks.steps), which are about GPUs: `--device cuda` fills in what capturing their steps is worth. The aims are the
CPU's.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import engine
from benchmarks import flow, memory, steps
from benchmarks.report import Row, report, times
from engine.device import resolve


@dataclass(frozen=True)
class Case:
    cell: type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]
    T: int
    B: int
    H: int
    to_fused: float | None
    """Aim of trace ÷ fused."""
    to_loop: float | None = None
    """Aim of loop ÷ trace."""
    scale: float = 1.0
    """Of the recurrent weights, against those that torch draws. Above 1 gradients grow beyond 1e3."""

    @property
    def large(self) -> bool:
        return self.T * self.B * self.H > 2**19

    def __str__(self) -> str:
        name = f"{self.cell.__name__} T={self.T} B={self.B} H={self.H}"
        return f"{name} exploding" if self.scale > 1 else name


SHAPES = ((100, 1, 32), (1000, 1, 64), (200, 32, 128), (1000, 8, 256))
LSTM_AIMS = ((2.5, 6.0), (3.0, 10.0), (1.5, 1.8), (1.5, 2.5))
CASES = [Case(nn.LSTM, *shape, *aims) for shape, aims in zip(SHAPES, LSTM_AIMS, strict=True)]
CASES += [Case(cell, *shape, 1.0) for cell in (nn.GRU, nn.RNN) for shape in SHAPES]
SCALES = ((nn.LSTM, 6.0), (nn.GRU, 6.0), (nn.RNN, 3.0))
EXPLODING = [Case(cell, 200, 4, 64, None, scale=scale) for cell, scale in SCALES]
INPUTS = 16
THREADS = 1
MEMORY_CASES = SHAPES[1:]
"""Of the LSTM; the smallest case is below what can be measured."""


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def fused(model: nn.RNNBase, x: Tensor) -> None:
    each_step(model(x)[0]).sum().backward()
    model.zero_grad()


def traced(model: nn.RNNBase, x: Tensor) -> engine.Trace:
    trace = engine.trace(model, x, loss=each_step)
    assert trace["l0"].weight_grads
    return trace


def loop(model: nn.RNNBase, x: Tensor) -> None:
    w_ih, w_hh, b_ih, b_hh = model.parameters()
    h = c = x.new_zeros(x.shape[1], model.hidden_size)
    kept, states = [], []
    for x_t in x:
        x_side, h_side = nn.functional.linear(x_t, w_ih, b_ih), nn.functional.linear(h, w_hh, b_hh)
        if isinstance(model, nn.LSTM):
            a = (x_side + h_side).chunk(4, 1)
            i, f, g, o = a[0].sigmoid(), a[1].sigmoid(), a[2].tanh(), a[3].sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            made = (*a, i, f, g, o, c, h)
        elif isinstance(model, nn.GRU):
            (x_r, x_z, x_n), (h_r, h_z, q) = x_side.chunk(3, 1), h_side.chunk(3, 1)
            a_r, a_z = x_r + h_r, x_z + h_z
            r, z = a_r.sigmoid(), a_z.sigmoid()
            a_n = x_n + r * q
            n = a_n.tanh()
            h = (1 - z) * n + z * h
            made = (a_r, a_z, a_n, q, r, z, n, h)
        else:
            a_h = x_side + h_side
            h = a_h.tanh()
            made = (a_h, h)
        for tensor in made:
            tensor.retain_grad()
        kept.append(made)
        states.append(h)
    each_step(torch.stack(states)).sum().backward()
    model.zero_grad()


CPU = torch.device("cpu")


def clock(run: Callable[[], object], device: torch.device = CPU) -> float:
    return steps.clock(run, device)


def measure(case: Case, seconds: float, least: int = 5, device: torch.device = CPU) -> list[Row]:
    """`least`: turns, however long they take."""
    torch.manual_seed(0)
    model = case.cell(INPUTS, case.H).to(device)
    with torch.no_grad():
        model.weight_hh_l0.mul_(case.scale)
    x = torch.randn(case.T, case.B, INPUTS).to(device)
    fused_ms: list[float] = []
    trace_ms: list[float] = []
    loop_ms: list[float] = []
    for run in (fused, traced, loop):
        run(model, x)
    gc.collect()
    gc.disable()
    end = time.perf_counter() + seconds
    while len(trace_ms) < least or (time.perf_counter() < end and len(trace_ms) < 300):
        fused_ms.append(clock(lambda: fused(model, x), device))
        trace_ms.append(clock(lambda: traced(model, x), device))
        if len(loop_ms) < least - 2 or len(trace_ms) % 5 == 0:
            loop_ms.append(clock(lambda: loop(model, x), device))
            gc.collect()
    trace, gate = traced(model, x), "f" if case.cell is nn.LSTM else "h"
    share_ms = [clock(lambda: trace["l0"].weight_grad_share("weight_hh"), device) for _ in range(5)]
    gate_ms = [clock(lambda: traced(model, x)["l0"].grads[gate], device) for _ in range(3)]
    gc.enable()
    rows = times(f"{case}: trace", trace_ms) + times(f"{case}: fused", fused_ms) + times(f"{case}: loop", loop_ms)
    rows += times(f"{case}: weight_grad_share", share_ms)
    rows += times(f"{case}: trace and gate gradients", gate_ms)
    ratio = statistics.median(t / f for t, f in zip(trace_ms, fused_ms, strict=True))
    rows.append(Row(f"{case}: trace ÷ fused", ratio, "×", case.to_fused if device == CPU else None))
    gain = statistics.median(loop_ms) / statistics.median(trace_ms)
    rows.append(Row(f"{case}: loop ÷ trace", gain, "×", case.to_loop if device == CPU else None, "higher"))
    return rows


def memory_rows() -> list[Row]:
    """In processes of their own."""
    rows = []
    for T, B, H in MEMORY_CASES:
        peak, handed_out = memory.measure("LSTM", T, B, H)
        case = f"LSTM T={T} B={B} H={H}"
        rows.append(Row(f"{case}: arrays handed out", handed_out / 2**20, "MiB"))
        rows.append(Row(f"{case}: peak memory ÷ arrays handed out", peak / handed_out, "×", 2.0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: under a minute")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="what to measure on")
    arguments = parser.parse_args()
    device, _ = resolve(arguments.device)
    if device.type != arguments.device:
        parser.error("there is no CUDA device on this machine")
    torch.set_num_threads(THREADS)
    where = "CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, float32, {where}; {INPUTS} inputs a step\n")
    rows: list[Row] = []
    for case in [*CASES, *EXPLODING]:
        if not (arguments.quick and case.large and case.cell is not nn.LSTM):
            rows += measure(case, *((0.4, 3) if arguments.quick else (8.0, 5)), device)
    rows += steps.measure(device, *((0.2, 1) if arguments.quick else (4.0, None)))
    if device == CPU:
        rows += flow.measure(*((0.4, 2) if arguments.quick else (8.0, None)))
        rows += memory_rows()
    report([Row("threads", torch.get_num_threads(), "", None, "higher"), *rows], arguments.json)


if __name__ == "__main__":
    main()
