"""A long trace is the whole trace, one stretch at a time: the whole trace of the same model is what it is held to."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import engine
from engine.long.sums import add
from engine.measure import step_errors
from engine.norms import mean_over_samples
from engine.spec import (
    AddingTask,
    Clamp,
    CopyTask,
    Cut,
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
)

T, B, D, H = 120, 3, 2, 4
STRETCH = 37
KINDS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def model_of(kind: str, layers: int = 1, bidirectional: bool = False, **options: Any) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"dtype": torch.float64} | options
        return KINDS[kind](D, H, num_layers=layers, bidirectional=bidirectional, **options)


def drawn(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


class ToTargets:
    """The same loss for both: of the whole output, and of a stretch of it."""

    def __init__(self, width: int, steps: int = T, batch: int = B, dtype: torch.dtype = torch.float64) -> None:
        self.targets = drawn(steps, batch, width, seed=2, dtype=dtype)

    def __call__(self, y: Tensor, steps: slice | None = None) -> Tensor:
        return (y - (self.targets if steps is None else self.targets[steps])).pow(2).sum((1, 2))


def both(
    model: nn.RNNBase, x: Any = None, initial: Any = None, stretch: int = STRETCH, steps: int = T
) -> tuple[engine.Trace, engine.LongTrace]:
    x = drawn(steps, B, D) if x is None else x
    loss = ToTargets(model.hidden_size * (2 if model.bidirectional else 1), steps)
    whole = engine.trace(model, x, loss=loss, initial=initial)
    return whole, engine.trace_long(model, x, loss, initial, stretch=stretch)


def assert_same(long: engine.Trace, whole: engine.Trace, most: float = 1e-12) -> None:
    """Every quantity of two traces, step by step."""
    ours, theirs = long.numpy(), whole.numpy()
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        a, b = (torch.from_numpy(one.copy()) for one in (ours[name], array))
        assert a.shape == b.shape, name
        by_step = (lambda one: one.reshape(len(one), -1)) if one_a_step(name) else (lambda one: one.reshape(1, -1))
        assert float(step_errors(by_step(a), by_step(b)).max()) < most, name
    for name, layer in whole.layers.items():
        other = long[name]
        assert (layer.mask is None) == (other.mask is None)
        assert layer.mask is None or torch.equal(layer.mask, other.mask)
        for parameter in layer.weights:
            shares = other.weight_grad_share(parameter), layer.weight_grad_share(parameter)
            assert float(step_errors(*(share[:, None] for share in shares)).max()) < most, parameter


def one_a_step(name: str) -> bool:
    return any(part in name for part in (".values.", ".grads.", ".x", "output_grads", "input_grad", "losses"))


LONGER = 300
WINDOWS = [(1, 20), (30, 80), (38, 74), (75, 75)]
"""Within a stretch, over borders, exactly one stretch, one step."""


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_window_is_that_of_the_whole_trace(kind: str, layers: int, bidirectional: bool) -> None:
    steps = T if bidirectional else LONGER
    whole, long = both(model_of(kind, layers, bidirectional), steps=steps)
    for t0, t1 in [*WINDOWS, (steps - 10, steps)]:
        assert_same(long.window(t0, t1), whole.window(t0, t1))
    window = long.window(30, 80)
    assert (window.first_step, window.steps, long.steps, long.batch_size) == (30, 51, steps, B)
    assert_same(window.window(5, 9), whole.window(34, 38))
    audit = window.audit()
    assert audit.passed, audit.worst
    if layers == 1:
        assert_same(long.window(1, steps), whole)


@pytest.mark.parametrize(("kind", "bidirectional"), [("rnn", True), ("lstm", False), ("lstm", True), ("gru", False)])
def test_what_is_known_of_the_whole_is_what_the_whole_trace_has(kind: str, bidirectional: bool) -> None:
    whole, long = both(model_of(kind, 2, bidirectional))
    assert list(long.layers) == list(whole.layers)
    torch.testing.assert_close(long.losses, whole.losses, rtol=1e-12, atol=0)
    torch.testing.assert_close(long.loss, whole.loss, rtol=1e-13, atol=0)
    assert list(long.weight_grads) == list(whole.weight_grads)
    for name, grad in whole.weight_grads.items():
        torch.testing.assert_close(long.weight_grads[name], grad, rtol=1e-11, atol=1e-12 * float(grad.abs().max()))
    for name, layer in whole.layers.items():
        ours = long[name]
        assert (ours.cell, ours.reverse, ours.hidden_size) == (layer.cell, layer.reverse, layer.hidden_size)
        for state, grad in layer.initial_grads.items():
            torch.testing.assert_close(ours.initial_grads[state], grad, rtol=1e-11, atol=1e-14)
        assert list(ours.norms) == [f"{part}.{s}" for part in ("values", "grads") for s in layer.values]
        for symbol, value in layer.values.items():
            for part, array in (("values", value), ("grads", layer.grads[symbol])):
                norms = array.pow(2).sum(2).sqrt().mean(1)
                torch.testing.assert_close(ours.norms[f"{part}.{symbol}"], norms, rtol=1e-11, atol=1e-15)
        for parameter in layer.weights:
            share = layer.weight_grad_share(parameter)
            torch.testing.assert_close(ours.weight_grad_share(parameter), share, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(("kind", "bidirectional"), [("rnn", True), ("lstm", False), ("lstm", True), ("gru", False)])
def test_sequences_of_different_lengths_end_where_they_end(kind: str, bidirectional: bool) -> None:
    """One fills every stretch, one ends on a border, one within a stretch that others go on from."""
    x = pack_padded_sequence(drawn(T, B, D), [T, 2 * STRETCH, 50])
    shape = ((2 if bidirectional else 1) * 2, B, H)
    start = (drawn(*shape, seed=5), drawn(*shape, seed=6)) if kind == "lstm" else drawn(*shape, seed=5)
    whole, long = both(model_of(kind, 2, bidirectional), x, start)
    assert_same(long.window(40, 90), whole.window(40, 90))
    assert long.window(70, 80).audit().passed
    for name, layer in whole.layers.items():
        for state, grad in layer.initial_grads.items():
            torch.testing.assert_close(long[name].initial_grads[state], grad, rtol=1e-11, atol=1e-14)
        norms = mean_over_samples(layer.grads["h"].pow(2).sum(2).sqrt(), layer.mask)
        torch.testing.assert_close(long[name].norms["grads.h"], norms, rtol=1e-11, atol=1e-15)
    for name, grad in whole.weight_grads.items():
        torch.testing.assert_close(long.weight_grads[name], grad, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(long.flow_row(70), whole.flow_row(70), rtol=1e-11, atol=0, equal_nan=True)


@pytest.mark.parametrize("stretch", [1, 7, 23, 24, 400])
def test_the_length_of_the_stretches_changes_nothing(stretch: int) -> None:
    whole, long = both(model_of("lstm", 2, True), stretch=stretch, steps=24)
    assert_same(long.window(5, 20), whole.window(5, 20))
    assert_same(long.window(24, 24), whole.window(24, 24))


def test_other_layouts_and_modules_are_taken_as_a_trace_takes_them() -> None:
    x = drawn(T, B, D)
    first = model_of("gru", batch_first=True, bias=False)
    loss = ToTargets(H)
    assert_same(
        engine.trace_long(first, x.transpose(0, 1), loss, stretch=STRETCH).window(30, 80),
        engine.trace(first, x.transpose(0, 1), loss=loss).window(30, 80),
    )
    cell, start = nn.LSTMCell(D, H, dtype=torch.float64), (drawn(B, H), drawn(B, H, seed=3))
    whole = engine.trace(cell, x, loss=loss, initial=start)
    long = engine.trace_long(cell, x, loss, start, stretch=STRETCH)
    assert_same(long.window(1, 50), whole.window(1, 50))
    assert torch.equal(long["l0"].initial["c"], start[1])


@pytest.mark.parametrize(("kind", "bidirectional"), [("rnn", True), ("lstm", False), ("lstm", True), ("gru", False)])
def test_a_single_loss_sends_back_what_it_sends_in_the_whole_trace(kind: str, bidirectional: bool) -> None:
    whole, long = both(model_of(kind, 2, bidirectional), steps=90)
    windows = whole.window(30, 80), long.window(30, 80)
    for loss in (STRETCH, -1):
        for name in whole.layers:
            row = whole.flow_row(loss, name)
            torch.testing.assert_close(long.flow_row(loss, name), row, rtol=1e-10, atol=0, equal_nan=True)
    for name in whole.layers:
        rows = [one.flow_row(60, name) for one in windows]
        torch.testing.assert_close(rows[1], rows[0], rtol=1e-10, atol=0, equal_nan=True)
        gradients = [one.flow_gradient(85, name) for one in windows]
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_part_of_the_flow_matrix_is_that_of_the_whole_trace(bidirectional: bool) -> None:
    """Where all layers run forward, all losses at once; else one after the other. Some lie outside of the steps."""
    whole, long = both(model_of("gru", 2, bidirectional), steps=90)
    losses = [10, 41, 60, -1] if bidirectional else [*range(35, 70), 10]
    for name in whole.layers:
        expected = whole.flow_matrix(name, losses, (40, 50))
        found = long.flow_matrix(name, losses, (40, 50))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0, equal_nan=True)
        expected = whole.window(30, 80).flow_matrix(name, losses[1:3], (3, 9))
        found = long.window(30, 80).flow_matrix(name, losses[1:3], (3, 9))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0, equal_nan=True)
    one_step = whole.window(45, 45).flow_matrix("l1", [44]), long.window(45, 45).flow_matrix("l1", [44])
    torch.testing.assert_close(one_step[1], one_step[0], rtol=1e-10, atol=0)


def test_a_flow_matrix_that_would_take_too_much_is_refused() -> None:
    model = model_of("rnn", bidirectional=True, dtype=torch.float32)
    long = engine.trace_long(model, drawn(9000, 1, D, dtype=torch.float32), lambda y, _: y.sum((1, 2)), stretch=3000)
    with pytest.raises(engine.DataError, match="takes 618 MiB; 256 MiB is accepted"):
        long.flow_matrix()
    with pytest.raises(engine.DataError, match="9,000 losses would be followed one after the other"):
        long.flow_matrix(steps=(5, 9))


def test_a_single_loss_is_followed_until_nothing_is_left_of_it() -> None:
    """Weights of 1/4: float32 has an exact 0 after 150 halvings, so after 75 steps or less."""
    steps, asked = 2000, []
    model = model_of("rnn", dtype=torch.float32)
    with torch.no_grad():
        model.weight_hh_l0.copy_(torch.eye(H) / 4)
    x = drawn(steps, B, D, dtype=torch.float32)

    def give(own: slice) -> Tensor:
        asked.append(own)
        return x[own]

    long = engine.trace_long(model, give, lambda y, own: y.sum((1, 2)), steps=steps, stretch=50)
    asked.clear()
    row = long.flow_row()
    assert not row[:-100].any()
    assert (row[-40:] > 0).all()
    assert min(own.start for own in asked) >= steps - 200
    whole = engine.trace(model, x, loss=lambda y: y.sum((1, 2)))
    torch.testing.assert_close(row, whole.flow_row(), rtol=1e-4, atol=1e-44)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_steps_have_the_same_bits_in_every_window(kind: str) -> None:
    _, long = both(model_of(kind, 2, dtype=torch.float32), drawn(T, B, D, dtype=torch.float32))
    wide = long.window(20, 110)
    for t0, t1 in ((20, 110), (30, 80), (75, 90)):
        narrow, cut = long.window(t0, t1), slice(t0 - 20, t1 - 19)
        for name, layer in narrow.layers.items():
            for symbol, value in layer.values.items():
                assert torch.equal(value, wide[name].values[symbol][cut])
                assert torch.equal(layer.grads[symbol], wide[name].grads[symbol][cut])
        assert torch.equal(narrow.losses, long.losses[t0 - 1 : t1])
    norms = torch.linalg.vector_norm(wide["l1"].grads["h"], dim=2, dtype=torch.float64)
    assert torch.equal(mean_over_samples(norms), long["l1"].norms["grads.h"][19:110])


def test_sums_over_many_float32_steps_keep_their_digits() -> None:
    """A tenth, 10,000 times: a float32 sum comes to 999.903."""
    sums: dict[str, Tensor] = {}
    for _ in range(10_000):
        add(sums, {"bias": torch.tensor(0.1)})
    assert float(sums["bias"]) == pytest.approx(10_000 * float(torch.tensor(0.1)), rel=1e-12)
    model = model_of("rnn", dtype=torch.float32)
    x = drawn(1000, 1, D, dtype=torch.float32)
    long = engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), stretch=50)
    exact = copy.deepcopy(model).double()
    exact(x.double())[0].sum().backward()
    for name, grad in long.weight_grads.items():
        expected = getattr(exact, name).grad
        error = torch.linalg.vector_norm(grad.double() - expected) / torch.linalg.vector_norm(expected)
        assert float(error) < 3e-7, name


@pytest.mark.parametrize("gain", [1.05, 3.0])
def test_growing_gradients_stay_exact_over_the_borders(gain: float) -> None:
    """1.05^300 = 2e6 is a large number; 3^300 is none of float32, and inf and NaN stand where they stand in the whole
    trace."""
    model = model_of("rnn", nonlinearity="relu", dtype=torch.float32)
    with torch.no_grad():
        model.weight_hh_l0.copy_(torch.eye(H) * gain)
    x = drawn(LONGER, B, D, dtype=torch.float32).abs()
    whole = engine.trace(model, x, loss=lambda y: y.sum((1, 2)))
    long = engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), stretch=STRETCH)
    assert bool(whole["l0"].grads["h"].isfinite().all()) == (gain < 2)
    for t0, t1 in ((1, 60), (200, 260)):
        ours, theirs = long.window(t0, t1)["l0"], whole.window(t0, t1)["l0"]
        for part in ("values", "grads"):
            for symbol, array in getattr(theirs, part).items():
                assert float(step_errors(getattr(ours, part)[symbol], array).max()) < 1e-5
    assert long.window(30, 80).audit().passed
    norms = torch.linalg.vector_norm(whole["l0"].grads["h"], dim=2, dtype=torch.float64).mean(1)
    torch.testing.assert_close(long["l0"].norms["grads.h"], norms, rtol=1e-5, atol=0, equal_nan=True)


@pytest.mark.parametrize("stretch", [5, 20])
def test_growth_over_many_stretches_is_left_to_the_careful_road(stretch: int) -> None:
    """Weights 8 times torch's default. No stretch grows the gradient by much, all of them by 1e5, and rounding with it;
    all stretches together are held to autograd."""
    with torch.random.fork_rng():
        torch.manual_seed(23)
        model, x = nn.GRU(1, 32), torch.randn(100, 4, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    long = engine.trace_long(model, x, lambda y, steps: y.pow(2).sum((1, 2)) * (steps.stop == 100), stretch=stretch)
    audit = long.whole["l0"].audit()
    assert audit.passed, audit.worst


def test_a_number_that_is_none_travels_as_in_the_whole_trace() -> None:
    model, x = model_of("lstm", 2), drawn(T, B, D)
    x[100, 1, 0] = torch.nan
    x[110, 2, 1] = torch.inf
    whole, long = both(model, x)
    for t0, t1 in ((60, 104), (105, 115)):
        assert_same(long.window(t0, t1), whole.window(t0, t1))
    torch.testing.assert_close(long.losses, whole.losses, equal_nan=True)
    assert long["l0"].norms["values.h"][:100].isfinite().all()
    assert long["l0"].norms["values.h"][100:].isnan().all()
    assert whole.flow_row(-1).isnan().any()
    torch.testing.assert_close(long.flow_row(-1), whole.flow_row(-1), rtol=1e-10, atol=0, equal_nan=True)


def test_a_loss_may_read_only_some_steps() -> None:
    model, x = model_of("gru"), drawn(T, B, D)

    def last(y: Tensor, steps: slice) -> Tensor:
        found = y.new_zeros(len(y))
        if steps.stop == T:
            found[-1] = y[-1].pow(2).sum()
        return found

    whole = engine.trace(model, x, loss=lambda y: last(y, slice(0, T)))
    long = engine.trace_long(model, x, last, stretch=STRETCH)
    assert_same(long.window(70, T), whole.window(70, T))
    assert long.flow_row(3).isnan().all()
    with pytest.raises(engine.DataError, match="does not depend"):
        engine.trace_long(model, x, lambda y, _: y.new_zeros(len(y)), stretch=STRETCH)


def test_a_read_out_s_gradients_are_added_up() -> None:
    model, x, readout = model_of("lstm"), drawn(T, B, D), nn.Linear(H, 1, dtype=torch.float64)
    targets = drawn(T, B, 1, seed=7)
    long = engine.trace_long(
        model, x, lambda y, steps: (readout(y) - targets[steps]).pow(2).mean((1, 2)), stretch=STRETCH,
        parameters=dict(readout.named_parameters(prefix="readout")),
    )  # fmt: skip
    assert readout.weight.grad is None
    (readout(model(x)[0]) - targets).pow(2).mean((1, 2)).sum().backward()
    for name, grad in long.head_grads.items():
        expected = getattr(readout, name.removeprefix("readout.")).grad
        torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(long.weight_grads["weight_hh_l0"], model.weight_hh_l0.grad, rtol=1e-11, atol=1e-13)
    with torch.no_grad():
        readout.weight.mul_(1.5)
    with pytest.raises(engine.DataError, match="The loss of steps 75 to 111 is not what it was"):
        long.window(80, 90)


def test_x_may_be_a_function_that_is_asked_again() -> None:
    model, x, asked = model_of("lstm", batch_first=True), drawn(T, B, D), []
    given = x.transpose(0, 1).clone()

    def give(steps: slice) -> Tensor:
        asked.append(steps)
        return given[:, steps]

    loss = ToTargets(H)
    long = engine.trace_long(model, give, loss, steps=T, stretch=STRETCH)
    expected = engine.trace_long(model, given, loss, stretch=STRETCH)
    found = long.window(30, 80).numpy()
    for name, array in expected.window(30, 80).numpy().items():
        assert (found[name] == array).all(), name
    assert all(steps.stop - steps.start <= STRETCH for steps in asked)
    given[0, 40] += 1e-9
    with pytest.raises(engine.DataError, match="x of steps 38 to 74 is not what it was"):
        long.window(30, 80)
    assert long.window(1, 30).steps == 30


def test_nothing_changes_a_trace_that_is_there() -> None:
    model, x = model_of("lstm", 2), drawn(T, B, D).requires_grad_()
    before = copy.deepcopy(model.state_dict())
    with torch.inference_mode():
        long = engine.trace_long(model, x, ToTargets(H), stretch=STRETCH)
        first = long.window(30, 80).numpy()
    assert x.grad is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for tensor in (x, *model.parameters()):
            tensor.fill_(99.0)
    again = long.window(30, 80).numpy()
    for name, array in first.items():
        assert (array == again[name]).all(), name
    with pytest.raises(TypeError):
        long["l0"].weight_grads["weight_hh"] = x  # type: ignore[index]


def test_it_is_made_one_stretch_at_a_time_and_can_be_left() -> None:
    model, x, loss = model_of("gru", 2, True), drawn(T, B, D), ToTargets(2 * H)
    run = engine.long_run(model, x, loss, stretch=50)
    assert (run.done, run.total) == (0, 18), "two levels of two directions: three times forward and three times back"
    with pytest.raises(engine.DataError, match="0 of 18"):
        _ = run.trace
    run.advance()
    assert run.done == 1
    assert torch.is_grad_enabled()
    other = engine.trace_long(model, x, loss, stretch=50)
    while not run.finished:
        run.advance()
    run.advance()
    assert run.done == run.total
    assert run.trace is run.trace
    for name, grad in other.weight_grads.items():
        assert torch.equal(run.trace.weight_grads[name], grad)
    assert engine.long_run(model_of("lstm", 3), x, loss, stretch=50).total == 6, "one direction goes through once"


def test_the_audit_of_everything_sees_every_stretch_and_the_sums() -> None:
    _, long = both(model_of("lstm", 2, dtype=torch.float32), drawn(T, B, D, dtype=torch.float32), stretch=50)
    seen: list[tuple[int, int]] = []
    audit = long.audit(lambda done, of: seen.append((done, of)))
    assert audit.passed, audit.worst
    assert seen == [(1, 3), (2, 3), (3, 3)]
    names = {row.quantity for row in audit.rows}
    assert names == {row.quantity for row in long.window(1, 5).audit().rows}
    long.sums.weight_grads["l1"]["weight_hh"] *= 1.001
    assert long.audit().worst.quantity == "l1.weight_grads.weight_hh"
    long.sums.weight_grads["l1"]["weight_hh"] /= 1.001
    long.model.grads.put_before("l0", 2, {s: grad * 1.01 for s, grad in long.model.grads.before("l0", 2).items()})
    with pytest.raises(StopIteration):
        long.audit(stop)


def stop(done: int, of: int) -> None:
    raise StopIteration


@pytest.mark.parametrize("steps", [(0, 3), (3, 2), (1, T + 1), (1.0, 3), (True, 3), (None, 3)])
def test_windows_outside_are_refused(steps: tuple[Any, Any]) -> None:
    _, long = both(model_of("rnn"))
    with pytest.raises(engine.DataError):
        long.window(*steps)
    with pytest.raises(engine.DataError):
        long["l0"].window(*steps)


BUDGET = 2**22
"""Bytes. A whole trace of 300 steps of the model below takes 300 · 8 · 16 · 8 bytes for each of 20 arrays and more."""


def long_within(budget: int) -> engine.LongTrace:
    model = nn.LSTM(D, 16, dtype=torch.float64)
    return engine.trace_long(model, drawn(LONGER, 8, D), lambda y, _: y.pow(2).sum((1, 2)), budget=budget)


def test_what_would_not_fit_is_refused_with_its_size_and_says_what_fits() -> None:
    long = long_within(BUDGET)
    assert 10 < long.longest_window < 200
    for ask in (
        lambda: long["l0"].values["f"],
        lambda: long["l0"].grads["h"],
        lambda: long["l0"].input_grad,
        lambda: long.outputs,
        lambda: long.numpy(),
    ):
        with pytest.raises(
            engine.DataError, match=r"All 300 steps take .* MiB, .* 4 MiB; trace.window\(t0, t1\) gives"
        ):
            ask()
    with pytest.raises(engine.DataError, match=f"{long.longest_window} steps can be looked at at once"):
        long.window(1, long.longest_window + 1)
    window = long.window(101, 100 + long.longest_window)
    assert window.audit().passed
    assert long["l0"].window(7, 9).steps == 3
    with pytest.raises(engine.DataError, match=r"window\(t0, t1\)\.save"):
        long.save("anywhere.gflow")
    with pytest.raises(engine.DataError, match=r"The budget is 64 KiB; .* needs about"):
        long_within(2**16)


def test_what_fits_is_there_as_in_a_whole_trace() -> None:
    whole, long = both(model_of("lstm", 2))
    assert long.longest_window == T
    assert_same(long.whole, whole)
    assert long["l0"].values["f"].shape == (T, B, H)
    torch.testing.assert_close(long["l1"].grads["a_f"], whole["l1"].grads["a_f"], rtol=1e-11, atol=1e-14)
    torch.testing.assert_close(long.input_grad, whole.input_grad, rtol=1e-11, atol=1e-14)
    assert_same(long.window(30, 80), whole.window(30, 80))


@pytest.mark.parametrize(("steps", "stretch"), [(1, None), (2, 1), (5, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_are_traced_too(kind: str, steps: int, stretch: int | None) -> None:
    model, x = KINDS[kind](1, 1, bidirectional=True, dtype=torch.float64), drawn(steps, 1, 1)
    long = engine.trace_long(model, x, lambda y, _: y.pow(2).sum((1, 2)), stretch=stretch)
    model(x)[0].pow(2).sum().backward()
    for name, grad in long.weight_grads.items():
        torch.testing.assert_close(grad, getattr(model, name).grad, rtol=1e-11, atol=1e-14)
    assert long.audit().passed
    assert long.flow_row(0, "l0")[1:].isnan().all()


def test_a_what_if_is_laid_on_top_as_in_a_trace() -> None:
    model, x, loss = model_of("lstm", 2), drawn(T, B, D), ToTargets(H, dtype=torch.float32)
    clamp = Clamp(gate="f", value=0.5, first=40, last=60)
    what_if = engine.WhatIf(forget_bias=1.0, dtype="float32", clamps=(clamp,), cuts=(Cut(route="g", layer="l1"),))
    whole = engine.trace(model, x, loss=loss, what_if=what_if)
    for given in ({"x": x}, {"x": lambda steps: x[steps], "steps": T}):
        long = engine.trace_long(model, loss=loss, stretch=STRETCH, what_if=what_if, **given)
        assert long["l0"].values["f"].dtype == torch.float32
        assert_same(long.window(30, 80), whole.window(30, 80), 1e-4)
        assert long.window(30, 80).audit().passed


def test_a_layer_has_what_a_layer_s_trace_has() -> None:
    whole, long = both(model_of("gru", 2))
    ours, theirs = long["l1"], whole["l1"]
    assert torch.allclose(ours.jacobians([30, 50])["total"], theirs.jacobians([30, 50])["total"], rtol=1e-12)
    assert torch.allclose(ours.final_grads["h"], theirs.final_grads["h"])
    assert torch.allclose(long.flow_gradient(60, "l0"), whole.flow_gradient(60, "l0"), rtol=1e-11)
    assert {row.quantity for row in ours.audit().rows} == {row.quantity for row in theirs.audit().rows} | {
        "output_grads"
    }
    with pytest.raises(AttributeError, match="jacobian"):
        _ = ours.jacobian
    with pytest.raises(engine.DataError, match=r"trace.window\(t0, t1\) gives"):
        long_within(BUDGET)["l0"].jacobians()


def test_a_window_is_saved_as_any_trace(tmp_path: Any) -> None:
    from engine.recording import load

    _, long = both(model_of("lstm"))
    for t0, t1 in ((30, 80), (1, 20)):
        window = long.window(t0, t1)
        window.save(tmp_path / "window.gflow")
        again = load(tmp_path / "window.gflow")
        assert again.first_step == t0
        arrays = again.numpy()
        for name, array in window.numpy().items():
            assert (arrays[name] == array).all(), name


def neighbours(y: Tensor, _: slice) -> Tensor:
    return (y - y.roll(1, 0)).pow(2).sum((1, 2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "mse"}, "loss is 'mse'"),
        ({"loss": lambda y, _: y.sum()}, r"shape \(\); for steps 112 to 120 a tensor \(9,\), one loss a step"),
        ({"loss": lambda y, _: y.sum(2)}, r"shape \(9, 3\)"),
        ({"loss": lambda y, _: 3.0}, "returns a float"),
        ({"loss": neighbours}, "reads the output of step"),
        ({"loss": lambda y, _: (y * torch.rand_like(y)).sum((1, 2))}, None),
        ({"steps": 9}, "steps is 9, and x has 120"),
        ({"x": lambda steps: drawn(T, B, D)[steps]}, "steps is missing"),
        ({"x": lambda steps: drawn(T, B, D)[steps], "steps": 0}, "steps is 0"),
        ({"x": lambda steps: drawn(1, B, D), "steps": T}, r"x of steps 1 to 37 has shape \(1, 3, 2\)"),
        ({"x": lambda steps: None, "steps": T}, "x is missing"),
        ({"x": drawn(T, B, D + 1)}, "3 features"),
        ({"stretch": 0}, "stretch is 0"),
        ({"depth": 1}, "'depth' is no option of a long trace of this LSTM; what_if may be given"),
        ({"stretch": 2.5}, "stretch is 2.5"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": "1 GiB"}, "budget is '1 GiB'"),
        ({"model": nn.Linear(2, 3)}, "Linear"),
        ({"model": nn.LSTM(D, H, 2, dropout=0.5, dtype=torch.float64)}, "dropout 0.5"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_sentence(change: dict[str, Any], words: str | None) -> None:
    given = {"model": model_of("lstm"), "x": drawn(T, B, D), "loss": ToTargets(H), "stretch": STRETCH} | change
    if words is None:  # drawn at random: found when a stretch is computed again
        long = engine.trace_long(**given)
        with pytest.raises(engine.DataError, match="nothing may be drawn at random"):
            long.window(1, 5)
        return
    with pytest.raises(engine.DataError, match=words) as refused:
        engine.trace_long(**given)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith((".", "…"))


def test_dropout_is_taken_where_nothing_is_dropped() -> None:
    model = model_of("lstm", 2, dropout=0.5).eval()
    whole, long = both(model)
    assert_same(long.window(30, 80), whole.window(30, 80))


def network() -> engine.Network:
    """With everything that can stand in and between layers and needs no more than a step at a time."""
    drop = {"dropout": 0.25, "dropout_mask": "sequence"}
    layers = (
        LayerSpec(cell="lstm", hidden_size=4, bidirectional=True, batch_norm=True, residual=True, **drop),
        LayerSpec(cell="gru", hidden_size=5, layer_norm=True, recurrent_dropout=RecurrentDropoutSpec(mask="step")),
        LayerSpec(cell="lstm", hidden_size=5, residual=True, recurrent_dropout=RecurrentDropoutSpec(), **drop),
    )
    model = ModelSpec(
        layers=layers,
        embedding=EmbeddingSpec(symbols=10, size=8),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    clamp = Clamp(layer="l1", gate="z", value=0.5, first=30, last=50)
    return engine.Network(
        Experiment(model=model, task=CopyTask(delay=T - 20, batch_size=B), dtype="float64"),
        what_if=engine.WhatIf(clamps=(clamp,), cuts=(Cut(layer="l2", route="f"),)),
    )


def test_a_network_is_traced_with_what_stands_between_its_layers() -> None:
    net = network()
    x = torch.randint(0, 10, (T, B), generator=torch.Generator().manual_seed(3))
    targets = drawn(T, B, net.weights["readout.weight"].shape[0])
    whole = engine.trace(net, x, loss=lambda y: (y - targets).pow(2).sum((1, 2)), iteration=2)

    def loss(y: Tensor, steps: slice) -> Tensor:
        return (y - targets[steps]).pow(2).sum((1, 2))

    for given in ({"x": x}, {"x": lambda steps: x[steps], "steps": T}):
        long = engine.trace_long(net, loss=loss, stretch=STRETCH, iteration=2, **given)
        assert_same(long.window(30, 80), whole.window(30, 80))
        assert list(long.weight_grads) == list(whole.weight_grads)
        for name, grad in whole.weight_grads.items():
            torch.testing.assert_close(long.weight_grads[name], grad, rtol=1e-11, atol=1e-12)
    assert long.window(30, 80).outputs.shape == (51, B, targets.shape[2])
    assert long.window(30, 50).audit().passed
    row = whole.flow_row(60, "l0_reverse")
    torch.testing.assert_close(long.flow_row(60, "l0_reverse"), row, rtol=1e-10, atol=0, equal_nan=True)
    net.load({name: weight + 1 for name, weight in net.weights.items()})
    assert_same(long.window(30, 80), whole.window(30, 80))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ({"readout": ReadoutSpec(at="attention")}, {}, "attention"),
        ({"layers": (LayerSpec(cell="gru", dropout=0.5),)}, {}, "fresh mask"),
        ({"layers": (LayerSpec(cell="gru", batch_norm=True),)}, {"lengths": [9, 5, 2]}, "lengths are given"),
        ({}, {"clip": 1.0}, "'clip' is no option of a long trace of this Network; iteration and lengths"),
        ({}, {"x": drawn(9, B, 7).float()}, "7 features"),
        ({}, {"x": lambda steps: drawn(1, B, 2).float() * (steps.start < 7), "steps": 9}, "shape"),
    ],
)
def test_what_a_network_cannot_do_step_by_step_is_said(
    model: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    spec = ModelSpec(**({"layers": (LayerSpec(cell="gru"),)} | model))
    net = engine.Network(Experiment(model=spec, task=AddingTask(steps=9, batch_size=B)))
    given = {"x": drawn(9, B, 2).float(), "loss": lambda y, _: y.sum((1, 2)), "stretch": 4} | options
    with pytest.raises(engine.DataError, match=words):
        engine.trace_long(net, **given)


MEASURED = """
import sys, torch, engine
from benchmarks.long import peak

torch.set_num_threads(1)
model = torch.nn.LSTM(4, 256)

def look(steps, budget):
    loss = lambda y, _: y.pow(2).sum((1, 2))
    trace = engine.trace_long(model, torch.randn(steps, 16, 4), loss, budget=budget)
    window = trace.window(steps - trace.longest_window + 1, steps)
    assert window.window(1, 2 * trace.model.room.audit_steps).audit().passed
    return trace

look(20, 2**25)
before = peak()
trace = look(600, int(sys.argv[1]))
print(peak() - before, trace.longest_window)
"""


def test_it_keeps_to_its_budget() -> None:
    """The whole trace would take 600 · 16 · 256 · 4 bytes for each of 20 arrays and more: 200 MiB. Measured is the
    memory of the whole process: every page that was touched, those that are given back late too."""
    budget = 128 * 2**20
    command = [sys.executable, "-c", MEASURED, str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    taken, longest = (float(figure) for figure in done.stdout.split())
    assert taken * 2**20 < budget
    assert longest > 150
