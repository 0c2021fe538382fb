"""Tables from somebody's own files: what is detected of them, and what is said where they are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_data import ALL, is_one_sentence, npy, npz, opened

from engine.data import (
    SequencesChoices,
    SeriesChoices,
    TableOptions,
    TablePreview,
    TextChoices,
    import_series,
    look_at,
    store,
)
from engine.data import table as parsing
from engine.data.columns import plain_numbers
from engine.data.datasets import SeriesData
from engine.data.numbers import Notation
from engine.errors import DataError
from engine.spec import Split

GERMAN = (
    "\ufeffDatum;Umsatz;Ort;Menge\r\n"
    "01.02.2024;1.234,50;Köln;3\r\n"
    "02.02.2024;;Bonn;4\r\n"
    '03.02.2024;987,25;"Halle; Saale";NA\r\n'
    "06.02.2024;1.000,00;;6\r\n"
    "07.02.2024;-12,5;Köln;7\r\n"
).encode()


def table(path: Path, options: TableOptions = TableOptions()) -> TablePreview:  # noqa: B008
    found = look_at(path, options, as_="table")
    assert isinstance(found, TablePreview)
    return found


def file(folder: Path, content: bytes | str, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_semicolons_decimal_commas_a_byte_order_mark_gaps_and_a_text_column_are_seen_before_use(tmp_path: Path) -> None:
    found = table(file(tmp_path, GERMAN))
    assert found.encoding == "UTF-8 with a byte order mark"
    options = found.options
    assert (options.delimiter, options.header, options.decimal, options.thousands) == (";", True, ",", ".")
    assert found.rows == 5
    assert [(c.name, c.kind, c.missing, c.first_missing) for c in found.columns] == [
        ("Datum", "date", 0, None),
        ("Umsatz", "number", 1, 3),
        ("Ort", "text", 1, 5),
        ("Menge", "number", 1, 4),
    ]
    date, sales, town, count = found.columns
    assert (sales.low, sales.high) == (-12.5, 1234.5)
    assert (count.low, count.high) == (3.0, 7.0)
    assert town.different == 3
    assert (date.rising, date.jumps, date.first_jump) == (True, 1, 5), "from the 3rd to the 6th of February"
    assert found.head[2] == ("03.02.2024", "987,25", "Halle; Saale", "NA")
    assert all(column.problem == "" for column in found.columns)
    said = " ".join(found.detected)
    assert all(word in said for word in ("semicolon", "','", "'.'", "heading", "day first", "byte order mark"))


def test_what_was_missing_there_is_refused_or_done_as_chosen(tmp_path: Path) -> None:
    preview = table(file(tmp_path, GERMAN))
    with pytest.raises(DataError, match=r"'own.csv', line 3, column 2 \(Umsatz\): a number is missing"):
        import_series(preview, SeriesChoices(steps=1, split=ALL))
    task = import_series(preview, SeriesChoices(columns=("Umsatz",), steps=1, split=ALL, missing="last"))
    data = store.get(task.data)
    assert isinstance(data, SeriesData)
    assert data.missing == "last"
    np.testing.assert_array_equal(data.values[:, 0], [1234.5, np.nan, 987.25, 1000.0, -12.5])


WRITTEN = {
    "plain": ("a,b\n1.5,2\n2.5,3\n", (",", ".", "")),
    "tabs and decimal commas": ("a\tb\n1,5\t2\n2,5\t3\n", ("\t", ",", "")),
    "semicolons and decimal commas": ("a;b\n1,5;2\n2,5;3\n", (";", ",", "")),
    "semicolons and points": ("a;b\n1.5;2\n2.5;3\n", (";", ".", "")),
    "bars": ("a|b\n1.5|2\n2.5|3\n", ("|", ".", "")),
    "thousands in quotes": ('a,b\n"1,234.5",2\n"2,500.0",3\n"1,234,567",3\n', (",", ".", ",")),
    "spaces between thousands": ("a;b\n1 234,5;2\n2\u00a0500,25;3\n", (";", ",", " ")),
    "apostrophes between thousands": ("a;b\n1'234.5;2\n2’500.25;3\n", (";", ".", "'")),
    "Excel's line": ("sep=;\na;b\n1;2\n3;4\n", (";", ".", "")),
    "comments": ("# from a logger\n# in volts\na,b\n1,2\n3,4\n", (",", ".", "")),
    "one column": ("a\n1.5\n2.5\n", (",", ".", "")),
    "exponents and signs": ("a,b\n1e3,-2\n+2.5E-3,3\n", (",", ".", "")),
}


@pytest.mark.parametrize(("text", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_delimiter_and_signs_are_detected(tmp_path: Path, text: str, expected: tuple[str, str, str]) -> None:
    found = table(file(tmp_path, text))
    assert (found.options.delimiter, found.options.decimal, found.options.thousands) == expected
    assert all(column.kind == "number" and not column.problem for column in found.columns)
    assert found.columns[0].name == "a"


def test_what_was_detected_can_be_overridden(tmp_path: Path) -> None:
    path = file(tmp_path, "1,234;5\n6,789;7\n")
    found = table(path)
    assert found.columns[0].high == 6.789
    assert any("could stand between thousands" in note for note in found.notes), "what is in doubt is said"
    other = table(path, TableOptions(decimal=".", thousands=","))
    assert other.columns[0].high == 6789.0
    assert table(path, TableOptions(delimiter=",")).columns[1].name == "column 2"
    assert table(path, TableOptions(header=True)).columns[0].name == "1,234"
    assert table(file(tmp_path, "a,b\n1,x\n2,5\n3,6\n"), TableOptions(missing=("X",))).columns[1].missing == 1


HEADERS = [
    ("a,b\n1,2\n3,4\n", True),
    ("1,2\n3,4\n", False),
    (",b\n0,2\n1,4\n", True),
    ("name,mood\nAnn,good\nBob,bad\nAnn,bad\n", True),
    ("Ann,good\nBob,bad\nAnn,bad\n", False),
    ("2020-01-01,5\n2020-01-02,6\n", False),
    ("x,NA\n1,2\n3,4\n", True),
    ("Ann,NA\nBob,2\nEve,4\n", False),
]


@pytest.mark.parametrize(("text", "header"), HEADERS)
def test_a_heading_is_told_from_data(tmp_path: Path, text: str, header: bool) -> None:
    found = table(file(tmp_path, text))
    assert found.options.header is header
    assert found.rows == text.count("\n") - header


def test_names_come_once_each(tmp_path: Path) -> None:
    found = table(file(tmp_path, "v,,v,v (2)\n1,2,3,4\n5,6,7,8\n"))
    assert [column.name for column in found.columns] == ["v", "column 2", "v (2)", "v (2) (2)"]
    assert any("'v'" in note for note in found.notes)


@pytest.mark.parametrize(
    "word", ["", "NA", "n/a", "NaN", "nan", "NULL", "None", "-", "?", " ", "#N/A"], ids=lambda word: repr(word)
)
def test_missing_numbers_are_counted_and_never_read_as_text(tmp_path: Path, word: str) -> None:
    found = table(file(tmp_path, f"a,b\n1,2\n{word},3\n4,5\n"))
    assert (found.columns[0].kind, found.columns[0].missing, found.columns[0].first_missing) == ("number", 1, 3)


def test_in_a_column_of_text_only_the_empty_cell_is_missing(tmp_path: Path) -> None:
    found = table(file(tmp_path, "token,tag\nWell,UH\n-,:\n?,.\nNA,NN\n,X\n"))
    assert (found.columns[0].kind, found.columns[0].missing) == ("text", 1)


DATES = {
    "2024-01-31": "year first",
    "2024/1/31": "year first",
    "2024-01-31T12:30:00Z": "year first",
    "2024-01": "year first",
    "31.01.2024": "day first",
    "31/01/2024": "day first",
    "31/01/2024 12:30": "day first",
    "12:30:05.25": "time",
}


@pytest.mark.parametrize("date", DATES)
def test_dates_are_no_text(tmp_path: Path, date: str) -> None:
    found = table(file(tmp_path, f"when,v\n{date},1\n{date},2\n"))
    assert found.columns[0].kind == "date"


def test_days_and_months_are_told_apart_where_they_can_be_and_said_to_be_in_doubt_where_not(tmp_path: Path) -> None:
    american = table(file(tmp_path, "when,v\n01/30/2024,1\n01/31/2024,2\n02/01/2024,3\n"))
    assert american.options.day_first is False
    assert american.columns[0].rising
    doubt = table(file(tmp_path, "when,v\n01/02/2024,1\n02/02/2024,2\n"))
    assert any("other way round" in note for note in doubt.notes)


def test_quotes_hold_delimiters_line_breaks_and_quotes(tmp_path: Path) -> None:
    found = table(file(tmp_path, 'a,b\n"x, ""y""\nz",1\nplain,2\nsize 5",3\n'))
    assert [row[0] for row in found.head] == ['x, "y" z', "plain", 'size 5"']
    bad = file(tmp_path, 'a,b\n"x\ny",1\n2\n')
    with pytest.raises(DataError, match="line 4"):
        table(bad)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_marked_encodings_are_read(tmp_path: Path, codec: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(codec, b"")
    found = table(file(tmp_path, mark + "Größe;b\n1;2\n3;4\n".encode(codec)))
    assert found.columns[0].name == "Größe"


GOOD = "time,price,town\n" + "".join(f"{t},{t * 1.5},x{t}\n" for t in range(1, 9))
STEP = "id,v,class\n1,1,a\n1,2,a\n2,3,b\n2,4,b\n3,5,a\n4,5,b\n"
SEQ = SequencesChoices(sequence="id", split=ALL)
CUT = npz(x=np.ones((4, 3, 2)), y=np.array([0, 1, 0, 1]))

BROKEN: dict[str, tuple[str, bytes | str, Any, tuple[str, ...]]] = {
    # what: (file, content, choices, words that the sentence has to have: what, where, and what to do)
    "nothing in it": ("a.csv", b"", None, ("'a.csv'", "empty", "0 bytes")),
    "white space alone": ("a.csv", "\n \n\n", None, ("'a.csv'", "white space")),
    "a heading alone": ("a.csv", "a,b\n", None, ("'a.csv', line 1", "no rows below the heading")),
    "Latin-1": ("a.csv", "name,b\nKöln,1\n".encode("latin-1"), None, ("line 2, column 2", "0xF6", "save", "UTF-8")),
    "UTF-16 without a mark": ("a.csv", GOOD.encode("utf-16-le"), None, ("UTF-16", "mark", "save the file as UTF-8")),
    "UTF-32": ("a.csv", GOOD.encode("utf-32"), None, ("UTF-32", "first 4 bytes", "save the file as UTF-8")),
    "cut within a character": ("a.csv", "a,b\n1,é".encode()[:-1], None, ("line 2, column 3", "cut off")),
    "odd UTF-16": ("a.csv", GOOD.encode("utf-16")[:-1], None, ("line 9", "UTF-16", "save the file as UTF-8")),
    "a NUL": ("a.csv", "a,b\n1,2\n3,\x004\n", None, ("line 3, column 3", "NUL")),
    "a row too short": ("a.csv", "a,b,c\n1,2,3\n4,5\n", None, ("line 3", "2 columns where line 1 has 3", "column 3")),
    "a row too long": ("a.csv", "a,b\n1,2\n1,2,3\n", None, ("line 3", "3 columns", "column 3 ('3')", "quotes")),
    "a decimal comma among commas": ("a.csv", "a,b\n1,5\n1,5,2\n", None, ("line 3", "column 3", "quotes")),
    "a title above": (
        "a.csv",
        "Sales 2024\na;b\n1;2\n3;4\n",
        None,
        ("line 1", "1 column where most lines have 2", "#"),
    ),
    "delimiters at the end": ("a.csv", "a;b\n1;2;\n3;4;\n", None, ("line 2", "semicolon at the end", "heading")),
    "an open quote": ("a.csv", 'a,b\n1,"2\n3,4\n', None, ("line 2, column 2", "never closed")),
    "text behind a quote": ("a.csv", 'a,b\n"1"x,2\n', None, ("line 2, column 1", "closing quote", "doubled")),
    "mixed decimals": ("a.csv", "a;b\n1,5;1\n2.5;2\n3,25;3\n", None, ("line 3, column 1 (a)", "'2.5'", "decimal sign")),
    "mixed thousands": (
        "a.csv",
        "a;b\n1.000,5;1\n2 000,5;2\n3.000,5;3\n",
        None,
        ("line 3, column 1", "thousands sign"),
    ),
    "a word among numbers": ("a.csv", "a,b\n1,1\ntwo,2\n3,3\n", None, ("line 3, column 1 (a)", "'two'", "no number")),
    "a unit": ("a.csv", "a,b\n1,1\n2 km,2\n3,3\n", None, ("line 3, column 1 (a)", "'2 km'", "no number")),
    "infinity": ("a.csv", "a,b\n1,1\n2,inf\n3,3\n", None, ("line 3, column 2 (b)", "'inf'", "not finite")),
    "too large a number": ("a.csv", "a,b\n1,1\n1e999,2\n3,3\n", None, ("line 3, column 1 (a)", "'1e999'", "1e150")),
    "a missing number": ("a.csv", "a,b\n1,1\n2,\n3,3\n", None, ("line 3, column 2 (b)", "missing", "straight line")),
    "no number before the first": (
        "a.csv",
        "a,b\n1,\n2,2\n3,3\n4,4\n",
        SeriesChoices(missing="last", steps=2, split=ALL),
        ("line 2, column 2 (b)", "no last value before it"),
    ),
    "no numbers at all": ("a.csv", "a,b\nx,y\nz,w\n", None, ("no column of numbers", "a (text)", "delimiter")),
    "a text as the target": ("a.csv", GOOD, SeriesChoices(target="town"), ("line 2, column 3 (town)", "text", "'x1'")),
    "an unknown column": ("a.csv", GOOD, SeriesChoices(target="cost"), ("no column 'cost'", "price")),
    "too few rows": ("a.csv", GOOD, SeriesChoices(steps=50, split=ALL), ("8 rows", "50 steps", "takes 51", "fewer")),
    "too few rows held back": (
        "a.csv",
        GOOD,
        SeriesChoices(steps=2, split=Split(validation=0.04)),
        ("validation part", "0 rows", "larger or 0"),
    ),
    "time that goes back": (
        "a.csv",
        "t,v\n2024-01-02,1\n2024-01-01,2\n2024-01-03,3\n",
        SeriesChoices(time="t", steps=1, split=ALL),
        ("line 3, column 1 (t)", "'2024-01-01'", "not come after", "sort"),
    ),
    "a missing time": (
        "a.csv",
        "t,v\n2024-01-01,1\n,2\n2024-01-03,3\n",
        SeriesChoices(time="t", steps=1, split=ALL),
        ("line 3, column 1 (t)", "time is missing"),
    ),
    "dates of two kinds": (
        "a.csv",
        "t,v\n2024-01-01,1\n02.01.2024,2\n2024-01-03,3\n",
        SeriesChoices(time="t", steps=1, split=ALL),
        ("line 3, column 1 (t)", "'02.01.2024'", "year first"),
    ),
    "a word as time": ("a.csv", GOOD, SeriesChoices(time="town", steps=1), ("column 3 (town)", "'x1'", "no time")),
    "an Excel workbook": ("a.csv", b"PK\x03\x04" + bytes(40), None, ("ZIP", "first bytes", "export", "CSV")),
    "gzip": ("a.csv", b"\x1f\x8b\x08" + bytes(40), None, ("gzip", "first bytes", "unpack")),
    "a pickle": ("a.npy", b"\x80\x04\x95" + bytes(40), None, ("pickle", "first bytes", ".npz")),
    "too many columns": ("a.csv", "," * 5000 + "\n" + "1," * 5000 + "1\n", None, ("line 1", "more than 4,096 columns")),
    "a sequence in two pieces": (
        "a.csv",
        STEP + "1,9,a\n",
        SEQ,
        ("line 8, column 1 (id)", "'1'", "line 2", "together"),
    ),
    "two answers to a sequence": ("a.csv", STEP + "4,1,a\n", SEQ, ("line 8, column 3 (class)", "'a'", "'b'", "line 7")),
    "an answer missing": ("a.csv", STEP + "5,1,\n", SEQ, ("line 8, column 3 (class)", "class is missing")),
    "one class alone": ("a.csv", "id,v,class\n1,1,a\n2,2,a\n", SEQ, ("1 different answer;", "2 to 1,000")),
    "a class that is held back": (
        "a.csv",
        "".join(f"{n},{n},{'ab'[n > 7]}\n" for n in range(10)),
        SequencesChoices(sequence="column 1", split=ALL.__class__(train=0.7, validation=0.1)),
        ("'b'", "first 70%", "shuffled"),
    ),
    "no id of a sequence": ("a.csv", STEP + ",1,a\n", SEQ, ("line 8, column 1 (id)", "to which sequence")),
    "a text without a symbol": (
        "a.csv",
        "text,class\nso good,1\n,0\nbad,0\n",
        SequencesChoices(split=ALL),
        ("line 3, column 1 (text)", "empty"),
    ),
    "a hole in a row": (
        "a.csv",
        "a,b,c,class\n1,2,3,x\n1,,3,y\n1,2,,x\n",
        SequencesChoices(split=ALL),
        ("line 3, column 2 (b)", "missing before others of the row"),
    ),
    "text too short": ("a.txt", "abab", TextChoices(split=ALL), ("4 characters", "50 steps", "takes 51", "fewer")),
    "text of one character": ("a.txt", "aaaa\n"[:4], None, ("1 different character;", "two or more")),
    "a table as a series of text": ("a.txt", "to be or not to be", SeriesChoices(), ("'a.txt' is a text", "table")),
    "objects": ("a.npy", npy(np.array([{}, 1], dtype=object)), None, ("Python objects", "pickle", "numbers")),
    "text in an array": ("a.npy", npy(np.array(["a", "b"])), None, ("<U1", "float16 to float64")),
    "complex": ("a.npy", npy(np.ones(3, dtype=complex)), None, ("complex128", "float16 to float64")),
    "an array cut off": ("a.npy", npy(np.ones(9))[:-5], None, ("fewer bytes behind byte 128", "(9,)", "cut off")),
    "an array with more": ("a.npy", npy(np.ones(9)) + b"x", None, ("more bytes behind byte 128", "(9,)", "damaged")),
    "no array": ("a.npy", b"hello, world", None, ("bytes 0 to 5", ".npy")),
    "a header that is no header": ("a.npy", b"\x93NUMPY\x01\x00\x06\x00{oops}", None, ("header", "from byte 10")),
    "an array of four axes": ("a.npy", npy(np.ones((2, 2, 2, 2))), None, ("(2, 2, 2, 2)", "one to three axes")),
    "an empty array": ("a.npy", npy(np.ones((0, 3))), None, ("(0, 3)", "1 or more")),
    "NaN in an array": ("a.npy", npy(np.array([1.0, np.nan, 2.0, 3.0])), None, ("row 1, column 0", "NaN", "choose")),
    "infinity in an array": ("a.npy", npy(np.array([1.0, 2.0, np.inf])), None, ("row 2, column 0", "inf", "1e150")),
    "x without y": ("a.npz", npz(x=np.ones((4, 3, 2))), None, ("(4, 3, 2)", "no array y", "(N,) or (N, T)")),
    "y of another length": ("a.npz", npz(x=np.ones((4, 3, 2)), y=np.ones(5)), SEQ, ("y", "(5,)", "(4,) or (4, 3)")),
    "an array nobody knows": ("a.npz", npz(x=np.ones(4), z=np.ones(4)), None, ("'z'", "x, and y and lengths")),
    "no x": ("a.npz", npz(y=np.ones(4), lengths=np.ones(4)), None, ("no array x", "y, lengths")),
    "lengths beyond": (
        "a.npz",
        npz(x=np.ones((2, 3, 1)), y=np.array([0, 1]), lengths=np.array([3, 4])),
        SEQ,
        ("lengths[1] is 4", "1 to 3"),
    ),
    "a damaged archive": ("a.npz", CUT[:-30], None, ("damaged .npz archive", "save the arrays again")),
    "a flipped bit": ("a.npz", CUT[:200] + b"\xff" + CUT[201:], SequencesChoices(split=ALL), ("x", "damaged")),
    "a series for sequences": ("a.npy", npy(np.ones(9)), SequencesChoices(), ("a series of 9 steps", "x and y")),
    "sequences for a series": ("a.npz", CUT, None, ("4 sequences of 3 steps", "no series")),
}


@pytest.mark.parametrize(("name", "content", "choices", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_gives_one_sentence_with_what_is_wrong_where_and_what_to_change(
    tmp_path: Path, name: str, content: bytes | str, choices: Any, words: tuple[str, ...]
) -> None:
    path = file(tmp_path, content, name)
    with pytest.raises(DataError) as caught:
        opened(path, choices)
    sentence = str(caught.value)
    assert is_one_sentence(sentence), sentence
    assert name in sentence, sentence
    for word in words:
        assert word in sentence, sentence
    assert not list(tmp_path.rglob("*.gfdata")), "nothing of it is kept"


WRONG_CHOICES = [
    SeriesChoices(split=Split(train=float("nan"))),
    SequencesChoices(split=Split(train=0.5, validation=-1.0)),
    TextChoices(split=Split(train=1.5)),
    SeriesChoices(split=Split(train=0.9, validation=0.9)),
    SeriesChoices(steps=0, split=ALL),
    SeriesChoices(ahead=0, split=ALL),
    SeriesChoices(batch_size=0, split=ALL),
    SeriesChoices(columns=("time", "time"), split=ALL),
    SeriesChoices(columns=(), split=ALL),
    SequencesChoices(answer="time", inputs=("town",), most_symbols=1, split=ALL),
    SequencesChoices(answer="town", cut=0, split=ALL),
    SequencesChoices(answer="town", inputs=("time", "town"), split=ALL),
    SequencesChoices(answer="time", inputs=("price", "town"), split=ALL),
    TextChoices(steps=0, split=ALL),
    TextChoices(most_symbols=1, steps=2, split=ALL),
]


@pytest.mark.parametrize("choices", WRONG_CHOICES, ids=repr)
def test_a_choice_out_of_range_is_one_sentence(tmp_path: Path, choices: Any) -> None:
    path = file(tmp_path, GOOD, "a.txt" if isinstance(choices, TextChoices) else "a.csv")
    with pytest.raises(DataError) as caught:
        opened(path, choices)
    assert is_one_sentence(str(caught.value)), caught.value
    assert not list(tmp_path.rglob("*.gfdata"))


def test_there_are_thirty_broken_tables_and_more() -> None:
    assert sum(name.endswith(".csv") for name, *_ in BROKEN.values()) >= 30


@pytest.mark.parametrize("what", ["folder", "nothing", "device", "NUL"])
def test_what_is_no_file_is_said(tmp_path: Path, what: str) -> None:
    path = {"folder": tmp_path, "nothing": tmp_path / "no.csv", "device": Path("/dev/zero"), "NUL": "a\0.csv"}[what]
    with pytest.raises(DataError) as caught:
        look_at(path)
    assert is_one_sentence(str(caught.value))


def test_a_table_is_parsed_once_between_its_preview_and_its_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "".join(f"{n},5;{n % 3}\n" for n in range(40)))
    parsing.forget()
    parsed: list[str] = []
    cells = parsing._cells
    monkeypatch.setattr(parsing, "_cells", lambda *of: parsed.append(of[2]) or cells(*of))
    preview = look_at(path)
    task = import_series(preview, SeriesChoices(steps=2))
    assert import_series(preview, SeriesChoices(steps=2)) == task
    assert parsed == ["'a.csv'"]
    look_at(path, TableOptions(header=False))
    assert len(parsed) == 2, "read otherwise it is another table"
    path.write_text("x;y\n" + "".join(f"{n},5;{n % 4}\n" for n in range(40)))
    look_at(path)
    assert len(parsed) == 3


@pytest.mark.parametrize(
    "odd", ["1-2", "1 2", "1\n2", "1\n", "", "nan", "inf", "1_0", "1,2", "0x1", "1e", "--1", "1;2", "\uff11", "1e999"]
)
def test_a_cell_that_is_no_plain_number_is_never_read_as_some(odd: str) -> None:
    """As many as there are cells, or none: "1-2" beside an empty cell must not shift the numbers of a column."""
    for notation in (Notation(".", ""), Notation(",", "")):
        for cells in ([odd, "3"], ["3", odd], [odd, ""], ["", odd, "4"]):
            found = plain_numbers(cells, notation)
            if odd == "1,2" and notation.decimal == "," and "" not in cells:
                assert found is not None
                assert sorted(found) == [1.2, 3.0]
            else:
                assert found is None


def test_numbers_are_read_to_the_bit_as_python_reads_them() -> None:
    rng = np.random.default_rng(2)
    values = [*np.ldexp(rng.standard_normal(2000), rng.integers(-400, 400, 2000)).tolist(), 0.1, 5e-324, 1e150, -0.0]
    for form in ("{!r}", "{:.3f}", "{:+.17e}", "{:.0f}."):
        cells = [form.format(value) for value in values if abs(value) <= 1e150]
        found = plain_numbers(cells, Notation(".", ""))
        assert found is not None
        assert found.tobytes() == np.array([float(cell) for cell in cells]).tobytes()


def test_a_file_that_changes_between_the_preview_and_its_use_is_not_used(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD)
    preview = table(path)
    path.write_text(GOOD.replace("1.5", "9.5"))
    with pytest.raises(DataError, match="changed since it was looked at"):
        import_series(preview, SeriesChoices(steps=2, split=ALL))
