"""Every quantity of a whole network's trace is autograd's: stacks of any kind, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from agreement import assert_agrees, nudged
from drawn_models import inits
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reference_layer import STATES, LayerReference
from reference_network import TORCHS, Reference, reference
from torch import Tensor

from engine.initial import initial_weights
from engine.layer_trace import LayerTrace
from engine.network import Network
from engine.parameters import input_size, places
from engine.spec import (
    AddingTask,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    SunspotsTask,
    WhatIf,
)
from engine.tasks import Batch

Initial = dict[str, dict[str, Tensor]]

# Without shrinking: a failure is told as it was found, and not after minutes.
quick = settings(max_examples=45, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@st.composite
def layers(draw: Any, reads: int, batch_size: int) -> LayerSpec:
    """A layer that reads so many numbers a step. `batch_size`: samples of every step; 1 where a step may have one."""
    cell = draw(st.sampled_from(["rnn", "lstm", "gru"]))
    H, bidirectional = draw(st.integers(1, 4)), draw(st.booleans())
    residual = draw(st.booleans())
    if residual:  # then both widths are the same
        bidirectional = bidirectional and reads % 2 == 0
        H = reads // 2 if bidirectional else reads
    # Two normalised numbers are ±1 whatever they were, but for ε: where that is small, nothing is left of the gradient
    # but rounding, which is no test of digits. Dead units make two numbers out of many.
    layer_norm, batch_norm = H >= 2 and draw(st.booleans()), batch_size >= 2 and draw(st.booleans())
    many = (not layer_norm or H >= 3) and (not batch_norm or (batch_size >= 3 and cell != "rnn"))
    norm_eps = draw(st.sampled_from([1e-5, 0.1])) if many else 0.1
    recurrent_dropout = draw(st.sampled_from([None, "sequence", "step"]))
    activations = ["tanh", "relu", "leaky_relu", "sigmoid", "identity"]
    return LayerSpec(
        cell=cell,
        hidden_size=H,
        activation=draw(st.sampled_from(activations)) if cell == "rnn" else "tanh",
        bidirectional=bidirectional,
        init=draw(inits(cell)),
        layer_norm=layer_norm,
        norm_eps=norm_eps,
        recurrent_dropout=RecurrentDropoutSpec(p=0.4, mask=recurrent_dropout) if recurrent_dropout else None,
        batch_norm=batch_norm,
        dropout=draw(st.sampled_from([0.0, 0.0, 0.3])),
        dropout_mask=draw(st.sampled_from(["step", "sequence"])),
        residual=residual,
    )


@st.composite
def stacks(draw: Any, reads: int, batch_size: int, most: int = 3) -> tuple[LayerSpec, ...]:
    found: list[LayerSpec] = []
    for _ in range(draw(st.integers(1, most))):
        found.append(draw(layers(reads, batch_size)))
        reads = found[-1].width
    return tuple(found)


@st.composite
def experiments(draw: Any, dtype: str = "float64") -> Experiment:
    """Of numbers, with lengths or without."""
    B = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["adding", "lengths", "sunspots"]))
    if kind == "sunspots":
        task: Any = SunspotsTask(steps=draw(st.integers(1, 7)), batch_size=B)
    else:
        T = draw(st.integers(2, 7))
        shortest = draw(st.integers(2, T)) if kind == "lengths" else None
        task = AddingTask(steps=T, batch_size=B, shortest=shortest)
    loss = draw(st.sampled_from(["mse", "cross_entropy", "binary_cross_entropy"]))
    readout = ReadoutSpec(at=draw(st.sampled_from(["last", "every", "mean", "attention"])), attention_size=3)
    reads = input_size(ModelSpec(layers=(), loss=loss), task)
    # Where samples end at different steps, one of them may be left alone, which batch normalisation refuses.
    model = ModelSpec(layers=draw(stacks(reads, 1 if kind == "lengths" else B)), readout=readout, loss=loss)
    return Experiment(model=model, task=task, seed=draw(st.integers(0, 99)), dtype=dtype, device="cpu")


def weights_of(experiment: Experiment, seed: int = 0) -> dict[str, Tensor]:
    """Initial weights, with γ and β of the normalisations away from 1 and 0."""
    source = torch.Generator().manual_seed(seed)
    found = initial_weights(experiment)
    for name, weight in found.items():
        if "norm" in name:
            noise = torch.rand(weight.shape, generator=source, dtype=torch.float64)
            found[name] = weight + (noise - 0.4).to(weight)
    return found


def starting(experiment: Experiment, B: int) -> Initial:
    """Initial states of every layer."""
    source, dtype = torch.Generator().manual_seed(experiment.seed), TORCHS[experiment.dtype]
    return {
        place.name: {
            s: torch.randn(B, place.spec.hidden_size, generator=source, dtype=torch.float64).to(dtype) * 0.5
            for s in STATES[place.spec.cell]
        }
        for place in places(experiment)
    }


def nearby(
    experiment: Experiment,
    weights: dict[str, Tensor],
    batch: Batch,
    initial: Initial | None = None,
    seed: int = 0,
    **more: Any,
) -> Reference:
    """The reference, in float64, of a network that differs in nothing but roundings."""
    source = torch.Generator().manual_seed(seed)
    weights = {name: nudged(weight, source) for name, weight in weights.items()}
    batch = Batch(nudged(batch.x, source), nudged(batch.targets, source), batch.lengths)
    initial = {n: {s: nudged(state, source) for s, state in own.items()} for n, own in (initial or {}).items()}
    what_if = msgspec.structs.replace(more.pop("what_if", WhatIf()), dtype="float64")
    return reference(experiment, weights, batch, what_if, initial=initial, **more)


def check(experiment: Experiment, batch: Batch | None = None, started: bool = False, iteration: int = 1) -> None:
    weights = weights_of(experiment)
    network = Network(experiment, weights)
    batch = network.batch(iteration) if batch is None else batch
    initial = starting(experiment, batch.x.shape[1]) if started else None
    trace = network.trace(batch=batch, iteration=iteration, initial=initial)
    expected = reference(experiment, weights, batch, iteration=iteration, initial=initial)
    near = experiment.dtype == "float32" or takes_digits(experiment)
    beside = (nearby(experiment, weights, batch, initial, iteration=iteration) for _ in range(near))
    assert_agrees(trace, expected, beside)


def takes_digits(experiment: Experiment) -> bool:
    """Whether something stands in it that takes differences of numbers that are nearly the same."""
    model = experiment.model
    return model.readout.at == "attention" or any(layer.layer_norm or layer.batch_norm for layer in model.layers)


@quick
@given(experiment=experiments("float64"), started=st.booleans())
def test_any_stack_agrees_in_float64(experiment: Experiment, started: bool) -> None:
    check(experiment, started=started)


@settings(quick, max_examples=20)
@given(experiment=experiments("float32"), started=st.booleans())
def test_any_stack_agrees_in_float32(experiment: Experiment, started: bool) -> None:
    check(experiment, started=started)


@settings(quick, max_examples=3)
@given(data=st.data(), dtype=st.sampled_from(["float64", "float32"]))
def test_any_stack_over_an_embedding_agrees(data: Any, dtype: str) -> None:
    """21 steps of symbols, and a loss at each of them."""
    task, size = CopyTask(delay=1, batch_size=2), data.draw(st.integers(1, 4))
    embedding = EmbeddingSpec(symbols=data.draw(st.integers(10, 12)), size=size)
    layers = data.draw(stacks(size, 2, most=2))
    model = ModelSpec(layers=layers, embedding=embedding, readout=ReadoutSpec(at="every"), loss="cross_entropy")
    check(Experiment(model=model, task=task, seed=3, dtype=dtype, device="cpu"))


def small(cell: Any, T: int, B: int, H: int, at: Any = "every", layers: int = 1, **layer: Any) -> Experiment:
    """Of the sunspots."""
    one = LayerSpec(cell=cell, hidden_size=H, **layer)
    model = ModelSpec(layers=(one,) * layers, readout=ReadoutSpec(at=at, attention_size=2))
    return Experiment(model=model, task=SunspotsTask(steps=T, batch_size=B), seed=5, dtype="float64", device="cpu")


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_one_step_one_unit_and_one_sample_agree(cell: str, at: str) -> None:
    for T, B, H in ((1, 1, 1), (1, 3, 2), (3, 1, 1), (3, 1, 2), (3, 2, 1)):
        check(small(cell, T, B, H, at, bidirectional=True))


LENGTHS = {
    "one of them a single step": [5, 1, 3, 5],
    "all of them a single step, of five": [1, 1, 1, 1],
    "none of them the longest": [3, 2, 4, 3],
    "all the same": [5, 5, 5, 5],
    "all the same, but shorter": [2, 2, 2, 2],
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
def test_lengths_of_every_kind_agree(lengths: list[int], at: Any) -> None:
    """Two layers in both directions, with everything that stands within and between them but batch normalisation."""
    layers = (
        LayerSpec(
            cell="lstm", hidden_size=3, bidirectional=True, dropout=0.3, dropout_mask="sequence", layer_norm=True
        ),
        LayerSpec(
            cell="gru",
            hidden_size=3,
            bidirectional=True,
            residual=True,
            recurrent_dropout=RecurrentDropoutSpec(p=0.3, mask="step"),
        ),
    )
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at=at, attention_size=2), loss="binary_cross_entropy")
    experiment = Experiment(model=model, task=AddingTask(steps=5, batch_size=4), seed=2, dtype="float64", device="cpu")
    check(experiment, cut(Network(experiment).batch(1), lengths), started=True)


@pytest.mark.parametrize("lengths", [[5, 5, 2, 2], [3, 3, 3, 2]], ids=str)
@pytest.mark.parametrize("at", ["last", "every"])
def test_batch_normalisation_is_over_the_samples_that_have_the_step(lengths: list[int], at: Any) -> None:
    experiment = small("lstm", 5, 4, 3, at, layers=2, batch_norm=True, norm_eps=0.1)
    check(experiment, cut(Network(experiment).batch(1), lengths))


def cut(batch: Batch, lengths: list[int]) -> Batch:
    """The same with sequences that end earlier. Past its end a sequence is 0."""
    ends = torch.tensor(lengths)
    there = torch.arange(len(batch.x))[:, None] < ends
    x = batch.x * there[:, :, None]
    targets = batch.targets * there[:, :, None] if batch.targets.dim() == 3 else batch.targets
    return Batch(x, targets, ends)


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
def test_somebody_s_own_loss_on_somebody_s_own_input_agrees(at: Any) -> None:
    """It is given the read-out of every step, and so may look back and forth, into the padding too."""
    layers = (LayerSpec(cell="gru", hidden_size=3, bidirectional=True), LayerSpec(cell="rnn", hidden_size=2))
    embedding = EmbeddingSpec(symbols=11, size=2)
    model = ModelSpec(layers=layers, embedding=embedding, readout=ReadoutSpec(at="every"), loss="cross_entropy")
    experiment = Experiment(model=model, task=CopyTask(), seed=1, dtype="float64", device="cpu")
    x = torch.randint(0, 11, (6, 3), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([6, 1, 4])
    if at != "every":
        model = ModelSpec(layers=layers, readout=ReadoutSpec(at=at, attention_size=2))
        experiment = Experiment(model=model, task=AddingTask(), seed=1, dtype="float64", device="cpu")
        x = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        x *= (torch.arange(6)[:, None] < lengths)[:, :, None]

    def loss(outputs: Tensor) -> Tensor:
        return outputs.sin().cumsum(0).pow(2).mean() if at in ("mean", "attention") else outputs.sin().cumsum(0).mean()

    weights = weights_of(experiment)
    trace = Network(experiment, weights).trace(x, loss, lengths=lengths)
    batch = Batch(x, torch.zeros(()), lengths)
    beside = (nearby(experiment, weights, batch, loss=loss) for _ in range(1))
    assert_agrees(trace, reference(experiment, weights, batch, loss=loss), beside)


@settings(quick, max_examples=15)
@given(experiment=experiments("float64"), data=st.data())
def test_a_window_is_that_stretch_of_the_whole(experiment: Experiment, data: Any) -> None:
    """Its values and gradients are the slice. What comes into it and leaves it at its ends is autograd's, too."""
    weights = weights_of(experiment)
    network = Network(experiment, weights)
    batch = network.batch(1)
    initial = starting(experiment, batch.x.shape[1])
    whole = network.trace(batch=batch, iteration=1, initial=initial)
    expected = reference(experiment, weights, batch, iteration=1, initial=initial)
    t0 = data.draw(st.integers(1, whole.steps))
    t1 = data.draw(st.integers(t0, whole.steps))
    window, steps = whole.window(t0, t1), slice(t0 - 1, t1)
    assert window.first_step == t0
    for name, layer in expected.layers.items():
        ours = window[name]
        assert_window_agrees(name, ours, layer, steps)
        for s in range(len(layer.flows)):
            assert_close(f"{name}.flow_gradient({s})", window.flow_gradient(s, name), layer.flows[s][steps])
    if experiment.model.readout.at == "every":
        assert_close("losses", window.losses[:, None], expected.losses[steps, None])
        assert_close("outputs", window.outputs, expected.outputs[steps])
    assert_close("loss", window.loss[None, None], expected.loss[None, None])
    found = window.audit()
    assert found.passed, found.worst


def assert_window_agrees(name: str, ours: LayerTrace, whole: LayerReference, steps: slice) -> None:
    for kind, found, wanted in (("values", ours.values, whole.values), ("grads", ours.grads, whole.grads)):
        for symbol, array in found.items():
            assert_close(f"{name}.{kind}.{symbol}", array, wanted[symbol][steps])
    for weight, parts in whole.weight_parts.items():
        assert_close(f"{name}.weight_grads.{weight}", ours.weight_grads[weight][None], parts[steps].sum(0)[None])
    assert_close(f"{name}.input_grad", ours.input_grad, whole.input_grad[steps])
    own = whole.mask[steps]
    assert torch.equal(torch.ones_like(own) if ours.mask is None else ours.mask, own)
    samples = own.any(0).nonzero().flatten().tolist()
    for state in ours.initial:
        enters, leaves, arrives = [], [], []
        for b in samples:
            there = own[:, b].nonzero().flatten() + steps.start
            ends = [int(there[0]), int(there[-1])]
            first, last = reversed(ends) if ours.reverse else ends
            enters.append(whole.before[state][first, b])
            leaves.append(whole.handed_back[state][first, b])
            after = last - 1 if ours.reverse else last + 1
            goes_on = 0 <= after < len(whole.mask) and bool(whole.mask[after, b])
            arrives.append(whole.handed_back[state][after, b] if goes_on else torch.zeros_like(enters[-1]))
        for what, theirs in (("initial", enters), ("initial_grads", leaves), ("final_grads", arrives)):
            assert_close(f"{name}.{what}.{state}", getattr(ours, what)[state][samples][None], torch.stack(theirs)[None])


def assert_close(name: str, ours: Tensor, theirs: Tensor) -> None:
    """Entry by entry: to ten digits, or, of a sum that almost cancelled, of the largest entry of its step."""
    assert ours.shape == theirs.shape, name
    size = theirs.reshape(len(theirs), -1).abs().amax(1).reshape(-1, *[1] * (theirs.dim() - 1))
    worst = ((ours - theirs).abs() / size.clamp_min(1e-12)).max()
    assert float(worst) <= 1e-10, f"{name}: {float(worst):.2e}"
