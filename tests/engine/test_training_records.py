"""What is kept of every iteration is what its trace says, and a training that diverges stops before it is too late."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from training_cases import CLIP, OPTIMIZERS, experiment, same_bits

from engine.diverging import first_bad
from engine.errors import SessionError
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.session import Session, load, save
from engine.sources import fingerprint, traced
from engine.spec import (
    AddingTask,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    ReadoutSpec,
    TrainingSpec,
    TruncationSpec,
    WhatIf,
)
from engine.training import clipped_of
from engine.training_records import flow_row
from engine.training_requests import Train, Trained
from engine.training_state import parameters_of


@pytest.mark.parametrize("clip", [CLIP, ClipSpec(), ClipSpec(kind="value", max_value=0.01), ClipSpec(kind="step")])
def test_every_row_is_what_the_trace_of_its_iteration_says(clip: ClipSpec) -> None:
    layers = (LayerSpec(cell="gru", hidden_size=3, bidirectional=True), LayerSpec(cell="lstm", hidden_size=4))
    task = AddingTask(steps=7, batch_size=3, shortest=3)
    given = experiment(model=ModelSpec(layers=layers), task=task, clip=clip, learning_rate=0.5)
    state = None
    done: Trained = run("train", Train(given, None, 0, 3))
    records = done.records
    assert (records.first, len(records), records.flow.shape) == (0, 3, (3, 7))
    for i in range(3):
        network = Network(given, state)
        trace = network.trace(iteration=i)
        report = run("excerpt", Look(Computed(given, state, i), ())).clip
        assert records.losses[i] == float(trace.loss)
        grads = {name: grad.double().square().sum().item() for name, grad in trace.weight_grads.items()}
        assert records.grad_norms[i] == pytest.approx(math.sqrt(sum(grads.values())), rel=1e-12)
        assert records.clipped_norms[i] == pytest.approx(report.norm_after, rel=1e-6)
        assert records.clipped[i] == report.fired
        for layer, norms in records.layer_norms.items():
            of = [s for name, s in grads.items() if name.endswith(f"_{layer}") or name.startswith(f"{layer}.")]
            assert norms[i] == pytest.approx(math.sqrt(sum(of)), rel=1e-12), layer
        lengths = trace["l1"].lengths
        norms = trace["l1"].grads["h"].double().norm(dim=-1)
        for t in range(7):
            has = lengths > t
            if not bool(has.any()):
                assert math.isnan(records.flow[i, t])
            else:
                assert records.flow[i, t] == pytest.approx(norms[t][has].mean().log10().item(), rel=1e-6)
        assert not records.flow_bad[i]
        state = run("train", Train(given, state, i)).weights
    assert set(records.layer_norms) == {"l0", "l0_reverse", "l1", "readout"}
    assert (records.seconds > 0).all()
    assert records.learning_rates.tolist() == [0.5] * 3


def test_an_exact_zero_is_minus_infinity_and_chunks_have_the_rows_of_the_whole() -> None:
    layer = LayerSpec(cell="rnn", activation="identity", hidden_size=2, init=InitSpec(gain=0.0))
    given = experiment(model=ModelSpec(layers=(layer,)))
    whole: Trained = run("train", Train(given, None, 0, 2))
    assert (whole.records.flow[0, :-1] == -np.inf).all(), "W_hh = 0: nothing goes back"
    assert np.isfinite(whole.records.flow[0, -1])
    first: Trained = run("train", Train(given, None, 0, 1))
    second: Trained = run("train", Train(given, first.weights, 1, 1))
    assert second.records.first == 1
    for name in ("losses", "grad_norms", "clipped_norms", "clipped", "flow", "learning_rates"):
        joined = np.concatenate([getattr(first.records, name), getattr(second.records, name)])
        np.testing.assert_array_equal(joined, getattr(whole.records, name))


def test_records_of_no_iteration_have_no_rows() -> None:
    done: Trained = run("train", Train(experiment(), None, 4, 0))
    assert len(done.records) == 0
    assert done.records.flow.shape == (0, 6)


def test_truncation_is_in_the_flow() -> None:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=3),), readout=ReadoutSpec(at="last"))
    given = experiment(model=model, truncation=TruncationSpec(k1=2, k2=2))
    flow = run("train", Train(given, None)).records.flow[0]
    assert np.isneginf(flow[:4]).all()
    assert np.isfinite(flow[4:]).all()


def wild(**training: object) -> Experiment:
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="identity")
    return experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=12, batch_size=2), **training)


def test_a_training_that_diverges_halts_before_the_first_bad_number_and_says_where() -> None:
    given = wild(learning_rate=1.0)
    free: Trained = run("train", Train(given, None, 0, 30))
    finite = [bool(np.isfinite(free.losses[i])) for i in range(30)]
    assert not all(finite), "it does diverge"
    halted: Trained = run("train", Train(given, None, 0, 30, halt=True))
    bad = halted.diverged
    assert bad is not None
    assert bad.iteration == halted.iteration == len(halted.losses) == len(halted.records) <= finite.index(False)
    assert all(np.isfinite(array).all() for array in halted.weights.values())
    reached: Trained = run("train", Train(given, None, 0, halted.iteration))
    assert same_bits(halted.weights, reached.weights)
    assert free.losses[: halted.iteration] == halted.losses
    again: Trained = run("train", Train(given, halted.weights, halted.iteration, 5, halt=True))
    assert again.diverged == bad
    assert again.losses == ()
    following: Trained = run("train", Train(given, halted.weights, halted.iteration, 1))
    written = [*following.losses, *(float(np.abs(array).max()) for array in following.weights.values())]
    assert not np.isfinite(written).all() or "gradient" in bad.tensor
    assert bad.sentence.count(".") == 1
    assert f"iteration {bad.iteration}" in bad.sentence
    assert bad.tensor in bad.sentence


def test_what_is_kept_by_the_optimiser_counts_too() -> None:
    """Gradients of 1e25 are finite in float32; their squares, which RMSprop keeps, are not."""
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="identity", init=InitSpec(gain=1e2))
    model = ModelSpec(layers=(layer,))
    task = AddingTask(steps=8, batch_size=2)
    given = experiment(model=model, task=task, optimizer=OptimizerSpec(kind="rmsprop"))
    trace = Network(given).trace()
    assert all(bool(grad.isfinite().all()) for grad in trace.weight_grads.values())
    assert max(float(grad.abs().max()) for grad in trace.weight_grads.values()) > 1e20
    done: Trained = run("train", Train(given, None, 0, 3, halt=True))
    assert done.diverged is not None
    assert done.diverged.tensor.startswith("square_avg of ")
    assert done.iteration == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["weight_ih_l0", "optimizer.exp_avg.readout.bias", "carried.l0.h"])
def test_a_single_number_that_is_not_finite_is_found_and_named(bad: float, name: str) -> None:
    trace = Network(experiment()).trace()
    clipping = clipped_of(trace, CLIP, {})
    after = {"readout.bias": torch.zeros(3), name: torch.zeros(2, 3)}
    assert first_bad(7, trace, clipping, after) is None
    after[name][1, 1] = bad
    found = first_bad(7, trace, clipping, after)
    assert found is not None
    names = {"optimizer.exp_avg.readout.bias": "exp_avg of readout.bias", "carried.l0.h": "carried h of l0"}
    assert (found.iteration, found.tensor) == (7, names.get(name, name))
    assert "1 of the 6 numbers" in found.sentence


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_narrow_type_can_halt_too(dtype: Any) -> None:
    given = wild(learning_rate=1.0)
    what_if = WhatIf(dtype=dtype)
    done: Trained = run("train", Train(given, None, 0, 30, what_if, halt=True))
    assert done.diverged is not None
    assert all(np.isfinite(array).all() for array in done.weights.values())


def test_a_training_that_does_not_diverge_is_the_same_with_and_without_halting() -> None:
    given = experiment(optimizer=OPTIMIZERS["adam"], learning_rate=0.02)
    plain, halting = (run("train", Train(given, None, 0, 8, halt=halt)) for halt in (False, True))
    assert halting.diverged is None
    assert same_bits(plain.weights, halting.weights)


@pytest.mark.parametrize("name", ["adamw"])
def test_five_hundred_iterations_with_a_pause_in_a_file_are_those_without(name: str, tmp_path: Path) -> None:
    task = AddingTask(steps=3, batch_size=2)
    given = experiment("rnn", 3, task=task, optimizer=OPTIMIZERS[name], learning_rate=0.01, clip=CLIP)
    whole: Trained = run("train", Train(given, None, 0, 500))
    half: Trained = run("train", Train(given, None, 0, 250))
    path = tmp_path / "half.gflow"
    save(Session(given, iteration=250, history={250: half.weights}), path)
    opened = load(path)
    rest: Trained = run("train", Train(opened.experiment, opened.history[250], 250, 250))
    assert same_bits(rest.weights, whole.weights)
    assert half.losses + rest.losses == whole.losses


def test_travelling_to_an_iteration_shows_what_was_live_there() -> None:
    given = experiment("lstm", 3, optimizer=OPTIMIZERS["adam"], learning_rate=0.02, dtype="float64")
    whole: Trained = run("train", Train(given, None, 0, 140))
    kept: Trained = run("train", Train(given, None, 0, 100))
    there: Trained = run("train", Train(given, kept.weights, 100, 37))
    made, _ = traced(Computed(given, there.weights, 137))
    assert float(made.trace.loss) == whole.losses[137]
    norms = made.trace.layer.grads["h"].norm(dim=-1).mean(1)
    np.testing.assert_allclose(whole.records.flow[137], norms.log10().numpy().astype(np.float32), rtol=1e-6)


def test_a_trace_is_known_by_its_parameters_alone() -> None:
    given = experiment(optimizer=OPTIMIZERS["adam"])
    state = run("train", Train(given, None, 0, 2)).weights
    assert len(state) > len(parameters_of(state))
    key = fingerprint(Computed(given, state, 2))
    assert key == fingerprint(Computed(given, parameters_of(state), 2))
    other = msgspec.structs.replace(given, training=TrainingSpec(learning_rate=3.0))
    assert key == fingerprint(Computed(other, state, 2)), "the optimiser comes after the trace"
    moved = state | {"readout.bias": state["readout.bias"] + 1}
    assert key != fingerprint(Computed(given, moved, 2))


def test_a_file_holds_whole_states_and_the_parameters_alone(tmp_path: Path) -> None:
    given = experiment(optimizer=OPTIMIZERS["adam"])
    state = run("train", Train(given, None, 0, 2)).weights
    history = {1: parameters_of(state), 2: state}
    save(Session(given, iteration=2, history=history), tmp_path / "a.gflow")
    opened = load(tmp_path / "a.gflow").history
    assert same_bits(opened[1], history[1])
    assert same_bits(opened[2], history[2])


def test_states_of_another_optimiser_are_saved_as_their_parameters(tmp_path: Path) -> None:
    adam = experiment(optimizer=OPTIMIZERS["adam"])
    state = run("train", Train(adam, None, 0, 2)).weights
    changed = msgspec.structs.replace(adam, training=TrainingSpec(optimizer=OPTIMIZERS["rmsprop"]))
    save(Session(changed, iteration=2, history={2: state}), tmp_path / "a.gflow")
    assert same_bits(load(tmp_path / "a.gflow").history[2], parameters_of(state))


@pytest.mark.parametrize("damage", ["missing", "unknown", "shape"])
def test_a_file_whose_state_is_not_whole_is_refused(damage: str, tmp_path: Path) -> None:
    from engine import session

    given = experiment(optimizer=OPTIMIZERS["adam"])
    state = dict(run("train", Train(given, None, 0, 2)).weights)
    if damage == "missing":
        del state["optimizer.exp_avg.weight_hh_l0"]
    elif damage == "unknown":
        state["optimizer.momentum_buffer.weight_hh_l0"] = state["weight_hh_l0"]
    else:
        state["optimizer.exp_avg.weight_hh_l0"] = state["weight_hh_l0"][:1]
    with pytest.raises(SessionError, match="iteration 2"):
        session.check(Session(given, iteration=2, history={2: state}))


def test_records_see_what_the_gradients_are_on_any_dtype() -> None:
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="relu", init=InitSpec(gain=1e6))
    given = experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=30, batch_size=2))
    records = run("train", Train(given, None)).records
    assert records.flow_bad[0]
    assert np.isnan(records.flow[0]).any()
    torch.testing.assert_close(records.losses.shape, (1,))


def test_zero_infinite_not_a_number_and_padding_are_told_apart() -> None:
    grads = torch.ones(5, 2, 3)
    grads[1] = 0.0
    grads[2, 0, 1], grads[3, 1, 2] = -torch.inf, torch.nan
    lengths = torch.tensor([4, 4])
    mask = torch.arange(5)[:, None] < lengths
    layer = SimpleNamespace(grads={"h": grads}, mask=mask, lengths=lengths, longest=4)
    flow, bad = flow_row(SimpleNamespace(layer=layer))  # type: ignore[arg-type]
    np.testing.assert_array_equal(flow, np.array([np.log10(np.sqrt(3)), -np.inf, np.inf, np.nan, np.nan], np.float32))
    assert bad
    grads[3] = 1.0
    flow, bad = flow_row(SimpleNamespace(layer=layer))  # type: ignore[arg-type]
    assert np.isnan(flow).tolist() == [False, False, False, False, True]
    assert not bad, "padding and infinity are no reason"
