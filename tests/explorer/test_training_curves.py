"""The live curves: nothing is left out of a pixel, axes only grow, and people travel by hand and by key."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.history import Evaluation
from explorer.theme import current as theming
from explorer.training.axes import Axis, ceiling, last_iteration, linear_axis, log_axis
from explorer.training.curves import Curves, columns, crowd, smoothed, window
from explorer.training.plots import CurvesView
from explorer.training.span import Span, within
from explorer.training.summary import Summary
from explorer.training.words import SEPARATOR, at_iteration, beside_baseline, figures, fitted, lately_of, summary


def curves(count: int, **more: object) -> Curves:
    i = np.arange(count)
    given = {
        "iterations": i,
        "losses": 1 / (1.0 + i),
        "grad_norms": np.full(count, 10.0),
        "clipped_norms": np.where(i % 2 == 1, 1.0, 10.0),
        "clipped": i % 2 == 1,
        "count": count,
        **more,
    }
    return Curves(**given)  # type: ignore[arg-type]


# -- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "round_one"), [(0.843, 1.0), (1.0, 1.0), (1.01, 1.5), (2.3, 3.0), (0.07, 0.08)])
def test_an_axis_ends_at_a_round_number(value: float, round_one: float) -> None:
    assert ceiling(value) == pytest.approx(round_one, rel=1e-12)


def test_a_linear_axis_grows_and_never_shrinks() -> None:
    first = linear_axis(None, np.full(50, 0.9))
    assert (first.low, first.high) == (0.0, 1.0)
    grown = linear_axis(first, np.full(50, 3.5))
    assert grown.high == 4.0
    assert linear_axis(grown, np.full(50, 0.01)) is grown


def test_one_spike_among_many_is_off_the_axis_instead_of_pressing_the_rest_together() -> None:
    values = np.full(200, 0.5)
    values[7] = 1e6
    axis = linear_axis(None, values)
    assert axis.high <= 1.0
    assert float(axis.places(values)[7]) > 1


def test_a_logarithmic_axis_has_whole_decades_and_at_least_two() -> None:
    axis = log_axis(None, np.array([0.02, 0.3, 5.0]))
    assert (axis.low, axis.high) == (0.01, 10.0)
    flat = log_axis(None, np.full(9, 3.0))
    assert math.log10(flat.high / flat.low) >= 2
    assert flat.low <= 3.0 <= flat.high
    assert log_axis(axis, np.array([1e-4])).low == pytest.approx(1e-4)
    assert log_axis(axis, np.array([1.0])) is axis


def test_zero_and_what_is_not_finite_take_no_part_in_choosing_an_axis() -> None:
    odd = np.array([0.0, math.inf, math.nan, 0.5, 2.0])
    assert log_axis(None, odd).high == 10.0
    assert linear_axis(None, odd).high <= 3.0
    assert log_axis(None, np.array([math.nan])).low > 0


def test_marks_stand_at_round_numbers_where_they_belong() -> None:
    for place, text in Axis("linear", 0.0, 1.5).marks(5):
        assert place * 1.5 == pytest.approx(float(text), abs=1e-9)
    assert [text for _, text in Axis("linear", 0.0, 1.5).marks(5)] == ["0", "0.5", "1.0", "1.5"]
    assert [text for _, text in Axis("linear", 0.0, 8e-5).marks(3)][1] == "5.0e-5"
    assert Axis("log", 1e-2, 1e1).marks(4) == [(0.0, "1e-2"), (1 / 3, "1e-1"), (2 / 3, "1e0"), (1.0, "1e1")]


def test_the_axis_of_iterations_moves_on_in_steps() -> None:
    ends = [last_iteration(n) for n in range(1, 1000)]
    assert all(end >= n for n, end in enumerate(ends, 1))
    assert len(set(ends)) < 25


# -- from iterations to pixels ----------------------------------------------------------------------------------------


def test_a_pixel_shows_the_least_and_the_most_of_its_iterations() -> None:
    rng = np.random.default_rng(3)
    places = rng.random(1000)
    x = np.linspace(50.0, 149.999, 1000)
    starts = crowd(x)
    assert starts is not None
    found = columns(places, x, starts)
    for pixel in range(50, 150):
        mine = places[(x >= pixel) & (x < pixel + 1)]
        at = found.x.tolist().index(pixel + 0.5)
        assert (found.low[at], found.high[at]) == (mine.min(), mine.max())


def test_what_is_off_the_axis_is_marked_and_never_drawn_as_if_it_were_on_it() -> None:
    places = np.array([0.5, 1.5, -0.2, math.nan, math.inf, -math.inf])
    found = columns(places, np.arange(6.0) * 10, crowd(np.arange(6.0) * 10))
    assert found.above.tolist() == [False, True, False, False, True, False]
    assert found.below.tolist() == [False, False, True, False, False, True]
    assert found.bad.tolist() == [False, False, False, True, False, False]
    assert np.isnan(found.low).tolist() == [False, True, True, True, True, True]


def test_iterations_that_have_room_stand_where_they_are() -> None:
    x = np.array([1.25, 7.5, 9.0])
    assert crowd(x) is None
    assert columns(np.zeros(3), x, None).x is x


def test_the_bold_curve_is_the_mean_of_so_many_iterations() -> None:
    rng = np.random.default_rng(5)
    values = rng.random(300)
    over = window(300)
    mean = smoothed(values, over)
    assert over == 4
    for n in (0, 2, 3, 150, 299):
        assert mean[n] == pytest.approx(values[max(0, n - over + 1) : n + 1].mean(), rel=1e-12)
    rows = np.array([5, 17, 299])
    assert smoothed(values, over, rows) == pytest.approx(mean[rows], rel=1e-12)


def test_a_mean_over_something_that_is_not_finite_is_none() -> None:
    values = np.array([1.0, math.inf, 1.0, 1.0, 1.0])
    assert np.isnan(smoothed(values, 2)).tolist() == [False, True, True, False, False]


# -- the picture ------------------------------------------------------------------------------------------------------


@pytest.fixture
def view(qtbot: QtBot) -> CurvesView:
    theming.apply("dark")
    made = CurvesView()
    qtbot.addWidget(made)
    made.resize(700, 260)
    made.set_curves(curves(100))
    made.show()
    return made


def travelled(view: CurvesView) -> list[int]:
    found: list[int] = []
    view.travelWanted.connect(found.append)
    return found


def test_it_is_painted_before_there_is_anything(qtbot: QtBot) -> None:
    made = CurvesView()
    qtbot.addWidget(made)
    made.resize(300, 150)
    assert not made.grab().isNull()


def test_a_click_travels_to_the_iteration_under_it_and_a_drag_follows(view: CurvesView) -> None:
    found = travelled(view)
    at = QPoint(round(view.x_of(40)), 60)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(view, QPoint(round(view.x_of(70)), 60))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(round(view.x_of(70)), 60))
    assert found == [40, 70]
    QTest.mouseMove(view, QPoint(round(view.x_of(20)), 60))
    assert found == [40, 70]


def test_nobody_travels_beyond_what_has_been_trained(view: CurvesView) -> None:
    found = travelled(view)
    view.set_curves(curves(30))
    assert view.last >= 30
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(view.width() - 2, 60))
    assert found == [30]


@pytest.mark.parametrize(
    ("key", "iteration"),
    [
        (Qt.Key.Key_Left, 49),
        (Qt.Key.Key_Right, 51),
        (Qt.Key.Key_PageUp, 40),
        (Qt.Key.Key_PageDown, 60),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_End, 100),
    ],
)
def test_keys_travel(view: CurvesView, key: Qt.Key, iteration: int) -> None:
    found = travelled(view)
    view.set_iteration(50, 50)
    QTest.keyClick(view, key)
    assert found == [iteration]


def test_held_keys_count_on_from_what_is_asked_for(view: CurvesView) -> None:
    found = travelled(view)
    view.set_iteration(50, 50)
    for _ in range(3):
        QTest.keyClick(view, Qt.Key.Key_Right)
    assert found == [51, 52, 53]


def test_the_marker_moves_and_a_longer_training_is_drawn_anew(view: CurvesView) -> None:
    before = view.grab().toImage()
    view.set_iteration(60, 60)
    moved = view.grab().toImage()
    assert moved != before
    view.set_curves(curves(140))
    assert view.grab().toImage() != moved
    assert view.last == 150


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_numbers_that_are_none_are_drawn_without_a_warning(qtbot: QtBot, view: CurvesView, theme: str) -> None:
    theming.apply(theme)  # type: ignore[arg-type]
    odd = np.array([0.5, math.nan, math.inf, 0.0, 0.2] * 4)
    view.set_curves(curves(20, losses=odd, grad_norms=odd, layer_norms={"l0": odd}), anew=True)
    view.set_loss_axis("log")
    assert not view.grab().isNull()
    view.set_curves(curves(1), anew=True)
    assert not view.grab().isNull()


# -- words ------------------------------------------------------------------------------------------------------------


def test_hovering_says_the_exact_numbers_of_an_iteration() -> None:
    judged = Evaluation(iteration=3, loss=0.125, metric="accuracy", value=0.75)
    c = curves(10, evaluations=(judged,), kept=np.array([0, 3]), layer_norms={"l1_reverse": np.full(10, 2.5)})
    assert at_iteration(c, 3) == (
        "iteration 3",
        "loss 0.25",
        "gradient norm 10 → 1 clipped",
        "layer 2, reverse 2.5",
        "validation 0.125 · accuracy 75.0 %",
        "shown at once: its weights are kept",
    )
    assert at_iteration(c, 10) == ("iteration 10", "not trained on yet")


def test_a_thinned_row_says_which_iteration_it_is_of() -> None:
    c = replace(curves(4), iterations=np.array([0, 4, 8, 12]), count=14)
    assert at_iteration(c, 9)[:2] == ("iteration 9", "recorded: 8")


def test_every_number_of_column_and_bar_says_of_which_iteration_it_is() -> None:
    judged = Evaluation(iteration=100, loss=0.5, metric="accuracy", value=0.391)
    c = curves(150, baseline=1 / 6, evaluations=(judged,), goal=200)
    found = figures(c, 0.0123, 20)
    assert found.newest == "150 of 200"
    assert found.shown == "20, training loss 0.0476"
    assert found.took == "12 ms each"
    assert found.loss == "0.00667 at 149"
    assert found.baseline == "0.167"
    assert (found.validation, found.metric_name, found.metric) == ("0.500 at 100", "accuracy", "39.1 % at 100")
    assert found.clipped == "50 % of the last 100"
    mean = sum(1 / (1.0 + i) for i in range(120, 150)) / 30  # a fifth of them
    assert found.lately == f"{mean:.4f}, below the baseline"  # long: two digits
    assert found.gradient == "10.0 → 1.00"
    assert figures(c, 0.0123, 150).shown == "the newest"
    assert [part.words for part in summary(c, shown=20)] == [
        "newest iteration 150",
        "loss 0.00667 at 149",
        "lately below the baseline",
        "grad norm 10.0",
        "accuracy 39.1 % at 100",
        "on the stage 20",
    ]
    assert [part.words for part in summary(c, shown=150)][-1] == "accuracy 39.1 % at 100"
    assert [part.words for part in summary(Curves(), shown=0)] == ["not trained yet"]


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([1.04] * 10, "at the baseline"),
        ([0.96] * 10, "at the baseline"),
        ([1.06] * 10, "above the baseline"),
        ([0.94] * 10, "below the baseline"),
        # The mean of 25 is 1.1, 2 standard errors of it 2 · 0.5 / 5 = 0.2.
        ([1.6] * 12 + [1.1] + [0.6] * 12, "at the baseline"),
        # However much they differ: 1.3 is too far off.
        ([0.3, 2.3] * 2, "above the baseline"),
        ([0.5, math.inf], "above the baseline"),
        ([0.5, math.nan], ""),
        ([], ""),
    ],
)
def test_where_the_loss_lies_beside_the_baseline_is_said(losses: list[float], said: str) -> None:
    assert beside_baseline(np.array(losses), 1.0) == said
    assert beside_baseline(np.array(losses), None) == ""


def test_lately_is_the_last_fifth_of_the_losses_ten_to_a_hundred() -> None:
    assert [len(lately_of(np.zeros(n))) for n in (0, 3, 20, 200, 5000)] == [0, 3, 10, 40, 100]


def test_a_narrow_bar_leaves_out_whole_parts_and_cuts_no_number() -> None:
    judged = Evaluation(iteration=100, loss=0.5, metric="accuracy", value=0.391)
    c = curves(150, evaluations=(judged,))
    sentence = "The loss is inf: the squared error passes 3.4e38, the largest float32 there is."
    parts = summary(c, shown=20, ending="diverged", sentence=sentence)
    whole = {part.words for part in parts} | {part.brief for part in parts}
    lines = [fitted(parts, lambda line, room=room: len(line) <= room) for room in range(13, 220)]
    for room, line in enumerate(lines, 13):
        assert len(line) <= room
        assert set(line.split(SEPARATOR)) <= whole
    assert lines[0] == "iteration 150"
    assert "diverged" in lines[30], "why it stopped is said before other numbers"
    assert lines[-1].endswith(sentence)


# -- zoomed -----------------------------------------------------------------------------------------------------------


def wheel(view: CurvesView, iteration: float, notches: int, *, shift: bool = False) -> None:
    at = QPointF(view.x_of(iteration), 60)
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)
    assert event.isAccepted()


def test_the_wheel_zooms_at_the_pointer_and_with_shift_moves_along(view: CurvesView) -> None:
    found, x = travelled(view), view.x_of(70)
    wheel(view, 70, 4)
    span = view.span
    assert span.last - span.first == pytest.approx(100 / 1.25**4, abs=2)
    assert view.x_of(70) == pytest.approx(x, abs=view.width() / (span.last - span.first))
    wheel(view, 70, 1, shift=True)
    assert view.span.first < span.first
    assert view.span.last - view.span.first == span.last - span.first
    wheel(view, 70, -30)
    assert view.span.is_whole
    assert found == []


def test_the_axis_is_dragged_and_so_is_everything_with_shift(view: CurvesView) -> None:
    found = travelled(view)
    view.set_span(Span(40, 60, view.last))
    for y, modifier in ((view.height() - 5, Qt.KeyboardModifier.NoModifier), (60, Qt.KeyboardModifier.ShiftModifier)):
        before = view.span
        start = QPoint(round(view.x_of(50)), y)
        QTest.mousePress(view, Qt.MouseButton.LeftButton, modifier, start)
        QTest.mouseMove(view, QPoint(round(view.x_of(55)), y))
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, modifier, QPoint(round(view.x_of(55)), y))
        assert (view.span.first, view.span.last) == (before.first - 5, before.last - 5)
    assert found == [], "nobody travels by that"


def test_a_double_click_shows_all_and_goes_nowhere(view: CurvesView) -> None:
    view.set_iteration(50, 50)
    view.set_span(Span(40, 60, view.last))
    found = travelled(view)
    at = QPoint(round(view.x_of(45)), 60)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=at)
    assert view.span.is_whole
    assert found[-1] == 50


def test_keys_zoom_at_the_marker_move_along_and_show_all(view: CurvesView) -> None:
    view.set_iteration(80, 80)
    QTest.keyClicks(view, "++")
    span = view.span
    assert span.last - span.first == pytest.approx(25, abs=2)
    assert span.first <= 80 <= span.last
    QTest.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert view.span.first == span.first - round(0.5 * (span.last - span.first + 1))
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.span.first <= 81 <= view.span.last, "whoever travels by keys sees where he is"
    QTest.keyClicks(view, "-")
    QTest.keyClicks(view, "0")
    assert view.span.is_whole


def test_a_longer_training_leaves_a_stretch_where_it_is(view: CurvesView) -> None:
    view.set_span(Span(40, 60, view.last))
    view.set_curves(curves(300))
    assert (view.span.first, view.span.last, view.last) == (40, 60, 300)
    view.set_curves(curves(30), anew=True)
    assert view.span == Span(0, view.last, view.last)


def test_a_stretch_is_drawn_as_it_is_in_the_whole_and_within_its_plot(view: CurvesView) -> None:
    """The rows beside it are let go before they are drawn, but for what a mean needs."""
    many = curves(4000)
    view.set_curves(many)
    view.set_span(Span(2000, 2040, view.last))
    few = within(many, view.span, window(len(many)))
    assert few.iterations[0] == 2000 - 1 - window(len(many))
    assert few.iterations[-1] == 2041
    places = smoothed(many.losses, window(len(many)))[2000:2041]
    np.testing.assert_allclose(smoothed(few.losses, window(len(many)))[-42:-1], places, rtol=1e-12)
    zoomed_ = view.grab().toImage()
    ratio = view.devicePixelRatio()
    ground = zoomed_.pixelColor(round(2 * ratio), round(2 * ratio))
    right = [zoomed_.pixelColor(round((view.width() - 5) * ratio), round(y * ratio)) for y in range(40, 200)]
    assert {one.name() for one in right} == {ground.name()}, "nothing right of the plots"


def test_a_bar_that_has_been_told_nothing_yet_is_empty(qtbot: QtBot) -> None:
    """The window gives it its width before there is a document."""
    bar = Summary()
    qtbot.addWidget(bar)
    bar.resize(400, 30)
    bar.show()
    assert bar.words.text() == ""


@pytest.mark.parametrize("axis", [linear_axis, log_axis])
def test_of_few_values_the_axis_holds_them_all(axis: Callable[..., Axis]) -> None:
    values = np.full(40, 0.5)
    values[31], values[12] = 3e-4, 7.0
    places = axis(None, values).places(values)
    assert places.min() >= 0
    assert places.max() <= 1


def test_what_can_no_longer_be_gone_back_to_is_shaded_and_said(qtbot: QtBot) -> None:
    n = 100
    flat = np.full(n, 0.5)
    c = Curves(np.arange(n), flat, flat, flat, np.zeros(n, bool), count=n, kept=np.array([20, 60]), known_from=60)
    assert any("only from 60 on" in line for line in at_iteration(c, 30))
    assert not any("gone back" in line for k in (0, 20, 60, 61) for line in at_iteration(c, k))
    view = CurvesView()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.set_curves(c)
    image, y = view.grab().toImage(), view.data_rect().top() + 4
    before, after = (image.pixelColor(round(view.x_of(k)) + 4, y) for k in (30, 70))
    assert before != after
    view.set_curves(replace(c, known_from=0), anew=True)
    assert view.grab().toImage().pixelColor(round(view.x_of(30)) + 4, y) == after


def test_the_bar_says_where_the_loss_lies_beside_the_baseline() -> None:
    losses = np.full(60, 0.05)
    c = Curves(np.arange(60), losses, losses, losses, np.zeros(60, bool), baseline=1 / 6, count=60)
    assert [part.words for part in summary(c, shown=60)][1:3] == ["loss 0.0500 at 59", "lately below the baseline"]
    assert not any("baseline" in part.words for part in summary(replace(c, baseline=None), shown=60))
