"""Parts that do not belong together are refused in one sentence of ours, which names them and what is accepted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spec_data import one_sentence
from torch import nn

import engine
from engine.layer_trace import LayerTrace
from engine.weights import read_weights

X = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))


def refused(call: Any, *words: str) -> str:
    with pytest.raises(engine.DataError) as error:
        call()
    sentence = str(error.value)
    assert one_sentence(sentence), sentence
    assert sentence.isprintable(), sentence
    for word in words:
        assert word in sentence, sentence
    return sentence


def loss(y: torch.Tensor) -> torch.Tensor:
    return y.pow(2).sum((1, 2))


def layer() -> LayerTrace:
    return engine.trace(nn.GRU(3, 5), X, loss)["l0"]


WRONG_PARTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "an unknown cell": ({"cell": "foo"}, ("'foo' is no cell", "rnn, lstm, gru")),
    "no cell": ({"cell": None}, ("cell is", "rnn, lstm, gru")),
    "an unknown activation": ({"activation": "swish"}, ("'swish' is no activation", "tanh")),
    "no x": ({"x": None}, ("x is nothing", "(time, batch, feature)")),
    "x of whole numbers": ({"x": torch.ones(4, 2, 3, dtype=torch.int64)}, ("x is torch.int64", "float32")),
    "no weights": ({"weights": None}, ("weights is nothing", "tensors by name")),
    "no values": ({"values": None}, ("values is nothing", "tensors by name")),
    "no output_grads": ({"output_grads": None}, ("output_grads.h is nothing", "(4, 2, 5) of torch.float32")),
    "initial states as a tuple": ({"initial": (torch.zeros(2, 5),)}, ("initial is a list of 1", "tensors by name")),
    "an unknown part": ({"foo": 1}, ("'foo' is no part of a layer's trace", "reverse, lengths, norm_eps")),
    "reverse as a number": ({"reverse": 1}, ("reverse is 1", "true and false")),
    "ε as a text": ({"norm_eps": "small"}, ("norm_eps is 'small'", "a number from 0")),
    "a route of another cell": ({"cuts": frozenset({"carousel"})}, ("'carousel' is no route of the GRU", "leak")),
    "cuts as a text": ({"cuts": "leak"}, ("cuts is 'leak'", "a set of routes")),
    "lengths as a list": ({"lengths": [4, 2]}, ("lengths is a list of 2", "torch.int64")),
    "drop in another type": ({"drop": torch.ones(1, 2, 5).double()}, ("drop is (1, 2, 5) of torch.float64", "float32")),
    "held at a number": ({"held": {"z": 1.0}}, ("held.z is 1.0", "Held")),
    "rounded to a wide type": ({"rounded": torch.float64}, ("rounded is", "torch.bfloat16")),
}


@pytest.mark.parametrize("wrong", WRONG_PARTS)
def test_parts_of_a_layer_that_are_none(wrong: str) -> None:
    of, (change, words) = layer(), WRONG_PARTS[wrong]
    names = ("cell", "activation", "x", "weights", "initial", "values", "output_grads")
    parts = {name: getattr(of, name) for name in names}
    assert LayerTrace.from_parts(**parts).audit().passed
    refused(lambda: LayerTrace.from_parts(**{**parts, **change}), *words)


def test_a_weight_of_another_shape_than_its_module_says() -> None:
    model = nn.LSTM(3, 5)
    model.weight_hh_l0 = nn.Parameter(torch.randn(20, 4))
    refused(lambda: engine.trace(model, X, loss), "weight_hh_l0 of this LSTM", "(20, 4)", "(20, 5) is accepted")
    upper = nn.GRU(3, 5, num_layers=2, bidirectional=True)
    upper.weight_ih_l1_reverse = nn.Parameter(torch.randn(15, 5))
    refused(lambda: engine.trace(upper, X, loss), "weight_ih_l1_reverse of this GRU", "(15, 10) is accepted")
    cell = nn.RNNCell(3, 5)
    cell.bias_hh = nn.Parameter(torch.zeros(4))
    refused(lambda: engine.trace(cell, X, loss), "bias_hh of this RNNCell", "(4,)", "(5,) is accepted")
    refused(lambda: engine.trace_long(model, X, lambda y, _: loss(y)), "weight_hh_l0 of this LSTM")


@pytest.mark.parametrize("name", ["bias_ih_l0", "weight_hh_l1"])
def test_weights_of_two_types(name: str) -> None:
    model = nn.LSTM(3, 5, num_layers=2)
    getattr(model, name).data = getattr(model, name).data.double()
    refused(lambda: engine.trace(model, X, loss), name, "torch.float64", "weight_ih_l0 is torch.float32")


FOREIGN: dict[str, tuple[Any, str]] = {
    "a module": (lambda path: torch.save(nn.GRU(2, 3), path), "torch.nn.modules.rnn.GRU"),
    "an array of numpy's": (lambda path: torch.save({"a": np.zeros(3)}, path), "numpy"),
    "no file of torch's": (
        lambda path: path.write_bytes(b"garbage garbage"),
        "they are damaged, or none of torch.save's",
    ),
    "half a file": (
        lambda path: (torch.save({"a": torch.zeros(3)}, path), path.write_bytes(path.read_bytes()[:200])),
        "they are damaged, or none of torch.save's",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_holds_something_else_than_tensors(kind: str, tmp_path: Path) -> None:
    """In words of ours: torch's tell how to run whatever is in it."""
    write, word = FOREIGN[kind]
    write(tmp_path / "model.pt")
    sentence = refused(lambda: read_weights(tmp_path / "model.pt"), "'model.pt'", word, "model.state_dict()")
    assert not re.search(r"weights_only|\[1m|safe_globals|allow", sentence)
