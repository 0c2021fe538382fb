"""How answers look: a digit as a picture, what runs off the axis as a mark of its own, and every number with what it is
of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from judgements import SERIES, experiment, judged
from pytestqt.qtbot import QtBot

from engine import task_facts
from engine.operations import run
from engine.requests import Computed
from engine.spec import AddingTask, DigitsTask, Experiment, SequencesTask, SeriesTask
from explorer.evaluation import words
from explorer.evaluation.answers import Answers, answers_of
from explorer.evaluation.answers_view import AnswersView
from explorer.evaluation.evaluator import Extent, judge_of
from explorer.evaluation.picture_view import picture_of
from explorer.evaluation.scatter_view import ScatterView
from explorer.evaluation.series_view import SeriesView
from explorer.evaluation.tab import EvaluationTab
from explorer.evaluation.tables import SEQUENCE, tables_of
from explorer.theme import current as theming
from explorer.training.curves import Curves
from explorer.training.words import figures, summary

NUMBERS = experiment(AddingTask(steps=6, batch_size=3), "last", "mse")


def of_numbers(said: list[float]) -> Answers:
    targets = np.linspace(0.2, 0.8, len(said))[:, None]
    found = judged(
        "value",
        inputs=np.zeros((len(said), 6, 2)),
        targets=targets,
        predictions=np.array(said)[:, None],
        lengths=np.full(len(said), 6),
        metric="rmse",
    )
    return answers_of(found, 3, NUMBERS)


def scatter(qtbot: QtBot, answers: Answers, n: int = 0) -> ScatterView:
    theming.apply("dark")
    made = ScatterView()
    qtbot.addWidget(made)
    made.resize(500, 240)
    made.set_answers(answers, n)
    return made


def test_predictions_that_have_run_away_are_marks_at_the_edges_and_no_dots(qtbot: QtBot) -> None:
    view = scatter(qtbot, of_numbers([0.3, 4.8e19, -4.8e19, np.nan, np.inf, 0.6]))
    above, below, bad = view.off_the_axis()
    assert above.tolist() == [False, True, False, False, True, False]
    assert below.tolist() == [False, False, True, False, False, False]
    assert bad.tolist() == [False, False, False, True, False, False]
    assert [one.words for one in view.legend()][1:3] == ["beyond the axis", "not a number"]
    picture = view.grab().toImage()
    dots = scatter(qtbot, of_numbers([0.3, 0.4, 0.5, 0.5, 0.5, 0.6]))
    assert [one.words for one in dots.legend()] == ["a sequence", "the one chosen", "right"]
    assert not picture.isNull()


def test_what_is_no_number_does_not_look_like_what_lies_below(qtbot: QtBot) -> None:
    def at_second(value: float) -> Any:
        view = scatter(qtbot, of_numbers([0.3, value, 0.6]))
        x, _ = view.points()
        box = view.plot_box()
        return view.grab().toImage().copy(round(x[1]) - 9, round(box.bottom()) - 20, 18, 22)

    low, lowest, none = at_second(-9e9), at_second(-9e15), at_second(np.nan)
    assert low == lowest
    assert none != low


@pytest.mark.parametrize("by", ["row", "pixel"])
def test_a_digit_is_shown_as_the_picture_that_the_data_have(qtbot: QtBot, by: Any) -> None:
    from sklearn.datasets import load_digits  # takes a second, of this test alone

    digits = load_digits()
    given = experiment(DigitsTask(by=by, batch_size=8), "last")
    answers = answers_of(run("judge", judge_of(Computed(given), Extent())), 0, given)
    tab = EvaluationTab()
    qtbot.addWidget(tab)
    tab.set_answers(answers)
    assert tab.picture_view.isVisibleTo(tab)
    for n in (0, 5):
        pixels = picture_of(answers, n)
        assert pixels is not None
        found = np.flatnonzero(np.abs(digits.images / 16 - pixels).max((1, 2)) < 1e-6)
        assert len(found) == 1
        tab._pick(n)
        assert f"sequence {n + 1}, a {digits.target[found[0]]}," in tab.picture_view.accessibleName()
    assert not tab.picture_view.grab().isNull()
    tab.set_answers(of_numbers([0.3, 0.5]))
    assert not tab.picture_view.isVisibleTo(tab)


def test_a_narrow_list_has_heads_that_fit(qtbot: QtBot) -> None:
    view = AnswersView()
    qtbot.addWidget(view)
    for wide in (165, 400):
        view.resize(wide, 200)
        columns = {name: room for name, _, room in view._columns()}
        assert min(columns["truth"], columns["answer"]) >= 26
        assert view._columns()[-1][1] + columns["probability"] <= wide


# -- what a number is of ----------------------------------------------------------------------------------------------


def series_task(scaling: Any) -> SeriesTask:
    return SeriesTask(data="0" * 64, columns=("pressure", "temperature"), target="temperature", scaling=scaling)


@pytest.mark.parametrize(
    ("given", "scaled", "quantity"),
    [
        (SERIES, True, "sunspot number"),
        (experiment(series_task("standard"), "every", "mse"), True, "temperature"),
        (experiment(series_task("none"), "every", "mse"), False, "temperature"),
        (
            experiment(
                SequencesTask(data="0" * 64, answers="value", steps=5, inputs=2, scaling="range"), "last", "mse"
            ),
            True,
            "",
        ),
        (NUMBERS, False, ""),
    ],
)
def test_a_loss_of_scaled_numbers_is_known_and_what_is_forecast_has_its_name(
    given: Experiment, scaled: bool, quantity: str
) -> None:
    assert task_facts.is_scaled(given.task, given.model) is scaled
    assert task_facts.quantity(given.task) == quantity


def test_what_was_due_is_called_by_its_column_in_somebodys_own_data(qtbot: QtBot) -> None:
    found = judged(
        "value",
        inputs=np.zeros((1, 2, 2)),
        targets=np.array([[1.0, 2.0]]),
        predictions=np.array([[1.5, 2.0]]),
        lengths=np.array([2]),
        errors=np.array([[0.25, 0.0]]),
    )
    own = answers_of(found, 0, experiment(series_task("none"), "every", "mse"))
    assert words.at_number(own, 0, 0).startswith("t = 2: temperature 1, prediction 1.5")
    assert tables_of(own, 0)[SEQUENCE].columns[:3] == ("t", "temperature", "prediction")
    view = SeriesView()
    qtbot.addWidget(view)
    view.set_answers(own, 0)
    assert [one.words for one in view.legend()][:2] == ["temperature", "prediction"]
    view.set_answers(answers_of(found, 0, SERIES), 0)
    assert [one.words for one in view.legend()][:3] == ["sunspot number", "target", "prediction"]


def test_what_is_scaled_is_said_wherever_the_loss_stands_beside_an_error_in_the_datas_units(qtbot: QtBot) -> None:
    found = judged(
        "value",
        inputs=np.zeros((1, 4, 1)),
        targets=np.ones((1, 4)),
        predictions=np.ones((1, 4)),
        errors=np.zeros((1, 4)),
        lengths=np.array([4]),
        metric="rmse",
    )
    answers = answers_of(found, 3, SERIES)
    assert words.in_units(answers) == "The RMSE is in the units of the data, the loss of scaled numbers."
    assert words.in_units(of_numbers([0.3, 0.5])) == ""
    tab = EvaluationTab()
    qtbot.addWidget(tab)
    tab.set_answers(answers)
    assert tab.legend.first.accessibleName().startswith("Legend: sunspot number, ")
    row = np.array([0.5])
    c = Curves(np.arange(1), row, row, row, np.zeros(1, bool), count=1, scaled=True)
    assert figures(c, 0.1, 1).loss_name == "scaled loss"
    assert summary(c, shown=1)[1].words == "scaled loss 0.500 at 0"
