"""A wrong experiment is refused with one SpecError that names the field, its value and what would be accepted."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from engine.errors import SpecError
from engine.spec import (
    AddingTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    WhatIf,
    checked,
    checked_what_if,
    experiment_from,
)

GOOD: dict[str, Any] = {"model": {"layers": [{"cell": "rnn"}]}, "task": {"kind": "adding"}}
NAN, INF = float("nan"), float("inf")


def with_field(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one field changed; a number in the path is a place in a list."""
    data: Any = copy.deepcopy(GOOD)
    here = data
    *way, last = path.split(".")
    for name in way:
        here = here[int(name)] if isinstance(here, list) else here.setdefault(name, {})
    here[int(last) if isinstance(here, list) else last] = value
    return data  # type: ignore[no-any-return]


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


WRONG = [
    ("model.layers.0.cell", "rnx", "model.layers[0].cell is 'rnx'; ", ("'rnn'", "'lstm'", "'gru'")),
    ("model.layers.0.cell", None, "model.layers[0].cell is nothing (null); ", ("'rnn'", "'lstm'", "'gru'")),
    ("model.layers.0.hidden_size", True, "model.layers[0].hidden_size is true; ", ("a whole number",)),
    ("model.layers.0.hidden_size", 1.5, "model.layers[0].hidden_size is 1.5; ", ("a whole number",)),
    ("model.layers.0.hidden_size", "16", "model.layers[0].hidden_size is '16'; ", ("a whole number",)),
    ("model.layers.0.hidden_size", 0, "model.layers[0].hidden_size is 0; ", ("from 1 to 4,096",)),
    ("model.layers.0.hidden_size", 10**5000, "model.layers[0].hidden_size is a number of more", ("from 1 to 4,096",)),
    ("model.layers.0.activation", "gelu", "model.layers[0].activation is 'gelu'; ", ("'tanh'", "'relu'")),
    ("model.layers.0.init", [], "model.layers[0].init is an empty list; ", ("recurrent", "gain")),
    ("model.layers.0.init.gain", NAN, "model.layers[0].init.gain is nan; ", ("from 0 to 1e6",)),
    ("model.layers.0.init.gain", -INF, "model.layers[0].init.gain is -inf; ", ("from 0 to 1e6",)),
    ("model.layers.0.init.gain", False, "model.layers[0].init.gain is false; ", ("a number",)),
    ("model.layers.0.init.gain", 10**400, "model.layers[0].init.gain is a number of more than 18 digits; ", ()),
    (
        "model.layers.0.init.forget_bias",
        "high",
        "model.layers[0].init.forget_bias is 'high'; ",
        ("a number or nothing",),
    ),
    ("model.layers.0.init.forget_bias", 1.0, "model.layers[0].init.forget_bias is set", ("no forget gate",)),
    ("model.layers.0.hiden_size", 8, "model.layers[0] has an unknown field 'hiden_size'; ", ("hidden_size", "cell")),
    ("model.layers.0", 7, "model.layers[0] is 7; ", ("cell", "hidden_size")),
    ("model.layers", {}, "model.layers is an empty table; ", ("a list",)),
    ("model.layers", [], "model.layers has 0 entries; ", ("exactly 1",)),
    ("model.layers", [{"cell": "rnn"}] * 2, "model.layers has 2 entries; ", ("exactly 1",)),
    ("model.layers", [{}], "model.layers[0].cell is missing; ", ("'rnn'", "'lstm'", "'gru'")),
    ("model", {}, "model.layers is missing; ", ("a list",)),
    ("model", None, "model is nothing (null); ", ("layers", "readout", "loss")),
    ("model.readout.at", "first", "model.readout.at is 'first'; ", ("'last'", "'every'")),
    ("model.loss", "mae", "model.loss is 'mae'; ", ("'mse'", "'cross_entropy'")),
    ("task", {}, "task.kind is missing; ", ("'adding'", "'sunspots'")),
    ("task", "adding", "task is 'adding'; ", ("kind", "'adding'", "'sunspots'")),
    ("task.kind", "adding problem", "task.kind is 'adding problem'; ", ("'adding'", "'sunspots'")),
    ("task.kind", [], "task.kind is an empty list; ", ("'adding'", "'sunspots'")),
    ("task.steps", 1, "task.steps is 1; ", ("from 2 to 100,000",)),
    ("task.batch_size", -(10**30), "task.batch_size is a number of more than 18 digits; ", ("from 1 to 4,096",)),
    ("training.learning_rate", NAN, "training.learning_rate is nan; ", ("from 0 to 1e6",)),
    ("training.clip.max_norm", 0, "training.clip.max_norm is 0; ", ("from 1e-12 to 1e12",)),
    ("training.clip.max_value", NAN, "training.clip.max_value is nan; ", ("from 1e-12 to 1e12",)),
    ("training.clip.ratio", 0, "training.clip.ratio is 0; ", ("from 1e-12 to 1e12",)),
    ("training.clip.readout", 1, "training.clip.readout is 1; ", ("true or false",)),
    (
        "training.clip.kind",
        "norms",
        "training.clip.kind is 'norms'; ",
        ("'none'", "'norm'", "'value'", "'agc'", "'step'"),
    ),
    ("seed", -1, "seed is -1; ", ("from 0 to 2,147,483,647",)),
    ("seed", nested(50_000), "seed is a list of 1; ", ("a whole number",)),
    ("dtype", "float16", "dtype is 'float16'; ", ("'float32'", "'float64'")),
    ("device", "gpu", "device is 'gpu'; ", ("'auto'", "'cpu'", "'cuda'", "'mps'")),
    ("sed", 1, "The experiment has an unknown field 'sed'; ", ("seed", "model", "task")),
]


@pytest.mark.parametrize(
    ("path", "value", "start", "accepted"), WRONG, ids=[f"{w[0]}-{n}" for n, w in enumerate(WRONG)]
)
def test_the_sentence_names_the_field_the_value_and_what_is_accepted(
    path: str, value: Any, start: str, accepted: tuple[str, ...]
) -> None:
    with pytest.raises(SpecError) as caught:
        experiment_from(with_field(path, value))
    sentence = str(caught.value)
    assert sentence.startswith(start)
    assert all(word in sentence for word in accepted), sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize("data", [None, [], 3, "x", b"\0", {}, {1: 2}, nested(100_000)])
def test_what_is_no_experiment_at_all_is_refused(data: Any) -> None:
    with pytest.raises(SpecError):
        experiment_from(data)


def test_a_good_experiment_is_read_with_its_defaults() -> None:
    assert experiment_from(GOOD) == Experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn"),)), task=AddingTask())


def test_a_whole_number_is_accepted_where_a_number_is_meant() -> None:
    assert experiment_from(with_field("training.learning_rate", 1)).training.learning_rate == 1.0


def test_a_file_name_stands_before_the_sentence() -> None:
    with pytest.raises(SpecError, match=r"^x\.toml: seed is -1; "):
        experiment_from(with_field("seed", -1), "x.toml: ")


@pytest.mark.parametrize(
    "change", [{"seed": "x"}, {"seed": object()}, {"task": LayerSpec(cell="rnn")}, {"model": None}]
)
def test_a_spec_that_was_built_in_code_is_held_to_the_same_rules(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        checked(msgspec.structs.replace(experiment_from(GOOD), **change))


@pytest.mark.parametrize("given", [None, GOOD, 3])
def test_only_an_experiment_is_an_experiment(given: Any) -> None:
    with pytest.raises(SpecError, match=r"^The experiment is "):
        checked(given)


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"recurrent_scale": NAN}, "what_if.recurrent_scale is nan; a number from 0 to 3"),
        ({"recurrent_scale": 5.0}, "what_if.recurrent_scale is 5; a number from 0 to 3"),
        ({"forget_bias": "a"}, "what_if.forget_bias is 'a'; a number"),
        ({"clip_norm": 0.0}, "what_if.clip_norm is 0; a number from 1e-12"),
    ],
)
def test_a_wrong_what_if_is_refused(change: dict[str, Any], start: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked_what_if(WhatIf(**change))
    assert str(caught.value).startswith(start)
