"""Tasks over somebody's own sequences: a class, a tag at every step, or a number; out of tables and arrays."""

from __future__ import annotations

import warnings
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from own_data import ALL, model, npz

from engine import tasks
from engine.checks import checked
from engine.data import SequencesChoices, import_sequences, look_at, store
from engine.data.datasets import SequencesData
from engine.data.symbols import REST
from engine.errors import DataError
from engine.network import Network
from engine.spec import EmbeddingSpec, Experiment, LayerSpec, ModelSpec, SequencesTask, Split
from engine.tasks import own

CLASS, TAGS, VALUE = model("cross_entropy"), model("cross_entropy", "every"), model("mse")
EMBEDDING = EmbeddingSpec(symbols=100)


def embedded(of: ModelSpec) -> ModelSpec:
    return msgspec.structs.replace(of, embedding=EMBEDDING)


def imported(folder: Path, content: str | bytes, **choices: object) -> SequencesTask:
    path = folder / ("own.csv" if isinstance(content, str) else "own.npz")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    given = {"split": ALL, "batch_size": 3} | choices
    return import_sequences(look_at(path), SequencesChoices(**given))  # type: ignore[arg-type]


REVIEWS = "text,mood\nso good,good\nbad bad film,bad\nso so,bad\n"


def test_sentences_with_a_class(tmp_path: Path) -> None:
    task = imported(tmp_path, REVIEWS)
    assert (task.answers, task.steps, task.inputs, task.symbols, task.classes) == ("class", 3, 0, 5, 2)
    # so ×3, bad ×2, film, good: in the order of how often they come, then of letters.
    assert own.symbol_labels(task) == (REST, "so", "bad", "film", "good")
    assert own.labels(task) == ("bad", "good")
    batch = tasks.batch(task, embedded(CLASS), 0, 0)
    assert batch.lengths is not None
    rows = {(*batch.x[:n, b].tolist(), int(batch.targets[b])) for b, n in enumerate(batch.lengths.tolist())}
    assert rows == {(1, 4, 1), (2, 2, 3, 0), (1, 1, 0)}
    assert bool((batch.x[batch.lengths[0] :, 0] == 0).all()), "0 past the end"


def test_words_that_are_only_in_what_is_held_back_have_no_number(tmp_path: Path) -> None:
    rows = "one two,x\ntwo one,y\nthree three,x\nthree one,y\n"
    task = imported(tmp_path, "text,class\n" + rows, split=Split(train=0.5, validation=0.5))
    assert own.symbol_labels(task) == (REST, "one", "two")
    held = tasks.batch(task, embedded(CLASS), 0, 0, part="validation")
    assert held.x.T.tolist() == [[0, 0], [0, 1]]


def test_texts_by_character(tmp_path: Path) -> None:
    task = imported(tmp_path, "text;class\nab;1\nba c;0\n", level="character")
    assert task.steps == 4
    assert set(own.symbol_labels(task)) == {REST, "a", "b", " ", "c"}
    assert own.labels(task) == ("0", "1")


ENTITIES = "sentence,token,tag\n1,Ada,PER\n1,left,O\n1,London,LOC\n2,She,O\n2,left,O\n"


def test_tags_at_every_step(tmp_path: Path) -> None:
    task = imported(tmp_path, ENTITIES, answers="tags", sequence="sentence")
    assert (task.answers, task.steps, task.symbols, task.classes) == ("tags", 3, 5, 3)
    batch = tasks.batch(task, embedded(TAGS), 0, 0)
    words_of, tags_of = own.symbol_labels(task), own.labels(task)
    assert batch.lengths is not None
    rows = {
        tuple((words_of[batch.x[t, b]], tags_of[batch.targets[t, b]]) for t in range(n))
        for b, n in enumerate(batch.lengths.tolist())
    }
    assert rows == {
        (("Ada", "PER"), ("left", "O"), ("London", "LOC")),
        (("She", "O"), ("left", "O")),
    }
    for b, n in enumerate(batch.lengths.tolist()):
        assert not bool(batch.targets[n:, b].any())


def test_one_long_sequence_with_tags_is_cut(tmp_path: Path) -> None:
    rows = "".join(f"{t},{'up' if t % 3 else 'down'}\n" for t in range(10))
    task = imported(tmp_path, "v,state\n" + rows, answers="tags", cut=4)
    assert (task.steps, task.inputs) == (4, 1)
    data = store.get(task.data)
    assert isinstance(data, SequencesData)
    assert data.lengths.tolist() == [4, 4, 2]


def test_rows_of_steps_with_numbers_and_one_class(tmp_path: Path) -> None:
    task = imported(tmp_path, "id,a,b,kind\n7,1,2,x\n7,3,4,x\n9,5,6,y\n", sequence="id")
    batch = tasks.batch(task, CLASS, 0, 0)
    assert batch.lengths is not None
    rows = {
        (tuple(map(tuple, batch.x[:n, b].tolist())), int(batch.targets[b]))
        for b, n in enumerate(batch.lengths.tolist())
    }
    assert rows == {(((1.0, 2.0), (3.0, 4.0)), 0), (((5.0, 6.0),), 1)}


def test_one_row_a_sequence_may_end_early(tmp_path: Path) -> None:
    task = imported(tmp_path, "a,b,c,y\n1,2,3,0.5\n4,5,,1.5\n", answers="value")
    batch = tasks.batch(task, VALUE, 0, 0)
    assert batch.lengths is not None
    rows = {(*batch.x[:n, b, 0].tolist(), float(batch.targets[b])) for b, n in enumerate(batch.lengths.tolist())}
    assert rows == {(1.0, 2.0, 3.0, 0.5), (4.0, 5.0, 1.5)}
    assert batch.targets.shape == (3, 1)


def test_arrays_with_classes_values_and_tags(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    x = source.normal(size=(6, 4, 2))
    lengths = np.array([4, 3, 2, 1, 4, 4])
    for y, answers, of in (
        (np.array([5, 7, 5, 7, 5, 7]), "class", CLASS),
        (np.arange(6.0), "value", VALUE),
        (source.integers(0, 3, (6, 4)), "tags", TAGS),
    ):
        task = imported(tmp_path, npz(x=x, y=y, lengths=lengths), answers=answers, batch_size=6)
        batch = tasks.batch(task, of, 0, 0)
        assert batch.lengths is not None
        for b in range(6):
            n = int(batch.lengths[b])
            source_row = next(at for at in range(6) if np.array_equal(x[at, :n], batch.x[:n, b].numpy()))
            assert lengths[source_row] == n
            answer = batch.targets[:n, b] if answers == "tags" else batch.targets[b]
            named = [float(own.labels(task)[k]) if own.labels(task) else float(k) for k in answer.flatten().tolist()]
            assert named == np.atleast_1d(y[source_row][:n] if answers == "tags" else y[source_row]).tolist()
            assert not bool(batch.x[n:, b].any())


def test_arrays_of_symbols(tmp_path: Path) -> None:
    task = imported(tmp_path, npz(x=np.array([[3, 3, 9], [9, 3, 3]]), y=np.array([0, 1])))
    assert (task.symbols, own.symbol_labels(task)) == (3, (REST, "3", "9"))
    assert {tuple(row) for row in tasks.batch(task, embedded(CLASS), 0, 0).x.T.tolist()} == {(1, 1, 2), (2, 1, 1)}


def sorted_by_class(count: int) -> str:
    return "x,y,class\n" + "".join(f"{n},{2 * n},{'ab'[2 * n >= count]}\n" for n in range(count))


def test_a_file_sorted_by_class_is_shuffled_once_and_always_alike(tmp_path: Path) -> None:
    split = Split(train=0.5, validation=0.25)
    with pytest.raises(DataError, match="'shuffled'"):
        imported(tmp_path, sorted_by_class(40), split=split)
    one, again = (imported(tmp_path, sorted_by_class(40), split=split, order="shuffled") for _ in range(2))
    assert one.data == again.data
    of = tasks.sequences.prepared(one)
    assert sorted(of.inputs[::2, 0].tolist()) == list(range(40)), "each is there once"


def test_parts_are_apart_and_scaling_is_fitted_on_what_is_learned_from(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    x = source.normal(2.0, 3.0, (20, 3, 2))
    x[14:] *= 50.0
    y = source.normal(5.0, 2.0, 20)
    content = npz(x=x, y=y)
    task = imported(tmp_path, content, answers="value", scaling="standard", split=Split(), batch_size=4)
    mean, deviation = x[:14].reshape(-1, 2).mean(0), x[:14].reshape(-1, 2).std(0)
    found: dict[str, set[float]] = {}
    for part, rows in (("train", range(14)), ("validation", range(14, 17)), ("test", range(17, 20))):
        batches = own.batches(task, CLASS, part) or 12  # type: ignore[arg-type]
        for number in range(batches):
            batch = tasks.batch(task, VALUE, 0, number, part=part)  # type: ignore[arg-type]
            back = batch.x.numpy() * deviation + mean
            found.setdefault(part, set()).update(np.round(back[0, :, 0], 6).tolist())
        assert found[part] == set(np.round(x[rows, 0, 0], 6).tolist())
    shift, size = own.units(task)
    assert (shift, size) == pytest.approx((y[:14].mean(), y[:14].std()), rel=1e-12)
    units = own.input_units(task)
    assert units is not None
    np.testing.assert_allclose(units[0], mean, rtol=1e-12)
    constant = own.constant(task, VALUE)
    assert constant is not None
    assert float(constant) == pytest.approx(0.0, abs=1e-12)


def test_the_best_constant_is_how_often_each_class_comes(tmp_path: Path) -> None:
    task = imported(tmp_path, "a,class\n1,x\n2,x\n3,x\n4,y\n")
    found = own.constant(task, CLASS)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([4 / 6, 2 / 6], dtype=torch.float64).log(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("inputs", 3, "task.inputs is 3, but the data of 'own.csv' have 2"),
        ("classes", 3, "task.classes is 3, but the data of 'own.csv' have 2"),
        ("answers", "tags", "task.answers is 'tags', but the data of 'own.csv' have 'class'"),
        ("steps", 1, "task.steps is 1, but the longest sequence of 'own.csv' has 2 steps"),
    ],
)
def test_a_spec_that_does_not_fit_the_data_says_so(tmp_path: Path, field: str, value: object, says: str) -> None:
    task = imported(tmp_path, "id,a,b,kind\n7,1,2,x\n7,3,4,x\n9,5,6,y\n", sequence="id")
    with pytest.raises(DataError, match=says):
        tasks.batch(msgspec.structs.replace(task, **{field: value}), CLASS, 0, 0)


@pytest.mark.parametrize("kind", ["class", "tags", "value", "symbols"])
def test_a_network_reads_them(tmp_path: Path, kind: str) -> None:
    if kind == "symbols":
        task, of = imported(tmp_path, REVIEWS), CLASS
    else:
        y = {"class": np.array([0, 1, 0]), "value": np.arange(3.0), "tags": np.array([[0, 1, 1, 0]] * 3)}[kind]
        content = npz(x=np.random.default_rng(0).normal(size=(3, 4, 2)), y=y, lengths=np.array([4, 2, 3]))
        task, of = imported(tmp_path, content, answers=kind), {"class": CLASS, "value": VALUE, "tags": TAGS}[kind]
    spec = msgspec.structs.replace(of, layers=(LayerSpec(cell="lstm", hidden_size=3),))
    experiment = checked(Experiment(model=spec, task=task, device="cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bool(torch.isfinite(Network(experiment).trace().loss))
