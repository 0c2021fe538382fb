"""A trace leaves the module and the random state as they were, and shows what the module's next forward will do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from test_record import noise
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

import engine


class Dropped(nn.Module):
    """DropConnect: draws whenever it is asked, counts in a buffer and in a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))

    def forward(self, weight: Tensor) -> Tensor:
        self.asked += 1
        self.mean.lerp_(weight.detach().mean(), 0.1)
        return nn.functional.dropout(weight, 0.3, self.training)


PARAMETRISED: dict[str, Callable[[nn.Module, str], object]] = {
    "spectral norm": parametrizations.spectral_norm,
    "weight norm": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "drop connect": lambda module, name: parametrize.register_parametrization(module, name, Dropped()),
}
LONG = {
    "trace": lambda m, x: engine.trace(m, x, loss=lambda y: y.pow(2).sum((1, 2))),
    "trace_long": lambda m, x: engine.trace_long(m, x, loss=lambda y, steps: y.pow(2).sum((1, 2))),
}


def state(module: nn.Module) -> dict[str, object]:
    """Everything that a module holds, and what its parts hold."""
    found: dict[str, object] = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for name, part in module.named_modules():
        plain = {key: held for key, held in vars(part).items() if not key.startswith("_") or key == "_flat_weights"}
        found |= {f"{name}.{key}": copy.copy(held) for key, held in plain.items()}
    return found


def assert_same(now: dict[str, object], before: dict[str, object]) -> None:
    assert now.keys() == before.keys()
    for name, held in now.items():
        if isinstance(held, Tensor):
            assert torch.equal(held, before[name]), name
        elif isinstance(held, list):
            assert all(a is b for a, b in zip(held, before[name], strict=True)), name
        else:
            assert held is before[name] or held == before[name], name


@pytest.mark.parametrize("way", LONG)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("parametrised", PARAMETRISED)
def test_a_trace_is_the_next_forward_s_and_changes_nothing_of_it(
    parametrised: str, kind: type[nn.RNNBase], training: bool, way: str
) -> None:
    x, model = noise(6, 2, 3), kind(3, 5, 2, dropout=0.3 if way == "trace" else 0.0, dtype=torch.float64)
    PARAMETRISED[parametrised](model, "weight_hh_l1")
    model.train(training)
    random, before = torch.get_rng_state(), state(model)
    trace = LONG[way](model, x)
    assert_same(state(model), before)
    assert torch.equal(torch.get_rng_state(), random)
    expected = model(x)[0].detach()
    if training and parametrised in ("spectral norm", "drop connect"):  # the next one does change it
        assert any(not torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    top = trace["l1"].window(1, 6).values["h"] if way == "trace_long" else trace.outputs
    torch.testing.assert_close(top, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_s_parametrisations_are_asked_once_and_put_back(kind: type[nn.RNNCellBase]) -> None:
    x, model = noise(1, 2, 3), kind(3, 5, dtype=torch.float64)
    parametrizations.spectral_norm(model, "weight_hh")
    before = state(model)
    trace = engine.trace(model, x, loss=lambda y: y.sum())
    assert_same(state(model), before)
    answer = model(x[0])
    h = answer[0] if isinstance(answer, tuple) else answer
    torch.testing.assert_close(trace.outputs[0], h.detach(), rtol=1e-12, atol=1e-14)


def test_what_was_computed_once_for_several_forwards_stays_so() -> None:
    """parametrize.cached() is not given a weight, nor one taken from it."""
    x, model = noise(4, 2, 3), nn.GRU(3, 5, dtype=torch.float64)
    parametrize.register_parametrization(model, "weight_hh_l0", Dropped())
    with parametrize.cached():
        engine.trace(model, x, loss=lambda y: y.sum())
        assert not parametrize._cache
        model(x)
        used = dict(parametrize._cache)
        trace = engine.trace(model, x, loss=lambda y: y.sum())
        assert parametrize._cache.keys() == used.keys()
        torch.testing.assert_close(trace.outputs, model(x)[0].detach(), rtol=1e-12, atol=1e-14)


GLOBAL_HOOKS = {
    "register_module_forward_pre_hook": "forward pre-hook",
    "register_module_forward_hook": "forward hook",
    "register_module_full_backward_pre_hook": "backward pre-hook",
    "register_module_full_backward_hook": "backward hook",
}


@pytest.mark.parametrize("way", LONG)
@pytest.mark.parametrize("register", GLOBAL_HOOKS)
def test_hooks_of_all_modules_are_refused_as_a_module_s_own_are(register: str, way: str) -> None:
    model, x = nn.GRU(3, 5, dtype=torch.float64), noise(4, 2, 3)
    handle = getattr(torch.nn.modules.module, register)(lambda *given: None)
    try:
        with pytest.raises(engine.DataError, match=f"{GLOBAL_HOOKS[register]}.*{register}.*remove it"):
            LONG[way](model, x)
    finally:
        handle.remove()
    LONG[way](model, x)


def test_a_trace_inside_a_recording_stands_beside_it() -> None:
    model, x = nn.LSTM(3, 5, 2, dtype=torch.float64), noise(6, 2, 3)
    alone = engine.trace(model, x, loss=lambda y: y.pow(2).sum((1, 2)))
    with engine.record(model) as rec:
        model(x)[0].pow(2).sum().backward()
        for trace in (LONG["trace"](model, x), LONG["trace_long"](model, x).window(1, 6)):
            assert torch.equal(trace["l1"].grads["h"], alone["l1"].grads["h"])
        assert len(rec.calls("")) == 1
    torch.testing.assert_close(rec.trace["l0"].grads["c"], alone["l0"].grads["c"], rtol=1e-12, atol=1e-14)
    model.register_forward_hook(lambda *given: None)
    with engine.record(model), pytest.raises(engine.DataError, match="a forward hook"):
        engine.trace(model, x, loss=lambda y: y.sum())


class _Own(nn.Module):
    pass


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: torch.compile(nn.GRU(2, 3), backend="eager"), "the nn.GRU inside it, its _orig_mod, is accepted"),
        (lambda: torch.ao.nn.quantizable.LSTM(2, 3), "A torch.ao.nn.quantizable.modules.rnn.LSTM cannot be traced"),
        (lambda: nn.Identity(), "An Identity cannot be traced"),
        (lambda: _Own(), "A _Own cannot be traced"),
    ],
)
def test_what_only_looks_like_a_layer_is_called_by_its_name(make: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(engine.DataError) as refused:
        engine.trace(make(), noise(4, 2, 2), loss=lambda y: y.sum())
    assert sentence in str(refused.value)


@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l1_reverse"])
def test_a_parametrised_module_s_state_says_which_parametrisation_to_remove(name: str) -> None:
    model = nn.GRU(3, 5, 2, bidirectional=True)
    parametrizations.weight_norm(model, name)
    with pytest.raises(engine.DataError, match=rf"Instead of {name} .*parametrizations\.{name}\.original0'"):
        engine.module_of(nn.ModuleDict({"rnn": model}).state_dict(), "rnn.")
    parametrize.remove_parametrizations(model, name)
    assert torch.equal(getattr(engine.module_of(model.state_dict()), name), getattr(model, name))
