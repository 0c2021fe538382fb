"""Shares are scaled by powers of two, which round nothing, and reach as far as the numbers do."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
import torch
from torch import nn

import engine
from engine.shares import share_norms, times_power


def test_one_product_is_rounded_once() -> None:
    """‖a·z‖ of single float64 numbers is |a·z|, to the bit."""
    generator = torch.Generator().manual_seed(0)
    a, z = (torch.randn(200, 1, 1, dtype=torch.float64, generator=generator) for _ in range(2))
    assert torch.equal(share_norms(a, z), (a * z).abs().flatten())


@pytest.mark.parametrize("left", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_the_range_is_that_of_float64(left: float) -> None:
    for samples in (1, 3):
        a = torch.full((1, samples, 2), left, dtype=torch.float64)
        z = torch.full((1, samples, 2), 0.5 / left, dtype=torch.float64)
        expected = torch.tensor([samples * 0.5 * 2.0], dtype=torch.float64)
        torch.testing.assert_close(share_norms(a, z), expected, rtol=1e-14, atol=0.0)


def test_a_power_of_two_is_applied_where_it_is_no_number_itself() -> None:
    smallest = torch.tensor(5e-324, dtype=torch.float64)
    assert times_power(smallest, torch.tensor(1074)).item() == 1.0
    assert times_power(torch.tensor(1.0, dtype=torch.float64), torch.tensor(-1074)).item() == 5e-324


def exact(a: torch.Tensor, z: torch.Tensor) -> float:
    """‖aᵀz‖ in rational numbers, then rounded; a (B, M), z (B, N)."""
    square = Fraction(0)
    for left in a.T.tolist():
        for right in z.T.tolist():
            square += sum((Fraction(x) * Fraction(y) for x, y in zip(left, right, strict=True)), Fraction(0)) ** 2
    with localcontext() as context:
        context.prec = 40
        return float((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


@pytest.mark.parametrize(("samples", "units"), [(1, 3), (2, 1), (2, 3), (4, 4)])
def test_the_largest_factors_of_different_samples_do_not_hide_each_others_products(samples: int, units: int) -> None:
    """One sample has the largest δ, another the largest state; neither's product is near that of the two."""
    generator = torch.Generator().manual_seed(samples)
    a = torch.randn(20, samples, units, dtype=torch.float64, generator=generator)
    z = torch.randn(20, samples, units, dtype=torch.float64, generator=generator)
    far = torch.randint(-140, 140, (2, 20, samples, 1), generator=generator).double()
    a, z = a * 10 ** far[0], z * 10 ** far[1]
    expected = torch.tensor([exact(*pair) for pair in zip(a, z, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(share_norms(a, z), expected, rtol=1e-14, atol=0.0)


def test_what_is_left_where_large_products_cancel_is_measured_however_small() -> None:
    a = torch.tensor([[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1e-190, 0.0]]], dtype=torch.float64)
    z = torch.ones(1, 3, 4, dtype=torch.float64)
    assert share_norms(a, z).item() == pytest.approx(2e-190, rel=1e-14, abs=0.0)


def test_a_sample_without_any_gradient_says_nothing_about_the_scale_of_the_others() -> None:
    a = torch.tensor([[[0.0], [1e-200]]], dtype=torch.float64)
    z = torch.tensor([[[1e300], [1e-100]]], dtype=torch.float64)
    assert share_norms(a, z).item() == pytest.approx(1e-300, rel=1e-14, abs=0.0)


def test_shares_of_a_trace_whose_samples_are_far_apart_are_those_of_autograd() -> None:
    """In a ReLU RNN, one sample's loss is 1e-170 of the other's, and only that sample has an input."""
    rnn = nn.RNN(1, 3, nonlinearity="relu", bias=False, dtype=torch.float64)
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(1.0)
    x = torch.zeros(1, 2, 1, dtype=torch.float64)
    x[:, 1] = 1.0
    scale = torch.tensor([1.0, 1e-170], dtype=torch.float64)[None, :, None]
    start = torch.ones(1, 2, 3, dtype=torch.float64)
    trace = engine.trace(rnn, x, loss=lambda y: (scale * y).sum((1, 2)), initial=start)
    (scale * rnn(x, start)[0]).sum().backward()
    expected = (rnn.weight_ih_l0.grad * 1e170).norm() / 1e170
    torch.testing.assert_close(trace["l0"].weight_grad_share("weight_ih")[0], expected.detach(), rtol=1e-13, atol=0.0)
    assert trace.audit().passed


@pytest.mark.parametrize("seed", [1, 8, 21, 46, 63])
def test_saturated_gates_leave_shares_that_the_audit_confirms(seed: int) -> None:
    torch.manual_seed(seed)
    lstm = nn.LSTM(2, 3, dtype=torch.float64)
    with torch.no_grad():
        lstm.weight_hh_l0.mul_(1e4)
    trace = engine.trace(lstm, torch.randn(8, 2, 2, dtype=torch.float64), loss=lambda y: y.pow(2).sum())
    assert trace.audit().passed
