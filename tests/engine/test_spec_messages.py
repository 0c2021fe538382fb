"""A wrong experiment is refused with one SpecError that names the field, its value and what would be accepted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from spec_data import GOOD, one_sentence, with_field

from engine.checks import checked, experiment_from
from engine.errors import SpecError
from engine.parameters import input_size, parameter_shapes
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, WhatIf
from engine.spec_reading import shown

LSTM: dict[str, Any] = {"model": {"layers": [{"cell": "lstm"}]}, "task": {"kind": "adding"}}
GRU: dict[str, Any] = {"model": {"layers": [{"cell": "gru"}]}, "task": {"kind": "adding"}}
ONE_SAMPLE: dict[str, Any] = {"model": {"layers": [{"cell": "rnn"}]}, "task": {"kind": "adding", "batch_size": 1}}
COPY: dict[str, Any] = {
    "model": {
        "layers": [{"cell": "rnn"}],
        "embedding": {"symbols": 10},
        "readout": {"at": "every"},
        "loss": "cross_entropy",
    },
    "task": {"kind": "copy"},
}
DATA = "0123456789abcdef" * 4


def of_task(task: dict[str, Any], at: str = "last", loss: str = "mse", **more: Any) -> dict[str, Any]:
    return {"model": {"layers": [{"cell": "rnn"}], "readout": {"at": at}, "loss": loss}, "task": task, **more}


ORDER = of_task({"kind": "temporal_order"}, loss="cross_entropy")
ECHO = of_task({"kind": "echo"}, "every")
PARITY = of_task({"kind": "parity"})
REBER = of_task({"kind": "reber"}, "every", "cross_entropy")
SINES = of_task({"kind": "sines"}, "every")
DIGITS = of_task({"kind": "digits"}, loss="cross_entropy")
SERIES = of_task({"kind": "series", "data": DATA, "columns": ["a"], "target": "a"}, "every")
TEXT = of_task({"kind": "text", "data": DATA, "symbols": 30, "order": "stream"}, "every", "cross_entropy")
VALUES = of_task({"kind": "sequences", "data": DATA, "steps": 9, "inputs": 3, "answers": "value"})
TAGS = of_task(
    {"kind": "sequences", "data": DATA, "steps": 9, "symbols": 5, "answers": "tags", "classes": 4},
    "every",
    "cross_entropy",
)
NAN, INF = float("nan"), float("inf")


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


WRONG = [
    ("model.layers[0].cell", "rnx", "model.layers[0].cell is 'rnx'; ", ("'rnn'", "'lstm'", "'gru'")),
    ("model.layers[0].cell", None, "model.layers[0].cell is nothing (null); ", ("'rnn'", "'lstm'", "'gru'")),
    ("model.layers[0].hidden_size", True, "model.layers[0].hidden_size is true; ", ("a whole number",)),
    ("model.layers[0].hidden_size", 1.5, "model.layers[0].hidden_size is 1.5; ", ("a whole number",)),
    ("model.layers[0].hidden_size", "16", "model.layers[0].hidden_size is '16'; ", ("a whole number",)),
    ("model.layers[0].hidden_size", 0, "model.layers[0].hidden_size is 0; ", ("from 1 to 4,096",)),
    ("model.layers[0].hidden_size", 10**5000, "model.layers[0].hidden_size is a number of more", ("from 1 to 4,096",)),
    (
        "model.layers[0].activation",
        "gelu",
        "model.layers[0].activation is 'gelu'; ",
        ("'tanh'", "'relu'", "'leaky_relu'", "'sigmoid'", "'identity'"),
    ),
    ("model.layers[0].bidirectional", 1, "model.layers[0].bidirectional is 1; ", ("true or false",)),
    ("model.layers[0].layer_norm", "yes", "model.layers[0].layer_norm is 'yes'; ", ("true or false",)),
    ("model.layers[0].norm_eps", -1e-9, "model.layers[0].norm_eps is -1e-9; ", ("from 0 to 1 ",)),
    ("model.layers[0].dropout", 1.0, "model.layers[0].dropout is 1; ", ("from 0 to 0.99",)),
    ("model.layers[0].dropout_mask", "batch", "model.layers[0].dropout_mask is 'batch'; ", ("'step'", "'sequence'")),
    (
        "model.layers[0].recurrent_dropout",
        0.25,
        "model.layers[0].recurrent_dropout is 0.25; ",
        ("a table with p and mask, or nothing",),
    ),
    (
        "model.layers[0].recurrent_dropout",
        {"q": 1},
        "model.layers[0].recurrent_dropout has an unknown",
        ("p and mask",),
    ),
    ("model.layers[0].recurrent_dropout.p", 1, "model.layers[0].recurrent_dropout.p is 1; ", ("from 0 to 0.99",)),
    (
        "model.layers[0].recurrent_dropout.mask",
        "fresh",
        "model.layers[0].recurrent_dropout.mask is 'fresh'; ",
        ("'sequence'", "'step'"),
    ),
    (
        "model.layers[0].residual",
        True,
        "model.layers[0].residual is true, but the layer reads 2 numbers a step and gives 16; ",
        ("the same",),
    ),
    ("model.layers[0].init", [], "model.layers[0].init is an empty list; ", ("recurrent", "gain")),
    ("model.layers[0].init.input", "identity", "model.layers[0].init.input is 'identity'; ", ("'xavier'", "'normal'")),
    ("model.layers[0].init.recurrent", "eye", "model.layers[0].init.recurrent is 'eye'; ", ("'he'", "'identity'")),
    ("model.layers[0].init.recurrent", "normal", "model.layers[0].init.std is missing; ", ("from 0 to 1e6",)),
    ("model.layers[0].init.std", 0.1, "model.layers[0].init.std is 0.1, but neither", ("'normal'", "leave it out")),
    ("model.layers[0].init.bias", 0, "model.layers[0].init.bias is 0; ", ("'default'", "'zero'")),
    ("model.layers[0].init.gain", NAN, "model.layers[0].init.gain is nan; ", ("from 0 to 1e6",)),
    ("model.layers[0].init.gain", -INF, "model.layers[0].init.gain is -inf; ", ("from 0 to 1e6",)),
    ("model.layers[0].init.gain", False, "model.layers[0].init.gain is false; ", ("a number",)),
    ("model.layers[0].init.gain", 10**400, "model.layers[0].init.gain is a number of more than 18 digits; ", ()),
    (
        "model.layers[0].init.forget_bias",
        "high",
        "model.layers[0].init.forget_bias is 'high'; ",
        ("a number or nothing",),
    ),
    (
        "model.layers[0].init.forget_bias",
        1.0,
        "model.layers[0].init.forget_bias is 1, but the RNN has no forget gate; ",
        ("leave it out",),
    ),
    (
        "model.layers[0].init.update_bias",
        -2,
        "model.layers[0].init.update_bias is -2, but the RNN has no update gate; ",
        ("leave it out",),
    ),
    (
        "model.layers[0].init.chrono",
        100,
        "model.layers[0].init.chrono is 100, but the RNN has no gates; ",
        ("leave it out",),
    ),
    (
        "model.layers[0].hiden_size",
        8,
        "model.layers[0] has an unknown field 'hiden_size' (did you mean hidden_size?); ",
        ("hidden_size", "cell"),
    ),
    ("model.layers[0]", 7, "model.layers[0] is 7; ", ("cell", "hidden_size")),
    ("model.layers", {}, "model.layers is an empty table; ", ("a list",)),
    ("model.layers", [], "model.layers has 0 entries; ", ("1 to 16 recurrent layers",)),
    ("model.layers", [{"cell": "rnn"}] * 17, "model.layers has 17 entries; ", ("1 to 16 recurrent layers",)),
    ("model.layers", [{}], "model.layers[0].cell is missing; ", ("'rnn'", "'lstm'", "'gru'")),
    ("model.layers", [{"cell": "rnn"}, {"cell": "lstm", "hidden_size": 0}], "model.layers[1].hidden_size is 0; ", ()),
    ("model", {}, "model.layers is missing; ", ("a list",)),
    ("model", None, "model is nothing (null); ", ("layers", "readout", "loss")),
    (
        "model.embedding",
        {"symbols": 10},
        "model.embedding is a table, but this task's input is numbers; ",
        ("symbols",),
    ),
    ("model.embedding", 10, "model.embedding is 10; ", ("a table with symbols and size, or nothing",)),
    ("model.embedding", {}, "model.embedding.symbols is missing; ", ("a whole number",)),
    (
        "model.readout.at",
        "first",
        "model.readout.at is 'first'; ",
        ("'last'", "'every'", "'mean'", "'attention'"),
    ),
    ("model.readout.attention_size", 0, "model.readout.attention_size is 0; ", ("from 1 to 4,096",)),
    ("model.loss", "mae", "model.loss is 'mae'; ", ("'mse'", "'cross_entropy'", "'binary_cross_entropy'")),
    ("task", {}, "task.kind is missing; ", ("'adding'", "'sunspots'", "'copy'")),
    ("task", "adding", "task is 'adding'; ", ("kind", "'adding'", "'sunspots'", "'copy'")),
    ("task.kind", "adding problem", "task.kind is 'adding problem'; ", ("'adding'", "'sunspots'", "'copy'")),
    ("task.kind", [], "task.kind is an empty list; ", ("'adding'", "'sunspots'", "'copy'")),
    ("task", {"kind": "copy", "steps": 50}, "task has an unknown field 'steps'; ", ("delay", "batch_size")),
    ("task.steps", 1, "task.steps is 1; ", ("from 2 to 100,000",)),
    ("task", {"kind": "sunspots", "steps": 309}, "task.steps is 309; ", ("from 1 to 308",)),
    ("task.batch_size", -(10**30), "task.batch_size is a number of more than 18 digits; ", ("from 1 to 4,096",)),
    ("task.shortest", 51, "task.shortest is 51; ", ("from 2 to 50",)),
    ("task.shortest", 1, "task.shortest is 1; ", ("from 2 to 50",)),
    ("task.shortest", "all", "task.shortest is 'all'; ", ("a whole number or nothing",)),
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
    ("sed", 1, "The experiment has an unknown field 'sed' (did you mean seed?); ", ("seed", "model", "task")),
]

WRONG_ELSEWHERE = [
    (
        LSTM,
        "model.layers[0].activation",
        "relu",
        "model.layers[0].activation is 'relu'; ",
        ("LSTM", "only 'tanh'"),
    ),
    (
        LSTM,
        "model.layers[0].init.update_bias",
        1.0,
        "model.layers[0].init.update_bias is 1, but the LSTM has no update gate; ",
        ("leave it out",),
    ),
    (
        GRU,
        "model.layers[0].init",
        {"chrono": 20, "update_bias": 1.0},
        "model.layers[0].init.chrono is 20 beside update_bias 1, ",
        ("one of them is accepted",),
    ),
    (
        LSTM,
        "model.layers[0].init",
        {"chrono": 20, "forget_bias": 1.0},
        "model.layers[0].init.chrono is 20 beside forget_bias 1, ",
        ("one of them is accepted",),
    ),
    (
        ONE_SAMPLE,
        "model.layers[0].batch_norm",
        True,
        "model.layers[0].batch_norm is true, but task.batch_size is 1; ",
        ("2 or more",),
    ),
    (
        GOOD,
        "model.layers",
        [{"cell": "rnn", "hidden_size": 3, "bidirectional": True}, {"cell": "gru", "hidden_size": 3, "residual": True}],
        "model.layers[1].residual is true, but the layer reads 6 numbers a step and gives 3; ",
        ("the same",),
    ),
    (COPY, "model.embedding.symbols", 9, "model.embedding.symbols is 9; ", ("from 10 to 1,000,000",)),
    (COPY, "model.readout.at", "last", "model.readout.at is 'last'; ", ("only 'every'",)),
    (COPY, "model.loss", "mse", "model.loss is 'mse'; ", ("only 'cross_entropy'",)),
    (COPY, "task.delay", 0, "task.delay is 0; ", ("from 1 to 99,980",)),
    (ORDER, "task.steps", 9, "task.steps is 9; ", ("from 10 to 100,000",)),
    (ORDER, "model.loss", "mse", "model.loss is 'mse'; ", ("the temporal order task", "only 'cross_entropy'")),
    (ORDER, "model.readout.at", "every", "model.readout.at is 'every'; ", ("'last', 'mean' or 'attention'",)),
    (ORDER, "model.embedding", {"symbols": 5}, "model.embedding.symbols is 5; ", ("from 6 to 1,000,000",)),
    (ECHO, "task.delay", 30, "task.delay is 30; ", ("from 0 to 29",)),
    (ECHO, "model.readout.at", "mean", "model.readout.at is 'mean'; ", ("the delayed echo", "only 'every'")),
    (PARITY, "model.embedding", {"symbols": 2}, "model.embedding is a table, but ", ("only symbols",)),
    (REBER, "task.steps", 7, "task.steps is 7; ", ("from 8 to 100,000",)),
    (REBER, "model.readout.at", "last", "model.readout.at is 'last'; ", ("Reber grammar", "only 'every'")),
    (REBER, "model.loss", "mse", "model.loss is 'mse'; ", ("only 'cross_entropy'",)),
    (SINES, "task.waves", 0, "task.waves is 0; ", ("from 1 to 100",)),
    (SINES, "task.noise", -0.1, "task.noise is -0.1; ", ("from 0 to 1e3",)),
    (DIGITS, "task.by", "column", "task.by is 'column'; ", ("'row'", "'pixel'")),
    (DIGITS, "task.steps", 8, "task has an unknown field 'steps'; ", ("by", "batch_size")),
    (DIGITS, "model.readout.at", "every", "model.readout.at is 'every'; ", ("the digits", "'last'")),
    (SERIES, "task.data", "../secret", "task.data is '../secret'; ", ("SHA-256", "64 digits 0-9 and a-f")),
    (SERIES, "task.data", DATA.upper(), "task.data is '0123456789ABCDEF", ("64 digits 0-9 and a-f",)),
    (SERIES, "task.columns", [], "task.columns has 0 names; ", ("1 to 4,096 columns",)),
    (SERIES, "task.columns", ["a", "b", "a"], "task.columns names a column twice; ", ("once",)),
    (SERIES, "task.target", "", "task.target is empty; ", ("the name of a column",)),
    (SERIES, "task.split.train", 0.9, "task.split.train 0.9 and task.split.validation 0.15 are more than 1", ()),
    (SERIES, "task.split.train", 0, "task.split.train is 0; ", ("from 0.01 to 1",)),
    (SERIES, "task.scaling", "log", "task.scaling is 'log'; ", ("'standard'", "'range'", "'none'")),
    (SERIES, "model.loss", "cross_entropy", "model.loss is 'cross_entropy'; ", ("this series", "only 'mse'")),
    (TEXT, "task.symbols", 1, "task.symbols is 1; ", ("from 2 to 50,000",)),
    (TEXT, "task.level", "line", "task.level is 'line'; ", ("'character'", "'word'")),
    (TEXT, "model.embedding", {"symbols": 29}, "model.embedding.symbols is 29; ", ("from 30 to 1,000,000",)),
    (TAGS, "task.inputs", 2, "task.inputs is 2 and task.symbols is 5; ", ("one of them", "0 for the other")),
    (TAGS, "task.classes", 1, "task.classes is 1; ", ("from 2 to 50,000",)),
    (TAGS, "model.readout.at", "last", "model.readout.at is 'last'; ", ("only 'every'",)),
    (VALUES, "task.classes", 2, "task.classes is 2; ", ("from 0 to 0",)),
    (VALUES, "model.loss", "cross_entropy", "model.loss is 'cross_entropy'; ", ("these sequences", "only 'mse'")),
    (GOOD, "training.optimizer.kind", "lion", "training.optimizer.kind is 'lion'; ", ("'sgd'", "'adamw'")),
    (GOOD, "training.optimizer.beta2", 1, "training.optimizer.beta2 is 1; ", ("from 0 to below 1 ",)),
    (
        GOOD,
        "training.optimizer",
        {"kind": "adam", "momentum": 0.9, "nesterov": True},
        "training.optimizer.nesterov is true with kind 'adam' and momentum 0.9; ",
        ("'sgd' with a momentum above 0",),
    ),
    (
        GOOD,
        "training.optimizer.nesterov",
        True,
        "training.optimizer.nesterov is true with kind 'sgd' and momentum 0; ",
        ("'sgd' with a momentum above 0",),
    ),
    (GOOD, "training.schedule.kind", "cyclic", "training.schedule.kind is 'cyclic'; ", ("'step'", "'cosine'")),
    (GOOD, "training.schedule.every", 0, "training.schedule.every is 0; ", ("from 1 to 1,000,000",)),
    (GOOD, "training.carry", True, "training.carry is true, but the sequences of the adding problem do not go on", ()),
    (TEXT | {"training": {"carry": True}}, "task.order", "shuffled", "training.carry is true, ", ("order 'stream'",)),
    (
        TEXT | {"training": {"carry": True}},
        "model.layers[0].bidirectional",
        True,
        "training.carry is true, but model.layers[0] runs in both directions, ",
        ("forward layers alone",),
    ),
    (
        REBER,
        "training.sampling",
        {"decay": "inverse_sigmoid", "k": 0.5},
        "training.sampling.k is 0.5; ",
        ("from 1 to 1e6",),
    ),
    (ECHO, "training.sampling", {}, "training.sampling is set, but what the network says ", ("the next symbol",)),
    (
        REBER | {"training": {"sampling": {}}},
        "model.layers[0].bidirectional",
        True,
        "training.sampling is set, but what the network says ",
        ("forward layers",),
    ),
    (
        SINES | {"training": {"sampling": {}}},
        "model.readout.at",
        "last",
        "training.sampling is set, but what the network says ",
        ("at every step",),
    ),
    (
        SERIES | {"training": {"sampling": {}}},
        "task.ahead",
        2,
        "training.sampling is set, but what the network says ",
        ("next value",),
    ),
    (GOOD, "training.early_stop", {"patience": 0}, "training.early_stop.patience is 0; ", ("from 1 to 1,000,000",)),
    (
        of_task({"kind": "sequences", "data": DATA, "steps": 9, "inputs": 3, "classes": 2}, loss="cross_entropy"),
        "training.truncation",
        {"k1": 1, "k2": 5},
        "training.truncation is set, but in these sequences the sequences end at steps of their own, ",
        ("model.readout.at 'every'",),
    ),
    (
        GOOD,
        "task",
        {"kind": "adding", "steps": 100_000, "batch_size": 400},
        "task.steps × task.batch_size × hidden_size is 640,000,000, ",
        ("at most 500,000,000",),
    ),
    (
        COPY,
        "task",
        {"kind": "copy", "delay": 99_980, "batch_size": 400},
        "(task.delay + 20) × task.batch_size × hidden_size is 640,000,000, ",
        ("at most 500,000,000",),
    ),
    (
        GOOD,
        "model.layers",
        [{"cell": "rnn", "hidden_size": 4096, "bidirectional": True}] * 16,
        "The model has 1,5",
        ("parameters", "at most 500,000,000"),
    ),
]


def refused(data: Any) -> str:
    with pytest.raises(SpecError) as caught:
        experiment_from(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "start", "accepted"), WRONG, ids=[f"{w[0]}-{n}" for n, w in enumerate(WRONG)]
)
def test_the_sentence_names_the_field_the_value_and_what_is_accepted(
    path: str, value: Any, start: str, accepted: tuple[str, ...]
) -> None:
    sentence = refused(with_field(path, value))
    assert sentence.startswith(start), sentence
    assert all(word in sentence for word in accepted), sentence
    assert one_sentence(sentence)


@pytest.mark.parametrize(
    ("good", "path", "value", "start", "accepted"),
    WRONG_ELSEWHERE,
    ids=[f"{w[1]}-{n}" for n, w in enumerate(WRONG_ELSEWHERE)],
)
def test_so_does_that_of_what_does_not_go_together(
    good: dict[str, Any], path: str, value: Any, start: str, accepted: tuple[str, ...]
) -> None:
    checked(experiment_from(good))
    sentence = refused(with_field(path, value, good))
    assert sentence.startswith(start), sentence
    assert all(word in sentence for word in accepted), sentence
    assert one_sentence(sentence)


def test_symbols_need_no_embedding_and_are_read_one_hot_without_one() -> None:
    experiment = experiment_from(with_field("model.embedding", None, COPY))
    assert input_size(experiment.model, experiment.task) == 10
    assert parameter_shapes(experiment)["weight_ih_l0"] == (16, 10)
    assert "embedding.weight" not in parameter_shapes(experiment)


@pytest.mark.parametrize("data", [None, [], 3, "x", b"\0", {}, {1: 2}, nested(100_000)])
def test_what_is_no_experiment_at_all_is_refused(data: Any) -> None:
    with pytest.raises(SpecError):
        experiment_from(data)


def test_a_good_experiment_is_read_with_its_defaults() -> None:
    assert experiment_from(GOOD) == Experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn"),)), task=AddingTask())


@pytest.mark.parametrize("field", ["recurrent_dropout", "init.std", "init.spectral_radius", "init.chrono"])
def test_nothing_is_accepted_where_it_is_the_default(field: str) -> None:
    assert experiment_from(with_field(f"model.layers[0].{field}", None)) == experiment_from(GOOD)


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


@pytest.mark.parametrize("given", [None, GOOD, 3, WhatIf()])
def test_only_an_experiment_is_an_experiment(given: Any) -> None:
    with pytest.raises(SpecError, match=r"^The experiment is .*; an engine\.Experiment is accepted\.$"):
        checked(given)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.nn.LSTM(1, 1), "an LSTM"),
        (torch.nn.RNNCell(1, 1), "an RNNCell"),
        (torch.nn.GRU(1, 1), "a GRU"),
        (torch.nn.MSELoss(), "an MSELoss"),
        (torch.nn.Identity(), "an Identity"),
        (torch.nn.Linear(1, 1), "a Linear"),
        (b"", "a bytes"),
        (object(), "an object"),
    ],
)
def test_a_thing_in_a_sentence_has_the_article_that_is_heard(value: object, said: str) -> None:
    assert shown(value) == said
