"""The excerpt: what of a trace is on screen, each field computed here a second time from the trace itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import quantities
from engine.errors import SpecError
from engine.network import Network
from engine.operations import forget, run
from engine.requests import Computed, Excerpt, Look
from engine.sources import Traced
from engine.spec import AddingTask, CellKind, Dtype, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf

CELLS: list[CellKind] = ["rnn", "lstm", "gru"]
T, B, H = 6, 3, 4


def experiment(
    cell: CellKind, at: Any = "last", loss: Any = "mse", dtype: Dtype = "float64", **task: int
) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=H),), readout=ReadoutSpec(at=at), loss=loss)
    return Experiment(model=model, task=AddingTask(**({"steps": T, "batch_size": B} | task)), dtype=dtype)


def looked(given: Experiment, keys: tuple[str, ...] = (), **more: Any) -> Excerpt:
    source = Computed(given, what_if=more.pop("what_if", WhatIf()))
    found: Excerpt = run("excerpt", Look(source, keys, **more))
    return found


@pytest.mark.parametrize("cell", CELLS)
def test_every_key_of_the_cell_crosses_when_it_is_wanted(cell: CellKind) -> None:
    keys = quantities.keys(cell)
    layer = Network(experiment(cell)).trace()["l0"]
    found = looked(experiment(cell), (*keys, "values.nonsense"), sample=1)
    assert tuple(found.arrays) == keys
    assert set(found.norms) == set(keys)
    for key in keys:
        part, _, symbol = key.partition(".")
        whole = getattr(layer, part)[symbol].numpy()
        assert np.array_equal(found.arrays[key], whole[:, 1])
        expected = np.sqrt((whole**2).sum(-1)).mean(1)
        np.testing.assert_allclose(found.norms[key], expected, rtol=1e-12)


def test_only_what_is_wanted_crosses_as_whole_arrays() -> None:
    assert tuple(looked(experiment("lstm"), ("grads.c",)).arrays) == ("grads.c",)
    assert tuple(looked(experiment("rnn"), ("grads.c", "values.h")).arrays) == ("values.h",)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("unit", [None, 2])
def test_the_cell_panels_series_add_up_to_the_equations(cell: CellKind, unit: int | None) -> None:
    found = looked(experiment(cell), quantities.keys(cell), sample=2, unit=unit)
    layer = Network(experiment(cell)).trace()["l0"]

    def of(array: Any) -> Any:
        one = np.asarray(array)[:, 2]
        return np.linalg.norm(one, axis=-1) if unit is None else one[:, unit]

    series = found.cell_series
    for key in quantities.keys(cell):
        np.testing.assert_allclose(series[key], of(getattr(layer, key.split(".")[0])[key.split(".")[1]]), rtol=1e-12)
    for state in quantities.STATES[cell]:
        before = np.concatenate([layer.initial[state].numpy()[None], layer.values[state].numpy()[:-1]])
        np.testing.assert_allclose(series[f"values.{state}_prev"], of(before), rtol=1e-12)
    np.testing.assert_allclose(series["grads.h_direct"], of(layer.output_grads), rtol=1e-12)

    x, h_before = layer.x.numpy(), np.concatenate([layer.initial["h"].numpy()[None], layer.values["h"].numpy()[:-1]])
    for side, given, name in (("input", x, "ih"), ("recurrent", h_before, "hh")):
        both = given @ layer.weights[f"weight_{name}"].numpy().T + layer.weights[f"bias_{name}"].numpy()
        for place, gate in enumerate(quantities.GATES[cell]):
            key = f"{side}.a_{gate}" if gate else f"{side}.a"
            np.testing.assert_allclose(series[key], of(both[..., place * H : (place + 1) * H]), rtol=1e-12)
    if unit is not None:
        for gate in quantities.GATES[cell]:
            a = f"a_{gate}" if gate else "a"
            reset = series["values.r"] if gate == "n" else 1.0
            total = series[f"input.{a}"] + reset * series[f"recurrent.{a}"]
            np.testing.assert_allclose(total, series[f"values.{a}"], rtol=1e-12)
    assert all(array.shape == (T,) and array.dtype == np.float64 for array in series.values())


@pytest.mark.parametrize("cell", CELLS)
def test_arrays_are_read_only_contiguous_and_in_the_traces_dtype(cell: CellKind) -> None:
    found = looked(experiment(cell, dtype="float32"), quantities.keys(cell))
    whole = [*found.arrays.values(), found.inputs, found.outputs, *found.of().initial.values()]
    assert all(array.dtype == np.float32 for array in whole)
    every = [*whole, found.targets, found.losses, *found.norms.values(), *found.cell_series.values()]
    assert not any(array.flags.writeable for array in every)
    assert all(array.flags.c_contiguous for array in every)
    assert found.weights is not None
    assert not any(weight.flags.writeable for weight in found.weights.values())


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_inputs_outputs_targets_and_losses_are_those_of_the_sample(at: str, loss: str) -> None:
    given = experiment("gru", at, loss)
    network = Network(given)
    batch, trace = network.batch(), network.trace()
    found = looked(given, sample=1)
    assert np.array_equal(found.inputs, batch.x[:, 1].numpy())
    n = T if at == "every" else 1
    assert found.outputs.shape == (n, 2 if loss == "cross_entropy" else 1)
    assert found.targets.shape == (n, 1)
    expected = trace.outputs[:, 1] if at == "every" else trace.outputs[1][None]
    assert np.array_equal(found.outputs, expected.numpy())
    targets = batch.targets[:, 1] if at == "every" else batch.targets[1]
    assert np.array_equal(found.targets.ravel(), targets.numpy().ravel())
    assert found.losses.shape == (T,)
    assert np.isnan(found.losses[:-1]).all() == (at == "last")
    assert np.nansum(found.losses) == pytest.approx(found.loss, rel=1e-12)


def test_the_verdict_rests_on_the_last_losss_own_row() -> None:
    given = experiment("rnn", "every")
    row = Network(given).trace().flow_row(-1)
    found = looked(given)
    assert found.verdict.log10_ratio == pytest.approx(math.log10(float(row[0]) / float(row[-1])), rel=1e-12)
    assert found.verdict.loss_step == T


@pytest.mark.parametrize("cell", CELLS)
def test_a_trace_that_kept_no_single_losses_gives_the_same_row(cell: CellKind) -> None:
    """Each loss reads its own step's h alone, so the last one starts from e_T."""
    trace = Network(experiment(cell, "every")).trace()
    bare = Traced(replace(trace, loss_grads=None), None, None, 0.0)
    np.testing.assert_allclose(bare.judged_row, trace.flow_row(-1).numpy(), rtol=1e-12)


@pytest.mark.parametrize(("scale", "about"), [(1e-23, 1e-23), (1e15, 1e30)])
def test_norms_do_not_fail_before_the_values_do(scale: float, about: float) -> None:
    """Entries of 1e-23 and of 1e30 have squares that float32 does not have.

    ∂L/∂h = 2 (y − target) W: a small read-out leaves y − target alone, a large one makes y as large as itself.
    """
    given = experiment("rnn", dtype="float32")
    weights = {name: weight.numpy().copy() for name, weight in Network(given).weights.items()}
    weights["readout.weight"] *= np.float32(scale)
    found: Excerpt = run("excerpt", Look(Computed(given, weights), ("grads.h",)))
    last = found.arrays["grads.h"][-1].astype(np.float64)
    expected = np.linalg.norm(last)
    assert about / 1e3 < expected < about * 1e3
    assert found.cell_series["grads.h"][-1] == pytest.approx(expected, rel=1e-12)
    assert about / 1e3 < found.norms["grads.h"][-1] < about * 1e3


def test_norms_of_float64_do_not_fail_either() -> None:
    given = experiment("rnn")
    weights = {name: weight.numpy().copy() for name, weight in Network(given).weights.items()}
    weights["readout.weight"] *= 1e-200
    found: Excerpt = run("excerpt", Look(Computed(given, weights), ("grads.h",)))
    last = found.arrays["grads.h"][-1]
    assert found.norms["grads.h"][-1] > 0
    assert found.cell_series["grads.h"][-1] == pytest.approx(np.linalg.norm(last * 1e200) * 1e-200, rel=1e-12)


def test_a_sample_beyond_the_batch_is_the_last_and_a_wrong_one_is_refused() -> None:
    assert looked(experiment("rnn"), sample=99).sample == B - 1
    for wrong in ({"sample": -1}, {"unit": H}, {"unit": -1}):
        with pytest.raises(SpecError):
            looked(experiment("rnn"), **wrong)


def test_another_look_at_the_same_trace_computes_nothing_again() -> None:
    forget()
    given = experiment("gru")
    took = looked(given).seconds
    assert took > 0
    assert looked(given, ("values.z",), sample=1, unit=1).seconds == took, "it says how long this trace took"
    assert looked(given, what_if=WhatIf(clip_norm=0.01)).seconds == took, "clipping comes after the trace"
    steeper = msgspec.structs.replace(given, training=msgspec.structs.replace(given.training, learning_rate=0.5))
    assert looked(steeper).seconds == took, "so does the learning rate"
    assert looked(given, what_if=WhatIf(recurrent_scale=1.1)).seconds != took
    assert looked(msgspec.structs.replace(given, seed=1)).seconds != took


def test_the_same_look_gives_the_same_bits_with_and_without_the_memory() -> None:
    given = experiment("lstm", dtype="float32")
    keys = quantities.keys("lstm")
    first = looked(given, keys)
    remembered = looked(given, keys)
    forget()
    again = looked(given, keys)
    for other in (remembered, again):
        assert all(first.arrays[key].tobytes() == other.arrays[key].tobytes() for key in keys)
        assert all(first.norms[key].tobytes() == other.norms[key].tobytes() for key in keys)
        assert first.loss == other.loss
        assert first.clip == other.clip
        assert first.update_rows == other.update_rows


def test_a_wild_trace_is_shown_and_never_raises() -> None:
    layer = LayerSpec(cell="rnn", hidden_size=H, activation="relu")
    wild = msgspec.structs.replace(experiment("rnn", dtype="float32", steps=80), model=ModelSpec(layers=(layer,)))
    weights = {name: weight.numpy().copy() for name, weight in Network(wild).weights.items()}
    weights["weight_hh_l0"] = np.eye(H, dtype=np.float32) * 9
    found: Excerpt = run("excerpt", Look(Computed(wild, weights), ("grads.h",)))
    assert found.verdict.kind in ("exploding", "undefined")
    assert {event.kind for event in found.events} & {"overflow", "nan"}
    assert found.weights is None, "the weights were given"


@pytest.mark.parametrize("cell", CELLS)
def test_the_smallest_network_is_shown(cell: CellKind) -> None:
    layer = LayerSpec(cell=cell, hidden_size=1)
    given = Experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=2, batch_size=1))
    found = looked(given, quantities.keys(cell), unit=0)
    assert (found.steps, found.batch_size, found.hidden_size) == (2, 1, 1)
