"""Tables whose columns blanks part: detected, chosen, previewed, and nothing else taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_data import is_one_sentence

from engine.data import SeriesChoices, TableOptions, TablePreview, import_series, look_at, store
from engine.data.datasets import SeriesData
from engine.data.preview import Preview
from engine.data.table import DETECTED
from engine.errors import DataError

MONTHS = [(1749 + n // 12, 1 + n % 12, 40.0 + n % 7) for n in range(120)]
SUNSPOTS = "".join(
    f"{year} {month:02d} {year + (month - 0.5) / 12:8.3f}  {value:5.1f}  -1.0    -1  {'*' if at > 115 else ' '}\n"
    for at, (year, month, value) in enumerate(MONTHS)
)
"""As the World Data Center SILSO writes its monthly numbers, the last ones marked as provisional."""


def looked(folder: Path, text: str, name: str = "a.csv", options: TableOptions = DETECTED) -> Preview:
    (folder / name).write_text(text, encoding="utf-8")
    return look_at(folder / name, options)


def shape(found: Preview) -> tuple[int, int, str | None]:
    assert isinstance(found, TablePreview)
    return found.rows, len(found.columns), found.options.delimiter


@pytest.mark.parametrize("name", ["sn.csv", "SN_m_tot_V2.0.txt", "sn.dat"])
def test_the_file_of_the_sunspots_is_a_table_whatever_its_name(tmp_path: Path, name: str) -> None:
    found = looked(tmp_path, SUNSPOTS, name)
    assert isinstance(found, TablePreview)
    assert shape(found) == (120, 7, " ")
    assert found.options.header is False
    assert [column.kind for column in found.columns] == ["number"] * 6 + ["text"]
    assert found.head[0] == ("1749", "01", "1749.042", "40.0", "-1.0", "-1", "")
    assert "the columns are separated by spaces" in found.detected
    task = import_series(found, SeriesChoices(columns=("column 4",), steps=10))
    data = store.get(task.data)
    assert isinstance(data, SeriesData)
    assert data.values[:, 0].tolist() == [value for _, _, value in MONTHS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year sn\n1749 96.7\n1750  83\n", (2, 2, " ")),
        ("# a comment\n   1749   96.7\n   1750   83.1\n", (2, 2, " ")),
        ("t\tx\n1\t2\n3\t4\n", (2, 2, "\t")),
        ("t x\n1 \t2\n3\t 4\n", (2, 2, " ")),
        ("t x\n1 2,5\n3 4,5\n", (2, 2, " ")),
        ('name x\n"a b" 1\n"c d"  2\n', (2, 2, " ")),
        ("2020-01-01 1.5\n2020-01-02 2.5\n", (2, 2, " ")),
        ("when\n2020-01-01 12:00\n2020-01-02 12:00\n", (2, 1, ",")),
        ("time,x\n2020-01-01 12:00,1\n2020-01-02 12:00,2\n", (2, 2, ",")),
        ("name,x\nAnna Maria,1\nJan Ole,2\n", (2, 2, ",")),
        ("text\none two\nthree four\n", (2, 1, ",")),
        ("x\n1 234\n2 345 678\n", (2, 1, ",")),
        ("x;y\n1 234;5\n2 345;6\n", (2, 2, ";")),
    ],
)
def test_blanks_part_columns_only_where_numbers_come_of_it(
    tmp_path: Path, text: str, expected: tuple[int, int, str]
) -> None:
    assert shape(looked(tmp_path, text)) == expected


def test_blanks_can_be_chosen_and_taken_back(tmp_path: Path) -> None:
    groups = "100 200\n150 250\n"
    assert shape(looked(tmp_path, groups)) == (2, 1, ",")
    assert shape(looked(tmp_path, groups, options=TableOptions(delimiter=" "))) == (2, 2, " ")
    assert shape(looked(tmp_path, "1.5 2\n2.5 3\n", options=TableOptions(delimiter=";"))) == (2, 1, ";")
    with pytest.raises(DataError, match="delimiter and thousands are both a space"):
        looked(tmp_path, groups, options=TableOptions(delimiter=" ", thousands=" "))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a b c\n1 2 3\n4 5\n6 7 8\n", "line 3: there are 2 columns where line 1 has 3; column 3 is missing: write NA"),
        ("a b\n1 2\n4 5 6\n7 8\n", "line 3: there are 3 columns where line 1 has 2; column 3 ('6') is one too many"),
        (
            "Sunspot number of years\n1749 96.7\n1750 83\n1751 5\n",
            "line 1: there are 4 columns where most lines have 2",
        ),
    ],
)
def test_rows_of_other_lengths_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        looked(tmp_path, text, options=TableOptions(delimiter=" "))
    assert is_one_sentence(str(caught.value))
    assert says in str(caught.value)


def test_prose_stays_a_text(tmp_path: Path) -> None:
    assert (
        looked(tmp_path, "12 monkeys\n7 dwarfs\n3 musketeers\n101 dalmatians\n39 steps\n9 muses\n", "a.txt").kind
        == "text"
    )
    assert looked(tmp_path, "To be or not\n" * 9, "a.txt").kind == "text"
