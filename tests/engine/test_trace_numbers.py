"""Numbers of the mathematics that can be worked out on paper or by finite differences; see also test_findings."""

from __future__ import annotations

import math

import pytest
import torch
from unrolled import module

import engine


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
