"""The weights of the attention read-out, as a track shows them: they are those that the read-out itself reads with."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from engine import between, network
from engine.errors import DataError
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec, WhatIf

T, B = 9, 4
READOUT = ReadoutSpec(at="attention", attention_size=5)
PLAIN = LayerSpec(cell="lstm", hidden_size=3, bidirectional=True)
LAYERS = {
    "plain": (LayerSpec(cell="rnn", hidden_size=4),),
    "both directions": (LayerSpec(cell="gru", hidden_size=3), PLAIN),
    "dropout": (msgspec.structs.replace(PLAIN, dropout=0.4),),
    "normalised": (msgspec.structs.replace(PLAIN, batch_norm=True),),
    "residual": (LayerSpec(cell="gru", hidden_size=6), LayerSpec(cell="rnn", hidden_size=6, residual=True)),
}


def experiment(layers: tuple[LayerSpec, ...], shortest: int | None = None) -> Experiment:
    model = ModelSpec(layers=layers, readout=READOUT)
    return Experiment(
        model=model, task=AddingTask(steps=T, batch_size=B, shortest=shortest), dtype="float64", device="cpu", seed=2
    )


def weights_of(given: Experiment, sample: int, **source: Any) -> np.ndarray:
    found: Excerpt = run("excerpt", Look(Computed(given, **source), ("attention",), sample=sample))
    return found.arrays["attention"]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("shortest", [None, 4])
def test_the_read_out_of_the_weighted_states_is_the_networks_own(
    kind: str, shortest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they are softmax(vᵀ tanh(W y_t + b)) of what stands before the read-out, computed here a second time."""
    given = experiment(LAYERS[kind], None if kind == "normalised" else shortest)
    seen: list[Tensor] = []

    def watched(y: Tensor, *rest: Any) -> Tensor:
        seen.append(y.detach().clone())
        return between.readout_of(y, *rest)

    built = Network(given)
    with monkeypatch.context() as patch:
        patch.setattr(network, "readout_of", watched)
        trace = built.trace()
    (y,) = seen
    p = {name: weight.numpy() for name, weight in built.effective.items()}
    lengths = built.batch().lengths
    for sample in range(B):
        steps = T if lengths is None else int(lengths[sample])
        of = y[:steps, sample].numpy()
        scores = np.tanh(of @ p["attention.weight"].T + p["attention.bias"]) @ p["attention.query"]
        expected = np.exp(scores) / np.exp(scores).sum()
        found = weights_of(given, sample)
        assert found.shape == (T,)
        assert found.dtype == np.float64
        assert not found.flags.writeable
        np.testing.assert_allclose(found[:steps], expected, rtol=1e-12)
        assert (found[steps:] == 0).all()
        read = p["readout.weight"] @ (found[:steps, None] * of).sum(0) + p["readout.bias"]
        np.testing.assert_allclose(read, trace.outputs[sample].numpy(), rtol=1e-12)


def test_they_are_of_the_weights_that_compute_and_of_the_iteration_that_draws_the_dropout() -> None:
    given = experiment(LAYERS["dropout"])
    plain = weights_of(given, 0)
    assert np.abs(weights_of(given, 0, what_if=WhatIf(recurrent_scale=2.0)) - plain).max() > 1e-6
    start = {name: weight.numpy() for name, weight in Network(given).weights.items()}
    assert np.array_equal(weights_of(given, 0, weights=start), plain)
    later = Network(given, start).trace(iteration=3)
    found = weights_of(given, 0, weights=start, iteration=3)
    y = torch.cat([layer.values["h"] for layer in later.last_level.values()], 2)
    kept = Network(given).attention(y, later.layer.x, iteration=3)[:, 0]
    np.testing.assert_allclose(found, kept.numpy(), rtol=1e-12)
    assert np.abs(found - plain).max() > 1e-6


def test_in_a_narrow_type_they_are_its_own_and_still_add_up() -> None:
    found = weights_of(experiment(LAYERS["plain"]), 1, what_if=WhatIf(dtype="bfloat16"))
    assert found.sum() == pytest.approx(1, abs=T * 2.0**-8)


def test_another_read_out_has_none() -> None:
    given = msgspec.structs.replace(experiment(LAYERS["plain"]), model=ModelSpec(layers=LAYERS["plain"]))
    assert "attention" not in run("excerpt", Look(Computed(given), ("attention",))).arrays
    with pytest.raises(DataError, match="'last'"):
        Network(given).attention(torch.zeros(T, B, 4), torch.zeros(T, B, 2))
