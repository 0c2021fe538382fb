"""A long trace is the whole trace, one stretch at a time: the whole trace of the same model is what it is held to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from long_and_whole import (
    BUDGET,
    KINDS,
    LONGER,
    STRETCH,
    B,
    D,
    H,
    T,
    assert_same,
    both,
    drawn,
    long_within,
    model_of,
)
from torch.nn.utils.rnn import pack_padded_sequence

import engine
from engine.norms import mean_over_samples

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


def stop(done: int, of: int) -> None:
    raise StopIteration


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
