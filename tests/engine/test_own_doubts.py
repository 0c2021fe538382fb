"""What in somebody's table could be read in two ways: it is read right or asked about, and never silently otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data import TableOptions, TablePreview, look_at
from engine.data.table import read_table


def looked(folder: Path, text: str, options: TableOptions | None = None) -> TablePreview:
    path = folder / "a.csv"
    path.write_text(text)
    found = look_at(path, options or TableOptions())
    assert isinstance(found, TablePreview)
    return found


def values(of: TablePreview, name: str) -> list[float]:
    table = read_table(of.path, of.options)
    read = table.contents[table.names.index(name)].values
    assert read is not None
    return [float(one) for one in np.asarray(read)]


# -- line breaks in quotes --------------------------------------------------------------------------------------------


def test_a_line_break_in_quotes_makes_no_second_number(tmp_path: Path) -> None:
    found = looked(tmp_path, 'a,b\n"1\n2",2\n3,3\n4,4\n')
    assert found.column("a").problem.startswith("'a.csv', line 2, column 1 (a): '1 2' is no number")
    assert values(found, "b") == [2.0, 3.0, 4.0]
    assert looked(tmp_path, 'a,b\n"1\n2",2\n"3\n4",3\n').column("a").kind == "text"
    assert values(looked(tmp_path, 'a,b\n"1\n",2\n"\n4",3\n'), "a") == [1.0, 4.0], "a break beside it is white space"


# -- thousands --------------------------------------------------------------------------------------------------------


def test_a_comma_in_quotes_between_columns_that_commas_part_stands_between_thousands(tmp_path: Path) -> None:
    found = looked(tmp_path, 'city,people,area\nA,"8,336",302\nB,"3,979",469\nC,"2,693",227\n')
    assert values(found, "people") == [8336.0, 3979.0, 2693.0]
    assert values(found, "area") == [302.0, 469.0, 227.0]
    (note,) = found.notes
    assert note == (
        "every ',' stands before three digits and is read as standing between thousands; it could be a decimal sign"
    )
    otherwise = looked(tmp_path, (tmp_path / "a.csv").read_text(), TableOptions(decimal=","))
    assert values(otherwise, "people") == [8.336, 3.979, 2.693]


@pytest.mark.parametrize(
    ("text", "expected", "in_doubt"),
    [
        ('x,y\n"8,336",1.5\n"2,250",2.5\n', [8336.0, 2250.0], False),
        ('x,y\n"8,336,000",1\n"2,250",2\n', [8336000.0, 2250.0], False),
        ('x,y\n"1,5",2\n"2,250",3\n', [1.5, 2.25], False),
        ('x,y\n"0,500",2\n"2,250",3\n', [0.5, 2.25], False),
        ("x;y\n1,500;2\n2,250;3\n", [1.5, 2.25], True),
        ("x\ty\n1,500\t2\n2,250\t3\n", [1.5, 2.25], True),
        ("x,y\n1.500,2\n2.250,3\n", [1.5, 2.25], False),
        ("x;y\n1.500;2\n2.250;3\n", [1.5, 2.25], True),
        ("x;y\n1.500,5;2\n2.250,5;3\n", [1500.5, 2250.5], False),
    ],
)
def test_a_factor_of_a_thousand_is_right_or_asked_about(
    tmp_path: Path, text: str, expected: list[float], in_doubt: bool
) -> None:
    found = looked(tmp_path, text)
    assert values(found, "x") == expected
    assert bool(found.notes) is in_doubt


# -- long names -------------------------------------------------------------------------------------------------------


def test_long_names_that_begin_alike_are_different_ones(tmp_path: Path) -> None:
    names = [f"{'the quantity that was measured at the station in the valley '}{where}" for where in "ABCD"]
    found = looked(tmp_path, f"{','.join(names)}\n1,2,3,4\n5,6,7,8\n")
    assert [column.name for column in found.columns] == names
    assert not found.notes
    long = "a" * 250
    found = looked(tmp_path, f"{long}b,{long}c\n1,2\n3,4\n")
    first, second = (column.name for column in found.columns)
    assert first != second
    assert max(len(first), len(second)) <= 200, "as long as the names of data are kept"
    assert [note[:43] for note in found.notes] == ["column 2 begins as the name of another, 'aa"]


# -- what is no usual table -------------------------------------------------------------------------------------------


def test_one_column_of_decimal_commas_is_one_column(tmp_path: Path) -> None:
    found = looked(tmp_path, "x\n1,5\n2,5\n-0,25\n")
    assert values(found, "x") == [1.5, 2.5, -0.25]
    assert any("the table as one column" in note for note in found.notes)
    found = looked(tmp_path, "x,y\n1,5\n2,5\n")
    assert values(found, "y") == [5.0, 5.0]
    assert not found.notes


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("city;2019;2020;2021\nUlm;1,5;2,5;3,5\nBonn;1;2;3\n", True),
        (";2021;2020\nUlm;1,5;2,5\nBonn;1;2\n", True),
        ("2019;2020;2021\n1,5;2,5;3,5\n1;2;3\n", True),
        ("2019;2020;2021\n2020;2021;2022\n1;2;3\n", False),
        ("2019;2021;2020\n1,5;2,5;3,5\n1;2;3\n", False),
        ("Ulm;2019;7\nBonn;2020;8\n", False),
        ("2019;2020;2021\n", False),
    ],
)
def test_years_one_after_the_other_are_a_heading_and_that_is_said(tmp_path: Path, text: str, header: bool) -> None:
    found = looked(tmp_path, text)
    assert found.options.header is header
    assert any("is read as a heading" in note for note in found.notes) is header
    assert found.rows == text.count("\n") - header


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("100 200\n150 250\n", "every row has 2 groups of digits with spaces between them and is read as one number"),
        ("100 200 300\n150 250 350\n", "every row has 3 groups"),
        ("1.5 2\n2.5 3\n", ""),
        ("a b\n1.5   2\n2.5 3e-4\n", ""),
        ("a\n1 234\n12 345 678\n", ""),
        ("a\none two\nthree four\n", ""),
        ("a;b\n1 234;1\n2 345;2\n", ""),
    ],
)
def test_spaces_between_numbers_are_spoken_about(tmp_path: Path, text: str, says: str) -> None:
    found = looked(tmp_path, text)
    assert any(note.startswith(says) for note in found.notes) if says else not found.notes


# -- dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("2020-01-05", "2020-01-06", "dates begin with the year"),
        ("05.01.2020", "06.01.2020", "dates are read with the day first"),
        ("01/30/2020", "01/31/2020", "dates are read with the month first"),
        ("10:30", "10:45", "there are times of day"),
    ],
)
def test_the_order_of_dates_is_said_as_it_is(tmp_path: Path, first: str, second: str, says: str) -> None:
    assert looked(tmp_path, f"t;v\n{first};1\n{second};2\n").detected[-1] == says
