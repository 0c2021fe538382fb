"""Readers of somebody's own files under everything that a file can hold: an answer, or one sentence."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import ALL, is_one_sentence, npy, npz, only_sentences, opened

from engine.data import SequencesChoices, SeriesChoices, TextChoices, look_at
from engine.data.arrays import loading, surveying
from engine.data.cells import BLANK, finished
from engine.data.decoding import decoded
from engine.data.numbers import NOTATIONS, Notation
from engine.data.records import DELIMITER_NAMES, records
from engine.data.table import _even, read_table
from engine.errors import DataError


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_one_sentence(data: bytes) -> None:
    only_sentences(lambda: decoded(data, "'a'"))


CELL = st.text(st.sampled_from('ab1.,;"\n\t| -'), max_size=6)


@settings(max_examples=150)
@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=5), st.sampled_from(list(DELIMITER_NAMES)))
def test_records_are_those_that_the_csv_module_wrote(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    found = list(records(out.getvalue(), delimiter, "'a'"))
    assert [fields for _, fields in found] == rows
    lines = out.getvalue().split("\n")
    for line, fields in found:
        assert lines[line - 1].startswith('"' + fields[0].split("\n")[0].replace('"', '""'))


@settings(max_examples=150)
@given(st.text(st.sampled_from('ab1.,;"\n '), max_size=60), st.sampled_from(list(DELIMITER_NAMES)))
def test_any_text_is_records_or_one_sentence(text: str, delimiter: str) -> None:
    only_sentences(lambda: list(records(text, delimiter, "'a'")))


@settings(max_examples=200)
@given(st.lists(st.text(st.sampled_from("ab1.,; \t"), max_size=8), min_size=1, max_size=6), st.booleans())
def test_the_quick_way_to_rows_is_the_careful_one(lines: list[str], ends: bool) -> None:
    text = "\n".join(lines) + "\n" * ends
    for delimiter in DELIMITER_NAMES.keys() - {BLANK}:  # which has one way alone
        quick = finished(_even(text, delimiter))
        if quick is not None:
            careful = list(records(text, delimiter, "'a'", 3))
            assert [row.split(delimiter) for row in quick] == [fields for _, fields in careful]
            assert [line for line, _ in careful] == list(range(3, 3 + len(quick)))


@settings(max_examples=200)
@given(st.floats(-1e12, 1e12), st.sampled_from(NOTATIONS), st.integers(0, 6))
def test_a_number_written_in_any_notation_is_read_again(value: float, notation: Notation, decimals: int) -> None:
    plain = f"{value:,.{decimals}f}"
    written = plain.replace(",", "\0").replace(".", notation.decimal).replace("\0", notation.thousands)
    assert notation.number(written) == float(plain.replace(",", ""))


@pytest.mark.parametrize(
    "cell", ["1_000", "0x10", "١٢", "1e", "e5", ".", ",", "+", "--1", "1 2", "1,23,4", "nan", "inf", "1.2.3", "", " 1"]
)
def test_what_python_or_a_careless_reader_would_take_is_no_number(cell: str) -> None:
    assert all(notation.number(cell) is None for notation in NOTATIONS)


GERMAN = '\ufeffDatum;Umsatz;Ort\r\n01.02.2024;1.234,5;Köln\r\n02.02.2024;;"a;b"\r\n03.02.2024;7,25;Bonn\r\n'.encode()
SENTENCES = b"sentence,token,tag\n1,Ada,PER\n1,left,O\n2,She,O\n2,left,O\n3,Ada,PER\n"
ARRAYS = npz(x=np.arange(24.0).reshape(4, 3, 2), y=np.array([0, 1, 0, 1]))
SEEDS = {
    "table": ("a.csv", GERMAN, SeriesChoices(steps=1, split=ALL, missing="interpolate")),
    "sequences": ("a.csv", SENTENCES, SequencesChoices(answers="tags", sequence="sentence", split=ALL)),
    "text": ("a.txt", "Tyger Tyger, été!\n".encode() * 3, TextChoices(steps=2, split=ALL)),
    "array": ("a.npy", npy(np.arange(12.0).reshape(6, 2)), SeriesChoices(steps=1, split=ALL)),
    "arrays": ("a.npz", ARRAYS, SequencesChoices(split=ALL)),
}
JUNK = [b"\0", b"\xff", b'"', b"\n", b";", b",", b"\r", b"NA", b"1e999", b"-", b"\xef\xbb\xbf", b"{", b"'", b"9" * 30]


@pytest.mark.parametrize("what", SEEDS)
def test_damaged_files_give_an_answer_or_one_sentence(tmp_path: Path, what: str) -> None:
    """Bytes changed, cut, doubled and thrown in, 250 times."""
    name, content, choices = SEEDS[what]
    source = random.Random(7)
    path = tmp_path / name
    refused = 0
    for _ in range(250):
        data = bytearray(content)
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(data) + 1)
            kind = source.randrange(4)
            if kind == 0 and at < len(data):
                data[at] = source.randrange(256)
            elif kind == 1:
                del data[at : at + source.randint(1, 8)]
            elif kind == 2:
                data[at:at] = source.choice(JUNK)
            else:
                data[at:at] = data[max(0, at - 12) : at]
            if not data:
                break
        path.write_bytes(data)
        try:
            opened(path, choices)
        except DataError as error:
            refused += 1
            assert is_one_sentence(str(error)), error  # noqa: PT017
    assert 0 < refused < 250, "some damage is harmless, and some is not"


def bomb(shape: str, size: int) -> bytes:
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(size)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", array)
    return out.getvalue()


BOMBS = {
    "a header that promises terabytes": bomb("(1000000000000,)", 64),
    "axes whose product overflows": bomb("(4294967296, 4294967296)", 64),
    "more than its shape takes": bomb("(4,)", 100_000_000),
    "a negative axis": bomb("(-1,)", 64),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_compression_bombs_and_boasting_headers_allocate_nothing(content: bytes, tmp_path: Path) -> None:
    import tracemalloc

    assert len(content) < 1_000_000
    (tmp_path / "a.npz").write_bytes(content)
    tracemalloc.start()
    try:
        for read in (surveying, loading):
            with pytest.raises(DataError) as caught:
                finished(read(tmp_path / "a.npz"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert is_one_sentence(str(caught.value))
    assert peak < 20_000_000


def test_a_large_array_is_looked_at_without_being_held(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "a.npz").write_bytes(bomb("(12500000,)", 100_000_000))
    tracemalloc.start()
    try:
        found = finished(surveying(tmp_path / "a.npz"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.arrays["x"].shape == (12_500_000,)
    assert peak < 20_000_000


def test_sizes_are_bounded(tmp_path: Path) -> None:
    big = tmp_path / "a.csv"
    with big.open("wb") as out:
        out.truncate(64 * 2**20 + 1)
    with pytest.raises(DataError, match="67,108,865 bytes; at most 67,108,864"):
        look_at(big)


HOSTILE = {
    "quotes": b'"' * 200_001,
    "quoted fields without an end of the line": b'"a",' * 4000 + b'"a"\n',
    "a quote in every line": b'x"y\n' * 50_000,
    "many short lines": b"1\n" * 100_000,
    "a number of many digits": b"a,b\n" + b"9" * 300_000 + b",1\n2,2\n",
    "a long cell of digits and points": b"a,b\n" + b"1.1" * 100_000 + b",1\n2,2\n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_take_no_more_time_than_honest_ones(tmp_path: Path, content: bytes) -> None:
    """What would be quadratic here would take minutes."""
    import time

    (tmp_path / "a.csv").write_bytes(content)
    start = time.process_time()
    only_sentences(lambda: read_table(tmp_path / "a.csv"))
    assert time.process_time() - start < 5
