"""What a long trace is made of: losses, read-outs, x in pieces, what-ifs, whole networks; and how it is made."""

from __future__ import annotations

import copy

import pytest
import torch
from long_and_whole import (
    STRETCH,
    B,
    D,
    H,
    T,
    ToTargets,
    assert_same,
    both,
    drawn,
    model_of,
)
from torch import Tensor, nn

import engine
from engine.spec import (
    Clamp,
    CopyTask,
    Cut,
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
)


def test_other_layouts_and_modules_are_taken_as_a_trace_takes_them() -> None:
    x = drawn(T, B, D)
    first = model_of("gru", batch_first=True, bias=False)
    loss = ToTargets(H)
    assert_same(
        engine.trace_long(first, x.transpose(0, 1), loss, stretch=STRETCH).window(30, 80),
        engine.trace(first, x.transpose(0, 1), loss=loss).window(30, 80),
    )
    cell, start = nn.LSTMCell(D, H, dtype=torch.float64), (drawn(B, H), drawn(B, H, seed=3))
    whole = engine.trace(cell, x, loss=loss, initial=start)
    long = engine.trace_long(cell, x, loss, start, stretch=STRETCH)
    assert_same(long.window(1, 50), whole.window(1, 50))
    assert torch.equal(long["l0"].initial["c"], start[1])


def test_a_loss_may_read_only_some_steps() -> None:
    model, x = model_of("gru"), drawn(T, B, D)

    def last(y: Tensor, steps: slice) -> Tensor:
        found = y.new_zeros(len(y))
        if steps.stop == T:
            found[-1] = y[-1].pow(2).sum()
        return found

    whole = engine.trace(model, x, loss=lambda y: last(y, slice(0, T)))
    long = engine.trace_long(model, x, last, stretch=STRETCH)
    assert_same(long.window(70, T), whole.window(70, T))
    assert long.flow_row(3).isnan().all()
    with pytest.raises(engine.DataError, match="does not depend"):
        engine.trace_long(model, x, lambda y, _: y.new_zeros(len(y)), stretch=STRETCH)


def test_a_read_out_s_gradients_are_added_up() -> None:
    model, x, readout = model_of("lstm"), drawn(T, B, D), nn.Linear(H, 1, dtype=torch.float64)
    targets = drawn(T, B, 1, seed=7)
    long = engine.trace_long(
        model, x, lambda y, steps: (readout(y) - targets[steps]).pow(2).mean((1, 2)), stretch=STRETCH,
        parameters=dict(readout.named_parameters(prefix="readout")),
    )  # fmt: skip
    assert readout.weight.grad is None
    (readout(model(x)[0]) - targets).pow(2).mean((1, 2)).sum().backward()
    for name, grad in long.head_grads.items():
        expected = getattr(readout, name.removeprefix("readout.")).grad
        torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(long.weight_grads["weight_hh_l0"], model.weight_hh_l0.grad, rtol=1e-11, atol=1e-13)
    with torch.no_grad():
        readout.weight.mul_(1.5)
    with pytest.raises(engine.DataError, match="The loss of steps 75 to 111 is not what it was"):
        long.window(80, 90)


def test_x_may_be_a_function_that_is_asked_again() -> None:
    model, x, asked = model_of("lstm", batch_first=True), drawn(T, B, D), []
    given = x.transpose(0, 1).clone()

    def give(steps: slice) -> Tensor:
        asked.append(steps)
        return given[:, steps]

    loss = ToTargets(H)
    long = engine.trace_long(model, give, loss, steps=T, stretch=STRETCH)
    expected = engine.trace_long(model, given, loss, stretch=STRETCH)
    found = long.window(30, 80).numpy()
    for name, array in expected.window(30, 80).numpy().items():
        assert (found[name] == array).all(), name
    assert all(steps.stop - steps.start <= STRETCH for steps in asked)
    given[0, 40] += 1e-9
    with pytest.raises(engine.DataError, match="x of steps 38 to 74 is not what it was"):
        long.window(30, 80)
    assert long.window(1, 30).steps == 30


def test_nothing_changes_a_trace_that_is_there() -> None:
    model, x = model_of("lstm", 2), drawn(T, B, D).requires_grad_()
    before = copy.deepcopy(model.state_dict())
    with torch.inference_mode():
        long = engine.trace_long(model, x, ToTargets(H), stretch=STRETCH)
        first = long.window(30, 80).numpy()
    assert x.grad is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for tensor in (x, *model.parameters()):
            tensor.fill_(99.0)
    again = long.window(30, 80).numpy()
    for name, array in first.items():
        assert (array == again[name]).all(), name
    with pytest.raises(TypeError):
        long["l0"].weight_grads["weight_hh"] = x  # type: ignore[index]


def test_it_is_made_one_stretch_at_a_time_and_can_be_left() -> None:
    model, x, loss = model_of("gru", 2, True), drawn(T, B, D), ToTargets(2 * H)
    run = engine.long_run(model, x, loss, stretch=50)
    assert (run.done, run.total) == (0, 18), "two levels of two directions: three times forward and three times back"
    with pytest.raises(engine.DataError, match="0 of 18"):
        _ = run.trace
    run.advance()
    assert run.done == 1
    assert torch.is_grad_enabled()
    other = engine.trace_long(model, x, loss, stretch=50)
    while not run.finished:
        run.advance()
    run.advance()
    assert run.done == run.total
    assert run.trace is run.trace
    for name, grad in other.weight_grads.items():
        assert torch.equal(run.trace.weight_grads[name], grad)
    assert engine.long_run(model_of("lstm", 3), x, loss, stretch=50).total == 6, "one direction goes through once"


def test_a_what_if_is_laid_on_top_as_in_a_trace() -> None:
    model, x, loss = model_of("lstm", 2), drawn(T, B, D), ToTargets(H, dtype=torch.float32)
    clamp = Clamp(gate="f", value=0.5, first=40, last=60)
    what_if = engine.WhatIf(forget_bias=1.0, dtype="float32", clamps=(clamp,), cuts=(Cut(route="g", layer="l1"),))
    whole = engine.trace(model, x, loss=loss, what_if=what_if)
    for given in ({"x": x}, {"x": lambda steps: x[steps], "steps": T}):
        long = engine.trace_long(model, loss=loss, stretch=STRETCH, what_if=what_if, **given)
        assert long["l0"].values["f"].dtype == torch.float32
        assert_same(long.window(30, 80), whole.window(30, 80), 1e-4)
        assert long.window(30, 80).audit().passed


def test_dropout_is_taken_where_nothing_is_dropped() -> None:
    model = model_of("lstm", 2, dropout=0.5).eval()
    whole, long = both(model)
    assert_same(long.window(30, 80), whole.window(30, 80))


def network() -> engine.Network:
    """With everything that can stand in and between layers and needs no more than a step at a time."""
    drop = {"dropout": 0.25, "dropout_mask": "sequence"}
    layers = (
        LayerSpec(cell="lstm", hidden_size=4, bidirectional=True, batch_norm=True, residual=True, **drop),
        LayerSpec(cell="gru", hidden_size=5, layer_norm=True, recurrent_dropout=RecurrentDropoutSpec(mask="step")),
        LayerSpec(cell="lstm", hidden_size=5, residual=True, recurrent_dropout=RecurrentDropoutSpec(), **drop),
    )
    model = ModelSpec(
        layers=layers,
        embedding=EmbeddingSpec(symbols=10, size=8),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    clamp = Clamp(layer="l1", gate="z", value=0.5, first=30, last=50)
    return engine.Network(
        Experiment(model=model, task=CopyTask(delay=T - 20, batch_size=B), dtype="float64"),
        what_if=engine.WhatIf(clamps=(clamp,), cuts=(Cut(layer="l2", route="f"),)),
    )


def test_a_network_is_traced_with_what_stands_between_its_layers() -> None:
    net = network()
    x = torch.randint(0, 10, (T, B), generator=torch.Generator().manual_seed(3))
    targets = drawn(T, B, net.weights["readout.weight"].shape[0])
    whole = engine.trace(net, x, loss=lambda y: (y - targets).pow(2).sum((1, 2)), iteration=2)

    def loss(y: Tensor, steps: slice) -> Tensor:
        return (y - targets[steps]).pow(2).sum((1, 2))

    for given in ({"x": x}, {"x": lambda steps: x[steps], "steps": T}):
        long = engine.trace_long(net, loss=loss, stretch=STRETCH, iteration=2, **given)
        assert_same(long.window(30, 80), whole.window(30, 80))
        assert list(long.weight_grads) == list(whole.weight_grads)
        for name, grad in whole.weight_grads.items():
            torch.testing.assert_close(long.weight_grads[name], grad, rtol=1e-11, atol=1e-12)
    assert long.window(30, 80).outputs.shape == (51, B, targets.shape[2])
    assert long.window(30, 50).audit().passed
    row = whole.flow_row(60, "l0_reverse")
    torch.testing.assert_close(long.flow_row(60, "l0_reverse"), row, rtol=1e-10, atol=0, equal_nan=True)
    net.load({name: weight + 1 for name, weight in net.weights.items()})
    assert_same(long.window(30, 80), whole.window(30, 80))
