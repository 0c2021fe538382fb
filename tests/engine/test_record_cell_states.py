"""`engine.record` on an nn.LSTMCell whose c is read at every step, by a loss or by anything else: one loop, one trace;
and loops that are none, which say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_record import assert_close, noise
from test_record_cells import assert_parts_of_grad, both, cell, grads, loop, parts, retained
from torch import Tensor, nn

import engine
from engine.layer_trace import LayerTrace

T = 8
States = list[tuple[Tensor, Tensor]]
LOSSES: dict[str, Callable[[States], Tensor]] = {
    "every c": lambda states: sum(c.pow(2).sum() for _, c in states),
    "every c and the last h": lambda states: sum(c.sin().sum() for _, c in states) + states[-1][0].sum(),
    "every c and every h": lambda states: sum((c.exp() * h).sum() for h, c in states),
    "some c in the middle": lambda states: states[2][1].sin().sum() + states[5][0].pow(2).sum(),
    "every second c": lambda states: torch.stack([c for _, c in states[::2]]).pow(3).sum(),
    "the last c": lambda states: states[-1][1].pow(2).sum(),
    "the last c, huge": lambda states: 1e150 * states[-1][1].sum() + 1e-150 * states[0][1].sum(),
}


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_on_every_c_leaves_one_trace_of_all_steps(loss: str, initial: bool) -> None:
    x, start = noise(T, 2, 3), (noise(2, 5, seed=5), noise(2, 5, seed=6)) if initial else None
    rec, model, _ = both(cell("lstm"), lambda m: LOSSES[loss](loop(m, x, start)))
    assert [trace.steps for trace in rec.calls("")] == [T]
    assert_parts_of_grad([rec.trace], model)
    layer, states = rec.trace["l0"], retained(loop(model, x, start))
    LOSSES[loss](states).backward()
    for s in ("h", "c"):
        assert_close(layer.grads[s], grads(states, s), s)
    # What the loss alone sends to each state.
    free = [tuple(part.detach().requires_grad_() for part in state) for state in states]
    LOSSES[loss](free).backward()
    e, of_c = grads(free, "h"), grads(free, "c")
    assert_close(layer.output_grads[:-1], e[:-1])
    assert_close(layer.final_grads["h"][None], e[-1:])
    assert_close(layer.final_grads["c"][None], of_c[-1:])
    if loss in (
        "the last c",
        "the last c, huge",
    ):  # what is 1e300 times smaller than the rest is lost in the user's own
        assert layer.cell_grads is None
    else:
        assert_close(layer.cell_grads[:-1], of_c[:-1])
        assert not layer.cell_grads[-1].any()
    # The flow over the whole loop.
    norms = grads(states, "h").norm(dim=2).mean(1)
    row = rec.trace.flow_matrix()[0]
    reached = norms.flip(0).cumsum(0).flip(0) > 0
    torch.testing.assert_close(row, norms.masked_fill(~reached, torch.nan), rtol=1e-10, atol=0, equal_nan=True)


def test_float32_is_as_exact_as_the_sum_that_autograd_took() -> None:
    x = noise(T, 2, 3).float()
    rec, model, _ = both(cell("lstm", dtype=torch.float32), lambda m: LOSSES["every c and every h"](loop(m, x)))
    assert [trace.steps for trace in rec.calls("")] == [T]
    assert_parts_of_grad([rec.trace], model, 1e-5)
    wide = cell("lstm")
    wide.load_state_dict(model.state_dict())
    states = retained(loop(wide, x.double()))
    LOSSES["every c and every h"](states).backward()
    for s in ("h", "c"):
        exact = grads(states, s)
        assert (rec.trace["l0"].grads[s] - exact).abs().max() <= 1e-5 * exact.abs().max()


def test_several_backward_passes_and_hooks_on_c_add_up_as_in_grad() -> None:
    x = noise(T, 2, 3)

    def once(model: nn.Module) -> None:
        states = loop(model, x)
        for _, c in states:
            c.register_hook(lambda grad: grad.clamp(-0.4, 0.4))
        sum(c.sum() for _, c in states).backward(retain_graph=True)
        states[-1][0].pow(2).sum().backward()

    model = cell("lstm")
    with engine.record(model) as rec:
        once(model)
    assert [trace.steps for trace in rec.calls("")] == [T]
    assert_parts_of_grad([rec.trace], model)


def a_layer() -> LayerTrace:
    x = noise(T, 2, 3)
    rec, _, _ = both(cell("lstm"), lambda m: LOSSES["every c and every h"](loop(m, x)))
    return rec.trace["l0"]


@pytest.mark.parametrize("window", [(1, 8), (1, 3), (3, 6), (8, 8)])
def test_a_window_keeps_what_reaches_its_own_c(window: tuple[int, int]) -> None:
    layer = a_layer()
    part = layer.window(*window)
    steps = slice(window[0] - 1, window[1])
    assert torch.equal(part.cell_grads, layer.cell_grads[steps])
    assert part.audit().passed
    again = LayerTrace.from_parts(
        "lstm",
        "tanh",
        part.x,
        part.weights,
        part.initial,
        part.values,
        part.output_grads,
        part.final_grads,
        cell_grads=part.cell_grads,
    )
    for symbol, grad in part.grads.items():
        assert_close(again.grads[symbol], grad, symbol)


def test_with_lengths_and_from_the_other_end_it_is_the_same_chain_rule() -> None:
    """Against autograd on torch's own cell, with an arbitrary gradient at every c."""
    layer, lengths = a_layer(), torch.tensor([8, 5])
    weights = [layer.weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    inside = torch.arange(T)[:, None, None] < lengths[:, None]
    e, of_c = noise(T, 2, 5, seed=1) * inside, noise(T, 2, 5, seed=2) * inside
    for reverse in (False, True):
        state = {s: layer.initial[s].clone().requires_grad_() for s in ("h", "c")}
        start, hs, cs = dict(state), [None] * T, [None] * T
        for t in range(T - 1, -1, -1) if reverse else range(T):
            h, c = torch.lstm_cell(layer.x[t], [state["h"], state["c"]], *weights)
            state = {"h": torch.where(inside[t], h, state["h"]), "c": torch.where(inside[t], c, state["c"])}
            hs[t], cs[t] = h, c
        total = sum((e[t] * hs[t] + of_c[t] * cs[t]).sum() for t in range(T))
        expected = torch.autograd.grad(total, [*start.values(), *hs, *cs])
        made = engine.trace(
            _module(layer, reverse), _packed(layer.x, lengths), loss=lambda y: y.sum(), initial=_initial(layer, reverse)
        )
        values = made["l0_reverse" if reverse else "l0"].values
        found = LayerTrace.from_parts(
            "lstm", "tanh", layer.x, layer.weights, layer.initial, values, e, reverse=reverse, lengths=lengths,
            cell_grads=of_c,
        )  # fmt: skip
        assert found.audit().passed
        assert_close(found.initial_grads["h"][None], expected[0][None])
        assert_close(found.initial_grads["c"][None], expected[1][None])
        assert_close(found.grads["h"], torch.stack(expected[2 : 2 + T]) * inside)
        assert_close(found.grads["c"], torch.stack(expected[2 + T :]) * inside)


def _module(layer: LayerTrace, reverse: bool) -> nn.LSTM:
    model = nn.LSTM(3, 5, bidirectional=reverse, dtype=torch.float64)
    with torch.no_grad():
        for name, weight in layer.weights.items():
            getattr(model, f"{name}_l0{'_reverse' if reverse else ''}").copy_(weight)
    return model


def _packed(x: Tensor, lengths: Tensor) -> nn.utils.rnn.PackedSequence:
    return nn.utils.rnn.pack_padded_sequence(x, lengths)


def _initial(layer: LayerTrace, reverse: bool) -> dict[str, dict[str, Tensor]]:
    return {"l0_reverse" if reverse else "l0": dict(layer.initial)}


def test_it_is_kept_in_a_file_and_given_out_as_an_array(tmp_path: Path) -> None:
    x = noise(T, 2, 3)
    rec, _, _ = both(cell("lstm"), lambda m: LOSSES["every c"](loop(m, x)))
    trace = rec.trace
    assert torch.equal(torch.from_numpy(trace.numpy()["l0.cell_grads"].copy()), trace["l0"].cell_grads)
    trace.save(tmp_path / "loop.gflow")
    loaded = engine.load_trace(tmp_path / "loop.gflow")
    assert torch.equal(loaded["l0"].cell_grads, trace["l0"].cell_grads)
    assert loaded.audit().passed
    # Clipped step by step, with a limit that nothing reaches, it is the same chain.
    unclipped = engine.clipped_backward(trace["l0"], 1e6)
    assert_close(unclipped.grads["c"], trace["l0"].grads["c"])
    assert bool((unclipped.factors == 1).all())


def test_only_an_lstm_has_a_c_to_reach() -> None:
    gru = engine.trace(nn.GRU(3, 5, dtype=torch.float64), noise(4, 2, 3), loss=lambda y: y.sum())["l0"]
    parts_of = (gru.x, gru.weights, gru.initial, gru.values, gru.output_grads)
    with pytest.raises(engine.DataError, match="cell_grads is given, and the GRU has no c"):
        LayerTrace.from_parts("gru", "tanh", *parts_of, cell_grads=gru.output_grads)
    layer = a_layer()
    parts_of = (layer.x, layer.weights, layer.initial, layer.values, layer.output_grads)
    with pytest.raises(engine.DataError, match=r"cell_grads\.c is \(7, 2, 5\)"):
        LayerTrace.from_parts("lstm", "tanh", *parts_of, cell_grads=layer.cell_grads[1:])


CHANGED: dict[str, Callable[[Tensor], Tensor]] = {
    "masked": lambda h: h * torch.tensor([[1.0], [0.0]], dtype=torch.float64),
    "dropped": lambda h: nn.functional.dropout(h, 0.3),
    "normalised": lambda h: nn.functional.layer_norm(h, h.shape[1:]),
    "held back": lambda h: 0.5 * (h + h.tanh()),
}


@pytest.mark.parametrize("changed", CHANGED)
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_a_loop_whose_states_are_changed_between_its_steps_says_that_it_is_no_single_sequence(
    kind: str, changed: str
) -> None:
    model, x = cell(kind), noise(5, 2, 3)
    with engine.record(model) as rec:
        state, loss = None, torch.zeros((), dtype=torch.float64)
        for x_t in x:
            state = model(x_t, state)
            h = CHANGED[changed](parts(state)["h"])
            state = (h, state[1]) if kind == "lstm" else h
            loss = loss + h.sum()
        loss.backward()
    for ask in (lambda: rec.trace, lambda: rec[""]):
        with pytest.raises(engine.DataError, match=r"changed on their way, so the loop is 5 sequences.*calls\(''\)"):
            ask()
    traces = rec.calls("")
    assert [trace.steps for trace in traces] == [1] * 5
    assert_parts_of_grad(traces, model)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_states_that_are_detached_or_branch_or_come_from_elsewhere_tear_nothing(kind: str) -> None:
    model, x, start = cell(kind), noise(9, 2, 3).requires_grad_(), nn.Linear(3, 5, dtype=torch.float64)
    model.register_full_backward_hook(lambda module, to, of: None)
    with engine.record(model) as rec:
        h = start(x[0])
        first = loop(model, x[:4], (h, h.sin()) if kind == "lstm" else h)
        branch = loop(model, x[:2], first[1])
        cut = tuple(part.detach() for part in parts(first[-1]).values())
        second = loop(model, x[4:], cut if kind == "lstm" else cut[0])
        sum(parts(state)["h"].sum() for state in (*first, *branch, *second)).backward()
    assert [trace.steps for trace in rec.calls("")] == [4, 2, 5]
    assert rec.trace.steps == 5
