"""Behind the longest sample no track has a number: curves end, wires too, and words and tables say padding."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import synthetic
import synthetic_stack
from network_stage import at, pixels, stage_of
from network_stage import track as network_of
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt, Verdict
from engine.session import PinnedNorms
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, WhatIf
from engine.tape import Tape
from explorer import status
from explorer.document import pins
from explorer.stage import classes, palette
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import magnitude
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.curve_words import slope_of
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.make import make
from explorer.tables.text import PADDING, Columns
from explorer.theme import current as theming

T, LONGEST, LENGTH = 20, 14, 9
WIDTH, HEIGHT = 400, 120
END = Now.at(Tape(T), 10**6)


@pytest.fixture(autouse=True)
def dark(qapp: object) -> None:
    theming.apply("dark")


def padded(e: Excerpt, size: float = 1e-3) -> Excerpt:
    """Every norm `size`, and none behind the longest sample."""
    row = np.where(np.arange(e.steps) < LONGEST, size, math.nan)
    for name, layer in e.layers.items():
        norms = dict.fromkeys(layer.norms, row)
        e = synthetic_stack.with_layer(e, name, norms=norms, input_norms=row, direct_norms=row, longest=LONGEST)
    return dataclasses.replace(e, batch_size=4, length=LENGTH, longest=LONGEST)


def curves_of(e: Excerpt, key: str = "norms?of=l0.grads.h,l0.values.h") -> CurveTrack:
    track = make(key)
    assert isinstance(track, CurveTrack)
    track.set_excerpt(e, ScaleBook())
    return track


def painted(track: CurveTrack, span: tuple[int, int]) -> np.ndarray:
    view = TimeView(T, *span, WIDTH)
    track.prepare(view, HEIGHT)
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, WIDTH, HEIGHT), END)
    painter.end()
    return pixels(image)


def test_a_curve_ends_with_the_longest_sample(qtbot: QtBot) -> None:
    track = curves_of(padded(synthetic.excerpt("rnn", T=T)))
    assert track.plot is not None
    for curve in track.plot.curves:
        assert (curve.codes[LONGEST:] == classes.UNDEFINED).all()
        assert curve.on[:LONGEST].all()
    key = "norms?of=l0.values.h"  # without regions, which move with the curve
    seen, moved = (
        painted(curves_of(padded(synthetic.excerpt("rnn", T=T), size), key), (1, T)) for size in (1e-3, 1e-9)
    )
    edge = WIDTH * LONGEST // T
    differs = (seen != moved).any(0)
    assert differs[:edge].any()
    assert not differs[edge + 4 :].any()


@pytest.mark.parametrize("reverse", [False, True])
def test_the_slope_is_that_of_the_steps_there_are(qtbot: QtBot, reverse: bool) -> None:
    e = padded(synthetic.excerpt("rnn", T=T))
    t = np.arange(T)
    back = t if reverse else LONGEST - 1 - t
    row = np.where(t < LONGEST, 10.0 ** (-0.25 * back), math.nan)
    layer = e.of()
    e = synthetic_stack.with_layer(e, "l0", norms={**layer.norms, "grads.h": row}, reverse=reverse)
    track = curves_of(e, "norms?of=l0.grads.h")
    assert track.plot is not None
    (curve,) = track.plot.curves
    said, span = slope_of(curve, END)
    assert said == "−0.25"
    assert span[0] == f"t = 1…{LONGEST}"


def test_thresholds_are_measured_from_the_last_step_of_the_longest_sample(qtbot: QtBot) -> None:
    track = curves_of(padded(synthetic.excerpt("rnn", T=T), 1e-2), "norms?of=l0.grads.h")
    assert track.plot is not None
    axis = track.plot.axis
    below = next(region for region in track.plot.regions if region.tone == "vanishing")
    assert below.edge == pytest.approx(float(axis.place(np.asarray(-8.0))))
    assert f"_{{{LONGEST}}}" in below.texts[0]


def test_words_and_tables_say_padding_and_no_number(qtbot: QtBot) -> None:
    track = curves_of(padded(synthetic.excerpt("rnn", T=T)))
    track.prepare(TimeView(T, 1, T, WIDTH), HEIGHT)
    behind = track.hover(WIDTH - 5, 40, END)
    assert behind is not None
    assert behind.values
    assert all(value.endswith(": padding") for value in behind.values)
    assert "not a number" not in behind.note
    before = track.hover(5, 40, END)
    assert before is not None
    assert not any("padding" in value for value in before.values)
    tape = Tape(T)
    at_last = Now.at(tape, tape.position(tape.parse(f"backward:{T}")))
    assert track.at_playhead(at_last).count("padding") == 2
    assert "NaN" not in track.at_playhead(at_last)
    table = track.table(END)
    assert table is not None
    columns = Columns(table)
    for column in range(columns.count):
        assert [columns.text(row, column) == "" for row in range(T)] == [row >= LONGEST for row in range(T)]
        assert {columns.note(row, column) for row in range(LONGEST, T)} == {PADDING}


@pytest.mark.parametrize("size", [(900, 300), (200, 300)])
def test_wires_end_with_the_sample_and_padding_puts_no_mark_on_them(qtbot: QtBot, size: tuple[int, int]) -> None:
    """Where steps share a pixel, too: not the worst class of one that is no step."""
    e = padded(synthetic_stack.stack((("gru", True), ("gru", False)), T=T, H=2))
    e = dataclasses.replace(e, length=LONGEST)
    stage = stage_of(qtbot, e, size=size)
    seen, a = pixels(at(stage, "update")), network_of(stage)._anatomy
    colour = int(palette.wires(magnitude(), "dark")[classes.code_of(1e-3, magnitude())])
    found = network_of(stage)
    for name, layer in e.layers.items():
        for norms in (*layer.norms.values(), layer.input_norms):
            codes, shares = found._measures.of(norms)
            assert (codes[LONGEST:] == classes.UNDEFINED).all(), name
            assert (shares[LONGEST:] == 0).all()
    last = round(a.view.right(LONGEST))
    for row in a.rows:
        top, bottom = row.lanes["h"]
        assert (seen[top:bottom, :last] == colour).any()
        assert not (seen[top:bottom, last + 1 :] == colour).any()
    for gap in a.gaps:
        assert not (seen[gap.top : gap.bottom, last + 1 :] == colour).any()


def test_a_crowded_wire_at_the_end_of_the_sample_keeps_its_number(qtbot: QtBot) -> None:
    T, longest = 10_000, 6_001
    e = synthetic_stack.stack((("gru", False),), T=T, H=2)
    row = np.where(np.arange(T) < longest, 1e-3, math.nan)
    layer = e.layers["l0"]
    norms = dict.fromkeys(layer.norms, row)
    e = synthetic_stack.with_layer(e, "l0", norms=norms, input_norms=row, direct_norms=row, longest=longest)
    e = dataclasses.replace(e, length=longest, longest=longest)
    stage = stage_of(qtbot, e, size=(700, 400))
    found = network_of(stage)
    a = found._anatomy
    assert a.view.cells.crowded
    codes = a.view.cells.spread(found._measures.of(row)[0][a.view.slice])
    assert set(codes.tolist()) == {classes.code_of(1e-3, magnitude()), classes.UNDEFINED}
    pixels(at(stage, "update"))


def test_the_networks_words_and_table_say_padding(qtbot: QtBot) -> None:
    stage = stage_of(qtbot, padded(synthetic_stack.stack((("gru", False),), T=T, H=2)))
    track = network_of(stage)
    tape = Tape(T)
    at_last = Now.at(tape, tape.position(tape.parse(f"backward:{T}")))
    assert track.at_playhead(at_last) == "padding"
    assert track.at_playhead(Now.at(tape, tape.position(tape.parse("backward:5")))).startswith("‖h_t‖ = ")
    table = track.table(END)
    assert table is not None
    columns = Columns(table)
    for column in range(columns.count):
        assert columns.note(LONGEST, column) == PADDING
        assert columns.text(LONGEST, column) == ""
        assert columns.text(LONGEST - 1, column) == "0.001"


def test_the_part_of_a_step_that_nobody_has_is_padding(qtbot: QtBot) -> None:
    e = padded(synthetic.excerpt("rnn", T=T))
    there = np.arange(T) < LONGEST
    share = np.where(there[:, None], [[1e-2, 1 / LONGEST]], math.nan)
    growth = np.stack([np.where(there, 0.5, math.nan), np.where(there, 1e-2, math.nan), there.astype(float)], 1)
    e = dataclasses.replace(e, arrays={**e.arrays, "l0.share.weight_hh": share, "l0.growth.weight_hh": growth})
    for key in ("l0.share?weight=weight_hh", "l0.growth?weight=weight_hh"):
        track = curves_of(e, key)
        assert track.plot is not None, track._why
        for curve in track.plot.curves:
            assert (curve.codes[LONGEST:] == classes.UNDEFINED).all()
            assert curve.said(LONGEST) == "padding"
            assert curve.said(LONGEST - 1) != "padding"
        assert not any("sum taken" in text for line in track.plot.title_lines for text in line)
        painted(track, (1, T))


def test_padding_is_no_nan_for_the_status_line() -> None:
    assert status.not_finite(padded(synthetic.excerpt("rnn", T=T))) == ""
    broken = padded(synthetic.excerpt("rnn", T=T), math.nan)
    assert status.not_finite(broken) == "NaN"


@pytest.mark.parametrize(("per_step", "said"), [(-0.2, "· of c: 0.0025"), (0.1, "· of c: 20")])
def test_of_c_is_about_the_steps_there_are(qtbot: QtBot, per_step: float, said: str) -> None:
    """Norms of 10^(per_step (LONGEST − t)), and NaN behind: 13 steps between the first and the last of them."""
    e = padded(synthetic.excerpt("lstm", T=T))
    t = np.arange(1, T + 1)
    norms = {**e.of().norms, "grads.c": np.where(t <= LONGEST, 10.0 ** (per_step * (LONGEST - t)), math.nan)}
    line = status.StatusLine()
    qtbot.addWidget(line)
    shown = synthetic_stack.with_layer(e, e.of().name, norms=norms)
    line.set_excerpt(dataclasses.replace(shown, verdict=Verdict("healthy", -1.0, 1, LONGEST, LONGEST)))
    line.set_reached(True)
    assert line.verdict.text().endswith(said)


def test_a_pinned_trace_ends_where_it_ended(qtbot: QtBot) -> None:
    e = padded(synthetic.excerpt("rnn", T=T))
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=12),))
    of = Experiment(model=model, task=AddingTask(steps=T, shortest=3))
    (kept,) = pins.kept((pins.pin_of(e, of, WhatIf(), 0),))
    (pin,) = pins.from_session((kept,))
    assert pin.layers["l0"].longest == LONGEST
    track = curves_of(synthetic.excerpt("rnn", T=T), "norms?of=l0.grads.h")
    track.set_ghosts((Ghost("before", T, pin.layers),))
    assert track.plot is not None
    ghost = track.plot.curves[1]
    assert (ghost.codes[LONGEST:] == classes.UNDEFINED).all()
    assert ghost.said(LONGEST) == "padding"
    painted(track, (1, T))
    even = Experiment(model=model, task=AddingTask(steps=T))
    (whole,) = pins.from_session((PinnedNorms(even, WhatIf(), 0, kept.norms),))
    assert whole.layers["l0"].longest == 0  # there NaN is a number that went wrong
