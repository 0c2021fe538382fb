"""Whatever a loss reads, writes to or returns: the trace is right, its own, and judged by what the loss reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from unrolled import module

import engine
from engine import container
from engine.operations import run
from engine.requests import Excerpt, Look, Recorded
from engine.sources import Traced

KINDS = ("tanh", "relu", "lstm", "gru")


def batch(T: int = 9, B: int = 3, D: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(T, B, D, dtype=dtype, generator=torch.Generator().manual_seed(1))


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def opened(trace: engine.Trace, path: Path) -> Excerpt:
    trace.save(path)
    found: Excerpt = run("excerpt", Look(Recorded(str(path), container.probe(path).sha256), ()))
    return found


def expected_ratio(trace: engine.Trace, loss: int, last: int) -> float:
    row = trace.flow_row(loss)
    return math.log10(float(row[0])) - math.log10(float(row[last - 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_loss_is_judged_from_the_last_step_that_it_reads(kind: str, tmp_path: Path) -> None:
    trace = engine.trace(module(kind, 2, 5), batch(T=20), loss=lambda y: y[9].pow(2).sum())
    verdict = opened(trace, tmp_path / "t.gflow").verdict
    assert verdict.last_step == verdict.loss_step == 10
    assert verdict.log10_ratio == pytest.approx(expected_ratio(trace, 0, 10), rel=1e-12)
    assert verdict.kind == "healthy"


@pytest.mark.parametrize("kind", KINDS)
def test_losses_that_are_masked_at_the_end_are_left_out_of_the_verdict(kind: str, tmp_path: Path) -> None:
    mask = (torch.arange(20) < 12).double()
    trace = engine.trace(module(kind, 2, 5), batch(T=20), loss=lambda y: each_step(y) * mask)
    expected = expected_ratio(trace, 11, 12)
    verdict = opened(trace, tmp_path / "t.gflow").verdict
    assert verdict.last_step == 12
    assert verdict.log10_ratio == pytest.approx(expected, rel=1e-12)
    fresh = Traced(trace, None, None, 0.0).judged_row
    assert math.log10(fresh[0]) - math.log10(fresh[11]) == pytest.approx(expected, rel=1e-12)


def test_a_loss_that_reads_nothing_at_all_has_no_verdict(tmp_path: Path) -> None:
    trace = engine.trace(module("gru", 2, 5), batch(), loss=lambda y: each_step(y) * 0.0)
    assert opened(trace, tmp_path / "t.gflow").verdict.kind == "undefined"


@pytest.mark.parametrize("of_model", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("of_loss", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_loss_of_another_type_is_kept_in_the_trace_s_own(
    of_model: torch.dtype, of_loss: torch.dtype, tmp_path: Path
) -> None:
    model, x = module("lstm", 2, 5, of_model), batch(dtype=of_model)
    for loss in (lambda y: each_step(y).to(of_loss), lambda y: y.to(of_loss).pow(2).sum()):
        trace = engine.trace(model, x, loss=loss)
        assert {array.dtype for array in (trace.loss, trace.losses, trace.outputs)} == {of_model}
        assert trace.audit().passed, trace.audit().worst
        assert opened(trace, tmp_path / "t.gflow").loss == float(trace.loss)


def test_a_window_of_as_many_steps_as_samples_keeps_the_whole_answer() -> None:
    """(B, O) with B = T is an answer at the last step and none of its rows a step."""
    from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec

    made = Experiment(model=ModelSpec(layers=(LayerSpec(cell="gru"),)), task=AddingTask(steps=6, batch_size=6))
    trace = engine.Network(made).trace()
    assert torch.equal(trace.window(2, 3).outputs, trace.outputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_flow_row_overflows_no_earlier_than_its_gradient(dtype: torch.dtype) -> None:
    """A linear chain h_t = 2 h_{t−1}: ∂L/∂h_k = g·2^(T−k), up to half the largest number; its square is far beyond."""
    model = torch.nn.RNN(1, 1, nonlinearity="relu", bias=False, dtype=dtype)
    with torch.no_grad():
        model.weight_ih_l0.fill_(1e-6)
        model.weight_hh_l0.fill_(2.0)
    top = torch.finfo(dtype).max / 4
    trace = engine.trace(model, torch.ones(11, 2, 1, dtype=dtype), loss=lambda y: (y[-1] * (top / 2**10)).sum())
    expected = torch.tensor([top / 2**k for k in range(11)], dtype=torch.float64)
    torch.testing.assert_close(trace.flow_row(), expected, rtol=1e-6, atol=0.0)
    small = engine.trace(model, torch.ones(3, 2, 1, dtype=dtype), loss=lambda y: (y[-1] * (4 / top)).sum())
    torch.testing.assert_close(small.flow_row()[2], torch.tensor(4 / top, dtype=torch.float64), rtol=1e-2, atol=0.0)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y: y.mul_(2).sum((1, 2)),
        lambda y: (y.pow(2) + (y - y.detach().zero_())).sum((1, 2)),
        lambda y: y.pow(2).sum((1, 2)) + y.zero_().sum((1, 2)),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_that_writes_to_the_output_changes_nothing_that_is_recorded(
    kind: str, loss: Callable[[Tensor], Tensor]
) -> None:
    model, x = module(kind, 2, 5), batch()
    plain = engine.trace(model, x, loss=each_step)
    trace = engine.trace(model, x, loss=loss)
    for symbol, value in plain["l0"].values.items():
        assert torch.equal(trace["l0"].values[symbol], value)
    assert torch.equal(trace.outputs, plain.outputs)
    assert trace.audit().passed


def test_the_gradient_of_an_overwritten_output_is_autograd_s() -> None:
    """y.mul_(2).sum(): ∂/∂h = 2."""
    trace = engine.trace(module("gru", 2, 5), batch(), loss=lambda y: y.mul_(2).sum())
    assert (trace["l0"].output_grads == 2).all()


def test_the_answer_of_a_model_is_an_array_of_its_own() -> None:
    trace = engine.trace(module("gru", 2, 5), batch(), loss=each_step)
    trace.outputs.zero_()
    assert trace["l0"].values["h"].any()


def test_no_name_of_a_trace_can_be_given_another_array() -> None:
    trace = engine.trace(module("lstm", 2, 5), batch(), loss=each_step)
    layer = trace["l0"]
    mappings = [trace.layers, trace.head_grads, layer.weight_grads, layer.before]
    mappings += [getattr(layer, part) for part in ("weights", "initial", "values", "final_grads", "grads")]
    mappings += [layer.initial_grads]
    for mapping in mappings:
        with pytest.raises(TypeError, match="assignment"):
            mapping["h"] = 1  # type: ignore[index]


def test_a_loss_may_be_built_in_inference_mode() -> None:
    model, x = module("gru", 2, 5), batch()
    with torch.inference_mode():
        scale = torch.full((9,), 2.0, dtype=torch.float64)
        with pytest.raises(engine.DataError, match="inference_mode") as refused:
            engine.trace(model, x, loss=lambda y: each_step(y) * scale)
        assert str(refused.value).count(".") <= 5
        with torch.inference_mode(False):
            usable = scale.clone()
        assert engine.trace(model, x, loss=lambda y: each_step(y) * usable).audit().passed


def test_a_network_may_be_built_and_traced_in_inference_mode() -> None:
    from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec

    made = Experiment(model=ModelSpec(layers=(LayerSpec(cell="lstm"),)), task=AddingTask(steps=6, batch_size=3))
    outside = engine.Network(made).trace()
    with torch.inference_mode():
        inside = engine.Network(made).trace()
        assert inside.audit().passed
        again = engine.Network(made, {n: w.clone() for n, w in engine.Network(made).weights.items()}).trace()
    for name, array in outside.numpy().items():
        assert (inside.numpy()[name] == array).all(), name
        assert (again.numpy()[name] == array).all(), name
