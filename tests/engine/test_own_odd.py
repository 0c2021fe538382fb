"""Odd files of people's making: each has a correct preview, a note about what could be otherwise, or one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_data import is_one_sentence, npy, npz

from engine.data import SeriesChoices, TablePreview, TextChoices, import_series, import_text, look_at, store
from engine.data.datasets import SeriesData
from engine.errors import DataError


def rows(heading: str, row: Callable[[int], str], count: int = 60) -> str:
    return heading + "".join(row(n) for n in range(count))


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "a quote that is closed in the next line": (
        "a.csv",
        rows("a,b\n", lambda n: f'{n},"x{n}\n'),
        "line 3, column 2: after the closing quote 'x' follows",
    ),
    "a quote that is never closed": (
        "a.csv",
        rows("a,b\n", lambda n: f"{n},{n}\n") + '60,"open\n',
        "line 62, column 2: the quote that opens there is never closed",
    ),
    "two delimiters": (
        "a.csv",
        rows("a,b,c\n", lambda n: f"{n},{n},{n}\n" if n % 2 else f"{n};{n};{n}\n"),
        "line 2: there is 1 column where line 1 has 3; it is parted by semicolons",
    ),
    "a NUL far down": ("a.csv", rows("a,b\n", lambda n: f"{n},{n}\n") + "6\0,1\n", "line 62, column 2: there is a NUL"),
    "only a heading": ("a.csv", "a,b\n", "line 1: there are no rows below the heading"),
    "beyond all numbers": (
        "a.csv",
        rows("a\n", lambda n: f"{n}\n") + "1e400\n",
        "line 62, column 1 (a): '1e400' is beyond",
    ),
    "a row of sums": (
        "a.csv",
        rows("a,b\n", lambda n: f"{n},{n}\n") + "Total,1770\n",
        "line 62, column 1 (a): 'Total' is no",
    ),
    "two tables": (
        "a.csv",
        rows("a,b\n", lambda n: f"{n},{n}\n") + "\nc,d,e\n1,2,3\n",
        "line 63: there are 3 columns where line 1 has 2",
    ),
    "a web page": ("a.csv", "<!DOCTYPE html><html><table></table></html>\n", "is an HTML page"),
    "one row": ("a.csv", "a,b\n1,2\n", "The training part of 'a.csv' has 0 rows"),
    "one symbol": ("a.txt", "a" * 400, "holds 1 different character"),
    "Python objects in an archive": ("a.npz", npz(x=np.array([1, "a", None], dtype=object)), "holds Python objects"),
    "dates": ("a.npy", npy(np.arange(5).astype("M8[s]")), "is of datetime64[s]"),
    "complex numbers": ("a.npy", npy(np.ones(9, dtype=complex)), "is of complex128"),
    "an archive that is cut off": ("a.npz", npz(x=np.ones(900))[:-30], "is a damaged .npz archive"),
}


@pytest.mark.parametrize(("name", "content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_one_sentence_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        _used(path)
    assert is_one_sentence(str(caught.value))
    assert says in str(caught.value)


def _used(path: Path) -> None:
    found = look_at(path)
    if found.kind == "text":
        import_text(found, TextChoices(steps=3, batch_size=2))
    else:
        import_series(found, SeriesChoices(steps=3, batch_size=2))


NOTED: dict[str, tuple[str, str]] = {
    "percent": (
        rows("a;b\n", lambda n: f"{n};{n} %\n"),
        "column 2 (b): every number has '%' behind it and is read without: '0 %' as 0",
    ),
    "money": (
        rows("a;b\n", lambda n: f"{n};€{n}.50\n"),
        "column 2 (b): every number has '€' before it and is read without: '€0.50' as 0.5",
    ),
    "two units": (
        rows("a;b\n", lambda n: f"{n};{n} {'kg' if n % 2 else 'g'}\n"),
        "column 2 (b): line 2: '0 g' has 'g' behind its number, and line 3: '1 kg' has not",
    ),
    "dates in no order": (
        rows("t,v\n", lambda n: f"2020-01-{n + 1 if n != 7 else 3:02d},{n}\n", 19),
        "column 1 (t): the dates are in no order: most rise from row to row, but line 9 is earlier",
    ),
    "in parentheses": (rows("a;b\n", lambda n: f"{n};({n}.5)\n"), "column 2 (b): line 2: '(0.5)' and the others"),
    "in lakhs": (rows("a;b\n", lambda n: f"{n};12,34,{567 + n}\n"), "column 2 (b): line 2: '12,34,567' and the others"),
    "newest first": (
        rows("t,v\n", lambda n: f"2020-01-{28 - n},{n}\n", 19),
        "column 1 (t): the dates fall from row to row",
    ),
    "a number for nothing": (
        rows("a,b\n", lambda n: f"{n},{-999 if n % 9 == 0 else n}\n"),
        "column 2 (b): -999 comes 7 times, far from all other numbers",
    ),
    "one name thrice": (rows("x,x,x\n", lambda n: f"{n},1,2\n"), "column 3 has the name of another, 'x'"),
}


@pytest.mark.parametrize(("content", "says"), NOTED.values(), ids=NOTED)
def test_what_could_be_meant_otherwise_is_noted(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    found = look_at(tmp_path / "a.csv")
    assert isinstance(found, TablePreview)
    assert any(note.startswith(says) for note in found.notes), found.notes


PLAIN = {
    "codes": rows("a,b\n", lambda n: f"{n},A{n}\n"),
    "versions": rows("a,b\n", lambda n: f"{n},1.{n}.0\n"),
    "oldest first": rows("t,v\n", lambda n: f"2020-01-{10 + n},{n}\n", 19),
    "-999 among its like": rows("a,b\n", lambda n: f"{n},{-999 if n % 9 == 0 else -500 - n}\n"),
    "-999 once": rows("a,b\n", lambda n: f"{n},{-999 if n == 9 else n}\n"),
}


@pytest.mark.parametrize("content", PLAIN.values(), ids=PLAIN)
def test_nothing_is_noted_where_nothing_is_in_doubt(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    found = look_at(tmp_path / "a.csv")
    assert isinstance(found, TablePreview)
    assert found.notes == ()


def test_dates_in_three_forms_are_named_and_can_be_left_out(tmp_path: Path) -> None:
    forms = ("2020-01-{:02d}", "{:02d}.01.2020", "Jan {} 2020")
    (tmp_path / "a.csv").write_text(rows("d,v\n", lambda n: f"{forms[n % 3].format(1 + n % 28)},{n}\n"))
    found = look_at(tmp_path / "a.csv")
    assert isinstance(found, TablePreview)
    assert "line 3, column 1 (d): '02.01.2020' is no date with the year first" in found.columns[0].problem
    assert import_series(found, SeriesChoices(steps=3, batch_size=2)).columns == ("v",)


WRITTEN: dict[str, tuple[str, bytes]] = {
    "UTF-16": ("a.csv", rows("v\n", lambda n: f"{n},5\n").encode("utf-16")),
    "thousands as in Germany": ("a.csv", rows("v;w\n", lambda n: f"{n},5;1.{n:03d}.500,25\n").encode()),
    "line ends as on old Macs": ("a.csv", rows("v\r", lambda n: f"{n}.5\r").encode()),
    "Fortran order": ("a.npy", npy(np.asfortranarray(np.arange(120).reshape(60, 2)[:, ::1] * 0.5 + 0.5))),
    "big-endian": ("a.npy", npy((np.arange(60) + 0.5).astype(">f4"))),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_the_same_however_they_are_written(tmp_path: Path, name: str) -> None:
    file, content = WRITTEN[name]
    (tmp_path / file).write_bytes(content)
    found = look_at(tmp_path / file)
    task = import_series(found, SeriesChoices(steps=3, batch_size=2))
    data = store.get(task.data)
    assert isinstance(data, SeriesData)
    first = np.arange(60) + 0.5
    np.testing.assert_array_equal(data.values[:, 0], first)
    if name == "thousands as in Germany":
        np.testing.assert_array_equal(data.values[:, 1], 1_000_500.25 + 1000 * np.arange(60))
    if name == "Fortran order":
        np.testing.assert_array_equal(data.values[:, 1], first + 0.5)
