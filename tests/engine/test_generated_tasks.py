"""Temporal order, delayed echo, parity and the mixture of sines: each is what its definition says, and so is what an
answer costs that has learned nothing."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import pytest
import torch
from torch.nn import functional

from engine import tasks
from engine.spec import EchoTask, EmbeddingSpec, ModelSpec, ParityTask, ReadoutSpec, SinesTask, TemporalOrderTask
from engine.tasks import Batch, baseline

Loss = Literal["mse", "cross_entropy", "binary_cross_entropy"]
At = Literal["last", "every", "mean", "attention"]
MANY = 4096
"""Sequences of a batch where frequencies are looked at: a share p has the standard error √(p(1 − p)/4096)."""


def model(loss: Loss = "mse", at: At = "last") -> ModelSpec:
    return ModelSpec(layers=(), readout=ReadoutSpec(at=at), loss=loss)


def error(p: float) -> float:
    """Four and a half standard errors of a share p."""
    return 4.5 * math.sqrt(p * (1 - p) / MANY)


def temporal_order(task: TemporalOrderTask, iteration: int = 0) -> Batch:
    of = ModelSpec(layers=(), embedding=EmbeddingSpec(symbols=6), loss="cross_entropy")
    return tasks.batch(task, of, 0, iteration)


@pytest.mark.parametrize("steps", [10, 11, 13, 30, 100])
def test_temporal_order_has_two_symbols_that_count_at_the_steps_of_the_paper(steps: int) -> None:
    batch = temporal_order(TemporalOrderTask(steps=steps, batch_size=MANY))
    tenth = Fraction(steps, 10)
    early = {t for t in range(1, steps + 1) if tenth <= t <= 2 * tenth}
    late = {t for t in range(1, steps + 1) if 4 * tenth <= t <= 5 * tenth}
    seen: list[tuple[int, int]] = []
    for b in range(MANY):
        found = [(t, symbol) for t, symbol in enumerate(batch.x[:, b].tolist(), start=1) if symbol >= 4]
        assert len(found) == 2
        (first, one), (second, other) = found
        assert ("AB"[one - 4] + "AB"[other - 4]) == ("AA", "AB", "BA", "BB")[batch.targets[b]]
        seen.append((first, second))
    for place, steps_of_paper in enumerate((early, late)):
        shares = {t: sum(pair[place] == t for pair in seen) / MANY for t in {pair[place] for pair in seen}}
        assert shares.keys() == steps_of_paper
        p = 1 / len(steps_of_paper)
        assert all(abs(share - p) <= error(p) for share in shares.values())


def test_the_classes_and_the_distractors_of_temporal_order_are_uniform() -> None:
    batch = temporal_order(TemporalOrderTask(batch_size=MANY))
    classes = torch.bincount(batch.targets, minlength=4) / MANY
    torch.testing.assert_close(classes, torch.full((4,), 0.25), rtol=0, atol=error(0.25))
    others = torch.bincount(batch.x[batch.x < 4], minlength=4) / int((batch.x < 4).sum())
    torch.testing.assert_close(others, torch.full((4,), 0.25), rtol=0, atol=error(0.25))
    assert int((batch.x < 4).sum()) == MANY * 28


@pytest.mark.parametrize("delay", [0, 1, 5, 8])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "binary_cross_entropy"])
def test_an_echo_says_the_bit_of_so_many_steps_ago(delay: int, loss: Loss) -> None:
    batch = tasks.batch(EchoTask(steps=9, delay=delay, batch_size=50), model(loss, "every"), 0, 0)
    bits = batch.x[..., 0].tolist()
    targets = (batch.targets if loss == "cross_entropy" else batch.targets[..., 0]).tolist()
    assert batch.judged is not None
    for t in range(9):
        assert targets[t] == (bits[t - delay] if t >= delay else [0.0] * 50)
        assert batch.judged[t].tolist() == [t >= delay] * 50


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "binary_cross_entropy"])
def test_parity_is_that_of_the_bits_so_far(loss: Loss, at: At) -> None:
    batch = tasks.batch(ParityTask(steps=9, batch_size=50), model(loss, at), 0, 0)
    so_far = []
    odd = torch.zeros(50, dtype=torch.bool)
    for row in batch.x[..., 0]:
        odd = odd ^ (row == 1)
        so_far.append(odd)
    expected = torch.stack(so_far) if at == "every" else odd
    found = batch.targets if loss == "cross_entropy" else batch.targets[..., 0]
    assert torch.equal(found.double(), expected.double())


@pytest.mark.parametrize("task", [EchoTask(steps=9, batch_size=MANY), ParityTask(steps=9, batch_size=MANY)])
def test_the_bits_are_fair_and_independent_from_step_to_step(task: EchoTask | ParityTask) -> None:
    bits = tasks.batch(task, model(at="every"), 0, 0).x[..., 0]
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(bits.mean(1), torch.full((9,), 0.5, dtype=torch.float64), rtol=0, atol=error(0.5))
    signs = 2 * bits - 1  # products of two of them have the mean 0 and the variance 1
    products = (signs @ signs.T / MANY)[~torch.eye(9, dtype=torch.bool)]
    assert float(products.abs().max()) < 4.5 / math.sqrt(MANY)


def mean_loss(loss: Loss, batch: Batch, answers: torch.Tensor) -> float:
    """Of constant answers: a number or a logit, or logits of classes; of every step its own."""
    targets = batch.targets
    if loss == "mse":
        return float((answers - targets).square().mean())
    if loss == "binary_cross_entropy":
        return float(functional.binary_cross_entropy_with_logits(answers.expand_as(targets), targets))
    answers = answers.expand(*targets.shape, -1)
    return float(functional.cross_entropy(answers.flatten(0, -2), targets.flatten()))


def best_constant(loss: Loss, batch: Batch, classes: int) -> torch.Tensor:
    """What costs least on this batch: the mean over its sequences, or the logits of its frequencies."""
    over = batch.targets.dim() - (1 if loss == "cross_entropy" else 2)  # the axis of the batch
    if loss == "mse":
        return batch.targets.mean(over, keepdim=True)
    if loss == "binary_cross_entropy":
        return torch.logit(batch.targets.mean(over, keepdim=True), eps=1e-12)
    return functional.one_hot(batch.targets, classes).double().mean(over, keepdim=True).clamp(min=1e-12).log()


LEARNED_NOTHING = [
    *[(EchoTask(steps=8, delay=3, batch_size=MANY), loss, "every", 2) for loss in ("mse", "cross_entropy")],
    *[(EchoTask(steps=8, delay=0, batch_size=MANY), "binary_cross_entropy", "every", 2)],
    *[(ParityTask(steps=8, batch_size=MANY), loss, "every", 2) for loss in ("mse", "binary_cross_entropy")],
    *[(ParityTask(steps=1, batch_size=MANY), loss, "last", 2) for loss in ("mse", "cross_entropy")],
    (TemporalOrderTask(batch_size=MANY), "cross_entropy", "last", 4),
    *[(SinesTask(steps=3, batch_size=MANY), loss, "every", 2) for loss in ("mse", "binary_cross_entropy")],
    *[(SinesTask(steps=3, noise=0.5, batch_size=MANY), loss, "last", 2) for loss in ("mse", "cross_entropy")],
]


@pytest.mark.parametrize(("task", "loss", "at", "classes"), LEARNED_NOTHING)
def test_the_baseline_is_what_the_best_answers_cost_that_do_not_read(
    task: EchoTask | ParityTask | TemporalOrderTask | SinesTask, loss: Loss, at: At, classes: int
) -> None:
    batch = tasks.batch(task, model(loss, at), 0, 0)
    # Of a fair choice among n the best frequencies of N draws cost (n − 1)/2N less than ln n on average; a squared
    # error of values of the variance 1 and kurtosis below 3 has the standard error √(2/N) = .022 at one step.
    atol = 4.5 * 0.022 if isinstance(task, SinesTask) and loss == "mse" else 0.002
    found = mean_loss(loss, batch, best_constant(loss, batch, classes))
    assert found == pytest.approx(baseline(task, model(loss, at)), abs=atol)


@pytest.mark.parametrize("waves", [1, 3, 10])
def test_a_mixture_of_sines_has_the_mean_0_and_the_variance_1_at_every_step(waves: int) -> None:
    x = tasks.batch(SinesTask(steps=20, waves=waves, batch_size=MANY), model(), 0, 0).x[..., 0]
    zero, one = torch.zeros(20, dtype=torch.float64), torch.ones(20, dtype=torch.float64)
    torch.testing.assert_close(x.mean(1), zero, rtol=0, atol=4.5 / math.sqrt(MANY))
    # The kurtosis of the sum is 3 − 1.5/waves: the mean square has the standard error √((2 − 1.5/waves)/N).
    torch.testing.assert_close(x.square().mean(1), one, rtol=0, atol=4.5 * math.sqrt((2 - 1.5 / waves) / MANY))
    assert float(x.abs().max()) <= math.sqrt(2 * waves) + 1e-12


def test_one_sine_obeys_the_equation_of_its_period() -> None:
    """x_{t+1} + x_{t−1} = 2 cos(2π/p) x_t, of which p is found: it is log-uniform from 4 to 40."""
    batch = tasks.batch(SinesTask(steps=12, waves=1, batch_size=MANY), model(at="every"), 0, 0)
    x, following = batch.x[..., 0], batch.targets[..., 0]
    assert torch.equal(following[:-1], x[1:]), "without noise the target is what is read next"
    x = torch.cat([x, following[-1:]])
    around, now = x[2:] + x[:-2], x[1:-1]
    cosines = (around * now).sum(0) / now.square().sum(0) / 2
    torch.testing.assert_close(around, 2 * cosines * now, rtol=0, atol=1e-10)
    periods = 2 * math.pi / cosines.acos()
    assert float(periods.min()) >= 4 - 1e-6
    assert float(periods.max()) <= 40 + 1e-6
    ranks = (periods.log().sort().values - math.log(4)) / math.log(10)
    uniform = (torch.arange(MANY, dtype=torch.float64) + 0.5) / MANY
    assert float((ranks - uniform).abs().max()) < 2.2 / math.sqrt(MANY)  # Kolmogorov and Smirnov: 1 in 8,000 beyond


def test_the_noise_stands_on_the_inputs_alone() -> None:
    clean = tasks.batch(SinesTask(steps=20, batch_size=500), model(at="every"), 0, 0)
    noisy = tasks.batch(SinesTask(steps=20, batch_size=500, noise=0.5), model(at="every"), 0, 0)
    assert torch.equal(clean.targets, noisy.targets)
    noise = noisy.x - clean.x
    # Of 10,000 draws: the mean to .5/100, the deviation to .5/√20,000.
    assert abs(float(noise.mean())) < 4.5 * 0.005
    assert float(noise.std()) == pytest.approx(0.5, abs=4.5 * 0.0036)


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
def test_sines_ask_for_the_next_value_or_whether_it_is_higher(at: At) -> None:
    task = SinesTask(steps=7, batch_size=40, noise=0.3)
    values = tasks.batch(SinesTask(steps=8, batch_size=40), model(), 0, 0).x[..., 0]  # one step more, without noise
    expected = values[1:] if at == "every" else values[7]
    higher = values[1:] > values[:-1] if at == "every" else values[7] > values[6]
    assert torch.equal(tasks.batch(task, model(at=at), 0, 0).targets[..., 0], expected)
    assert torch.equal(tasks.batch(task, model("cross_entropy", at), 0, 0).targets, higher.long())
    assert torch.equal(tasks.batch(task, model("binary_cross_entropy", at), 0, 0).targets[..., 0], higher.double())
