"""Recurrent weights scaled to a spectral radius, and those that cannot be."""

from __future__ import annotations

import math

import pytest
import torch

from engine.errors import DataError
from engine.spectral_radius import scaled_to_radius

# All eigenvalues are 0: math.md's example, one of 3 units that no reordering makes triangular, shifts, nothing at all.
NILPOTENT = [
    [[2.0, 1.0], [-4.0, -2.0]],
    [[5.0, -3.0, 2.0], [15.0, -9.0, 6.0], [10.0, -6.0, 4.0]],
    torch.diag(torch.ones(31), 1).tolist(),
    torch.triu(torch.rand(40, 40, generator=torch.Generator().manual_seed(0)), 1).tolist(),
    [[0.0]],
]


@pytest.mark.parametrize("matrix", NILPOTENT)
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_a_nilpotent_block_cannot_be_given_a_spectral_radius(matrix: list[list[float]], scale: float) -> None:
    W = torch.tensor(matrix, dtype=torch.float64)
    assert not bool(torch.linalg.matrix_power(W, len(W)).any()), "it is nilpotent"
    with pytest.raises(DataError, match=r"^spectral_radius is 0\.9, but weight_hh_l1 is nilpotent: .* is accepted"):
        scaled_to_radius(W * scale, 0.9, "rnn", "weight_hh_l1")
    assert not bool(scaled_to_radius(W * scale, 0.0, "rnn").any()), "the spectral radius 0 it has"


@pytest.mark.parametrize(
    "matrix",
    [
        torch.roll(torch.eye(48), 1, 0).tolist(),  # the traces of all powers are 0, but that of the 48th
        [[0.0, -1.0], [1.0, 0.0]],  # no trace
        [[1.0, 1.0], [0.0, 1.0]],  # defective
        [[1e-3, 1.0], [0.0, -1e-3]],  # far from normal
        [[-2.0]],
    ],
)
def test_what_is_not_nilpotent_is_given_it(matrix: list[list[float]]) -> None:
    W = torch.tensor(matrix, dtype=torch.float64)
    scaled = scaled_to_radius(W, 0.7, "rnn")
    assert float(torch.linalg.eigvals(scaled).abs().max()) == pytest.approx(0.7, rel=1e-7)


def test_a_spectral_radius_names_the_gate_and_leaves_the_given_weights_alone() -> None:
    blocks = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    given = blocks.reshape(12, 3)
    before = given.clone()
    scaled = scaled_to_radius(given, 1.5, "lstm")
    assert scaled.dtype == torch.float32
    assert torch.equal(given, before)
    for block in scaled.double().split(3):
        assert float(torch.linalg.eigvals(block).abs().max()) == pytest.approx(1.5, rel=1e-6)
    blocks[1] = 0.0
    with pytest.raises(DataError, match=r"^spectral_radius is 1\.5, but the f block of weight_hh is nilpotent: "):
        scaled_to_radius(given, 1.5, "lstm")


def test_what_is_not_finite_has_no_spectral_radius_and_raises_nothing() -> None:
    given = torch.ones(6, 2, dtype=torch.float64)
    given[3, 0] = math.inf
    scaled = scaled_to_radius(given, 1.0, "gru")
    assert bool(scaled[2:4].isnan().all())
    torch.testing.assert_close(scaled[4:], given[4:] / 2, rtol=1e-12, atol=0)  # of ones, n
