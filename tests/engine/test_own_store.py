"""The store of imported data: found by their hash, verified when read, and closed to what a stranger could write."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from own_data import ALL, is_one_sentence, model, only_sentences

from engine import tasks, tensorfile
from engine.data import store
from engine.data.datasets import Data, SequencesData, SeriesData, TextData
from engine.errors import DataError
from engine.spec import SequencesTask, SeriesTask, TextTask

FINITE = st.floats(-1e150, 1e150)
PLAIN = st.text("aB1 é雪.'", max_size=12).map(lambda text: " ".join(text.split()))
CLEAN = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def some_series(draw: st.DrawFn) -> SeriesData:
    columns = draw(st.lists(PLAIN, min_size=1, max_size=3, unique=True).map(tuple))
    rows = draw(st.integers(1, 8))
    missing = draw(st.sampled_from(["refuse", "interpolate", "last", "leave_out"]))
    numbers = FINITE if missing == "refuse" else FINITE | st.just(float("nan"))
    values = draw(arrays.arrays(np.float64, (rows, len(columns)), elements=numbers))
    breaks = draw(st.sets(st.integers(1, max(rows - 1, 1)), max_size=3)) if rows > 1 else set()
    return SeriesData(columns, values, missing, np.array(sorted(breaks), dtype=np.int64))  # type: ignore[arg-type]


@st.composite
def some_sequences(draw: st.DrawFn) -> SequencesData:
    lengths = np.array(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)), dtype=np.int64)
    steps = int(lengths.sum())
    names = draw(st.lists(PLAIN, min_size=1, max_size=3, unique=True).map(tuple))
    whole = arrays.arrays(np.int64, steps, elements=st.integers(0, len(names) - 1))
    numbers = symbols = None
    if draw(st.booleans()):
        numbers = draw(arrays.arrays(np.float64, (steps, len(names)), elements=FINITE))
    else:
        symbols = draw(whole)
    of = {"columns": names} if numbers is not None else {"vocabulary": names}
    answers = draw(st.sampled_from(["class", "tags", "value"]))
    if answers == "value":
        answer = draw(arrays.arrays(np.float64, len(lengths), elements=FINITE))
        return SequencesData("value", lengths, numbers, symbols, answer, **of)
    count = steps if answers == "tags" else len(lengths)
    answer = draw(arrays.arrays(np.int64, count, elements=st.integers(0, len(names) - 1)))
    return SequencesData(answers, lengths, numbers, symbols, answer, labels=names, **of)  # type: ignore[arg-type]


ANY_DATA = some_series() | some_sequences() | CLEAN.filter(bool).map(TextData)


def same(one: Data, other: Data) -> bool:
    if type(one) is not type(other):
        return False
    for name in one.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            if a.dtype != b.dtype or a.tobytes() != b.tobytes() or a.shape != b.shape:
                return False
        elif a != b:
            return False
    return True


@settings(max_examples=80)
@given(ANY_DATA)
def test_what_is_kept_comes_back_to_the_bit(data: Data) -> None:
    found = store.to_bytes(data)
    assert same(store.from_bytes(found), data)
    assert store.to_bytes(store.from_bytes(found)) == found
    digest = store.put(data)
    assert digest == hashlib.sha256(found).hexdigest()
    assert same(store.get(digest), data)
    assert store.read_bytes(digest) == found


EXAMPLE = SeriesData(("a", "b"), np.arange(12.0).reshape(6, 2), breaks=np.array([3]))
EXAMPLE_BYTES = store.to_bytes(EXAMPLE)


@settings(max_examples=300)
@given(st.integers(0, len(EXAMPLE_BYTES) - 1), st.integers(0, 255), st.integers(0, len(EXAMPLE_BYTES)))
def test_damage_is_one_sentence_or_other_data(at: int, byte: int, end: int) -> None:
    """A file in the store is held to its hash; what is adopted from a session is not known by any, and has to fit."""
    damaged = EXAMPLE_BYTES[:at] + bytes([byte]) + EXAMPLE_BYTES[at + 1 :]
    for content in (damaged, EXAMPLE_BYTES[:end], EXAMPLE_BYTES + damaged[:at]):
        only_sentences(lambda content=content: store.to_bytes(store.from_bytes(content)))


def described(json: bytes, body: bytes) -> bytes:
    return store.MAGIC + len(json).to_bytes(8, "little") + json + body


TENSORS = tensorfile.to_bytes({"values": np.zeros((2, 1)), "breaks": np.zeros(0, dtype=np.int64)})
FORGED = {
    "another kind": described(b'{"kind":"model"}', TENSORS),
    "an unknown field": described(b'{"kind":"series","columns":["a"],"missing":"last","path":"/etc"}', TENSORS),
    "no field": described(b'{"kind":"series","columns":["a"]}', TENSORS),
    "a key twice": described(b'{"kind":"series","kind":"text"}', TENSORS),
    "too few columns": described(b'{"kind":"series","columns":[],"missing":"last"}', TENSORS),
    "two columns of one name": described(
        b'{"kind":"series","columns":["a","a"],"missing":"last"}',
        tensorfile.to_bytes({"values": np.zeros((2, 2)), "breaks": np.zeros(0, dtype=np.int64)}),
    ),
    "an array too many": described(
        b'{"kind":"series","columns":["a"],"missing":"last"}',
        tensorfile.to_bytes({"values": np.zeros((2, 1)), "breaks": np.zeros(0, dtype=np.int64), "z": np.zeros(1)}),
    ),
    "a column that dresses up": described(
        '{"kind":"series","columns":["a\u202eb"],"missing":"last"}'.encode(),
        TENSORS,
    ),
    "breaks beyond": described(
        b'{"kind":"series","columns":["a"],"missing":"last"}',
        tensorfile.to_bytes({"values": np.zeros((2, 1)), "breaks": np.array([5])}),
    ),
    "infinity": described(
        b'{"kind":"series","columns":["a"],"missing":"last"}',
        tensorfile.to_bytes({"values": np.full((2, 1), np.inf), "breaks": np.zeros(0, dtype=np.int64)}),
    ),
    "numbers of another type": described(
        b'{"kind":"series","columns":["a"],"missing":"last"}',
        tensorfile.to_bytes({"values": np.zeros((2, 1), np.float32), "breaks": np.zeros(0, dtype=np.int64)}),
    ),
    "a class beyond": described(
        b'{"kind":"sequences","answers":"class","columns":[],"vocabulary":["a"],"labels":["x"]}',
        tensorfile.to_bytes(
            {"lengths": np.array([1]), "answer": np.array([1]), "symbols": np.array([0], dtype=np.int64)}
        ),
    ),
    "lengths that overflow": described(
        b'{"kind":"sequences","answers":"class","columns":[],"vocabulary":["a"],"labels":["x"]}',
        tensorfile.to_bytes(
            {"lengths": np.array([2**62, 2**62]), "answer": np.array([0, 0]), "symbols": np.array([0], dtype=np.int64)}
        ),
    ),
    "an endless description": store.MAGIC + (2**60).to_bytes(8, "little"),
    "text that is no UTF-8": described(b'{"kind":"text"}', b"\xff\xff"),
    "no text": described(b'{"kind":"text"}', b""),
    "nothing": b"",
    "another file": b"PK\x03\x04" + bytes(50),
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_a_forged_file_is_not_adopted(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        store.adopt(content)
    assert is_one_sentence(str(caught.value))
    assert not list(tmp_path.rglob("*.gfdata"))


def tasks_over(digest: str) -> list[SeriesTask | TextTask | SequencesTask]:
    return [
        SeriesTask(data=digest, name="prices.csv", columns=("a", "b"), target="b", steps=2, split=ALL),
        TextTask(data=digest, name="prices.csv", symbols=4, steps=2, split=ALL),
        SequencesTask(data=digest, name="prices.csv", steps=2, inputs=1, classes=2, split=ALL),
    ]


def test_missing_data_are_said_with_the_file_that_they_came_from() -> None:
    for task in tasks_over("ab" * 32):
        with pytest.raises(
            DataError, match=r"'prices.csv' are not on this computer \(no abababababab….*import"
        ) as caught:
            tasks.batch(task, model(), 0, 0)
        assert is_one_sentence(str(caught.value))


def test_a_strangers_name_of_a_file_stays_on_its_line() -> None:
    task = SeriesTask(data="ab" * 32, name="/a/\u202ex\n" + "y" * 500, columns=("a",), target="a", steps=2)
    with pytest.raises(DataError) as caught:
        tasks.batch(task, model(), 0, 0)
    assert is_one_sentence(str(caught.value))
    assert "\u202e" not in str(caught.value)


def test_data_of_another_kind_are_said() -> None:
    digest = store.put(TextData("to be"))
    for task in tasks_over(digest):
        if not isinstance(task, TextTask):
            with pytest.raises(DataError, match=r"'prices.csv' are no (series|sequences)"):
                tasks.batch(task, model(), 0, 0)
    with pytest.raises(DataError, match="are no text"):
        tasks.batch(tasks_over(store.put(EXAMPLE))[1], model(), 0, 0)


def test_a_damaged_file_is_named_and_mended_by_importing_again() -> None:
    digest = store.put(EXAMPLE)
    path = store.folder() / f"{digest}.gfdata"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\x7f")
    with pytest.raises(DataError, match=r"The data of 'prices.csv' are damaged.*import the file again"):
        store.get(digest, "prices.csv")
    assert store.put(EXAMPLE) == digest
    assert path.read_bytes() == whole


def test_a_name_that_is_no_hash_reaches_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.gfdata").write_bytes(EXAMPLE_BYTES)
    for name in ("../secret", "/etc/passwd", "", "AB" * 32, "a" * 63, "ab" * 32 + "\n"):
        assert not store.has(name)
        with pytest.raises(DataError, match="no SHA-256"):
            store.read_bytes(name)


def test_the_process_with_the_window_can_look_and_import_without_torch(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n" + "1,2\n" * 9)
    says = (
        "import sys, engine.data as data\n"
        f"task = data.import_series(data.look_at({str(tmp_path / 'own.csv')!r}), data.SeriesChoices(steps=2, "
        "split=data.Split(train=1.0, validation=0.0)))\n"
        "assert 'torch' not in sys.modules\n"
        "print(task.data)"
    )
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert store.has(done.stdout.strip())


def test_the_same_data_are_kept_once() -> None:
    one, again = store.put(EXAMPLE), store.put(store.from_bytes(EXAMPLE_BYTES))
    assert one == again
    assert len(list(store.folder().iterdir())) == 1
    assert store.has(one)


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be kept") as caught:
        store.put(EXAMPLE)
    assert is_one_sentence(str(caught.value))
