"""All forecasts of a series, each year or row once: as one picture, in words and as a table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judgements import experiment, judged
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.spec import SunspotsTask
from engine.training_requests import Forecasts
from explorer.evaluation.answers import Answers, all_forecasts, answers_of
from explorer.evaluation.series_view import SeriesView, unbroken
from explorer.evaluation.tab import EvaluationTab
from explorer.theme import current as theming

LAST = experiment(SunspotsTask(steps=3), "last", "mse")


def of(places: list[int], said: list[float], due: list[float], noun: str = "year") -> Answers:
    found = judged(
        "value",
        metric="rmse",
        inputs=np.arange(6.0).reshape(2, 3, 1),
        predictions=np.array([said[:1], said[-1:]]),
        targets=np.array([due[:1], due[-1:]]),
        lengths=np.array([3, 3]),
        errors=np.zeros((2, 1)),
        forecasts=Forecasts(noun, np.array(places), np.array(said), np.array(due)),
    )
    return answers_of(found, 7, LAST)


@pytest.fixture
def tab(qtbot: QtBot) -> EvaluationTab:
    theming.apply("dark")
    made = EvaluationTab()
    qtbot.addWidget(made)
    made.resize(710, 258)
    made.show()
    return made


def test_all_years_come_first_and_keys_tell_each_of_them(tab: EvaluationTab) -> None:
    tab.set_answers(of([1916, 1917, 1918], [10.0, 20.0, 30.0], [11.0, 18.0, 33.0]))
    assert tab.show_choice.currentText() == "All years"
    tab.series.setFocus()
    for _ in range(3):
        QTest.keyClick(tab.series, Qt.Key.Key_Right)
    assert tab.readout.text() == "Year 1918: target 33, prediction 30, squared error 9."
    tab.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split(",") == ["year", "target", "prediction", "squared error"]
    assert [float(cell) for cell in lines[2].split(",")] == [1917, 18, 20, 4]


def test_a_sequence_that_is_chosen_is_shown_and_all_rows_come_back_by_the_choice(tab: EvaluationTab) -> None:
    tab.set_answers(of([1250, 1251], [1.0, 2.0], [1.0, 4.0], "row"))
    tab.controls.sequencePicked.emit(1)
    assert tab.show_choice.currentText() == "Sequence"
    assert tab.series.steps().tolist() == [4.0], "one step after the three that are read"
    tab.show_choice.setCurrentIndex(0)
    tab.show_choice.chosen.emit(tab.show_choice.currentData())
    assert tab.series.steps().tolist() == [1250.0, 1251.0]
    assert tab.series.words_at(1) == "Row 1,251: target 4, prediction 2, squared error 4."


def test_another_judgement_leaves_what_is_chosen(tab: EvaluationTab) -> None:
    tab.set_answers(of([1916, 1917], [1.0, 2.0], [1.0, 2.0]))
    tab.controls.sequencePicked.emit(1)
    tab.set_answers(of([1916, 1917], [1.5, 2.5], [1.0, 2.0]))
    assert tab.show_choice.currentText() == "Sequence"
    assert tab.shown == 1


def test_where_nothing_is_asked_about_places_there_is_the_sequence_alone(tab: EvaluationTab) -> None:
    every = judged("value", predictions=np.zeros((1, 3)), targets=np.zeros((1, 3)), errors=np.zeros((1, 3)))
    answers = answers_of(every, 7, experiment(SunspotsTask(steps=3), "every", "mse"))
    assert all_forecasts(answers) is None
    tab.set_answers(answers)
    assert tab.show_choice.isHidden()


def test_a_line_goes_over_no_gap_and_no_missing_number() -> None:
    steps = np.array([1.0, 2.0, 3.0, 7.0, 8.0, 20.0])
    there = np.array([True, True, True, True, False, True])
    assert unbroken(steps, there) == [(0, 3), (3, 4), (5, 6)]
    assert unbroken(np.array([5.0, 10.0, 15.0]), np.ones(3, bool)) == [(0, 3)], "a stride is no gap"
    assert unbroken(np.zeros(0), np.zeros(0, bool)) == []


@pytest.mark.parametrize("rows", [[10**8, 10**8 + 1], list(range(1, 50_001)), [5]])
def test_any_number_of_rows_is_drawn(qtbot: QtBot, rows: list[int]) -> None:
    whole = all_forecasts(of(rows, np.sin(rows).tolist(), [math.nan] * len(rows), "row"))
    view = SeriesView()
    qtbot.addWidget(view)
    view.resize(600, 200)
    view.set_answers(whole, 0)
    blank = SeriesView()
    qtbot.addWidget(blank)
    blank.resize(600, 200)
    assert view.grab().toImage() != blank.grab().toImage()
    assert view.words_at(0).startswith(f"Row {rows[0]:,}: target NaN")
