"""Shares are scaled by powers of two, which round nothing, and reach as far as the numbers do."""

from __future__ import annotations

import pytest
import torch

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
