"""What an experiment with a truncation shows and trains: every gradient cut the same way, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from engine.checks import checked
from engine.clipping import clipped
from engine.errors import SpecError
from engine.events import of_layers
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.spec import (
    AddingTask,
    ClipSpec,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    TrainingSpec,
    TruncationSpec,
)
from engine.tracing import Trace
from engine.training_requests import Train
from engine.truncated_trace import truncated_trace

T = 11


def experiment(*cells: str, at: str = "every", truncation: TruncationSpec | None = None, **layer: object) -> Experiment:
    layers = tuple(LayerSpec(cell=cell, hidden_size=5, **layer) for cell in cells)
    return Experiment(
        model=ModelSpec(layers=layers, readout=ReadoutSpec(at=at)),
        task=AddingTask(steps=T, batch_size=3),
        training=TrainingSpec(truncation=truncation, learning_rate=0.1),
        dtype="float64",
    )


def of_one_loss(network: Network, t: int) -> Trace:
    """Full BPTT of the loss of step t alone (from 1)."""
    batch = network.batch()

    def one(outputs: Tensor) -> Tensor:
        losses = (outputs - batch.targets).square().mean((1, 2)) / T  # the mean over everything, by steps
        return torch.where(torch.arange(T) == t - 1, losses, 0.0)

    return network.trace(batch.x, loss=one)


@pytest.mark.parametrize("variant", [{}, {"layer_norm": True}, {"recurrent_dropout": RecurrentDropoutSpec()}])
@pytest.mark.parametrize("cells", [("rnn",), ("lstm", "gru"), ("gru", "rnn")])
@pytest.mark.parametrize(("k1", "k2"), [(1, 3), (4, 4), (3, 7), (5, 6)])
def test_every_gradient_is_the_sum_over_the_losses_of_what_each_one_reaches(
    k1: int, k2: int, cells: tuple[str, ...], variant: dict[str, object]
) -> None:
    """The definition, loss by loss (Williams & Peng 1990): L_t reaches the steps from k1⌈t/k1⌉ − k2 + 1 to t."""
    network = Network(experiment(*cells, **variant))
    trace = network.trace()
    cut = truncated_trace(trace, TruncationSpec(k1=k1, k2=k2))
    expected = {
        name: {symbol: torch.zeros_like(grad) for symbol, grad in layer.grads.items()}
        for name, layer in trace.layers.items()
    }
    for t in range(1, T + 1):
        first = max(1, k1 * -(-t // k1) - k2 + 1)
        for name, layer in of_one_loss(network, t).layers.items():
            for symbol, grad in layer.grads.items():
                expected[name][symbol][first - 1 : t] += grad[first - 1 : t]
    for name, layer in cut.layers.items():
        for symbol, grad in layer.grads.items():
            torch.testing.assert_close(grad, expected[name][symbol], rtol=1e-9, atol=1e-14)
        for symbol, value in layer.values.items():
            assert value is trace.layers[name].values[symbol]


@pytest.mark.parametrize("cells", [("rnn",), ("lstm", "lstm"), ("gru", "gru")])
def test_what_is_shown_is_what_is_trained(cells: tuple[str, ...]) -> None:
    """W ← W − lr · (the truncated gradient, clipped), by hand."""
    made = experiment(*cells, truncation=TruncationSpec(k1=2, k2=4))
    made = msgspec.structs.replace(
        made, training=msgspec.structs.replace(made.training, clip=ClipSpec(kind="norm", max_norm=0.05))
    )
    network = Network(made)
    cut = network.trace().truncated(2, 4)
    grads = clipped(cut.weight_grads, made.training.clip).grads
    trained = run("train", Train(made, None, 0, 1))
    for name, weight in network.weights.items():
        np.testing.assert_allclose(trained.weights[name], (weight - 0.1 * grads[name]).numpy(), rtol=1e-12, atol=1e-15)


def _underflows(trace: Trace) -> list[tuple[str, int]]:
    return [(event.layer, event.step) for event in of_layers(trace.layers) if event.kind == "underflow"]


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("cells", [("rnn",), ("lstm",), ("gru", "lstm")])
@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (3, 5), (1, 2)])
def test_where_truncation_stops_the_gradient_nothing_underflows(
    cells: tuple[str, ...], at: str, k1: int, k2: int
) -> None:
    """Behind the first window of a single loss every gradient is exactly 0, and no derivative on the way is."""
    trace = Network(experiment(*cells, at=at)).trace()
    assert _underflows(trace) == []
    assert _underflows(truncated_trace(trace, TruncationSpec(k1=k1, k2=k2))) == []


@pytest.mark.parametrize(("k1", "k2"), [(8, 8), (2, 9)])
def test_an_underflow_inside_of_a_window_is_found_where_the_whole_gradient_has_it(k1: int, k2: int) -> None:
    """With a spectral radius of 1e-9 each step back costs nine decades: float32 has 38, and four or five steps."""
    made = experiment("rnn", at="last", init=InitSpec(spectral_radius=1e-9))
    trace = Network(msgspec.structs.replace(made, dtype="float32")).trace()
    ((layer, step),) = _underflows(trace)
    assert T - 5 <= step <= T - 3
    assert _underflows(truncated_trace(trace, TruncationSpec(k1=k1, k2=k2))) == [(layer, step)]


def test_a_window_as_long_as_the_sequence_cuts_nothing() -> None:
    whole = run("excerpt", Look(Computed(experiment("lstm", "gru")), ("grads.h", "l0.grads.c")))
    asked = experiment("lstm", "gru", truncation=TruncationSpec(k1=T, k2=T))
    cut = run("excerpt", Look(Computed(asked), ("grads.h", "l0.grads.c")))
    for key, array in whole.arrays.items():
        np.testing.assert_allclose(cut.arrays[key], array, rtol=1e-9, atol=1e-16)


def test_the_excerpt_is_cut_and_remembered_apart_from_the_whole() -> None:
    asked = experiment("rnn", at="last", truncation=TruncationSpec(k1=3, k2=4))
    whole = experiment("rnn", at="last")
    for source in (Computed(whole), Computed(asked), Computed(whole), Computed(asked)):
        shown = run("excerpt", Look(source, ("grads.h", "values.h")))
        zero = (shown.arrays["grads.h"] == 0).all(axis=1)
        # The one loss reads step 11 and goes four steps back: 8, 9, 10 and 11 are reached.
        assert zero.tolist() == [k <= 7 if source.experiment is asked else False for k in range(1, T + 1)]
    assert shown.verdict.kind == "vanishing"
    assert run("audit", Computed(asked)).passed, "the gradients of the loss still agree with autograd"


def test_the_verdict_of_the_last_loss_is_about_what_it_reaches() -> None:
    asked = experiment("rnn", truncation=TruncationSpec(k1=3, k2=6))
    verdict = run("excerpt", Look(Computed(asked), ())).verdict
    assert (verdict.kind, verdict.log10_ratio) == ("vanishing", -np.inf)
    reached = run("excerpt", Look(Computed(experiment("rnn", truncation=TruncationSpec(k1=3, k2=12))), ())).verdict
    whole = run("excerpt", Look(Computed(experiment("rnn")), ())).verdict
    assert reached.log10_ratio == pytest.approx(whole.log10_ratio, rel=1e-9)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_what_comes_through_the_weights_stops_where_a_window_begins(cell: str) -> None:
    """Chunks of 4 (k1 = k2): from step 5 nothing comes to step 4, nor from 9 to 8."""
    asked = experiment(cell, truncation=TruncationSpec(k1=4, k2=4))
    series = run("excerpt", Look(Computed(asked), (), unit=2)).cell_series
    hidden = series["grads.h_hidden"]
    assert [t for t in range(1, T + 1) if hidden[t - 1] == 0] == [4, 8, 11]
    if cell != "gru":  # the GRU's leak goes past the weights
        np.testing.assert_allclose(series["grads.h"], series["grads.h_direct"] + hidden, rtol=1e-9, atol=1e-16)


def refused(made: Experiment) -> str:
    with pytest.raises(SpecError) as raised:
        checked(made)
    return str(raised.value)


def test_what_cannot_be_truncated_says_so_in_one_sentence() -> None:
    cut = TruncationSpec(k1=2, k2=4)
    assert refused(experiment("rnn", truncation=TruncationSpec(k1=4, k2=2))) == (
        "training.truncation.k1 is 4; a whole number from 1 to 2 is accepted."
    )
    assert refused(experiment("rnn", truncation=TruncationSpec(k1=0, k2=2))) == (
        "training.truncation.k1 is 0; a whole number from 1 to 2 is accepted."
    )
    assert refused(experiment("rnn", "lstm", bidirectional=True, truncation=cut)) == (
        "training.truncation is set, but model.layers[0] runs in both directions, and the reverse one has the whole "
        "future in it; forward layers alone are accepted."
    )
    for at in ("mean", "attention"):
        assert refused(experiment("rnn", at=at, truncation=cut)) == (
            f"training.truncation is set, but model.readout.at is '{at}', one loss that reads every step; 'last' or "
            "'every' is accepted."
        )
    step = experiment("rnn", truncation=cut)
    step = msgspec.structs.replace(step, training=TrainingSpec(truncation=cut, clip=ClipSpec(kind="step")))
    assert "'step', which both change the way back" in refused(step)
    lengths = experiment("rnn", at="last", truncation=cut)
    lengths = msgspec.structs.replace(lengths, task=AddingTask(steps=T, batch_size=3, shortest=4))
    assert "the sequences end at steps of their own" in refused(lengths)


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize(
    "layer", [{"batch_norm": True}, {"dropout": 0.3}, {"residual": True}, {"layer_norm": True}, {}]
)
def test_whatever_is_accepted_can_be_computed(at: str, layer: dict[str, object]) -> None:
    made = experiment("gru", "lstm", at=at, truncation=TruncationSpec(k1=2, k2=3), **(layer | {"residual": False}))
    if layer.get("residual"):
        layers = (made.model.layers[0], msgspec.structs.replace(made.model.layers[1], residual=True))
        made = msgspec.structs.replace(made, model=msgspec.structs.replace(made.model, layers=layers))
    run("excerpt", Look(Computed(checked(made)), ("grads.h",)))
    if at == "every" and "batch_norm" not in layer:
        lengths = msgspec.structs.replace(made, task=AddingTask(steps=T, batch_size=3, shortest=4))
        run("excerpt", Look(Computed(checked(lengths)), ("grads.h",)))


def test_the_copy_task_can_be_truncated() -> None:
    model = ModelSpec(
        layers=(LayerSpec(cell="lstm", hidden_size=4),),
        embedding=EmbeddingSpec(symbols=10, size=3),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    made = Experiment(model=model, task=CopyTask(delay=5, batch_size=2), dtype="float64")
    made = msgspec.structs.replace(made, training=TrainingSpec(truncation=TruncationSpec(k1=5, k2=10)))
    network = Network(checked(made))
    cut = network.trace().truncated(5, 10)
    trained = run("train", Train(made, None, 0, 1))
    before, grad = network.weights["embedding.weight"], cut.weight_grads["embedding.weight"]
    np.testing.assert_allclose(trained.weights["embedding.weight"], (before - 0.1 * grad).numpy(), rtol=1e-12)


def test_a_trace_and_its_truncated_form_are_two() -> None:
    trace = Network(experiment("lstm")).trace()
    before = {symbol: grad.clone() for symbol, grad in trace.layer.grads.items()}
    cut = truncated_trace(trace, TruncationSpec(k1=2, k2=2))
    for symbol, grad in trace.layer.grads.items():
        assert torch.equal(grad, before[symbol])
    assert replace(cut.layer).weight_grads.keys() == cut.layer.weight_grads.keys()
    for name, grad in replace(cut.layer).weight_grads.items():  # made again from the gradients that are shown
        torch.testing.assert_close(cut.layer.weight_grads[name], grad, rtol=1e-10, atol=1e-15)
