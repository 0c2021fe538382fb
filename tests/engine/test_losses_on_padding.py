"""Padding is no step of any layer: a loss that reads it sends nothing back from there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import engine

LENGTHS = [9, 5, 2]


def constants(y: Tensor) -> Tensor:
    """Its gradient at a padded output, 0, is 1."""
    return y.sum((1, 2))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_what_reaches_the_initial_states_is_what_autograd_finds(kind: type[nn.RNNBase], bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = kind(2, 4, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(9, 3, 2, dtype=torch.float64)
    directions = 2 if bidirectional else 1
    start = [torch.randn(2 * directions, 3, 4, dtype=torch.float64).requires_grad_() for _ in range(2)]
    packed = pack_padded_sequence(x, LENGTHS)
    states = tuple(start) if kind is nn.LSTM else start[0]
    constants(pad_packed_sequence(model(packed, states)[0])[0]).sum().backward()
    initial = tuple(s.detach() for s in start) if kind is nn.LSTM else start[0].detach()
    trace = engine.trace(model, packed, loss=constants, initial=initial)
    for place, layer in enumerate(trace.layers.values()):
        for state, found in zip("hc", start, strict=True):
            if state in layer.initial_grads:
                assert found.grad is not None
                torch.testing.assert_close(layer.initial_grads[state], found.grad[place], rtol=1e-12, atol=1e-14)
        assert layer.mask is not None
        assert not layer.output_grads[~layer.mask].any()
    for name, grad in trace.weight_grads.items():
        torch.testing.assert_close(grad, getattr(model, name).grad, rtol=1e-12, atol=1e-14)
    assert trace.audit().passed, trace.audit().worst


def test_a_loss_of_padding_alone_reaches_nothing() -> None:
    torch.manual_seed(0)
    model, x = nn.GRU(2, 4), torch.randn(9, 2, 2)
    trace = engine.trace(model, pack_padded_sequence(x, [9, 5]), loss=lambda y: y[:, 1].sum(1))
    assert trace.flow_row(6).isnan().all(), "its only sample has no step 7"
    assert not trace.flow_row(4)[:5].isnan().any()
