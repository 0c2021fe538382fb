"""`engine.record` under torch.autocast: the gradients are those that autograd gives there, as far as the type tells
them, and not a bit of the model's own changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_record import layer, noise
from test_record_cells import cell, grads, loop, parts, retained
from torch import Tensor, nn

import engine
from engine import recording
from engine.measure import TOLERANCE, step_errors

LOW = [torch.bfloat16, torch.float16]


def assert_near(ours: Tensor, theirs: Tensor, low: torch.dtype, name: str = "") -> None:
    assert ours.shape == theirs.shape, name
    worst = float(step_errors(ours.float(), theirs.float()).max())
    assert worst <= TOLERANCE[low], f"{name}: {worst:.1e}"


def both(model: nn.Module, run: Callable[[nn.Module], Tensor]) -> tuple[engine.Recording, nn.Module]:
    """The recording of a run under autocast, and the model, whose .grad are those that it has alone, to the bit."""
    alone = copy.deepcopy(model)
    with engine.record(model) as rec:
        run(model).backward()
    run(alone).backward()
    for (name, ours), theirs in zip(model.named_parameters(), alone.named_parameters(), strict=True):
        assert torch.equal(ours.grad, theirs[1].grad), name
    return rec, model


@pytest.mark.parametrize("low", LOW, ids=str)
@pytest.mark.parametrize("form", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}], ids=str)
@pytest.mark.parametrize("kind", ["tanh", "relu", "gru"])
def test_a_layers_trace_is_in_the_type_of_its_states_and_agrees_with_autograd(
    kind: str, form: dict[str, Any], low: torch.dtype
) -> None:
    x = noise(12, 3, 3).float().requires_grad_()

    def run(model: nn.Module) -> Tensor:
        x.grad = None
        with torch.autocast("cpu", low):
            output, last = model(x)
            return (output.float() * noise(*output.shape).float()).sum() + last.float().sin().sum()

    rec, model = both(layer(kind, H=16, dtype=torch.float32, **form), run)
    trace, batch_first = rec.trace, bool(form)
    expected = torch.float32 if kind == "gru" else low
    assert {array.dtype for one in trace.layers.values() for array in (*one.values.values(), *one.grads.values())} == {
        expected
    }
    assert trace.audit().passed, trace.audit().worst
    for name, weight in model.named_parameters():
        assert_near(trace.weight_grads[name][None], weight.grad[None], low, name)
    assert_near(trace.input_grad, x.grad.transpose(0, 1) if batch_first else x.grad, low, "input_grad")
    with torch.autocast("cpu", low):
        answered = model(x)[0].detach()
    assert torch.equal(trace.outputs, answered.transpose(0, 1) if batch_first else answered)
    for name, one in trace.layers.items():
        for key, weight in one.weights.items():
            assert torch.equal(weight.float(), getattr(model, f"{key}_{name}").detach().to(low).float())


@pytest.mark.parametrize("low", LOW, ids=str)
@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_a_cells_trace_agrees_with_autograd_at_every_step_and_e_is_exactly_0_where_nothing_arrived(
    kind: str, low: torch.dtype
) -> None:
    x = noise(10, 3, 3).float()

    def loss_of(states: list[Any]) -> Tensor:
        hs = [parts(state)["h"].float() for state in states]
        return hs[-1].pow(2).sum() + hs[4].exp().sum()

    def run(model: nn.Module) -> Tensor:
        with torch.autocast("cpu", low):
            return loss_of(loop(model, x))

    rec, model = both(cell(kind, H=16, dtype=torch.float32), run)
    (trace,) = rec.calls("")
    assert trace["l0"].values["h"].dtype == (low if kind in ("tanh", "relu") else torch.float32)
    assert trace.audit().passed, trace.audit().worst
    assert trace["l0"].output_grads.flatten(1).ne(0).any(1).nonzero().flatten().tolist() == [4]
    with torch.autocast("cpu", low):
        states = retained(loop(model, x))
        loss_of(states).backward()
    for s in parts(states[0]):
        assert_near(trace["l0"].grads[s], grads(states, s), low, s)
        assert_near(trace["l0"].values[s], torch.stack([parts(state)[s] for state in states]).detach(), low, s)


@pytest.mark.parametrize("leak", [4.0, 6.9])
def test_a_leak_of_many_steps_decays_as_it_did(leak: float) -> None:
    """z is 0.982, and 0.984 as rounded, which is e times as much after 400 steps; 0.999, and 1 as rounded."""
    model = layer("gru", dtype=torch.float32, H=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.1)
        model.bias_hh_l0[4:8] = leak
    x = noise(400, 2, 3).float()
    start = torch.zeros(1, 2, 4, requires_grad=True)
    with engine.record(model) as rec:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x, start)[0][-1].sum()
        loss.backward()
    theirs = start.grad
    assert theirs is not None
    assert_near(rec.trace["l0"].initial_grads["h"][None], theirs, torch.bfloat16)
    assert rec.trace.audit().passed, rec.trace.audit().worst


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_what_autocast_leaves_alone_is_recorded_as_it_is(kind: str) -> None:
    single, double, x = layer(kind, dtype=torch.float32), layer(kind), noise(5, 2, 3)
    with engine.record(single) as rec, engine.record(double) as other:
        with torch.autocast("cpu", torch.bfloat16):
            double(x)[0].sum().backward()
        with torch.autocast("cpu", torch.bfloat16), torch.autocast("cpu", enabled=False):
            loss = single(x.float())[0].sum()
        loss.backward()
    for trace, model, dtype in ((other.trace, double, torch.float64), (rec.trace, single, torch.float32)):
        assert trace["l0"].values["h"].dtype == dtype
        assert trace.audit().passed
        assert_near(trace.weight_grads["weight_hh_l0"], model.weight_hh_l0.grad, dtype)


def test_dropout_between_layers_is_drawn_again_under_autocast() -> None:
    for kind in ("tanh", "gru"):
        model, x = layer(kind, H=16, num_layers=2, dropout=0.4, dtype=torch.float32), noise(6, 3, 3).float()

        def run(model: nn.Module, x: Tensor = x) -> Tensor:
            torch.manual_seed(3)
            with torch.autocast("cpu", torch.bfloat16):
                return model(x)[0].float().pow(2).sum()

        rec, model = both(model, run)
        assert rec.trace.audit().passed
        for name, weight in model.named_parameters():
            assert_near(rec.trace.weight_grads[name][None], weight.grad[None], torch.bfloat16, name)


def test_a_cell_whose_autocast_ends_in_the_middle_is_two_sequences() -> None:
    model, x = cell("gru", dtype=torch.float32), noise(6, 2, 3).float()
    with engine.record(model) as rec:
        with torch.autocast("cpu", torch.bfloat16):
            first = loop(model, x[:3])[-1]
        loop(model, x[3:], first)[-1].sum().backward()
    low, single = rec.calls("")
    assert (low.steps, single.steps) == (3, 3)
    total = low["l0"].weight_grads["weight_hh"] + single["l0"].weight_grads["weight_hh"]
    assert_near(total[None], model.weight_hh.grad[None], torch.bfloat16)


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_a_chaotic_layer_is_shown_with_the_states_that_it_had(kind: str) -> None:
    model, x = layer(kind, H=16, dtype=torch.float32), noise(200, 2, 3).float()
    with torch.no_grad():
        model.weight_hh_l0.mul_(40.0)
    with engine.record(model) as rec:
        with torch.autocast("cpu", torch.bfloat16):
            output = model(x)[0]
        output[-1].float().sum().backward()
    assert torch.equal(rec.trace["l0"].values["h"], output.detach())
    assert rec.trace.audit().passed, rec.trace.audit().worst


def test_the_audit_of_a_rounded_trace_still_tells_wrong_from_right() -> None:
    model, x = layer("gru", H=16, dtype=torch.float32), noise(12, 2, 3).float()
    with engine.record(model) as rec:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x)[0].sum()
        loss.backward()
    right = rec.trace["l0"]
    assert right.rounded == torch.bfloat16
    for part, symbol, error in (
        ("values", "z", 0.2),
        ("values", "a_n", 0.3),
        ("grads", "h", 1e-3),
        ("grads", "z", 1e-3),
    ):
        arrays = {name: array.clone() for name, array in getattr(right, part).items()}
        arrays[symbol][3] *= 1 + error
        audit = replace(right, **{part: arrays}).audit()
        assert not audit.passed, (part, symbol)


def test_a_rounded_trace_is_saved_and_opened_and_audited_like_any_other(tmp_path: Path) -> None:
    model, x = layer("gru", dtype=torch.float32), noise(6, 2, 3).float()
    with engine.record(model) as rec:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x)[0].sum()
        loss.backward()
    rec.trace.save(tmp_path / "a.gflow")
    found = recording.load(tmp_path / "a.gflow")
    assert found["l0"].rounded == torch.bfloat16
    assert found.audit().passed
    assert found.window(2, 4).audit().passed
