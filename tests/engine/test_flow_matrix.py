"""The flow matrix against one backward pass of an unrolled loop for each loss: any stack, direction and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from unrolled import module
from unrolled_stack import depends, unrolled

import engine
from engine import flow_matrix
from engine.flow_matrix import flow_gradients
from engine.quantities import GATES, ROUTES, STATES
from engine.recurrence import Held
from engine.stack import Layer, Level
from engine.tracing import Trace, trace_stack

KERNELS = {("lstm", "tanh"): "lstm", ("gru", "tanh"): "gru", ("rnn", "tanh"): "rnn_tanh", ("rnn", "relu"): "rnn_relu"}
KINDS = ("tanh", "relu", "lstm", "gru")


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(T: int = 9, B: int = 3, D: int = 2, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(T, B, D, dtype=dtype, generator=source(seed))


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def a_layer(
    name: str, cell: str, D: int, H: int, B: int, seed: int = 0, *, norm: bool = False, activation: str = "tanh",
    gain: float = 1.5, dtype: torch.dtype = torch.float64, **more: object,
) -> Layer:  # fmt: skip
    draw, rows = source(seed), len(GATES[cell]) * H

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, generator=draw)

    weights = {"weight_ih": randn(rows, D) / D**0.5, "weight_hh": gain * randn(rows, H) / H**0.5}
    weights |= {"bias_ih": 0.3 * randn(rows), "bias_hh": 0.3 * randn(rows)}
    if norm:
        weights |= {"norm_weight": 1 + 0.3 * randn(rows), "norm_bias": 0.3 * randn(rows)}
    initial = {state: 0.5 * randn(B, H) for state in STATES[cell]}
    kernel = KERNELS.get((cell, activation))
    return Layer(name, cell, activation, weights, initial, kernel, name.endswith("_reverse"), **more)


def agrees(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Relative to each loss's and step's own size, and to what rounding leaves of the whole at the smallest."""
    norms = torch.linalg.vector_norm(expected, dim=(-2, -1), keepdim=True)
    floor = norms.max() * torch.finfo(expected.dtype).eps ** 2
    assert bool(((found - expected).abs() <= tolerance * norms + floor).all())


def check(
    levels: tuple[Level, ...], x: Tensor, head: Callable[..., tuple[Tensor | None, Tensor]],
    lengths: Tensor | None = None, reads_stream: bool = False, tolerance: float = 1e-10,
) -> Trace:  # fmt: skip
    """Every layer's gradients, norms and reachability, against a backward pass for each loss."""
    trace = trace_stack(levels, x, head, {}, lengths, reads_stream)
    reference = unrolled(levels, x, head, lengths, reads_stream)
    T = len(x)
    mask = torch.ones(T, x.shape[1], dtype=torch.bool) if lengths is None else torch.arange(T)[:, None] < lengths
    for name in trace.layers:
        gradients = torch.where(mask[:, :, None], reference.flow(name), 0.0)
        asked = sorted({0, T // 2, T - 1})
        there = depends(name, asked, levels, x, head, lengths, reads_stream)
        S = len(gradients)
        agrees(flow_gradients(trace.loss_grads, name, range(S), (0, T)), gradients, tolerance)
        N = trace.flow_matrix(name)
        assert N.shape == (S, T)
        assert N.dtype == torch.float64
        norms = torch.linalg.vector_norm(gradients.double(), dim=3)
        expected = torch.where(mask, norms, 0.0).sum(2) / mask.sum(1)
        assert torch.equal(~N[:, asked].isnan(), there), name
        floor = float(expected.nan_to_num().max()) * torch.finfo(x.dtype).eps ** 2
        reached = ~N.isnan()
        torch.testing.assert_close(N[reached], expected[reached], rtol=tolerance, atol=floor)
        assert not bool(gradients[~reached].any())
        for s in (0, S // 2, S - 1):
            torch.testing.assert_close(trace.flow_row(s, name), N[s], rtol=tolerance, atol=floor, equal_nan=True)
            agrees(trace.flow_gradient(s, name), gradients[s], tolerance)
        if S > 1:
            total = flow_gradients(trace.loss_grads, name, range(S), (0, T)).sum(0)
            agrees(total, trace[name].grads["h"], tolerance)
    return trace


@pytest.mark.parametrize("kind", KINDS)
def test_each_entry_is_that_loss_s_own_backward_pass(kind: str) -> None:
    """An nn module, and torch's own autograd through it: ∂L_s/∂h_k for every s and k."""
    model, x = module(kind, 2, 5), batch(T=12)
    trace = engine.trace(model, x, loss=each_step)
    layer = Layer("l0", trace["l0"].cell, trace["l0"].activation, trace["l0"].weights, trace["l0"].initial)
    gradients = unrolled((Level((layer,)),), x, lambda y: (None, each_step(y))).flow("l0")
    later = torch.ones(12, 12).triu(1).bool()
    expected = torch.linalg.vector_norm(gradients, dim=3).mean(2).masked_fill(later, torch.nan)
    torch.testing.assert_close(trace.flow_matrix("l0"), expected, rtol=1e-10, atol=0.0, equal_nan=True)


def loss_of_each_step(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    return None, (y.tanh() * torch.linspace(0.5, 1.5, y.shape[2], dtype=y.dtype)).pow(2).sum((1, 2))


def causal_attention(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    """Each loss reads all steps up to its own."""
    scores = torch.einsum("tbh,sbh->bts", y, y)
    later = torch.ones(len(y), len(y)).triu(1).bool()
    weights = scores.masked_fill(later, -torch.inf).softmax(2)
    return None, torch.einsum("bts,sbh->tbh", weights, y).pow(2).sum((1, 2))


def of_the_step_before(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    """Loss s reads step s − 1, and the first none."""
    return None, torch.cat([y[:1].sum((1, 2)) * 0, y[:-1].pow(2).sum((1, 2))]) if len(y) > 1 else each_step(y)


def one_for_all(y: Tensor, *_: Tensor) -> tuple[None, Tensor]:
    return None, y[len(y) // 2].pow(2).sum() + y[0].sum()


def with_the_stream(y: Tensor, stream: Tensor) -> tuple[None, Tensor]:
    """A residual connection around the last level: each loss reads what that level read, too."""
    width = min(y.shape[2], stream.shape[2])
    return None, (y[..., :width] + stream[..., :width]).pow(3).sum((1, 2))


def with_a_later_stream(y: Tensor, stream: Tensor) -> tuple[None, Tensor]:
    """Loss s reads the level below it one step further than the level itself."""
    return None, each_step(y) + stream.roll(-1, 0).pow(2).sum((1, 2))


HEADS = (loss_of_each_step, causal_attention, of_the_step_before, one_for_all, with_the_stream, with_a_later_stream)


def normalised(y: Tensor, read: Tensor) -> Tensor:
    """Over the batch, step by step."""
    return (y - y.mean(1, keepdim=True)) * (y.var(1, unbiased=False, keepdim=True) + 1e-3).rsqrt()


def residual(y: Tensor, read: Tensor) -> Tensor:
    width = min(y.shape[2], read.shape[2])
    return torch.cat([y[..., :width] + read[..., :width], y[..., width:]], 2)


def delayed(y: Tensor, read: Tensor) -> Tensor:
    """Mixes the steps: each sees the two before it, of which it reads one past the level."""
    return torch.cat([y[:1] * 0, y[:-1]]) + residual(torch.zeros_like(y), read.roll(2, 0))


PIECES = (None, normalised, residual, delayed, lambda y, read: torch.where(y > 0.1, y, 0.5 * y))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.integers(0, 2**31))
def test_any_stack_agrees_with_a_backward_pass_for_each_loss(seed: int) -> None:
    """Kinds mixed, bidirectional levels, lengths, normalisation, recurrent dropout, held gates, cut routes, pieces
    between the levels that read what the level below has read, and that mix steps; losses of every kind."""
    draw = np.random.default_rng(seed)

    def chance(p: float) -> bool:
        return bool(draw.random() < p)

    T, B, D = int(draw.integers(1, 9)), int(draw.integers(2, 4)), int(draw.integers(1, 4))
    lengths = torch.as_tensor(draw.integers(1, T + 1, B)) if chance(0.35) else None
    x, width, levels = batch(T, B, D, seed=seed), D, []
    for depth in range(int(draw.integers(1, 4))):
        layers = []
        for direction in ("", "_reverse") if chance(0.35) else ("",):
            cell = str(draw.choice(["rnn", "lstm", "gru"]))
            activation = str(draw.choice(["tanh", "relu", "leaky_relu", "sigmoid", "identity"]))
            H = int(draw.integers(1, 6))
            layer = a_layer(
                f"l{depth}{direction}", cell, width, H, B, seed + depth + 7 * len(layers), norm=H > 2 and chance(0.25),
                activation=activation if cell == "rnn" else "tanh", gain=1.0,
            )  # fmt: skip
            if chance(0.2):
                mask = (torch.rand(T if chance(0.5) else 1, B, H, generator=source(seed)) < 0.7).double() / 0.7
                layer = replace(layer, drop=mask)
            if cell != "rnn" and chance(0.2):
                where = torch.rand(T, 1, H, generator=source(seed + 1)) < 0.3
                layer = replace(layer, held={GATES[cell][1]: Held(where, torch.full_like(where, 0.9, dtype=x.dtype))})
            if chance(0.15):
                layer = replace(layer, cuts=frozenset({str(draw.choice(ROUTES[cell]))}))
            layers.append(layer)
        enter = None if depth == 0 else PIECES[int(draw.integers(len(PIECES)))]
        levels.append(Level(tuple(layers), enter))
        width = sum(layer.initial["h"].shape[1] for layer in layers)
    head = HEADS[int(draw.integers(len(HEADS)))]
    check(tuple(levels), x, head, lengths, head in (with_the_stream, with_a_later_stream), tolerance=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_agrees_with_autograd_at_the_same_forward_pass(kind: str) -> None:
    model, x = module(kind, 2, 16, torch.float32), batch(T=40, dtype=torch.float32)
    trace = engine.trace(model, x, loss=each_step)
    layer = Layer("l0", trace["l0"].cell, trace["l0"].activation, trace["l0"].weights, trace["l0"].initial)
    gradients = unrolled((Level((layer,)),), x, lambda y: (None, each_step(y))).flow("l0")
    norms = torch.linalg.vector_norm(gradients.double(), dim=3).mean(2)
    reached = torch.ones(40, 40).tril().bool()
    torch.testing.assert_close(trace.flow_matrix("l0")[reached], norms[reached], rtol=1e-4, atol=1e-35)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_half_types_keep_to_the_cell_s_own_order(kind: str, dtype: torch.dtype) -> None:
    trace = engine.trace(module(kind, 2, 5, dtype), batch(dtype=dtype), loss=each_step)
    rows = torch.stack([trace.flow_row(s) for s in range(9)])
    torch.testing.assert_close(trace.flow_matrix("l0"), rows, rtol=1e-2, atol=1e-5, equal_nan=True)


# --- what runs away, what vanishes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_growing_chain_reaches_inf_where_its_numbers_do(dtype: torch.dtype) -> None:
    """h_t = x + 2^8 h_{t−1} and L_s = h_s · 2^0: ∂L_s/∂h_k = 2^(8(s−k)), exactly, until that is above the largest."""
    layer = a_layer("l0", "rnn", 1, 1, 2, activation="relu", dtype=dtype)
    weights = {"weight_ih": torch.ones(1, 1, dtype=dtype), "weight_hh": torch.full((1, 1), 256.0, dtype=dtype)}
    layer = replace(layer, weights=weights, initial={"h": torch.zeros(2, 1, dtype=dtype)}, kernel=None)
    T = 20 if dtype == torch.float32 else 140
    x = torch.full((T, 2, 1), torch.finfo(dtype).tiny, dtype=dtype)  # small, so that h itself stays finite for long
    trace = trace_stack((Level((layer,)),), x, lambda y: (None, y.sum((1, 2))))
    assert bool(trace["l0"].values["h"].isfinite().all())
    steps = torch.arange(T, dtype=torch.float64)
    powers = torch.where(steps[:, None] >= steps, 8 * (steps[:, None] - steps), torch.nan)
    limit = 128 if dtype == torch.float32 else 1024
    expected = torch.where(powers >= limit, torch.inf, torch.exp2(powers))
    torch.testing.assert_close(trace.flow_matrix("l0"), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_runaway_losses_are_as_each_would_be_alone(kind: str) -> None:
    """Growth far beyond 1e8 in float32: inf and NaN in the same places, and every finite number to rounding."""
    cell = {"tanh": "rnn", "relu": "rnn"}.get(kind, kind)
    activation = kind if kind in ("tanh", "relu") else "tanh"
    gain = {"tanh": 3.0, "relu": 6.0, "lstm": 14.0, "gru": 8.0}[kind]
    layer = a_layer("l0", cell, 2, 32, 3, seed=4, gain=gain, activation=activation, dtype=torch.float32)
    trace = trace_stack(
        (Level((layer,)),), 0.1 * batch(70, dtype=torch.float32), lambda y: (None, (y * 1e3).sum((1, 2)))
    )
    N = trace.flow_matrix("l0")
    rows = torch.stack([trace.flow_row(s) for s in range(70)])
    assert float(rows[rows.isfinite()].max()) > 1e8
    assert torch.equal(N.isnan(), rows.isnan())
    assert torch.equal(N.isinf(), rows.isinf())
    finite = rows.isfinite()
    torch.testing.assert_close(N[finite], rows[finite], rtol=1e-4, atol=1e-40)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_pass_that_breaks_down_is_no_matter_to_earlier_losses(kind: str) -> None:
    x = batch(T=12)
    clean = engine.trace(module(kind, 2, 5), x, loss=each_step).flow_matrix("l0")
    x[7] = torch.nan
    N = engine.trace(module(kind, 2, 5), x, loss=each_step).flow_matrix("l0")
    torch.testing.assert_close(N[:7], clean[:7], rtol=1e-12, atol=0.0, equal_nan=True)
    assert N[7:, :7].isnan().all()


def test_a_norm_neither_underflows_nor_overflows_before_its_numbers_do() -> None:
    """L_s = s_s Σ h_s with scales from 1e-300 to 1e300: N[s, s] = s_s √H."""
    scales = torch.logspace(-300, 300, 9, dtype=torch.float64)
    trace = engine.trace(module("gru", 2, 4), batch(), loss=lambda y: y.sum((1, 2)) * scales)
    torch.testing.assert_close(trace.flow_matrix("l0").diagonal(), scales * 2.0, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_slopes_that_underflow_do_not_lose_what_a_large_gradient_makes_of_them(kind: str) -> None:
    """Closed gates in float32: slopes of 1e-44 are worth two digits, and losses of 1e30 bring them back up."""
    layer = a_layer("l0", kind, 2, 6, 2, gain=0.3, dtype=torch.float32)
    weights = dict(layer.weights)
    weights["bias_ih"] = weights["bias_ih"] - 55.0 * (torch.arange(len(weights["bias_ih"])) < 12)
    layer = replace(layer, weights=weights)
    trace = trace_stack((Level((layer,)),), batch(6, 2, dtype=torch.float32), lambda y: (None, (y * 1e7).sum((1, 2))))
    rows = torch.stack([trace.flow_row(s) for s in range(6)])
    torch.testing.assert_close(trace.flow_matrix("l0"), rows, rtol=1e-5, atol=0.0, equal_nan=True)


# --- what is asked for ------------------------------------------------------------------------------------------------


def two_levels(T: int = 11) -> Trace:
    levels = (
        Level((a_layer("l0", "gru", 2, 4, 3), a_layer("l0_reverse", "lstm", 2, 3, 3, 1))),
        Level((a_layer("l1", "lstm", 7, 5, 3, 2),), residual),
        Level((a_layer("l2", "rnn", 5, 4, 3, 3),)),
    )
    return trace_stack(levels, batch(T), loss_of_each_step)


@pytest.mark.parametrize("name", ["l0", "l0_reverse", "l1", "l2"])
def test_some_losses_and_steps_are_a_part_of_the_whole(name: str) -> None:
    trace = two_levels()
    whole = trace.flow_matrix(name)
    for losses, same in (
        (range(2, 9, 3), [2, 5, 8]), (slice(-2, None), [9, 10]), ([7, -11, 3], [7, 0, 3]),
        (np.array([4]), [4]), (torch.tensor([6, 5]), [6, 5]), (None, list(range(11))),
    ):  # fmt: skip
        for t0, t1 in ((1, 11), (4, 7), (11, 11), (1, 1)):
            part = trace.flow_matrix(name, losses, (t0, t1))
            torch.testing.assert_close(part, whole[same, t0 - 1 : t1], rtol=1e-12, atol=1e-300, equal_nan=True)


def test_a_window_s_matrix_is_a_part_of_the_whole_one_with_all_losses() -> None:
    trace = two_levels()
    for name in trace.layers:
        whole = trace.flow_matrix(name)
        torch.testing.assert_close(
            trace.window(3, 9).flow_matrix(name), whole[:, 2:9], rtol=1e-12, atol=0, equal_nan=True
        )
        part = trace.window(3, 9).flow_matrix(name, [8], steps=(2, 4))
        torch.testing.assert_close(part, whole[[8], 3:6], rtol=1e-12, atol=0, equal_nan=True)


def test_what_is_taken_back_at_once_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = two_levels(37)
    whole = {name: trace.flow_matrix(name) for name in trace.layers}
    for numbers, workspace in ((1, flow_matrix.WORKSPACE), (700, flow_matrix.WORKSPACE), (1 << 18, 300_000)):
        monkeypatch.setattr(flow_matrix, "IN_CACHE", numbers)
        monkeypatch.setattr(flow_matrix, "WORKSPACE", workspace)
        for name in trace.layers:
            torch.testing.assert_close(trace.flow_matrix(name), whole[name], rtol=1e-12, atol=0.0, equal_nan=True)


def test_what_does_not_fit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = two_levels()
    monkeypatch.setattr(flow_matrix, "ANSWER", 500)
    with pytest.raises(engine.DataError, match=r"11 losses and 11 steps takes 1 MiB; 1 MiB is accepted: choose"):
        trace.flow_matrix("l2")
    monkeypatch.undo()
    monkeypatch.setattr(flow_matrix, "WORKSPACE", 10_000)
    with pytest.raises(
        engine.DataError, match=r"through the layers above l0 to its steps 1 to 11 takes 1 MiB at a time"
    ):
        trace.flow_matrix("l0")


def test_the_memory_at_work_stays_near_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's profiler saw allocated: the budget, and what does not grow with the losses (the layers' slopes)."""
    trace = two_levels(60)
    for name in trace.layers:
        trace.flow_matrix(name)  # what is found out once and for all is not the sweep's
    free = peak_of(lambda: trace.flow_matrix("l0"))
    monkeypatch.setattr(flow_matrix, "WORKSPACE", 1_500_000)
    for name in trace.layers:
        assert peak_of(lambda name=name: trace.flow_matrix(name)) < 2_000_000 < free


def peak_of(run: Callable[[], object]) -> int:
    """Bytes: the most that was allocated at once, beyond what was there before."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    at_work = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            at_work += event.nbytes()
            most = max(most, at_work)
    return most


@pytest.mark.parametrize(
    ("losses", "steps", "says"),
    [
        ([11], None, r"losses has 11; .* from -11 to 10"),
        ([2, 2], None, "losses has one of them twice"),
        ([3, -8], None, "losses has one of them twice"),
        ([], None, "losses has none"),
        (slice(5, 5), None, "losses has none"),
        ("all", None, "losses is 'all'"),
        (3, None, "losses is 3"),
        ([1.5], None, r"losses is 1\.5"),
        (None, 5, "steps is 5; a pair"),
        (None, (0, 4), r"steps is \(0, 4\); .* within 1 to 11"),
        (None, (5, 4), r"steps is \(5, 4\)"),
        (None, (1, 12), r"steps is \(1, 12\)"),
        (None, (1, 2, 3), "steps is a tuple of 3"),
    ],
)
def test_wrong_choices_are_named(losses: object, steps: object, says: str) -> None:
    with pytest.raises(engine.DataError, match=says):
        two_levels().flow_matrix("l1", losses, steps)  # type: ignore[arg-type]


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(engine.DataError, match="'l3' is no layer of this trace; it has l0, l0_reverse, l1, l2"):
        two_levels().flow_matrix("l3")


# --- losses and pieces ------------------------------------------------------------------------------------------------


def test_a_loss_at_every_step_takes_one_backward_pass_of_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = two_levels()
    expected = trace.flow_matrix("l2")

    def forbidden(*_: object) -> None:
        raise AssertionError("asked once more")

    monkeypatch.setattr(type(trace.loss_grads.head.piece), "back_many", forbidden)
    torch.testing.assert_close(trace.flow_matrix("l2"), expected, rtol=0, atol=0, equal_nan=True)


class Doubled(torch.autograd.Function):
    """An operation that knows of no batches: its backward pass leaves torch."""

    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:
        return y * 2

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return torch.from_numpy(grad.numpy() * 2)


@pytest.mark.filterwarnings("error")
def test_an_operation_of_the_user_s_own_is_asked_loss_by_loss() -> None:
    levels = (
        Level((a_layer("l0", "gru", 2, 4, 3),)),
        Level((a_layer("l1", "lstm", 4, 5, 3),), lambda y, _: Doubled.apply(y)),
    )
    check(levels, batch(), lambda y: (None, causal_attention(Doubled.apply(y))[1]))


@pytest.mark.filterwarnings("error")
def test_dropout_that_is_drawn_in_the_loss_or_between_layers_is_the_one_that_was_drawn() -> None:
    def dropped(y: Tensor, *_: Tensor) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return torch.nn.functional.dropout(y, 0.4)

    levels = (Level((a_layer("l0", "gru", 2, 4, 3),)), Level((a_layer("l1", "lstm", 4, 5, 3),), dropped))
    check(levels, batch(), lambda y: causal_attention(dropped(y)))


def test_a_network_s_own_pieces_and_losses() -> None:
    """Embedding, batch normalisation, dropout, residual connections and lengths, as a spec builds them."""
    from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec, RecurrentDropoutSpec

    layers = (
        LayerSpec(cell="lstm", hidden_size=4, bidirectional=True, batch_norm=True, dropout=0.3),
        LayerSpec(cell="gru", hidden_size=8, layer_norm=True, residual=True, dropout=0.2, dropout_mask="sequence"),
        LayerSpec(cell="rnn", hidden_size=8, residual=True, recurrent_dropout=RecurrentDropoutSpec(p=0.2)),
    )
    for at in ("every", "last", "mean", "attention"):
        model = ModelSpec(layers=layers, readout=ReadoutSpec(at=at))
        task = AddingTask(steps=10, batch_size=4, shortest=6)
        trace = engine.Network(Experiment(model=model, task=task, dtype="float64", seed=3)).trace()
        for name in trace.layers:
            N = trace.flow_matrix(name)
            assert N.shape == (10 if at == "every" else 1, 10)
            rows = torch.stack([trace.flow_row(s, name) for s in range(len(N))])
            torch.testing.assert_close(N, rows, rtol=1e-11, atol=1e-30, equal_nan=True)
            total = flow_gradients(trace.loss_grads, name, range(len(N)), (0, 10)).sum(0)
            torch.testing.assert_close(total, trace[name].grads["h"], rtol=1e-10, atol=1e-15)
    # Beside attention every step is reached that any sample has.
    assert N.isfinite().tolist() == [[t < trace.loss_grads.longest for t in range(10)]]


def test_a_read_out_of_one_direction_reaches_that_direction_alone() -> None:
    """The classifier's usual choice, the forward direction at T and the reverse one at step 1, against others."""
    model = torch.nn.LSTM(2, 3, bidirectional=True, dtype=torch.float64)
    forward = engine.trace(model, batch(), loss=lambda y: y[4, :, :3].sum())
    assert forward.flow_matrix("l0")[0].isnan().tolist() == [False] * 5 + [True] * 4
    assert forward.flow_matrix("l0_reverse").isnan().all()
    backward = engine.trace(model, batch(), loss=lambda y: y[4, :, 3:].sum())
    assert backward.flow_matrix("l0_reverse")[0].isnan().tolist() == [True] * 4 + [False] * 5
    both = engine.trace(model, batch(), loss=lambda y: y[-1, :, :3].sum() + y[0, :, 3:].sum())
    assert not both.flow_matrix("l0").isnan().any()
    assert not both.flow_matrix("l0_reverse").isnan().any()


def test_directions_are_each_other_s_triangle_and_below_them_all_is_full() -> None:
    model = torch.nn.LSTM(2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    trace = engine.trace(model, batch(), loss=each_step)
    lower = torch.ones(9, 9).tril().bool()
    assert torch.equal(~trace.flow_matrix("l1").isnan(), lower)
    assert torch.equal(~trace.flow_matrix("l1_reverse").isnan(), lower.T)
    assert not trace.flow_matrix("l0").isnan().any()
    assert not trace.flow_matrix("l0_reverse").isnan().any()


def test_a_single_loss_has_one_row_and_a_recorded_one_the_row_that_it_kept(tmp_path: object) -> None:
    trace = engine.trace(module("gru", 2, 5), batch(), loss=lambda y: y[3].sum())
    N = trace.flow_matrix("l0", steps=(2, 6))
    norms = torch.linalg.vector_norm(trace["l0"].grads["h"], dim=2).mean(1)
    torch.testing.assert_close(N[0, :3], norms[1:4], rtol=1e-14, atol=0.0)
    assert N[0, 3:].isnan().all()
    from engine.recording import load, save

    path = f"{tmp_path}/t.gflow"
    whole = engine.trace(module("gru", 2, 5), batch(), loss=each_step)
    save(whole, path)
    read = load(path)
    torch.testing.assert_close(read.flow_matrix("l0", [-1]), whole.flow_matrix("l0", [-1]), rtol=1e-12, atol=0.0)
    with pytest.raises(engine.DataError, match="only the gradient of number 8 at l0 is kept"):
        read.flow_matrix("l0")


def test_lengths_count_each_sample_at_its_own_steps() -> None:
    """Sample by sample by itself, without padding: the mean over those that have the step."""
    model, x, lengths = module("lstm", 2, 5), batch(), torch.tensor([9, 4, 6])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    N = engine.trace(model, packed, loss=each_step).flow_matrix("l0")
    total, counts = torch.zeros(9, 9, dtype=torch.float64), torch.zeros(9)
    for b, length in enumerate(lengths.tolist()):
        own = engine.trace(model, x[:length, b : b + 1], loss=each_step).flow_matrix("l0")
        total[:length, :length] += own.nan_to_num()
        counts[:length] += 1
    expected = (total / counts).masked_fill(torch.ones(9, 9).triu(1).bool(), torch.nan)
    torch.testing.assert_close(N, expected, rtol=1e-12, atol=0.0, equal_nan=True)
