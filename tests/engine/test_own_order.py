"""Rows that begin with the newest are read in the order of time, numbers with a unit as numbers, and a scale is the
same to the bit however many pieces it is computed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data import SeriesChoices, TablePreview, import_series, look_at, store
from engine.data.cells import finished
from engine.data.datasets import SeriesData
from engine.data.finding import finding
from engine.data.preview import ArraysPreview
from engine.data.scaling import fitted
from engine.data.series import filled_in
from engine.data.windows import unpacked
from engine.errors import DataError

DAYS = 28


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))


def table(folder: Path, text: str) -> TablePreview:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    found = look_at(path)
    assert isinstance(found, TablePreview)
    return found


def falling(skip: int = 0) -> str:
    return "Date,Close\n" + "".join(f"2020-01-{d:02d},{d}.5\n" for d in range(DAYS, 0, -1) if d != skip)


def kept(preview: TablePreview, choices: SeriesChoices) -> SeriesData:
    data = store.get(import_series(preview, choices).data)
    assert isinstance(data, SeriesData)
    return data


@pytest.mark.parametrize("time", [None, "Date"])
def test_a_file_that_begins_with_the_newest_is_read_from_its_end(tmp_path: Path, time: str | None) -> None:
    found = table(tmp_path, falling())
    assert found.column("Date").falling
    data = kept(found, SeriesChoices(steps=2, time=time))
    assert data.values[:, 0].tolist() == [d + 0.5 for d in range(1, DAYS + 1)]
    as_it_stands = kept(found, SeriesChoices(steps=2, turned=False))
    assert as_it_stands.values[:, 0].tolist() == [d + 0.5 for d in range(DAYS, 0, -1)]
    with pytest.raises(DataError, match="line 3, column 1"):
        import_series(found, SeriesChoices(steps=2, time="Date", turned=False))


def test_a_jump_of_falling_dates_stands_where_it_is_in_time(tmp_path: Path) -> None:
    found = table(tmp_path, falling(skip=11))
    data = kept(found, SeriesChoices(steps=1, time="Date", break_at_jumps=True))
    assert data.breaks.tolist() == [10], "ten days, and the twelfth follows none"
    column = found.column("Date")
    assert np.flatnonzero(unpacked(column.jumped_rows, found.rows)).tolist() == [10]
    assert column.first_jump == 2 + DAYS - 12, "the line of the twelfth"


def test_turned_rows_are_found_again(tmp_path: Path) -> None:
    found = table(tmp_path, falling())
    for choices in (SeriesChoices(steps=2), SeriesChoices(steps=2, turned=False), SeriesChoices(steps=2, time="Date")):
        task = import_series(found, choices)
        (store.folder() / f"{task.data}.gfdata").unlink()
        assert finished(finding(tmp_path / "a.csv", task)) == task
        assert store.has(task.data)


@pytest.mark.parametrize(
    ("cell", "unit", "value"),
    [
        ("2{} °C", "°C", 20.0),
        ("-{}%", "%", -0.0),
        ("€ 1.{}5", "€", 1.05),
        ("{}7kg", "kg", 7.0),
        ("1,00{} €", "€", 1000.0),
    ],
)
def test_numbers_with_one_unit_are_numbers(tmp_path: Path, cell: str, unit: str, value: float) -> None:
    found = table(tmp_path, "t;v\n" + "".join(f"{n};{cell.format(n % 10)}\n" for n in range(40)))
    column = found.column("v")
    assert (column.kind, column.unit, column.problem) == ("number", unit, "")
    data = kept(found, SeriesChoices(columns=("v",), steps=2))
    # A comma before three digits is a sign of thousands or of decimals, as it is without a unit.
    bare = found.options.decimal == "," and "," in cell
    assert data.values[0, 0] == (1.0 if bare else value)


@pytest.mark.parametrize("cell", ["{}a", "{} of 9", "A {}", "{}-{}"])
def test_names_with_numbers_in_them_stay_text(tmp_path: Path, cell: str) -> None:
    found = table(tmp_path, "t;v\n" + "".join(f"{n};{cell.format(n, n)}\n" for n in range(40)))
    assert found.column("v").kind == "text"


def test_a_heading_is_none_of_a_file_of_units(tmp_path: Path) -> None:
    rows = "".join(f"{n}%;{n} m\n" for n in range(9))
    assert (table(tmp_path, rows).rows, table(tmp_path, f"50%;b\n{rows}").options.header) == (9, False)
    assert table(tmp_path, f"share;height\n{rows}").options.header is True


@pytest.mark.parametrize("order", ["C", "F"])
def test_where_a_number_of_an_array_is_missing_is_known_before_it_is_used(tmp_path: Path, order: str) -> None:
    x = np.arange(60.0).reshape(20, 3)
    x[7, 1] = x[9, 1] = x[19, 2] = np.nan
    np.save(tmp_path / "a.npy", np.asarray(x, order="F" if order == "F" else "C"))
    found = look_at(tmp_path / "a.npy")
    assert isinstance(found, ArraysPreview)
    rows = [np.flatnonzero(unpacked(one, 20)).tolist() for one in found.arrays[0].missing_rows]
    assert rows == [[], [7, 9], [19]]


@pytest.mark.parametrize("count", [1, 9, 1000, 2**18 + 3, 2**19 + 17, 1_000_003])
def test_a_scale_in_pieces_is_that_of_all_at_once(count: int) -> None:
    rows = np.random.default_rng(count).standard_normal((count, 2)) * 1e3 + 7
    rows[::50, 1] = np.nan
    scale = fitted(rows, "standard")
    for at in range(2):
        there = rows[:, at][~np.isnan(rows[:, at])]
        if len(there) > 1:
            assert (scale.shift[at], scale.size[at]) == (there.mean(), there.std())


def test_what_is_filled_in_says_what_is_whole() -> None:
    values = np.array([[np.nan], [1.0], [np.nan], [3.0]])
    filled, whole = filled_in(values, "last", np.zeros(0, dtype=np.int64), SeriesChoices().split)
    assert np.array_equal(filled, [[np.nan], [1.0], [1.0], [3.0]], equal_nan=True)
    assert whole.tolist() == [False, True, True, True]
