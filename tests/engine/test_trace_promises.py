"""What a trace promises besides right numbers: it repeats, it stays, and it leaves the user's model alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from unrolled import module

import engine
from engine.layer_trace import LayerTrace
from engine.tracing import trace_layer

KINDS = ("tanh", "relu", "lstm", "gru")


def batch(T: int = 9, B: int = 3, D: int = 2, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(T, B, D, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_trace_has_the_same_bits(kind: str, dtype: torch.dtype) -> None:
    model, x = module(kind, 2, 5, dtype), batch(dtype=dtype)
    first, second = (engine.trace(model, x, loss=each_step).numpy() for _ in range(2))
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_user_s_model_is_left_alone(kind: str) -> None:
    model, x = module(kind, 2, 5), batch().requires_grad_()
    model.train()
    model.weight_ih_l0.requires_grad_(False)
    for parameter in (model.weight_hh_l0, model.bias_hh_l0):
        parameter.grad = torch.full_like(parameter, 7.0)
    before = copy.deepcopy(model.state_dict())
    random_state = torch.get_rng_state()
    with torch.no_grad():
        trace = engine.trace(model, x, loss=each_step)
        trace.audit()
        trace.flow_row()
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert model.training
    assert not model.weight_ih_l0.requires_grad
    assert model.weight_hh_l0.requires_grad
    assert model.weight_ih_l0.grad is None
    assert (model.weight_hh_l0.grad == 7.0).all()
    assert x.grad is None
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_it_works_in_inference_mode_too() -> None:
    model, x = module("lstm", 2, 5), batch()
    outside = engine.trace(model, x, loss=each_step)
    with torch.inference_mode():
        inside = engine.trace(model, x.clone(), loss=each_step)
        assert inside.audit().passed
        assert torch.equal(inside.flow_row(2), outside.flow_row(2).clone()) or inside.flow_row(2)[3:].isnan().all()
    for name, array in outside.numpy().items():
        assert (inside.numpy()[name] == array).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_lazy_is_as_immutable_as_what_is_not(kind: str) -> None:
    """Train on, and overwrite everything that the trace was given: nothing that is asked for later changes."""
    model, x = module(kind, 2, 5), batch()
    readout, targets = nn.Linear(5, 1, dtype=torch.float64), batch(D=1, seed=4)

    def head(h: Tensor) -> tuple[Tensor, Tensor]:
        outputs = readout(h).tanh()
        return outputs, (outputs - targets).pow(2).mean((1, 2))

    asked, later = (trace_layer(model, x, head, head_parameters=dict(readout.named_parameters())) for _ in range(2))
    expected = asked.numpy()
    rows = [asked.flow_row(s) for s in range(9)]
    shares = {name: asked["l0"].weight_grad_share(name) for name in asked["l0"].weights}
    with torch.no_grad():
        for tensor in (x, targets, *model.parameters(), *readout.parameters()):
            tensor.fill_(99.0)
            tensor.data.mul_(2.0)
    for name, array in later.numpy().items():
        assert (array == expected[name]).all(), name
    for s in range(9):
        torch.testing.assert_close(later.flow_row(s), rows[s], rtol=0, atol=0, equal_nan=True)
    for name, share in shares.items():
        assert torch.equal(later["l0"].weight_grad_share(name), share)
    assert later.audit().passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_the_slice(kind: str) -> None:
    model, x = module(kind, 2, 5), batch(T=12)
    whole = engine.trace(model, x, loss=each_step)
    for t0, t1 in ((1, 12), (1, 4), (5, 9), (12, 12), (7, 7)):
        part = whole.window(t0, t1)
        cut = slice(t0 - 1, t1)
        for symbol, value in whole["l0"].values.items():
            assert torch.equal(part["l0"].values[symbol], value[cut])
            assert torch.equal(part["l0"].grads[symbol], whole["l0"].grads[symbol][cut])
        for state in whole["l0"].initial:
            before = whole["l0"].values[state][t0 - 2] if t0 > 1 else whole["l0"].initial[state]
            assert torch.equal(part["l0"].initial[state], before)
        assert torch.equal(part.losses, whole.losses[cut])
        assert torch.equal(part.outputs, whole.outputs[cut])
        torch.testing.assert_close(part.input_grad, whole.input_grad[cut], rtol=1e-13, atol=1e-15)
        for name in whole["l0"].weights:
            share = whole["l0"].weight_grad_share(name)[cut]
            torch.testing.assert_close(part["l0"].weight_grad_share(name), share, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(part.flow_row(10), whole.flow_row(10)[cut], rtol=0, atol=0, equal_nan=True)
        assert part.audit().passed
        assert part.window(1, 1)["l0"].values["h"].equal(whole["l0"].values["h"][t0 - 1 : t0])
    pieces = [whole.window(t, t)["l0"].weight_grads["weight_hh"] for t in range(1, 13)]
    torch.testing.assert_close(
        torch.stack(pieces).sum(0), whole["l0"].weight_grads["weight_hh"], rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_s_initial_gradient_is_the_total_less_the_direct_part(kind: str) -> None:
    layer = engine.trace(module(kind, 2, 5), batch(), loss=each_step)["l0"]
    through = layer.window(4, 9).initial_grads["h"]
    torch.testing.assert_close(through + layer.output_grads[2], layer.grads["h"][2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_flows_add_up_to_the_total_gradient(kind: str) -> None:
    """Σ_t ∂L_t/∂h_k = δh_k, as vectors."""
    whole = engine.trace(module(kind, 2, 5), batch(), loss=each_step)
    total = torch.zeros_like(whole["l0"].grads["h"])
    for s in range(9):
        flow = whole.flow_gradient(s)
        assert (flow[s + 1 :] == 0).all()
        total += flow
        row = whole.flow_row(s)
        torch.testing.assert_close(row[: s + 1], flow[: s + 1].pow(2).sum(2).sqrt().mean(1), rtol=1e-12, atol=0.0)
        assert row[s + 1 :].isnan().all()
    torch.testing.assert_close(total, whole["l0"].grads["h"], rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(whole.flow_row(), whole.flow_row(8), rtol=0, atol=0)


def test_a_single_loss_has_one_row_and_reaches_every_step_up_to_the_one_it_reads() -> None:
    trace = engine.trace(module("gru", 2, 5), batch(), loss=lambda y: y[3].sum())
    norms = torch.linalg.vector_norm(trace["l0"].grads["h"], dim=2).mean(1)
    torch.testing.assert_close(trace.flow_row()[:4], norms[:4], rtol=1e-14, atol=0.0)
    assert trace.flow_row()[4:].isnan().all()
    assert trace.losses.shape == (1,)
    with pytest.raises(engine.DataError, match="no loss 1"):
        trace.flow_row(1)


def test_arrays_are_read_only_and_named_by_layer() -> None:
    arrays = engine.trace(module("lstm", 2, 5), batch(), loss=each_step).numpy()
    for name in ("l0.values.f", "l0.grads.a_f", "l0.weight_grads.weight_hh", "l0.initial_grads.c", "losses", "outputs"):
        with pytest.raises(ValueError, match="read-only"):
            arrays[name][...] = 0
    assert isinstance(arrays["l0.values.f"], np.ndarray)
    assert arrays["l0.values.f"].shape == (9, 3, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_comes_back_from_its_parts(kind: str) -> None:
    layer = engine.trace(module(kind, 2, 5), batch(), loss=each_step)["l0"]
    needed = (layer.cell, layer.activation, layer.x, layer.weights, layer.initial, layer.values, layer.output_grads)
    for again in (
        LayerTrace.from_parts(*needed),
        LayerTrace.from_parts(*needed, grads=layer.grads, initial_grads=layer.initial_grads),
    ):
        assert again.audit().passed
        for symbol, grad in layer.grads.items():
            torch.testing.assert_close(again.grads[symbol], grad, rtol=1e-13, atol=1e-15)
        for name, grad in layer.weight_grads.items():
            torch.testing.assert_close(again.weight_grads[name], grad, rtol=1e-13, atol=1e-15)


def test_a_missing_or_misshapen_part_is_named() -> None:
    layer = engine.trace(module("lstm", 2, 5), batch(), loss=each_step)["l0"]
    parts = {
        "cell": layer.cell, "activation": layer.activation, "x": layer.x, "weights": layer.weights,
        "initial": layer.initial, "values": layer.values, "output_grads": layer.output_grads,
    }  # fmt: skip
    wrong = {
        "values.f": {"values": {k: v for k, v in layer.values.items() if k != "f"}},
        "values.c": {"values": {**layer.values, "c": layer.values["c"][1:]}},
        "initial.c": {"initial": {"h": layer.initial["h"]}},
        "output_grads": {"output_grads": layer.output_grads.float()},
        "weights.weight_ih": {"weights": {"weight_hh": layer.weights["weight_hh"]}},
        "grads.h": {"grads": {k: v for k, v in layer.grads.items() if k != "h"}, "initial_grads": layer.initial_grads},
    }
    for name, change in wrong.items():
        with pytest.raises(engine.DataError, match=name.replace(".", r"\.")):
            LayerTrace.from_parts(**{**parts, **change})


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (nn.LSTM(2, 3, proj_size=2), "proj_size"),
        (nn.Linear(2, 3), "Linear"),
        (nn.LSTM(2, 3, dtype=torch.complex64), "complex64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_traced_is_refused_in_one_sentence(model: nn.Module, word: str) -> None:
    with pytest.raises(engine.DataError, match=word) as refused:
        engine.trace(model, torch.zeros(4, 1, 2), loss=each_step)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_wrong_input_is_refused_in_one_sentence() -> None:
    model, x = module("lstm", 2, 5), batch()
    packed = nn.utils.rnn.pack_padded_sequence(batch(D=3), [9, 5, 2])
    for wrong, word in (
        (x[0], "shape"),
        (batch(D=3), "input_size"),
        (x.float(), "float32"),
        (packed, "input_size"),
    ):
        with pytest.raises(engine.DataError, match=word):
            engine.trace(model, wrong, loss=each_step)
    for initial, word in (({"q": x[0]}, "'q'"), ({"h": x[0]}, r"initial\.h"), ({"c": x[0, 0, 0]}, r"initial\.c")):
        with pytest.raises(engine.DataError, match=word):
            engine.trace(model, x, loss=each_step, initial=initial)
    for loss, word in ((None, "loss"), (lambda y: y, "shape"), (lambda y: y.detach().sum(), "depend")):
        with pytest.raises(engine.DataError, match=word):
            engine.trace(model, x, loss=loss)


def test_products_stay_exact_where_the_caller_allowed_shortcuts() -> None:
    """bfloat16 products would be 3e-3 wrong; the caller's own switch stands afterwards as it stood."""
    model, x = module("lstm", 2, 64, torch.float32), batch(dtype=torch.float32)
    exact = engine.trace(model, x, loss=each_step).numpy()
    torch.set_float32_matmul_precision("medium")
    try:
        loose = engine.trace(model, x, loss=each_step).numpy()
        assert torch.get_float32_matmul_precision() == "medium"
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = engine.trace(model, x, loss=each_step).numpy()
    finally:
        torch.set_float32_matmul_precision("highest")
    for name, array in exact.items():
        assert (loose[name] == array).all(), name
        assert (cast[name] == array).all(), name
