"""`engine.record` on layers: what it shows is what autograd gives an unrolled loop of the same layers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stack_loop import Loop, grad_of, stack_loop
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import engine
from engine import recording
from engine.excerpt import excerpt
from engine.measure import step_errors
from engine.requests import Look, Recorded

KINDS = ("tanh", "relu", "lstm", "gru")


def layer(kind: str, D: int = 3, H: int = 5, seed: int = 0, **options: Any) -> nn.RNNBase:
    options = {"dtype": torch.float64, **options}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind in ("tanh", "relu"):
            return nn.RNN(D, H, nonlinearity=kind, **options)
        return {"lstm": nn.LSTM, "gru": nn.GRU}[kind](D, H, **options)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def states_of(last: Any) -> dict[str, Tensor]:
    return {"h": last} if isinstance(last, Tensor) else dict(zip("hc", last, strict=True))


def loss_of(output: Tensor, last: dict[str, Tensor], reads: str) -> Tensor:
    """A loss that reads the output, h_n or c_n, or several, each entry with a weight of its own."""
    parts = {"output": output, **last}
    read = [parts[name] for name in reads.split() if name in parts]
    return sum((noise(*part.shape, seed=len(part)) * part.sin()).sum() for part in read)  # type: ignore[return-value]


def assert_close(ours: Tensor, theirs: Tensor, name: str = "") -> None:
    assert ours.shape == theirs.shape, name
    worst = float(step_errors(ours, theirs).max())
    assert worst <= 1e-10, f"{name}: {worst:.1e}"


def assert_is_the_loops(trace: engine.Trace, loop: Loop) -> None:
    """Values, total gradients at every step, gradients of weights, initial states and input; and the audit."""
    assert list(trace.layers) == list(loop.states)
    for place, (name, states) in enumerate(loop.states.items()):
        for s in states:
            there = loop.output.new_ones(()) if trace[name].mask is None else trace[name].mask[:, :, None]
            assert_close(trace[name].values[s], torch.stack(states[s]).detach() * there, f"{name}.values.{s}")
            assert_close(trace[name].grads[s], loop.grads(name, s), f"{name}.grads.{s}")
            expected = grad_of(loop.initial[s])[place]
            assert_close(trace[name].initial_grads[s][None], expected[None], f"{name}.initial_grads.{s}")
    for name, weight in loop.weights.items():
        assert_close(trace.weight_grads[name][None], grad_of(weight)[None], name)
    assert_close(trace.input_grad, grad_of(loop.x), "input_grad")
    assert_close(trace.outputs, loop.output.detach(), "outputs")
    assert trace.audit().passed, trace.audit().worst


class Attentive(nn.Module):
    """An embedding, a two-layer bidirectional LSTM, additive attention over its states, a linear head."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 4, dtype=dtype)
        self.encoder = nn.ModuleDict({"rnn": nn.LSTM(4, 5, 2, bidirectional=True, dtype=dtype)})
        self.score = nn.Linear(10, 1, dtype=dtype)
        self.head = nn.Linear(10, 3, dtype=dtype)

    def attend(self, y: Tensor) -> Tensor:
        return self.head((self.score(y.tanh()).softmax(0) * y).sum(0))

    def forward(self, words: Tensor) -> Tensor:
        return self.attend(self.encoder["rnn"](self.embedding(words))[0])


@pytest.fixture(scope="module")
def attentive() -> tuple[Attentive, Tensor, Tensor]:
    torch.manual_seed(5)
    return Attentive(), torch.randint(11, (9, 4)), torch.randint(3, (4,))


def test_every_layer_and_direction_of_a_whole_model_has_the_unrolled_loops_gradients(attentive: Any) -> None:
    model, words, labels = attentive
    model = copy.deepcopy(model)
    with engine.record(model) as rec:
        nn.functional.cross_entropy(model(words), labels).backward()
    trace = rec["encoder.rnn"]
    embedded = model.embedding.weight.detach().clone().requires_grad_()
    loop = stack_loop(model.encoder["rnn"], embedded[words])
    nn.functional.cross_entropy(model.attend(loop.output), labels).backward()
    assert list(trace.layers) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert_is_the_loops(trace, loop)
    for name, grad in trace.weight_grads.items():
        assert_close(grad[None], model.encoder["rnn"].get_parameter(name).grad[None], name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_models_own_gradients_are_the_same_to_the_bit(attentive: Any, dtype: torch.dtype) -> None:
    model, words, labels = attentive
    alone, recorded = copy.deepcopy(model).to(dtype), copy.deepcopy(model).to(dtype)
    with engine.record(recorded):
        nn.functional.cross_entropy(recorded(words), labels).backward()
    nn.functional.cross_entropy(alone(words), labels).backward()
    for (name, ours), theirs in zip(recorded.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad), name


@pytest.mark.parametrize("reads", ["output", "h", "output h c", "c h"])
@pytest.mark.parametrize(
    "form", [{}, {"num_layers": 2, "bidirectional": True}, {"num_layers": 3, "bias": False}], ids=str
)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_on_outputs_and_last_states_reach_every_layer(kind: str, form: dict[str, Any], reads: str) -> None:
    model, x = layer(kind, **form), noise(7, 3, 3)
    rows = model.num_layers * (2 if model.bidirectional else 1)
    initial = {s: noise(rows, 3, 5, seed=i) / 2 for i, s in enumerate("hc" if kind == "lstm" else "h")}
    with engine.record(model) as rec:
        output, last = model(x, hx=tuple(initial.values()) if kind == "lstm" else initial["h"])
        loss_of(output, states_of(last), reads).backward()
    loop = stack_loop(model, x, initial)
    loss_of(loop.output, loop.last, reads).backward()
    assert_is_the_loops(rec.trace, loop)
    assert torch.equal(rec.trace.outputs, output)
    if "output" not in reads:
        assert not rec.trace.layer.output_grads.any()


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_and_single_sequences_are_turned_time_first(kind: str) -> None:
    model, x = layer(kind, batch_first=True, num_layers=2), noise(7, 3, 3)
    with engine.record(model) as rec:
        output, last = model(x.transpose(0, 1))
        loss_of(output.transpose(0, 1), states_of(last), "output h c").backward()
        one, last = model(x[:, 0])
        loss_of(one[:, None], {s: h[:, None] for s, h in states_of(last).items()}, "output h c").backward()
    for trace, part in zip(rec.calls(""), (x, x[:, :1]), strict=True):
        loop = stack_loop(model, part)
        loss_of(loop.output, loop.last, "output h c").backward()
        assert_is_the_loops(trace, loop)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[2, 7, 5], [7, 5, 2], [7, 7, 7]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_unpacked_in_the_order_of_the_batch(
    kind: str, lengths: list[int], bidirectional: bool
) -> None:
    model, x = layer(kind, num_layers=2, bidirectional=bidirectional, batch_first=True), noise(7, 3, 3)
    for sample, length in enumerate(lengths):
        x[length:, sample] = 0.0
    with engine.record(model) as rec:
        packed = pack_padded_sequence(x.transpose(0, 1), lengths, batch_first=True, enforce_sorted=False)
        output, last = model(packed)
        loss_of(pad_packed_sequence(output)[0], states_of(last), "output h c").backward()
    loop = stack_loop(model, x, lengths=torch.tensor(lengths))
    loss_of(loop.output, loop.last, "output h c").backward()
    assert_is_the_loops(rec.trace, loop)
    found = rec.trace.layer.lengths
    assert found is None if lengths == [7, 7, 7] else found.tolist() == lengths


@pytest.mark.parametrize("form", ["time first", "batch first", "packed"])
@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_dropout_between_the_layers_is_drawn_again(kind: str, form: str) -> None:
    """The loop takes its masks from what the layers of the trace hand on and read, and with them it must come to
    torch's own answer and its own gradients."""
    model = layer(kind, num_layers=3, bidirectional=True, dropout=0.4, batch_first=form == "batch first")
    x, lengths = noise(6, 3, 3), [6, 4, 5]
    given: Any = x.transpose(0, 1) if form == "batch first" else x
    if form == "packed":
        given = pack_padded_sequence(x, lengths, enforce_sorted=False)
    torch.manual_seed(3)
    with engine.record(model) as rec:
        output, last = model(given)
        torch.rand(5)  # whatever is drawn later
        full = pad_packed_sequence(output)[0] if form == "packed" else output
        full = full.transpose(0, 1) if form == "batch first" else full
        loss_of(full, states_of(last), "output h c").backward()
    masks = []
    for depth in range(2):
        made = torch.cat([rec.trace[f"l{depth}"].values["h"], rec.trace[f"l{depth}_reverse"].values["h"]], 2)
        masks.append(torch.where(made != 0, rec.trace[f"l{depth + 1}"].x / made, 0.0))
        values = {round(value, 9) for value in masks[-1].flatten().tolist()}
        assert values == {0.0, round(1 / 0.6, 9)}
    loop = stack_loop(model, x, lengths=torch.tensor(lengths) if form == "packed" else None, masks=masks)
    loss_of(loop.output, loop.last, "output h c").backward()
    assert_close(loop.output.detach(), full.detach())
    for name, weight in model.named_parameters():
        assert_close(rec.trace.weight_grads[name][None], weight.grad[None], name)
        assert_close(rec.trace.weight_grads[name][None], grad_of(loop.weights[name])[None], name)
    for name, states in loop.states.items():
        for s in states:
            assert_close(rec.trace[name].grads[s], loop.grads(name, s), name)
    assert rec.trace.audit().passed


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_a_trace_of_packed_input_drops_what_torch_would_drop(kind: str) -> None:
    """Torch draws for the steps that there are, in the order in which they are packed."""
    model = layer(kind, num_layers=3, bidirectional=True, dropout=0.4)
    packed = pack_padded_sequence(noise(6, 3, 3), [4, 6, 5], enforce_sorted=False)
    torch.manual_seed(3)
    trace = engine.trace(model, packed, loss=lambda y: y.sum())
    expected = pad_packed_sequence(model(packed)[0])[0].detach()
    assert_close(trace.outputs, expected)


def test_a_dropout_that_cannot_be_drawn_again_is_refused() -> None:
    model, x = layer("lstm", num_layers=2, dropout=0.5), noise(6, 3, 3)
    with engine.record(model) as rec:
        model.register_forward_pre_hook(lambda *given: (torch.rand(3), None)[1])  # draws after the recording has looked
        model(x)[0].sum().backward()
    with pytest.raises(engine.DataError, match="dropout between the layers"):
        rec.trace  # noqa: B018


def test_each_call_of_a_shared_layer_has_its_own_part_of_the_gradient() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = layer("gru")

        def forward(self, x: Tensor) -> Tensor:
            first, h = self.rnn(x)
            second, _ = self.rnn(x.flip(0), h)
            return first.sin().sum() + (second * first).sum()

    model, x = Twice(), noise(6, 2, 3)
    with engine.record(model) as rec:
        model(x).backward()
    first, second = rec.calls("rnn")
    assert rec["rnn"] is second
    for name, weight in model.rnn.named_parameters():
        assert_close((first.weight_grads[name] + second.weight_grads[name])[None], weight.grad[None], name)
    # What the second call hands back to its initial state is what came to the first call's last one.
    assert_close(first["l0"].final_grads["h"][None], second["l0"].initial_grads["h"][None])
    assert first.audit().passed
    assert second.audit().passed


def test_backward_passes_add_up_as_in_grad() -> None:
    model, x = layer("lstm", num_layers=2), noise(6, 2, 3)
    with engine.record(model) as rec:
        output, (h, _) = model(x)
        output.sin().sum().backward(retain_graph=True)
        part = {name: grad.clone() for name, grad in rec.trace.weight_grads.items()}  # what has come so far
        h.pow(2).sum().backward(retain_graph=True)
        torch.autograd.grad(output[2].sum(), list(model.parameters()))
    loop = stack_loop(model, x)
    loop.output.sin().sum().backward(retain_graph=True)
    for name, weight in loop.weights.items():
        assert_close(part[name][None], weight.grad[None], name)
    (loop.last["h"].pow(2).sum() + loop.output[2].sum()).backward()
    assert_is_the_loops(rec.trace, loop)


def test_a_gradient_that_is_only_looked_at_counts_for_nothing() -> None:
    model, x = layer("gru"), noise(6, 2, 3)
    with engine.record(model) as rec:
        output, _ = model(x)
        torch.autograd.grad(output.sum(), output, retain_graph=True)
        output.sin().sum().backward()
    assert_close(rec.trace.weight_grads["weight_hh_l0"][None], model.weight_hh_l0.grad[None])


def test_micro_batches_are_calls_whose_parts_add_up_to_grad() -> None:
    model = layer("lstm", bidirectional=True)
    with engine.record(model) as rec:
        for seed in range(3):
            model(noise(5, 2, 3, seed=seed))[0].pow(2).mean().backward()
    assert len(rec.calls("")) == 3
    for name, weight in model.named_parameters():
        assert_close(sum(trace.weight_grads[name] for trace in rec.calls(""))[None], weight.grad[None], name)


@pytest.mark.parametrize("through_data", [False, True])
def test_weights_are_those_of_the_call_whatever_comes_later(through_data: bool) -> None:
    model, x = layer("gru"), noise(6, 2, 3)
    expected = []
    with engine.record(model) as rec:
        for _ in range(3):
            expected.append(model.weight_hh_l0.detach().clone())
            model.zero_grad()
            model(x)[0].sin().sum().backward()
            for weight in model.parameters():
                if through_data:  # unseen by the tensor's version
                    weight.data.sub_(0.1 * weight.grad)
                else:
                    with torch.no_grad():
                        weight.sub_(0.1 * weight.grad)
    for trace, weight in zip(rec.calls(""), expected, strict=True):
        assert torch.equal(trace["l0"].weights["weight_hh"], weight)
        assert trace.audit().passed


def test_what_is_overwritten_afterwards_changes_nothing() -> None:
    model, x = layer("gru", batch_first=True), noise(2, 6, 3)
    kept = x.clone()
    with engine.record(model) as rec:
        output, h = model(x)
        answered = output.detach().clone()
        output.mul_(2.0)  # in place, as nn.ReLU(inplace=True) does
        h.add_(1.0)
        (output.sin().sum() + h.sum()).backward()
    x.zero_()
    loop = stack_loop(model, kept.transpose(0, 1))
    ((2 * loop.output).sin().sum() + loop.last["h"].sum()).backward()
    assert_is_the_loops(rec.trace, loop)
    assert torch.equal(rec.trace.outputs, answered.transpose(0, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chaotic_layer_is_shown_with_the_states_that_it_had(kind: str) -> None:
    """Over 150 steps, rounding grows to the size of the states; a second right computation ends elsewhere."""
    model, x = layer(kind, 3, 32, num_layers=2, dtype=torch.float32), noise(150, 2, 3).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(1.0 if kind == "relu" else 12.0 if "hh" in name else 3.0)
    with engine.record(model) as rec:
        output, _ = model(x)
        output[-1].sum().backward()
    if kind != "relu":
        assert float((stack_loop(model, x).output - output).abs().detach().max()) > 0.1
    assert torch.equal(rec.trace["l1"].values["h"], output)
    assert rec.trace.audit().passed, rec.trace.audit().worst


def test_a_recorded_trace_is_saved_and_opened_like_any_other(tmp_path: Path) -> None:
    model, x = layer("lstm", num_layers=2), noise(6, 2, 3)
    with engine.record(model) as rec:
        model(x)[0][3].sum().backward()
    trace = rec.trace
    trace.save(tmp_path / "a.gflow")
    found = recording.load(tmp_path / "a.gflow")
    for name, array in trace.numpy().items():
        assert np.array_equal(found.numpy()[name], array, equal_nan=True), name
    assert np.isnan(trace.loss.item())
    assert trace.losses.isnan().tolist() == [True]
    assert found.audit() == trace.audit()
    seen = excerpt(Look(Recorded(str(tmp_path / "a.gflow"), None), ("grads.h",)))
    assert np.array_equal(seen.arrays["grads.h"], trace["l1"].grads["h"][:, 0].numpy())
    assert seen.verdict.loss_step == 4
    # Of its one loss, the row of the flow matrix: the norms of the total gradient, up to the step that it reads.
    row = trace.flow_row()
    assert torch.equal(row.isnan(), torch.tensor([False] * 4 + [True] * 2))
    assert_close(row[:4, None], trace["l1"].grads["h"][:4].norm(dim=2).mean(1)[:, None])
    assert trace.flow_row(layer="l0")[0] > 0
    assert trace.window(2, 4).audit().passed
