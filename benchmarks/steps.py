"""Layers that torch has no kernel for, whose steps are many small operations: on a GPU, each of them a launch.

captured: as the engine does it there, many steps to a launch (engine.fast.march). one by one: the same steps started by
Python. They take turns; the ratio is the median of the turns' ratios. On the CPU nothing is captured, and the rows say
what such a layer takes.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.report import Row, times
from engine.fast import captured
from engine.recurrence import Held
from engine.spec import CellKind
from engine.stack import Layer, Level
from engine.step_clipping import clipped_backward
from engine.tracing import Trace, trace_stack

INPUTS = 16
BLOCKS: dict[CellKind, int] = {"rnn": 1, "gru": 3, "lstm": 4}
SHAPES = ((200, 1, 64), (1000, 8, 64))
"""T, B, H."""


@dataclass(frozen=True)
class Case:
    name: str
    cell: CellKind
    options: tuple[str, ...] = ()
    """Of "norm", "drop", "held", "cut", "leaky_relu"; then what is measured, if it is no trace: "clip", "flow"."""


CASES = (
    Case("LSTM, layer norm", "lstm", ("norm",)),
    Case("GRU, layer norm", "gru", ("norm",)),
    Case("LSTM, recurrent dropout", "lstm", ("drop",)),
    Case("LSTM, held forget gate", "lstm", ("held",)),
    Case("LSTM, cut carousel, recurrent dropout", "lstm", ("cut", "drop")),
    Case("GRU, recurrent dropout", "gru", ("drop",)),
    Case("RNN, leaky ReLU", "rnn", ("leaky_relu",)),
    Case("LSTM clipped at every step", "lstm", ("clip",)),
    Case("LSTM, flow matrix", "lstm", ("flow",)),
    Case("LSTM, layer norm, flow matrix", "lstm", ("norm", "flow")),
)


def each_step(y: Tensor) -> tuple[None, Tensor]:
    return None, y.pow(2).sum((1, 2))


def layer_of(case: Case, T: int, B: int, H: int, device: torch.device) -> Layer:
    draw, rows = torch.Generator().manual_seed(0), BLOCKS[case.cell] * H

    def uniform(*shape: int) -> Tensor:
        return ((2 * torch.rand(*shape, generator=draw) - 1) / H**0.5).to(device)

    weights = {"weight_ih": uniform(rows, INPUTS), "weight_hh": uniform(rows, H)}
    weights |= {"bias_ih": uniform(rows), "bias_hh": uniform(rows)}
    if "norm" in case.options:
        weights |= {"norm_weight": torch.ones(rows, device=device), "norm_bias": torch.zeros(rows, device=device)}
    more: dict[str, Any] = {}
    if "drop" in case.options:
        more["drop"] = ((torch.rand(T, B, H, generator=draw) > 0.1) / 0.9).to(device)
    if "held" in case.options:
        where = (torch.rand(T, 1, H, generator=draw) > 0.5).to(device)
        more["held"] = {"f": Held(where, torch.ones(T, 1, H, device=device))}
    if "cut" in case.options:
        more["cuts"] = frozenset({"carousel"})
    initial = {s: torch.zeros(B, H, device=device) for s in (("h", "c") if case.cell == "lstm" else ("h",))}
    activation: Any = "leaky_relu" if "leaky_relu" in case.options else "tanh"
    return Layer("l0", case.cell, activation, weights, initial, **more)


def task_of(case: Case, layer: Layer, x: Tensor) -> Callable[[], object]:
    """What is measured: a trace with its parameters' gradients, or what follows from one that is there."""

    def trace() -> Trace:
        made = trace_stack((Level((layer,)),), x, each_step)
        assert made["l0"].weight_grads
        return made

    if "clip" in case.options:
        of_layer = trace()["l0"]
        return lambda: clipped_backward(of_layer, 1e-3)
    if "flow" in case.options:
        whole = trace()
        return lambda: whole.flow_matrix("l0")
    return trace


def clock(run: Callable[[], object], device: torch.device) -> float:
    """Milliseconds, until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) * 1e3


def measure(device: torch.device, seconds: float, shapes: int | None = None) -> list[Row]:
    """Of all shapes, or only the first few. The first time, when it is captured, has a row of its own."""
    rows: list[Row] = []
    for T, B, H in SHAPES[:shapes]:
        x = torch.randn(T, B, INPUTS, generator=torch.Generator().manual_seed(1)).to(device)
        for case in CASES:
            if "flow" in case.options and T > 200:
                continue
            run = task_of(case, layer_of(case, T, B, H, device), x)
            rows += of_task(f"{case.name}, T={T} B={B} H={H}", run, device, seconds)
    return rows


def of_task(name: str, run: Callable[[], object], device: torch.device, seconds: float) -> list[Row]:
    ours: list[float] = []
    theirs: list[float] = []
    with captured.one_by_one():
        run()
    captured.CAPTURES.clear()
    first = clock(run, device)
    gc.collect()
    gc.disable()
    end = time.perf_counter() + seconds
    while len(ours) < 3 or time.perf_counter() < end:
        ours.append(clock(run, device))
        if device.type in captured.HOW:
            with captured.one_by_one():
                theirs.append(clock(run, device))
    gc.enable()
    if not theirs:
        return times(name, ours)
    ratio = statistics.median(slow / quick for slow, quick in zip(theirs, ours, strict=True))
    found = times(f"{name}: captured", ours) + times(f"{name}: one by one", theirs)
    found.append(Row(f"{name}: the first time, with the capture", first, "ms"))
    return [*found, Row(f"{name}: one by one ÷ captured", ratio, "×", None, "higher")]
