"""What `engine.record` cannot show, said in one sentence that tells what to do; and wrong names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_record import Attentive, layer, noise
from test_record_cells import cell, loop, parts
from torch import Tensor, nn

import engine


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(engine.DataError) as refused:
        ask()
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not sentence.startswith("the ")
    return sentence


def of_loop(model: nn.Module, x: Tensor) -> Tensor:
    return sum(parts(state)["h"].sum() for state in loop(model, x))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_a_call_under_autocast_that_cannot_be_told_is_refused_with_the_way_out(kind: str) -> None:
    """The answer is not what the weights make of the input: somebody has changed it on its way."""
    model, steps, x = layer(kind, dtype=torch.float32), cell(kind, dtype=torch.float32), noise(5, 2, 3).float()

    def changed(module: nn.Module, given: object, answer: Any) -> None:
        (answer[0] if isinstance(answer, tuple) else answer).data.mul_(2.0)

    with engine.record(model) as rec, engine.record(steps) as cells:
        for one in (model, steps):
            one.register_forward_hook(changed, prepend=True)  # in front of the recording's own
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x)[0].float().sum() + of_loop(steps, x).float()
        loss.backward()
    for ask in (lambda: rec.calls(""), lambda: cells.trace):
        assert "bfloat16" in (sentence := refusal(ask))
        assert "torch.autocast('cpu', enabled=False)" in sentence


def test_second_derivatives_and_batches_of_losses_are_refused() -> None:
    model, x = layer("gru"), noise(4, 2, 3).requires_grad_()
    with engine.record(model) as rec:
        (slope,) = torch.autograd.grad(model(x)[0].sum(), x, create_graph=True)
        slope.pow(2).sum().backward()
    assert "create_graph" in refusal(lambda: rec.trace)
    for form in ({}, {"batch_first": True}):
        model = layer("lstm", **form)
        with engine.record(model) as rec:
            loss = model(x)[0].sum((1, 2))
            torch.autograd.grad(loss, x, torch.eye(4, dtype=torch.float64), is_grads_batched=True)
        assert "is_grads_batched" in refusal(lambda rec=rec: rec.trace)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_call_inside_torch_func_is_refused() -> None:
    model = layer("gru")
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    with engine.record(model) as rec:
        found = torch.func.grad(lambda w: torch.func.functional_call(model, w, (noise(4, 2, 3),))[0].sum())(weights)
    assert "torch.func" in refusal(lambda: rec.trace)
    assert set(found) == set(weights)


class _Shifted(nn.LSTM):
    def forward(self, *given: Any) -> Any:
        output, last = super().forward(*given)
        return output + 1, last


def _parallel() -> nn.Module:
    model = nn.DataParallel(layer("gru"))
    model.device_ids = [0, 1]
    return model


def _scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: nn.ModuleDict({"up": nn.LSTM(3, 5, proj_size=2), "low": nn.GRU(2, 2)}),
            ["proj_size", "'up'", "'low'"],
        ),
        (lambda: nn.Sequential(_Shifted(2, 2)), ["'0'", "forward of its own"]),
        (lambda: nn.Linear(2, 2), ["no recurrent layer", "Linear"]),
        (lambda: torch.eye(2), ["model is a Tensor"]),
        (_parallel, ["DataParallel", "2 devices"]),
        (_scripted, ["'1'", "TorchScript"]),
    ],
)
def test_what_cannot_be_recorded_is_said_when_the_block_begins(make: Callable[[], Any], words: list[str]) -> None:
    model = make()
    sentence = refusal(lambda: engine.record(model))
    for word in words:
        assert word in sentence


def test_names_that_are_wrong_are_answered_with_near_ones() -> None:
    model = Attentive()
    rec = engine.record(model)
    assert rec.names == ("encoder.rnn",)
    assert "Nothing is recorded yet" in refusal(lambda: rec["encoder.rnn"])
    with rec:
        pass
    assert "'encoder.rnn'" in refusal(lambda: rec["encodr.rnn"])
    assert "'encoder.rnn'" in refusal(lambda: rec.calls(3))  # type: ignore[arg-type]
    assert "not called" in refusal(lambda: rec["encoder.rnn"])
    assert "begins a new one" in refusal(rec.__enter__)
    for only in (["encoder"], "encoder.rnn", [], 7):
        assert "encoder.rnn" in refusal(lambda only=only: engine.record(model, only=only))
