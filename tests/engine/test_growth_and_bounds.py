"""Lyapunov exponents, the spectrum of W_hh, Pascanu's bound beside the measured decay."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor
from unrolled import module

import engine
from engine.bounds import decay, pascanu_bound, recurrent_blocks
from engine.layer_trace import LayerTrace
from engine.spectra import LyapunovRun, lyapunov, spectrum

DEAD = -math.inf


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def traced(kind: str, H: int, T: int = 20, B: int = 2, seed: int = 0) -> LayerTrace:
    """The loss reads the last step alone."""
    model, x = module(kind, 2, H, seed=seed), normal(T, B, 2, seed=seed)
    return engine.trace(model, x, loss=lambda y: y[-1].pow(2).sum())["l0"]


def with_recurrent(W: Tensor, kind: str = "tanh", T: int = 4) -> LayerTrace:
    """A vanilla RNN of one input with this W_hh, no bias, driven through unit 1 at step 1 only."""
    rnn = torch.nn.RNN(1, len(W), nonlinearity=kind, bias=False, dtype=torch.float64)
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(W)
        rnn.weight_ih_l0.zero_()[0] = 1.0
    x = torch.zeros(T, 1, 1, dtype=torch.float64)
    x[0] = 1.0
    return engine.trace(rnn, x, loss=lambda y: y[-1].sum())["l0"]


def test_the_exponents_add_up_to_the_mean_log_determinant() -> None:
    for seed, scale in ((1, 1.0), (2, 1e-3), (3, 1e100)):
        chain = scale * normal(50, 6, 6, seed=seed)
        expected = torch.linalg.slogdet(chain).logabsdet.mean()
        assert lyapunov(chain).exponents.sum().item() == pytest.approx(expected.item(), abs=1e-10)


def test_a_constant_triangle_has_the_logarithms_of_its_diagonal() -> None:
    J = torch.tensor([[0.5, 3.0, -1.0], [0.0, 2.0, 7.0], [0.0, 0.0, -0.1]], dtype=torch.float64)
    found = lyapunov(J.expand(30, 3, 3))
    assert found.steps == 30
    assert found.exponents.tolist() == pytest.approx([math.log(2), math.log(0.5), math.log(0.1)], abs=1e-12)


def test_exponents_are_the_means_of_log_r_ii() -> None:
    chain, Q, sums = normal(40, 5, 5, seed=4), torch.eye(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for J in chain:
        Q, R = torch.linalg.qr(J @ Q)
        sums += R.diagonal().abs().log()
    torch.testing.assert_close(lyapunov(chain).exponents, (sums / 40).sort(descending=True).values, rtol=0, atol=1e-12)


def test_they_tend_to_the_growth_of_the_product() -> None:
    chain = normal(400, 3, 3, seed=5)
    of_product = spectrum(chain, steps=[1]).product[0] / 400
    torch.testing.assert_close(lyapunov(chain).exponents, of_product, rtol=0, atol=2e-2)


def test_a_dead_direction_leaves_the_other_exponents_right() -> None:
    """Two blocks that do not touch; a unit of the second one dies at step 20. The first keeps its exponents."""
    first, second = normal(40, 3, 3, seed=6), 0.01 * normal(40, 2, 2, seed=7)
    second[20, 0] = 0
    chain = torch.zeros(40, 5, 5, dtype=torch.float64)
    chain[:, :3, :3], chain[:, 3:, 3:] = first, second
    found = lyapunov(chain).exponents
    torch.testing.assert_close(found[:3], lyapunov(first).exponents, rtol=0, atol=1e-12)
    assert found[3].isfinite()
    assert found[4] == DEAD


def test_two_units_with_the_same_weights_kill_one_exponent_and_keep_the_volume_of_the_rest() -> None:
    """h₃ = h₂ at every step, so the network is one of 2 units, the second read with both weights."""
    W = torch.tensor([[0.7, -0.2, 0.4], [0.3, 0.5, -0.6], [0.3, 0.5, -0.6]], dtype=torch.float64)
    small = torch.tensor([[0.7, 0.2], [0.3, -0.1]], dtype=torch.float64)
    found = lyapunov(W.expand(200, 3, 3)).exponents
    assert found[2] == DEAD
    eigenvalues = torch.linalg.eigvals(small).abs().log().sort(descending=True).values
    torch.testing.assert_close(found[:2], eigenvalues, rtol=0, atol=0.02)
    # The first step takes the basis e₁, e₂ into the plane h₃ = h₂, where each step changes areas by |det small|.
    area = (
        torch.linalg.vector_norm(torch.linalg.cross(W[:, 0], W[:, 1])).log() + 199 * torch.linalg.det(small).abs().log()
    )
    assert found[:2].sum().item() == pytest.approx(area.item() / 200, abs=1e-12)


def test_exponents_over_masked_broken_and_no_steps() -> None:
    chain, valid = normal(6, 3, 3, seed=8), torch.tensor([1, 1, 0, 1, 0, 0]).bool()
    expected = lyapunov(chain[valid])
    chain[4] = math.nan
    found = lyapunov(chain, valid=valid)
    assert torch.equal(found.exponents, expected.exponents)
    assert found.steps == 3
    assert lyapunov(chain).exponents.isnan().all()
    assert lyapunov(chain, valid=torch.zeros(6, dtype=torch.bool)).exponents.isnan().all()
    assert torch.equal(lyapunov(chain[:4], reverse=True).exponents, lyapunov(chain[:4].flip(0)).exponents)


def test_exponents_in_pieces_are_the_same_bits() -> None:
    layer = traced("lstm", 4)
    run = LyapunovRun(layer)
    while not run.done:
        before = run.progress
        run.advance(0.0)
        run = pickle.loads(pickle.dumps(run))
        assert run.progress == pytest.approx(before + 1 / 20)
    assert torch.equal(run.result().exponents, lyapunov(layer).exponents)


@pytest.mark.parametrize(("kind", "gates"), [("tanh", ["a"]), ("lstm", ["i", "f", "g", "o"]), ("gru", ["r", "z", "n"])])
def test_each_gate_s_recurrent_block_has_numpy_s_eigenvalues(kind: str, gates: list[str]) -> None:
    layer = traced(kind, 6)
    found = recurrent_blocks(layer)
    assert list(found) == gates
    for gate, W in zip(gates, layer.weights["weight_hh"].numpy().reshape(-1, 6, 6), strict=True):
        expected = np.linalg.eigvals(W)
        block = found[gate]
        assert all(np.abs(block.eigenvalues.numpy() - e).min() < 1e-12 for e in expected)
        assert len(block.eigenvalues) == 6
        assert block.spectral_radius == pytest.approx(np.abs(expected).max(), rel=1e-12)
        assert block.spectral_radius == abs(complex(block.eigenvalues[0]))
        assert block.sigma_max == pytest.approx(np.linalg.norm(W, 2), rel=1e-12)


def test_a_diverged_block_has_no_eigenvalues_but_no_exception_either() -> None:
    layer = with_recurrent(torch.tensor([[1.0, math.nan], [0.0, 1.0]]))
    block, bound = recurrent_blocks(layer)["a"], pascanu_bound(layer)
    assert block.eigenvalues.isnan().all()
    assert math.isnan(block.spectral_radius)
    assert math.isnan(block.sigma_max)
    assert not bound.certifies_vanishing
    assert math.isnan(bound.slope)
    assert "undefined" in bound.sentence


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_no_gradient_of_one_loss_grows_faster_than_the_bound(kind: str) -> None:
    for seed in range(5):
        layer = traced(kind, 8, seed=seed)
        bound = pascanu_bound(layer)
        norms = torch.linalg.vector_norm(layer.grads["h"], dim=2)
        assert (norms[:-1] <= bound.factor * norms[1:] * (1 + 1e-12)).all()
        assert bound.measured.slope <= bound.slope


def test_the_bound_certifies_vanishing_below_one_and_nothing_above() -> None:
    below = pascanu_bound(with_recurrent(torch.diag(torch.tensor([0.5, -0.8]))))
    assert below.factor == pytest.approx(0.8)
    assert below.slope == pytest.approx(math.log10(0.8))
    assert below.certifies_vanishing
    assert "sufficient for the gradient to vanish" in below.sentence
    above = pascanu_bound(with_recurrent(torch.tensor([[0.5, 2.0], [0.0, 0.5]]), T=20))
    assert above.factor > 2
    assert not above.certifies_vanishing
    assert "necessary for the gradient to explode but not sufficient" in above.sentence
    assert above.measured.slope < -0.1  # and indeed: both eigenvalues are ½
    assert pascanu_bound(with_recurrent(torch.zeros(2, 2))).slope == -math.inf


@pytest.mark.parametrize(("kind", "name"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_gated_cells_have_no_such_bound_and_say_so(kind: str, name: str) -> None:
    with pytest.raises(engine.DataError) as error:
        pascanu_bound(traced(kind, 3))
    assert str(error.value) == (
        f"Pascanu's bound is one for the vanilla RNN; the gradient of the {name} also takes other ways than W_hh."
    )


def test_a_default_rnn_vanishes_at_one_over_root_three_a_step_and_the_bound_does_not_certify_it() -> None:
    """H = 128, 5 seeds: log₁₀ slope −.2278 ± .007, −.2386 = −log₁₀√3 in the limit; σ_max ≈ 1.15 (2/√3 in the limit)."""
    bounds = []
    for seed in range(5):
        model, x = module("tanh", 1, 128, seed=seed), normal(60, 4, 1, seed=seed)
        layer = engine.trace(model, x, loss=lambda y: y[-1].pow(2).sum())["l0"]
        bounds.append(pascanu_bound(layer, steps=range(1, 60)))
    assert sum(b.measured.slope for b in bounds) / 5 == pytest.approx(-0.2278, abs=0.007)
    for bound in bounds:
        assert bound.gamma == 1.0
        assert bound.sigma_max == pytest.approx(1.15, abs=0.05)
        assert not bound.certifies_vanishing
        assert bound.measured.used == bound.measured.of == 59


def test_a_nilpotent_matrix_explodes_with_one_dead_relu() -> None:
    """W = [[2, 1], [−4, −2]] has W² = 0, so ρ = 0. With unit 2 always dead J = [[2, 1], [0, 0]], J^n = 2^(n−1)·J."""
    W = torch.tensor([[2.0, 1.0], [-4.0, -2.0]], dtype=torch.float64)
    layer = with_recurrent(W, "relu", T=40)
    assert recurrent_blocks(layer)["a"].spectral_radius < 1e-7  # a defective eigenvalue 0
    assert (layer.values["h"][:, 0, 1] == 0).all()
    found = spectrum(layer)
    for t in (1, 20, 40):
        n = 41 - t
        expected = (n - 1) * math.log(2) + 0.5 * math.log(5)
        assert found.product[t - 1].tolist() == [pytest.approx(expected, abs=1e-12), DEAD]
    assert pascanu_bound(layer).measured.slope == pytest.approx(math.log10(2), abs=1e-2)  # 2 a step
    open_units = spectrum(W.expand(3, 2, 2))  # with both alive it is gone after two steps
    assert open_units.product[2].tolist() == [pytest.approx(math.log(5), abs=1e-12), DEAD]
    assert open_units.product[1].tolist() == [DEAD, DEAD]


def test_the_decay_of_a_geometric_row_is_its_ratio_whatever_is_missing() -> None:
    norms = 10.0 ** -(0.25 * torch.arange(12, dtype=torch.float64))  # falls forward: grows on the way back
    norms[3], norms[5], norms[6] = 0.0, math.inf, math.nan
    found = decay(norms)
    assert found.slope == pytest.approx(0.25, abs=1e-12)
    assert (found.used, found.of) == (9, 12)
    some = decay(norms, steps=range(4, 10))
    assert some.slope == pytest.approx(0.25, abs=1e-12)
    assert (some.used, some.of) == (3, 6)


def test_the_decay_is_the_least_squares_slope() -> None:
    norms = torch.exp(normal(15, seed=9))
    expected = np.polyfit(-np.arange(15), np.log10(norms.numpy()), 1)[0]
    assert decay(norms).slope == pytest.approx(expected, abs=1e-12)
    assert decay(norms.float()).slope == pytest.approx(expected, abs=1e-6)


def test_a_single_norm_has_no_slope() -> None:
    assert math.isnan(decay(torch.tensor([1.0])).slope)
    assert math.isnan(decay(torch.tensor([0.0, 2.0, 0.0])).slope)
    with pytest.raises(engine.DataError, match=r"The norms have shape \(2, 2\); one a step, \(T,\), is accepted\."):
        decay(torch.ones(2, 2))
