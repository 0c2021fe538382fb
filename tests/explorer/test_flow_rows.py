"""The rows of the flow over training: each is classified once, by its number, however the log grows or is cut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lessons import records

from engine.history import Log
from engine.training_requests import Records
from explorer.stage import classes
from explorer.stage.scales import Scale, magnitude
from explorer.stage.tracks import flow_rows
from explorer.stage.tracks.flow_rows import FlowRows, classify, size_words

T = 12
SCALE = magnitude()


def made(first: int, count: int, seed: int = 0, steps: int = T) -> Records:
    """Rows with numbers, zeros, padding, and what is not finite."""
    rng = np.random.default_rng([seed, first])
    flow = rng.uniform(-24, 4, (count, steps)).astype(np.float32)
    flow[:, 0] = -np.inf
    flow[:, -1] = np.nan
    bad = rng.random(count) < 0.3
    flow[bad, 1] = np.nan
    return dataclasses.replace(records(first, count, steps), flow=flow, flow_bad=bad)


def grown(*parts: Records) -> Log:
    log = Log()
    for part in parts:
        log = log.appended(part)
    return log


def afresh(log: Log, scale: Scale = SCALE) -> tuple[np.ndarray, dict[int, int]]:
    """Codes and counts of all rows, made in one piece."""
    rows = log.flow_table()
    codes = classify(rows.flow, rows.bad, scale)
    codes[np.arange(codes.shape[1]) >= rows.steps[:, None]] = classes.NOT_REACHED
    there = codes[np.arange(codes.shape[1]) < rows.steps[:, None]]
    return codes, {code: int(np.count_nonzero(there == code)) for code in classes.COUNTED}


def check(found: FlowRows, log: Log, scale: Scale = SCALE) -> None:
    codes, counts = afresh(log, scale)
    assert (found.codes[: found.count] == codes).all()
    assert (found.codes[found.count :] == classes.NOT_REACHED).all()
    assert found.counts() == counts


@pytest.mark.parametrize("scale", [SCALE, magnitude(-3, 0), magnitude(-6, 0), magnitude(-12, 2), magnitude(-40, 8)])
def test_a_logarithm_is_in_the_class_that_its_number_is_in(scale: Scale) -> None:
    """The reference is the heatmaps' own classification of the number. At the edges too: they are exact in both."""
    edges = np.array([scale.edge(band) for band in range(scale.bands)] + [scale.high])
    rng = np.random.default_rng(3)
    inside = 10.0 ** rng.uniform(np.log10(scale.low) - 3, np.log10(scale.high) + 3, 5000)
    numbers = np.concatenate((edges, inside, [0.0]))
    with np.errstate(divide="ignore"):
        logs = np.log10(numbers).astype(np.float32)
    near = np.abs(logs[len(edges) : -1, None] - np.log10(edges)).min(axis=1) < 1e-4
    sure = np.concatenate((np.ones(len(edges), bool), ~near, [True]))  # single precision cannot tell within a hair
    found = classify(logs[None], np.array([False]), scale)[0]
    assert (found == classes.classify(numbers, scale))[sure].all()
    assert sure.mean() > 0.9


def test_nan_is_padding_unless_its_row_has_something_that_is_not_a_number_and_infinity_is_neither() -> None:
    logs = np.array([[np.nan, -3.0, np.inf], [np.nan, -3.0, np.inf]], np.float32)
    found = classify(logs, np.array([False, True]), SCALE)
    assert found[:, 0].tolist() == [classes.UNDEFINED, classes.NAN]
    assert found[:, 2].tolist() == [classes.PLUS_INF] * 2
    assert (found[:, 1] >= classes.FIRST).all()
    assert (found[:, 1] <= classes.LAST).all()


def test_of_a_log_that_grows_only_the_new_rows_are_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(logs: np.ndarray, bad: np.ndarray, scale: Scale) -> np.ndarray:
        asked.append(len(logs))
        return classify(logs, bad, scale)

    monkeypatch.setattr(flow_rows, "classify", counted)
    found, log, first = FlowRows(), Log(), 0
    for count in (1, 1, 5, 2, 30, 1, 300, 7, 40):
        log = log.appended(made(first, count))
        assert found.take(log, SCALE) == (first, first + count)
        first += count
        assert sum(asked) == first
    assert found.take(log, SCALE) == (first, first)
    check(found, log)


@pytest.mark.parametrize("grows", [0, 3, 60])
def test_another_past_replaces_the_rows_that_are_others_alone(grows: int) -> None:
    log = grown(made(0, 20), made(20, 7), made(27, 50))
    found = FlowRows()
    found.take(log, SCALE)
    other = log.until(31)
    if grows:
        other = other.appended(made(31, grows, seed=9))
    changed = found.take(other, SCALE)
    assert changed == (31, max(77, 31 + grows))
    check(found, other)


def test_a_log_that_is_another_though_as_long_is_looked_at_to_the_last_bit() -> None:
    found = FlowRows()
    log = grown(made(0, 10))
    found.take(log, SCALE)
    row = made(0, 10)
    flow = row.flow.copy()
    flow[6, 3] = np.nextafter(flow[6, 3], np.float32(1))
    other = grown(dataclasses.replace(row, flow=flow))
    assert found.take(other, SCALE) == (6, 10)
    assert found.take(Log(), SCALE) == (0, 10)
    assert found.count == 0


def test_another_scale_another_stride_and_another_t_begin_anew() -> None:
    found, log = FlowRows(), grown(made(0, 40))
    found.take(log, SCALE)
    narrow = magnitude(-6, 0)
    assert found.take(log, narrow) == (0, 40)
    check(found, log, narrow)
    thinned = log.within(log.flow.nbytes // 3)
    assert thinned.flow.stride == 4
    found.take(thinned, narrow)
    check(found, thinned, narrow)
    assert [found.iteration_of(row) for row in range(3)] == [0, 4, 8]
    assert found.row_of(11) == 2
    longer = grown(made(0, 5, steps=30))
    found.take(longer, narrow)
    check(found, longer, narrow)


@pytest.mark.parametrize("steps", [(T, 30), (30, T), (T, 30, 7)])
def test_rows_of_sequences_of_other_lengths_stay_and_have_no_steps_beyond_their_own(steps: tuple[int, ...]) -> None:
    found, log, first = FlowRows(), Log(), 0
    for own in steps:
        log = log.appended(made(first, 10, steps=own))
        found.take(log, SCALE)
        check(found, log)
        first += 10
    assert (found.count, found.steps) == (first, max(steps))
    sizes = [len(found.at(row)[0]) for row in range(0, first, 10)]
    assert sizes == list(steps)
    assert found.sizes().shape == (max(steps), first)


def test_a_log_that_begins_later_has_its_first_iteration_on_top() -> None:
    found, log = FlowRows(), grown(made(500, 20))
    found.take(log, SCALE)
    assert (found.first, found.row_of(507), found.iteration_of(7)) == (500, 7, 507)
    assert found.room_for(600) == 101


@pytest.mark.parametrize(
    ("number", "said"),
    [(3.25e-9, "3.25e-9"), (0.125, "0.125"), (1.0, "1"), (6.02e23, "6.02e23"), (2.5e-150, "2.5e-150"), (0.0, "0")],
)
def test_a_size_is_written_with_the_digits_that_its_record_is_good_for(number: float, said: str) -> None:
    with np.errstate(divide="ignore"):
        assert size_words(np.float32(np.log10(number))) == said


def test_what_is_written_is_the_number_to_a_few_units_of_its_last_digit() -> None:
    numbers = 10.0 ** np.random.default_rng(0).uniform(-40, 20, 500)
    for number in numbers:
        log = float(np.log10(number))
        assert float(size_words(np.float32(log))) == pytest.approx(number, rel=5e-5 if abs(log) >= 8 else 5e-6)
