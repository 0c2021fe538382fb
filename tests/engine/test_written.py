"""What a network writes by itself begins where the grammar begins, and is held to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_cases import OPTIMIZERS, experiment

from engine import judging, reber, tasks
from engine.network import Network
from engine.operations import run
from engine.spec import EmbeddingSpec, Experiment, LayerSpec, ModelSpec, ReadoutSpec, ReberTask, SunspotsTask
from engine.tasks import Batch, sunspots
from engine.training_requests import Judge, Judged, Train
from engine.written import foreseen


def of(task: Any, at: Any = "every", loss: Any = "cross_entropy", **more: Any) -> Experiment:
    layer = LayerSpec(cell="gru", hidden_size=more.pop("hidden_size", 12), **more.pop("layer", {}))
    embedding = EmbeddingSpec(symbols=7, size=4) if more.pop("embedded", False) else None
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at=at), loss=loss, embedding=embedding)
    return experiment(model=model, task=task, dtype="float64", **more)


def letters(word: tuple[int, ...]) -> str:
    return "".join("BTPSXVE"[symbol] for symbol in word)


@pytest.mark.parametrize("embedded", [False, True])
def test_strings_are_drawn_from_the_probabilities_that_torch_has(embedded: bool) -> None:
    """From B alone, with the draws of the seed; the first one takes the likeliest."""
    given = of(ReberTask(steps=20, batch_size=6), embedded=embedded)
    found: Judged = run("judge", Judge(given, None, free_running=15))
    assert found.written is not None
    network = Network(given)
    gru = nn.GRU(4 if embedded else 7, 12, dtype=torch.float64)
    gru.load_state_dict({n: w for n, w in network.weights.items() if n.endswith("_l0")})
    weight, bias = network.weights["readout.weight"], network.weights["readout.bias"]
    table = network.weights["embedding.weight"] if embedded else torch.eye(7, dtype=torch.float64)
    for number, word in enumerate(found.written.words):
        assert word[0] == 0, "B"
        assert len(word) <= 15
        assert letters(word).count("E") <= 2
        assert len(word) == 15 or letters(word).endswith("E")
        with torch.no_grad():
            chances = (gru(table[list(word)])[0] @ weight.T + bias).softmax(-1)
        if number == 0:
            assert chances.argmax(-1)[:-1].tolist() == list(word[1:])
        assert found.written.wrong[number] == reber.first_wrong(letters(word))
        assert found.written.belong[number] == reber.belongs(letters(word))
    assert len(set(found.written.words[1:])) > 1, "draws of their own"
    assert len(found.written.words) == 21
    assert found.free is None
    again: Judged = run("judge", Judge(given, None, free_running=15))
    assert again.written == found.written


def test_whoever_has_learned_the_grammar_writes_strings_of_it_and_foresees_what_may_come() -> None:
    given = of(ReberTask(steps=16, batch_size=32), hidden_size=16, optimizer=OPTIMIZERS["adam"], learning_rate=0.02)
    weights = run("train", Train(given, None, 0, 250)).weights
    before, after = (run("judge", Judge(given, one, free_running=17)) for one in (None, weights))
    assert sum(before.written.belong) == 0
    assert sum(after.written.belong) > 14
    assert before.foreseen == 0
    assert after.foreseen > 0.8 * after.sequences


def test_a_string_is_foreseen_where_what_may_come_is_likelier_than_all_else_at_every_step() -> None:
    """BTBTXSETE: at each step the outputs of what may come are 1 and of all else 0; then two of them change places at
    one step."""
    word = "BTBTXSETE"
    may = ["TP", "B", "TP", "SX", "XS", "E", "T", "E"]
    outputs = torch.tensor([[float(one in here) for one in "BTPSXVE"] for here in may])[:, None]
    symbols = torch.tensor([["BTPSXVE".index(one)] for one in word])
    batch = Batch(symbols[:-1], symbols[1:], torch.tensor([8]))
    assert foreseen(batch, outputs) == foreseen(batch.one_hot(7), outputs) == 1
    other = outputs.clone()
    other[6, 0, [1, 2]] = torch.tensor([0.0, 1.0])  # P where T was second
    assert foreseen(batch, other) == 0
    assert foreseen(batch, torch.zeros_like(outputs)) == 0, "as likely is not likelier"


def test_what_was_foreseen_is_counted_over_everything_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    given = of(ReberTask(steps=12, batch_size=5))
    monkeypatch.setattr(judging, "foreseen", lambda batch, outputs: batch.x.shape[1] - 1)
    found: Judged = run("judge", Judge(given, None, sequences=15))
    assert (found.foreseen, found.sequences) == (12, 15)


def test_a_forecast_at_the_last_step_is_read_as_the_next_number() -> None:
    """Answer k is that of a longer sequence, the forecasts before it at its end: against torch, each from its
    beginning."""
    given = of(SunspotsTask(steps=9, batch_size=50), "last", "mse", learning_rate=0.1)
    weights = run("train", Train(given, None, 0, 30)).weights
    found: Judged = run("judge", Judge(given, weights, shown=3, free_running=6))
    network = Network(given, weights)
    gru, out = nn.GRU(1, 12, dtype=torch.float64), nn.Linear(12, 1, dtype=torch.float64)
    gru.load_state_dict({n: w for n, w in network.weights.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): w for n, w in network.weights.items() if n.startswith("readout")})
    size, shift = sunspots.series()[:216].std(correction=0).item(), sunspots.series()[:216].mean().item()
    x = tasks.batch(given.task, given.model, 0, 0, part="validation").x[:, :3]
    assert found.free is not None
    assert found.free.shape == (3, 6)
    for k in range(6):
        with torch.no_grad():
            said = out(gru(x)[0][-1])
        np.testing.assert_allclose(found.free[:, k], (said * size + shift)[:, 0].numpy(), rtol=1e-10)
        x = torch.cat([x, said[None]])
    np.testing.assert_allclose(found.free[:, 0], found.predictions[:, 0], rtol=1e-10)
