"""One forecast a sequence: the picture of all of them and of the one chosen, and what stands beside it has room."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from judgements import experiment, judged, peaked, steps
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from engine.operations import run
from engine.requests import Computed
from engine.spec import AddingTask, DigitsTask, SinesTask, SunspotsTask
from explorer.analysis.section import Choice
from explorer.evaluation.answers import Answers, answers_of
from explorer.evaluation.chances import chances_of, within
from explorer.evaluation.extent import MOST_DOTS, Extent, judge_of, shown_of
from explorer.evaluation.legend import HEIGHT, Entry, Legend
from explorer.evaluation.tab import EvaluationTab
from explorer.settings import USUAL_HEIGHT
from explorer.theme import current as theming
from explorer.training.drawer import BAR_HEIGHT
from explorer.widgets.popup import standing
from explorer.widgets.rest import come_to_rest

SINES = experiment(SinesTask(steps=6, batch_size=5), "last", "mse")


@pytest.fixture
def tab(qtbot: QtBot) -> EvaluationTab:
    theming.apply("dark")
    made = EvaluationTab()
    qtbot.addWidget(made)
    made.resize(710, USUAL_HEIGHT - BAR_HEIGHT - 1)  # in a window of 1280 pixels
    made.show()
    return made


def forecasts() -> Answers:
    return answers_of(run("judge", judge_of(Computed(SINES), Extent())), 0, SINES)


def test_a_generated_series_with_one_answer_shows_every_prediction_against_its_target(tab: EvaluationTab) -> None:
    answers = forecasts()
    tab.set_answers(answers)
    page = tab.forecasts
    assert tab.pages.currentWidget() is page
    assert answers.count == 20, "four batches of five"
    x, y = page.scatter.points()
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == 20
    assert page.series.isVisible()
    assert page.series.steps().tolist() == [7.0], "one step after the six that are read"
    QTest.mouseClick(page.scatter, Qt.MouseButton.LeftButton, pos=QPoint(round(float(x[13])), round(float(y[13]))))
    assert tab.shown == 13 or np.hypot(x[tab.shown] - x[13], y[tab.shown] - y[13]) < 8
    assert tab.pages.currentWidget() is page, "a choice among the dots leaves them there"
    np.testing.assert_array_equal(page.series._context()[1], answers.read(tab.shown))


def test_keys_choose_among_the_forecasts_and_the_table_has_all_of_them(tab: EvaluationTab) -> None:
    answers = forecasts()
    tab.set_answers(answers)
    assert tab.picture is tab.forecasts.scatter
    tab.forecasts.scatter.setFocus()
    QTest.keyClick(tab.forecasts.scatter, Qt.Key.Key_Right)
    assert tab.readout.text().startswith("Sequence 1: target ")
    tab.table_button.click()
    assert tab.table.table.rows == 20
    assert tab.table.table.columns == ("sequence", "target", "prediction")


def test_what_is_forecast_is_joined_to_what_was_read(tab: EvaluationTab) -> None:
    """Without the lines the answer is a dot somewhere at the edge."""
    answers = forecasts()
    tab.set_answers(answers)
    view = tab.forecasts.series

    def grey(low: float, high: float) -> int:
        """Of the pixels between the last step that is read and the answer, how many are not the ground."""
        picture = view.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
        ground = picture.pixelColor(round(high) - 8, round(view.plot_box().top()) + 1).value()
        rows = range(round(view.plot_box().top()), round(view.plot_box().bottom()))
        columns = range(round(low + 0.4 * (high - low)), round(low + 0.6 * (high - low)))
        return sum(abs(picture.pixelColor(x, y).value() - ground) > 40 for x in columns for y in rows)

    last, answer = view.x_of(np.array([6.0, 7.0])).tolist()
    with_lines = grey(last, answer)
    view._paint_leaps = lambda *of: None  # type: ignore[method-assign]
    assert grey(last, answer) < with_lines


def test_where_there_is_no_room_for_both_the_dots_stay_and_the_legend_says_no_more(tab: EvaluationTab) -> None:
    tab.set_answers(forecasts())
    of_dots = ["a sequence", "the one chosen", "right"]
    assert [one.words for one in tab.legend.entries] == [*of_dots, "read", "target", "running free"]
    tab.resize(520, 223)
    assert tab.forecasts.scatter.isVisible()
    assert not tab.forecasts.series.isVisible()
    assert [one.words for one in tab.legend.entries] == of_dots


def test_dots_are_as_many_as_memory_has_room_for_and_lists_stay_short() -> None:
    assert shown_of(experiment(AddingTask(steps=100), "last", "mse")) == MOST_DOTS
    assert shown_of(experiment(AddingTask(steps=100), "last", "binary_cross_entropy")) == 16
    long = AddingTask(steps=100_000)
    assert shown_of(experiment(long, "last", "mse")) * 2 * long.steps <= 2**22


def test_a_choice_that_nobody_made_does_not_follow_to_other_data(tab: EvaluationTab) -> None:
    adding = experiment(AddingTask(steps=4, batch_size=3), "last", "mse")
    tab.set_answers(answers_of(run("judge", judge_of(Computed(adding), Extent())), 0, adding))
    assert tab.pages.currentWidget() is tab.scatter
    years = experiment(SunspotsTask(steps=4, batch_size=8), "last", "mse")
    tab.set_answers(answers_of(run("judge", judge_of(Computed(years), Extent())), 0, years))
    assert tab.show_choice.currentText() == "All years"
    assert tab.pages.currentWidget() is tab.series


@pytest.mark.parametrize("there", [46, 4600])
def test_all_that_is_said_of_an_evaluation_is_to_be_seen_in_the_drawer_as_it_opens(
    tab: EvaluationTab, there: int
) -> None:
    found = judged(
        "value",
        inputs=np.zeros((1, 4, 1)),
        targets=np.ones((1, 4)),
        predictions=np.ones((1, 4)),
        errors=np.zeros((1, 4)),
        lengths=np.array([4]),
        metric="rmse",
        sequences=46,
        there=there,
    )
    tab.set_answers(answers_of(found, 3, experiment(SunspotsTask(), "every", "mse")))
    controls = tab.controls
    come_to_rest()  # a longer name asks for another layout
    assert controls.verticalScrollBar().maximum() == 0
    assert controls.sentence.is_whole()
    said = {46: "all 46 sequences", 4600: "46 of 4,600 sequences"}[there]
    assert controls.values["extent"].text() == said
    assert not [one.text() for one in (*controls.values.values(), *controls.names.values()) if one.is_elided()]
    assert controls.names["loss"].text() == "scaled loss"
    assert "scaled" in controls.names["loss"].toolTip()


def test_in_a_low_drawer_the_numbers_come_before_what_is_seldom_set(tab: EvaluationTab) -> None:
    controls = tab.controls
    for height in (180, USUAL_HEIGHT):
        tab.resize(520, height)
        tab.set_answers(forecasts())
        come_to_rest()
        parts = [controls.judge_button, controls.values["baseline"], controls.sentence, controls.automatic]
        tops = [one.mapTo(controls.widget(), QPoint()).y() for one in parts]
        first, last, said, set_seldom = tops
        assert first < last < said
        assert last + parts[1].height() <= controls.viewport().height()
        assert (set_seldom >= said + controls.sentence.height()) is (height == 180)
        assert (controls.verticalScrollBar().maximum() > 0) is (height == 180)


def test_in_a_narrow_drawer_nothing_stands_on_anything(tab: EvaluationTab) -> None:
    tab.set_answers(forecasts())
    for width in (720, 500, 380):
        tab.resize(width, USUAL_HEIGHT)
        come_to_rest()
        assert tab.controls.geometry().right() < width
        assert tab.pages.isVisible() is (width > 380)
        if tab.pages.isVisible():
            assert tab.pages.mapTo(tab, QPoint()).x() > tab.controls.geometry().right()


def tags(*labels: str) -> Answers:
    truth = [0, 1, 2, 3, 0]
    return steps(truth, peaked(truth, len(labels), 0.9), labels, inputs=np.array([truth], float))


def test_every_tags_colour_is_named_beside_or_below(tab: EvaluationTab) -> None:
    """In the width that a window of 1280 pixels leaves."""
    tab.set_answers(tags("LOCATION", "O", "ORGANISATION", "PERSON"))
    shown = [*tab.legend.first._entries, *tab.legend.second._entries]
    assert tab.legend.second.isVisible()
    assert [one.words for one in shown if one.kind == "swatch"] == ["LOCATION", "", "ORGANISATION", "PERSON"]
    for legend in (tab.legend.first, tab.legend.second):
        assert legend.fitting(legend._entries, legend.width()) == len(legend._entries)
    tab.resize(710, 150)
    assert not tab.legend.second.isVisible(), "a low drawer has no room for it"
    tab.resize(1400, 300)
    assert not tab.legend.second.isVisible()
    assert len(tab.legend.first._entries) == 5


def test_in_a_low_place_the_truth_is_told_all_the_same() -> None:
    rows = chances_of(tuple("abcdefgh"), np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.03, 0.02]), 6.0)
    assert [row.label for row in within(rows, 500)] == ["a", "b", "c", "d", "e", "g"]
    low = within(rows, 5 * 16 + 10)  # a title and four lines
    assert [row.label for row in low] == ["a", "b", "c", "g"]
    assert [row.label for row in within(chances_of(("a", "b"), np.array([0.9, 0.1]), 0.0), 0)] == ["a"]


def test_the_matrix_beside_a_list_takes_no_more_width_than_it_fills(tab: EvaluationTab) -> None:
    digits = experiment(DigitsTask(batch_size=27), "last")
    tab.resize(1100, 258)
    tab.set_answers(answers_of(run("judge", judge_of(Computed(digits), Extent())), 0, digits))
    come_to_rest()
    view = tab.confusion
    assert view.plot_box().right() + 6 == pytest.approx(view.width(), abs=10), "a cell is a whole number of pixels"
    assert tab.picture_view.isVisible()
    tab.resize(560, 180)  # as large text leaves it
    come_to_rest()
    assert not tab.picture_view.isVisible()
    assert tab.answers_area.viewport().width() >= tab.answers.minimumSizeHint().width()


def test_a_legend_without_room_shows_its_first_colours_all_the_same(qtbot: QtBot) -> None:
    theming.apply("dark")

    def sample(width: int, *entries: Entry) -> list[int]:
        legend = Legend()
        qtbot.addWidget(legend)
        legend.resize(width, HEIGHT)
        legend.set_entries(entries)
        picture = legend.grab().toImage()
        return [picture.pixel(x, HEIGHT // 2) for x in range(55)]

    ramp, wrong = Entry("share of the true class", "ramp"), Entry("wrong", "wave")
    roomy = sample(400, ramp, wrong)
    assert len(set(roomy)) > 20
    assert sample(120, ramp) == sample(120, ramp, wrong) == roomy


ROOM = QRect(100, 100, 800, 600)


@pytest.mark.parametrize(
    ("at", "size", "field", "stands"),
    [
        ((200, 228), (150, 200), (200, 200, 100, 28), (200, 228)),  # below its field, as ever
        ((200, 678), (150, 200), (200, 650, 100, 28), (200, 450)),  # above it
        ((830, 228), (150, 200), (830, 200, 60, 28), (750, 228)),  # to the left
        ((200, 428), (150, 560), (200, 400, 100, 28), (200, 140)),  # over it
        ((200, 428), (150, 900), (200, 400, 100, 28), (200, 100)),  # larger than the window
    ],
)
def test_a_list_stays_in_its_window(at: Any, size: Any, field: Any, stands: Any) -> None:
    found = standing(QPoint(*at), QSize(*size), QRect(*field), ROOM)
    assert (found.x(), found.y()) == stands


def test_no_entry_of_a_list_is_cut_and_the_last_field_of_a_window_opens_upwards(qtbot: QtBot) -> None:
    theming.apply("dark")
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(500, 300)
    long = "an entry that is much longer than its field"
    choice = Choice("Long", [(0, "short"), (1, long)], window)
    choice.setGeometry(20, 265, 90, 28)
    window.show()
    choice.showPopup()
    view = choice.view()
    assert view.viewport().width() >= view.fontMetrics().horizontalAdvance(long)
    corner = window.mapToGlobal(QPoint(0, 0))
    assert QRect(corner, window.size()).contains(view.window().frameGeometry())
    assert view.window().frameGeometry().bottom() <= choice.mapToGlobal(QPoint(0, 0)).y()
    choice.hidePopup()
