"""What `engine.record` promises somebody's training script: it changes nothing and keeps nothing, whatever the script
does besides."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from test_record import Attentive, assert_close, layer, noise
from test_record_cells import cell, loop, parts
from test_record_refusals import of_loop, refusal
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import engine
from engine.listener import Hook

KINDS = ("tanh", "relu", "lstm", "gru")
DTYPES = (torch.float32, torch.float64)
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooks(model: nn.Module) -> int:
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS)


def layers(kind: str, dtype: torch.dtype) -> nn.RNNBase:
    return layer(kind, num_layers=2, bidirectional=True, dropout=0.3, dtype=dtype)


def of_layer(model: nn.Module, x: Tensor) -> Tensor:
    output, last = model(x)
    last = last if isinstance(last, Tensor) else last[1]
    return (output[2] * output[-1]).sum() + last.sin().sum() + output.cumsum(0).tanh().mean()


def of_cell(model: nn.Module, x: Tensor) -> Tensor:
    """h_t is read in three places, before and after the next step: the order of the sums would show."""
    states = loop(model, x)
    hs = [parts(state)["h"] for state in states]
    early = sum(h.exp().sum() for h in hs[::2])
    return early + torch.stack(hs).cumsum(0).tanh().sum() + sum((a * b).sum() for a, b in zip(hs, hs[2:], strict=False))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("make", "run"), [(layers, of_layer), (lambda k, d: cell(k, dtype=d), of_cell)], ids=["layer", "cell"]
)
def test_not_one_bit_of_anybodys_gradient_changes(make: Any, run: Any, kind: str, dtype: torch.dtype) -> None:
    found = []
    for recorded in (False, True):
        model, x = make(kind, dtype), noise(9, 3, 3).to(dtype).requires_grad_()
        torch.manual_seed(8)
        if recorded:
            with engine.record(model):
                loss = run(model, x)
                loss.backward()
        else:
            loss = run(model, x)
            loss.backward()
        found.append([loss.detach(), x.grad, *(weight.grad for weight in model.parameters()), torch.rand(3)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_hooks_are_gone_afterwards_also_after_an_error_which_goes_its_way() -> None:
    model, words = Attentive(), torch.randint(11, (5, 2))
    with engine.record(model):
        assert hooks(model) == 2
        loss = model(words).sum()
        loss.backward()
    assert hooks(model) == 0
    rec = engine.record(model)

    def fails() -> None:
        with rec:
            model(words).sum().backward()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert hooks(model) == 0
    assert rec["encoder.rnn"].audit().passed


def test_a_backward_after_the_block_is_not_heard() -> None:
    model = layer("gru")
    with engine.record(model) as rec:
        loss = model(noise(4, 2, 3))[0].sum()
    loss.backward()
    assert "belongs inside the block" in refusal(lambda: rec[""])


def tensors_of(*shape: int) -> int:
    gc.collect()
    return sum(1 for o in gc.get_objects() if type(o) is Tensor and tuple(o.shape) == shape)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_nothing_is_kept_alive_that_is_not_needed(kind: str) -> None:
    model, steps = layer(kind), cell(kind, 3, 7)
    gone = [weakref.ref(model), weakref.ref(steps)]
    before = tensors_of(13, 2, 3), tensors_of(2, 7)
    with engine.record(model) as rec, engine.record(steps) as rec_cells:
        for _ in range(4):  # evaluation with autograd on: without a backward pass a call goes with its graph
            x = noise(13, 2, 3)
            answers = [model(x), loop(steps, x)]
            del answers, x
        assert (tensors_of(13, 2, 3), tensors_of(2, 7)) == before
        x = noise(13, 2, 3)
        output = model(x)[0]
        output.sum().backward()
        of_loop(steps, x).backward()
        graph = weakref.ref(output)
        del output, x
        assert graph() is None
    del model, steps
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert rec.trace.audit().passed
    assert rec_cells.trace.audit().passed
    # Of single steps nothing is left: only the trace's initial states, their gradients, and those of the last ones.
    assert tensors_of(2, 7) == before[1] + 3 * len(rec_cells.trace["l0"].initial)


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode], ids=str)
def test_calls_without_autograd_are_no_calls_of_the_recording(guard: Any) -> None:
    model, x = layer("lstm"), noise(5, 2, 3)
    with engine.record(model) as rec:
        with guard():
            model(x)
        model(x)[0].sum().backward()
        with guard():
            model(x)
    assert len(rec.calls("")) == 1
    with guard():
        assert rec.trace.audit().passed
    with engine.record(model) as rec, guard():
        model(x)
    assert "requires no gradient" in refusal(lambda: rec.trace)


def test_frozen_weights_and_inputs_without_gradient_are_shown_as_any_other() -> None:
    model, x = layer("lstm", num_layers=2), noise(5, 2, 3)
    with engine.record(model) as rec:
        model(x)[0].sin().sum().backward()
    for weight in model.parameters():
        weight.requires_grad_(False)
    with engine.record(model) as frozen:
        model(x.requires_grad_())[0].sin().sum().backward()
    assert x.grad is not None
    for name, grad in rec.trace.weight_grads.items():
        assert_close(frozen.trace.weight_grads[name][None], grad[None], name)
    assert_close(frozen.trace.input_grad, x.grad)
    with engine.record(model) as rec:
        (model(x.detach())[0] * torch.ones(5, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert "requires no gradient" in refusal(lambda: rec.trace)


def test_in_eval_mode_nothing_is_dropped() -> None:
    model = layer("gru", num_layers=2, dropout=0.5).eval()
    with engine.record(model) as rec:
        model(noise(5, 2, 3))[0].sum().backward()
    assert (rec.trace["l1"].x == rec.trace["l0"].values["h"]).all()


def test_weights_in_bfloat16_are_recorded_in_bfloat16() -> None:
    model = layer("lstm", num_layers=2, dtype=torch.bfloat16)
    with engine.record(model) as rec:
        model(noise(5, 2, 3).bfloat16())[0].float().pow(2).sum().backward()
    for name, weight in model.named_parameters():
        ours = rec.trace.weight_grads[name].double()
        assert rec.trace.weight_grads[name].dtype == torch.bfloat16
        assert float((ours - weight.grad.double()).norm() / weight.grad.double().norm()) < 0.05, name


def test_weights_that_are_passed_for_a_single_call_are_the_ones_that_are_shown() -> None:
    model, x = layer("gru"), noise(4, 2, 3)
    weights = {name: (2 * weight.detach()).requires_grad_() for name, weight in model.named_parameters()}
    with engine.record(model) as rec:
        torch.func.functional_call(model, weights, (x,))[0].sum().backward()
        model(x)[0].sum().backward()
    first, second = rec.calls("")
    assert torch.equal(first["l0"].weights["weight_hh"], weights["weight_hh_l0"])
    assert torch.equal(second["l0"].weights["weight_hh"], model.weight_hh_l0)
    assert_close(first.weight_grads["weight_hh_l0"][None], weights["weight_hh_l0"].grad[None])


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_layers_are_recorded_where_their_gradient_comes(reentrant: bool) -> None:
    model, x = layer("gru", num_layers=2, dropout=0.3), noise(5, 2, 3).requires_grad_()
    torch.manual_seed(4)
    with engine.record(model) as rec:
        output = checkpoint(lambda given: model(given)[0], x, use_reentrant=reentrant)
        output.sin().sum().backward()
    assert len(rec.calls("")) == 1
    for name, weight in model.named_parameters():
        assert_close(rec.trace.weight_grads[name][None], weight.grad[None], name)


@pytest.mark.parametrize("is_cell", [False, True])
def test_checkpointed_stretches_come_in_the_order_of_the_sequence(is_cell: bool) -> None:
    """On the way back the last one is run again first. What is not checkpointed stands where it stood."""
    model, x = cell("gru") if is_cell else layer("gru"), noise(8, 2, 3)
    stretches = [slice(0, 3), slice(3, 5), slice(5, 8)]

    def run(given: Tensor, h: Tensor) -> Tensor:
        if not is_cell:
            return model(given, h)[1]
        for x_t in given:
            h = model(x_t, h)
        return h

    def whole(recording: engine.Recording) -> engine.Recording:
        with recording as rec:
            h = torch.zeros_like(model(x[0], None) if is_cell else model(x)[1]).requires_grad_()
            for number, steps in enumerate(stretches):
                h = run(x[steps], h + 0) if number == 1 else checkpoint(run, x[steps], h, use_reentrant=True)
            h.sin().sum().backward()
        return rec

    rec = whole(engine.record(model))
    assert [trace["l0"].x.shape[0] for trace in rec.calls("")] == [3, 2, 3]
    for trace, steps in zip(rec.calls(""), stretches, strict=True):
        assert torch.equal(trace["l0"].x, x[steps])
    assert torch.equal(rec[""]["l0"].x, x[5:8])
    (latest,) = whole(engine.record(model, last=1)).calls("")
    assert torch.equal(latest["l0"].x, x[5:8])


def test_hooks_of_others_that_change_what_goes_in_and_out_are_followed() -> None:
    model, x = layer("lstm"), noise(5, 2, 3)
    model.register_forward_pre_hook(lambda module, args: (2 * args[0], *args[1:]))
    model.register_forward_hook(lambda module, args, answer: (3 * answer[0], answer[1]))
    model.register_full_backward_hook(lambda module, to, of: None)
    with engine.record(model) as rec:
        output, _ = model(x.requires_grad_())
        output.register_hook(lambda grad: grad.clamp(-1, 1))  # on what they handed out, before their factor of 3
        output.sin().sum().backward()
    assert torch.equal(rec.trace["l0"].x, 2 * x)
    assert_close(rec.trace.outputs, output.detach() / 3)
    for name, weight in model.named_parameters():
        assert_close(rec.trace.weight_grads[name][None], weight.grad[None], name)


@pytest.mark.parametrize("make", [parametrizations.weight_norm, parametrizations.spectral_norm, nn.utils.weight_norm])
@pytest.mark.parametrize("is_cell", [False, True])
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")
def test_parametrised_weights_are_those_that_were_used_and_stay_as_they_are(make: Any, is_cell: bool) -> None:
    """spectral_norm goes on iterating whenever its weight is looked at in training."""
    name, run = ("weight_hh", of_loop) if is_cell else ("weight_hh_l0", lambda m, x: m(x)[0].sum())
    x, found = noise(6, 2, 3), []
    for recorded in (False, True):
        torch.manual_seed(1)
        model = make(cell("gru") if is_cell else layer("gru"), name)
        if recorded:
            with engine.record(model) as rec:
                run(model, x).backward()
        else:
            run(model, x).backward()
        found.append({**dict(model.named_buffers()), **{n: w.grad for n, w in model.named_parameters()}})
    assert all(torch.equal(found[0][n], found[1][n]) for n in found[0])
    assert all(trace.audit().passed for trace in rec.calls(""))
    weight = "bias_ih" if is_cell else "bias_ih_l0"
    total = sum(trace["l0"].weight_grads["bias_ih"] for trace in rec.calls(""))
    assert_close(total[None], found[1][weight][None])


def test_a_copy_of_the_model_is_not_listened_to() -> None:
    model, x = layer("gru"), noise(4, 2, 3)
    with engine.record(model) as rec:
        average = copy.deepcopy(model)
        average(x)[0].sum().backward()
        model(x)[0].sum().backward()
    average(x)
    assert len(rec.calls("")) == 1


def test_copies_and_files_that_are_made_inside_the_block_have_nothing_of_the_recording(tmp_path: Path) -> None:
    model, x = nn.ModuleDict({"rnn": layer("gru"), "cell": cell("lstm")}), noise(4, 2, 3)
    expected = model["rnn"](x)[0]
    with engine.record(model) as rec:
        average = torch.optim.swa_utils.AveragedModel(model)
        made = [copy.deepcopy(model), average.module, pickle.loads(pickle.dumps(model))]
        torch.save(model, tmp_path / "model.pt")
        made.append(torch.load(tmp_path / "model.pt", weights_only=False))
        for one in made:
            one["rnn"](x)[0].sum().backward()
            loop(one["cell"], x)[-1][0].sum().backward()
        model["rnn"](x)[0].sum().backward()
    assert len(rec.calls("rnn")) == 1
    for one in made:
        assert torch.equal(one["rnn"](x)[0], expected)
        again = pickle.dumps(one)
        assert b"engine" not in again  # it opens where this package is not
        assert not any(isinstance(hook, Hook) for module in one.modules() for hook in module._forward_hooks.values())
        trace = engine.trace(one["rnn"], x, loss=lambda y: y.sum())
        assert trace.audit().passed
        with engine.record(one) as other:
            one["rnn"](x)[0].sum().backward()
        assert other["rnn"].audit().passed


def test_only_the_last_calls_are_kept_where_that_is_asked_for() -> None:
    model = nn.ModuleDict({"rnn": layer("gru"), "cell": cell("gru")})
    kept: list[weakref.ref[Any]] = []
    with engine.record(model, last=2) as rec:
        for number in range(5):
            x = noise(4, 2, 3, seed=number)
            (model["rnn"](x)[0].sum() + loop(model["cell"], x)[-1].sum()).backward()
            kept.append(weakref.ref(rec["rnn"]["l0"].values["h"]))
            del x
        gc.collect()
        assert [ref() is None for ref in kept] == [True, True, True, False, False]
    for name in ("rnn", "cell"):
        traces = rec.calls(name)
        assert [float(trace["l0"].x[0, 0, 0]) for trace in traces] == [
            float(noise(4, 2, 3, seed=number)[0, 0, 0]) for number in (3, 4)
        ]
    shared = layer("gru")
    with engine.record(shared, last=1) as rec:  # in one backward pass the gradient comes to the last one first
        (shared(noise(4, 2, 3, seed=1))[0].sum() + shared(noise(4, 2, 3, seed=2))[0].sum()).backward()
    assert torch.equal(rec.trace["l0"].x, noise(4, 2, 3, seed=2))
    for last in (0, -1, 1.5, True):
        with pytest.raises(engine.DataError, match=r"^last is .*accepted"):
            engine.record(shared, last=last)  # type: ignore[arg-type]


def test_one_layer_under_two_names_is_recorded_once() -> None:
    model = nn.ModuleDict({"a": layer("gru"), "linear": nn.Linear(2, 2)})
    model["b"] = model["a"]
    with engine.record(model) as rec:
        model["b"](noise(4, 2, 3))[0].sum().backward()
    assert rec["a"] is rec["b"]
    assert rec.trace is rec["a"]
    assert hooks(model) == 0


def test_only_the_chosen_layers_are_listened_to() -> None:
    model = nn.ModuleDict({"up": nn.LSTM(3, 5, proj_size=2), "low": nn.GRU(2, 2)}).double()
    with engine.record(model, only=["low"]) as rec:
        assert hooks(model) == 2
        model["low"](model["up"](noise(4, 2, 3))[0])[0].sum().backward()
    assert rec.names == ("low",)
    assert rec.trace.audit().passed


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the compiler looks at every tensor's
def test_layers_and_cells_inside_a_compiled_model_are_recorded() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.cell = layer("lstm"), cell("gru", 5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return of_loop(self.cell, self.rnn(x)[0]).sin()

    model, x = Both(), noise(4, 2, 3)
    compiled = torch.compile(model, backend="eager")
    with engine.record(compiled) as rec:
        compiled(x).backward()
    assert rec.names == ("rnn", "cell")
    assert_close(rec["rnn"].weight_grads["weight_hh_l0"][None], model.rnn.weight_hh_l0.grad[None])
    assert_close(
        sum(t["l0"].weight_grads["weight_hh"] for t in rec.calls("cell"))[None], model.cell.weight_hh.grad[None]
    )
    with engine.record(compiled) as rec:
        compiled(x).backward()
    # Compiled once more, or called as it was: recorded all the same.
    assert rec["rnn"].audit().passed
    assert rec["cell"].audit().passed
