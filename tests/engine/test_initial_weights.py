"""Initial weights: repeatable, the same network in every dtype, and what InitSpec says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from engine.initial import gate_rows, initial_weights
from engine.parameters import parameter_shapes
from engine.quantities import GATES
from engine.spec import AddingTask, CellKind, Dtype, Experiment, InitSpec, LayerSpec, ModelSpec

H = 24


def experiment(cell: CellKind, seed: int = 0, dtype: Dtype = "float64", **init: Any) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=H, init=InitSpec(**init))
    return Experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(), seed=seed, dtype=dtype)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_names_and_shapes_are_those_of_torch_nn(cell: CellKind) -> None:
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](2, H)
    expected = {name: tuple(p.shape) for name, p in module.named_parameters()}
    expected |= {f"readout.{name}": tuple(p.shape) for name, p in torch.nn.Linear(H, 1).named_parameters()}
    assert parameter_shapes(experiment(cell)) == expected
    assert {n: tuple(w.shape) for n, w in initial_weights(experiment(cell)).items()} == expected


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_same_seed_gives_the_same_bits_and_float32_is_the_rounded_float64(cell: CellKind) -> None:
    before = torch.get_rng_state()
    wide = initial_weights(experiment(cell, recurrent="orthogonal"))
    again = initial_weights(experiment(cell, recurrent="orthogonal"))
    narrow = initial_weights(experiment(cell, dtype="float32", recurrent="orthogonal"))
    other = initial_weights(experiment(cell, seed=1, recurrent="orthogonal"))
    for name, weight in wide.items():
        assert torch.equal(weight, again[name])
        assert torch.equal(weight.float(), narrow[name])
        assert not torch.equal(weight, other[name])
    assert torch.equal(before, torch.get_rng_state())


def test_the_default_is_uniform_between_plus_and_minus_one_over_root_h() -> None:
    bound = 1 / math.sqrt(H)
    for name, weight in initial_weights(experiment("lstm")).items():
        assert float(weight.abs().max()) <= bound, name
    W = initial_weights(experiment("lstm"))["weight_hh_l0"]
    # U(−b, b) has the variance b²/3 and E[w⁴] = b⁴/5, so the mean of n squares has the standard error b²√(4/45/n).
    assert float(W.square().mean()) == pytest.approx(bound**2 / 3, abs=4 * bound**2 * math.sqrt(4 / 45 / W.numel()))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_each_gates_block_is_orthogonal_times_the_gain(cell: CellKind) -> None:
    weights = initial_weights(experiment(cell, recurrent="orthogonal", gain=1.5))
    plain = initial_weights(experiment(cell))
    eye = torch.eye(H, dtype=torch.float64)
    for block in weights["weight_hh_l0"].split(H):
        torch.testing.assert_close(block @ block.T, 1.5**2 * eye)
    for name in set(weights) - {"weight_hh_l0"}:
        assert torch.equal(weights[name], plain[name]), "how one parameter is initialised leaves the others alone"


@pytest.mark.parametrize(("cell", "gate", "option"), [("lstm", "f", "forget_bias"), ("gru", "z", "update_bias")])
def test_a_gates_bias_is_the_sum_of_both(cell: CellKind, gate: str, option: str) -> None:
    weights = initial_weights(experiment(cell, **{option: 2.5}))
    plain = initial_weights(experiment(cell))
    rows = gate_rows(GATES[cell], gate, H)
    total = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    assert torch.equal(total[rows], torch.full((H,), 2.5, dtype=torch.float64))
    others = torch.ones(len(total), dtype=torch.bool)
    others[rows] = False
    assert torch.equal(total[others], (plain["bias_ih_l0"] + plain["bias_hh_l0"])[others])


def test_every_parameter_is_drawn_by_itself() -> None:
    weights = initial_weights(experiment("rnn"))
    assert not torch.equal(weights["bias_ih_l0"], weights["bias_hh_l0"])
    assert not torch.equal(weights["weight_hh_l0"][0], weights["bias_hh_l0"])
