"""Singular values of long products: against hundreds of digits, known factors; dead, masked and broken steps."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import exactly
import pytest
import torch
from torch import Tensor
from unrolled import module

import engine
from engine import step_jacobians
from engine.graded import triangle
from engine.spectra import SpectrumRun, lyapunov, spectrum

DEAD = -math.inf


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=rng(seed), dtype=torch.float64)


def orthogonal(count: int, size: int, seed: int) -> Tensor:
    return torch.linalg.qr(normal(count, size, size, seed=seed)).Q


def with_logs(logs: Tensor, seed: int) -> Tensor:
    """J_t = U_t diag(e^logs_t) U_{t−1}ᵀ, (T, S, S): their product has the singular values e^Σlogs."""
    U = orthogonal(len(logs) + 1, logs.shape[1], seed)
    return U[1:] @ torch.diag_embed(logs.exp()) @ U[:-1].mT


def scaled_units(T: int, S: int, nats: float, seed: int) -> Tensor:
    """(T, S): slopes between 1 and e^−nats."""
    return (-nats * uniform(T, S, seed=seed)).exp()


def halvings(T: int, S: int, seed: int) -> Tensor:
    """(T, S): slopes 1, 1/2, 1/4, 1/8, which round nothing: what depends on each other still does afterwards."""
    return torch.ldexp(torch.ones(T, S, dtype=torch.float64), -torch.randint(0, 4, (T, S), generator=rng(seed)))


def integers(*shape: int, seed: int) -> Tensor:
    return torch.randint(-3, 4, shape, generator=rng(seed)).double()


def same(found: Tensor, expected: Tensor, within: float) -> None:
    assert torch.equal(found.isinf(), expected.isinf())
    finite = expected.isfinite()
    assert (found - expected)[finite].abs().max() <= within


W = normal(7, 7, seed=1) / 7**0.5
CHAINS = {
    "one step": normal(1, 7, 7, seed=2),
    "few steps": normal(4, 7, 7, seed=3),
    "steps that spread by 200 nats": normal(120, 7, 7, seed=4) / 2.6,
    "all but orthogonal steps": orthogonal(60, 7, seed=5) + 1e-6 * normal(60, 7, 7, seed=6),
    "two clusters 60 nats apart": with_logs(torch.tensor([[0.1] * 4 + [-0.9] * 3]).double().expand(60, 7), seed=7),
    "saturated units of slope 1e-20": torch.diag_embed(scaled_units(30, 7, 46.0, seed=8)) @ W,
    "closed gates of 1e-8 on the other side": W @ torch.diag_embed(scaled_units(30, 7, 18.0, seed=9)),
    "entries of 1e150": 1e150 * normal(20, 7, 7, seed=10),
    "entries of 1e-150": 1e-150 * normal(20, 7, 7, seed=11),
    "dead units": torch.diag_embed((uniform(25, 7, seed=12) < 0.9).double()) @ W,
    "two units with the same weights": torch.diag_embed(halvings(40, 7, seed=13)) @ W[[0, 1, 2, 3, 4, 5, 2]],
    "weights of rank 3": torch.diag_embed(halvings(40, 7, seed=14))
    @ (integers(7, 3, seed=15) @ integers(3, 7, seed=16)),
    "a unit that nobody reads": torch.diag_embed(uniform(40, 7, seed=17)) @ (W * torch.tensor([1, 1, 0, 1, 1, 1, 1])),
}


@pytest.mark.parametrize("name", CHAINS)
def test_every_singular_value_of_every_product_agrees_with_hundreds_of_digits(name: str) -> None:
    chain = CHAINS[name]
    T, digits = len(chain), 1200 if name.startswith(("saturated", "closed")) else 300
    found = spectrum(chain)
    assert found.product_shows == "singular values"
    for t in {1, T // 3 + 1, T}:
        same(found.product[t - 1], exactly.log_singular_values(chain[t - 1 :], digits), within=1e-9)
        same(found.step[t - 1], exactly.log_singular_values(chain[t - 1 : t], 200), within=1e-10)


def test_values_that_crowd_together_over_50_nats_are_all_resolved() -> None:
    """S = 30 with neighbours as close as 1e-3: more than one window, and clusters within each."""
    logs = torch.cat([torch.linspace(0, -50, 20), torch.tensor([-10.0, -10.001, -10.002, -31.0, -31.0]).repeat(2)])
    J = torch.diag(logs.double().exp()) @ normal(30, 30, seed=20)
    same(spectrum(J.unsqueeze(0)).step[0], exactly.log_singular_values(J.unsqueeze(0), 120), within=1e-10)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.4])
def test_known_factors_come_out_of_200_steps_however_they_cluster(spread: float) -> None:
    logs = torch.linspace(0.3, -spread * 32, 32, dtype=torch.float64) + 0.1 * normal(200, 32, seed=21)
    logs[:, 1::4] = logs[:, 0::4]  # pairs that are exactly equal
    found = spectrum(with_logs(logs, seed=22), steps=[1, 100, 190])
    for row, t in enumerate((1, 100, 190)):
        expected = logs[t - 1 :].sum(0).sort(descending=True).values
        same(found.product[row], expected, within=1e-9 if spread else 1e-11)


def test_a_thousand_steps_of_a_thousandth_give_a_logarithm_and_not_a_zero() -> None:
    found = spectrum(torch.full((1000, 1, 1), 1e-3), steps=[1]).product.item()
    assert found == pytest.approx(1000 * math.log(float(torch.tensor(1e-3))), abs=1e-9)


@pytest.mark.parametrize(("gain", "log10"), [(0.9, -9.1515), (1.0, 0.0), (1.1, 8.2785)])
def test_a_linear_orthogonal_network_scales_by_its_gain_to_1e_10(gain: float, log10: float) -> None:
    rotation = orthogonal(1, 64, seed=23)
    found = spectrum((gain * rotation).expand(200, 64, 64), steps=[1]).product[0] / math.log(10)
    assert (found - 200 * math.log10(gain)).abs().max() < 1e-10
    assert found.mean().item() == pytest.approx(log10, abs=5e-5)


def plain_step(model: torch.nn.RNNBase, x: Tensor, state: Tensor) -> Tensor:
    """One step of torch's own cell, state (S,) → (S,): the independent reference of the Jacobians."""
    w = {name.removesuffix("_l0"): p.detach() for name, p in model.named_parameters()}
    weights = (w["weight_ih"], w["weight_hh"], w["bias_ih"], w["bias_hh"])
    if isinstance(model, torch.nn.LSTM):
        h, c = state.chunk(2)
        return torch.cat([s[0] for s in torch.lstm_cell(x[None], (h[None], c[None]), *weights)])
    step = {"RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell, "GRU": torch.gru_cell}[model.mode]
    return step(x[None], state[None], *weights)[0]


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
@pytest.mark.parametrize("H", [1, 5])
def test_a_layer_s_jacobians_are_those_of_torch_func_jacrev(kind: str, H: int) -> None:
    model, x = module(kind, 2, H), normal(9, 3, 2, seed=30)
    layer = engine.trace(model, x, loss=lambda y: y.sum())["l0"]
    J = step_jacobians.LayerJacobians.of(layer, 1).stretch(0, 9)
    for t in range(9):
        before = torch.cat([layer.before[name][t, 1] for name in layer.rules.state_names])
        expected = torch.func.jacrev(lambda state, x_t=x[t, 1]: plain_step(model, x_t, state))(before)
        torch.testing.assert_close(J[t], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_the_product_of_a_real_layer_agrees_with_hundreds_of_digits(kind: str) -> None:
    layer = engine.trace(module(kind, 2, 5), normal(40, 2, 2, seed=31), loss=lambda y: y.sum())["l0"]
    J = step_jacobians.LayerJacobians.of(layer, 1).stretch(0, 40)
    expected = exactly.log_singular_values(J, 400)
    same(spectrum(layer, sample=1, steps=[1]).product[0], expected, within=1e-9)


def test_the_last_gradient_shrinks_as_the_product_says() -> None:
    """∂h_T/∂h_0 by autograd through torch's own layer, where a plain product still has all its digits."""
    model, x = module("gru", 2, 4), normal(6, 1, 2, seed=32)
    layer = engine.trace(model, x, loss=lambda y: y.sum())["l0"]
    M = torch.func.jacrev(lambda h: model(x, h)[1].flatten())(torch.zeros(1, 1, 4, dtype=torch.float64)).reshape(4, 4)
    same(spectrum(layer).product[0], torch.linalg.svdvals(M).log(), within=1e-9)


def test_directions_that_only_masks_and_permutations_kill_are_dead_exactly() -> None:
    """Factors of zeros and ones: every product has the singular values 1 and 0, and nothing else."""
    for seed in range(40):
        P = torch.eye(8, dtype=torch.float64)[torch.randperm(8, generator=rng(seed))]
        chain = torch.diag_embed((uniform(6, 8, seed=seed) < 0.85).double()) @ P
        found, product = spectrum(chain), torch.eye(8, dtype=torch.float64)
        for t in range(5, -1, -1):
            product = product @ chain[t]
            alive = int(product.sum())
            assert found.product[t].tolist() == [0.0] * alive + [DEAD] * (8 - alive)


def rank(matrix: list[list[Fraction]]) -> int:
    """By elimination, exactly."""
    rows, found = [list(row) for row in matrix], 0
    for column in range(len(rows)):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is not None:
            rows[found], rows[pivot] = rows[pivot], rows[found]
            for i in range(found + 1, len(rows)):
                factor = rows[i][column] / rows[found][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[found], strict=True)]
            found += 1
    return found


def test_as_many_directions_are_dead_as_exact_fractions_say() -> None:
    """Sparse weights of −1, 0, 1 (or two units alike), slopes down to 1/8, dead units: singular by coincidence."""
    for seed in (*range(36), *(242, 259, 278, 347, 592, 1007, 1084)):  # those by themselves leave most of the rounding
        S, T = 3 + seed % 5, 4 + seed % 3
        weights = integers(S, S, seed=seed).clamp(-1, 1) * (uniform(S, S, seed=seed + 1) < 0.5)
        if seed % 3 == 0:
            weights = normal(S, S, seed=seed)
            weights[S // 2] = weights[0]
        slopes = halvings(T, S, seed=seed) * (uniform(T, S, seed=seed + 2) < 0.85)
        chain = torch.diag_embed(slopes) @ weights
        found, product = spectrum(chain), None
        for t in range(T - 1, -1, -1):
            step = [[Fraction(entry) for entry in row] for row in chain[t].tolist()]
            columns = list(zip(*step, strict=True))
            product = (
                step
                if product is None
                else [
                    [sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0)) for column in columns]
                    for row in product
                ]
            )
            assert found.step[t].isfinite().sum() == rank(step), (seed, t)
            assert found.product[t].isfinite().sum() == rank(product), (seed, t)
        assert lyapunov(chain).exponents.isfinite().sum() == rank(product), seed


def test_the_column_that_depends_on_two_all_but_parallel_ones_is_the_dead_one() -> None:
    """Rounding is amplified a million times there: its own distance from their plane looks like 1e-10, not like 0."""
    columns = torch.eye(4, dtype=torch.float64)
    columns[:, 1] = columns[:, 0] + 1e-6 * columns[:, 1]
    columns[:, 2] = 1e6 * (columns[:, 1] - columns[:, 0])
    found = triangle(orthogonal(1, 4, seed=39)[0] @ columns, torch.ones(4, dtype=torch.float64))
    assert found.kept is not None
    assert found.kept.tolist() == [0, 1, 3]


def test_a_step_of_dead_units_alone_leaves_nothing() -> None:
    chain = normal(4, 3, 3, seed=40)
    chain[1] = 0
    found = spectrum(chain)
    assert found.step[1].tolist() == [DEAD] * 3
    assert found.product[:2].flatten().tolist() == [DEAD] * 6
    assert found.product[2:].isfinite().all()


def test_dead_relu_units_are_counted_step_by_step() -> None:
    layer = engine.trace(module("relu", 2, 12), normal(10, 1, 2, seed=41), loss=lambda y: y.sum())["l0"]
    dead = (layer.values["a"][:, 0] <= 0).sum(1)
    assert dead.min() > 0
    assert torch.equal(spectrum(layer).step.isinf().sum(1), dead)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_jacobian_makes_its_step_and_the_products_through_it_nan(bad: float) -> None:
    chain = normal(8, 4, 4, seed=42)
    broken = chain.clone()
    broken[3, 1, 2] = bad
    for shows in ("singular values", "QR estimate"):
        whole, found = spectrum(chain, product=shows), spectrum(broken, product=shows)
        others = torch.tensor([0, 1, 2, 4, 5, 6, 7])
        assert found.step[3].isnan().all()
        assert torch.equal(found.step[others], whole.step[others])
        assert found.product[:4].isnan().all()
        assert torch.equal(found.product[4:], whole.product[4:])


def test_masked_steps_are_left_out_of_the_products() -> None:
    chain, valid = normal(8, 4, 4, seed=43), torch.tensor([1, 0, 1, 1, 1, 0, 0, 0]).bool()
    chain[1] = math.nan  # whatever stands there
    found, without = spectrum(chain, valid=valid), spectrum(chain[valid])
    assert torch.equal(found.valid, valid)
    assert found.product[~valid].isnan().all()
    assert found.step[~valid].isnan().all()
    assert torch.equal(found.product[valid], without.product)
    assert torch.equal(found.step[valid], without.step)


def test_a_recurrence_that_runs_backwards_has_its_last_step_first() -> None:
    chain = normal(6, 4, 4, seed=44)
    found, flipped = spectrum(chain, reverse=True), spectrum(chain.flip(0))
    assert torch.equal(found.product, flipped.product.flip(0))
    same(found.product[5], exactly.log_singular_values(chain.flip(0), 100), within=1e-10)


def test_some_steps_are_the_rows_of_all_steps() -> None:
    chain = normal(20, 4, 4, seed=45)
    whole, some = spectrum(chain), spectrum(chain, steps=(17, 3, 9))
    assert some.steps.tolist() == [3, 9, 17]
    assert torch.equal(some.product, whole.product[some.steps - 1])
    assert torch.equal(some.step, whole.step[some.steps - 1])


def test_work_in_pieces_pickled_between_them_gives_the_same_bits() -> None:
    layer = engine.trace(module("lstm", 2, 4), normal(12, 1, 2, seed=46), loss=lambda y: y.sum())["l0"]
    run = SpectrumRun(layer)
    seen = []
    while not run.done:
        run.advance(0.0)
        run = pickle.loads(pickle.dumps(run))
        seen.append((run.progress, run.result().steps.tolist()))
    assert [progress for progress, _ in seen] == [pytest.approx(k / 12) for k in range(1, 13)]
    assert seen[4][1] == [8, 9, 10, 11, 12]  # what has been reached, back from the end
    run.advance()  # nothing is left to do
    at_once = spectrum(layer)
    assert torch.equal(run.result().product, at_once.product)
    assert torch.equal(run.result().step, at_once.step)


def test_a_long_trace_s_jacobians_are_never_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_jacobians, "AT_A_TIME", 50)
    asked: list[int] = []

    class Spy(step_jacobians.GivenJacobians):
        def stretch(self, start: int, stop: int) -> Tensor:
            asked.append(stop - start)
            return super().stretch(start, stop)

    chain = normal(23, 3, 3, seed=47)
    assert torch.equal(spectrum(Spy(chain)).product, spectrum(chain).product)
    assert max(asked) * 9 <= 50
    assert sum(asked) == 23  # and each is made once


def test_the_qr_estimate_is_the_sum_of_log_r_ii_and_says_so() -> None:
    chain = normal(15, 5, 5, seed=48)
    found = spectrum(chain, product="QR estimate")
    Q, sums = torch.eye(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for t in range(14, -1, -1):
        Q, R = torch.linalg.qr(chain[t].mT @ Q)
        sums = sums + R.diagonal().abs().log()
        same(found.product[t], sums.sort(descending=True).values, within=1e-10)
    exact = spectrum(chain)
    assert found.product_shows == "QR estimate"
    assert (found.product[0] - exact.product[0]).abs().max() > 0.1  # they differ at finite T
    same(found.product.sum(1), exact.product.sum(1), within=1e-10)  # but both add up to log|det|


def test_the_caller_s_modes_change_nothing() -> None:
    layer = engine.trace(module("gru", 2, 4), normal(5, 1, 2, seed=49), loss=lambda y: y.sum())["l0"]
    plain = spectrum(layer)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = spectrum(layer)
    assert torch.equal(plain.product, inside.product)
    assert torch.equal(plain.step, inside.step)


def test_a_float32_layer_is_taken_at_its_recorded_values_in_float64() -> None:
    model, x = module("lstm", 2, 4, dtype=torch.float32), normal(7, 1, 2, seed=50).float()
    layer = engine.trace(model, x, loss=lambda y: y.sum())["l0"]
    J = step_jacobians.LayerJacobians.of(layer).stretch(0, 7)
    before = torch.cat([layer.before[name][4, 0] for name in ("h", "c")]).double()
    exact, x_t = model.double(), x[4, 0].double()
    expected = torch.func.jacrev(lambda state: plain_step(exact, x_t, state))(before)
    torch.testing.assert_close(J[4], expected, rtol=1e-4, atol=1e-6)
    assert spectrum(layer).product.dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda layer: spectrum(layer, sample=2), "sample is 2; this trace has 2, counted from 0."),
        (lambda layer: spectrum(layer, sample=-1), "sample is -1; this trace has 2, counted from 0."),
        (lambda layer: lyapunov(layer, sample=-2), "sample is -2; this trace has 2, counted from 0."),
        (lambda layer: spectrum(layer, steps=[4]), "Step 4 is outside the trace; steps 1 to 3 are recorded."),
        (lambda layer: spectrum(layer, steps=[]), "steps is empty; some of the steps 1 to 3 are needed."),
        (lambda layer: spectrum(layer, steps=2), "steps is 2; some of the steps 1 to 3 are accepted, as [1, 3]."),
        (
            lambda layer: spectrum(layer, valid=torch.ones(4)),
            "valid is (4,) of torch.float32; (3,) of torch.bool is accepted.",
        ),
        (
            lambda layer: spectrum(layer, product="naive"),
            "product is 'naive'; 'singular values' or 'QR estimate' is accepted.",
        ),
        (
            lambda layer: spectrum(torch.ones(2, 3)),
            "The Jacobians are (2, 3) of torch.float32; real (steps, S, S) is accepted, none of it 0.",
        ),
        (
            lambda layer: spectrum("l0"),
            "The layer is 'l0'; a layer of a trace or Jacobians (steps, S, S) are accepted.",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(call, sentence: str) -> None:
    layer = engine.trace(module("tanh", 2, 3), normal(3, 2, 2, seed=51), loss=lambda y: y.sum())["l0"]
    with pytest.raises(engine.DataError) as error:
        call(layer)
    assert str(error.value) == sentence
