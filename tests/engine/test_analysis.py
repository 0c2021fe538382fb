"""What the window's analysis panel asks for: against autograd, closed forms, and in pieces as in one go."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine import operations
from engine.analysis import edges_of, spread
from engine.analysis_requests import (
    AskBlock,
    AskFlow,
    AskHistogram,
    AskLyapunov,
    AskSlope,
    AskSpectrum,
    BlockPart,
    FlowPart,
    HistogramPart,
    LyapunovPart,
    SlopePart,
    SpectrumPart,
)
from engine.errors import DataError
from engine.network import Network
from engine.requests import Computed
from engine.spec import AddingTask, Experiment, InitSpec, LayerSpec, ModelSpec, ReadoutSpec

LN10 = math.log(10.0)


def computed(
    *layers: LayerSpec, T: int = 6, B: int = 3, at: Any = "every", weights: Any = None, shortest: int | None = None
) -> Computed:
    experiment = Experiment(
        model=ModelSpec(layers=layers, readout=ReadoutSpec(at=at)),
        task=AddingTask(steps=T, batch_size=B, shortest=shortest),
        dtype="float64",
    )
    return Computed(experiment, weights)


def rnn(H: int = 4, activation: Any = "tanh", **init: Any) -> LayerSpec:
    return LayerSpec(cell="rnn", hidden_size=H, activation=activation, init=InitSpec(**init))


def ask(request: Any) -> Any:
    return operations.run("analysis", request)


def arrays_of(source: Computed) -> dict[str, np.ndarray]:
    return operations.run("arrays", source)


def test_the_flow_matrix_is_autograds_gradient_of_each_single_loss() -> None:
    source = computed(rnn(), T=6, B=3)
    part: FlowPart = ask(AskFlow(source, count=100))
    arrays = arrays_of(source)
    module = nn.RNN(2, 4, dtype=torch.float64)
    for name, parameter in module.named_parameters():
        parameter.data = torch.tensor(arrays[f"weights.{name}"])
    readout, bias = torch.tensor(arrays["weights.readout.weight"]), torch.tensor(arrays["weights.readout.bias"])
    cell = nn.RNNCell(2, 4, dtype=torch.float64)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(cell, name).data = torch.tensor(arrays[f"weights.{name}_l0"])
    h, states = torch.zeros(3, 4, dtype=torch.float64), []
    for x in torch.tensor(arrays["l0.x"]):
        h = cell(x, h)
        states.append(h)
    targets = torch.tensor(arrays["targets"])
    for t in range(6):
        loss = ((states[t] @ readout.T + bias - targets[t]) ** 2).mean() / 6
        for k in range(6):
            if k > t:
                assert not part.reached[t, k]
                continue
            grad = torch.autograd.grad(loss, states[k], retain_graph=True)[0]
            assert part.reached[t, k]
            assert part.norms[t, k] == pytest.approx(float(grad.norm(dim=1).mean()), rel=1e-10)


def test_pieces_of_the_flow_matrix_are_rows_of_the_whole() -> None:
    source = computed(LayerSpec(cell="lstm", hidden_size=3), T=9)
    whole: FlowPart = ask(AskFlow(source, count=9))
    for start in range(0, 9, 4):
        part: FlowPart = ask(AskFlow(source, start=start, count=4))
        np.testing.assert_allclose(part.norms, whole.norms[start : start + 4], rtol=1e-12)
        assert part.loss_steps.tolist() == list(range(1, 10))


def test_a_long_trace_is_thinned_evenly_or_cut_to_its_end_and_keeps_the_last_loss_and_step() -> None:
    source = computed(rnn(), T=40)
    whole: FlowPart = ask(AskFlow(source, count=40))
    thinned: FlowPart = ask(AskFlow(source, most=7, count=7))
    assert thinned.every == 6
    assert thinned.steps.tolist() == thinned.loss_steps.tolist() == [4, 10, 16, 22, 28, 34, 40]
    np.testing.assert_allclose(thinned.norms, whole.norms[np.ix_(thinned.steps - 1, thinned.steps - 1)], rtol=1e-12)
    last: FlowPart = ask(AskFlow(source, which="last", most=7, count=7))
    assert (last.every, last.steps.tolist()) == (1, list(range(34, 41)))
    np.testing.assert_allclose(last.norms, whole.norms[33:, 33:], rtol=1e-12)
    assert last.norms.shape == thinned.norms.shape == (7, 7)


def test_a_single_loss_is_one_row_that_stands_at_the_last_step() -> None:
    source = computed(rnn(), T=5, at="last")
    part: FlowPart = ask(AskFlow(source))
    assert (part.total_losses, part.loss_steps.tolist(), part.norms.shape) == (1, [5], (1, 5))
    grads = arrays_of(source)["l0.grads.h"]
    np.testing.assert_allclose(part.norms[0], np.linalg.norm(grads, axis=2).mean(1), rtol=1e-12)


@pytest.mark.parametrize("at", ["last", "attention"])
def test_with_padding_a_single_loss_stands_at_the_last_step_of_the_longest_sample(at: Any) -> None:
    """Behind that there is no step, and so no loss: lags are counted from where it is."""
    source = computed(rnn(), T=20, B=4, at=at, shortest=3)
    lengths = Network(source.experiment).batch(0).lengths
    assert lengths is not None
    longest = int(lengths.max())
    assert longest < 20
    part: FlowPart = ask(AskFlow(source))
    assert part.loss_steps.tolist() == [longest]
    assert (part.steps[part.reached[0]] == np.arange(1, longest + 1)).all()
    slope = ask(AskSlope(source))
    assert slope.loss_step == longest


def test_a_reverse_layer_is_reached_from_its_loss_to_the_end() -> None:
    source = computed(LayerSpec(cell="gru", hidden_size=3, bidirectional=True), T=5)
    part: FlowPart = ask(AskFlow(source, "l0_reverse", count=5))
    assert part.of.layers == ("l0", "l0_reverse")
    np.testing.assert_array_equal(part.reached, np.triu(np.ones((5, 5), bool)))


def test_a_scaled_orthogonal_block_has_one_modulus_and_one_singular_value() -> None:
    block: BlockPart = ask(AskBlock(computed(rnn(6, recurrent="orthogonal", gain=0.7))))
    assert block.blocks == ("",) or block.blocks == ("a",)
    np.testing.assert_allclose(np.abs(block.eigenvalues), 0.7, rtol=1e-12)
    assert block.spectral_radius == pytest.approx(0.7, rel=1e-12)
    assert block.sigma_max == pytest.approx(0.7, rel=1e-12)


def test_each_gate_has_its_own_block() -> None:
    source = computed(LayerSpec(cell="lstm", hidden_size=5))
    weight = arrays_of(source)["weights.weight_hh_l0"]
    for number, name in enumerate("ifgo"):
        part: BlockPart = ask(AskBlock(source, block=number))
        assert part.blocks[part.block] == name
        own = np.linalg.eigvals(weight[5 * number : 5 * (number + 1)])
        np.testing.assert_allclose(sorted(np.abs(part.eigenvalues)), sorted(np.abs(own)), rtol=1e-10)
    with pytest.raises(DataError, match="4, counted from 0"):
        ask(AskBlock(source, block=4))


def test_a_linear_orthogonal_network_falls_in_a_straight_line_as_steep_as_pascanus_bound() -> None:
    slope: SlopePart = ask(AskSlope(computed(rnn(5, "identity", recurrent="orthogonal", gain=0.5), T=20, at="last")))
    assert slope.slope == pytest.approx(math.log10(0.5), rel=1e-9)
    assert slope.residual == pytest.approx(0.0, abs=1e-9)
    assert (slope.used, slope.reached, slope.loss_step) == (20, 20, 20)
    assert slope.factor == pytest.approx(0.5, rel=1e-12)
    assert slope.certifies


def test_other_cells_have_a_slope_but_not_the_bound() -> None:
    slope: SlopePart = ask(AskSlope(computed(LayerSpec(cell="lstm", hidden_size=3), T=8)))
    assert math.isnan(slope.factor)
    assert not slope.certifies
    assert "vanilla RNN" in slope.bound
    assert math.isfinite(slope.slope)


def test_a_gradient_that_has_become_exactly_zero_is_no_part_of_the_line_but_of_the_count() -> None:
    source = computed(rnn(4, "relu", recurrent="orthogonal", gain=0.5), T=12, at="last")
    slope: SlopePart = ask(AskSlope(source))
    norms = np.linalg.norm(arrays_of(source)["l0.grads.h"], axis=2).mean(1)
    assert slope.used == np.count_nonzero(norms)
    assert slope.reached == 12


def in_pieces(request: Any) -> list[Any]:
    """All parts; each is asked with a request that has crossed between processes, by an engine that knows nothing."""
    parts = []
    while True:
        parts.append(ask(pickle.loads(pickle.dumps(request))))
        if parts[-1].state is None:
            return parts
        operations.forget()
        request = type(request)(request.source, request.layer, request.sample, state=parts[-1].state)


def joined(parts: list[SpectrumPart]) -> dict[str, np.ndarray]:
    order = np.argsort(np.concatenate([p.steps for p in parts]))
    return {
        name: np.concatenate([getattr(p, name) for p in parts])[order]
        for name in ("steps", "step", "product", "step_dead", "product_dead")
    }


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is one step."""
    from engine.spectra import LyapunovRun, SpectrumRun

    for run in (SpectrumRun, LyapunovRun):
        advance = run.advance
        monkeypatch.setattr(run, "advance", lambda self, advance=advance: advance(self, 0.0))


@pytest.mark.usefixtures("hurried")
def test_singular_values_of_a_scaled_orthogonal_network_are_all_equal_and_multiply() -> None:
    T, gain = 7, 0.5
    source = computed(rnn(5, "identity", recurrent="orthogonal", gain=gain), T=T, at="last")
    parts = in_pieces(AskSpectrum(source))
    assert len(parts) == T
    found = joined(parts)
    np.testing.assert_array_equal(found["steps"], np.arange(1, T + 1))
    np.testing.assert_allclose(found["step"], math.log10(gain), rtol=1e-10)
    behind = T + 1 - found["steps"]
    np.testing.assert_allclose(found["product"], np.tile(behind * math.log10(gain), (5, 1)).T, rtol=1e-10)
    assert not found["step_dead"].any()
    exponents: LyapunovPart = in_pieces(AskLyapunov(source))[-1]
    np.testing.assert_allclose(exponents.exponents, math.log(gain), rtol=1e-10)
    assert exponents.steps == T


@pytest.mark.usefixtures("hurried")
def test_singular_values_in_pieces_are_those_of_plain_jacobians() -> None:
    source = computed(rnn(4), T=5, B=2)
    arrays = arrays_of(source)
    W, h = arrays["weights.weight_hh_l0"], arrays["l0.values.h"][:, 1]
    J = [(1 - h[t] ** 2)[:, None] * W for t in range(5)]
    found = joined(in_pieces(AskSpectrum(source, sample=1)))
    product = np.eye(4)
    for t in reversed(range(5)):
        product = product @ J[t]
        for name, matrix in (("step", J[t]), ("product", product)):
            logs = np.log10(np.linalg.svd(matrix, compute_uv=False))
            np.testing.assert_allclose(found[name][t], [*logs, logs[-1]], rtol=1e-8)


@pytest.mark.usefixtures("hurried")
def test_a_unit_whose_slope_is_zero_is_a_dead_direction() -> None:
    source = computed(rnn(4, "relu", recurrent="identity", bias="zero"), T=4, B=1)
    h = arrays_of(source)["l0.values.h"][:, 0]
    found = joined(in_pieces(AskSpectrum(source)))
    dead = (h == 0).sum(axis=1)
    assert dead.any()
    np.testing.assert_array_equal(found["step_dead"], dead)
    assert (found["product"][:, -1] == -math.inf).any()


def test_a_long_spectrum_reports_evenly_spaced_steps_and_both_ends() -> None:
    assert spread(10, 20) == list(range(1, 11))
    steps = spread(1000, 128)
    assert (steps[0], steps[-1], len(steps)) == (1, 1000, 128)
    assert {7, 8} >= set(np.diff(steps).tolist())


def test_a_remembered_run_and_a_resumed_one_go_on_alike(hurried: None) -> None:
    source = computed(LayerSpec(cell="gru", hidden_size=3), T=4)
    first: SpectrumPart = ask(AskSpectrum(source))
    remembered: SpectrumPart = ask(AskSpectrum(source, state=first.state))
    operations.forget()
    resumed: SpectrumPart = ask(AskSpectrum(source, state=first.state))
    np.testing.assert_array_equal(remembered.product, resumed.product)
    other = computed(LayerSpec(cell="gru", hidden_size=3), T=4, B=2)
    ask(AskSpectrum(other))
    again: SpectrumPart = ask(AskSpectrum(source, state=first.state))
    np.testing.assert_array_equal(again.product, resumed.product)


def test_a_histogram_counts_every_number_once_by_its_class() -> None:
    source = computed(rnn(8), T=30, B=4, at="last")
    sizes = np.abs(arrays_of(source)["l0.grads.a"]).ravel()
    part: HistogramPart = ask(AskHistogram(source, key="grads.a", low=-6, high=-4, per_decade=1))
    assert (part.below, part.above) == ((sizes < 1e-6).sum(), (sizes > 1e-4).sum())
    assert part.bins.tolist() == [
        ((sizes >= 1e-6) & (sizes < 1e-5)).sum(),
        ((sizes >= 1e-5) & (sizes <= 1e-4)).sum(),
    ]
    assert part.total == sizes.size
    assert part.stop == part.total_steps == 30
    assert (part.smallest, part.largest) == (sizes.min(), sizes.max())
    assert part.keys == ("grads.h", "grads.a")


def test_exact_zero_inf_and_nan_have_their_own_counts() -> None:
    experiment = Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=16, activation="relu", init=InitSpec(gain=40.0)),)),
        task=AddingTask(steps=40, batch_size=4),
    )
    source = Computed(experiment)
    sizes = np.abs(arrays_of(source)["l0.grads.h"])
    assert np.isnan(sizes).any()
    part: HistogramPart = ask(AskHistogram(source, key="grads.h", high=40))  # beyond float32
    assert part.above == 0
    assert part.nan == np.isnan(sizes).sum()
    assert part.inf == np.isinf(sizes).sum()
    assert part.zero == (sizes == 0).sum()
    assert part.total == sizes.size


def test_padding_is_not_counted_and_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    source = computed(rnn(4), T=10, B=5, shortest=2)
    whole: HistogramPart = ask(AskHistogram(source))
    lengths = (arrays_of(source)["l0.values.h"] != 0).any(2).sum()
    assert whole.total == lengths * 4 < 10 * 5 * 4
    monkeypatch.setattr("engine.analysis.NUMBERS_A_PART", 60)
    counts, start = 0, 0
    while start < 10:
        part: HistogramPart = ask(AskHistogram(source, start=start))
        counts, start = counts + part.bins, part.stop
    np.testing.assert_array_equal(counts, whole.bins)


def test_whole_decades_are_what_they_read_as() -> None:
    assert edges_of(-20, 2, 2)[::2].tolist() == [float(f"1e{p}") for p in range(-20, 3)]


def test_what_there_is_not_is_one_sentence() -> None:
    source = computed(rnn())
    with pytest.raises(DataError, match="'l7' is no layer"):
        ask(AskFlow(source, "l7"))
    with pytest.raises(DataError, match=r"grads\.h, grads\.a"):
        ask(AskHistogram(source, key="grads.c"))
