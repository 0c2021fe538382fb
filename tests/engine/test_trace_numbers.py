"""Numbers of the mathematics that can be worked out on paper or by finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from unrolled import module

import engine


def test_the_scalar_worked_example_comes_out_digit_for_digit() -> None:
    """h = tanh(.5x + .1h₋), y = h, x = 1, 2, 3, targets .5, 1, 1.5, L = ½Σ(y − target)²."""
    rnn = torch.nn.RNN(1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(0.5)
        rnn.weight_hh_l0.fill_(0.1)
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(3, 1, 1)
    targets = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    trace = engine.trace(rnn, x, loss=lambda y: 0.5 * (y[:, 0, 0] - targets).pow(2))
    assert [f"{h:.4f}" for h in trace["l0"].values["h"].flatten().tolist()] == ["0.4621", "0.7803", "0.9183"]
    assert f"{trace.loss.item():.4f}" == "0.1940"
    assert f"{trace.weight_grads['weight_ih_l0'].item():.6f}" == "-0.489304"
    assert f"{trace.weight_grads['weight_hh_l0'].item():.6f}" == "-0.112494"


def test_a_default_vanilla_rnn_vanishes_at_one_over_root_three_a_step() -> None:
    """U(±1/√H) has variance 1/(3H): log₁₀ slope −.2386 in the limit; −.2278 ± .007 over 5 seeds at H = 128."""
    slopes = []
    for seed in range(5):
        rnn = module("tanh", 1, 128, seed=seed)
        x = torch.randn(60, 4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        grads = engine.trace(rnn, x, loss=lambda y: y[-1].pow(2).sum())["l0"].grads["h"]
        norms = torch.linalg.vector_norm(grads, dim=2).mean(1).log10()
        slopes.append((norms[9] - norms[-1]).item() / 50)  # per step backward
    assert sum(slopes) / 5 == pytest.approx(-0.2278, abs=0.007)


def test_halving_reaches_exact_zero_after_150_steps_in_float32_and_1075_in_float64() -> None:
    """A linear chain h = relu(.5 h₋ + x) with open units: the gradient of the last step halves at every step."""
    for dtype, steps in ((torch.float32, 150), (torch.float64, 1075)):
        rnn = torch.nn.RNN(1, 1, nonlinearity="relu", bias=False, dtype=dtype)
        with torch.no_grad():
            rnn.weight_ih_l0.fill_(1.0)
            rnn.weight_hh_l0.fill_(0.5)
        x = torch.ones(steps + 3, 1, 1, dtype=dtype)
        trace = engine.trace(rnn, x, loss=lambda y: y[-1].sum())
        back = trace["l0"].grads["h"].flip(0).flatten().double()
        assert back[:100].tolist() == [2.0**-k for k in range(100)]
        assert back[steps - 1] > 0
        assert (back[steps:] == 0).all()
        assert trace.audit().passed


def test_doubling_overflows_after_128_steps_in_float32() -> None:
    rnn = torch.nn.RNN(1, 1, nonlinearity="relu", bias=False)
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(1e-30)
        rnn.weight_hh_l0.fill_(2.0)
    trace = engine.trace(rnn, torch.ones(131, 1, 1), loss=lambda y: y[-1].sum())
    back = trace["l0"].grads["h"].flip(0).flatten()
    assert back[127] == 2.0**127
    assert back[128] == math.inf
    assert trace.audit().passed


def test_the_first_step_from_a_zero_state_gives_the_recurrent_weights_nothing() -> None:
    for kind in ("tanh", "lstm", "gru"):
        trace = engine.trace(module(kind, 2, 3), torch.ones(1, 2, 2, dtype=torch.float64), loss=lambda y: y.sum())
        assert (trace["l0"].weight_grads["weight_hh"] == 0).all()


def test_the_gru_s_two_biases_differ_in_the_candidate_s_block_only() -> None:
    trace = engine.trace(module("gru", 2, 4), torch.ones(5, 2, 2, dtype=torch.float64), loss=lambda y: y.sum())
    of_x, of_h = trace["l0"].weight_grads["bias_ih"], trace["l0"].weight_grads["bias_hh"]
    assert torch.equal(of_x[:8], of_h[:8])
    assert (of_x[8:] != of_h[8:]).all()


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_weight_gradients_agree_with_finite_differences(kind: str) -> None:
    model = module(kind, 2, 3)
    x = torch.randn(6, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def loss(y: torch.Tensor) -> torch.Tensor:
        return y.pow(3).sum((1, 2))

    trace = engine.trace(model, x, loss=loss)
    for name, parameter in model.named_parameters():
        flat = parameter.data.view(-1)
        for index in (0, len(flat) // 2, len(flat) - 1):
            sides = []
            for step in (1e-5, -1e-5):
                old = flat[index].item()
                flat[index] = old + step
                sides.append(loss(model(x)[0]).sum().item())
                flat[index] = old
            slope = (sides[0] - sides[1]) / 2e-5
            assert trace.weight_grads[name].flatten()[index].item() == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_shares_of_samples_that_cancel_keep_their_digits() -> None:
    """Two samples whose contributions cancel to one part in a million: the pairwise sum alone would lose them."""
    from engine.shares import share_norms

    generator = torch.Generator().manual_seed(0)
    A = torch.randn(4, 2, 30, generator=generator)
    Z = torch.randn(4, 2, 20, generator=generator)
    A[:, 1], Z[:, 1] = -A[:, 0], Z[:, 0] * (1 + 1e-6)
    direct = torch.linalg.matrix_norm(A.double().mT @ Z.double())
    torch.testing.assert_close(share_norms(A, Z), direct, rtol=1e-9, atol=0.0)


def test_shares_of_tiny_and_huge_gradients_neither_vanish_nor_overflow() -> None:
    from engine.shares import share_norms

    A = torch.tensor([1e-30, 1e30, math.inf, math.nan])[:, None, None] * torch.ones(4, 3, 2)
    Z = torch.full((4, 3, 2), 1e-5)
    norms = share_norms(A, Z).tolist()  # each entry of AᵀZ is 3e-5·a, and there are 4
    assert norms[:2] == pytest.approx([6e-35, 6e25], rel=1e-6)
    assert norms[2] == math.inf
    assert math.isnan(norms[3])
