"""Text in streams, trained by hand: cells written out, truncation by its definition and loss by loss, scheduled
sampling from the same random numbers, states carried on, and torch's own clipping and optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_cases import CLIP, as_parameters, experiment

from engine import tasks
from engine.data import TextChoices, import_text, look_at
from engine.draws import generator, uniform
from engine.network import Network
from engine.operations import run
from engine.session import Session, load, save
from engine.spec import (
    EmbeddingSpec,
    Experiment,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    ReadoutSpec,
    SamplingSpec,
    TruncationSpec,
)
from engine.training_requests import Train

T, B, ITERATIONS = 6, 3, 9
States = tuple[Tensor, ...]
"""h and c of the LSTM, h of the GRU above it: (B, H) each."""


def cells(p: dict[str, nn.Parameter], x: Tensor, states: States) -> States:
    """One step of both layers, as torch's documentation has them."""
    h, c, top = states
    gates = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
    i, f, g, o = gates.chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    read = (h @ p["weight_ih_l1"].T + p["bias_ih_l1"]).chunk(3, 1)
    back = (top @ p["weight_hh_l1"].T + p["bias_hh_l1"]).chunk(3, 1)
    r, z = (read[0] + back[0]).sigmoid(), (read[1] + back[1]).sigmoid()
    n = (read[2] + r * back[2]).tanh()
    return h, c, (1 - z) * n + z * top


def logits(p: dict[str, nn.Parameter], states: States) -> Tensor:
    return states[-1] @ p["readout.weight"].T + p["readout.bias"]


def read_as(p: dict[str, nn.Parameter], symbols: Tensor, count: int) -> Tensor:
    if "embedding.weight" in p:
        return p["embedding.weight"][symbols]
    return torch.eye(count, dtype=torch.float64)[symbols]


def as_sampled(given: Experiment, p: dict[str, nn.Parameter], truth: Tensor, began: States, iteration: int) -> Tensor:
    """(T, B): each symbol but the first is the truth, or what the network itself says at the step before."""
    sampling = given.training.sampling
    if sampling is None:
        return truth
    share = max(sampling.floor, sampling.k - sampling.c * iteration)
    own = uniform((T, B), 0.0, 1.0, generator(given.seed, "scheduled sampling", iteration)) >= share
    draws = uniform((T, B), 0.0, 1.0, generator(given.seed, "sampled symbols", iteration))
    found, states, count = truth.clone(), began, len(p["readout.bias"])
    for t in range(T - 1):
        states = cells(p, read_as(p, found[t], count), states)
        for b in range(B):
            if own[t + 1, b]:
                below, chosen = 0.0, count - 1
                for symbol, share_of in enumerate(logits(p, states)[b].softmax(0).tolist()):
                    below += share_of
                    if below > draws[t, b]:
                        chosen = symbol
                        break
                found[t + 1, b] = chosen
    return found


def losses_back(given: Experiment, p: dict[str, nn.Parameter], read: Tensor, targets: Tensor, began: States) -> float:
    """Gradients into `p`, loss by loss: each one's own run from the states before the first step that it reaches."""
    cut, count, before = given.training.truncation, len(p["readout.bias"]), [began]
    with torch.no_grad():
        for t in range(T):
            before.append(cells(p, read_as(p, read[t], count), before[-1]))
    total = 0.0
    for t in range(1, T + 1):
        first = 1 if cut is None else max(1, cut.k1 * -(-t // cut.k1) - cut.k2 + 1)
        states = before[first - 1]
        for k in range(first, t + 1):
            states = cells(p, read_as(p, read[k - 1], count), states)
        loss = nn.functional.cross_entropy(logits(p, states), targets[t - 1]) / T
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


def by_hand(given: Experiment) -> tuple[dict[str, nn.Parameter], States, list[float]]:
    training = given.training
    p = as_parameters(Network(given).weights)
    optimizer = torch.optim.Adam(p.values(), lr=training.learning_rate)
    began: States = tuple(torch.zeros(B, layer, dtype=torch.float64) for layer in (3, 3, 4))
    losses = []
    for iteration in range(ITERATIONS):
        batch = tasks.batch(given.task, given.model, given.seed, iteration, torch.float64)
        truth = batch.x if "embedding.weight" in p else batch.x.argmax(-1)
        with torch.no_grad():
            read = as_sampled(given, p, truth, began, iteration)
        optimizer.zero_grad()
        losses.append(losses_back(given, p, read, batch.targets, began))
        with torch.no_grad():
            states = began
            for t in range(T):
                states = cells(p, read_as(p, read[t], len(p["readout.bias"])), states)
        if training.carry:
            began = states
        nn.utils.clip_grad_norm_(p.values(), CLIP.max_norm)
        optimizer.step()
    return p, began, losses


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.txt").write_text("".join(chr(97 + (n * n + n // 5) % 7) for n in range(900)), encoding="utf-8")
    return import_text(look_at(tmp_path / "a.txt"), TextChoices(steps=T, batch_size=B, order="stream"))


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("sampling", [None, SamplingSpec(k=0.7, c=0.02, floor=0.4)])
@pytest.mark.parametrize(
    "truncation", [None, TruncationSpec(k1=2, k2=3), TruncationSpec(k1=1, k2=2), TruncationSpec(k1=3, k2=3)]
)
@pytest.mark.parametrize("carry", [True, False])
def test_text_is_trained_as_by_hand_also_in_chunks_and_through_a_file(
    text: Any, tmp_path: Path, embedded: bool, sampling: Any, truncation: Any, carry: bool
) -> None:
    model = ModelSpec(
        layers=(LayerSpec(cell="lstm", hidden_size=3), LayerSpec(cell="gru", hidden_size=4)),
        embedding=EmbeddingSpec(symbols=text.symbols, size=3) if embedded else None,
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    given = experiment(
        model=model, task=text, dtype="float64", learning_rate=0.05, optimizer=OptimizerSpec(kind="adam"), clip=CLIP,
        carry=carry, sampling=sampling, truncation=truncation,
    )  # fmt: skip
    parameters, carried, losses = by_hand(given)
    first = run("train", Train(given, None, 0, 4))
    save(Session(given, iteration=4, history={4: first.weights}), tmp_path / "a.gflow")
    rest = run("train", Train(given, load(tmp_path / "a.gflow").history[4], 4, ITERATIONS - 4))
    assert [*first.losses, *rest.losses] == pytest.approx(losses, rel=1e-9)
    for name, parameter in parameters.items():
        np.testing.assert_allclose(rest.weights[name], parameter.detach().numpy(), rtol=1e-8, atol=1e-11, err_msg=name)
    for name, state in zip(("l0.h", "l0.c", "l1.h"), carried, strict=True):
        if carry:
            np.testing.assert_allclose(rest.weights[f"carried.{name}"], state.numpy(), rtol=1e-8, atol=1e-11)
        else:
            assert f"carried.{name}" not in rest.weights
    if sampling is not None:
        plain = msgspec.structs.replace(given.training, sampling=None)
        truth = run("train", Train(msgspec.structs.replace(given, training=plain), None, 0, 4))
        assert first.losses != truth.losses, "something was sampled"
