"""Drawn by hypothesis: spectra, Lyapunov exponents, saturation, eigenvalues and Pascanu's bound, held to torch's own
cells: jacrev of nn.RNNCell, nn.LSTMCell and nn.GRUCell in float64, mpmath for products, NumPy for eigenvalues."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from drawn_models import Drawn, cell_of, drawn, quick
from exactly import log_singular_values
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jacrev

import engine
from engine.layer_trace import LayerTrace

DOUBLE = (torch.float64,)
LOW = -20.0
"""Logarithms below this, beside a largest one of some 1, are of directions that are all but dead: what float64 gives
for a step's Jacobian is then rounding, in any computation."""


def own_steps(of: Drawn, layer: LayerTrace, sample: int) -> list[int]:
    """From 0, in the order in which the layer runs."""
    n = of.steps if of.lengths is None else int(of.lengths[sample])
    return list(range(n - 1, -1, -1) if layer.reverse else range(n))


def jacobians(of: Drawn, layer: LayerTrace, name: str, sample: int) -> Tensor:
    """(n, S, S): of torch's cell, in the order in which the layer runs; states h, and behind them c."""
    cell, found = cell_of(of.module, name), []
    state = torch.cat([layer.initial[s][sample] for s in layer.initial])
    for t in own_steps(of, layer, sample):
        x = layer.x[t, sample]

        def step(state: Tensor, x: Tensor = x) -> Tensor:
            given: Any = state.chunk(2) if isinstance(cell, nn.LSTMCell) else state
            made = cell(x, given)
            return torch.cat(made) if isinstance(made, tuple) else made

        found.append(jacrev(step)(state).detach())
        state = step(state).detach()
    return torch.stack(found)


def assert_logs(ours: Tensor, theirs: Tensor, most: float) -> None:
    assert ours.shape == theirs.shape
    seen = theirs > LOW
    assert torch.equal(seen, ours > LOW) or bool((theirs - LOW).abs().min() < 0.1), (ours, theirs)
    torch.testing.assert_close(ours[seen], theirs[seen], rtol=most, atol=most)


@quick
@given(of=drawn(dtypes=DOUBLE, longest=6), data=st.data())
def test_singular_values_of_steps_and_products_are_those_of_torch_s_own_jacobians(of: Drawn, data: Any) -> None:
    trace = engine.trace(of.module, of.x, loss=of.loss, initial=of.initial())
    name, sample = data.draw(st.sampled_from([*trace.layers])), data.draw(st.integers(0, of.batch - 1))
    layer = trace[name]
    spectrum, J = layer.spectrum(sample), jacobians(of, layer, name, sample)
    own = own_steps(of, layer, sample)
    assert spectrum.valid.nonzero().flatten().tolist() == sorted(own)
    for place, t in enumerate(own):
        assert_logs(spectrum.step[t], log_singular_values(J[place][None], 80), 1e-7)
        assert_logs(spectrum.product[t], log_singular_values(J[place:], 120), 1e-6)
    padding = [t for t in range(of.steps) if t not in own]
    assert bool(spectrum.step[padding].isnan().all())


@quick
@given(of=drawn(dtypes=DOUBLE, longest=6), data=st.data())
def test_lyapunov_exponents_are_those_of_an_exact_qr_of_torch_s_own_jacobians(of: Drawn, data: Any) -> None:
    """λ_i = mean log|R_ii|, J_t Q_{t−1} = Q_t R_t: with 80 digits. Once a direction is dead, the basis behind it is
    anybody's choice: then one exponent at least is −∞."""
    trace = engine.trace(of.module, of.x, loss=of.loss)
    name, sample = data.draw(st.sampled_from([*trace.layers])), data.draw(st.integers(0, of.batch - 1))
    layer = trace[name]
    found, J = layer.lyapunov(sample), jacobians(of, layer, name, sample)
    sums = torch.zeros(J.shape[1], dtype=torch.float64)
    with mpmath.workdps(80):
        Q = mpmath.eye(J.shape[1])
        for factor in J.tolist():
            Q, R = mpmath.qr(mpmath.matrix(factor) * Q)
            sizes = [abs(R[i, i]) for i in range(J.shape[1])]
            nothing = mpmath.mpf(10) ** -13
            sums += torch.tensor([float(mpmath.log(s)) if s > nothing else -torch.inf for s in sizes])
    assert found.steps == len(J)
    expected = (sums / len(J)).sort(descending=True).values
    if bool(expected.isfinite().all()):
        torch.testing.assert_close(found.exponents, expected, rtol=1e-7, atol=1e-7)
        determinants = torch.linalg.slogdet(J)[1].mean()
        torch.testing.assert_close(found.exponents.sum(), determinants, rtol=1e-7, atol=1e-7)
    else:
        assert found.exponents.shape == expected.shape
        assert bool(found.exponents.isneginf().any())


def steep(of: Drawn, layer: LayerTrace) -> dict[str, np.ndarray]:
    """By symbol: the slope of each squashing function at its recorded pre-activation, by autograd."""
    functions = {"i": torch.sigmoid, "f": torch.sigmoid, "o": torch.sigmoid, "g": torch.tanh}
    functions |= {"r": torch.sigmoid, "z": torch.sigmoid, "n": torch.tanh}
    found = {s: (fn, f"a_{s}") for s, fn in functions.items() if s in layer.values}
    if isinstance(of.module, nn.RNN):
        found = {"h": (torch.tanh if of.module.nonlinearity == "tanh" else torch.relu, "a")}
    if "c" in layer.values:
        found["c"] = (torch.tanh, "c")
    slopes = {}
    for symbol, (fn, argument) in found.items():
        a = layer.values[argument].clone().requires_grad_()
        (slope,) = torch.autograd.grad(fn(a).sum(), a)
        slopes[symbol] = slope.numpy()
    return slopes


@quick
@given(of=drawn(), scale=st.sampled_from([1.0, 30.0]))
def test_saturation_counts_what_numpy_counts_and_flat_is_where_autograd_s_slope_is_0(of: Drawn, scale: float) -> None:
    with torch.no_grad():
        of.module.weight_ih_l0.mul_(scale)
    trace = engine.trace(of.module, of.x, loss=of.loss)
    for layer in trace.layers.values():
        found, slopes = layer.saturation(), steep(of, layer)
        assert found.keys() == slopes.keys()
        valid = np.ones((of.steps, of.batch), bool) if layer.mask is None else layer.mask.numpy()
        for symbol, slope in slopes.items():
            one, v = found[symbol], layer.values[symbol].double().numpy()
            if symbol in ("i", "f", "o", "r", "z"):
                low, high = v < np.float64(0.05), v > np.float64(0.95)
            elif isinstance(of.module, nn.RNN) and of.module.nonlinearity == "relu":
                low, high = slope == 0, np.zeros_like(v, bool)
            else:
                v = np.tanh(v) if symbol == "c" else v
                low, high = v < -0.95, v > 0.95
            flat = (slope == 0) & valid[:, :, None]
            for ours, there in ((one.low_by_step, low), (one.high_by_step, high)):
                expected = [there[t][valid[t]].mean() for t in range(of.steps)]
                np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)
            np.testing.assert_allclose(one.low_by_unit.numpy(), low[valid].mean(0), rtol=1e-12)
            np.testing.assert_allclose(one.high_by_unit.numpy(), high[valid].mean(0), rtol=1e-12)
            assert one.flat_by_step.tolist() == flat.sum((1, 2)).tolist()
            assert one.flat_by_unit.tolist() == flat.sum((0, 1)).tolist()
            assert one.dead.tolist() == (slope[valid] == 0).all(0).tolist()


@settings(quick, max_examples=40)
@given(of=drawn())
def test_eigenvalues_and_norms_of_each_gate_s_block_are_numpy_s(of: Drawn) -> None:
    trace = engine.trace(of.module, of.x, loss=of.loss)
    gates = {nn.LSTM: "ifgo", nn.GRU: "rzn", nn.RNN: "a"}[type(of.module)]
    for name, layer in trace.layers.items():
        found = layer.recurrent_blocks()
        weight = getattr(of.module, f"weight_hh_{name}").detach().double().numpy()
        assert [*found] == [*gates]
        for gate, W in zip(gates, np.split(weight, len(gates)), strict=True):
            ours, theirs = found[gate].eigenvalues.numpy(), np.linalg.eigvals(W)
            assert (np.diff(np.abs(ours)) <= 1e-12).all()
            scale = np.linalg.norm(W, 2)
            # Each has its partner, within what a defective one may move.
            apart = np.abs(ours[:, None] - theirs[None])
            assert max(apart.min(0).max(), apart.min(1).max()) <= 1e-6 * scale
            assert found[gate].spectral_radius == pytest.approx(np.abs(theirs).max(), abs=1e-6 * scale)
            assert found[gate].sigma_max == pytest.approx(scale, rel=1e-12)
            assert abs(ours.sum() - np.trace(W)) <= 1e-12 * scale * len(W)


@settings(quick, max_examples=40)
@given(of=drawn(kinds=("tanh", "relu"), dtypes=DOUBLE, layers=1))
def test_pascanu_s_bound_holds_at_every_step_back_that_autograd_takes(of: Drawn) -> None:
    """Of a loss at the end of each direction's way; and the measured slope is NumPy's straight line."""
    ends = of.lengths if of.lengths is not None else torch.full((of.batch,), of.steps)
    H = of.module.hidden_size

    def loss(y: Tensor) -> Tensor:
        return y[ends - 1, torch.arange(of.batch), :H].sum() + y[0, :, H:].sum()

    trace = engine.trace(of.module, of.x, loss=loss)
    for name, layer in trace.layers.items():
        bound = layer.pascanu_bound()
        W = getattr(of.module, f"weight_hh_{name}").detach().numpy()
        assert bound.factor == pytest.approx(np.linalg.norm(W, 2), rel=1e-12)  # sup|φ′| = 1 of both
        assert bound.certifies_vanishing == (bound.factor < 1)
        for sample in range(of.batch):
            J = jacobians(of, layer, name, sample)
            grad = torch.ones(H, dtype=torch.float64)
            steps = own_steps(of, layer, sample)
            for place in range(len(J) - 1, 0, -1):
                before = grad
                grad = grad @ J[place]
                torch.testing.assert_close(layer.grads["h"][steps[place - 1], sample], grad, rtol=1e-9, atol=1e-14)
                assert float(grad.norm()) <= bound.factor * float(before.norm()) * (1 + 1e-12)
        if of.lengths is None:
            norms = layer.grads["h"].norm(dim=2).mean(1).numpy()
            used = norms > 0
            assert (bound.measured.used, bound.measured.of) == (used.sum(), of.steps)
            if used.sum() > 1:
                back = np.arange(of.steps)[used] * (1.0 if layer.reverse else -1.0)
                slope = np.polyfit(back, np.log10(norms[used]), 1)[0]
                assert bound.measured.slope == pytest.approx(slope, rel=1e-8, abs=1e-10)
                assert bound.measured.slope <= bound.slope + 1e-9
