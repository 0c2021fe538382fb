"""Series with jumps in time: prices without weekends, loggers that were off for a while; and what is said of them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from own_data import is_one_sentence

from engine.data import SeriesChoices, TablePreview, import_series, look_at
from engine.data.series import lacking, starts_in
from engine.data.windows import packed, unpacked
from engine.errors import DataError
from engine.tasks import series


def written(folder: Path, days: list[date]) -> TablePreview:
    path = folder / "prices.csv"
    path.write_text("date,close\n" + "".join(f"{day},{100 + at % 9}\n" for at, day in enumerate(days)))
    found = look_at(path)
    assert isinstance(found, TablePreview)
    return found


def every_day(count: int) -> list[date]:
    return [date(2020, 1, 1) + timedelta(at) for at in range(count)]


@pytest.fixture
def prices(tmp_path: Path) -> TablePreview:
    return written(tmp_path, [day for day in every_day(900) if day.weekday() < 5])


def test_daily_prices_without_weekends_are_read_as_they_are(prices: TablePreview) -> None:
    rows = prices.rows
    assert prices.column("date").jumps == pytest.approx(rows / 5, abs=1)
    task = import_series(prices, SeriesChoices(time="date", columns=("close",), steps=20))
    # 0.7 of the rows, and windows of 20 rows with their target one row ahead.
    assert len(series.windows(task, "train", False)) == int(0.7 * rows) - 20


def test_where_jumps_cut_the_sentence_names_them_and_the_choice(prices: TablePreview) -> None:
    with pytest.raises(DataError) as caught:
        import_series(prices, SeriesChoices(time="date", columns=("close",), steps=20, break_at_jumps=True))
    assert is_one_sentence(str(caught.value))
    assert "at most 5 of them in a row without a gap or a jump in time" in str(caught.value)
    assert "takes 21; let windows go over jumps, or take fewer steps" in str(caught.value)


def test_a_logger_that_was_off_twice_in_a_year_is_cut_there(tmp_path: Path) -> None:
    days = [day for at, day in enumerate(every_day(365)) if not (100 <= at < 110 or 200 <= at < 205)]
    found = written(tmp_path, days)
    task = import_series(found, SeriesChoices(time="date", steps=20))
    starts = series.windows(task, "train", False)
    assert not any(start < jump <= start + 20 for start in starts.tolist() for jump in (100, 190))
    assert len(starts) == (100 - 20) + (90 - 20) + (245 - 190 - 20)  # 0.7 of 350 rows


def test_what_a_preview_holds_is_enough_to_count_the_windows(tmp_path: Path) -> None:
    days = [day for at, day in enumerate(every_day(200)) if at % 50 != 30]
    path = tmp_path / "a.csv"
    path.write_text("day,v\n" + "".join(f"{day},{'' if at in (7, 90) else at}\n" for at, day in enumerate(days)))
    found = look_at(path)
    assert isinstance(found, TablePreview)
    whole = ~unpacked(found.column("v").missing_rows, found.rows)
    assert np.flatnonzero(~whole).tolist() == [7, 90]
    breaks = np.flatnonzero(unpacked(found.column("day").jumped_rows, found.rows))
    assert breaks.tolist() == [30, 79, 128, 177]
    choices = SeriesChoices(time="day", steps=5, missing="leave_out", break_at_jumps=True)
    task = import_series(found, choices)
    for part in ("train", "validation", "test"):
        there = series.windows(task, part, False).tolist()
        assert starts_in(task, whole, breaks, part, False).tolist() == there
        assert not lacking(task, whole, breaks, part)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_rows_are_packed_and_unpacked(count: int) -> None:
    rows = np.random.default_rng(0).random(count) < 0.3
    assert np.array_equal(unpacked(packed(rows), count), rows)
    assert packed(rows[:0]) == b""
