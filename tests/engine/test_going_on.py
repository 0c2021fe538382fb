"""What goes on: states from batch to batch, and a network that reads what it said itself."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_cases import CLIP, OPTIMIZERS, experiment, same_bits

from engine import tasks
from engine.network import Network
from engine.operations import run
from engine.requests import Computed
from engine.sampling import choice, run_free, sampled, truth_share
from engine.session import Session, load, save
from engine.sources import fingerprint, traced
from engine.spec import (
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    SamplingSpec,
    SunspotsTask,
    TextTask,
    TruncationSpec,
)
from engine.tasks import Batch
from engine.tasks.part import Draw
from engine.training_requests import Train, Trained
from engine.training_state import state_shapes

SYMBOLS = 5
STREAM = [(7 * n * n + 3 * n) % SYMBOLS for n in range(331)]


def stream_batch(task: TextTask, model: ModelSpec, draw: Draw) -> Batch:
    """Each of B sequences goes on where that of the batch before ended; it predicts the next symbol."""
    T, B = task.steps, task.batch_size
    start = torch.arange(B) * (len(STREAM) // B) + draw.number * T
    places = (start + torch.arange(T + 1)[:, None]) % len(STREAM)
    symbols = torch.tensor(STREAM)[places]
    return Batch(symbols[:-1].contiguous(), symbols[1:].contiguous())


@pytest.fixture(autouse=True)
def _own_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks._DRAW, TextTask, stream_batch)


def text(cell: Any = "lstm", embedded: bool = False, **of: Any) -> Experiment:
    task = TextTask(data="0" * 64, symbols=SYMBOLS, steps=4, order="stream", batch_size=2)
    layers = of.pop("layers", (LayerSpec(cell=cell, hidden_size=3), LayerSpec(cell="gru", hidden_size=4)))
    model = ModelSpec(
        layers=layers,
        embedding=EmbeddingSpec(symbols=SYMBOLS, size=3) if embedded else None,
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    return experiment(model=model, task=task, **of)


@pytest.mark.parametrize("embedded", [False, True])
def test_batches_begin_with_the_states_that_the_one_before_ended_with(embedded: bool) -> None:
    """Against torch: without learning, three batches are the loss of one long sequence, a third each."""
    given = text(embedded=embedded, carry=True, learning_rate=0.0, dtype="float64")
    done: Trained = run("train", Train(given, None, 0, 3))
    w = Network(given).weights
    lstm, gru = nn.LSTM(3 if embedded else SYMBOLS, 3, dtype=torch.float64), nn.GRU(3, 4, dtype=torch.float64)
    for number, module in enumerate((lstm, gru)):
        module.load_state_dict({n: w[n.replace("l0", f"l{number}")] for n in module.state_dict()})
    batches = [stream_batch(given.task, given.model, Draw(0, i)) for i in range(3)]  # type: ignore[arg-type]
    x = torch.cat([batch.x for batch in batches])
    read = w["embedding.weight"][x] if embedded else nn.functional.one_hot(x, SYMBOLS).double()
    middle, (h, c) = lstm(read)
    top, h1 = gru(middle)
    logits = nn.functional.linear(top, w["readout.weight"], w["readout.bias"])
    targets = torch.cat([batch.targets for batch in batches])
    each = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(3, -1).mean(1)
    assert done.losses == pytest.approx(each.tolist(), rel=1e-12)
    for name, state in (("l0.h", h), ("l0.c", c), ("l1.h", h1)):
        np.testing.assert_allclose(done.weights[f"carried.{name}"], state[0].detach().numpy(), rtol=1e-12)
    assert {key: array.shape for key, array in done.weights.items()} == state_shapes(given)


@pytest.mark.parametrize("truncation", [None, TruncationSpec(k1=2, k2=3)])
def test_chunks_a_file_and_travelling_give_the_bits_of_the_run_without(
    truncation: TruncationSpec | None, tmp_path: Any
) -> None:
    given = text(carry=True, truncation=truncation, optimizer=OPTIMIZERS["adam"], learning_rate=0.02, clip=CLIP)
    whole: Trained = run("train", Train(given, None, 0, 6))
    half: Trained = run("train", Train(given, None, 0, 3))
    save(Session(given, iteration=3, history={3: half.weights}), tmp_path / "a.gflow")
    state = load(tmp_path / "a.gflow").history[3]
    assert same_bits(run("train", Train(given, state, 3, 3)).weights, whole.weights)
    made, _ = traced(Computed(given, state, 3))
    assert float(made.trace.loss) == whole.losses[3]


def test_a_trace_depends_on_what_was_carried_into_it_and_only_where_it_is() -> None:
    given = text(carry=True)
    state = run("train", Train(given, None, 0, 2)).weights
    other = state | {"carried.l0.h": state["carried.l0.h"] + 0.5}
    assert fingerprint(Computed(given, state, 2)) != fingerprint(Computed(given, other, 2))
    assert traced(Computed(given, state, 2))[0].trace.loss != traced(Computed(given, other, 2))[0].trace.loss
    without = text()
    assert fingerprint(Computed(without, state, 2)) == fingerprint(Computed(without, other, 2))
    assert fingerprint(Computed(given, state, 2)) != fingerprint(Computed(without, state, 2))


def test_no_gradient_goes_into_what_was_carried_and_truncation_goes_on_within_the_batch() -> None:
    given = text(carry=True, dtype="float64", truncation=TruncationSpec(k1=4, k2=4))
    state = run("train", Train(given, None, 0, 2)).weights
    full = run("train", Train(text(carry=True, dtype="float64"), state, 2))
    cut = run("train", Train(given, state, 2))
    for name, weight in full.weights.items():  # as long as the batch: nothing is cut
        np.testing.assert_allclose(cut.weights[name], weight, rtol=1e-12, atol=1e-14)


def test_what_a_what_if_computes_in_another_type_is_carried_in_the_weights_own() -> None:
    what_if = msgspec.structs.replace(Train(text(), None).what_if, dtype="bfloat16")
    given = text(carry=True)
    whole: Trained = run("train", Train(given, None, 0, 4, what_if))
    half: Trained = run("train", Train(given, None, 0, 2, what_if))
    assert {str(array.dtype) for array in half.weights.values()} == {"float32"}
    assert same_bits(run("train", Train(given, half.weights, 2, 2, what_if)).weights, whole.weights)


# -- scheduled sampling ------------------------------------------------------------------------------------------------


def test_the_share_of_the_truth_falls_as_in_the_paper() -> None:
    """Bengio et al. 2015, section 2.4: max(ε, k − ci), k^i, k/(k + exp(i/k))."""
    linear = SamplingSpec(k=0.9, c=0.01, floor=0.2)
    assert [truth_share(linear, i) for i in (0, 10, 69, 70, 10**6)] == pytest.approx([0.9, 0.8, 0.21, 0.2, 0.2])
    exponential = SamplingSpec(decay="exponential", k=0.99)
    assert [truth_share(exponential, i) for i in (0, 1, 100)] == pytest.approx([1.0, 0.99, 0.3660323412732292])
    sigmoid = SamplingSpec(decay="inverse_sigmoid", k=20.0)
    assert truth_share(sigmoid, 0) == pytest.approx(20 / 21)
    assert truth_share(sigmoid, 60) == pytest.approx(20 / (20 + math.e**3))
    assert truth_share(SamplingSpec(decay="inverse_sigmoid", k=1.0), 10**6) == 0.0


def series(**of: Any) -> Experiment:
    layers = of.pop("layers", (LayerSpec(cell="gru", hidden_size=3),))
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at="every"))
    return experiment(model=model, task=SunspotsTask(steps=9, batch_size=4), **of)


LAYERS = (
    LayerSpec(
        cell="lstm", hidden_size=4, dropout=0.3, layer_norm=True, recurrent_dropout=RecurrentDropoutSpec(mask="step")
    ),
    LayerSpec(cell="gru", hidden_size=4, residual=True, dropout=0.2, dropout_mask="sequence"),
    LayerSpec(cell="rnn", hidden_size=4, residual=True),
)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_every_number_is_the_truth_or_what_the_trace_says_at_the_step_before(share: float) -> None:
    """The trace runs over the sampled inputs as a whole: it must answer what each of them was sampled from."""
    given = series(layers=LAYERS, dtype="float64", sampling=SamplingSpec(k=share, c=0.0))
    network = Network(given)
    truth = network.batch(3)
    read = sampled(network, truth, 3)
    said = network.trace(batch=read, iteration=3).outputs
    own = read.x[1:] != truth.x[1:]
    torch.testing.assert_close(read.x[1:][own], said[:-1][own], rtol=1e-10, atol=1e-12)
    assert torch.equal(read.x[0], truth.x[0])
    assert torch.equal(read.targets, truth.targets)
    if share == 0.0:
        assert bool(own.all())
    else:
        assert 0 < int(own.sum()) < own.numel()


@pytest.mark.parametrize("embedded", [False, True])
def test_symbols_are_drawn_as_often_as_the_network_expects_them(embedded: bool) -> None:
    given = text(layers=(LayerSpec(cell="gru", hidden_size=3),), embedded=embedded, sampling=SamplingSpec(k=0.0, c=0.0))
    wide = msgspec.structs.replace(given, task=msgspec.structs.replace(given.task, batch_size=4000, steps=2))
    network = Network(wide)
    truth = network.batch(0)
    truth = Batch(truth.x[:, :1].expand_as(truth.x).contiguous(), truth.targets)  # the same sequence 4,000 times
    read = sampled(network, truth, 0)
    symbols = read.x[1] if embedded else read.x[1].argmax(-1)
    if not embedded:
        assert bool((read.x.sum(-1) == 1).all())
    expected = network.trace(batch=truth).outputs[0, 0].double().softmax(0)
    found = symbols.bincount(minlength=SYMBOLS) / 4000
    spread = (expected * (1 - expected) / 4000).sqrt()
    assert bool(((found - expected).abs() < 5 * spread).all())


def test_a_choice_is_the_inverse_of_the_summed_probabilities() -> None:
    outputs = torch.tensor([[0.2, 0.3, 0.5]]).log().expand(5, 3)
    draws = torch.tensor([0.0, 0.19, 0.21, 0.51, 0.999999], dtype=torch.float64)
    assert choice(text(), outputs, draws).tolist() == [0, 0, 1, 2, 2]
    assert choice(text(), torch.full((1, 3), torch.nan), draws[:1]).tolist()[0] in range(3)


@pytest.mark.parametrize("made", [text, series])
def test_sampling_repeats_to_the_bit_and_travels(made: Any) -> None:
    given = made(sampling=SamplingSpec(k=0.5), optimizer=OPTIMIZERS["adam"], learning_rate=0.02)
    plain = made(optimizer=OPTIMIZERS["adam"], learning_rate=0.02)
    whole: Trained = run("train", Train(given, None, 0, 5))
    half: Trained = run("train", Train(given, None, 0, 2))
    assert same_bits(run("train", Train(given, half.weights, 2, 3)).weights, whole.weights)
    assert float(traced(Computed(given, half.weights, 2))[0].trace.loss) == whole.losses[2]
    assert fingerprint(Computed(given, half.weights, 2)) != fingerprint(Computed(plain, half.weights, 2))
    assert whole.losses != run("train", Train(plain, None, 0, 5)).losses


def test_what_is_sampled_is_data_and_no_gradient_goes_through_it() -> None:
    """The gradient is autograd's of the loss at the sampled inputs held fast."""
    given = series(sampling=SamplingSpec(k=0.0, c=0.0), dtype="float64")
    network = Network(given)
    read = sampled(network, network.batch(0), 0)
    gru, out = nn.GRU(1, 3, dtype=torch.float64), nn.Linear(3, 1, dtype=torch.float64)
    gru.load_state_dict({n: w for n, w in network.weights.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): w for n, w in network.weights.items() if n.startswith("readout")})
    nn.functional.mse_loss(out(gru(read.x)[0]), read.targets).backward()
    made, _ = traced(Computed(given))
    for name, parameter in [*gru.named_parameters(), ("readout.weight", out.weight), ("readout.bias", out.bias)]:
        torch.testing.assert_close(made.trace.weight_grads[name], parameter.grad, rtol=1e-10, atol=1e-14)


def test_a_sequence_with_an_end_of_its_own_is_sampled_up_to_it() -> None:
    given = text(sampling=SamplingSpec(k=0.0, c=0.0))
    network = Network(given)
    whole = network.batch(0)
    lengths = torch.tensor([2, 4])
    x = whole.x * (torch.arange(4)[:, None] < lengths)[..., None]
    read = sampled(network, Batch(x, whole.targets, lengths), 0)
    assert torch.equal(read.x[2:, 0], torch.zeros(2, SYMBOLS))
    assert bool((read.x[:, 1].sum(-1) == 1).all())


def free_by_hand(gru: nn.GRU, out: nn.Linear, x: Tensor, count: int) -> list[float]:
    said: list[float] = []
    for _ in range(count):
        said.append(out(gru(x)[0][-1])[0, 0].item())
        x = torch.cat([x, torch.tensor(said[-1], dtype=x.dtype).view(1, 1, 1)])
    return said


def test_running_free_each_answer_is_the_next_input() -> None:
    given = series(dtype="float64")
    network = Network(given)
    batch = network.batch(0)
    lengths = torch.tensor([9, 5, 9, 7])
    found = run_free(network, Batch(batch.x, batch.targets, lengths), 6)
    gru, out = nn.GRU(1, 3, dtype=torch.float64), nn.Linear(3, 1, dtype=torch.float64)
    gru.load_state_dict({n: w for n, w in network.weights.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): w for n, w in network.weights.items() if n.startswith("readout")})
    for sample, length in enumerate(lengths.tolist()):
        expected = free_by_hand(gru, out, batch.x[:length, sample : sample + 1], 6)
        np.testing.assert_allclose(found[sample].numpy(), expected, rtol=1e-10)


def test_a_text_that_runs_free_says_symbols_that_are_drawn_anew_for_every_batch() -> None:
    network = Network(text(embedded=True))
    batch = network.batch(0)
    found, again, other = (run_free(network, batch, 40, number) for number in (0, 0, 1))
    assert found.shape == (2, 40)
    assert found.dtype == torch.int64
    assert set(found.flatten().tolist()) <= set(range(SYMBOLS))
    assert torch.equal(found, again)
    assert not torch.equal(found, other)
