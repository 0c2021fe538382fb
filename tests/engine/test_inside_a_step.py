"""The tape inside a time step: level after level, operation after operation, forwards and backwards."""

from __future__ import annotations

import itertools

import pytest

from engine.operations_of_cell import Way, known, operations
from engine.quantities import GATES, STATES, quantities
from engine.spec import CellKind
from engine.tape import Phase, Tape
from engine.within import Granularity, Inside, Within, level_of, stepped, way_of

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
WAYS: tuple[Way, Way] = ("forward", "backward")
GRANULARITIES: tuple[Granularity, ...] = ("step", "layer", "gate")


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_yields_every_quantity_once_on_each_way(cell: CellKind, norm: bool) -> None:
    for way, kind in (("forward", "values"), ("backward", "grads")):
        yielded = [key for one in operations(cell, way, norm) for key in one.yields(way)]  # type: ignore[arg-type]
        assert len(yielded) == len(set(yielded))
        assert {f"{kind}.{q.symbol}" for q in quantities(cell, norm)} <= set(yielded)
        assert all(one.yields(way) for one in operations(cell, way, norm))  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_back_it_goes_through_the_same_operations_in_reverse_after_the_gradient_has_arrived(
    cell: CellKind, norm: bool
) -> None:
    forward = [one.symbol for one in operations(cell, "forward", norm)]
    arrival, *back = [one.symbol for one in operations(cell, "backward", norm)]
    assert arrival == "δh"
    places = [len(forward) - forward[::-1].index(symbol) for symbol in back]
    assert sorted(places, reverse=True) == places


def test_nothing_is_used_before_it_is_made() -> None:
    # What each value is made of (engine.cells); the sums need nothing of the step.
    needs = {
        "f": ["a_f"], "i": ["a_i"], "g": ["a_g"], "o": ["a_o"],
        "f*c_prev": ["f"], "i*g": ["i", "g"], "c": ["f*c_prev", "i*g"], "tanh_c": ["c"], "h": ["o", "tanh_c"],
    }  # fmt: skip
    done: set[str] = set()
    for one in operations("lstm", "forward"):
        for key in one.forward:
            symbol = key.partition(".")[2]
            if key.startswith("values."):
                assert set(needs.get(symbol, [])) <= done, symbol
        done |= {key.partition(".")[2] for key in one.forward if key.startswith("values.")}
    back = {
        "o": ["h"], "tanh_c": ["h"], "through_tanh": ["tanh_c"], "a_o": ["o"], "c": ["through_tanh"],
        "i": ["c"], "g": ["c"], "f": ["c"], "a_i": ["i"], "a_f": ["f"], "a_g": ["g"],
    }  # fmt: skip
    done = set()
    for one in operations("lstm", "backward"):
        own = {key.partition(".")[2] for key in one.backward if key.startswith("grads.")}
        for symbol in own:
            assert set(back.get(symbol, [])) <= done | own, symbol
        done |= own


@pytest.mark.parametrize("cell", CELLS)
def test_what_goes_to_the_step_before_comes_with_the_last_operations(cell: CellKind) -> None:
    every = len(operations(cell, "backward"))
    assert "back.h" not in known(cell, "backward", every - 1)
    assert "back.h" in known(cell, "backward", every)
    past = {"lstm": "back.c", "gru": "back.leak"}.get(cell)
    assert past is None or past in known(cell, "backward", every - 1)
    assert len(STATES[cell]) >= 1


def test_forward_the_levels_come_from_the_input_on_and_backward_from_the_top_down() -> None:
    inside = Inside.of(("l0", "l0_reverse", "l1", "l1_reverse", "l2"), "l1_reverse", "gru")
    assert inside.levels == 3
    assert inside.focus == 1
    assert inside.moments("forward", "layer") == (Within(0), Within(1), Within(2))
    assert inside.moments("backward", "layer") == (Within(2), Within(1), Within(0))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", CELLS)
def test_gate_by_gate_is_the_cell_that_is_looked_at_and_the_other_levels_whole(cell: CellKind, way: Way) -> None:
    inside = Inside(3, 1, cell)
    moments = inside.moments(way, "gate")
    count = len(operations(cell, way))
    assert [m for m in moments if m is not None and m.level == 1] == [Within(1, k) for k in range(count)]
    assert len(moments) == count + 2
    done = [inside.done(m, way) for m in moments]
    assert all(a < b for a, b in itertools.pairwise(done))
    assert inside.whole(moments[-1], way)
    assert not any(inside.whole(m, way) for m in moments[:-1])


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("cell", CELLS)
def test_to_the_end_of_the_tape_and_back_the_same_places_come_in_reverse(
    cell: CellKind, granularity: Granularity
) -> None:
    tape, inside = Tape(3), Inside(2, 0, cell)
    position, within, left = 0, inside.moments("forward", granularity)[0], 0
    there = []
    while not left:
        there.append((position, within))
        position, within, left = stepped(tape, position, within, 1, granularity, inside)
    assert position == len(tape) - 1
    a_step = sum(len(inside.moments(way, granularity)) for way in WAYS)
    assert len(there) == 3 * a_step + 3
    back, left = [], 0
    while not left:
        back.append((position, within))
        position, within, left = stepped(tape, position, within, -1, granularity, inside)
    assert back == there[::-1]


def test_every_press_makes_something_new_whatever_the_granularity_was_before() -> None:
    tape, inside = Tape(4), Inside(2, 1, "lstm")
    for position in range(len(tape)):
        way = way_of(tape.moment(position).phase)
        starts = {None} if way is None else {m for g in GRANULARITIES for m in inside.moments(way, g)}
        for within, granularity, count in itertools.product(starts, GRANULARITIES, (1, -1)):
            after, deeper, left = stepped(tape, position, within, count, granularity, inside)
            if left:
                continue
            before = (position, inside.done(within, way) if way else (9, 9))
            there = way_of(tape.moment(after).phase)
            reached = (after, inside.done(deeper, there) if there else (9, 9))
            enters = count > 0 and within is None and way is not None and len(inside.moments(way, granularity)) > 1
            if enters:  # a whole step is looked into: from its first operation on
                assert (after, deeper) == (position, inside.moments(way, granularity)[0])  # type: ignore[arg-type]
                continue
            assert (reached > before) is (count > 0), (position, within, granularity, count)


def test_many_steps_at_once_are_as_many_single_ones_and_what_is_left_over_is_told() -> None:
    tape, inside = Tape(2), Inside(1, 0, "gru")
    one = (0, None)
    for _ in range(7):
        one = stepped(tape, *one, 1, "gate", inside)[:2]
    assert stepped(tape, 0, None, 7, "gate", inside) == (*one, 0)
    assert stepped(tape, len(tape) - 2, None, 5, "step", inside) == (len(tape) - 1, None, 4)
    assert stepped(tape, 1, None, -5, "step", inside) == (0, None, -4)


def test_a_place_that_is_not_there_becomes_one_that_is() -> None:
    inside = Inside(2, 1, "rnn")
    assert inside.fitted(Within(1, 2), "forward") == Within(1, 2)
    assert inside.fitted(Within(0, 2), "forward") == Within(0)
    assert inside.fitted(Within(1, 99), "forward") == Within(1)
    assert inside.whole(inside.fitted(Within(5), "forward"), "forward"), "all that is left of the stack is done"
    assert inside.fitted(Within(5), "backward") == inside.moments("backward", "gate")[0] == Within(1, 0)
    assert inside.fitted(Within(-1), "forward") is None
    assert inside.fitted(Within(1), None) is None


def test_a_layers_name_tells_its_level_and_phases_without_steps_have_no_inside() -> None:
    assert [level_of(name) for name in ("l0", "l3_reverse", "l12")] == [0, 3, 12]
    assert [way_of(phase) for phase in Phase] == ["forward", None, "backward", None, None]


@pytest.mark.parametrize("cell", CELLS)
def test_every_operation_has_words_for_both_ways(cell: CellKind) -> None:
    for norm, way in itertools.product((False, True), WAYS):
        words = [one.words(way) for one in operations(cell, way, norm)]
        assert len(set(words)) == len(words)
        assert all(words)
    assert len(GATES[cell]) >= 1
