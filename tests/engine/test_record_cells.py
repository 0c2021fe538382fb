"""`engine.record` on cells in somebody's own loop: what is one sequence, and what reaches it from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_record import assert_close, noise
from torch import Tensor, nn

import engine

KINDS = ("tanh", "relu", "lstm", "gru")
State = Any


def cell(kind: str, D: int = 3, H: int = 5, dtype: torch.dtype = torch.float64, bias: bool = True) -> nn.RNNCellBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind in ("tanh", "relu"):
            return nn.RNNCell(D, H, bias, kind, dtype=dtype)
        return {"lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind](D, H, bias, dtype=dtype)


def parts(state: State) -> dict[str, Tensor]:
    return {"h": state} if isinstance(state, Tensor) else dict(zip("hc", state, strict=True))


def loop(model: nn.Module, x: Tensor, state: State = None) -> list[State]:
    states = []
    for x_t in x:
        state = model(x_t, state)
        states.append(state)
    return states


def retained(states: list[State]) -> list[State]:
    for state in states:
        for part in parts(state).values():
            part.retain_grad()
    return states


def grads(states: list[State], name: str) -> Tensor:
    found = [parts(state)[name] for state in states]
    return torch.stack([torch.zeros_like(h) if h.grad is None else h.grad for h in found])


def both(model: nn.Module, run: Callable[[nn.Module], Tensor]) -> tuple[engine.Recording, nn.Module, nn.Module]:
    """The recording of a run, the model of it, and a copy that ran alone: their .grad the same to the bit."""
    alone = copy.deepcopy(model)
    with engine.record(model) as rec:
        run(model).backward()
    run(alone).backward()
    for (name, ours), theirs in zip(model.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad), name
    return rec, model, alone


def assert_parts_of_grad(traces: list[engine.Trace], model: nn.Module, tolerance: float = 1e-10) -> None:
    for trace in traces:
        assert trace.audit().passed, trace.audit().worst
    for name, weight in model.named_parameters():
        total = sum(trace["l0"].weight_grads[name] for trace in traces)
        error = (total - weight.grad).abs().max() / weight.grad.abs().max()
        assert error <= tolerance, name


LOSSES = {
    "every step": lambda hs: sum((noise(*h.shape, seed=t) * h).sum() for t, h in enumerate(hs)),
    "the last": lambda hs: hs[-1].pow(2).sum(),
    "stacked": lambda hs: torch.stack(hs).sin().pow(2).sum() + hs[2].sum(),
    "one in the middle": lambda hs: hs[3].exp().sum(),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_consecutive_calls_are_one_sequence(kind: str, loss: str, dtype: torch.dtype) -> None:
    x = noise(8, 2, 3).to(dtype)
    rec, model, _ = both(cell(kind, dtype=dtype), lambda m: LOSSES[loss]([parts(s)["h"] for s in loop(m, x)]))
    trace = rec.trace
    assert len(rec.calls("")) == 1
    assert_parts_of_grad([trace], model, 1e-10 if dtype == torch.float64 else 1e-5)
    states = retained(loop(model, x))
    LOSSES[loss]([parts(s)["h"] for s in states]).backward()
    for s in parts(states[0]):
        values = torch.stack([parts(state)[s] for state in states]).detach()
        assert torch.equal(trace["l0"].values[s], values)
        if dtype == torch.float64:
            assert_close(trace["l0"].grads[s], grads(states, s), s)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_else_arrived_e_is_exactly_0_and_elsewhere_as_exact_as_the_sum(
    kind: str, dtype: torch.dtype
) -> None:
    """Of a loss Σ ⟨w_t, h_t⟩ over some steps, e_t = w_t there. Into δh_t go at most three numbers: w_t, what comes past
    the weights and what comes through them; |error| ≤ 4u Σ|number|, u = eps/2."""
    # Steps of x that lie in memory so that torch's products of them and of their copies differ in the last bit.
    x, w = noise(12, 3, 5).to(dtype), noise(12, 3, 20, seed=4).to(dtype)
    model, read = cell(kind, 5, 20, dtype=dtype), [4, 9]
    with engine.record(model) as rec:
        hs = [parts(s)["h"] for s in loop(model, x)]
        sum((w[t] * hs[t]).sum() for t in (*read, 11)).backward(retain_graph=True)
        once = rec.trace["l0"]
        sum((w[t] * hs[t]).sum() for t in (*read, 11)).backward()
    twice = rec.trace["l0"]
    quiet = [t for t in range(12) if t not in read]
    for times, layer in ((1, once), (2, twice)):
        assert not layer.output_grads[quiet].any()
        assert torch.equal(layer.final_grads["h"], times * w[11])
        assert kind != "lstm" or not layer.final_grads["c"].any()
    past = {"gru": lambda: once.values["z"] * once.grads["h"]}.get(kind, lambda: torch.zeros_like(w))()
    for t in read:
        handed = once.grads["h"][t] - w[t]
        sizes = w[t].abs() + past[t + 1].abs() + (handed - past[t + 1]).abs()
        assert ((once.output_grads[t] - w[t]).abs() <= 2 * torch.finfo(dtype).eps * sizes).all()
    assert torch.equal(twice.output_grads, 2 * once.output_grads)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_was_changed_on_its_way_begins_a_new_sequence(kind: str) -> None:
    """Masked, detached, or c alone passed on: what a piece hands back is in the last gradients of the one before."""
    x, mask = noise(9, 2, 3), torch.tensor([[1.0], [0.0]], dtype=torch.float64)

    def run(m: nn.Module) -> Tensor:
        first = loop(m, x[:3])
        masked = {s: state * mask for s, state in parts(first[-1]).items()}
        second = loop(m, x[3:5], tuple(masked.values()) if kind == "lstm" else masked["h"])
        h = parts(second[-1])["h"] + 0.1
        third = loop(m, x[5:7], (h, second[-1][1]) if kind == "lstm" else h)
        cut = {s: state.detach() for s, state in parts(third[-1]).items()}
        fourth = loop(m, x[7:], tuple(cut.values()) if kind == "lstm" else cut["h"])
        return sum(parts(s)["h"].sin().sum() for s in (*first, *second, *third, *fourth))

    rec, model, _ = both(cell(kind), run)
    traces = rec.calls("")
    assert [trace.steps for trace in traces] == [3, 2, 2, 2]
    assert_parts_of_grad(traces, model)
    assert rec.trace.steps == 2  # from a detached state: a sequence of its own
    first, second, third, fourth = (trace["l0"] for trace in traces)
    own = first.values["h"][-1].cos()
    assert_close((first.final_grads["h"] - own)[None], (second.initial_grads["h"] * mask)[None])
    own = third.values["h"][-1].cos()
    assert_close(third.final_grads["h"][None], own[None])
    if kind == "lstm":
        assert_close(second.final_grads["c"][None], third.initial_grads["c"][None])
        assert not third.final_grads["c"].any()
    assert torch.equal(fourth.initial["h"], third.values["h"][-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_is_fed_as_input_too_is_not_taken_for_the_recurrence(kind: str) -> None:
    """h = cell(h, h): of what a step hands to the one before, only the state's part is the recurrence's."""
    start = noise(2, 5)

    def run(m: nn.Module) -> Tensor:
        state = m(start)
        for _ in range(5):
            state = m(parts(state)["h"], state)
        return parts(state)["h"].sin().sum()

    rec, model, _ = both(cell(kind, 5, 5), run)
    assert_parts_of_grad(rec.calls(""), model)
    layer = rec.trace["l0"]
    assert layer.steps == 6
    assert_close(layer.output_grads[:-1], layer.input_grad[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_two_sequences_that_take_turns_and_one_that_branches_are_told_apart(kind: str) -> None:
    x = noise(10, 2, 3)

    def run(m: nn.Module) -> Tensor:
        left = right = None
        for x_t in x[:4]:
            left, right = m(x_t, left), m(-x_t, right)
        onward, branch = loop(m, x[4:6], left)[-1], loop(m, x[6:9], left)[-1]
        return sum(parts(s)["h"].sin().sum() for s in (right, onward, branch))

    rec, model, _ = both(cell(kind), run)
    traces = rec.calls("")
    assert_parts_of_grad(traces, model)
    assert [trace.steps for trace in traces] == [6, 4, 3]
    # What the branch hands back is a direct gradient of the step where it left.
    assert_close(traces[0]["l0"].output_grads[3:4], traces[2]["l0"].initial_grads["h"][None])
    if kind == "lstm":
        assert_close(traces[0]["l0"].cell_grads[3:4], traces[2]["l0"].initial_grads["c"][None])


def test_cells_on_top_of_each_other_are_sequences_of_their_own() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.ModuleList([cell("lstm"), cell("gru", 5, 4)])
            self.read = nn.Linear(4, 2, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            low, high, read = None, None, []
            for x_t in x:
                low = self.cells[0](x_t, low)
                high = self.cells[1](hx=high, input=low[0])
                read.append(self.read(high))
            return torch.stack(read).pow(2).sum()

    x = noise(7, 2, 3)
    rec, model, _ = both(Stack(), lambda m: m(x))
    assert rec.names == ("cells.0", "cells.1")
    assert_parts_of_grad(rec.calls("cells.0"), model.cells[0])
    assert_parts_of_grad(rec.calls("cells.1"), model.cells[1])
    upper = rec["cells.1"]["l0"]
    direct = rec["cells.0"]["l0"].output_grads + torch.cat([0 * upper.input_grad[:-1], upper.input_grad[-1:]])
    assert_close(direct, upper.input_grad)
    with pytest.raises(engine.DataError, match="2 layers"):
        rec.trace  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_single_sequences_without_a_batch_stand_as_a_batch_of_one(kind: str) -> None:
    x = noise(6, 3)
    rec, model, _ = both(cell(kind, bias=False), lambda m: sum(parts(s)["h"].sin().sum() for s in loop(m, x)))
    assert rec.trace["l0"].values["h"].shape == (6, 1, 5)
    assert_parts_of_grad(rec.calls(""), model)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_hooks_of_others_do_not_tear_a_sequence_apart(kind: str) -> None:
    """A full backward hook makes torch hand out and take in every state through a node of its own."""
    x, model = noise(6, 2, 3).requires_grad_(), cell(kind)
    seen: list[Any] = []
    model.register_full_backward_hook(lambda module, to, of: seen.append(of))
    with engine.record(model) as rec:
        sum(parts(s)["h"].sin().sum() for s in loop(model, x)).backward()
    assert len(seen) == 6
    assert [trace.steps for trace in rec.calls("")] == [6]
    assert_parts_of_grad(rec.calls(""), model)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_that_are_clipped_on_their_way_are_shown_as_they_went_on(kind: str) -> None:
    """Many clip δh_t in a hook at every step: then δh_t is what was left, and the weights' gradients follow it."""
    x = noise(8, 2, 3)

    def run(m: nn.Module) -> Tensor:
        states = loop(m, x)
        for state in states:
            parts(state)["h"].register_hook(lambda grad: grad.clamp(-0.3, 0.3))
        return sum(parts(s)["h"].pow(2).sum() for s in states)

    rec, model, _ = both(cell(kind), run)
    assert_parts_of_grad(rec.calls(""), model)
    assert float(rec.trace["l0"].grads["h"].abs().max()) <= 0.3 * (1 + 1e-12)


@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_weights_that_change_between_two_steps_begin_a_new_sequence(kind: str) -> None:
    x, model = noise(6, 2, 3), cell(kind)
    with engine.record(model) as rec:
        states = loop(model, x[:3])
        with torch.no_grad():
            old = [weight.clone() for weight in model.parameters()]
            changed = copy.deepcopy(model)
            for weight in changed.parameters():
                weight.mul_(1.1)
        model.weight_ih = changed.weight_ih
        states += loop(model, x[3:], states[-1])
        sum(parts(s)["h"].sin().sum() for s in states).backward()
    first, second = rec.calls("")
    assert (first.steps, second.steps) == (3, 3)
    assert torch.equal(first["l0"].weights["weight_ih"], old[0])
    assert torch.equal(second["l0"].weights["weight_ih"], changed.weight_ih)
    assert first.audit().passed
    assert second.audit().passed
    assert_close(second["l0"].weight_grads["weight_ih"][None], changed.weight_ih.grad[None])


def test_inf_and_nan_on_their_way_back_stay_what_they_are() -> None:
    """h ← relu(1e30 h): δh overflows after a step, and comes back as autograd has it, not as inf − inf."""
    model = nn.RNNCell(1, 1, False, "relu")
    with torch.no_grad():
        model.weight_hh.fill_(1e30)
        model.weight_ih.fill_(1e-35)
    x = torch.ones(4, 1, 1)
    x[1:] = 0.0
    with engine.record(model) as rec:
        states = retained(loop(model, x))
        (states[-1] * 1e-38).sum().backward()
    assert torch.equal(rec.trace["l0"].grads["h"], grads(states, "h"))
    assert grads(states, "h")[0].isinf().all()
    assert not rec.trace["l0"].output_grads.any()
