"""Tasks over somebody's own text: symbols, windows at random places, and streams that go on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import ALL, model

from engine import session, tasks
from engine.checks import checked
from engine.data import TextChoices, TextPreview, import_text, look_at, store
from engine.data.datasets import TextData
from engine.data.symbols import REST, first_places, symbols_of, words
from engine.errors import DataError, SpecError
from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Look
from engine.spec import EmbeddingSpec, Experiment, LayerSpec, ModelSpec, ReadoutSpec, Split, TextTask
from engine.tasks import own
from engine.tasks import text as text_task

OF = model("cross_entropy", "every")
EMBEDDED = ModelSpec(
    layers=(), readout=ReadoutSpec(at="every"), loss="cross_entropy", embedding=EmbeddingSpec(symbols=200)
)
POEM = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\n" * 20


def made(text: str, **choices: object) -> TextTask:
    given = {"symbols": 50, "steps": 5, "split": ALL, "batch_size": 4, "name": "own.txt"} | choices
    return TextTask(data=store.put(TextData(text)), **given)  # type: ignore[arg-type]


def said(task: TextTask, symbols: torch.Tensor) -> str:
    labels = own.labels(task)
    return "".join(labels[number] for number in symbols.tolist())


def imported(folder: Path, text: str | bytes, **choices: object) -> TextTask:
    path = folder / "own.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    preview = look_at(path)
    return import_text(preview, TextChoices(**({"split": ALL, "steps": 5} | choices)))  # type: ignore[arg-type]


def test_a_preview_tells_what_is_in_a_text(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffAh, oui!\r\nL’été.\r\n".encode())
    found = look_at(path)
    assert isinstance(found, TextPreview)
    assert (found.encoding, found.line_ends) == ("UTF-8 with a byte order mark", "\r\n")
    assert (found.lines, found.characters, found.different_characters) == (2, 16, len(set("Ah, oui!\nL’été.\n")))
    assert (found.words, found.different_words) == (8, 7)  # Ah , oui ! ⏎ L’été . ⏎
    assert found.head.startswith("Ah, oui!\nL’été.")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_same_text_in_another_encoding_is_the_same_data(tmp_path: Path, codec: str) -> None:
    assert imported(tmp_path, POEM.encode(codec)).data == imported(tmp_path, POEM).data


@pytest.mark.parametrize("level", ["character", "word"])
@pytest.mark.parametrize("order", ["shuffled", "stream"])
def test_every_answer_is_the_symbol_that_is_read_next(level: str, order: str) -> None:
    task = made(POEM, level=level, order=order)
    batch = tasks.batch(task, EMBEDDED, 0, 3)
    assert batch.x.shape == batch.targets.shape == (5, 4)
    assert batch.x.dtype == batch.targets.dtype == torch.int64
    assert torch.equal(batch.x[1:], batch.targets[:-1])
    joined = POEM if level == "character" else "".join(words(POEM))
    for column in torch.cat([batch.x[:1], batch.targets]).T:
        assert said(task, column) in joined


def test_the_most_frequent_symbols_of_the_training_part_have_numbers_and_the_rest_share_one() -> None:
    text = "a" * 50 + "b" * 30 + "c" * 10 + "z" * 10 + "d" * 100  # d comes in the held-back half alone
    task = made(text, symbols=4, split=Split(train=0.5, validation=0.5), steps=2)
    of = text_task.prepared(task)
    assert own.labels(task) == (REST, "a", "b", "c")
    assert of.numbers.tolist() == [1] * 50 + [2] * 30 + [3] * 10 + [0] * 110
    assert own.symbol_labels(task) == own.labels(task)


def test_an_import_has_a_number_for_every_symbol_of_the_training_part_and_one_for_the_rest(tmp_path: Path) -> None:
    task = imported(tmp_path, "abcab" * 10 + "xyzxy" * 10, split=Split(train=0.5, validation=0.5))
    assert task.symbols == 4
    assert set(text_task.prepared(task).numbers[50:].tolist()) == {0}
    assert imported(tmp_path, POEM, level="word", most_symbols=6).symbols == 6


def test_words_are_words_signs_and_line_ends() -> None:
    found = list(words("Don't stop—the well-known  end.\n\n  «2nd» line"))
    assert found == ["Don't", "stop", "—", "the", "well-known", "end", ".", "\n", "«", "2nd", "»", "line"]


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_symbols_are_the_text(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode() or "a"
    of = symbols_of(text, "character")
    assert "".join(of.names[number] for number in of.numbers.tolist()) == text
    assert list(of.names) == sorted(set(text))
    by_word = symbols_of(text, "word")
    assert [by_word.names[number] for number in by_word.numbers.tolist()] == list(words(text))


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(30, 120), st.integers(0, 400))
def test_each_row_of_a_stream_goes_on_where_it_ended(steps: int, batch_size: int, length: int, number: int) -> None:
    """The symbols are all different, so that a number tells its place."""
    text = "".join(map(chr, range(1000, 1000 + length)))
    task = made(text, steps=steps, batch_size=batch_size, order="stream", symbols=length + 1)
    if steps * batch_size + 1 > length:
        with pytest.raises(DataError, match="stream"):
            tasks.batch(task, EMBEDDED, 0, number)
        return
    each = (length - 1) // steps // batch_size
    first, second = (text_task.starts(task, text_task.prepared(task), draw(n)) for n in (number, number + 1))
    assert len(set(first.tolist())) == batch_size, "no two rows read the same"
    assert first.max() + steps < length
    wraps = first + steps == each * batch_size * steps
    assert (second == (first + steps) * ~wraps).all()
    assert wraps.sum() <= 1
    # Each piece is read once a round.
    pieces = {
        start for n in range(each) for start in text_task.starts(task, text_task.prepared(task), draw(n)).tolist()
    }
    assert pieces == {steps * piece for piece in range(each * batch_size)}


def draw(number: int, part: tasks.Part = "train") -> tasks.part.Draw:
    return tasks.part.Draw(0, number, part)


def test_shuffled_windows_stand_everywhere_in_the_training_part_and_nowhere_else() -> None:
    text = "".join(map(chr, range(1000, 1040)))
    task = made(text, steps=3, batch_size=64, symbols=200, split=Split(train=0.5, validation=0.25))
    of = text_task.prepared(task)
    places = {start for n in range(20) for start in text_task.starts(task, of, draw(n)).tolist()}
    assert places == set(range(20 - 3)), "the first 20, and each window with the symbol behind it"
    assert text_task.starts(task, of, draw(0, "validation")).tolist() == [20, 23, 26]
    assert text_task.starts(task, of, draw(0, "test")).tolist() == [30, 33, 36]
    assert own.batches(task, OF, "test") == 1


def test_batches_repeat_to_the_bit() -> None:
    for order in ("shuffled", "stream"):
        task = made(POEM, order=order)
        one, again, other = (tasks.batch(task, EMBEDDED, 0, number) for number in (5, 5, 6))
        assert torch.equal(one.x, again.x)
        assert not torch.equal(one.x, other.x)


def test_a_part_too_short_says_what_to_change() -> None:
    task = made("abc" * 20, split=Split(train=0.9, validation=0.1), steps=8)
    with pytest.raises(DataError, match=r"validation part of 'own.txt' has 6 characters.*takes 9; take fewer steps"):
        tasks.batch(task, EMBEDDED, 0, 0, part="validation")
    with pytest.raises(DataError, match="empty"):
        tasks.batch(task, EMBEDDED, 0, 0, part="test")


def test_the_best_constant_is_how_often_each_symbol_comes() -> None:
    task = made("aaab" * 10, symbols=3)
    found = own.constant(task, OF)
    assert found is not None
    expected = torch.tensor([1 / 43, 31 / 43, 11 / 43], dtype=torch.float64).log()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_a_network_reads_it_with_and_without_an_embedding() -> None:
    task = made(POEM)
    for embedding in (None, EmbeddingSpec(symbols=60, size=4)):
        spec = ModelSpec(
            layers=(LayerSpec(cell="lstm", hidden_size=4),),
            readout=ReadoutSpec(at="every"),
            loss="cross_entropy",
            embedding=embedding,
        )
        experiment = checked(Experiment(model=spec, task=task, device="cpu"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert bool(torch.isfinite(Network(experiment).trace().loss))


def test_symbols_that_would_not_fit_one_hot_ask_for_an_embedding() -> None:
    spec = ModelSpec(
        layers=(LayerSpec(cell="rnn", hidden_size=1),), readout=ReadoutSpec(at="every"), loss="cross_entropy"
    )
    task = TextTask(data="0" * 64, symbols=50_000, steps=1000, batch_size=16)
    with pytest.raises(SpecError, match="embedding"):
        checked(Experiment(model=spec, task=task))


@pytest.mark.parametrize("level", ["character", "word"])
def test_the_picture_names_the_symbols_that_are_on_it_also_after_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: Any
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.txt").write_text("the cat sat on the mat, and the dog sat too.\n" * 40)
    task = import_text(look_at(tmp_path / "a.txt"), TextChoices(level=level, steps=12, batch_size=2))
    layers = (LayerSpec(cell="rnn", hidden_size=3),)
    experiment = Experiment(model=ModelSpec(layers=layers, readout=OF.readout, loss="cross_entropy"), task=task)
    session.save(session.Session(experiment), tmp_path / "a.gflow")
    (tmp_path / "a.txt").unlink()
    experiment = session.load(tmp_path / "a.gflow").experiment
    found = run("excerpt", Look(Computed(experiment), ()))
    joined = {"character": "", "word": " "}[level]
    read = joined.join(found.read_labels[int(k)] for k in found.inputs[:, 0])
    whole = {"character": "the cat sat on the mat, and the dog sat too.\n"}
    assert read in whole.get(level, "the cat sat on the mat , and the dog sat too . \n ") * 3
    assert set(found.read_labels) == {int(k) for k in found.inputs[:, 0]}
    assert len(found.labels) == task.symbols
    assert [found.labels[int(k)] for k in found.targets[:-1, 0]] == [
        found.read_labels[int(k)] for k in found.inputs[1:, 0]
    ], "the target is what is read next"


def test_the_first_place_of_every_character_is_found_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.symbols.CHUNK", 4)
    text = "abbaabacabadä\nabcdeä"
    expected = {character: text.index(character) for character in text}
    assert first_places(text) == expected
    assert list(first_places(text).values()) == sorted(expected.values())
