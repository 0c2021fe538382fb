"""Padding is no step (math.md): it is left out of every mean over the batch, and no number stands behind the longest
sample. The reference is autograd's gradient of each sample, and a mean taken over those that have the step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference_network import Reference, reference
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import engine
from engine import columns
from engine.claims import Claim, measure
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Excerpt, Look, Recorded
from engine.spec import AddingTask, CellKind, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from engine.verdict import verdict

T, B, H = 9, 4, 3
SHORTEST, SEED = 2, 10
NAMES = ("l0", "l0_reverse", "l1", "l1_reverse")
NAN = math.nan


def experiment(cell: CellKind, at: Any = "last", *, bidirectional: bool = True) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=H, bidirectional=bidirectional)
    return Experiment(
        model=ModelSpec(layers=(layer, layer), readout=ReadoutSpec(at=at)),
        task=AddingTask(steps=T, batch_size=B, shortest=SHORTEST),
        dtype="float64",
        seed=SEED,
    )


def both(given: Experiment, *keys: str) -> tuple[Excerpt, Reference, list[int]]:
    """What is shown, autograd's, and the lengths: uneven ones, the longest below T."""
    network = Network(given)
    batch = network.batch(0)
    assert batch.lengths is not None
    lengths = batch.lengths.tolist()
    assert min(lengths) < max(lengths) < T
    found: Excerpt = run("excerpt", Look(Computed(given), keys))
    return found, reference(given, network.weights, batch), lengths


def mean_of_living(gradient: Tensor, lengths: list[int]) -> np.ndarray:
    """(T,): by hand, sample for sample."""
    found = np.full(len(gradient), NAN)
    for t in range(len(gradient)):
        sizes = [math.hypot(*gradient[t, b].tolist()) for b, length in enumerate(lengths) if t < length]
        if sizes:
            found[t] = sum(sizes) / len(sizes)
    return found


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_norms_are_means_over_the_samples_that_have_the_step(cell: CellKind, at: str) -> None:
    found, expected, lengths = both(experiment(cell, at))
    for name in NAMES:
        shown, of = found.layers[name], expected.layers[name]
        for symbol, gradient in of.grads.items():
            if f"grads.{symbol}" in shown.norms:
                row = mean_of_living(gradient, lengths)
                np.testing.assert_allclose(shown.norms[f"grads.{symbol}"], row, rtol=1e-9, atol=1e-16)
        np.testing.assert_allclose(shown.norms["values.h"], mean_of_living(of.values["h"], lengths), rtol=1e-9)
        np.testing.assert_allclose(shown.input_norms, mean_of_living(of.input_grad, lengths), rtol=1e-9, atol=1e-16)
        np.testing.assert_allclose(shown.direct_norms, mean_of_living(of.output_grads, lengths), rtol=1e-9, atol=1e-16)
        assert shown.longest == found.longest == max(lengths)


@pytest.mark.parametrize("at", ["last", "every"])
def test_the_verdict_compares_means_of_living_samples(at: str) -> None:
    given = experiment("rnn", at, bidirectional=False)
    found, expected, lengths = both(given)
    longest = max(lengths)
    flows = expected.layers["l1"].flows
    gradient = expected.layers["l1"].grads["h"] if at == "last" else flows[longest - 1]
    row = mean_of_living(gradient, lengths)
    ratio = math.log10(row[0]) - math.log10(row[longest - 1])
    assert found.verdict.log10_ratio == pytest.approx(ratio, rel=1e-9)
    assert (found.verdict.first_step, found.verdict.last_step) == (1, longest)
    with_padding = gradient.norm(dim=2).mean(1)
    assert abs(ratio - math.log10(float(with_padding[0] / with_padding[longest - 1]))) > 0.1
    trace = Network(given).trace()
    assert trace.verdict() == found.verdict
    lower = trace.verdict("l0")
    below = expected.layers["l0"]
    of_lower = mean_of_living(below.grads["h"] if at == "last" else below.flows[longest - 1], lengths)
    assert lower.log10_ratio == pytest.approx(math.log10(of_lower[0] / of_lower[longest - 1]), rel=1e-9)


def test_a_trace_of_a_packed_sequence_has_the_same_verdict_whole_and_long() -> None:
    torch.manual_seed(0)
    rnn = nn.RNN(2, H, dtype=torch.float64)
    x, lengths = torch.randn(T, B, 2, dtype=torch.float64), torch.tensor([2, 7, 4, 5])
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    weight = torch.randn(T, B, H, dtype=torch.float64)

    def loss(y: Tensor, steps: slice = slice(0, T)) -> Tensor:
        return (y * weight[steps.start : steps.start + len(y)]).sum((1, 2))

    row = mean_of_living(_last_loss_by_hand(rnn, x, lengths.tolist(), weight), lengths.tolist())
    expected = math.log10(row[0]) - math.log10(row[6])
    whole = engine.trace(rnn, packed, loss=loss)
    assert whole.verdict().log10_ratio == pytest.approx(expected, rel=1e-9)
    assert whole.verdict().last_step == 7
    long = engine.trace_long(rnn, packed, loss, stretch=3)
    assert long.verdict().log10_ratio == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(whole.flow_row(-1).numpy(), row[:7], rtol=1e-9)


def _last_loss_by_hand(rnn: nn.RNN, x: Tensor, lengths: list[int], weight: Tensor) -> Tensor:
    """(T, B, H): ∂L_7/∂h_t, sample for sample, each run alone over its own steps."""
    found = torch.zeros(T, B, H, dtype=torch.float64)
    for b, length in enumerate(lengths):
        if length < 7:
            continue  # that loss reads nothing of it
        h, states = torch.zeros(H, dtype=torch.float64), []
        for t in range(length):
            a = rnn.weight_ih_l0 @ x[t, b] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
            h = a.tanh()
            h.retain_grad()
            states.append(h)
        (states[6] * weight[6, b]).sum().backward()
        for t, state in enumerate(states):
            assert state.grad is not None
            found[t, b] = state.grad
    return found


@pytest.mark.parametrize(("name", "first"), [("l0", "last"), ("l0_reverse", "first")])
def test_a_weights_gradient_has_no_part_behind_the_longest_sample(name: str, first: str) -> None:
    found, expected, lengths = both(experiment("lstm", "every"), f"{name}.share.weight_hh", f"{name}.growth.weight_hh")
    longest, of = max(lengths), expected.layers[name]
    parts = of.weight_parts["weight_hh"]
    own = parts.flatten(1).norm(dim=1).numpy()
    for key, column in (("share", columns.SHARE.index("norm")), ("growth", columns.GROWTH.index("step"))):
        shown = found.arrays[f"{name}.{key}.weight_hh"]
        np.testing.assert_allclose(shown[:longest, column], own[:longest], rtol=1e-9, atol=1e-16)
        assert np.isnan(shown[longest:, column]).all()
    share = found.arrays[f"{name}.share.weight_hh"][:, columns.SHARE.index("share")]
    assert np.isnan(share[longest:]).all()
    assert share[:longest].sum() == pytest.approx(1.0)
    grown = found.arrays[f"{name}.growth.weight_hh"]
    total = grown[:, columns.GROWTH.index("sum")]
    assert np.isnan(total[longest:]).all()
    assert not grown[longest:, columns.GROWTH.index("computed")].any()
    steps = range(longest) if first == "first" else range(longest - 1, -1, -1)
    so_far = torch.zeros_like(parts[0])
    for t in steps:
        so_far = so_far + parts[t]
        assert total[t] == pytest.approx(float(so_far.norm()), rel=1e-9, abs=1e-16)


def test_a_recorded_trace_leaves_padding_out_too(tmp_path: Path) -> None:
    torch.manual_seed(1)
    rnn = nn.LSTM(2, H, dtype=torch.float64)
    lengths = [6, 2, 4]
    x = torch.randn(8, 3, 2, dtype=torch.float64)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    trace = engine.trace(rnn, packed, loss=lambda y: y[5].square().sum() + y[:2].sum())
    digest = trace.save(tmp_path / "a.gflow")
    found: Excerpt = run("excerpt", Look(Recorded(str(tmp_path / "a.gflow"), digest), ()))
    row = mean_of_living(trace["l0"].grads["h"], lengths)
    np.testing.assert_allclose(found.norms["grads.h"], row, rtol=1e-12)
    assert found.verdict.log10_ratio == pytest.approx(trace.verdict().log10_ratio)


def test_nan_behind_the_longest_sample_is_padding_and_before_it_is_not() -> None:
    row = np.array([1e-8, 1e-3, 1.0, NAN, NAN])
    assert (verdict(row, 3).kind, verdict(row, 3).last_step) == ("vanishing", 3)
    assert verdict(row).kind == "undefined"
    assert verdict(np.array([1.0, NAN, NAN]), 2).kind == "undefined"
    assert verdict(np.full(4, NAN), 0).kind == "undefined"


def test_claims_are_about_steps_not_about_padding() -> None:
    found, expected, lengths = both(experiment("rnn", bidirectional=False))
    row = mean_of_living(expected.layers["l1"].grads["h"], lengths)[: max(lengths)]

    def claimed(quantity: Any, step: int | None = None) -> float:
        return measure(Claim(says="", quantity=quantity, low=0.0, high=0.0, key="grads.h", step=step), found)

    assert claimed("max_log10") == pytest.approx(math.log10(row.max()))
    assert claimed("argmin_step") == float(row.argmin()) + 1
    assert (claimed("nan_steps"), claimed("zero_steps"), claimed("first_bad_step")) == (0.0, 0.0, 0.0)
    with pytest.raises(engine.SpecError, match=f"from 1 to {max(lengths)}"):
        claimed("norm_log10", T)


@pytest.mark.parametrize("at", ["last", "mean", "attention", "every"])
def test_losses_stand_where_a_sample_is(at: str) -> None:
    """A single loss at the last step of the longest; of every step, none where all have ended."""
    found, expected, lengths = both(experiment("gru", at))
    longest = max(lengths)
    there = np.flatnonzero(~np.isnan(found.losses)).tolist()
    assert there == (list(range(longest)) if at == "every" else [longest - 1])
    assert float(np.nansum(found.losses)) == pytest.approx(float(expected.loss), rel=1e-12)
