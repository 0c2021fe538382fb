"""What a number is, before it gets a colour: seven classes, exact at the edges, and the level of detail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import dtypes
from explorer.stage import classes
from explorer.stage.cells import Cells, TimeView
from explorer.stage.classes import (
    ABOVE,
    BELOW,
    COUNTED,
    FIRST,
    LAST,
    LEVELS,
    MINUS_INF,
    NAN,
    PLUS_INF,
    SPECIAL,
    UNDEFINED,
    ZERO,
    classify,
    code_of,
)
from explorer.stage.scales import GATE, Scale, magnitude, signed

GRADIENT = magnitude(-20, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_of_the_classes_is_told_apart_on_a_gradient_scale(dtype: type[np.floating]) -> None:
    given_numbers = np.array([0.0, -0.0, 1e-21, -1e-30, 1e3, -1e3, np.inf, -np.inf, np.nan, 1e-5], dtype)
    expected = [ZERO, ZERO, BELOW, BELOW, ABOVE, ABOVE, PLUS_INF, MINUS_INF, NAN]
    codes = classify(given_numbers, GRADIENT)
    assert codes[:9].tolist() == expected
    assert FIRST <= codes[9] <= LAST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends_of_a_scale_are_on_it_and_the_next_number_beyond_is_not(dtype: type[np.floating]) -> None:
    low, high = dtype(1e-20), dtype(1e2)
    outside = [np.nextafter(low, dtype(0)), np.nextafter(high, dtype(np.inf))]
    assert classify(np.array([low, high]), GRADIENT).tolist() == [FIRST, FIRST + GRADIENT.bands - 1]
    assert classify(np.array(outside), GRADIENT).tolist() == [BELOW, ABOVE]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", range(-18, 2, 2))
def test_a_band_begins_exactly_at_its_power_of_ten(dtype: type[np.floating], exponent: int) -> None:
    edge = dtype(float(f"1e{exponent}"))
    band = (exponent + 20) // 2
    codes = classify(np.array([np.nextafter(edge, dtype(0)), edge, -edge]), GRADIENT)
    assert [classes.band_of(int(c)) for c in codes] == [band - 1, band, band]


def test_masked_numbers_are_undefined_whatever_they_are() -> None:
    data = np.array([np.nan, 0.0, 1.0])
    codes = classify(data, GRADIENT, undefined=np.array([True, True, False]))
    assert codes[:2].tolist() == [UNDEFINED, UNDEFINED]
    assert codes[2] >= FIRST


def test_a_signed_scale_has_zero_in_the_middle_and_classes_beyond_its_ends() -> None:
    scale = signed(2.0)
    codes = classify(np.array([-2.0, 2.0, -2.0001, 2.0001, 0.0, 1e-30, -1e-30]), scale)
    assert codes[:5].tolist() == [LAST - 1, LAST, BELOW, ABOVE, ZERO]
    assert codes[5:].tolist() == [FIRST + 1, FIRST]


def test_a_gate_runs_from_closed_to_open_and_exactly_closed_is_a_class() -> None:
    codes = classify(np.array([1e-9, 0.5, 1.0, 0.0], np.float32), GATE)
    assert codes.tolist() == [FIRST, FIRST + LEVELS // 2, LAST, ZERO]


@given(st.lists(st.floats(-2, 2, width=32).filter(lambda v: v != 0), min_size=2, max_size=30))
def test_where_signed_numbers_share_a_pixel_the_largest_magnitude_wins(values: list[float]) -> None:
    scale = signed(2.0)
    codes = classify(np.array(values), scale)
    most = max(abs(v) for v in values)
    assert codes.max() in {code_of(most, scale), code_of(-most, scale)}


def test_where_cells_share_a_pixel_the_worst_class_wins() -> None:
    order = [NAN, PLUS_INF, MINUS_INF, ABOVE, ZERO, BELOW]
    assert list(SPECIAL) == order
    assert sorted(order, reverse=True) == order
    assert min(order) > LAST > FIRST > UNDEFINED
    codes = np.full((1000, 1), FIRST, np.uint8)
    codes[777] = NAN
    codes[778] = PLUS_INF
    spread = Cells(1000, 100).spread(codes)[:, 0]
    assert (spread == NAN).sum() == 1
    assert spread[77] == NAN


def test_no_cell_is_lost_however_many_share_a_pixel() -> None:
    for count, size in ((10_000, 700), (1000, 999), (513, 7), (5, 5), (5, 700), (1, 3)):
        line = Cells(count, size)
        for cell in range(0, count, max(1, count // 50)):
            codes = np.full(count, FIRST, np.uint8)
            codes[cell] = NAN
            spread = line.spread(codes)
            assert (spread == NAN).any()
            assert (spread[line.left[cell] : line.right[cell]] == NAN).all()


def test_pixels_show_only_what_has_been_reached() -> None:
    for count, size in ((10_000, 700), (1000, 999), (50, 640), (7, 7), (1, 30)):
        line = Cells(count, size)
        shared = [line.shared(pixel) for pixel in range(size)]
        for reached in {0, 1, 2, count // 3, count // 2, count - 1, count}:
            assert line.until(reached) == sum(last < reached for _, last in shared)
            assert size - line.since(reached) == sum(first >= reached for first, _ in shared)


def test_every_step_has_its_pixels_and_every_pixel_its_step() -> None:
    view = TimeView(200, 51, 150, 640)
    assert [view.step_at(int(view.centre(t))) for t in range(51, 151)] == list(range(51, 151))
    assert (view.left(51), view.right(150)) == (0, 640)
    assert all(view.right(t) == view.left(t + 1) for t in range(51, 150))


def test_counts_are_those_of_the_numbers_that_have_been_reached() -> None:
    data = np.array([[0.0, 1.0], [np.nan, 1e-30], [np.inf, -np.inf], [1e9, 0.0]])
    counts = classes.counts(classify(data, GRADIENT))
    of = dict(zip(COUNTED, (counts[4] - counts[0]).tolist(), strict=True))
    assert of == {UNDEFINED: 0, ZERO: 2, NAN: 1, BELOW: 1, PLUS_INF: 1, MINUS_INF: 1, ABOVE: 1}
    of = dict(zip(COUNTED, (counts[4] - counts[3]).tolist(), strict=True))
    assert of == {UNDEFINED: 0, ZERO: 1, NAN: 0, BELOW: 0, PLUS_INF: 0, MINUS_INF: 0, ABOVE: 1}


def test_what_is_masked_is_counted_too() -> None:
    masked = np.array([[False, False], [False, False], [True, True]])
    counts = classes.counts(classify(np.full((3, 2), 1.0), GRADIENT, masked))
    assert (counts[2] == 0).all()
    assert dict(zip(COUNTED, counts[3].tolist(), strict=True))[UNDEFINED] == 2


def test_numbers_of_a_narrow_type_are_subnormal_by_its_own_measure() -> None:
    """float16's smallest normal number is 2^-14, bfloat16's (held in float32) 2^-126 (IEEE 754)."""
    half = np.array([2.0**-15, 2.0**-14, 0.0], np.float16)
    assert classes.subnormal(half, dtypes.smallest_normal("float16")).tolist() == [True, False, False]
    brain = np.array([2.0**-127, 2.0**-126, 0.0], np.float32)
    assert classes.subnormal(brain, dtypes.smallest_normal("bfloat16")).tolist() == [True, False, False]
    mean = np.array([2.0**-127, 1.0])
    assert classes.subnormal(mean, dtypes.smallest_normal("float32")).tolist() == [True, False]


def test_half_precision_is_classified_like_any_other() -> None:
    numbers = np.array([0.0, 6e-8, 1.0, 6e4, np.inf, np.nan], np.float16)
    codes = classify(numbers, GRADIENT)
    assert codes[[0, 3, 4, 5]].tolist() == [ZERO, ABOVE, PLUS_INF, NAN]
    assert codes[1:3].tolist() == [code_of(6e-8, GRADIENT), code_of(1.0, GRADIENT)]
    log = Scale("signed", -1e2, 1e2, 1e-20)
    assert classify(numbers[1:3], log).tolist() == [code_of(float(numbers[1]), log), code_of(1.0, log)]


def test_subnormal_numbers_are_found_in_their_own_dtype() -> None:
    tiny32, tiny64 = np.float32(1.1754944e-38), 2.2250738585072014e-308  # the smallest normal numbers (IEEE 754)
    half = np.array([tiny32 / 2, -tiny32 / 2, tiny32, 0.0], np.float32)
    assert classes.subnormal(half).tolist() == [True, True, False, False]
    assert classes.subnormal(np.array([tiny64 / 2, tiny64, 1e-40, 0.0])).tolist() == [True, False, False, False]


def test_a_whole_track_is_classified_without_a_warning_from_numpy() -> None:
    odd = np.array([[np.nan, np.inf, -np.inf, 0, 3.4e38, -3.4e38, 1e-45]], np.float32)
    for scale in (GRADIENT, signed(1.0), signed(1e-30), GATE, magnitude(-20, 38), magnitude(-60, 60)):
        assert classify(odd, scale).shape == (1, 7)
