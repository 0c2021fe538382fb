"""How the training's curves look: nothing hides what it belongs to, axes begin anew with another training alone, and
every mark and colour is said."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QColor, QFontMetricsF, QImage
from pytestqt.qtbot import QtBot

from engine.history import Evaluation
from explorer.document.turns import Turn
from explorer.theme import current as theming
from explorer.training import ink, legends
from explorer.training.axes import Axis, loss_axis
from explorer.training.curves import Curves, window
from explorer.training.plots import CurvesView
from explorer.training.summary import PartsLine
from explorer.training.words import at_iteration, figures, summary

NONE = np.zeros(0)


def curves(losses: np.ndarray, **more: object) -> Curves:
    count = len(losses)
    given = {
        "iterations": np.arange(count),
        "losses": losses,
        "grad_norms": np.full(count, 1.0),
        "clipped_norms": np.full(count, 1.0),
        "clipped": np.zeros(count, bool),
        "count": count,
        **more,
    }
    return Curves(**given)  # type: ignore[arg-type]


def falling(count: int) -> np.ndarray:
    """A noisy way down from 2 to 0.2."""
    noise = np.random.default_rng(0).random(count)
    return np.asarray(2 * np.exp(-np.arange(count) / (0.4 * count)) + 0.3 * noise)


def shown(qtbot: QtBot, c: Curves, theme: str = "dark", size: tuple[int, int] = (900, 300)) -> CurvesView:
    theming.apply(theme)  # type: ignore[arg-type]
    made = CurvesView()
    qtbot.addWidget(made)
    made.resize(*size)
    made.set_curves(c, anew=True)
    made.set_iteration(c.count, c.count)
    return made


def has_colour(image: QImage, colour: str, box: tuple[int, int, int, int]) -> np.ndarray:
    """(columns,): whether a colour, or one very near, stands in a column of (left, top, right, bottom)."""
    return np.asarray(of_colour(image, colour, box).any(0))


def of_colour(image: QImage, colour: str, box: tuple[int, int, int, int]) -> np.ndarray:
    wanted, (left, top, right, bottom) = QColor(colour), box
    small = image.convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(small.constBits(), np.uint8).reshape(small.height(), -1)[:, : 4 * small.width()]
    pixels = raw.reshape(small.height(), small.width(), 4)[top:bottom, left:right, :3].astype(int)
    off = np.abs(pixels - [wanted.blue(), wanted.green(), wanted.red()]).max(2)
    return np.asarray(off < 24)


def boxes(view: CurvesView) -> list[tuple[int, int, int, int]]:
    return [(round(b.left()) + 8, round(b.top()), round(b.right()) - 8, round(b.bottom())) for b in view._boxes().each]


# -- nothing hides what it belongs to ---------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_many_evaluations_leave_the_mean_of_the_loss_to_be_seen(qtbot: QtBot, theme: str) -> None:
    losses = falling(10_000)
    judged = tuple(
        Evaluation(iteration=k, loss=float(losses[k - 50 : k].mean()), metric="rmse", value=0.5)
        for k in range(50, 10_001, 50)
    )
    view = shown(qtbot, curves(losses, evaluations=judged), theme)
    image, used = view.grab().toImage(), theming.current()
    assert has_colour(image, used.loss, boxes(view)[0]).mean() > 0.95
    of_judged = of_colour(image, used.text, boxes(view)[0]).sum(0)
    assert of_judged[:-20].mean() < 0.5, "a thin line, not a chain of diamonds over the single iterations"


def test_few_evaluations_are_a_diamond_each() -> None:
    assert not ink.are_crowded(np.arange(10) * 20.0)
    assert ink.are_crowded(np.arange(200) * 4.7)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_among_ten_thousand_iterations_means_and_layers_stand_above_the_bands_of_the_norms(
    qtbot: QtBot, theme: str
) -> None:
    rng = np.random.default_rng(1)
    norms = 10 ** rng.normal(0, 0.5, 10_000)
    given = {
        "grad_norms": norms,
        "clipped_norms": np.minimum(norms, 1.0),
        "clipped": norms > 1.0,
        "layer_norms": {"l0": np.full(10_000, 0.5)},
    }
    view = shown(qtbot, curves(falling(10_000), **given), theme)
    image, used = view.grab().toImage(), theming.current()
    of_layer = ink.pen_of_layer("l0", 0, used).color().name()
    for colour in (used.backward, used.clip, of_layer):
        assert has_colour(image, colour, boxes(view)[1]).mean() > 0.9, colour


@pytest.mark.parametrize("count", [30, 3000])
def test_where_nothing_is_clipped_the_line_after_clipping_does_not_hide_the_norm(qtbot: QtBot, count: int) -> None:
    norms = np.where(np.arange(count) < count // 2, 5.0, 0.5)
    given = {"grad_norms": norms, "clipped_norms": np.minimum(norms, 1.0), "clipped": norms > 1.0}
    view = shown(qtbot, curves(falling(count), **given))
    image, (_, top, _, bottom) = view.grab().toImage(), boxes(view)[1]
    later = round(view.x_of(0.6 * count)), top, round(view.x_of(0.95 * count)), bottom
    assert has_colour(image, theming.current().backward, later).mean() > 0.9
    assert not has_colour(image, theming.current().clip, later).any()


def test_the_bar_says_less_where_it_has_no_room_and_cuts_no_letter(qtbot: QtBot) -> None:
    line = PartsLine()
    qtbot.addWidget(line)
    line.set_parts(summary(Curves(), shown=0))
    room = QFontMetricsF(theming.font()).horizontalAdvance
    for width, said in ((room("not trained yet") + 1, "not trained yet"), (room("untrained") + 1, "untrained")):
        line.resize(round(width + 1), 20)
        assert line.text() == said
    line.resize(40, 20)
    assert line.text().endswith("…")
    assert room(line.text()) <= 40


def test_the_first_iteration_is_seen(qtbot: QtBot) -> None:
    view = shown(qtbot, curves(np.array([0.3])))
    image = view.grab().toImage()
    for box, colour in zip(boxes(view), (theming.current().loss, theming.current().backward), strict=True):
        left = (box[0] - 8, box[1], box[0], box[3])
        assert has_colour(image, colour, left).sum() >= 2, "a dot, not a pixel on the axis"


def test_the_marker_leaves_the_words_between_the_plots_alone(qtbot: QtBot) -> None:
    view = shown(qtbot, curves(falling(10)))
    upper, lower = view._boxes().each
    top, height = round(upper.bottom()) + 1, round(lower.top() - upper.bottom()) - 2

    def words(iteration: int) -> QImage:
        view.set_iteration(iteration, iteration)
        image = view.grab().toImage()
        x = round(view.x_of(iteration))
        assert image.pixelColor(x, round(lower.center().y())).lightness() > 200
        return image.copy(0, top, view.width(), height)

    assert words(1) == words(9)


# -- axes -------------------------------------------------------------------------------------------------------------


def test_a_goal_far_away_does_not_bend_the_axis_and_a_pause_does_not_change_it(qtbot: QtBot) -> None:
    view = shown(qtbot, curves(falling(103), goal=10_000))
    assert view.last == 150
    view.set_curves(curves(falling(103)))
    assert view.last == 150


def diverging(count: int = 18) -> np.ndarray:
    return np.asarray(0.2 * 10.0 ** (2.5 * np.maximum(0, np.arange(count) - 3)))


def test_another_training_begins_its_axes_anew_even_where_it_is_longer(qtbot: QtBot) -> None:
    """Undo and redo put a whole training in place of another."""
    view = shown(qtbot, curves(diverging(), grad_norms=diverging()))
    other = curves(falling(203))
    view.set_curves(other)
    assert view.axes[0].kind == "linear"
    assert view.axes[0].high <= 3.0
    assert view.axes[1].high <= 10.0


def test_a_training_that_goes_on_keeps_its_axes_and_one_that_differs_late_does_not(qtbot: QtBot) -> None:
    whole = falling(400)
    high = np.concatenate((np.full(100, 9.0), whole))
    view = shown(qtbot, curves(high[:200]))
    before = view.axes[0]
    view.set_curves(curves(high))
    assert view.axes[0] == before
    thinned = Curves(**{**vars(curves(high[::2], count=500)), "iterations": np.arange(0, 500, 2)})
    assert thinned.goes_on_from(curves(high)), "a long past loses every second row"
    late = high.copy()
    late[198:] += 0.5
    assert not curves(late).goes_on_from(curves(high[:200]))
    assert not curves(high[:150]).goes_on_from(curves(high[:200]))


def test_a_loss_that_has_run_away_is_on_a_logarithmic_axis_and_the_legend_says_so(qtbot: QtBot) -> None:
    view = shown(qtbot, curves(diverging(), baseline=0.167))
    assert view.axes[0].kind == "log"
    assert view.axes[0].low <= 0.2
    assert legends.said(view._legends()[0]).startswith("Loss, logarithmic since it ran away")
    places = view.axes[0].places(diverging())
    assert (np.diff(places[4:-1]) > 0.03).all(), "the way up is seen, not a line on 0"
    view.set_loss_axis("linear")
    assert view.axes[0].kind == "linear", "somebody who asks for it has it"


@pytest.mark.parametrize(
    ("losses", "kind"),
    [
        (np.array([1.5, 2.0, 40.0, 300.0, 200.0]), "linear"),
        (np.geomspace(2.0, 1e-6, 50), "linear"),  # a fall is none
        (np.where(np.arange(200) == 7, 1e9, 0.5), "linear"),  # nor is one spike
        (np.full(5, np.nan), "linear"),
        (np.zeros(5), "linear"),
        (np.array([0.2, 1.0, 1e3, 1e12]), "log"),
    ],
)
def test_what_is_run_away_is_far_above_where_it_began(losses: np.ndarray, kind: str) -> None:
    assert loss_axis(None, "auto", losses, NONE, NONE).kind == kind


def test_gone_over_to_logarithms_the_axis_stays_there(qtbot: QtBot) -> None:
    away = loss_axis(None, "auto", diverging(), NONE, NONE)
    longer = np.concatenate((diverging(), np.full(5000, 0.2)))
    assert loss_axis(away, "auto", longer, NONE, NONE).kind == "log"


# -- legends ----------------------------------------------------------------------------------------------------------


def test_layers_and_read_out_are_told_apart_from_each_other_and_from_the_norm_of_all() -> None:
    names = ["l0", "l0_reverse", "l1", "l1_reverse", "l2", "readout"]
    for theme in ("dark", "light"):
        theming.apply(theme)  # type: ignore[arg-type]
        used = theming.current()
        pens = [ink.pen_of_layer(name, number, used) for number, name in enumerate(names)]
        colours = {pen.color().name() for pen in pens}
        assert len(colours) == len(names)
        assert not colours & {used.backward, used.clip}
        assert len({tuple(pen.dashPattern()) for pen in pens}) == len(names), "not by colour alone"


def test_a_legend_without_room_is_brief_and_then_says_that_something_is_left_out() -> None:
    given = {"clipped": np.arange(300) % 2 == 0, "layer_norms": {"l0": np.ones(300)}}
    entries = legends.norm_legend(curves(falling(300), **given), 4, loss_axis(None, "log", np.ones(3), NONE, NONE))
    assert legends.shown_words(entries, 5000.0) == [one.words for one in entries]
    narrow = legends.shown_words(entries, 330.0)
    assert narrow[:3] == ["Grad norm", "before", "after"], "what is drawn largest is named first"
    assert legends.shown_words(entries, 200.0)[-1] == "…"


def test_the_last_value_repeated_is_a_line_of_its_own_beside_the_baseline(qtbot: QtBot) -> None:
    """Far above the losses and the baseline: the axis holds it."""
    given = curves(np.full(30, 0.1), baseline=0.2, persistence=0.8)
    view = shown(qtbot, given)
    entries = {one.kind: one.words for one in view._legends()[0]}
    assert entries["dots"] == "repeating the last value 0.800"
    assert entries["dash"] == "baseline 0.200"
    assert figures(given, 0.0, 30).baseline == "0.200; last value 0.800"
    left, top, right, bottom = boxes(view)[0]
    found = of_colour(view.grab().toImage(), theming.current().muted, (left, top, right, bottom)).mean(1)
    height = view._boxes().loss.height()
    for level, least in ((0.2, 0.5), (0.8, 0.2)):  # dashes, dots
        row = round((1 - float(view.axes[0].places(np.array([level]))[0])) * height)
        assert found[row - 2 : row + 3].max() > least
        found[row - 2 : row + 3] = 0
    without = shown(qtbot, curves(np.full(30, 0.1), baseline=0.2))
    assert "dots" not in {one.kind for one in without._legends()[0]}


def test_marks_at_the_edges_are_explained_where_there_are_any(qtbot: QtBot) -> None:
    odd = falling(200)
    odd[[20, 30]] = np.nan, np.inf
    said = legends.said(shown(qtbot, curves(odd))._legends()[0])
    assert "above the axis" in said
    assert "not a number" in said
    said = legends.said(shown(qtbot, curves(falling(200)))._legends()[0])
    assert "axis" not in said


# -- where training was changed ---------------------------------------------------------------------------------------


def test_no_line_leads_from_a_loss_to_one_of_another_length(qtbot: QtBot) -> None:
    """Before iteration 10 the loss is 1, from there on 0: a line between them would be a fall that never was."""
    losses = np.where(np.arange(20) < 10, 1.0, 0.05)
    for apart in (False, True):
        turns = (Turn(10, "T 6 → 9" if apart else "learning rate 0.1 → 0.03", apart),)
        view = shown(qtbot, curves(losses, turns=turns))
        image, (left, top, _, bottom) = view.grab().toImage(), boxes(view)[0]
        first, last = round(view.x_of(9)) + 6, round(view.x_of(10)) - 6
        assert left < first < last
        between = has_colour(image, theming.current().loss, (first, top, last, bottom))
        assert bool(between.any()) is not apart


def test_no_mean_goes_over_a_break_and_no_line_in_a_crowd_of_iterations() -> None:
    losses = np.where(np.arange(4000) < 1500, 1.0, 3.0)
    rows = ink.Rows.at(np.arange(4000) / 10.0, window(4000), np.array([1500]))
    axis = Axis("linear", 0.0, 4.0)
    found = rows.mean(losses, axis)
    assert set(np.round(4 * found.low, 9)) == {1.0, 3.0}
    assert found.x[found.lifted].tolist() == [150.5]
    assert ink._stretches(~np.isnan(found.low), found.lifted) == [[0, 150], [150, 400]]


def test_where_training_was_changed_is_marked_and_said_near_by(qtbot: QtBot) -> None:
    turns = (Turn(300, "T 6 → 9, learning rate 0.1 → 0.03", apart=True),)
    view = shown(qtbot, curves(falling(1000), turns=turns))
    image, x = view.grab().toImage(), round(view.x_of(300))
    for _, top, _, bottom in boxes(view):
        marked = has_colour(image, theming.current().muted, (x - 1, top, x + 3, bottom))
        assert marked.any()
    assert "settings changed" in legends.said(legends.loss_legend(view._curves, 1, view.axes[0]))
    assert at_iteration(view._curves, 303, reach=4)[-2:] == ("from 300 on: T 6 → 9", "learning rate 0.1 → 0.03")
    assert at_iteration(view._curves, 303)[-1].startswith("gradient norm")
    assert at_iteration(view._curves, 300)[-1] == "learning rate 0.1 → 0.03"


def test_no_line_leads_from_an_evaluation_to_one_of_another_length() -> None:
    judged = tuple(Evaluation(iteration=k, loss=1.0, metric="rmse", value=1.0) for k in range(0, 100, 10))
    c = curves(falling(100), evaluations=judged, turns=(Turn(50, "T 6 → 9", apart=True), Turn(70, "lr", apart=False)))
    assert c.evaluation_breaks().tolist() == [6], "that at 50 is of what was trained before"
