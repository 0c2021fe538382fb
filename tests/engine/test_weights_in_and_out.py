"""State dicts and weight files go in and out unchanged, and a stranger's file does no harm."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import engine
from engine.network import Network
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec
from engine.weights import fitted, module_of, read_weights, state_of, write_weights

MODULES = [
    nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    nn.GRU(2, 5, dtype=torch.float64),
    nn.RNN(3, 4, num_layers=3, bias=False),
    nn.LSTM(3, 4, dtype=torch.bfloat16),
]


def loss(y: Tensor) -> Tensor:
    return y.pow(2).sum()


def test_a_file_holds_every_tensor_to_the_bit(tmp_path: Path) -> None:
    for module in MODULES:
        state = module.state_dict()
        for path in (tmp_path / "w.safetensors", tmp_path / "w.pt"):
            if path.suffix == ".pt":
                torch.save(state, path)
            else:
                write_weights(path, state)
            found = read_weights(path)
            assert found.keys() == state.keys()
            for name, tensor in state.items():
                assert found[name].dtype == tensor.dtype
                assert torch.equal(found[name], tensor)


def test_the_module_is_read_off_its_weights_and_gives_the_same_trace() -> None:
    for module in MODULES[:3]:
        again = module_of({f"encoder.rnn.{n}": t for n, t in module.state_dict().items()}, "encoder.rnn.")
        assert type(again) is type(module)
        x = torch.randn(5, 2, module.input_size, dtype=module.weight_hh_l0.dtype)
        ours, theirs = (engine.trace(one, x, loss=loss).numpy() for one in (again, module))
        assert ours.keys() == theirs.keys()
        assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_cell_s_weights_make_a_layer() -> None:
    cell = nn.GRUCell(3, 4)
    x = torch.randn(6, 2, 3)
    ours, theirs = (engine.trace(one, x, loss=loss)["l0"] for one in (module_of(cell.state_dict()), cell))
    assert torch.equal(ours.grads["h"], theirs.grads["h"])


def test_an_experiment_takes_the_layers_of_somebody_s_model_and_gives_them_back() -> None:
    module = nn.LSTM(2, 6, num_layers=2, dtype=torch.float64)
    layers = (LayerSpec(cell="lstm", hidden_size=6), LayerSpec(cell="lstm", hidden_size=6))
    experiment = Experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=5), dtype="float64")
    network = Network(experiment, fitted(experiment, state_of(module)))
    for name, tensor in module.state_dict().items():
        assert torch.equal(network.effective[name], tensor)
    other = nn.LSTM(2, 6, num_layers=2, dtype=torch.float64)
    other.load_state_dict({name: w for name, w in network.effective.items() if "." not in name})
    assert torch.equal(other.weight_hh_l1, module.weight_hh_l1)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("went-off"),))  # type: ignore[return-value]


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.pt"
    path.write_bytes(pickle.dumps({"weight_hh_l0": _Bomb()}))
    with pytest.raises(engine.DataError, match="safely"):
        read_weights(path)
    torch.save({"weight_hh_l0": _Bomb()}, path)
    with pytest.raises(engine.DataError, match="safely"):
        read_weights(path)
    assert not (tmp_path / "went-off").exists()


def twice() -> bytes:
    entry = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    header = f'{{"a": {entry}, "a": {entry}}}'.encode()
    return len(header).to_bytes(8, "little") + header + b"\0\0\0\0"


BROKEN = {
    "twice": twice(),
    "empty": b"",
    "short": b"\x05\0\0\0",
    "huge header": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": (4).to_bytes(8, "little") + b"\xff\xff\xff\xff",
    "a shape beyond the file": (63).to_bytes(8, "little")
    + b'{"a": {"dtype": "F32", "shape": [9999], "data_offsets": [0, 4]}}'[:63]
    + b"\0\0\0\0",
    "nested": (20_002).to_bytes(8, "little") + b"[" * 10_001 + b"]" * 10_001,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_gives_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(engine.DataError, match=r"w\.safetensors") as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_every_wrong_state_gets_a_sentence(tmp_path: Path) -> None:
    lstm = nn.LSTM(3, 4)
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"a": 1}, tmp_path / "number.pt")
    experiment = Experiment(model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=4),)), task=AddingTask(steps=5))
    wrong: list[tuple[Any, str]] = [
        (lambda: read_weights(tmp_path / "none.safetensors"), "No such file"),
        (lambda: read_weights(tmp_path / "list.pt"), "a list of 2"),
        (lambda: read_weights(tmp_path / "number.pt"), "'a'"),
        (lambda: state_of({"enc.weight_ih_l0": lstm.weight_ih_l0}, "dec."), "'enc.'"),
        (lambda: module_of(nn.LSTM(3, 4, proj_size=2).state_dict()), "weight_hr"),
        (lambda: module_of(nn.Linear(3, 4).state_dict()), "weight_ih_l0"),
        (lambda: module_of({**lstm.state_dict(), "weight_hh_l0": torch.zeros(7, 4)}), "(7, 4)"),
        (lambda: module_of({**lstm.state_dict(), "weight_ih_l2": torch.zeros(16, 4)}), "no LSTM"),
        (lambda: module_of({**lstm.state_dict(), "weight_ih_l1": torch.zeros(16, 4)}), "weight_hh_l1 is missing"),
        (lambda: module_of({**lstm.state_dict(), "weight_ih_l01": torch.zeros(16, 4)}), "weight_ih_l01"),
        (lambda: module_of({**lstm.state_dict(), "bias_ih_l0": torch.zeros(15)}), "(15,); (16,)"),
        (lambda: module_of({**lstm.state_dict(), "weight_hh": torch.zeros(16, 4)}), "beside each other"),
        (lambda: module_of({**nn.GRU(3, 4, bias=False).state_dict(), "bias_hh_l0": torch.zeros(12)}), "bias_hh_l0"),
        (lambda: module_of({**lstm.state_dict(), "weight_ih_l0": torch.zeros(16, 0)}), "1 feature or more"),
        (lambda: module_of({"weight_hh_l0": torch.zeros(0, 0), "weight_ih_l0": torch.zeros(0, 2)}), "(0, 0)"),
        (lambda: module_of({**lstm.state_dict(), "weight_hh_l0": "a"}), "is 'a'; a tensor"),
        (lambda: module_of({**lstm.state_dict(), "bias_hh_l0": torch.eye(2).to_sparse()}), "sparse"),
        (lambda: module_of({n: w.long() for n, w in lstm.state_dict().items()}), "torch.int64; a floating-point"),
        (lambda: module_of(nn.RNN(2, 2).state_dict(), nonlinearity="foo"), "nonlinearity is 'foo'; 'tanh' and 'relu'"),
        (lambda: module_of(nn.RNN(2, 2).state_dict(), nonlinearity=["tanh"]), "nonlinearity is a list of 1"),
        (lambda: module_of(lstm.state_dict(), batch_first=1), "batch_first is 1"),
        (lambda: module_of(None), "The state is nothing"),
        (lambda: module_of({1: lstm.weight_hh_l0}), "the name 1"),
        (lambda: state_of(lstm, None), "prefix is nothing"),
        (lambda: read_weights(None), "The path is nothing"),
        (lambda: write_weights(None, {}), "The path is nothing"),
        (lambda: write_weights(tmp_path / "x.safetensors", None), "The weights are nothing"),
        (lambda: write_weights(tmp_path / "x.safetensors", lstm), "The weights are an LSTM"),
        (lambda: write_weights(tmp_path / "x.safetensors", {1: torch.zeros(1)}), "the name 1"),
        (lambda: write_weights(tmp_path / "x.safetensors", {"a": torch.eye(2).to_sparse()}), "'a' is a sparse"),
        (
            lambda: write_weights(tmp_path / "x.safetensors", {"a": torch.eye(2).cfloat().cdouble()}),
            "cannot be written",
        ),
        (lambda: fitted(experiment, {"weight_hh_l0": 3.0}), "is 3.0; a tensor"),
        (lambda: fitted(experiment, {"weight_hh_l0": torch.zeros(16, 4).cfloat()}), "floating-point"),
        (lambda: fitted(experiment, nn.Linear(2, 2).state_dict()), "None of the tensors"),
        (lambda: fitted(experiment, nn.LSTM(2, 5).state_dict()), "has shape"),
        (lambda: write_weights(tmp_path / "x.safetensors", {"a": 1}), "'a'"),
        (lambda: write_weights(tmp_path / "no" / "x.safetensors", {"a": torch.zeros(1)}), "folder"),
    ]
    for call, words in wrong:
        with pytest.raises(engine.DataError) as refused:
            call()
        assert words in str(refused.value), (words, str(refused.value))
        assert "\n" not in str(refused.value)
        assert str(refused.value).endswith(".")


def test_nothing_is_built_from_the_names_of_a_stranger_s_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in a name, a gap, or a shape that does not belong there is seen before there is a module."""

    def built(*args: object, **options: object) -> None:
        raise AssertionError("a module is built")

    monkeypatch.setattr(engine.weights, "_MODULES", dict.fromkeys((1, 3, 4), built))
    state = nn.GRU(2, 3).state_dict()
    for name in ("weight_hh_l20000", f"weight_hh_l{10**4000}", "weight_hh_l2", "weight_ih_l0_reverse", "bias_hh_l1"):
        with pytest.raises(engine.DataError):
            module_of({**state, name: torch.zeros(1)})
    many = {f"{part}_l{n}": state[f"{part}_l0"] for n in range(3000) for part in ("weight_ih", "weight_hh")}
    with pytest.raises(engine.DataError, match=r"3,000 layers; at most 1,000 are accepted\.$"):
        module_of(many)
