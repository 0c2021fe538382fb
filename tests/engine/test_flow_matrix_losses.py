"""The flow matrix of losses and pieces of every kind: a user's own, a network's, single ones, with lengths."""

from __future__ import annotations

import pytest
import torch
from flow_layers import (
    a_layer,
    batch,
    causal_attention,
    check,
    each_step,
    two_levels,
)
from torch import Tensor
from unrolled import module

import engine
from engine.flow_matrix import flow_gradients
from engine.stack import Level


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
