"""Tasks over somebody's own series: windows, scaling, and that nothing of the future or of what is held back leaks."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import ALL, model, npy, npz

from engine import tasks
from engine.checks import checked
from engine.data import SeriesChoices, import_series, look_at, store
from engine.data.datasets import SeriesData
from engine.data.windows import starts, stretch
from engine.errors import DataError
from engine.network import Network
from engine.operations import run
from engine.parts import Part
from engine.requests import Computed, Excerpt, Look
from engine.spec import Experiment, LayerSpec, ModelSpec, ReadoutSpec, SeriesTask, Split
from engine.tasks import own, series
from engine.tasks.part import Draw

EVERY, LAST = model(at="every"), model()
PARTS: tuple[Part, ...] = ("train", "validation", "test")


def made(data: SeriesData, **choices: object) -> SeriesTask:
    given = {"columns": data.columns, "target": data.columns[-1], "name": "own.csv"} | choices
    return SeriesTask(data=store.put(data), **given)  # type: ignore[arg-type]


def numbered(rows: int, columns: int = 1, **more: object) -> SeriesData:
    """Row r, column c holds 1000 c + r, so that a number tells where it stood."""
    values = np.arange(rows, dtype=float)[:, None] + 1000.0 * np.arange(columns)
    return SeriesData(tuple(f"c{at}" for at in range(columns)), values, **more)  # type: ignore[arg-type]


def rows_of(task: SeriesTask, part: Part, count: int) -> set[tuple[int, ...]]:
    """The rows of each window and its targets, read out of the unscaled numbers of batches."""
    found = set()
    for number in range(count):
        batch = tasks.batch(task, EVERY, 0, number, part=part)
        rows = torch.cat([batch.x[..., 0], batch.targets[..., 0]]).T
        found |= {tuple(map(int, row)) for row in rows.tolist()}
    return found


def test_a_window_reads_its_rows_and_asks_for_the_target_so_many_steps_later() -> None:
    task = made(numbered(40, 2), steps=4, ahead=3, scaling="none", split=ALL, batch_size=5)
    every, last = tasks.batch(task, EVERY, 0, 0), tasks.batch(task, LAST, 0, 0)
    assert every.x.shape == (4, 5, 2)
    assert every.targets.shape == (4, 5, 1)
    assert last.targets.shape == (5, 1)
    first = every.x[0, :, 0]
    for t in range(4):
        assert torch.equal(every.x[t, :, 0], first + t)
        assert torch.equal(every.x[t, :, 1], 1000 + first + t)
        assert torch.equal(every.targets[t, :, 0], 1000 + first + t + 3)
    assert torch.equal(last.targets[:, 0], 1000 + last.x[-1, :, 0] + 3)


@settings(max_examples=60)
@given(
    rows=st.integers(8, 60),
    steps=st.integers(1, 6),
    ahead=st.integers(1, 4),
    stride=st.integers(1, 4),
    split=st.sampled_from([Split(), Split(train=0.5, validation=0.25), Split(train=0.4, validation=0.6), ALL]),
    missing=st.sets(st.integers(0, 59), max_size=4),
    breaks=st.sets(st.integers(1, 59), max_size=3),
)
def test_no_window_crosses_the_end_of_a_part_a_missing_number_or_a_break(
    rows: int, steps: int, ahead: int, stride: int, split: Split, missing: set[int], breaks: set[int]
) -> None:
    missing, breaks = {m for m in missing if m < rows}, {b for b in breaks if b < rows}
    whole = np.array([row not in missing for row in range(rows)])
    cuts = np.array(sorted(breaks), dtype=np.int64)
    edges = [math.floor(rows * split.train + 1e-9), math.floor(rows * (split.train + split.validation) + 1e-9)]
    covered = []
    for part in PARTS:
        first, behind = stretch(rows, split, part)
        covered += list(range(first, behind))
        found = starts(whole, cuts, first, behind, steps + ahead, stride).tolist()
        # By definition, one row after the other.
        possible = []
        begin = first
        while begin < behind:
            end = begin
            while end < behind and end not in missing and (end == begin or end not in breaks):
                end += 1
            possible += list(range(begin, end - steps - ahead + 1, stride))
            begin = end if end > begin else begin + 1
        assert found == possible
        for start in found:
            read = range(start, start + steps + ahead)
            assert not missing & set(read)
            assert not breaks & set(read[1:])
            assert all(first <= row < behind for row in read)
    assert covered == list(range(rows)), "every row is in one part"
    assert stretch(rows, split, "train") == (0, edges[0])
    assert stretch(rows, split, "test") == (edges[1], rows)


def test_training_sees_every_window_of_its_part_once_an_epoch_and_nothing_of_the_others() -> None:
    """100 rows: 70 to learn from, 15, 15. Windows of 5 + 1 rows: 65 of them, 13 batches of 5 an epoch."""
    task = made(numbered(100), steps=5, scaling="none", batch_size=5)
    first = rows_of(task, "train", 13)
    assert first == {(*range(s, s + 5), *range(s + 1, s + 6)) for s in range(65)}
    later = {row for number in range(13, 26) for row in [tuple(tasks.batch(task, LAST, 0, number).x[0, :, 0].tolist())]}
    assert later != {tuple(tasks.batch(task, LAST, 0, number).x[0, :, 0].tolist()) for number in range(13)}


@pytest.mark.parametrize(("part", "begin", "end"), [("validation", 70, 85), ("test", 85, 100)])
def test_what_is_asked_lies_in_its_part_and_what_is_read_may_be_older(part: Part, begin: int, end: int) -> None:
    """15 rows held back, windows of 5 + 1: with one answer each all 15 are asked about, once and in order; with an
    answer at every step 11 windows have all five of them there."""
    task = made(numbered(100), steps=5, scaling="none", batch_size=5)
    drawn = [tasks.batch(task, LAST, 0, number, part=part) for number in range(own.batches(task, LAST, part) or 0)]
    assert torch.cat([batch.targets[:, 0] for batch in drawn]).tolist() == list(range(begin, end))
    read = torch.cat([batch.x[..., 0] for batch in drawn], 1)
    assert torch.equal(read[-1], torch.arange(begin - 1, end - 1).double())
    told = [own.asked(task, LAST, Draw(0, number, part)) for number in range(len(drawn))]
    assert [row for one in told if one is not None for row in one[1]] == list(range(begin + 1, end + 1)), "from 1"
    assert own.asked(task, EVERY, Draw(0, 0, part)) is None
    count = own.batches(task, EVERY, part)
    assert count == 3
    assert rows_of(task, part, count) == {(*range(s, s + 5), *range(s + 1, s + 6)) for s in range(begin - 1, end - 5)}


def test_a_window_that_reads_older_rows_still_goes_over_no_gap_and_no_jump() -> None:
    """A row is missing four before the part: the first window that reads nothing over it is asked about the third."""
    data = numbered(100)
    values = data.values.copy()
    values[66] = np.nan
    task = made(SeriesData(data.columns, values, "leave_out"), steps=5, scaling="none", batch_size=50)
    assert tasks.batch(task, LAST, 0, 0, part="validation").targets[:, 0].tolist() == list(range(72, 85))
    cut = made(SeriesData(data.columns, data.values, "refuse", np.array([68])), steps=5, scaling="none", batch_size=50)
    assert tasks.batch(cut, LAST, 0, 0, part="validation").targets[:, 0].tolist() == list(range(73, 85))


def test_a_batch_is_a_pure_function_of_seed_and_iteration_across_the_end_of_an_epoch() -> None:
    task = made(numbered(50), steps=4, batch_size=7, split=ALL)
    drawn = [tasks.batch(task, LAST, 3, number).x for number in range(20)]
    for number in (19, 6, 13, 0):
        assert torch.equal(tasks.batch(task, LAST, 3, number).x, drawn[number])
    assert not torch.equal(tasks.batch(task, LAST, 4, 0).x, drawn[0])
    # 46 windows: whatever 46 of them follow one another from the beginning of an epoch, each is there once.
    order = torch.cat([x[0, :, 0] for x in drawn])
    assert len(set(order[:46].tolist())) == len(set(order[46:92].tolist())) == 46


def test_scaling_is_fitted_on_what_is_learned_from_alone() -> None:
    source = np.random.default_rng(0)
    values = source.normal(3.0, 2.0, (60, 2))
    values[42:] *= 100.0  # what is held back is of another size
    data = SeriesData(("a", "b"), values)
    for kind in ("standard", "range", "none"):
        task = made(data, steps=3, scaling=kind, batch_size=4)
        of = series.prepared(task)
        for column in range(2):
            learned = [float(v) for v in values[:42, column]]
            if kind == "standard":
                shift = math.fsum(learned) / 42
                size = math.sqrt(math.fsum((v - shift) ** 2 for v in learned) / 42)
            elif kind == "range":
                shift, size = min(learned), max(learned) - min(learned)
            else:
                shift, size = 0.0, 1.0
            np.testing.assert_allclose(of.x[:, column], (values[:, column] - shift) / size, rtol=1e-12, atol=1e-12)
        assert own.units(task) == pytest.approx((shift, size), rel=1e-12)
        batch = tasks.batch(task, LAST, 0, 0, part="test")
        shift, size = own.units(task)
        back = batch.targets[:, 0].numpy() * size + shift
        rows = [int(np.flatnonzero(np.isclose(values[:, 1], value, rtol=1e-12))[0]) for value in back]
        assert all(row >= 51 for row in rows), "in the units of the file"


def test_what_is_held_back_changes_nothing_that_is_learned_from() -> None:
    values = np.random.default_rng(1).normal(size=(80, 2))
    other = values.copy()
    other[56:] = 1e3 * np.random.default_rng(2).normal(size=(24, 2))
    for missing in ("refuse", "interpolate", "last"):
        a, b = values.copy(), other.copy()
        if missing != "refuse":
            a[[20, 54, 55, 56, 60]] = np.nan
            b[[20, 54, 55, 56, 60]] = np.nan
        one, two = (
            made(SeriesData(("a", "b"), rows, missing), steps=4, batch_size=6)  # type: ignore[arg-type]
            for rows in (a, b)
        )
        for number in range(12):
            for of in (EVERY, LAST):
                left, right = tasks.batch(one, of, 0, number), tasks.batch(two, of, 0, number)
                assert torch.equal(left.x, right.x)
                assert torch.equal(left.targets, right.targets)


def test_a_column_that_never_changes_is_shifted_alone_and_never_blown_up() -> None:
    values = np.column_stack([np.full(30, 0.1), np.arange(30.0)])
    for kind in ("standard", "range"):
        task = made(SeriesData(("flat", "b"), values), steps=3, scaling=kind, split=ALL)
        assert bool((tasks.batch(task, LAST, 0, 0).x[..., 0] == 0).all())


FILLED = {
    "interpolate": [1.0, 2.0, 3.0, 4.0, 4.0],
    "last": [1.0, 1.0, 3.0, 4.0, 4.0],
}


@pytest.mark.parametrize("missing", FILLED)
def test_missing_numbers_are_put_as_chosen(missing: str) -> None:
    values = np.array([1.0, np.nan, 3.0, 4.0, np.nan])[:, None]
    task = made(SeriesData(("a",), values, missing), steps=1, scaling="none", split=ALL)  # type: ignore[arg-type]
    np.testing.assert_array_equal(series.prepared(task).x[:, 0], FILLED[missing])


def test_the_last_value_never_looks_ahead() -> None:
    values = np.random.default_rng(0).normal(size=(30, 1))
    holes = np.random.default_rng(1).random(30) < 0.3
    holes[0] = False
    values[holes] = np.nan
    task = made(SeriesData(("a",), values, "last"), steps=1, scaling="none", split=ALL)
    filled = series.prepared(task).x[:, 0]
    for row in range(30):
        known = [v for v in values[: row + 1, 0] if not math.isnan(v)]
        assert filled[row] == known[-1]


def test_left_out_rows_stop_windows(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("v\n" + "\n".join("NA" if row == 10 else str(row) for row in range(30)) + "\n")
    task = import_series(look_at(path), SeriesChoices(steps=3, split=ALL, missing="leave_out", scaling="none"))
    rows = {row for window in rows_of(task, "train", 30) for row in window}
    assert rows == set(range(30)) - {10}
    batch = tasks.batch(task, EVERY, 0, 0)
    assert bool(torch.isfinite(batch.x).all())


def test_jumps_in_time_stop_windows_where_that_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    days = [*range(1, 11), *range(15, 25)]
    path.write_text("day,v\n" + "".join(f"2024-01-{day:02},{at}\n" for at, day in enumerate(days)))
    preview = look_at(path)
    for stop, expected in ((True, 14), (False, 17)):  # windows of 3 + 1 rows: 2·(10 − 3), or 20 − 3
        task = import_series(preview, SeriesChoices(time="day", break_at_jumps=stop, steps=3, split=ALL))
        assert len(series.windows(task, "train", True)) == expected


def test_arrays_become_series(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30.0)
    for name, content in (("a.npy", npy(x)), ("b.npz", npz(x=x)), ("c.npz", npz(X=x, y=y)), ("d.npy", npy(y))):
        (tmp_path / name).write_bytes(content)
    choices = SeriesChoices(steps=3, split=ALL, scaling="none")
    a, b, c, d = (import_series(look_at(tmp_path / name), choices) for name in ("a.npy", "b.npz", "c.npz", "d.npy"))
    assert a.data == b.data, "the same content has one hash"
    assert (a.columns, a.target) == (("x0", "x1"), "x1")
    assert (c.columns, c.target) == (("x0", "x1"), "y")
    assert (d.columns, d.target) == (("x0",), "x0")
    of = series.prepared(c)
    np.testing.assert_array_equal(of.x, x)
    np.testing.assert_array_equal(of.target, y)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">i2", "u1", "?"])
def test_numbers_of_every_type_and_layout_come_as_they_are(tmp_path: Path, dtype: str, layout: str) -> None:
    array = np.array(np.arange(24).reshape(12, 2) % 2, dtype=dtype, order=layout)  # type: ignore[call-overload]
    (tmp_path / "a.npy").write_bytes(npy(array))
    task = import_series(look_at(tmp_path / "a.npy"), SeriesChoices(steps=2, split=ALL, scaling="none"))
    np.testing.assert_array_equal(series.prepared(task).x, array.astype(float))


@pytest.mark.parametrize(
    ("columns", "target", "named"),
    [(("open", "close"), "close", "close"), (("x0", "x1"), "x1", ""), (("value",), "value", ""), (("c",), "c", "c")],
)
def test_the_stage_gets_the_name_of_the_column_that_is_forecast(
    columns: tuple[str, ...], target: str, named: str
) -> None:
    """Arrays have no names; theirs are counted."""
    task = made(SeriesData(columns, numbered(40, len(columns)).values), target=target, steps=5, batch_size=2)
    spec = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=2),))
    found: Excerpt = run("excerpt", Look(Computed(Experiment(model=spec, task=task)), ()))
    assert found.target_name == named
    assert tuple(found.read_labels.values()) == (columns if named else ())


def test_a_part_without_a_window_says_what_to_change() -> None:
    task = made(numbered(40), steps=5)
    says = r"validation part of 'own.csv' has 6 rows and reads 1 before it, and a window of 7 steps.*takes 8"
    with pytest.raises(DataError, match=says):
        tasks.batch(msgspec.structs.replace(task, steps=7), EVERY, 0, 0, part="validation")
    assert tasks.batch(msgspec.structs.replace(task, steps=6), EVERY, 0, 0, part="validation").x.shape[1] == 1
    assert tasks.batch(msgspec.structs.replace(task, steps=7), LAST, 0, 0, part="validation").x.shape[1] == 6
    everything = msgspec.structs.replace(task, split=ALL)
    with pytest.raises(DataError, match="empty"):
        tasks.batch(everything, LAST, 0, 0, part="test")
    assert own.batches(everything, LAST, "test") == 0


def test_columns_that_the_data_do_not_have_are_said() -> None:
    task = msgspec.structs.replace(made(numbered(40), steps=5), target="gone")
    with pytest.raises(DataError, match=r"'own.csv' have no column 'gone'; they have c0"):
        tasks.batch(task, LAST, 0, 0)


@pytest.mark.parametrize("at", ["last", "every"])
def test_the_best_constant_is_the_mean_of_the_targets_of_training(at: str) -> None:
    task = made(SeriesData(("a",), np.random.default_rng(0).normal(size=(50, 1)) ** 2), steps=4, ahead=2, batch_size=3)
    of = model(at=at)
    count = len(series.windows(task, "train", at == "every"))
    batches = [
        series.at(task, of, series.prepared(task), series.windows(task, "train", at == "every")[[n]])
        for n in range(count)
    ]
    expected = torch.stack([batch.targets for batch in batches]).mean()
    found = own.constant(task, of)
    assert found is not None
    torch.testing.assert_close(found, expected.reshape(1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
def test_a_network_reads_it(at: str) -> None:
    task = made(numbered(60, 3), steps=5, batch_size=4)
    spec = ModelSpec(layers=(LayerSpec(cell="gru", hidden_size=4),), readout=ReadoutSpec(at=at))  # type: ignore[arg-type]
    experiment = checked(Experiment(model=spec, task=task, device="cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = Network(experiment).trace()
    assert trace.steps == 5
    assert bool(torch.isfinite(trace.loss))


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        (SeriesChoices(steps=2.5), r"task\.steps is 2\.5"),  # type: ignore[arg-type]
        (SeriesChoices(scaling="x"), r"task\.scaling is 'x'"),  # type: ignore[arg-type]
        (SeriesChoices(missing="x"), r"missing is 'x'; one of 'refuse'"),  # type: ignore[arg-type]
        (SeriesChoices(batch_size=True), r"task\.batch_size is true"),
    ],
)
def test_choices_of_another_type_are_refused_when_the_data_are_taken(
    tmp_path: Path, choices: SeriesChoices, says: str
) -> None:
    (tmp_path / "a.csv").write_text("x\n" + "".join(f"{n}\n" for n in range(200)))
    with pytest.raises(DataError, match=says):
        import_series(look_at(tmp_path / "a.csv"), choices)
