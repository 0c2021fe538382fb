"""What a capture asks for: no step waits for the device, and the capture has a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from captured_again import Again, AsCaptured
from captured_layers import NORMED, assert_same, case_of, nowhere
from torch import Tensor

from engine import bptt, clipping
from engine.fast import backwards, captured, chain, forwards, march
from engine.fast.captured import Captures, Made, OnCuda
from engine.flow_chain import Stream
from engine.flow_march import Stretch, march_back
from engine.flow_steps import Block, Prepared
from engine.step_clipping import _Clip


@pytest.mark.parametrize("max_norm", [1e-200, 1e-3, 1.0, 1e200])
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_clipping_does_not_need_to_look_at_the_numbers(scale: float, max_norm: float) -> None:
    delta = {s: torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) * scale
             for i, s in enumerate(("h", "c"))}  # fmt: skip
    delta["h"][1], delta["c"][2, 0], delta["h"][3] = 0.0, torch.nan, torch.inf
    limit = torch.tensor(max_norm, dtype=torch.float64)
    (looked, *more), (blind, *others) = (clipping.clipped_step(delta, limit, look) for look in (True, False))
    assert_same(blind, looked)
    assert_same(dict(enumerate(others)), dict(enumerate(more)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: bool(x.any()), lambda x: x.sum().item(), lambda x: x[[0, 1]], lambda x: x[x > 0],
        lambda x: torch.where(x > 0, x, 1.0), lambda x: torch.tensor([1.0]) + x, lambda x: x.nonzero(),
        lambda x: torch.rand_like(x), lambda x: x.__setitem__([0], 0.0), lambda x: x * nowhere(x),
    ],
)  # fmt: skip
def test_the_stand_in_refuses_what_a_graph_would(wrong: Callable[[Tensor], object]) -> None:
    with pytest.raises(AssertionError, match="cannot be captured"), AsCaptured():
        wrong(torch.ones(3))


@pytest.mark.parametrize(
    "name",
    [
        "leaky_relu RNN, lengths, reverse", "LSTM, held, fresh drop, lengths, reverse", "LSTM, lengths, reverse, cut",
        "GRU, cut", "GRU, drop, lengths", "sigmoid RNN, norm", NORMED[4], NORMED[6],
    ],
)  # fmt: skip
def test_no_step_looks_at_a_number_or_leaves_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps that are captured, on a device that has no numbers: they could neither wait for it nor look."""
    how = Again()
    monkeypatch.setattr(captured, "CAPTURES", Captures())
    monkeypatch.setattr(captured, "HOW", {"meta": how})
    monkeypatch.setattr(march, "LENGTHS", (2, 1))
    monkeypatch.setattr(march, "LEAST", 1)
    case, steps = case_of(name, torch.float64, "cpu", 4), slice(0, 3)
    weights, tensors, initial = (
        {n: nowhere(t) for n, t in given.items()}
        for given in (case.layer.weights, case.layer.part(0, 3).tensors, case.initial)
    )
    layer, x = case.layer.over(3, weights, tensors), nowhere(case.x[:3])
    values = bptt.forward_stepwise(layer, x, initial)
    assert (how.captures, how.replays) == (2, 2)
    before, direct = {s: nowhere(values[s]) for s in initial}, nowhere(values["h"])
    limit = torch.empty((), dtype=torch.float64, device="meta")
    for change in (None, _Clip(limit, False)):
        bptt.backward_stepwise(layer, values, before, direct, initial, change)
    assert how.captures == 6
    slopes = backwards.slopes_of(layer, values, before, steps) if layer.plain else None
    if slopes is not None:
        forwards._march(layer, forwards._room_for(layer, x, initial), initial)
        d, into = {s: nowhere(values[s]) for s in initial}, nowhere(direct)
        chain.march_back(chain.Stretch(layer, steps, slopes, direct, dict(initial), d, nowhere(slopes.h_side), into))
        assert how.captures == 10
    B, G, H = direct.shape[1], len(layer.rules.gate_names), direct.shape[2]
    prepared = None
    if slopes is not None:
        whole = {"slopes": slopes.h_side, "c_to_h": slopes.c_to_h, "kept": slopes.kept, "x 0": direct}
        prepared = Prepared.of({n: array for n, array in whole.items() if array is not None}, slopes.blocks_on_c)
    flow: Any = SimpleNamespace(
        layer=layer, values=values, before=before, like=direct, shape=(B, G, H), chunk=16,
        on_c=0 if slopes is None else slopes.blocks_on_c, weight_hh=layer.weight_back, weight_ih=weights["weight_ih"],
    )  # fmt: skip
    block, stream = Block(direct, (B, G, H), flow.on_c, 2, 3), Stream(direct.new_empty(3, 2, B, x.shape[2]), 0)
    captures = how.captures
    march_back(flow, Stretch(layer.course.order[::-1], [1, 2, 2], prepared, block, lambda t, dh: None, stream))
    assert how.captures == captures + 2


class Gpu:
    """torch.cuda as far as a capture speaks to it; what is said is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.current = self.Stream("theirs", self)
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: self.Stream("side", self))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.current)
        monkeypatch.setattr(torch.cuda, "device", lambda device: self.on(self.current))
        monkeypatch.setattr(torch.cuda, "stream", self.on)
        monkeypatch.setattr(torch.cuda, "graph", self.graph)

    class Stream:
        def __init__(self, name: str, gpu: Gpu) -> None:
            self.name, self.gpu = name, gpu

        def wait_stream(self, other: Gpu.Stream) -> None:
            if other is not self:
                self.gpu.log.append(f"{self.name} waits for {other.name}")

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: object, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        """As torch's: where the end fails, the stream stays."""
        assert graph is self
        self.log.append(f"{stream.name} captures, {capture_error_mode}")
        self.current = stream
        yield
        self.log.append("captured")

    def replay(self) -> None:
        self.log.append("replayed")


def test_a_capture_is_on_a_stream_of_its_own_after_a_first_run_there(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, device = Gpu(monkeypatch), torch.device("cuda", 0)
    theirs, cuda = gpu.current, OnCuda()

    def function() -> Made:
        gpu.log.append(f"runs on {gpu.current.name}")
        return {}, {}

    cuda.begin(device)
    replay, _ = cuda.capture(function, device)
    replay()
    assert gpu.log == [
        "side waits for theirs", "runs on side", "side captures, thread_local", "runs on side", "captured",
        "theirs waits for side", "replayed",
    ]  # fmt: skip
    assert gpu.current is theirs
    gpu.log.clear()
    gpu.current = gpu.Stream("another", gpu)
    cuda.begin(device)
    assert gpu.log == ["another waits for theirs"], "what was replayed there is still being read"

    def fails() -> Made:
        raise RuntimeError("CUDA error")

    gpu.current = theirs
    with pytest.raises(RuntimeError):
        cuda.capture(fails, device)
    assert gpu.current is theirs
