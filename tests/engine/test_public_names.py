"""What `import engine` gives is described, can be copied and pickled, and is read again."""

from __future__ import annotations

import copy
import inspect
import pickle
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import engine
from engine.clipping import Clipped
from engine.compared import Pair
from engine.long import LongLayer
from engine.route_shares import RouteShares
from engine.step_clipping import ClippedBackward, ClippedContributions
from engine.truncation import Truncated


def traced(what_if: engine.WhatIf | None = None) -> engine.Trace:
    torch.manual_seed(0)
    model = nn.LSTM(2, 3, 2, bidirectional=True, dtype=torch.float64)
    options = {} if what_if is None else {"what_if": what_if}
    x = torch.randn(6, 2, 2, dtype=torch.float64)
    return engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)), **options)


ANSWERED: tuple[type, ...] = (LongLayer, Clipped, ClippedBackward, ClippedContributions, Truncated, RouteShares, Pair)
"""What public functions answer without a name of its own in `engine`."""


@pytest.mark.parametrize("found", [*(getattr(engine, name) for name in engine.__all__), *ANSWERED])
def test_every_public_name_and_what_it_has_is_described(found: Any) -> None:
    """In words of its own: neither a base class's, nor the list of fields that a dataclass gets by itself."""
    if not inspect.isclass(found):
        assert inspect.getdoc(found), found
        return
    own = vars(found).get("__doc__")
    assert own, found
    assert not own.startswith(f"{found.__name__}("), found
    for member, value in vars(found).items():
        described = inspect.isfunction(value) or isinstance(value, (property, cached_property))
        if not member.startswith("_") and described:
            assert inspect.getdoc(value), f"{found.__name__}.{member}"


def assert_same(found: engine.Trace, trace: engine.Trace) -> None:
    ours, theirs = found.numpy(), trace.numpy()
    assert ours.keys() == theirs.keys()
    assert all((ours[key] == theirs[key]).all() for key in ours)


@pytest.mark.parametrize("what_if", [None, engine.WhatIf(clamps=(engine.Clamp(gate="f", value=0.5),))])
def test_a_trace_is_copied_and_pickled_with_everything_that_comes_later(what_if: engine.WhatIf | None) -> None:
    trace = traced(what_if)
    for of in (trace, trace.window(2, 5)):
        copied, pickled = copy.deepcopy(of), pickle.loads(pickle.dumps(of))
        for found in (copied, pickled):
            assert_same(found, of)
            assert found.audit().passed
            found["l0"].values["h"].zero_()  # of its own
        assert torch.equal(copied.flow_row(layer="l0").nan_to_num(), of.flow_row(layer="l0").nan_to_num())
        assert bool(of["l0"].values["h"].ne(0).all())
        with pytest.raises(engine.DataError, match="single loss"):
            pickled.flow_row(layer="l0")
    layer = pickle.loads(pickle.dumps(trace["l1_reverse"]))
    assert layer.audit().passed
    with pytest.raises(TypeError):
        layer.values["h"] = layer.values["c"]  # as immutable as the one that it was made from


def own_loss(y: Tensor) -> Tensor:
    return y[3:].pow(2).sum()


@pytest.mark.parametrize("loss", [None, own_loss])
def test_a_pickle_keeps_what_a_file_keeps(loss: Any, tmp_path: Path) -> None:
    """The verdict too, and the gradient that it rests on; and both refuse the same."""
    torch.manual_seed(0)
    model, x = nn.LSTM(2, 3, 2, bidirectional=True, dtype=torch.float64), torch.randn(6, 2, 2, dtype=torch.float64)
    trace = engine.trace(model, x, loss=loss or (lambda y: y.pow(2).sum((1, 2)) * (torch.arange(6) < 5)))
    for of in (trace, trace.window(1, 4), trace.window(2, 5)):
        of.save(tmp_path / "a.gflow")
        once = pickle.loads(pickle.dumps(of))
        found = [once, pickle.loads(pickle.dumps(once)), engine.load_trace(tmp_path / "a.gflow")]
        asks: list[Any] = [lambda t: t.verdict(), lambda t: t.flow_row(4 if loss is None else 0)]
        asks += [lambda t: t.flow_row(0), lambda t: t.flow_row(-1, "l0"), lambda t: t.flow_matrix("l1")]
        for ask in asks:
            answers = [answer(ask, one) for one in found]
            assert answers[0] == answers[1] == answers[2]
    assert pickle.loads(pickle.dumps(trace)).verdict() == trace.verdict()
    assert pickle.loads(pickle.dumps(trace)).loss_grads.judged() == (4 if loss is None else 0)


def answer(ask: Any, trace: engine.Trace) -> Any:
    try:
        found = ask(trace)
    except engine.DataError as error:
        return str(error)
    return found.nan_to_num(-1.0).tolist() if isinstance(found, Tensor) else found


def test_a_window_of_a_long_trace_is_copied_and_pickled() -> None:
    torch.manual_seed(0)
    model, x = nn.GRU(2, 3, dtype=torch.float64), torch.randn(60, 2, 2, dtype=torch.float64)
    window = engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), stretch=11).window(20, 40)
    for found in (copy.deepcopy(window), pickle.loads(pickle.dumps(window))):
        assert_same(found, window)
    assert torch.equal(copy.deepcopy(window).flow_row(30).nan_to_num(), window.flow_row(30).nan_to_num())


def test_a_saved_trace_is_read_by_a_public_name(tmp_path: Path) -> None:
    trace = traced()
    trace.save(tmp_path / "a.gflow")
    assert_same(engine.load_trace(tmp_path / "a.gflow"), trace)


@pytest.mark.parametrize(("scale", "kind"), [(0.2, "vanishing"), (0.9, "healthy"), (1.5, "exploding")])
def test_the_verdict_of_a_trace_is_that_of_the_ratio_of_autograd_s_norms(scale: float, kind: str) -> None:
    """Of the last loss that reads anything: that of step 60 of 64."""
    rnn, x = nn.RNN(1, 4, nonlinearity="relu", bias=False, dtype=torch.float64), torch.ones(64, 2, 1).double()
    with torch.no_grad():
        rnn.weight_ih_l0.fill_(1.0)
        rnn.weight_hh_l0.copy_(scale * torch.eye(4))

    def loss(y: Tensor) -> Tensor:
        return y.sum((1, 2)) * (torch.arange(64) < 60)

    found = engine.trace(rnn, x, loss=loss).verdict()
    first = rnn(x[:1])[0].detach().requires_grad_()
    (grad,) = torch.autograd.grad(rnn(x[1:60], first)[0][-1].sum(), first)
    assert found.kind == kind
    assert found.last_step == 60
    expected = torch.log10(grad[0].norm(dim=1).mean() / torch.ones(4).double().norm())
    assert found.log10_ratio == pytest.approx(float(expected), rel=1e-10)


def test_a_dict_is_called_a_dict_where_a_what_if_is_wanted() -> None:
    wrong: Any = {"forget_bias": 1.0}
    with pytest.raises(engine.SpecError, match=r"^The what-if is a dict; an engine\.WhatIf is accepted\.$"):
        traced(wrong)


def test_read_at_the_last_step_is_each_direction_s_own_last_state() -> None:
    """As torch's h_n, in a network of two directions and sequences of different lengths."""
    layer = engine.LayerSpec(cell="gru", hidden_size=3, bidirectional=True)
    model = engine.ModelSpec(layers=(layer,), readout=engine.ReadoutSpec(at="last"))
    task = engine.AddingTask(steps=7, batch_size=4, shortest=3)
    network = engine.Network(engine.Experiment(model=model, task=task, dtype="float64", device="cpu"))
    data, weights = network.batch(), network.weights
    gru = nn.GRU(2, 3, bidirectional=True, dtype=torch.float64)
    gru.load_state_dict({name: weight for name, weight in weights.items() if "." not in name})
    packed = nn.utils.rnn.pack_padded_sequence(data.x, data.lengths, enforce_sorted=False)
    last = torch.cat(list(gru(packed)[1]), 1)
    expected = last @ weights["readout.weight"].T + weights["readout.bias"]
    torch.testing.assert_close(network.trace().outputs, expected.detach(), rtol=1e-12, atol=1e-14)
