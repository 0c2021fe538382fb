"""Large files are read and brought in piece by piece: what comes of it is what comes of them in one piece, and no piece
is long."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import npz

from engine import tensorfile
from engine.data import SeriesChoices, TextChoices, decoding, files, import_series, import_text, look_at, symbols
from engine.data.arrays import loading, surveying
from engine.data.cells import finished
from engine.data.datasets import Missing, SeriesData
from engine.data.decoding import ENCODINGS, Encoding, decoded
from engine.data.preview import looking_at
from engine.data.series import _whole_rows, filled_in
from engine.data.windows import count, runs, starts, whole_rows
from engine.data_requests import Bring, LookAt, Partly, bring, let_go, look, without_rows
from engine.errors import DataError
from engine.task_specs import Split

WORDS = st.text(alphabet="ab -'\n_.,é漢😀\t’", max_size=60)
SPLIT = Split(train=0.6, validation=0.2)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aß漢ñ\n\r 😀", min_size=1, max_size=40), st.integers(1, 7), st.sampled_from(sorted(ENCODINGS)))
def test_a_text_that_is_decoded_in_pieces_is_the_text(text: str, piece: int, encoding: Encoding) -> None:
    raw = text.encode(encoding, "ignore")
    whole = raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "_PIECE", piece)
        if not whole.strip():
            with pytest.raises(DataError, match="nothing but white space"):
                decoded(raw, "'a'", encoding)
            return
        found = decoded(raw, "'a'", encoding)
    assert found.text == whole
    ends = {
        end for end in ("\r\n", "\r", "\n") if end in raw.decode(encoding).replace("\r\n", "" if end != "\r\n" else end)
    }
    assert found.line_ends == (ends.pop() if len(ends) == 1 else "mixed" if ends else "\n")


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=1, max_size=30), st.integers(1, 7), st.sampled_from(["shift-jis", "gb18030", "utf-8", "euc-kr"])
)
def test_what_does_not_fit_is_named_at_the_same_byte_in_pieces(raw: bytes, piece: int, encoding: Encoding) -> None:
    try:
        raw.decode(encoding)
        return
    except UnicodeDecodeError as error:
        at = error.start
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "_PIECE", piece)
        with pytest.raises(DataError) as caught:
            decoded(raw, "'a'", encoding)
    said = str(caught.value)
    assert f"(byte {at} from 0)" in said or "NUL" in said


@settings(max_examples=100, deadline=None)
@given(WORDS, st.lists(st.integers(0, 60), max_size=4), st.integers(1, 9))
def test_words_are_the_same_wherever_a_text_is_cut(text: str, cuts: list[int], at_once: int) -> None:
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(symbols, "_AT_ONCE", at_once)
        some = list(symbols.at_words(pieces))
        numbered = finished(symbols.numbering(pieces, "word"))
    assert "".join(some) == text
    assert [word for one in some for word in symbols.words(one)] == list(symbols.words(text))
    assert [numbered.names[number] for number in numbered.numbers] == list(symbols.words(text))
    assert list(numbered.names) == sorted(numbered.names)


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sets(st.integers(1, 11)), st.data())
def test_runs_end_at_every_gap_and_break(there: list[bool], breaks: set[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(there)))
    behind = data.draw(st.integers(first, len(there)))
    expected: list[tuple[int, int]] = []
    for row in range(first, behind):
        if there[row] and expected and expected[-1][1] == row and row not in breaks:
            expected[-1] = (expected[-1][0], row + 1)
        elif there[row]:
            expected.append((row, row + 1))
    begins, ends = runs(np.array(there), np.array(sorted(breaks), dtype=np.int64), first, behind)
    assert list(zip(begins.tolist(), ends.tolist(), strict=True)) == expected
    need, stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    found = starts(np.array(there), np.array(sorted(breaks), dtype=np.int64), first, behind, need, stride)
    assert count(np.array(there), np.array(sorted(breaks), dtype=np.int64), first, behind, need, stride) == len(found)


def test_rows_of_which_none_lacks_anything_take_no_memory_and_are_one_run() -> None:
    rows = whole_rows(10**12)
    begins, ends = runs(rows, np.array([7]), 3, 10**12)
    assert (begins.tolist(), ends.tolist()) == ([3, 7], [7, 10**12])


@pytest.mark.parametrize("missing", ["refuse", "interpolate", "last", "leave_out"])
@settings(max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=4, max_size=20), st.sets(st.integers(1, 3)))
def test_rows_without_gaps_are_those_that_filling_in_leaves(
    missing: Missing, gaps: list[list[bool]], breaks: set[int]
) -> None:
    values = np.where(np.array(gaps), np.nan, 1.0)
    rows = np.array(sorted(breaks), dtype=np.int64)
    found = finished(_whole_rows(SeriesData(("a", "b"), values, missing, rows), SPLIT))
    np.testing.assert_array_equal(found, filled_in(values, missing, rows, SPLIT)[1])


@pytest.mark.parametrize(
    "arrays",
    [
        {"values": np.arange(6.0).reshape(3, 2), "breaks": np.array([1])},
        {"values": np.arange(3.0).reshape(3, 1), "breaks": np.zeros(0, dtype=np.int64)},
        {"lengths": np.array([2]), "answer": np.array([0.5]), "numbers": np.arange(4.0).reshape(2, 2)},
        {"lengths": np.array([2]), "answer": np.array([0]), "symbols": np.array([0, 1])},
    ],
)
def test_parts_of_a_file_are_its_bytes(arrays: dict[str, Any]) -> None:
    assert b"".join(tensorfile.to_parts(arrays)) == tensorfile.to_bytes(arrays)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2"])
def test_an_array_in_pieces_is_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any, dtype: str
) -> None:
    monkeypatch.setattr(files, "PIECE", 7)  # divides no number
    x = np.asarray(np.arange(60).reshape(20, 3), dtype=dtype, order=order)
    if dtype != "<i2":
        x[4, 1] = x[5, 0] = np.nan
    (tmp_path / "a.npz").write_bytes(npz(x=x))
    _, found = finished(loading(tmp_path / "a.npz"))
    np.testing.assert_array_equal(found["x"], x)
    survey = finished(surveying(tmp_path / "a.npz"))
    assert survey.missing == {"x": int(np.isnan(x.astype(float)).sum())}
    assert (survey.arrays["x"].shape, survey.arrays["x"].dtype) == (x.shape, x.dtype)


def _asked(operation: Any, request: Any) -> tuple[Any, list[float]]:
    shares: list[float] = []
    while isinstance(answer := operation(request), Partly):
        shares.append(answer.share)
    return answer, shares


@pytest.mark.parametrize("name", ["a.txt", "a.npy"])
def test_looking_and_bringing_go_in_pieces_and_come_to_the_same(tmp_path: Path, name: str) -> None:
    if name == "a.txt":
        (tmp_path / name).write_text("the quick brown fox jumps over the lazy dog, again\n" * 60_000)
        choices: Any = TextChoices(level="word", steps=5)
    else:
        np.save(tmp_path / name, np.sin(np.arange(800_000)))
        choices = SeriesChoices(steps=5)
    path = str(tmp_path / name)
    preview, shares = _asked(look, LookAt(path, piece=0.0))
    assert preview == look_at(path)
    task, more = _asked(bring, Bring(without_rows(preview), choices, piece=0.0))
    assert task == (import_text if name == "a.txt" else import_series)(preview, choices)
    for some in (shares, more):
        assert len(some) > 10
        assert some == sorted(some)
        assert some[0] < 0.1 < 0.9 < some[-1] <= 1.0
    let_go()


def test_what_is_given_up_between_two_pieces_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "kept"))
    np.save(tmp_path / "a.npy", np.sin(np.arange(800_000)))
    request = Bring(look_at(tmp_path / "a.npy"), SeriesChoices(steps=5), piece=0.0)
    seen = 0
    while isinstance(bring(request), Partly):
        if seen := len(list((tmp_path / "kept").glob(".*"))):
            break
    assert seen == 1, "it was being written"
    let_go()
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_reading_that_begins_does_not_touch_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 1_000_000)
    reading = looking_at(tmp_path / "a.txt")
    assert next(reading) < next(reading) < 0.1
