"""Drawn by hypothesis: what is recorded of a user's own training step, long traces beside whole ones, weights that go
out and come back, and narrow types as arithmetic. Held to torch's autograd, and to plain loops."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from agreement import of_reference, of_trace
from drawn_models import Drawn, drawn, inits, quick
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long_and_whole import assert_same
from reference_network import TORCHS, reference
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

import engine
from engine.measure import TOLERANCE, step_errors
from engine.network import Network
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf


def close(ours: Tensor, theirs: Tensor, most: float) -> bool:
    """Of the whole array: a relative difference of norms, and nothing where both are nothing."""
    return float(step_errors(ours.reshape(1, -1), theirs.reshape(1, -1)).max()) <= most


def own_step(of: Drawn, module: nn.RNNBase, started: bool, ends: bool) -> dict[str, Tensor]:
    """A training step of theirs: every gradient that it leaves."""
    x: Any = of.data.clone().requires_grad_()
    inputs: Any = x.transpose(0, 1) if module.batch_first else x
    if of.lengths is not None:
        inputs = nn.utils.rnn.pack_padded_sequence(x, of.lengths, enforce_sorted=False)
    initial = of.initial() if started else None
    starts = [] if initial is None else list(initial) if isinstance(initial, tuple) else [initial]
    for state in starts:
        state.requires_grad_()
    y, last = module(inputs, initial)
    if isinstance(y, PackedSequence):
        y = pad_packed_sequence(y)[0]
    elif module.batch_first:
        y = y.transpose(0, 1)
    loss = of.loss(y).sum()
    if ends:
        loss = loss + sum(state.sin().sum() for state in (last if isinstance(last, tuple) else (last,)))
    loss.backward()
    grads = {name: weight.grad for name, weight in module.named_parameters()} | {"x": x.grad}
    return grads | {f"start {number}": state.grad for number, state in enumerate(starts)}


@quick
@given(of=drawn(), started=st.booleans(), ends=st.booleans())
def test_what_is_recorded_is_what_torch_s_own_backward_left_which_is_the_same_bits_as_without(
    of: Drawn, started: bool, ends: bool
) -> None:
    """Losses on the outputs, and on the last states too; initial states that require gradients."""
    alone = own_step(of, copy.deepcopy(of.module), started, ends)
    with engine.record(of.module) as rec:
        theirs = own_step(of, of.module, started, ends)
    assert theirs.keys() == alone.keys()
    for name, grad in theirs.items():
        assert torch.equal(grad, alone[name]), name
    trace, most = rec[""], TOLERANCE[of.data.dtype]
    for name, grad in trace.weight_grads.items():
        assert close(grad, theirs[name], most), name
    assert close(trace.input_grad, theirs["x"], most)
    for number, state in enumerate(("h", "c") if isinstance(of.module, nn.LSTM) else ("h",)):
        if started:
            ours = torch.stack([layer.initial_grads[state] for layer in trace.layers.values()])
            assert close(ours, theirs[f"start {number}"], most), state
    assert trace.audit().passed, trace.audit().worst


@settings(quick, max_examples=15)
@given(of=drawn(dtypes=(torch.float64,), longest=14), data=st.data())
def test_a_long_trace_is_the_whole_one_in_every_window_and_sum(of: Drawn, data: Any) -> None:
    initial = of.initial() if data.draw(st.booleans()) else None
    whole = engine.trace(of.module, of.x, loss=of.loss, initial=initial)
    long = engine.trace_long(of.module, of.x, of.loss, initial, stretch=data.draw(st.integers(1, of.steps)))
    t0 = data.draw(st.integers(1, of.steps))
    t1 = data.draw(st.integers(t0, of.steps))
    window = whole.window(t0, t1)
    for name, array in window.numpy().items():
        if not any(part in name for part in ("weight_grads", "final_grads", "initial")):
            ours, theirs = (torch.from_numpy(one.copy()) for one in (long.window(t0, t1).numpy()[name], array))
            assert close(ours, theirs, 1e-11), name
    assert_same(long.whole, whole, 1e-11)
    for name, grad in whole.weight_grads.items():
        assert close(long.weight_grads[name], grad, 1e-11), name
    torch.testing.assert_close(long.loss, whole.loss)
    loss, layer = data.draw(st.integers(0, of.steps - 1)), data.draw(st.sampled_from([*whole.layers]))
    rows = long.flow_row(loss, layer), whole.flow_row(loss, layer)
    torch.testing.assert_close(*rows, rtol=1e-10, atol=1e-14, equal_nan=True)
    matrices = (one.flow_matrix(layer, [loss], (t0, t1)) for one in (long, whole))
    torch.testing.assert_close(*matrices, rtol=1e-10, atol=1e-14, equal_nan=True)
    assert long.verdict(layer).kind == whole.verdict(layer).kind


@settings(quick, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    of=drawn(dtypes=(torch.float64, torch.float32, torch.bfloat16, torch.float16), layers=3),
    prefix=st.sampled_from(["", "encoder.rnn.", "weight_hh_l0."]),
    kind=st.sampled_from(["safetensors", "pt"]),
)
def test_weights_go_out_and_come_back_to_the_bit_as_the_module_that_they_were(
    of: Drawn, prefix: str, kind: str, tmp_path: Path
) -> None:
    state, path = {f"{prefix}{name}": w for name, w in of.module.state_dict().items()}, tmp_path / f"w.{kind}"
    if kind == "pt":
        torch.save(state, path)
    else:
        engine.write_weights(path, {**state, "head.weight": torch.ones(2, 3)})
    found = engine.module_of(
        engine.read_weights(path), prefix, getattr(of.module, "nonlinearity", "tanh"), of.module.batch_first
    )
    assert repr(found) == repr(of.module)
    assert found.state_dict().keys() == of.module.state_dict().keys()
    for name, weight in of.module.state_dict().items():
        assert found.state_dict()[name].dtype == weight.dtype
        assert torch.equal(found.state_dict()[name], weight), name


def assert_within(ours: Tensor, theirs: Tensor, relative: float, entry: float, name: str) -> None:
    """Of each step's norm, and of each entry: below the normal numbers a type has only that much."""
    assert ours.shape == theirs.shape, name
    assert torch.equal(ours.isfinite(), theirs.isfinite()), name
    a, b = (one.double().nan_to_num(0.0, 0.0, 0.0).reshape(len(one), -1) for one in (ours, theirs))
    allowed = relative * b.norm(dim=1) + entry * b.shape[1] ** 0.5
    assert bool(((a - b).norm(dim=1) <= allowed).all()), name


@st.composite
def narrow(draw: Any) -> Experiment:
    cell, B = draw(st.sampled_from(["rnn", "lstm", "gru"])), draw(st.integers(1, 3))
    layers = tuple(
        LayerSpec(
            cell=cell,
            hidden_size=draw(st.integers(1, 4)),
            activation=draw(st.sampled_from(["tanh", "relu", "sigmoid"])) if cell == "rnn" else "tanh",
            bidirectional=draw(st.booleans()),
            init=draw(inits(cell)),
            dropout=draw(st.sampled_from([0.0, 0.3])),
        )
        for _ in range(draw(st.integers(1, 2)))
    )
    task = AddingTask(steps=draw(st.integers(2, 6)), batch_size=B)
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at=draw(st.sampled_from(["last", "every"]))))
    return Experiment(model=model, task=task, seed=draw(st.integers(0, 99)), dtype="float32", device="cpu")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@settings(quick, max_examples=20)
@given(experiment=narrow())
def test_in_a_narrow_type_values_are_a_plain_loop_s_to_the_bit_and_gradients_to_roundings(
    dtype: Any, experiment: Experiment
) -> None:
    what_if = WhatIf(dtype=dtype)
    network = Network(experiment, what_if=what_if)
    batch = network.batch(1)
    trace = network.trace(batch=batch, iteration=1)
    ours = dict(of_trace(trace))
    theirs = dict(of_reference(reference(experiment, network.weights, batch, what_if, iteration=1)))
    eps = torch.finfo(TORCHS[dtype]).eps
    for name, expected in theirs.items():
        if ".values." in name:
            assert torch.equal(ours[name], expected), name
        else:
            assert_within(ours[name], expected, 64 * eps, 64 * torch.finfo(TORCHS[dtype]).tiny * eps, name)
    assert {layer.values["h"].dtype for layer in trace.layers.values()} == {TORCHS[dtype]}
