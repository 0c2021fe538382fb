"""Input, target and output: when each becomes known, what stands where, what the pointer says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from data_kinds import KINDS, T, at, binary, numbers, painted, said, symbols, with_attention
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage import classes, palette
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale
from explorer.stage.stage import Stage
from explorer.stage.tracks import lane_ink
from explorer.stage.tracks.base import table_of
from explorer.stage.tracks.data import Data
from explorer.stage.tracks.lanes import lanes, probabilities
from explorer.tables.text import ELSEWHERE, Columns
from explorer.theme import current as theming

kinds = pytest.mark.parametrize("kind", KINDS)


def drawn(e: Excerpt, now: Now, *, width: int = 20, height: int = 150, scaled_by: Excerpt | None = None) -> QImage:
    theming.apply("dark")
    book = ScaleBook()
    track = Data("data")
    if scaled_by is not None:
        track.set_excerpt(scaled_by, book)
    track.set_excerpt(e, book)
    return painted(track, e, now, width, height)


def spoiled(e: Excerpt, part: str, steps: slice) -> Excerpt:
    """Other numbers at some steps, smaller ones, so that the scale is the same."""
    array = getattr(e, part).copy()
    array[steps] = (array[steps] + 1) % 3 if e.symbols and part != "outputs" else array[steps] * 0.5
    return dataclasses.replace(e, **{part: array})


# -- when it is known -------------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("width", [20, 1])
def test_inputs_that_the_forward_pass_has_not_reached_leave_no_trace(qtbot: QtBot, kind: str, width: int) -> None:
    e = KINDS[kind]
    if e.steps == 1:
        return
    t = 4
    ahead = slice(t, e.steps - t if kind == "both ways" else None)
    now = at(e, f"forward:{t}")
    other = spoiled(e, "inputs", ahead)
    assert drawn(e, now, width=width) == drawn(other, now, width=width, scaled_by=e)
    assert drawn(e, at(e, "loss"), width=width) != drawn(other, at(e, "loss"), width=width, scaled_by=e)


@kinds
@pytest.mark.parametrize("part", ["targets", "outputs"])
def test_targets_and_outputs_leave_no_trace_before_their_moment(qtbot: QtBot, kind: str, part: str) -> None:
    """Targets come with the loss; so does what is read once or in both directions; the rest with its step."""
    e = KINDS[kind]
    if not e.outputs.size:
        return
    early = part == "outputs" and len(e.outputs) == e.steps > 1 and kind != "both ways"
    t = max(1, e.length - 1)
    now = at(e, f"forward:{t}")
    other = spoiled(e, part, slice(t if early else 0, None))
    assert drawn(e, now) == drawn(other, now, scaled_by=e)
    assert drawn(e, at(e, "loss")) != drawn(other, at(e, "loss"), scaled_by=e)
    if early:
        shown = spoiled(e, part, slice(t - 1, t))
        assert drawn(e, now) != drawn(shown, now, scaled_by=e)


@kinds
def test_to_the_end_and_back_is_the_same_picture_after_partial_repaints(qtbot: QtBot, kind: str) -> None:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage, before_close_func=lambda _, kept=stage: None)
    stage.resize(700, 400)
    e = KINDS[kind]
    stage.set_tracks(("data", "attention"))
    stage.set_excerpt(with_attention(e))
    stage.set_position(0)
    stage.show()
    QApplication.processEvents()
    way = [*range(len(Tape(e.steps))), *reversed(range(len(Tape(e.steps))))]
    seen: dict[int, QImage] = {}
    for position in way:
        stage.set_position(position)
        QApplication.processEvents()
        partial = stage.screen().grabWindow(stage.winId()).toImage()
        if position in seen:
            assert partial == seen[position], f"at {position}"
        else:
            stage.canvas.viewport().update()
            QApplication.processEvents()
            seen[position] = stage.screen().grabWindow(stage.winId()).toImage()
            assert partial == seen[position], f"at {position}"


# -- what stands where ------------------------------------------------------------------------------------------------


def test_the_lanes_are_what_the_task_has() -> None:
    found = {kind: [(lane.kind, lane.name) for lane in lanes(e, ScaleBook())] for kind, e in KINDS.items()}
    assert found["every step"] == [("bars", "x_1"), ("bars", "x_2"), ("series", "output")]
    assert found["one feature"] == [("series", "input x"), ("series", "output")]
    assert found["many features"] == [("matrix", "x_1 … x_{9}"), ("series", "output")]
    assert found["symbols"] == [("symbols", "input"), ("symbols", "target"), ("matrix", "output p")]
    assert found["binary"][-1] == ("series", "output p")
    assert found["no answer"] == [("bars", "x_1"), ("bars", "x_2")]


def test_an_answer_that_is_given_once_stands_at_the_samples_last_step() -> None:
    for kind, step in (("once", T), ("shorter", 6)):
        output = lanes(KINDS[kind], ScaleBook())[-1]
        assert np.flatnonzero(output.there).tolist() == [step - 1]
        assert output.values[step - 1] == KINDS[kind].outputs[0, 0]
        assert output.targets is not None
        assert output.targets[step - 1] == KINDS[kind].targets[0, 0]


def test_probabilities_are_those_of_the_scores() -> None:
    scores = np.array([[0.0, math.log(3.0)], [1e4, 0.0], [-1e4, -1e4]], np.float32)
    np.testing.assert_allclose(probabilities(scores), [[0.25, 0.75], [1, 0], [0.5, 0.5]], rtol=1e-7)
    e = binary()
    p = lanes(e, ScaleBook())[-1].values
    np.testing.assert_allclose(np.log(p / (1 - p)), e.outputs[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", [0.0, 0.25, 1.0])
def test_a_curve_stands_where_its_number_is_on_the_scale(qtbot: QtBot, place: float) -> None:
    theming.apply("dark")
    e = numbers(D=1)
    (lane, *_rest) = lanes(e, ScaleBook())
    lane = dataclasses.replace(lane, values=np.full(T, place), scale=GATE)
    band = np.full((42, 100), palette.packed(theming.current().ground), np.uint32)
    lane_ink.draw(band, lane, TimeView(T, 1, T, 100), theming.current(), joined=True)
    inked = np.flatnonzero(band[:, 55] == palette.packed(theming.current().forward))
    assert inked.mean() + 0.5 == pytest.approx(1 + (1 - place) * 40, abs=0.51)
    assert len(inked) == 2


def test_bars_stand_on_zero_and_reach_their_number(qtbot: QtBot) -> None:
    theming.apply("dark")
    e = numbers()
    lane = dataclasses.replace(lanes(e, ScaleBook())[0], values=np.linspace(-1, 1, T), scale=Scale("gate", -1.0, 1.0))
    band = np.full((100, 20 * T), palette.packed(theming.current().ground), np.uint32)
    lane_ink.draw(band, lane, TimeView(T, 1, T, 20 * T), theming.current(), joined=True)
    for t, value in enumerate(lane.values):
        inked = band[:, 20 * t + 10] == palette.packed(theming.current().forward)
        assert np.count_nonzero(inked) == pytest.approx(50 * abs(value), abs=1.5)
        assert not inked[:49].any() if value < 0 else not inked[51:].any()


def test_numbers_that_are_none_and_those_beyond_the_scale_are_classes_here_too(qtbot: QtBot) -> None:
    plain, now = numbers(), at(numbers(), "loss")
    outputs = plain.outputs.copy()
    outputs[2:6, 0] = np.nan, np.inf, -np.inf, 1e9
    image = drawn(dataclasses.replace(plain, outputs=outputs), now, width=9, scaled_by=plain)
    (*_rest, lane) = lanes(plain, ScaleBook())
    assert lane.scale is not None
    looks = palette.looks(lane.scale, "dark")
    for t, code in ((2, classes.NAN), (3, classes.PLUS_INF), (4, classes.MINUS_INF), (5, classes.ABOVE)):
        colours = {image.pixelColor(9 * t + 4, y).name() for y in range(95, 140)}
        assert {looks[code].ground, looks[code].hatch} <= colours, f"class {code}"


def test_symbols_are_text_where_there_is_room_and_columns_as_tall_as_their_number_where_not(qtbot: QtBot) -> None:
    e = symbols()
    (lane, *_rest) = lanes(e, ScaleBook())
    wide, narrow = TimeView(T, 1, T, 20 * T), TimeView(T, 1, T, 3 * T)
    assert lane_ink.has_room_for_text(lane, wide)
    assert not lane_ink.has_room_for_text(lane, narrow)
    theming.apply("dark")
    ground = palette.packed(theming.current().ground)
    band = np.full((62, 3 * T), ground, np.uint32)
    lane_ink.draw(band, lane, narrow, theming.current(), joined=True)
    tall = [np.count_nonzero(band[:, 3 * t + 1] != ground) for t in range(T)]
    for t in range(T):
        assert tall[t] == pytest.approx(2 + 60 * (e.inputs[t, 0] + 1) / 4, abs=1)


def test_many_steps_in_a_pixel_show_their_least_and_their_greatest(qtbot: QtBot) -> None:
    theming.apply("dark")
    e = numbers(D=1, T=4000)
    values = np.full(4000, 0.5)
    values[1234], values[1235] = 0.0, 1.0
    lane = dataclasses.replace(lanes(e, ScaleBook())[0], values=values, scale=GATE)
    band = np.full((42, 200), palette.packed(theming.current().ground), np.uint32)
    lane_ink.draw(band, lane, TimeView(4000, 1, 4000, 200), theming.current(), joined=False)
    inked = np.count_nonzero(band == palette.packed(theming.current().forward), axis=0)
    assert inked[1234 * 200 // 4000] == 42
    assert (np.delete(inked, 1234 * 200 // 4000) == 2).all()


def test_padding_is_masked_in_every_lane(qtbot: QtBot) -> None:
    for kind in ("shorter", "shorter, every step"):
        assert_masked(KINDS[kind])


def assert_masked(e: Excerpt) -> None:
    image = drawn(e, at(e, "loss"))
    beyond = {image.pixelColor(x, y).name() for x in range(121, 20 * T) for y in range(150)}
    assert len(beyond) == 2, "a ground and its texture, nothing else"
    ground = palette.looks(GATE, "dark")[classes.UNDEFINED].ground
    for y in (3, 60, 120, 146):
        assert ground in {image.pixelColor(x, y).name() for x in range(121, 131)}
        assert ground not in {image.pixelColor(x, y).name() for x in range(100, 119)}


# -- what is said -----------------------------------------------------------------------------------------------------


def test_under_the_pointer_stand_the_exact_numbers(qtbot: QtBot) -> None:
    e = numbers()
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    painted(track, e, at(e, "loss"), 20, 150)
    x, y, wished = e.inputs[3], e.outputs[3, 0], e.targets[3, 0]
    assert [float(text.partition(" = ")[2]) for text in said(track, 4, 10, at(e, "forward:4"))[:2]] == [
        pytest.approx(float(v), rel=1e-7) for v in x
    ]
    assert said(track, 5, 10, at(e, "forward:4")) == ("not reached yet",)
    (early, _) = said(track, 4, 120, at(e, "forward:4"))
    assert np.float32(early.removeprefix("output ")) == y
    target, output, _ = said(track, 4, 120, at(e, "loss"))
    assert (np.float32(target.removeprefix("target ")), np.float32(output.removeprefix("output "))) == (wished, y)


def test_of_classes_the_target_its_probability_and_the_likeliest_are_said(qtbot: QtBot) -> None:
    e = symbols()
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    painted(track, e, at(e, "loss"), 20, 150)
    p = np.exp(e.outputs[6].astype(np.float64))
    p /= p.sum()
    wished, likely = int(e.targets[6, 0]), int(np.argmax(p))
    right, chance, most, _ = said(track, 7, 140, at(e, "loss"))
    assert right == f"target: class {wished}"
    assert float(chance.partition(" = ")[2]) == pytest.approx(p[wished], rel=1e-3)
    assert most.startswith(f"most likely: class {likely}, p = ")
    assert said(track, 7, 5, at(e, "loss"))[0] == f"symbol {int(e.inputs[6, 0])}"
    before = said(track, 7, 140, at(e, f"forward:{T}"))
    assert not any("target" in text for text in before), "the target comes with the loss"


def test_where_there_is_no_answer_it_says_where_it_is(qtbot: QtBot) -> None:
    e = KINDS["shorter"]
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    painted(track, e, at(e, "loss"), 20, 150)
    assert said(track, 2, 130, at(e, "loss")) == ("there is one answer, at t = 6",)
    assert said(track, 8, 130, at(e, "loss")) == ("padding: this sample ends at t = 6",)


@kinds
def test_the_table_has_every_number_that_is_known_and_no_other(kind: str) -> None:
    e, track = KINDS[kind], Data("data")
    track.set_excerpt(e, ScaleBook())
    once = len(e.outputs) != e.steps or e.steps == 1
    for moment in ("forward:1", "loss", "backward:1"):
        now = at(e, moment)
        table = table_of(track, now)
        assert table is not None
        columns = Columns(table)
        names = [columns.name(c) for c in range(columns.count)]
        assert len(set(names)) == len(names)
        for t in range(1, e.steps + 1):
            row = {name: columns.text(t - 1, c) for c, name in enumerate(names)}
            read = now.loss or t == 1 or (kind == "both ways" and t == e.steps)
            for d in range(e.inputs.shape[1]):
                name = "input symbol" if e.symbols else "x" if e.inputs.shape[1] == 1 else f"x_{d + 1}"
                expected = e.inputs[t - 1, d] if read and t <= e.length else None
                assert (row[name] == "") is (expected is None)
                assert expected is None or np.float32(row[name]) == expected
            if not e.outputs.size:
                assert not [name for name in names if not name.startswith("x")]
                continue
            answered = now.loss and t <= e.length and (not once or t == e.length)
            early = not now.loss and read and not once and kind != "both ways"
            output = "score 0" if e.symbols else "score" if kind == "binary" else "output"
            i = -1 if once else t - 1
            assert (row[output] == "") is not (answered or early)
            assert not row[output] or np.float32(row[output]) == e.outputs[i, 0]
            target = "target class" if e.symbols else "target"
            assert (row[target] == "") is not answered
            assert not row[target] or np.float32(row[target]) == e.targets[i, 0]
            if e.symbols and answered:
                assert sum(float(row[f"p({k})"]) for k in range(4)) == pytest.approx(1, abs=1e-12)


def test_a_step_without_an_answer_says_where_to_look() -> None:
    track = Data("data")
    track.set_excerpt(KINDS["once"], ScaleBook())
    table = table_of(track, at(KINDS["once"], "loss"))
    assert table is not None
    columns = Columns(table)
    last = columns.count - 1
    assert [columns.note(t, last) == ELSEWHERE for t in range(T)] == [True] * (T - 1) + [False]


# -- collapsed to a strip ---------------------------------------------------------------------------------------------


@kinds
def test_a_strip_of_the_data_says_what_is_known_at_the_playhead_and_no_more(kind: str) -> None:
    e = KINDS[kind]
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    last = min(e.length, 4)
    told = track.at_playhead(at(e, f"forward:{last}"))
    assert told.startswith("input symbol = " if e.symbols else "x")
    assert "target" not in told
    if not e.symbols:
        first = float(told.partition(" = ")[2].partition(" · ")[0])
        assert first == pytest.approx(float(e.inputs[last - 1, 0]), rel=5e-3, abs=5e-3)
    if e.length < e.steps:
        assert track.at_playhead(at(e, f"backward:{e.length + 1}")) == "padding"


def test_a_strip_of_the_data_says_target_and_output_where_the_answer_is() -> None:
    e = numbers(every=False)
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    told = track.at_playhead(at(e, "loss"))
    assert "target = " in told
    assert "output = " in told


def test_the_cursor_does_not_cut_the_words_of_a_strip(qtbot: QtBot) -> None:
    """Whatever step it stands at, the words look alike."""
    theming.apply("dark")
    e = numbers(every=False)
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(700, 300)
    stage.set_tracks(("norms",))
    stage.set_excerpt(e)
    stage.set_collapsed(("norms",))
    stage.show()
    place = stage.canvas.place(stage.canvas.slots[0])
    seen = set()
    for t in (1, 2, 3):
        stage.set_position(t - 1)
        QApplication.processEvents()
        image = stage.canvas.viewport().grab().toImage().copy(place.adjusted(8, 4, -place.width() + 70, -4))
        seen.add(bytes(image.constBits()))
    assert len(seen) == 1  # "not reached yet"


# -- symbols with names -----------------------------------------------------------------------------------------------

NAMES = {0: "…", 1: " ", 2: "e", 3: "a_b"}


def test_symbols_of_own_data_are_said_by_their_names(qtbot: QtBot) -> None:
    theming.apply("dark")
    plain_ = symbols()
    read = np.array([[k % 4] for k in range(T)], np.float32)
    e = dataclasses.replace(plain_, inputs=read, targets=read[::-1].copy(), read_labels=NAMES, labels=NAMES)
    track, end = Data("data"), Now.at(Tape(T), len(Tape(T)) - 1)
    track.set_excerpt(e, ScaleBook())
    painted(track, e, end, 20, 150)
    columns = Columns(track.table(end))  # type: ignore[arg-type]
    assert [columns.text(t, 0) for t in range(4)] == ["…", "␣", "e", "a_b"]
    assert [columns.text(t, 1) for t in range(4)] == ["␣", "…", "a_b", "e"]
    assert columns.name(2) == "p(…)"
    assert columns.name(4) == "p(e)"
    assert next(one.value for one in track.taken(Now.at(Tape(T), 2))) == "e"
    lane = next(one for one in lanes(e, ScaleBook()) if one.part == "input")
    assert [lane_ink.symbol_text(lane.labels, k) for k in range(5)] == ["…", "␣", "e", "a_\u2060b", "4"]
    readouts = [track.hover(x, 12, end) for x in (5, 25, 45, 65)]
    said = [one.values[0] for one in readouts if one is not None]
    assert said == ["any other symbol, symbol 0", "space, symbol 1", "‘e’, symbol 2", "‘a_\u2060b’, symbol 3"]


def test_a_name_needs_its_own_room_and_of_a_long_word_the_beginning_will_do(qtbot: QtBot) -> None:
    theming.apply("dark")
    assert lane_ink.room_for_texts({0: "e"}, 50_000, 12)
    assert not lane_ink.room_for_texts({}, 50_000, 12), "a number of five digits has no room there"
    assert not lane_ink.room_for_texts({0: "considerably"}, 5, 12)
    assert lane_ink.room_for_texts({0: "considerably"}, 5, 30)
