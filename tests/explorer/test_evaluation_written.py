"""Strings written by itself: each a line of its own, what is wrong in them marked, and how many are of the language."""

from __future__ import annotations

import numpy as np
import pytest
from judgements import experiment, steps
from PySide6.QtCore import QRectF
from pytestqt.qtbot import QtBot

from engine.requests import Computed
from engine.spec import AddingTask, ReberTask, SinesTask, SunspotsTask
from engine.training_requests import Written
from explorer.evaluation import words
from explorer.evaluation.answers import Answers, answers_of
from explorer.evaluation.extent import Extent, judge_of
from explorer.evaluation.tab import EvaluationTab
from explorer.evaluation.tables import WRITTEN, tables_of
from explorer.evaluation.text_view import TextView

LABELS = tuple("BTPSXVE")
STRINGS = ("BTBTXSETE", "BTBTXSEPE", "BPBP")
WRITTEN_BY_ITSELF = Written(
    tuple(tuple(LABELS.index(one) for one in string) for string in STRINGS), (None, 7, None), (True, False, False)
)


@pytest.fixture
def given() -> Answers:
    chances = np.full((3, 7), 1 / 7)
    return steps(
        [0, 1, 2], chances, LABELS, "symbols", written=WRITTEN_BY_ITSELF, foreseen=5, sequences=8, read_labels=LABELS
    )


def test_each_string_has_a_line_and_its_first_wrong_symbol_a_mark(qtbot: QtBot, given: Answers) -> None:
    view = TextView()
    qtbot.addWidget(view)
    view.resize(700, 300)
    view.set_answers(given, 0)
    lane = view.lanes[0]
    first = 4  # what was given, and three answers
    shown = "".join(LABELS[symbol] for symbol in lane.symbols[first:])
    assert shown == "".join(STRINGS)
    assert view.lines.starts.tolist() == [0, 4, 13, 22, 26]
    assert (np.flatnonzero(view.wrong[first:]) + first).tolist() == [13 + 7], "the P where T was the second"
    tops = [view.cell_box(cell).top() for cell in (0, 4, 13, 22)]
    high = tops[3] - tops[2]
    assert tops[1] - tops[0] == tops[2] - tops[1] == high + 20, "words stand above the first and the second"
    for cell in (0, 5, 15, 23):
        box: QRectF = view.cell_box(cell)
        assert view.place_at(box.center()) == cell
    assert view.words_at(20) == "String BTBTXSEPE (drawn, 1 of 2): wrong at symbol 8. Symbol 8: P."
    assert view.words_at(4) == "String BTBTXSETE (the likeliest symbols): of the language. Symbol 1: B."
    assert "without an end" in view.words_at(22)


def test_the_column_says_how_many_are_of_the_language_and_foreseen(qtbot: QtBot, given: Answers) -> None:
    said = words.running_free(given)
    assert "writes 0 of 2 strings" in said, "the likeliest one is not drawn"
    assert "5 of 8" in said
    tab = EvaluationTab()
    qtbot.addWidget(tab)
    tab.set_answers(given)
    assert said in tab.controls.sentence.toolTip()


def test_the_strings_are_a_table_too(given: Answers) -> None:
    table = tables_of(given, 0)[WRITTEN]
    rows = [[table.cell(row, column) for column in range(4)] for row in range(3)]
    assert rows == [
        ["likeliest", "BTBTXSETE", "yes", ""],
        ["drawn", "BTBTXSEPE", "no", "8"],
        ["drawn", "BPBP", "no", ""],
    ]


def test_a_string_is_no_longer_than_those_that_are_learned() -> None:
    assert judge_of(Computed(experiment(ReberTask(steps=16))), Extent()).free_running == 17
    assert judge_of(Computed(experiment(SunspotsTask(steps=20), "last", "mse")), Extent()).free_running == 20


@pytest.mark.parametrize(
    ("task", "at", "loss", "why"),
    [
        (SunspotsTask(), "last", "mse", ""),
        (SunspotsTask(), "mean", "mse", "It does not run free: the read-out 'mean' is about all steps"),
        (SinesTask(), "last", "cross_entropy", "It does not run free: it says whether the next number is higher"),
        (AddingTask(), "mean", "mse", ""),
    ],
)
def test_why_a_network_does_not_run_free_is_said_where_it_could_be_expected(
    task: object, at: str, loss: str, why: str, given: Answers
) -> None:
    answers = answers_of(given.judged, 0, experiment(task, at, loss))
    said = words.running_free(answers)
    assert said.startswith(why) if why else "free" not in said
