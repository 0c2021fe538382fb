"""Initial weights: repeatable, the same network in every dtype, and what InitSpec says."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.draws import generator, orthogonal
from engine.errors import DataError, SpecError
from engine.initial import gate_rows, initial_weights, layer_weights
from engine.parameters import Place, parameter_shapes
from engine.quantities import GATES
from engine.spec import (
    AddingTask,
    CellKind,
    CopyTask,
    Dtype,
    EmbeddingSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
)

H = 24
CELLS: list[CellKind] = ["rnn", "lstm", "gru"]


def experiment(cell: CellKind, seed: int = 0, dtype: Dtype = "float64", **init: Any) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=H, init=InitSpec(**init))
    return Experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(), seed=seed, dtype=dtype)


def stack(dtype: Dtype = "float64", seed: int = 0) -> Experiment:
    """Everything that has parameters: an embedding, both directions, both normalisations, attention."""
    layers = (
        LayerSpec(cell="lstm", hidden_size=6, bidirectional=True, batch_norm=True),
        LayerSpec(cell="gru", hidden_size=5, layer_norm=True),
        LayerSpec(cell="rnn", hidden_size=40, bidirectional=True),
    )
    readout = ReadoutSpec(at="attention", attention_size=200)
    model = ModelSpec(layers=layers, readout=readout)
    return Experiment(model=model, task=AddingTask(), seed=seed, dtype=dtype)


def copying(size: int = 3) -> Experiment:
    model = ModelSpec(
        layers=(LayerSpec(cell="rnn", hidden_size=H),),
        embedding=EmbeddingSpec(symbols=2000, size=size),
        readout=ReadoutSpec(at="every"),
        loss="cross_entropy",
    )
    return Experiment(model=model, task=CopyTask(), dtype="float64")


def layer(cell: CellKind, input_size: int = 2, hidden_size: int = H, seed: int = 0, **init: Any) -> dict[str, Tensor]:
    return layer_weights(
        Place(0, False, LayerSpec(cell=cell, hidden_size=hidden_size, init=InitSpec(**init)), input_size), seed
    )


def old_weights(
    cell: CellKind, seed: int, recurrent: str = "default", gain: float = 1.0, **bias: float
) -> dict[str, Tensor]:
    """What version 0.1 made of one layer, one direction and a read-out, written out once more: sessions and presets
    that do not keep their weights come back with these."""

    def stream(name: str) -> torch.Generator:
        digest = hashlib.sha256(f"{seed}/{name}/0".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") // 2)

    rows = {"rnn": H, "lstm": 4 * H, "gru": 3 * H}[cell]
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih_l0": (rows, 2),
        "weight_hh_l0": (rows, H),
        "bias_ih_l0": (rows,),
        "bias_hh_l0": (rows,),
        "readout.weight": (1, H),
        "readout.bias": (1,),
    }
    low, high = -1 / math.sqrt(H), 1 / math.sqrt(H)
    found = {
        name: torch.rand(shape, generator=stream(name), dtype=torch.float64) * (high - low) + low
        for name, shape in shapes.items()
    }
    if recurrent == "orthogonal":
        source = stream("weight_hh_l0 orthogonal")
        for start in range(0, rows, H):
            Q, R = torch.linalg.qr(torch.randn((H, H), generator=source, dtype=torch.float64))
            found["weight_hh_l0"][start : start + H] = Q * R.diagonal().sign()
    found["weight_hh_l0"] = found["weight_hh_l0"] * gain
    for value in bias.values():  # f is the second gate of the LSTM, z of the GRU
        found["bias_ih_l0"][H : 2 * H] = value
        found["bias_hh_l0"][H : 2 * H] = 0.0
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("seed", [0, 12345])
@pytest.mark.parametrize("recurrent", ["default", "orthogonal"])
def test_weights_keep_the_bits_that_saved_experiments_have(cell: CellKind, seed: int, recurrent: str) -> None:
    biases: dict[CellKind, dict[str, float]] = {"rnn": {}, "lstm": {"forget_bias": 1.5}, "gru": {"update_bias": -2.0}}
    for options in ({}, {"gain": 1.1}, biases[cell]):
        expected = old_weights(cell, seed, recurrent, **options)
        for dtype, name in ((torch.float64, "float64"), (torch.float32, "float32")):
            found = initial_weights(experiment(cell, seed, name, recurrent=recurrent, **options))  # type: ignore[arg-type]
            assert list(found) == list(expected)
            for key, weight in expected.items():
                assert torch.equal(found[key], weight.to(dtype)), (key, options)


@pytest.mark.parametrize("cell", CELLS)
def test_names_and_shapes_are_those_of_torch_nn(cell: CellKind) -> None:
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](2, H)
    expected = {name: tuple(p.shape) for name, p in module.named_parameters()}
    expected |= {f"readout.{name}": tuple(p.shape) for name, p in torch.nn.Linear(H, 1).named_parameters()}
    assert parameter_shapes(experiment(cell)) == expected
    assert {n: tuple(w.shape) for n, w in initial_weights(experiment(cell)).items()} == expected


@pytest.mark.parametrize("given", [stack(), copying()])
def test_every_parameter_of_a_stack_is_there_in_its_shape(given: Experiment) -> None:
    found = initial_weights(given)
    assert {name: tuple(weight.shape) for name, weight in found.items()} == parameter_shapes(given)
    assert list(found) == list(parameter_shapes(given))
    assert all(weight.dtype == torch.float64 for weight in found.values())


@pytest.mark.parametrize("cell", CELLS)
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


def test_the_callers_modes_and_default_device_do_not_reach_the_weights() -> None:
    plain = initial_weights(stack())
    with torch.inference_mode(), torch.device("meta"), torch.autocast("cpu", dtype=torch.bfloat16):
        found = initial_weights(stack())
    for name, weight in plain.items():
        assert torch.equal(found[name], weight)
        assert not found[name].is_inference(), "it could not be differentiated"


def within(found: Tensor, variance: float, kurtosis: float) -> bool:
    """Whether the mean of the squares is the variance, within 4 of its standard errors σ²√((κ − 1)/n), and the mean is
    0, within 4 of σ/√n. κ = E[w⁴]/σ⁴: 9/5 for the uniform distribution and 3 for the normal one."""
    n = found.numel()
    square_error = variance * math.sqrt((kurtosis - 1) / n)
    return abs(float(found.square().mean()) - variance) < 4 * square_error and abs(float(found.mean())) < 4 * math.sqrt(
        variance / n
    )


UNIFORM, NORMAL = 9 / 5, 3.0


@pytest.mark.parametrize("cell", CELLS)
def test_the_default_is_uniform_between_plus_and_minus_one_over_root_h(cell: CellKind) -> None:
    bound = 1 / math.sqrt(H)
    for name, weight in initial_weights(experiment(cell)).items():
        assert float(weight.abs().max()) <= bound, name
    assert within(initial_weights(experiment(cell))["weight_hh_l0"], bound**2 / 3, UNIFORM)


def test_each_layer_of_a_stack_has_the_bound_of_its_own_size_and_every_direction_its_own_draws() -> None:
    found = initial_weights(stack())
    for depth, size in enumerate((6, 5, 40)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            weight = found[f"{name}_l{depth}"]
            # The largest of n is below .8 of the bound with the probability .8ⁿ; the smallest has n = 15.
            assert 0.8 / math.sqrt(size) < float(weight.abs().max()) <= 1 / math.sqrt(size), name
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        assert not torch.equal(found[f"{name}_l0"], found[f"{name}_l0_reverse"])


def test_the_first_layer_does_not_change_when_others_are_put_on_top() -> None:
    found = initial_weights(stack())
    alone = initial_weights(
        Experiment(model=ModelSpec(layers=stack().model.layers[:1]), task=AddingTask(), dtype="float64")
    )
    for name in (name for name in alone if name.endswith(("_l0", "_l0_reverse"))):
        assert torch.equal(found[name], alone[name])


def test_a_read_out_and_an_attention_are_torchs_linear_maps_of_all_they_read() -> None:
    found = initial_weights(stack())
    assert found["readout.weight"].shape == (1, 80)  # 40 in both directions
    for name, fan_in, n in (
        ("readout.weight", 80, 80),
        ("attention.weight", 80, 16_000),
        ("attention.query", 200, 200),
    ):
        largest = float(found[name].abs().max())
        assert largest <= 1 / math.sqrt(fan_in), name
        # Below x of the bound with the probability xⁿ: x = 1e-4^(1/n).
        assert largest > 1e-4 ** (1 / n) / math.sqrt(fan_in), name
    assert float(found["attention.bias"].abs().max()) <= 1 / math.sqrt(80)
    assert float(found["readout.bias"].abs().max()) <= 1 / math.sqrt(80)
    assert within(found["attention.weight"], 1 / 80 / 3, UNIFORM)


def test_an_embedding_is_standard_normal_and_normalisations_start_as_the_identity() -> None:
    assert within(initial_weights(copying())["embedding.weight"], 1.0, NORMAL)
    found = initial_weights(stack())
    for name in ("batch_norm_l0.weight", "norm_weight_l1"):
        assert torch.equal(found[name], torch.ones_like(found[name]))
    for name in ("batch_norm_l0.bias", "norm_bias_l1"):
        assert torch.equal(found[name], torch.zeros_like(found[name]))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("name", "option", "fan_in"), [("weight_ih", "input", 100), ("weight_hh", "recurrent", H)])
def test_xavier_he_and_normal_have_their_papers_bounds_and_variances(
    cell: CellKind, name: str, option: str, fan_in: int
) -> None:
    for block in layer(cell, 100, **{option: "xavier"})[name].split(H):
        bound = math.sqrt(6 / (fan_in + H))  # Glorot & Bengio 2010, eq. 16
        assert 0.98 * bound < float(block.abs().max()) <= bound  # .98^576 = 9e-6
        assert within(block, 2 / (fan_in + H), UNIFORM)  # eq. 12
    for block in layer(cell, 100, **{option: "he"})[name].split(H):
        assert within(block, 2 / fan_in, NORMAL)  # He et al. 2015, eq. 10
        assert float(block.abs().max()) > 2.5 * math.sqrt(2 / fan_in), "normal, not uniform: P(none beyond) = 8e-4"
    for block in layer(cell, 100, std=0.14, **{option: "normal"})[name].split(H):
        assert within(block, 0.14**2, NORMAL)


@pytest.mark.parametrize("cell", CELLS)
def test_each_gates_block_is_orthogonal_times_the_gain(cell: CellKind) -> None:
    weights = initial_weights(experiment(cell, recurrent="orthogonal", gain=1.5))
    plain = initial_weights(experiment(cell))
    eye = torch.eye(H, dtype=torch.float64)
    blocks = weights["weight_hh_l0"].split(H)
    for block in blocks:
        torch.testing.assert_close(block @ block.T / 1.5**2, eye, rtol=0, atol=1e-12)
    assert len({float(block[0, 0]) for block in blocks}) == len(blocks), "each gate has its own"
    for name in set(weights) - {"weight_hh_l0"}:
        assert torch.equal(weights[name], plain[name]), "how one parameter is initialised leaves the others alone"


@pytest.mark.parametrize("input_size", [1, 7, H, 60])
def test_the_blocks_of_an_orthogonal_weight_ih_have_orthonormal_rows_or_columns(input_size: int) -> None:
    for block in layer("lstm", input_size, input="orthogonal")["weight_ih"].split(H):
        assert block.shape == (H, input_size)
        gram = block @ block.T if input_size > H else block.T @ block
        torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64), rtol=0, atol=1e-12)


def test_random_orthogonal_matrices_are_uniform_over_all_of_them() -> None:
    """Mezzadri 2007: then an entry has the mean 0 and the variance 1/n, and the trace the variance 1. QR alone gives a
    diagonal of R of one sign, and entries that are not."""
    n, many, source = 3, 2000, generator(0, "test")
    found = torch.stack([orthogonal(n, n, source) for _ in range(many)])
    entries = found.mean(0)
    torch.testing.assert_close(entries, torch.zeros_like(entries), rtol=0, atol=4.5 / math.sqrt(n * many))
    traces = found.diagonal(dim1=1, dim2=2).sum(1)
    # E[tr⁴] = 3 for the orthogonal group (Diaconis & Shahshahani 1994), so a mean of tr² errs by √(2/many).
    assert float(traces.square().mean()) == pytest.approx(1.0, abs=4 * math.sqrt(2 / many))


@pytest.mark.parametrize("cell", CELLS)
def test_the_identity_is_the_identity_in_every_block_times_the_gain(cell: CellKind) -> None:
    """Le et al. 2015: W_hh the identity, biases zero."""
    found = layer(cell, recurrent="identity", bias="zero", gain=0.5)
    for block in found["weight_hh"].split(H):
        assert torch.equal(block, 0.5 * torch.eye(H, dtype=torch.float64))
    assert not bool(found["bias_ih"].any())
    assert not bool(found["bias_hh"].any())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("recurrent", ["default", "xavier", "he", "orthogonal", "identity", "normal"])
@pytest.mark.parametrize("radius", [0.0, 0.95, 1.2])
def test_each_gates_block_has_the_spectral_radius_that_was_asked_for(
    cell: CellKind, recurrent: str, radius: float
) -> None:
    std = 0.2 if recurrent == "normal" else None
    found = layer(cell, recurrent=recurrent, std=std, gain=3.0, spectral_radius=radius)["weight_hh"]
    before = layer(cell, recurrent=recurrent, std=std)["weight_hh"]
    for block, plain in zip(found.split(H), before.split(H), strict=True):
        assert float(torch.linalg.eigvals(block).abs().max()) == pytest.approx(radius, rel=1e-10, abs=1e-300)
        factor = float((block * plain).sum() / plain.square().sum())
        torch.testing.assert_close(block, factor * plain, rtol=1e-12, atol=0)
        assert factor > 0 or radius == 0


def test_the_spectral_radius_is_the_same_in_float32_to_its_rounding() -> None:
    W = initial_weights(experiment("rnn", dtype="float32", spectral_radius=1.0))["weight_hh_l0"]
    assert float(torch.linalg.eigvals(W.double()).abs().max()) == pytest.approx(1.0, abs=1e-6)


def test_weights_that_cannot_have_a_spectral_radius_are_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match=r"^spectral_radius is 1, but weight_hh_l0 is nilpotent: "):
        initial_weights(experiment("rnn", gain=0.0, spectral_radius=1.0))


@pytest.mark.parametrize(("cell", "gate", "option"), [("lstm", "f", "forget_bias"), ("gru", "z", "update_bias")])
@pytest.mark.parametrize("bias", ["default", "zero"])
def test_a_gates_bias_is_the_sum_of_both(cell: CellKind, gate: str, option: str, bias: str) -> None:
    weights = initial_weights(experiment(cell, bias=bias, **{option: 2.5}))
    plain = initial_weights(experiment(cell, bias=bias))
    rows = gate_rows(GATES[cell], gate, H)
    total = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    assert torch.equal(total[rows], torch.full((H,), 2.5, dtype=torch.float64))
    others = torch.ones(len(total), dtype=torch.bool)
    others[rows] = False
    assert torch.equal(total[others], (plain["bias_ih_l0"] + plain["bias_hh_l0"])[others])
    assert bool(total[others].any()) == (bias == "default")


def total_bias(found: dict[str, Tensor], cell: CellKind, gate: str, hidden_size: int) -> Tensor:
    return (found["bias_ih"] + found["bias_hh"])[gate_rows(GATES[cell], gate, hidden_size)]


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "f"), ("gru", "z")])
@pytest.mark.parametrize("longest", [3, 200])
def test_chrono_spreads_the_memories_of_the_units_uniformly_up_to_the_longest(
    cell: CellKind, gate: str, longest: int
) -> None:
    """Tallec & Ollivier 2018, eq. 16: b_f = log U(1, T_max − 1), b_i = −b_f. A unit whose gate keeps σ(b) of the old
    state forgets in 1/(1 − σ(b)) = 1 + u steps."""
    n = 1000
    found = layer(cell, hidden_size=n, chrono=longest)
    keep = total_bias(found, cell, gate, n)
    u = (1 / (1 - torch.sigmoid(keep)) - 1).sort().values
    assert float(u[0]) >= 1.0 - 1e-9
    assert float(u[-1]) <= longest - 1 + 1e-9
    # Kolmogorov and Smirnov: the distribution function errs by more than 1.95/√n once in a thousand times.
    steps = torch.arange(n, dtype=torch.float64)
    exact = (u - 1) / (longest - 2)
    assert float(torch.maximum(exact - steps / n, (steps + 1) / n - exact).max()) < 1.95 / math.sqrt(n)
    if cell == "lstm":
        torch.testing.assert_close(total_bias(found, cell, "i", n), -keep, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("cell", "changed"), [("lstm", ("i", "f")), ("gru", ("z",))])
def test_chrono_leaves_all_other_biases_alone(cell: CellKind, changed: tuple[str, ...]) -> None:
    found, plain = layer(cell, chrono=50), layer(cell)
    for gate in GATES[cell]:
        rows = gate_rows(GATES[cell], gate, H)
        for name in ("bias_ih", "bias_hh"):
            assert torch.equal(found[name][rows], plain[name][rows]) == (gate not in changed)


@pytest.mark.parametrize(
    ("cell", "init", "gates"),
    [
        ("lstm", {"forget_bias": 2.0}, ("f",)),
        ("gru", {"update_bias": 2.0}, ("z",)),
        ("lstm", {"chrono": 50}, ("f", "i")),
        ("gru", {"chrono": 50}, ("z",)),
    ],
)
def test_where_a_layer_is_normalised_beta_carries_a_gates_bias(
    cell: CellKind, init: dict[str, Any], gates: tuple[str, ...]
) -> None:
    """Normalised over the units of a gate, a shift of all of them is gone: at the forget bias it would do nothing."""
    spec = LayerSpec(cell=cell, hidden_size=H, layer_norm=True, init=InitSpec(**init))
    found, without = layer_weights(Place(0, False, spec, 2), 0), layer(cell, **init)
    plain = layer(cell)
    for gate in GATES[cell]:
        rows = gate_rows(GATES[cell], gate, H)
        expected = total_bias(without, cell, gate, H) if gate in gates else torch.zeros(H, dtype=torch.float64)
        assert torch.equal(found["norm_bias"][rows], expected)
    for name, weight in plain.items():
        assert torch.equal(found[name], weight)
    assert torch.equal(found["norm_weight"], torch.ones(len(found["norm_weight"]), dtype=torch.float64))


@pytest.mark.parametrize(
    ("cell", "init", "changed"),
    [
        *[(cell, {"input": way}, {"weight_ih"}) for cell in CELLS for way in ("xavier", "he", "orthogonal")],
        *[(cell, {"recurrent": way}, {"weight_hh"}) for cell in CELLS for way in ("xavier", "he", "orthogonal")],
        *[(cell, {"recurrent": "identity"}, {"weight_hh"}) for cell in CELLS],
        *[(cell, {"recurrent": "normal", "std": 0.1}, {"weight_hh"}) for cell in CELLS],
        *[(cell, {"input": "normal", "std": 0.1}, {"weight_ih"}) for cell in CELLS],
        *[(cell, {"gain": 1.1}, {"weight_hh"}) for cell in CELLS],
        *[(cell, {"spectral_radius": 1.1}, {"weight_hh"}) for cell in CELLS],
        *[(cell, {"bias": "zero"}, {"bias_ih", "bias_hh"}) for cell in CELLS],
        ("lstm", {"forget_bias": 1.0}, {"bias_ih", "bias_hh"}),
        ("gru", {"update_bias": 1.0}, {"bias_ih", "bias_hh"}),
        ("lstm", {"chrono": 30}, {"bias_ih", "bias_hh"}),
        ("gru", {"chrono": 30}, {"bias_ih", "bias_hh"}),
    ],
)
def test_an_option_changes_what_it_names_and_not_a_bit_of_anything_else(
    cell: CellKind, init: dict[str, Any], changed: set[str]
) -> None:
    plain, found = layer(cell), layer(cell, **init)
    assert {name for name in plain if not torch.equal(plain[name], found[name])} == changed


def test_every_parameter_is_drawn_by_itself() -> None:
    weights = initial_weights(experiment("rnn"))
    assert not torch.equal(weights["bias_ih_l0"], weights["bias_hh_l0"])
    assert not torch.equal(weights["weight_hh_l0"][0], weights["bias_hh_l0"])


@pytest.mark.parametrize("cell", CELLS)
def test_one_layer_by_itself_has_the_weights_that_it_has_in_an_experiment(cell: CellKind) -> None:
    whole = initial_weights(experiment(cell, seed=5, recurrent="orthogonal"))
    for name, weight in layer(cell, seed=5, recurrent="orthogonal").items():
        assert torch.equal(weight, whole[f"{name}_l0"])


def test_a_wrong_layer_or_seed_is_refused_with_a_sentence() -> None:
    with pytest.raises(SpecError, match=r"^layer\.hidden_size is 0; a whole number from 1 to 4,096 is accepted\.$"):
        layer("rnn", hidden_size=0)
    with pytest.raises(SpecError, match=r"^layer\.init\.gain is 'big'; a number is accepted\.$"):
        layer("rnn", gain="big")
    with pytest.raises(SpecError, match=r"^input_size is 0; a whole number from 1 to 1,000,000 is accepted\.$"):
        layer("rnn", 0)
    with pytest.raises(SpecError, match=r"^input_size is 1\.5; a whole number is accepted\.$"):
        layer("rnn", 1.5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^seed is 'x'; a whole number is accepted\.$"):
        layer("rnn", seed="x")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"^seed is -1; "):
        initial_weights(experiment("rnn", seed=-1))
