"""Thresholds, bounds and regions of curve tracks: they stand where they belong, and their words where nothing is."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import synthetic
from curves import HEIGHT, WIDTH, end, near, painted, reversed_, row_of, shown, with_series
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage, QPainter

from engine import columns, dtypes
from engine.tape import Tape
from explorer.stage import palette
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.curve_ink import edge_of
from explorer.stage.tracks.curve_words import line_entries
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName


@pytest.fixture(autouse=True)
def dark(qapp: object) -> None:
    theming.apply("dark")


def test_vanishing_begins_where_the_norm_is_a_millionth_of_the_last_steps() -> None:
    e = synthetic.excerpt("rnn", T=40, H=3)
    e = synthetic.with_norms(e, {**e.norms, "grads.h": np.full(40, 1e-2)})
    track = shown("norms", e)
    pixels = painted(track, e, end(e))
    blue = pixels[:, :, 2] - pixels[:, :, 0]
    below = int(row_of(1e-8, track))
    assert (blue[below + 3 : below + 12, 3] > blue[below - 12 : below - 3, 3]).all()


def test_thresholds_of_the_type_are_drawn_where_they_are_on_the_scale_and_said_where_not() -> None:
    e = synthetic.excerpt("rnn", T=40, H=3)
    half = dataclasses.replace(e, dtype="float16")
    track = shown("norms", half)
    assert track.plot is not None
    line = next(one for one in track.plot.lines if "smallest normal" in one.texts[0])
    edge = edge_of(HEIGHT)
    row = HEIGHT - edge - float(line.places) * (HEIGHT - 2 * edge)
    assert row == pytest.approx(row_of(2.0**-14, track))
    grey = near(painted(track, half, 0), theming.current().muted, 60)
    assert grey[int(row) - 1 : int(row) + 2].sum() > WIDTH / 3
    single = shown("norms", e)
    assert single.plot is not None
    assert not [one for one in single.plot.lines if "number" in one.texts[0]]
    assert any("1.2e-38" in text for text in single.plot.scale_note)
    assert dtypes.smallest_normal("float32") == np.finfo(np.float32).tiny


def test_a_clip_threshold_is_a_line_only_where_such_norms_are_clipped() -> None:
    e = with_series(synthetic.excerpt("rnn", T=20, H=3))
    assert e.clip is not None
    for kind, where in (("norm", "growth"), ("parameter", "growth"), ("step", "norms"), ("value", ""), ("none", "")):
        clipped = dataclasses.replace(e, clip=dataclasses.replace(e.clip, kind=kind, max_norm=0.1))
        for key in ("norms", "growth", "share"):
            track = shown(key, clipped)
            assert track.plot is not None
            lines = [one for one in track.plot.lines if one.tone == "clip"]
            assert len(lines) == (key == where), (kind, key)
            if lines:
                assert float(lines[0].places) == pytest.approx(float(track.plot.axis.place(np.asarray(-1.0))))


def test_the_bound_is_a_line_from_the_last_loss_and_hidden_until_then() -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    line = np.log10(e.norms["grads.h"][-1]) + (19 - np.arange(20.0)) * math.log10(0.9)
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": line})
    track = shown("norms", e)
    assert track.plot is not None
    bound = next(one for one in track.plot.lines if one.texts[0].startswith("Pascanu"))
    assert "× 0.900 a step" in bound.texts[0]
    assert not bound.always
    assert bound.places == pytest.approx(track.plot.axis.place(line))


def test_the_bound_has_its_name_in_the_header_however_narrow_the_plot_is() -> None:
    """Along the line there may be no room for a word; the header names it from the first gradient on, not before."""
    e = synthetic.excerpt("rnn", T=20, H=3)
    line = np.log10(e.norms["grads.h"][-1]) + (19 - np.arange(20.0)) * math.log10(0.9)
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": line})
    track = shown("norms", e)
    assert track.plot is not None
    tape = Tape(20)
    for moment, there in (("loss", []), ("backward:20", [("Pascanu's bound", ("× 0.900 a step",))])):
        now = Now.at(tape, tape.position(tape.parse(moment)))
        assert [(one.name, one.words) for one in line_entries(track.plot, now)] == there


@pytest.mark.parametrize(
    ("start", "line", "said"),
    [
        (math.nan, np.full(20, np.nan), "undefined: starts at NaN"),
        (math.inf, np.full(20, np.inf), "undefined: starts at ∞"),
        (1.0, np.full(20, np.nan), "undefined: W_hh not finite"),
        (1.0, np.where(np.arange(20) < 19, -np.inf, np.nan), "× exactly 0 a step"),
        (1.0, 305.0 * (19 - np.arange(20.0)), "× 1e305 a step"),
    ],
)
def test_the_legend_says_of_a_bound_what_is_true_where_it_is_no_plain_number(
    start: float, line: np.ndarray, said: str
) -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    norms = {**e.norms, "grads.h": np.where(np.arange(20) == 19, start, e.norms["grads.h"])}
    e = synthetic.with_norms(dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": line}), norms)
    assert e.verdict.loss_step == 20
    track = shown("norms", e)
    assert track.plot is not None
    tape = Tape(20)
    (entry,) = line_entries(track.plot, Now.at(tape, tape.position(tape.parse("backward:20"))))
    assert (entry.name, entry.words[0]) == ("Pascanu's bound", said)
    painted(track, e, end(e))


@pytest.mark.parametrize("width", range(240, 700, 46))
def test_no_threshold_runs_through_the_words_of_a_region(width: int) -> None:
    """A bound that goes up steeply, through the region of what explodes."""
    T = 50
    e = synthetic.with_norms(
        synthetic.excerpt("rnn", T=T, H=3), {"grads.h": 10.0 ** ((T - np.arange(1.0, T + 1)) / 7 - 12)}
    )
    line = -12 + 0.4 * (T - np.arange(1.0, T + 1))
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": line})
    track = shown("norms", e)
    track.prepare(TimeView(T, 1, T, width), HEIGHT)
    assert track.plot is not None
    bound = next(one for one in track.plot.lines if one.legend is not None)
    edge = edge_of(HEIGHT)
    y = HEIGHT - edge - bound.places * (HEIGHT - 2 * edge)
    x = (np.arange(T) + 0.5) * width / T
    for position in range(T + 1, 2 * T + 1):
        for label in track._words(Now.at(Tape(T), position)):
            if label.tone == "exploding":
                across = np.arange(label.left, label.right)
                there = np.interp(across, x, y)
                assert not ((there > label.place.top()) & (there < label.place.bottom())).any()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("slope", [-0.4, 0.02, 0.4])
def test_words_of_thresholds_stand_still_while_the_tape_plays(slope: float, reverse: bool) -> None:
    """Decades a step on the way back: vanishing, healthy, exploding."""
    T = 50
    back = np.arange(T) if reverse else T - 1 - np.arange(T)
    e = reversed_(synthetic.excerpt("rnn", T=T, H=3), reverse)
    e = synthetic.with_norms(e, {"grads.h": 10.0 ** (slope * back)})
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": np.asarray((slope + 0.1) * back)})
    track = shown("norms", e)
    track.prepare(TimeView(T, 1, T, 500), HEIGHT)
    seen: dict[str, set[QRect]] = {}
    for position in range(T + 1, 2 * T + 3):
        labels = track._words(Now.at(Tape(T), position))
        for one in labels:
            if position < 2 * T:  # until all of the curve is known
                seen.setdefault(one.text, set()).add(one.place)
        for one, other in itertools.combinations(labels, 2):
            assert not one.place.intersects(other.place)
    assert any("vanishing" in text or "exploding" in text for text in seen)
    assert {text: len(places) for text, places in seen.items()} == dict.fromkeys(seen, 1)


@pytest.mark.parametrize("slope", [-0.4, 0.21, 0.02])
@pytest.mark.parametrize("width", [460, 900])
def test_no_words_touch_the_playhead_where_it_rests_at_the_end(slope: float, width: int) -> None:
    T = 50
    back = np.arange(T - 1.0, -1.0, -1.0)
    norms = 10.0 ** (slope * back) * np.where(back == 0, 0.5, 1.0)  # the last is the smallest of a curve that rises
    e = synthetic.with_norms(synthetic.excerpt("rnn", T=T, H=3), {"grads.h": norms})
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": np.asarray((slope + 0.5) * back)})
    track = shown("norms", e)
    track.prepare(TimeView(T, 1, T, width), HEIGHT)
    labels = track._words(Now.at(Tape(T), end(e)))
    assert labels
    playhead = (T - 0.5) * width / T
    assert [one.text for one in labels if one.right > playhead - 2] == []


@pytest.mark.parametrize(("slope", "bound"), [(-0.3, -0.1), (0.21, 0.78)])
def test_when_all_is_known_words_stand_where_no_line_is(slope: float, bound: float) -> None:
    """Decades a step on the way back. A rising curve comes to the head of its region, where the words stood before."""
    T = 50
    back = np.arange(T - 1.0, -1.0, -1.0)
    e = synthetic.with_norms(synthetic.excerpt("rnn", T=T, H=3), {"grads.h": 10.0 ** (slope * back - 1)})
    e = dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": np.asarray(bound * back - 1)})
    track = shown("norms", e, ScaleBook())
    track.prepare(TimeView(T, 1, T, 700), HEIGHT)
    assert track.plot is not None
    edge = edge_of(HEIGHT)
    x, (curve,) = (np.arange(T) + 0.5) * 700 / T, track.plot.curves
    labels = track._words(Now.at(Tape(T), 2 * T))
    assert any("vanishing" in one.text or "exploding" in one.text for one in labels)
    for places in (curve.places, *(np.broadcast_to(line.places, T) for line in track.plot.lines)):
        y = HEIGHT - edge - places * (HEIGHT - 2 * edge)
        for one in labels:
            there = np.interp(np.arange(one.left, one.right), x, y)
            assert not ((there > one.place.top()) & (there < one.place.bottom())).any(), one.text


@pytest.mark.parametrize("width", [118, 128])
def test_words_in_the_header_keep_off_the_plot(width: int) -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    line = np.log10(e.norms["grads.h"][-1]) + (19 - np.arange(20.0)) * math.log10(0.9)
    track = shown("norms", dataclasses.replace(e, arrays={**e.arrays, f"l0.{columns.BOUND}": line}))
    image = QImage(width, 160, QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    track.paint_header(painter, QRect(0, 0, width, 160), Now.at(Tape(20), 40))
    painter.end()
    ink = np.frombuffer(image.constBits(), np.uint8).reshape(160, width, 4)[:, :, :3].any(axis=(0, 2))
    assert np.flatnonzero(ink).max() < width - 5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_curve_that_comes_through_the_words_of_a_threshold_is_seen(theme: ThemeName) -> None:
    """A curve that is flat just above the line, where its words stand until all of it is known."""
    theming.apply(theme)
    T, limit = 40, 2.0**-14
    e = dataclasses.replace(synthetic.excerpt("rnn", T=T, H=3), dtype="float16")
    e = synthetic.with_norms(e, {"grads.h": np.full(T, 2.2 * limit)})
    track = shown("norms", e)
    tape, view = Tape(T), TimeView(T, 1, T, WIDTH)
    track.prepare(view, HEIGHT)
    position = tape.position(tape.parse("backward:3"))
    now, untouched = Now.at(tape, position), Now.at(tape, tape.position(tape.parse("loss")))
    (chip,) = [one for one in track._words(now) if "normal" in one.text]
    assert chip.crossed
    assert chip.place.top() < row_of(2.2 * limit, track) < chip.place.bottom()
    (before,) = [one for one in track._words(untouched) if "normal" in one.text]
    assert not before.crossed
    assert before.place == chip.place, "it stays where it was"
    row = round(row_of(2.2 * limit, track) - 0.5)
    rows = painted(track, e, position)[row - 1 : row + 2, chip.left + 1 : chip.right - 1]
    seen = [max(contrast_to_ground(pixel) for pixel in column) for column in rows.swapaxes(0, 1)]
    assert np.mean(np.array(seen) > 1.9) > 0.95, "along all of its words"


def contrast_to_ground(pixel: np.ndarray) -> float:
    return palette.contrast("#" + "".join(f"{int(c):02x}" for c in pixel), theming.current().ground)
