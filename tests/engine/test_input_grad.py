"""`Trace.input_grad` is the whole ∂L/∂x, on every way that the input takes, wherever a trace is looked at."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import engine
from engine import AddingTask, CopyTask, EmbeddingSpec, Experiment, LayerSpec, ModelSpec, Network, ReadoutSpec
from engine.spec import TruncationSpec
from engine.truncated_trace import truncated_trace

T, B, D = 7, 3, 2


def layer(cell: str = "gru", bidirectional: bool = False, **options: object) -> LayerSpec:
    return LayerSpec(cell=cell, hidden_size=D // (1 + bidirectional), bidirectional=bidirectional, **options)


STACKS = {
    "one residual layer": (layer(residual=True),),
    "one residual layer in both directions": (layer("lstm", True, residual=True),),
    "a residual layer below another": (layer(residual=True), layer("lstm")),
    "residual layers above each other, normalised": (
        layer("rnn", residual=True, batch_norm=True, norm_eps=0.1),
        layer("lstm", residual=True, dropout=0.4, dropout_mask="sequence"),
    ),
    "no residual layer": (layer("rnn", True), layer()),
}


def network(stack: str) -> Network:
    model = ModelSpec(layers=STACKS[stack], readout=ReadoutSpec(at="every"))
    return Network(Experiment(model=model, task=AddingTask(steps=T, batch_size=B), dtype="float64", device="cpu"))


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def loss(y: Tensor) -> Tensor:
    return (y - 0.3).pow(2).sum((1, 2))


def differences(net: Network, x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """∂L/∂x (T, B, D) by central differences of the network's own loss."""
    found = torch.zeros_like(x)
    for place in range(x.numel()):
        nudge = torch.zeros_like(x)
        nudge.view(-1)[place] = 1e-5
        up, down = (net.trace(x + sign * nudge, loss, lengths=lengths).loss for sign in (1, -1))
        found.view(-1)[place] = (up - down) / 2e-5
    return found


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("stack", STACKS)
def test_it_is_what_finite_differences_of_the_loss_say(stack: str, tmp_path: Path) -> None:
    net, x = network(stack), drawn(T, B, D)
    trace, expected = net.trace(x, loss), differences(net, x)
    assert_close(trace.input_grad, expected)
    assert_close(trace.window(2, 5).input_grad, expected[1:5])
    assert_close(trace.window(2, 5).window(2, 3).input_grad, expected[2:4])
    assert torch.equal(torch.from_numpy(trace.numpy()["input_grad"].copy()), trace.input_grad)
    trace.save(tmp_path / "a.gflow")
    for again in (engine.load_trace(tmp_path / "a.gflow"), pickle.loads(pickle.dumps(trace)), copy.deepcopy(trace)):
        assert torch.equal(again.input_grad, trace.input_grad)
        assert again.audit().passed


@pytest.mark.parametrize("stack", STACKS)
def test_so_it_is_in_a_long_trace_and_its_windows(stack: str) -> None:
    net, x = network(stack), drawn(T, B, D)
    expected = differences(net, x)
    long = engine.trace_long(net, x, lambda y, steps: loss(y), stretch=3)
    assert_close(long.window(2, 5).input_grad, expected[1:5])
    assert_close(long.input_grad, expected)
    for audit in (long.audit(), long.window(2, 5).audit()):
        assert audit.passed, audit.worst
        assert "input_grad" in {row.quantity for row in audit.rows}


@pytest.mark.parametrize("stack", ["one residual layer", "a residual layer below another"])
def test_samples_of_different_lengths_have_none_in_their_padding(stack: str) -> None:
    net, x, lengths = network(stack), drawn(T, B, D), torch.tensor([T, 2, 5])
    found = net.trace(x, loss, lengths=lengths).input_grad
    expected = differences(net, x, lengths)
    there = torch.arange(T)[:, None] < lengths
    assert_close(found[there], expected[there])
    assert bool((found[~there] == 0).all())


def test_behind_an_embedding_it_is_that_of_the_vectors() -> None:
    """Added up by symbol it is the gradient of the table, which autograd has found."""
    model = ModelSpec(
        layers=(LayerSpec(cell="gru", hidden_size=4, residual=True), LayerSpec(cell="lstm", hidden_size=3)),
        embedding=EmbeddingSpec(symbols=10, size=4),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    net = Network(Experiment(model=model, task=CopyTask(delay=2, batch_size=2), dtype="float64", device="cpu"))
    trace, table = net.trace(), torch.zeros(10, 4, dtype=torch.float64)
    table.index_add_(0, net.batch().x.flatten(), trace.input_grad.flatten(0, 1))
    assert_close(table, trace.weight_grads["embedding.weight"])


@pytest.mark.parametrize("stack", ["one residual layer", "residual layers above each other, normalised"])
def test_the_audit_sees_it_when_what_goes_round_the_first_layer_is_missing(stack: str) -> None:
    trace = network(stack).trace()
    assert trace.past_grad is not None
    rows = {row.quantity: row.error for row in trace.audit().rows}
    assert rows["input_grad"] < 1e-12
    short = replace(trace, past_grad=trace.past_grad * 0)
    worst = short.audit().worst
    assert worst.quantity == "input_grad"
    assert worst.error > 0.1


def test_truncation_cuts_none_of_what_goes_round_the_first_layer_and_all_that_it_cuts_elsewhere() -> None:
    """Held to a loop that detaches the states, written out."""
    net = network("one residual layer")
    batch, trace = net.batch(), net.trace()
    cell = torch.nn.GRUCell(D, D, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            parameter.copy_(net.weights[f"{name}_l0"])
    x = batch.x.clone().requires_grad_()
    h, total = x.new_zeros(B, D), x.new_zeros(())
    for t in range(T):
        h = h.detach() if t % 3 == 0 else h
        h = cell(x[t], h)
        y = (h + x[t]) @ net.weights["readout.weight"].T + net.weights["readout.bias"]
        total = total + (y - batch.targets[t]).pow(2).mean() / T
    (expected,) = torch.autograd.grad(total, x)
    assert_close(truncated_trace(trace, TruncationSpec(k1=3, k2=3)).input_grad, expected)
