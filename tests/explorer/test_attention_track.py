"""The weights of attention: when they become known, how high they stand, what is said of them."""

from __future__ import annotations

import dataclasses

import numpy as np
from data_kinds import T, at, numbers, painted, said, with_attention
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from engine.tracks import parse
from explorer.stage import classes
from explorer.stage.geometry import STRIP
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale
from explorer.stage.tracks.attention import Attention
from explorer.stage.tracks.base import table_of
from explorer.tables.text import Columns
from explorer.theme import current as theming


def test_attention_is_known_when_the_forward_pass_is_done(qtbot: QtBot) -> None:
    e = with_attention(numbers(every=False))
    other = with_attention(numbers(every=False), np.full(T, 1 / T))
    track = Attention("attention")
    pictures = {}
    for name, one in (("one", e), ("other", other)):
        track.set_excerpt(one, ScaleBook())
        for moment in (f"forward:{T}", "loss", "backward:3"):
            pictures[name, moment] = painted(track, one, at(one, moment), 20, 75)
    assert pictures["one", f"forward:{T}"] == pictures["other", f"forward:{T}"]
    assert pictures["one", "loss"] != pictures["other", "loss"]
    assert pictures["one", "loss"] == pictures["one", "backward:3"]


def test_a_weight_stands_as_high_as_it_is_and_is_said_exactly(qtbot: QtBot) -> None:
    theming.apply("dark")
    weights = np.array([0.5, 0.0, 0.25, 0.25] + [0.0] * 6)
    e = dataclasses.replace(with_attention(numbers(every=False), weights), length=8)
    track = Attention("attention")
    track.set_excerpt(e, ScaleBook())
    image = painted(track, e, at(e, "loss"), 20, 75)  # 60 pixels for 0 … 1, between 7 and 67
    edge = QColor(theming.current().text)
    for t, row in ((0, 37), (2, 52)):
        assert [y for y in range(75) if image.pixelColor(20 * t + 10, y) == edge] == [row - 1, row]
    assert said(track, 1, 30, at(e, "loss")) == ("α_{1} = 0.5", "0.125 if all counted alike")
    assert said(track, 2, 30, at(e, "loss")) == ("α_{2} = 0", "exactly 0 · 0.125 if all counted alike")
    assert said(track, 9, 30, at(e, "loss")) == ("α", "padding: this sample ends at t = 8")
    assert track._counts(at(e, "loss"))[classes.UNDEFINED] == 2


def test_without_attention_the_track_says_so(qtbot: QtBot) -> None:
    track = Attention("attention")
    for readout, words in (("last", "has no attention"), ("", "recorded"), ("attention", "On its way")):
        e = dataclasses.replace(numbers(), readout=readout)
        track.set_excerpt(e, ScaleBook())
        assert words in track._why_empty(e)
        painted(track, e, at(e, "loss"), 20, 75)
        assert track.hover(10, 10, at(e, "loss")) is None


def test_a_fitted_attention_scale_reaches_up_to_the_largest_weight() -> None:
    e, book = with_attention(numbers(every=False), np.array([0.02, 0.031] + [0.0] * 8)), ScaleBook()
    assert book.of_attention(np.array([0.5, 0.5])) == GATE
    assert book.of_attention(np.array([0.02, 0.031])) == GATE, "a scale is kept"
    assert book.fit(parse("attention"), e) == Scale("gate", 0.0, 0.04)
    assert book.chosen == {"attention": (0.0, 0.04, 0.0)}


def test_weights_that_are_alike_fill_the_track_and_its_scale_is_said(qtbot: QtBot) -> None:
    """1/50 each: a fiftieth of 0 … 1, all of 0 … 0.02."""
    book, track = ScaleBook(), Attention("attention")
    e = with_attention(numbers(every=False), np.full(T, 1 / 50))
    track.set_excerpt(e, book)
    assert track._scale == Scale("gate", 0.0, 0.02)
    said = track.hover_scale(at(e, "loss"))
    assert said is not None
    assert "0 … 0.02" in said.where
    track.set_excerpt(with_attention(e, np.full(T, 1 / 100)), book)
    assert track._scale == Scale("gate", 0.0, 0.02), "it does not change behind anybody's back"
    book.forget(parse("attention"), e)
    track.set_excerpt(with_attention(e, np.full(T, 1 / 100)), book)
    assert track._scale == Scale("gate", 0.0, 0.01)


def test_the_table_of_attention_has_its_weights_once_they_are_known() -> None:
    weights = np.array([0.5, 0.0, 0.25, 0.25] + [0.0] * 6)
    e = dataclasses.replace(with_attention(numbers(every=False), weights), length=8)
    track = Attention("attention")
    track.set_excerpt(e, ScaleBook())
    for moment, known in ((f"forward:{T}", False), ("loss", True), ("backward:3", True)):
        table = table_of(track, at(e, moment))
        assert table is not None
        columns = Columns(table)
        said = ["0.5", "0", "0.25", "0.25", "0", "0", "0", "0", "", ""]
        assert [columns.text(t, 0) for t in range(T)] == (said if known else [""] * T)
    track.set_excerpt(numbers(), ScaleBook())
    assert table_of(track, at(e, "loss")) is None


def test_a_strip_of_attention_is_its_curve_with_the_weight_at_the_playhead(qtbot: QtBot) -> None:
    e = with_attention(numbers(every=False), np.array([0.5, 0.0, 0.25, 0.25] + [0.0] * 6))
    track = Attention("attention")
    track.set_excerpt(e, ScaleBook())
    assert track.thin
    assert track.at_playhead(at(e, "forward:3")) == ""
    assert track.at_playhead(at(e, "backward:3")) == "α = 0.250"
    low = painted(track, e, at(e, "backward:3"), 20, STRIP - 1)
    assert len({low.pixel(10, y) for y in range(low.height())}) > 2
