"""Steps that are captured, many to a launch, give what the same steps give one by one, to the bit.

Without a GPU the capture itself has a stand-in (captured_again), and everything around it is as it is on one. Where
there is a GPU, all of this runs on it as well, captured in earnest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from captured_again import Again, AsCaptured
from fast_layers import VARIANTS, Case, of_torch, variant
from flow_layers import a_layer, batch, each_step
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import engine
from engine import bptt, clipping, fast
from engine.cells import Norm
from engine.fast import backwards, captured, chain, forwards, march, scan
from engine.fast.captured import Captures, Made, OnCuda
from engine.fast.march import Way, stretches
from engine.flow_chain import Chain, Stream
from engine.flow_march import march_back
from engine.flow_matrix import flow_gradients
from engine.flow_steps import Block, Prepared
from engine.layer_trace import LayerTrace
from engine.stack import Layer, Level
from engine.step_clipping import _Clip, clipped_backward
from engine.tracing import Trace, trace_stack

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float32, torch.float64]
NORMED = (
    "sigmoid RNN, norm", "tanh RNN, norm, fresh drop, lengths, reverse", "LSTM, norm", "LSTM, norm, lengths, no bias",
    "LSTM, norm, held, fresh drop, lengths, reverse, cut", "GRU, norm, lengths", "GRU, norm, held, drop, cut, reverse",
)  # fmt: skip
T = 42
"""Stretches of 16, 16, 4, 4, 1 and 1 steps."""


@pytest.fixture
def how(monkeypatch: pytest.MonkeyPatch) -> Again:
    """What captures on the CPU, with the road that the steps take on a GPU: torch's operations, not NumPy's."""
    for module in (forwards, backwards, chain, scan):
        monkeypatch.setattr(module, "arrays", of_torch)
    monkeypatch.setattr(chain, "SMALL", 0)
    monkeypatch.setattr(captured, "CAPTURES", Captures())
    return Again()


@contextmanager
def capturing(how: Again, device: str) -> Iterator[None]:
    if device == "cpu":
        captured.HOW["cpu"] = how
    try:
        yield
    finally:
        captured.HOW.pop("cpu", None)


@contextmanager
def one_by_one() -> Iterator[None]:
    before = dict(captured.HOW)
    captured.HOW.clear()
    try:
        yield
    finally:
        captured.HOW.update(before)


def case_of(name: str, dtype: torch.dtype, device: str, steps: int = T) -> Case:
    """16 units: rows of 64 bytes, or a product on the CPU could round otherwise at another place in memory."""
    case = variant(name, dtype, T=steps, H=16)
    layer, draw = case.layer, torch.Generator().manual_seed(8)
    weights = dict(layer.weights)
    if "norm" in name:
        gamma, beta = torch.randn(2, len(weights["weight_hh"]), generator=draw, dtype=torch.float64).to(dtype)
        weights |= {"norm_weight": 1 + gamma / 4, "norm_bias": beta / 4}
        norm = Norm(weights["norm_weight"].view(-1, 16), weights["norm_bias"].view(-1, 16), 1e-5)
        rules: Any = layer.rules
        layer = replace(layer, rules=replace(rules, norm=norm))
    there = ({n: array.to(device) for n, array in given.items()} for given in (weights, layer.tensors, case.initial))
    weights, tensors, initial = there
    return Case(layer.over(steps, weights, tensors), case.x.to(device), initial)


def way_back(case: Case, values: Mapping[str, Tensor]) -> tuple[Any, ...]:
    """Arguments of both roads back."""
    draw = torch.Generator().manual_seed(3)
    shape = (len(case.x), *case.initial["h"].shape)
    direct, ends = (torch.randn(shape, generator=draw, dtype=torch.float64).to(case.x) for _ in range(2))
    final = {s: ends[place] for place, s in enumerate(case.layer.rules.state_names)}
    return case.layer, values, case.layer.before(values, case.initial), case.layer.course.zeroed(direct), final


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        same = (found[name] == array) | (found[name].isnan() & array.isnan())
        assert found[name].dtype == array.dtype
        assert bool(same.all()), name


def assert_captured(how: Again, device: str, replays: int) -> None:
    """A refusal on a GPU would be a warning, which is an error here."""
    assert captured.CAPTURES.nbytes > 0
    assert device == "cuda" or how.replays == replays


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float32) for name in VARIANTS]
    + [(name, torch.float64) for name in NORMED]
    + [(name, torch.bfloat16) for name in NORMED[-2:]],
    ids=str,
)
def test_the_careful_road_is_the_same_to_the_bit(name: str, dtype: torch.dtype, device: str, how: Again) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        arguments = way_back(case, values)
        back = bptt.backward_stepwise(*arguments)
    with capturing(how, device):
        assert_same(bptt.forward_stepwise(case.layer, case.x, case.initial), values)
        found = bptt.backward_stepwise(*arguments)
    assert_same(found.grads, back.grads)
    assert_same(found.initial, back.initial)
    assert_captured(how, device, 2 * 6)
    assert all(array.isfinite().all() for array in values.values())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_the_fast_road_is_the_same_to_the_bit(name: str, dtype: torch.dtype, device: str, how: Again) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = fast.forward(case.layer, case.x, case.initial)
        assert values is not None
        layer, _, _, direct, final = way_back(case, values)
        if layer.course.lengths is not None and not layer.course.reverse:
            final = {s: grad if s == "h" else torch.zeros_like(grad) for s, grad in final.items()}
        back = fast.backward(layer, values, values.before, direct, final)
    with capturing(how, device):
        found = fast.forward(case.layer, case.x, case.initial)
        assert found is not None
        assert_captured(how, device, 6)
        found_back = fast.backward(layer, values, values.before, direct, final)
        assert_captured(how, device, 2 * 6)
    assert_same(found, values)
    assert_same(found.known, values.known)
    assert_same(found.before, values.before)
    assert back is not None
    assert found_back is not None
    for ours, theirs in zip(found_back, back, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["LSTM, held, fresh drop, lengths, reverse", "GRU, fresh drop, lengths", "LSTM, drop"])
def test_where_steps_are_larger_the_stretches_are_shorter(
    name: str, how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And slopes are prepared for fewer steps at once: 18, in stretches of 16, 1 and 1."""
    case = case_of(name, torch.float64, "cpu")
    monkeypatch.setattr(march, "ROOM", 18 * len(case.layer.rules.gate_names) * case.initial["h"].numel())
    monkeypatch.setattr(backwards, "CHUNK", march.ROOM)
    with one_by_one():
        values = fast.forward(case.layer, case.x, case.initial)
        assert values is not None
        layer, _, _, direct, _ = way_back(case, values)
        back = fast.backward(layer, values, values.before, direct)
    with capturing(how, "cpu"):
        found = fast.backward(layer, values, values.before, direct)
    assert how.replays == 3 + 3 + 3  # 42 = 18 + 18 + 6, and 6 is 4, 1 and 1
    assert back is not None
    assert found is not None
    for ours, theirs in zip(found, back, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("max_norm", [0.5, 1e9])
@pytest.mark.parametrize("name", ["LSTM", "LSTM, norm, lengths", "GRU, held, reverse, lengths", "leaky_relu RNN"])
def test_clipping_at_every_step_is_the_same_to_the_bit(
    name: str, max_norm: float, dtype: torch.dtype, device: str, how: Again
) -> None:
    case = case_of(name, dtype, device)
    with one_by_one():
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        _, _, _, direct, final = way_back(case, values)
        direct[40] *= 1e-150 if dtype == torch.float64 else 1e-30  # where float64 has to be scaled before it is squared
        course = case.layer.course
        activation: Any = "leaky_relu" if "leaky" in name else "tanh"
        layer = LayerTrace.from_parts(
            case.layer.kind, activation, case.x, case.layer.weights, case.initial, values, direct, final,
            reverse=course.reverse, lengths=course.lengths, held=case.layer.held,
        )  # fmt: skip
        expected = clipped_backward(layer, max_norm)
    with capturing(how, device):
        found = clipped_backward(layer, max_norm)
    assert_captured(how, device, 6)
    assert bool(expected.fired.any()) == (max_norm < 1)
    assert_same(found.grads, expected.grads)
    assert_same(found.initial_grads, expected.initial_grads)
    assert torch.equal(found.norms, expected.norms)
    assert torch.equal(found.factors, expected.factors)


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


def to_device(layer: Layer, device: str) -> Layer:
    weights, initial = ({n: t.to(device) for n, t in given.items()} for given in (layer.weights, layer.initial))
    return replace(layer, weights=weights, initial=initial, drop=None if layer.drop is None else layer.drop.to(device))


def stack_of(cell: str, norm: bool, device: str) -> tuple[Level, ...]:
    names = [("l0", "l0_reverse"), ("l1",)]
    levels, D = [], 3
    for place, of_level in enumerate(names):
        more = {"norm": norm, "dtype": torch.float64, "gain": 1.0}
        made = [a_layer(name, cell, D, 8, 4, seed=place, **more) for name in of_level]  # type: ignore[arg-type]
        drop = (torch.rand(T, 4, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) > 0.2) * 1.25
        made[0] = replace(made[0], drop=drop, kernel=None)
        levels.append(Level(tuple(to_device(one, device) for one in made)))
        D = 8 * len(of_level)
    return tuple(levels)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("cell", "norm", "lengths"),
    [("lstm", False, True), ("lstm", True, False), ("gru", False, False), ("gru", True, True), ("rnn", False, True)],
)
def test_a_flow_matrix_is_the_same(cell: str, norm: bool, lengths: bool, device: str, how: Again) -> None:
    """A level that runs both ways, and a layer above it that sends the gradients of all losses down."""
    given = torch.tensor([T, 7, 20, T - 1], device=device) if lengths else None
    x = batch(T, 4, 3).to(device)
    with one_by_one():
        trace = trace_stack(stack_of(cell, norm, device), x, lambda y: (None, each_step(y)), None, given)
        expected = {name: all_flows(trace, name) for name in trace.layers}
    with capturing(how, device):
        found = {name: all_flows(trace, name) for name in trace.layers}
    assert device == "cuda" or how.replays > 20
    assert captured.CAPTURES.nbytes > 0
    for name, gradients in expected.items():
        torch.testing.assert_close(found[name], gradients, rtol=1e-11, atol=1e-300)
        assert bool(found[name].any())


def test_a_loss_that_comes_in_later_meets_nothing_of_steps_that_overflowed(
    how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row takes part in all steps, as 0; and 0 times a slope that is no number would be none. Then it would run
    away, and would have to be taken back once more, carefully."""
    ran: list[tuple[int, bool]] = []
    run = Chain.run

    def noting(self: Chain, arriving: Any, rows: Tensor, enters: Any, *more: Any) -> None:
        ran.append((len(rows), more[-1]))
        run(self, arriving, rows, enters, *more)

    monkeypatch.setattr(Chain, "run", noting)
    x = batch(T, 4, 3)
    x[T - 3, 1] = torch.inf
    with one_by_one():
        layer = stack_of("gru", True, "cpu")[0].layers[0]
        trace = trace_stack((Level((layer,)),), x, lambda y: (None, each_step(y)))
        expected = {name: all_flows(trace, name) for name in trace.layers}
    usual = ran.copy()
    assert any(careful and rows < T for rows, careful in usual)
    ran.clear()
    with capturing(how, "cpu"):
        found = {name: all_flows(trace, name) for name in trace.layers}
    assert ran == usual
    for name, gradients in expected.items():
        assert 0 < int(gradients.isnan().sum()) < gradients.numel() / 2
        torch.testing.assert_close(found[name], gradients, rtol=1e-11, atol=1e-300, equal_nan=True)


def all_flows(trace: Trace, name: str) -> Tensor:
    return flow_gradients(trace.loss_grads, name, range(len(trace.losses)), (0, T))


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 20), count=st.integers(1, 300), longest=st.integers(0, 200), backwards=st.booleans())
def test_stretches_are_all_steps_once_and_in_order(first: int, count: int, longest: int, backwards: bool) -> None:
    found = list(stretches(Way(slice(first, first + count), backwards, 1), longest))
    steps = [t for one in (found[::-1] if backwards else found) for t in range(one.start, one.stop)]
    assert steps == list(range(first, first + count))
    lengths = [one.stop - one.start for one in found]
    assert set(lengths) <= set(march.LENGTHS)
    assert max(lengths) <= max(1, longest)
    assert lengths == sorted(lengths, reverse=True), "the long ones first: as few as there can be"


def test_a_layer_is_captured_once_and_follows_its_numbers(how: Again) -> None:
    """Other weights, inputs and lengths of the same shapes are the same graphs."""
    case = case_of("GRU, norm, lengths", torch.float64, "cpu")
    other = replace(
        case,
        layer=case.layer.over(
            T,
            {name: weight * 0.7 for name, weight in case.layer.weights.items()},
            {"lengths": torch.tensor([3, T, 0])},
        ),
        x=case.x.flip(1) * 2,
    )
    expected = [bptt.forward_stepwise(one.layer, one.x, one.initial) for one in (case, other)]
    with capturing(how, "cpu"):
        found = bptt.forward_stepwise(case.layer, case.x, case.initial)
        captures = how.captures
        again = bptt.forward_stepwise(other.layer, other.x, other.initial)
        assert (captures, how.captures) == (3, 3)  # of 16, 4 and 1 steps
        assert how.begun == 2
        longer = case_of("GRU, norm, lengths", torch.float64, "cpu", T + 21)
        bptt.forward_stepwise(longer.layer, longer.x, longer.initial)
        assert how.captures == 3, "another number of steps needs no other graphs"
        cut = replace(case.layer, cuts=frozenset({"leak"}))
        bptt.forward_stepwise(cut, case.x, case.initial)
        assert how.captures == 6
    assert_same(found, expected[0])
    assert_same(again, expected[1])


def test_what_was_handed_out_stays(how: Again) -> None:
    case = case_of("LSTM, norm", torch.float64, "cpu")
    with capturing(how, "cpu"):
        values = bptt.forward_stepwise(case.layer, case.x, case.initial)
        layer, _, before, direct, final = way_back(case, values)
        back = bptt.backward_stepwise(layer, values, before, direct, final)
        copies = [{name: array.clone() for name, array in made.items()} for made in (values, back.grads, back.initial)]
        bptt.forward_stepwise(case.layer, -case.x, case.initial)
        bptt.backward_stepwise(layer, values, before, -direct, final)
    for made, copy in zip((values, back.grads, back.initial), copies, strict=True):
        assert_same(made, copy)


def test_few_are_kept_and_the_oldest_goes_first(how: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(fixed: Any, own: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> Made:
        return {"y": own["x"] * 2}, dict(carried)

    def find(captures: Captures, size: int) -> object:
        return captures.find("double", function, {}, {"x": torch.ones(size)}, {"h": torch.ones(1)}, how)

    few = Captures(kept=2)
    one, two = find(few, 1), find(few, 2)
    assert find(few, 1) is one
    find(few, 3)
    assert (len(few), how.captures) == (2, 3)
    assert find(few, 1) is one
    assert find(few, 2) is not two
    small = Captures(memory=4000)
    find(small, 100)  # 400 bytes of x, and twice 400 of y
    assert small.nbytes == 3 * 400 + 3 * 4
    find(small, 200)
    assert (len(small), small.nbytes) == (2, 3 * 300 * 4 + 6 * 4)
    find(small, 300)
    assert (len(small), small.nbytes) == (1, 3 * 300 * 4 + 3 * 4)
    find(small, 10**5)
    assert len(small) == 1, "the one that is needed now is there, whatever it takes"
    small.clear()
    assert len(small) == 0


class Refusing(Again):
    def capture(self, function: Callable[[], Made], device: torch.device) -> Any:
        self.captures += 1
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with …")


def test_where_it_cannot_be_captured_the_steps_go_one_by_one_and_say_so_once(
    how: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "_REFUSED", set())
    case, refusing = case_of("LSTM, norm", torch.float32, "cpu"), Refusing()
    expected = bptt.forward_stepwise(case.layer, case.x, case.initial)
    with capturing(refusing, "cpu"):
        with pytest.warns(
            engine.DeviceWarning, match=r"^A layer's steps .*\(CUDA error: .* is capturing\); .*longer\.$"
        ):
            found = bptt.forward_stepwise(case.layer, case.x, case.initial)
        assert refusing.captures == 3
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = bptt.forward_stepwise(case.layer, case.x, case.initial)
        assert refusing.captures == 3, "it is not tried again"
    assert_same(found, expected)
    assert_same(again, expected)


def test_only_small_steps_of_a_gpu_are_captured() -> None:
    like = torch.zeros(4, 16)
    assert not march.pays(like, 1000, 4)
    with capturing(Again(), "cpu"):
        assert march.pays(like, 1000, 4)
        assert not march.pays(like, march.LEAST - 1, 4)
        assert not march.pays(torch.zeros(512, 1024), 1000, 4)
        assert not march.pays(torch.zeros(0, 16), 1000, 4)


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


def nowhere(tensor: Tensor) -> Tensor:
    """Of its shape, on the device that has no numbers."""
    return torch.empty_like(tensor, device="meta")


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
    march_back(flow, prepared, layer.course.order[::-1], block, lambda t, dh: None, [1, 2, 2], stream)
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
