"""Every quantity of a whole network's trace is autograd's: stacks of any kind, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from agreement import assert_agrees
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_network import STATES, TORCHS, Reference, reference
from torch import Tensor

from engine.initial import initial_weights
from engine.network import Network
from engine.parameters import input_size, places
from engine.spec import (
    AddingTask,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    RecurrentDropoutSpec,
    SunspotsTask,
    WhatIf,
)
from engine.tasks import Batch

Initial = dict[str, dict[str, Tensor]]

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@st.composite
def layers(draw: Any, reads: int, batch_size: int) -> LayerSpec:
    """A layer that reads so many numbers a step. `batch_size`: samples of every step; 1 where a step may have one."""
    cell = draw(st.sampled_from(["rnn", "lstm", "gru"]))
    H, bidirectional = draw(st.integers(1, 4)), draw(st.booleans())
    residual = draw(st.booleans())
    if residual:  # then both widths are the same
        bidirectional = bidirectional and reads % 2 == 0
        H = reads // 2 if bidirectional else reads
    # Two normalised numbers are ±1 whatever they were, but for ε: where that is small, nothing is left of the gradient
    # but rounding, which is no test of digits. Dead units make two numbers out of many.
    layer_norm, batch_norm = H >= 2 and draw(st.booleans()), batch_size >= 2 and draw(st.booleans())
    many = (not layer_norm or H >= 3) and (not batch_norm or (batch_size >= 3 and cell != "rnn"))
    norm_eps = draw(st.sampled_from([1e-5, 0.1])) if many else 0.1
    recurrent_dropout = draw(st.sampled_from([None, "sequence", "step"]))
    activations = ["tanh", "relu", "leaky_relu", "sigmoid", "identity"]
    return LayerSpec(
        cell=cell,
        hidden_size=H,
        activation=draw(st.sampled_from(activations)) if cell == "rnn" else "tanh",
        bidirectional=bidirectional,
        init=InitSpec(gain=draw(st.sampled_from([1.0, 1.5]))),
        layer_norm=layer_norm,
        norm_eps=norm_eps,
        recurrent_dropout=RecurrentDropoutSpec(p=0.4, mask=recurrent_dropout) if recurrent_dropout else None,
        batch_norm=batch_norm,
        dropout=draw(st.sampled_from([0.0, 0.0, 0.3])),
        dropout_mask=draw(st.sampled_from(["step", "sequence"])),
        residual=residual,
    )


@st.composite
def stacks(draw: Any, reads: int, batch_size: int) -> tuple[LayerSpec, ...]:
    found: list[LayerSpec] = []
    for _ in range(draw(st.integers(1, 3))):
        found.append(draw(layers(reads, batch_size)))
        reads = found[-1].width
    return tuple(found)


@st.composite
def experiments(draw: Any, dtype: str = "float64") -> Experiment:
    """Of numbers, with lengths or without."""
    B = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["adding", "lengths", "sunspots"]))
    if kind == "sunspots":
        task: Any = SunspotsTask(steps=draw(st.integers(1, 7)), batch_size=B)
    else:
        T = draw(st.integers(2, 7))
        shortest = draw(st.integers(2, T)) if kind == "lengths" else None
        task = AddingTask(steps=T, batch_size=B, shortest=shortest)
    loss = draw(st.sampled_from(["mse", "cross_entropy", "binary_cross_entropy"]))
    readout = ReadoutSpec(at=draw(st.sampled_from(["last", "every", "mean", "attention"])), attention_size=3)
    reads = input_size(ModelSpec(layers=(), loss=loss), task)
    # Where samples end at different steps, one of them may be left alone, which batch normalisation refuses.
    model = ModelSpec(layers=draw(stacks(reads, 1 if kind == "lengths" else B)), readout=readout, loss=loss)
    return Experiment(model=model, task=task, seed=draw(st.integers(0, 99)), dtype=dtype, device="cpu")


def weights_of(experiment: Experiment, seed: int = 0) -> dict[str, Tensor]:
    """Initial weights, with γ and β of the normalisations away from 1 and 0."""
    source = torch.Generator().manual_seed(seed)
    found = initial_weights(experiment)
    for name, weight in found.items():
        if "norm" in name:
            noise = torch.rand(weight.shape, generator=source, dtype=torch.float64)
            found[name] = weight + (noise - 0.4).to(weight)
    return found


def starting(experiment: Experiment, B: int) -> Initial:
    """Initial states of every layer."""
    source, dtype = torch.Generator().manual_seed(experiment.seed), TORCHS[experiment.dtype]
    return {
        place.name: {
            s: torch.randn(B, place.spec.hidden_size, generator=source, dtype=torch.float64).to(dtype) * 0.5
            for s in STATES[place.spec.cell]
        }
        for place in places(experiment)
    }


def nudged(tensor: Tensor, source: torch.Generator) -> Tensor:
    """Off by up to eight roundings; in float64."""
    if not tensor.is_floating_point():
        return tensor
    noise = torch.rand(tensor.shape, generator=source, dtype=torch.float64) * 2 - 1
    return tensor.double() * (1 + 8 * torch.finfo(tensor.dtype).eps * noise)


def nearby(
    experiment: Experiment, weights: dict[str, Tensor], batch: Batch, initial: Initial | None = None, **more: Any
) -> Reference:
    """The reference, in float64, of a network that differs in nothing but roundings."""
    source = torch.Generator().manual_seed(0)
    weights = {name: nudged(weight, source) for name, weight in weights.items()}
    batch = Batch(nudged(batch.x, source), nudged(batch.targets, source), batch.lengths)
    initial = {n: {s: nudged(state, source) for s, state in own.items()} for n, own in (initial or {}).items()}
    what_if = msgspec.structs.replace(more.pop("what_if", WhatIf()), dtype="float64")
    return reference(experiment, weights, batch, what_if, initial=initial, **more)


def check(experiment: Experiment, batch: Batch | None = None, started: bool = False, iteration: int = 1) -> float:
    weights = weights_of(experiment)
    network = Network(experiment, weights)
    batch = network.batch(iteration) if batch is None else batch
    initial = starting(experiment, batch.x.shape[1]) if started else None
    trace = network.trace(batch=batch, iteration=iteration, initial=initial)
    expected = reference(experiment, weights, batch, iteration=iteration, initial=initial)
    return assert_agrees(trace, expected, nearby(experiment, weights, batch, initial, iteration=iteration))
