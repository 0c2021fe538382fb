"""Symbols and classes are called by their names wherever the stage and the cell panel say them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from data_kinds import T, at, binary, numbers, painted, said, symbols
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QFont, QImage, QPainter
from pytestqt.qtbot import QtBot

from engine.reber import SYMBOLS
from engine.requests import Excerpt
from engine.spec import CopyTask, LayerSpec, ModelSpec, ReadoutSpec
from engine.task_labels import labels_of
from explorer.cell.circuit_moment import symbol_read
from explorer.stage import marked
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks import lane_ink
from explorer.stage.tracks.data import Data
from explorer.tables.text import Columns
from explorer.theme import current as theming

MODEL = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=1),), readout=ReadoutSpec(at="every"), loss="cross_entropy")
COPY = labels_of(CopyTask(), MODEL)


def reber() -> Excerpt:
    """B T S X X V P T V … of seven symbols, and the targets one step on."""
    names = dict(enumerate(SYMBOLS))
    read = np.array([[SYMBOLS.index(one)] for one in "BTBTSXXTVV"], np.float32)
    return dataclasses.replace(
        symbols(7), inputs=read, targets=np.roll(read, -1, 0), read_labels=names, labels=names
    )  # fmt: skip


def shown(e: Excerpt) -> Data:
    track = Data("data")
    track.set_excerpt(e, ScaleBook())
    return track


def beside(track: Data, e: Excerpt, monkeypatch: pytest.MonkeyPatch, height: int) -> list[str]:
    """What stands right of the data."""
    written: list[str] = []
    draw = marked.draw

    def heard(painter: QPainter, where: QRectF, text: str, font: QFont, *more: object) -> object:
        written.append(text)
        return draw(painter, where, text, font, *more)

    painted(track, e, at(e, "loss"), 20, height)
    monkeypatch.setattr(marked, "draw", heard)
    image = QImage(120, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint_scale(painter, QRect(0, 0, 120, height), at(e, "loss"))
    painter.end()
    monkeypatch.undo()
    return written


def test_pointer_table_and_copy_say_the_names_of_a_string(qtbot: QtBot) -> None:
    theming.apply("dark")
    e, track = reber(), shown(reber())
    end = at(e, "loss")
    painted(track, e, end, 20, 150)
    assert said(track, 2, 12, end) == ("‘T’, symbol 1", "one of B T P S X V E")
    found = said(track, 5, 45, end)
    assert found[0] == "target: ‘X’"
    assert found[1].startswith("p(X) = ")
    assert found[2].startswith("most likely: ‘")
    columns = Columns(track.table(end))  # type: ignore[arg-type]
    assert [columns.text(t, 0) for t in range(4)] == ["B", "T", "B", "T"]
    assert columns.name(2) == "p(B)"
    assert track.taken(end)[0].value == "V"


def test_every_row_of_the_classes_has_its_name_where_there_is_room_else_the_first_and_the_last(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    theming.apply("dark")
    e = reber()
    assert beside(shown(e), e, monkeypatch, 220) == ["7 symbols", "7 classes", *SYMBOLS]
    low = beside(shown(e), e, monkeypatch, 100)
    assert low[2:] in (["B", "E"], ["E … B"])
    unnamed = dataclasses.replace(e, read_labels={}, labels={})
    assert beside(shown(unnamed), unnamed, monkeypatch, 220)[-2:] == ["class 0", "class 6"]


def test_names_are_whole_where_they_fit_and_cut_to_what_tells_them_apart_where_not(qtbot: QtBot) -> None:
    theming.apply("dark")
    labels = dict(enumerate(COPY))
    assert lane_ink.names_for(labels, 10, 60) == labels
    letters = lane_ink.names_for(labels, 10, 12)
    assert [letters[k] for k in (0, 1, 8, 9)] == ["b", "1", "8", "m"]
    assert lane_ink.room_for_texts(labels, 10, 12)
    assert not lane_ink.room_for_texts(labels, 10, 5)
    alike = {0: "considerable", 1: "considerably"}
    assert lane_ink.names_for(alike, 2, 12) == alike, "their letters are the same, and numbers are no names"


def test_one_probability_says_of_which_answer_it_is(qtbot: QtBot) -> None:
    theming.apply("dark")
    e = dataclasses.replace(binary(), labels={0: "no", 1: "yes"})
    track, end = shown(e), at(e, "loss")
    painted(track, e, end, 20, 150)
    found = said(track, 3, 140, end)
    assert found[0] == f"target: ‘{'yes' if e.targets[2, 0] else 'no'}’"
    assert found[1].startswith("p(yes) = ")
    columns = Columns(track.table(end))  # type: ignore[arg-type]
    names = [columns.name(k) for k in range(5)]
    assert names[2:4] == ["target", "p(yes)"]
    assert [columns.text(t, 2) for t in range(T)] == ["yes" if one else "no" for one in e.targets[:, 0]]


def test_the_cell_names_the_symbol_it_reads_and_no_other_layer_does(qtbot: QtBot) -> None:
    e = reber()
    assert [symbol_read(e, t) for t in (1, 2, 10, 11)] == ["‘B’", "‘T’", "‘V’", ""]
    assert symbol_read(dataclasses.replace(e, length=4), 5) == "", "that is padding"
    above = dataclasses.replace(e.of(), name="l1")
    assert symbol_read(dataclasses.replace(e, layers={**e.layers, "l1": above}, layer="l1"), 1) == ""
    assert symbol_read(dataclasses.replace(e, symbols=0, read_labels={}), 1) == ""


@pytest.mark.parametrize(
    ("read", "named", "target"),
    [("high", "close_eur", "close_eur"), ("close_eur", "close_eur", "target close_eur"), ("high", "", "target")],
)
@pytest.mark.parametrize("kind", ["numbers", "binary"])
def test_targets_are_called_by_their_column_and_told_from_the_same_column_that_is_read(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, kind: str, read: str, named: str, target: str
) -> None:
    theming.apply("dark")
    made = numbers() if kind == "numbers" else binary()
    e = dataclasses.replace(made, read_labels={0: "open", 1: read}, target_name=named)
    track, end = shown(e), at(e, "loss")
    painted(track, e, end, 20, 150)
    marked_up = target.replace("_", "_\u2060")
    assert said(track, 3, 140, end)[0].startswith(f"{marked_up} ")
    columns = Columns(track.table(end))  # type: ignore[arg-type]
    assert [columns.name(k) for k in range(3)] == ["open", read, target]
    assert target in [taken.symbol for taken in track.taken(end)]
    assert f"{marked_up} = " in track.at_playhead(end)
    written: list[str] = []
    monkeypatch.setattr(marked, "draw", lambda _p, _where, text, *_more: written.append(text))
    image = QImage(160, 150, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint_header(painter, QRect(0, 0, 160, 150), end)
    painter.end()
    assert f"{marked_up} ●" in written
