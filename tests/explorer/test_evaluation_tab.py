"""The evaluation tab by keys and pointer, in real sizes, in both themes; and in the window, with the real engine."""

from __future__ import annotations

import numpy as np
import pytest
from judgements import experiment, judged, peaked, steps
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from engine.spec import AddingTask, Experiment, ModelSpec, ReberTask, TrainingSpec
from explorer.app import Explorer
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.evaluation import shades
from explorer.evaluation.answers import Answers, answers_of
from explorer.evaluation.tab import NOTHING, EvaluationTab
from explorer.settings import Settings
from explorer.stage import palette
from explorer.theme import current as theming
from explorer.theme.tokens import THEMES, ThemeName
from explorer.widgets.rest import come_to_rest


@pytest.fixture
def tab(qtbot: QtBot) -> EvaluationTab:
    theming.apply("dark")
    made = EvaluationTab()
    qtbot.addWidget(made)
    made.resize(710, 258)
    made.show()
    return made


def text_of(symbols: str, right: bool = True, free: str = "") -> Answers:
    """A text, the first symbol given."""
    labels = tuple(sorted(set(symbols + free)))
    numbers = [labels.index(one) for one in symbols]
    said = numbers[1:] if right else [(n + 1) % len(labels) for n in numbers[1:]]
    more = {"free": np.array([[labels.index(one) for one in free]], float)} if free else {}
    chances = peaked(said, len(labels), 0.9)
    return steps(numbers[1:], chances, labels, "symbols", inputs=np.array([numbers[:-1]], float), **more)


def key(widget: QWidget, *keys: Qt.Key) -> None:
    for one in keys:
        QTest.keyClick(widget, one)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_can_be_read_on_every_probability_and_every_class(theme: ThemeName) -> None:
    for fill, ink in (*shades.shares(theme), *(shades.of_class(k, theme) for k in range(50))):
        assert palette.contrast(fill.name(), ink.name()) >= 4.5
    assert shades.of_share(float("nan"), theme)[0] == QColor(THEMES[theme].plot)


def test_before_anything_is_judged_it_says_so(tab: EvaluationTab) -> None:
    assert tab.nothing.text() == NOTHING
    assert not tab.table_button.isVisible()


def test_keys_go_through_a_text_and_tell_the_likeliest(tab: EvaluationTab) -> None:
    answers = text_of("to be, or not to be", free="or")
    tab.set_answers(answers)
    view = tab.text
    assert [view.lanes[0].texts[k] for k in view.lanes[0].symbols[:6]] == ["t", "o", "␣", "b", "e", ","]
    assert not view.wrong.any()
    view.setFocus()
    key(view, Qt.Key.Key_Right)
    assert tab.readout.text() == "‘t’ was given: the first symbol is read, not predicted."
    key(view, Qt.Key.Key_Right, Qt.Key.Key_Right)
    assert tab.readout.text().startswith("t = 2: space was due, its probability 90.0 %: right. Likeliest: space 90.0 %")
    assert view.accessibleDescription() == tab.readout.text()
    key(view, Qt.Key.Key_End)
    assert tab.readout.text() == "‘r’: said by the network, which reads its own answers from here on."


def test_n_goes_round_what_is_wrong(tab: EvaluationTab) -> None:
    tab.set_answers(text_of("abab", right=False))
    view = tab.text
    assert view.wrong.tolist() == [False, True, True, True]
    view.setFocus()
    places = []
    for _ in range(4):
        QTest.keyClicks(view, "n")
        places.append(view.place)
    assert places == [1, 2, 3, 1]


def test_line_breaks_begin_lines_and_nothing_is_blank(tab: EvaluationTab) -> None:
    tab.set_answers(text_of("a\n \x1b\t中b\u200b\ncd", free="a"))
    lines = tab.text.lines
    shown = [
        [tab.text.lanes[0].texts[tab.text.lanes[0].symbols[k]] for k in lines.cells(n)] for n in range(lines.count)
    ]
    assert shown == [["a", "↵"], ["␣", "ESC", "⇥", "中", "b", "U+200B", "↵"], ["c", "d"], ["a"]]


def test_two_thousand_steps_of_fifty_tags_are_drawn_and_gone_through(tab: EvaluationTab) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 50, 2000)
    said = np.where(rng.random(2000) < 0.1, (truth + 1) % 50, truth)
    labels = tuple(f"category {k}" for k in range(50))
    tab.set_answers(steps(truth, peaked(said, 50, 0.6), labels))
    view = tab.text
    assert int(view.wrong.sum()) == int((truth != said).sum())
    boxes = [view.cell_box(k) for k in range(0, 2000, 97)]
    assert all(box.left() >= 0 and box.right() <= view.width() for box in boxes)
    assert [view.place_at(box.center()) for box in boxes] == list(range(0, 2000, 97))
    come_to_rest()
    view.setFocus()
    key(view, Qt.Key.Key_End)
    seen = view.visibleRegion().boundingRect()
    assert seen.contains(view.cell_box(1999).center().toPoint())
    assert not view.grab().isNull()
    tab.show_choice.set_value("Confusion")
    tab.show_choice.chosen.emit("Confusion")
    matrix = tab.confusion
    assert matrix.isVisible()
    cell = matrix.cell_box(7, 8)
    assert matrix.place_at(cell.center()) == (7, 8)
    due, taken = int((truth == 7).sum()), int(((truth == 7) & (said == 8)).sum())
    matrix.go((7, 8))
    assert tab.readout.text().startswith(f"‘category 7’, due {due:,} times: {taken:,} times taken for ‘category 8’")


def test_the_confusion_is_coloured_by_the_share_of_its_row(tab: EvaluationTab) -> None:
    found = steps([0, 0, 0, 0, 1], peaked([0, 0, 0, 1, 1], 2, 0.9), ("no", "yes"))
    tab.confusion.set_counts(found.judged.confusion, ("no", "yes"))
    np.testing.assert_array_equal(tab.confusion.shares(), [[0.75, 0.25], [0.0, 1.0]])
    tab.confusion.set_counts(np.array([[0, 0], [1, 3]]), ("no", "yes"))
    assert np.isnan(tab.confusion.shares()[0]).all()
    assert tab.confusion.words_at((0, 1)) == "‘no’ was never due."


def test_a_matrix_of_two_hundred_classes_is_drawn(tab: EvaluationTab) -> None:
    tab.confusion.set_counts(np.eye(200, dtype=np.int64), tuple(map(str, range(200))))
    tab.confusion.resize(240, 180)
    assert not tab.confusion.grab().isNull()


def test_of_one_class_a_sequence_a_click_chooses_the_sequence(tab: EvaluationTab, qtbot: QtBot) -> None:
    found = judged(
        "class",
        inputs=np.zeros((3, 5)),
        targets=np.array([[0.0], [1.0], [1.0]]),
        predictions=np.array([[0.0], [0.0], [1.0]]),
        probabilities=np.array([[[0.7, 0.3]], [[0.6, 0.4]], [[0.1, 0.9]]]),
        lengths=np.array([5, 5, 5]),
        confusion=np.array([[1, 0], [1, 1]]),
        labels=("no", "yes"),
    )
    tab.set_answers(answers_of(found, 3, experiment(AddingTask(steps=5), "last", "binary_cross_entropy")))
    at = tab.answers.row_box(1).center().toPoint()
    with qtbot.waitSignal(tab.sequencePicked):
        QTest.mouseClick(tab.answers, Qt.MouseButton.LeftButton, pos=QPoint(10, at.y()))
    assert tab.shown == 1
    assert tab.controls.sequence.value() == 2
    assert (
        tab.readout.text()
        == "Sequence 2: ‘yes’ was due, its probability 40.0 %: wrong. Likeliest: ‘no’ 60.0 %, ‘yes’ 40.0 %."
    )


def test_where_fewer_sequences_come_the_choice_comes_back_with_them(tab: EvaluationTab) -> None:
    def some(count: int) -> Answers:
        numbers = np.arange(float(count))[:, None]
        found = judged("value", inputs=np.zeros((count, 2, 1)), targets=numbers, predictions=numbers, metric="rmse")
        return answers_of(found, 0, experiment(AddingTask(steps=2), "last", "mse"))

    tab.set_answers(some(9))
    tab.controls.sequence.picked.emit(8)
    assert tab.shown == 7
    tab.set_answers(some(4))
    assert tab.shown == 3
    tab.set_answers(some(9))
    assert tab.shown == 7


def test_numbers_that_are_none_and_runs_away_are_drawn(tab: EvaluationTab) -> None:
    truth = np.sin(np.arange(2000.0))[None]
    said = truth * 1e12
    said[0, ::7], said[0, ::11] = np.nan, np.inf
    with np.errstate(all="ignore"):
        found = judged(
            "value",
            inputs=truth[..., None],
            targets=truth,
            predictions=said,
            errors=(said - truth) ** 2,
            lengths=np.array([2000]),
            metric="rmse",
        )
    tab.set_answers(answers_of(found, 0, experiment(AddingTask(steps=5), "every", "mse")))
    assert tab.pages.currentWidget() is tab.series
    assert not tab.series.grab().isNull()
    assert -4 < tab.series.span.low < tab.series.span.high < 4


def test_the_table_and_what_is_copied_are_exact(tab: EvaluationTab) -> None:
    tab.set_answers(text_of("a\tb"))
    tab.table_button.click()
    assert tab.table.isVisible()
    assert tab.table.table.cell(0, 2) == "\t"
    tab.copy_button.click()
    assert (
        QGuiApplication.clipboard().text().splitlines()[0]
        == "t,truth,answer,probability of the truth,probability of the answer"
    )
    assert tab.table_button.accessibleName() == "Evaluation: show the picture"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_right_and_wrong_differ_by_shape(tab: EvaluationTab, theme: ThemeName) -> None:
    """In grey too: below what is wrong there is a wave, below what is right nothing."""
    theming.apply(theme)
    foot = []
    for right in (True, False):
        tab.set_answers(text_of("abababab", right=right))
        picture = tab.text.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
        box = tab.text.cell_box(3)
        row = [picture.pixelColor(round(x), round(box.top()) + 23).value() for x in np.arange(box.left(), box.right())]
        foot.append(max(row) - min(row))
    assert foot[0] == 0
    assert foot[1] > 40
    theming.apply("dark")


def test_everything_has_a_name_and_can_be_reached_by_tab(tab: EvaluationTab) -> None:
    for button in tab.findChildren(QAbstractButton):
        assert button.accessibleName() or button.text() or button.objectName().startswith("qt_")
    for view in (tab.text, tab.series, tab.scatter, tab.confusion, tab.answers):
        assert view.accessibleName()
        assert view.focusPolicy() & Qt.FocusPolicy.TabFocus
    for part in (tab.controls.part, tab.controls.amount, tab.show_choice):
        assert part.accessibleName()


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer_settings() -> Settings:
    return Settings(theme="dark", drawer="evaluation")


def opened(task: object, **training: int) -> Opening:
    made = experiment(task, "every" if isinstance(task, ReberTask) else "last", "cross_entropy")
    made = Experiment(model=made.model, task=made.task, training=TrainingSpec(**training))
    return Opening(State(tracks=("norms",), experiment=made), View(), title="evaluated")


def there(explorer: Explorer) -> bool:
    return explorer.evaluator.standing.kind == "there" and explorer.controller.settled


def test_the_iteration_on_the_stage_is_judged_and_again_after_travelling(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opened(ReberTask(steps=14, batch_size=4)))
    tab = explorer.window.drawer.evaluation
    qtbot.waitUntil(lambda: there(explorer), timeout=20_000)
    assert tab.controls.values["iteration"].text() == "0"
    before = tab.controls.values["loss"].text()
    explorer.controller.go_to_iteration(3)
    qtbot.waitUntil(lambda: there(explorer) and tab.controls.values["iteration"].text() == "3", timeout=20_000)
    assert tab.controls.values["loss"].text() != before
    assert tab.pages.currentWidget() is tab.text_area


def test_the_shortcut_opens_the_tab_and_judges(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.show(opened(ReberTask(steps=14, batch_size=4)))
    qtbot.waitUntil(lambda: there(explorer), timeout=20_000)
    explorer.window.drawer.show_tab("training")
    explorer.commands.actions["judge"].trigger()
    assert explorer.window.drawer.tab == "evaluation"
    explorer.commands.actions["focus_answers"].trigger()
    assert explorer.window.drawer.evaluation.picture.hasFocus()


def test_a_model_that_cannot_be_asked_says_why(qtbot: QtBot, explorer: Explorer) -> None:
    empty = Experiment(model=ModelSpec(layers=()), task=AddingTask(steps=5))
    explorer.show(Opening(State(tracks=("norms",), experiment=empty), View(), title="empty"))
    qtbot.wait(50)
    controls = explorer.window.drawer.evaluation.controls
    assert not controls.judge_button.isEnabled()
    assert controls.sentence.text() == "There is nothing to evaluate yet."
