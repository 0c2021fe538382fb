"""The unrolled network's places: nothing overlaps, everything shrinks steadily, from one row to thirty-two."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.stage.cells import TimeView
from explorer.stage.tracks.anatomy import Anatomy, RowKind


def kinds(layers: int, *, both: bool, states: tuple[str, ...] = ("h", "c")) -> tuple[RowKind, ...]:
    found = []
    for place in range(layers):
        found.append(RowKind(f"l{place}", states, False))
        if both:
            found.append(RowKind(f"l{place}_reverse", states, True))
    return tuple(found)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 16),
    st.booleans(),
    st.integers(39, 600),
    st.sampled_from([1.0, 1.25, 2.0]),
    st.integers(1, 3000),
    st.booleans(),
    st.sampled_from([("h",), ("h", "c")]),
)
def test_nothing_overlaps_at_any_height(
    layers: int, both: bool, height: int, ratio: float, steps: int, bars: bool, states: tuple[str, ...]
) -> None:
    pixels = round(height * ratio)
    view = TimeView(steps, 1, steps, round(470 * ratio), ratio)
    a = Anatomy(view, pixels, kinds(layers, both=both, states=states), bars=bars)
    parts = [(a.top_gap.top, a.top_gap.bottom)]
    for row, gap in zip(reversed(a.rows), reversed(a.gaps[:-1]), strict=True):
        lanes = sorted([*row.lanes.values(), (row.strip_top, row.strip_bottom)])
        inside = [row.top, *(edge for lane in lanes for edge in lane), row.bottom]
        assert inside == sorted(inside), "lanes and strip lie in their row, one below the other"
        assert row.strip_bottom > row.strip_top
        parts += [(row.top, row.bottom), (gap.top, gap.bottom)]
    parts.append((a.inputs_top, a.inputs_bottom))
    assert parts[0][0] >= 0
    assert parts[-1][1] <= pixels
    for (_, above), (below, _) in pairwise(parts):
        assert above <= below
    assert all(end > start for start, end in parts if (start, end) in [(r.top, r.bottom) for r in a.rows])
    assert {row.height for row in a.rows} == {a.row_height}


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 31), st.integers(40, 600))
def test_rows_lose_height_steadily_with_their_number(rows: int, height: int) -> None:
    view = TimeView(50, 1, 50, 470)
    few = Anatomy(view, height, kinds(rows, both=False))
    more = Anatomy(view, height, kinds(rows + 1, both=False))
    assert more.row_height <= few.row_height
    taller = Anatomy(view, height + 1, kinds(rows, both=False))
    assert 0 <= taller.row_height - few.row_height <= 2


def test_cells_narrow_without_a_jump_from_five_to_ten_thousand_steps() -> None:
    before = None
    for steps in sorted({*range(5, 400), *range(400, 10_001, 37)}):
        a = Anatomy(TimeView(steps, 1, steps, 900), 160, kinds(2, both=True))
        width = float(np.mean(a.body_right - a.body_left))
        if before is not None:
            shrunk = 900 / before[0] - 900 / steps  # of a step's own width
            assert width <= before[1] + 1
            assert before[1] - width <= max(1.0, 1.5 * shrunk)
            assert 0 <= before[2] - a.border <= 0.2
        before = (steps, width, a.border)
    assert before is not None
    assert before[1] == 1


@pytest.mark.parametrize("steps", [8, 60, 300, 5000])
def test_two_wires_in_a_gap_never_share_a_pixel(steps: int) -> None:
    a = Anatomy(TimeView(steps, 1, steps, 470), 300, kinds(2, both=True))
    for gap in a.gaps:
        assert len(gap.wires) == 2
        bands = a.slot_rows(gap)
        if bands is None:
            (_, first), (second, _) = a.slots(gap)
            assert bool((first <= second).all())
        else:
            assert bands[0][1] <= bands[1][0]


def test_what_a_reverse_row_reads_passes_the_forward_row_by() -> None:
    a = Anatomy(TimeView(20, 1, 20, 900), 300, kinds(2, both=True))
    wires = [[(a.rows[wire.row].kind.name, wire.way) for wire in gap.wires] for gap in a.gaps]
    assert wires == [
        [("l0", "input"), ("l0_reverse", "input")],
        [("l0", "direct"), ("l0_reverse", "input")],
        [("l1", "input"), ("l1_reverse", "input")],
        [("l1", "direct"), ("l1_reverse", "input")],
        [("l1", "direct"), ("l1_reverse", "direct")],
    ]


def test_a_wire_leaves_its_cell_the_way_its_layer_runs() -> None:
    a = Anatomy(TimeView(4, 1, 4, 400), 200, kinds(1, both=True))
    middles = [50, 150, 250, 350]
    forward, reverse = a.wire_owner(), a.wire_owner(reverse=True)
    assert [forward[x - 20] for x in middles] == [-1, 0, 1, 2]
    assert [forward[x + 20] for x in middles] == [0, 1, 2, 3]
    assert [reverse[x - 20] for x in middles] == [0, 1, 2, 3]
    assert [reverse[x + 20] for x in middles] == [1, 2, 3, 4]
