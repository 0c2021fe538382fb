"""torch.set_default_device and torch.set_default_dtype are somebody's own: nothing of the engine hangs on them.

On "meta" a tensor has no numbers, and meets no other one: whatever is made there fails or says nothing."""

from __future__ import annotations

import dataclasses
import functools
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_record import noise
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import engine
from engine.spec import (
    AddingTask,
    Clamp,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    GateBias,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    WhatIf,
)

KINDS = {"rnn": (nn.RNN, nn.RNNCell), "lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell)}


@contextmanager
def meta() -> Iterator[None]:
    with torch.device("meta"):
        yield


@contextmanager
def by_default_wide() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


DEFAULTS = {"meta": meta, "float64": by_default_wide}


def each_step(y: Tensor) -> Tensor:
    return y.pow(2).sum((1, 2))


def seeded(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(noise(*weight.shape, seed=weight.numel()) * 0.7)
    return module


def flat(found: Any, name: str = "") -> dict[str, Any]:
    """Every tensor and number in it."""
    if isinstance(found, (Tensor, np.ndarray, float, int, str, type(None))):
        return {name: found}
    if dataclasses.is_dataclass(found):
        found = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    pairs = found.items() if isinstance(found, Mapping) else enumerate(found)
    return {key: one for place, part in pairs for key, one in flat(part, f"{name}.{place}").items()}


def assert_same(found: Any, expected: Any) -> None:
    found, expected = flat(found), flat(expected)
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        other = found[name]
        if isinstance(one, Tensor):
            assert (other.dtype, other.device, other.shape) == (one.dtype, one.device, one.shape), name
            assert torch.equal(other.isnan(), one.isnan()), name
            assert torch.equal(torch.nan_to_num(other), torch.nan_to_num(one)), name
        elif isinstance(one, np.ndarray):
            assert other.dtype == one.dtype, name
            assert np.array_equal(other, one, equal_nan=True), name
        else:
            assert other == one or (isinstance(one, float) and math.isnan(one) and math.isnan(other)), name


def of_layer(layer: engine.LayerTrace, clip: float = 0.1) -> dict[str, Any]:
    t1, t0 = (1, 4) if layer.reverse else (3, 0)
    found = {
        "spectrum": layer.spectrum(),
        "lyapunov": layer.lyapunov(),
        "blocks": layer.recurrent_blocks(),
        "saturation": layer.saturation(),
        "audit": layer.audit().passed,
        "jacobians": layer.jacobians(),
        "shares": layer.route_shares().shares,
        "carried": layer.carried(),
        "product": layer.product(t1, t0),
        "share": layer.weight_grad_share("weight_hh"),
        "clipped": engine.clipped_backward(layer, clip).grads,
        "contributions": engine.clipped_contributions(layer, "weight_hh", clip),
        "window": layer.window(2, 3).grads,
        "weights": layer.weight_grads,
    }
    if layer.cell == "rnn":
        found["bound"] = layer.pascanu_bound()
    else:
        found["gates"] = layer.forget_gate_product()
    return found


def of_trace(trace: engine.Trace, model: nn.Module, folder: Path) -> dict[str, Any]:
    found = {name: of_layer(layer) for name, layer in trace.layers.items()}
    found |= {"matrix": trace.flow_matrix(), "row": trace.flow_row(), "verdict": trace.verdict(), "all": trace.numpy()}
    if not any(layer.reverse for layer in trace.layers.values()):
        found["truncated"] = trace.truncated(2, 3).pairs()
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    for kind in ("norm", "value", "layer", "parameter", "agc"):
        found[kind] = engine.clipped(trace.weight_grads, engine.ClipSpec(kind=kind), weights).report
    trace.save(folder / "a.gflow")
    loaded = engine.load_trace(folder / "a.gflow")
    return found | {"loaded": loaded.numpy(), "again": loaded.verdict(), "audit": loaded.audit().passed}


def of_modules(kind: str, dtype: torch.dtype, packed: bool) -> tuple[nn.Module, Tensor | PackedSequence]:
    model = seeded(KINDS[kind][0](3, 4, num_layers=1 if packed else 2, bidirectional=packed, device="cpu", dtype=dtype))
    x = noise(6, 3, 3).to(dtype)
    lengths = torch.tensor([6, 3, 4], device="cpu")
    return model, pack_padded_sequence(x, lengths, enforce_sorted=False) if packed else x


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_and_all_that_it_answers_are_the_same(
    kind: str, packed: bool, dtype: torch.dtype, default: str, tmp_path: Path
) -> None:
    model, x = of_modules(kind, dtype, packed)
    expected = of_whole_as_it_is(kind, packed, dtype)
    with DEFAULTS[default]():
        found = of_whole(model, x, tmp_path)
    assert_same(found, expected)


@functools.cache
def of_whole_as_it_is(kind: str, packed: bool, dtype: torch.dtype) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return of_whole(*of_modules(kind, dtype, packed), Path(folder))


def of_whole(model: nn.Module, x: Tensor | PackedSequence, folder: Path) -> dict[str, Any]:
    trace = engine.trace(model, x, loss=each_step)
    if next(model.parameters()).dtype == torch.bfloat16:  # no file holds it
        return {name: of_layer(layer) for name, layer in trace.layers.items()} | {"matrix": trace.flow_matrix()}
    return of_trace(trace, model, folder)


def recorded(model: nn.Module, x: Tensor | PackedSequence) -> dict[str, Any]:
    with engine.record(model) as rec:
        y = model(x)[0]
        (y.data if isinstance(y, PackedSequence) else y).pow(2).sum().backward()
    trace = rec.trace
    found = {name: of_layer(layer) for name, layer in trace.layers.items()}
    return found | {"matrix": trace.flow_matrix(), "verdict": trace.verdict(), "all": trace.numpy()}


def of_loop(cell: nn.Module, x: Tensor) -> dict[str, Any]:
    with engine.record(cell) as rec:
        state, loss = None, 0.0
        for x_t in x:
            zeros = x_t.new_zeros(len(x_t), 4)
            start = (zeros, zeros) if isinstance(cell, nn.LSTMCell) else zeros
            state = cell(x_t, start if state is None else state)
            loss = loss + sum(part.pow(2).sum() for part in (state if isinstance(state, tuple) else (state,)))
        loss.backward()
    return {"layer": of_layer(rec.trace["l0"]), "all": rec.trace.numpy(), "matrix": rec.trace.flow_matrix()}


def of_long(model: nn.Module, x: Tensor) -> dict[str, Any]:
    long = engine.trace_long(model, x, loss=lambda y, steps: each_step(y), budget=400_000, stretch=2)
    return {
        "window": long.window(1, 5).numpy(),
        "row": long.flow_row(),
        "matrix": long.flow_matrix("l0", losses=range(2, 5), steps=(1, 5)),
        "audit": long.audit().passed,
        "grads": long.weight_grads,
        "layer": {"bound": long["l0"].saturation(), "norms": long["l0"].lyapunov()},
    }


def changed(model: nn.Module, x: Tensor, kind: str) -> dict[str, Any]:
    gate = {"lstm": "f", "gru": "z", "rnn": ""}[kind]
    what_if = WhatIf(
        spectral_radius=0.9,
        gate_biases=(GateBias(gate=gate, shift=1.0),),
        clamps=(Clamp(gate=gate, value=0.5, units=(0,)),) if gate else (),
        dtype="float64",
    )
    return engine.trace(model, x, loss=each_step, what_if=what_if).numpy()  # type: ignore[return-value]


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_recordings_loops_long_traces_and_what_ifs_are_the_same(kind: str, default: str) -> None:
    for name, way in ways_of(kind).items():
        with DEFAULTS[default]():
            found = way()
        assert_same(found, as_it_is(kind, name))


@functools.cache
def as_it_is(kind: str, name: str) -> Any:
    return ways_of(kind)[name]()


def ways_of(kind: str) -> dict[str, Callable[[], Any]]:
    model, x = of_modules(kind, torch.float32, packed=False)
    in_pack = of_modules(kind, torch.float32, packed=True)
    cell = seeded(KINDS[kind][1](3, 4, device="cpu", dtype=torch.float32))
    assert isinstance(x, Tensor)
    return {
        "recorded": lambda: recorded(model, x),
        "packed": lambda: recorded(*in_pack),
        "loop": lambda: of_loop(cell, x),
        "long": lambda: of_long(model, x),
        "what if": lambda: changed(model, x, kind),
    }


NETWORKS = {
    "attention, dropouts and both norms": Experiment(
        model=ModelSpec(
            layers=(
                LayerSpec(
                    cell="lstm",
                    hidden_size=4,
                    bidirectional=True,
                    batch_norm=True,
                    dropout=0.2,
                    recurrent_dropout=RecurrentDropoutSpec(),
                    layer_norm=True,
                    init=InitSpec(recurrent="orthogonal", chrono=10),
                ),
            ),
            readout=ReadoutSpec(at="attention"),
        ),
        task=AddingTask(steps=6, batch_size=3),
    ),
    "embedding": Experiment(
        model=ModelSpec(
            layers=(LayerSpec(cell="lstm", hidden_size=4),),
            embedding=EmbeddingSpec(symbols=10, size=3),
            readout=ReadoutSpec(at="every"),
            loss="cross_entropy",
        ),
        task=CopyTask(delay=3, batch_size=3),
    ),
    "lengths": Experiment(
        model=ModelSpec(layers=(LayerSpec(cell="gru", hidden_size=4), LayerSpec(cell="rnn", hidden_size=3))),
        task=AddingTask(steps=6, batch_size=3, shortest=3),
    ),
}


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_the_same(name: str, default: str) -> None:
    def run() -> dict[str, Any]:
        network = engine.Network(NETWORKS[name])
        trace, x = network.trace(), network.batch(1).x
        found = {"all": trace.numpy(), "matrix": trace.flow_matrix(), "audit": trace.audit().passed}
        return (
            found
            if name == "embedding"
            else found | {"told": network.trace(x, lambda y: y.sum(), lengths=[6, 6, 4]).numpy()}
        )

    expected = run()
    assert expected["audit"]
    with DEFAULTS[default]():
        assert_same(run(), expected)


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_go_in_and_out_the_same(suffix: str, default: str, tmp_path: Path) -> None:
    model, _ = of_modules("gru", torch.float32, packed=True)

    def run() -> dict[str, Tensor]:
        path = tmp_path / f"weights{suffix}"
        if suffix == ".pt":
            torch.save(model.state_dict(), path)
        else:
            engine.write_weights(path, model.state_dict())
        made = engine.module_of(engine.read_weights(path))
        return {name: weight.detach() for name, weight in made.named_parameters()}

    expected = run()
    with DEFAULTS[default]():
        assert_same(run(), expected)


@pytest.mark.parametrize("default", DEFAULTS)
def test_eigenvalues_of_what_is_no_number_have_one_type(default: str) -> None:
    model, x = of_modules("gru", torch.float32, packed=False)
    with torch.no_grad():
        model.weight_hh_l0[0, 0] = torch.nan
    expected = engine.trace(model, x, loss=each_step)["l0"].recurrent_blocks()
    assert {block.eigenvalues.dtype for block in expected.values()} == {torch.complex128}
    with DEFAULTS[default]():
        found = engine.trace(model, x, loss=each_step)["l0"].recurrent_blocks()
    assert_same(
        {name: block.eigenvalues.isnan() for name, block in found.items()},
        {name: block.eigenvalues.isnan() for name, block in expected.items()},
    )
