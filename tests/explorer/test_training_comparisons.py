"""Trainings side by side: whose losses can be compared, what an earlier one is called, and which stay to be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot
from training_rig import Rig, experiment

from engine.spec import (
    NO_WHAT_IF,
    ClipSpec,
    CopyTask,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
    ScheduleSpec,
    TruncationSpec,
    WhatIf,
)
from explorer.document.state import State, View
from explorer.document.turns import apart
from explorer.theme import current as theming
from explorer.training import ink, legends
from explorer.training.axes import Axis
from explorer.training.comparisons import MOST, Comparisons
from explorer.training.curves import Curves, Ghost
from explorer.training.names import draw_names
from explorer.training.plots import CurvesView
from explorer.training.run_names import name, numbered
from explorer.training.tab import TrainingTab
from explorer.training.words import at_iteration

NORM = ClipSpec(kind="norm", max_norm=0.5)


def test_losses_of_another_length_task_or_loss_are_not_to_be_compared() -> None:
    of = experiment()
    assert not apart(of, replace(of, training=replace(of.training, learning_rate=0.5, clip=NORM)))
    assert not apart(of, replace(of, task=replace(of.task, batch_size=9)))
    assert apart(of, replace(of, task=replace(of.task, steps=9)))
    assert apart(of, replace(of, task=CopyTask()))
    assert apart(of, replace(of, model=replace(of.model, loss="cross_entropy")))


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "now", "called"),
    [
        ({}, {"clip": NORM}, "clip none"),
        ({"clip": NORM}, {}, "clip norm 0.5"),
        ({"clip": ClipSpec(kind="value", max_value=2.0)}, {}, "clip value 2"),
        ({"learning_rate": 0.1}, {"learning_rate": 0.03}, "lr 0.1"),
        ({"optimizer": OptimizerSpec(kind="adam"), "learning_rate": 1e-3}, {}, "Adam, lr 0.001"),
        ({"optimizer": OptimizerSpec(momentum=0.9)}, {}, "momentum 0.9"),
        ({"schedule": ScheduleSpec(kind="cosine")}, {}, "cosine schedule"),
        ({"truncation": TruncationSpec(k1=2, k2=5)}, {}, "truncated 2, 5"),
        ({}, {"truncation": TruncationSpec(k1=2, k2=5)}, "full BPTT"),
        ({"l2": 0.5}, {}, "L2 0.5"),
        ({"carry": True}, {}, "carried states on"),
        ({"evaluate_every": 7}, {}, "as now"),
    ],
)
def test_a_run_is_called_by_what_is_another_than_now(own: dict[str, Any], now: dict[str, Any], called: str) -> None:
    assert name((experiment(**own), NO_WHAT_IF), (experiment(**now), NO_WHAT_IF)) == called


def test_of_model_task_and_what_if_too() -> None:
    of = experiment()
    lstm = replace(of, model=ModelSpec(layers=(LayerSpec(cell="lstm", hidden_size=4),)))
    assert name((lstm, NO_WHAT_IF), (of, NO_WHAT_IF)).startswith("LSTM")
    assert name((replace(of, task=replace(of.task, steps=9)), NO_WHAT_IF), (of, NO_WHAT_IF)) == "T = 9"
    assert name((of, WhatIf(recurrent_scale=2.0)), (of, NO_WHAT_IF)) == "× 2"


def test_two_that_are_called_alike_are_told_apart() -> None:
    assert numbered(["clip none", "lr 0.1", "clip none"]) == ("clip none", "lr 0.1", "clip none (2)")


# -- which stay -------------------------------------------------------------------------------------------------------


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    return Rig(experiment())


def train(rig: Rig, until: int) -> None:
    rig.runner.start(goal=until)
    while rig.runner.running:
        rig.answer()
    rig.show()


def begin_anew(rig: Rig, **training: Any) -> None:
    rig.controller.go_to_iteration(0)
    rig.show()
    rig.document.edit_experiment(experiment(**training))
    rig.show()


def test_a_run_that_training_anew_puts_away_stays_to_be_compared_with(rig: Rig) -> None:
    kept = Comparisons(rig.document)
    train(rig, 12)
    begin_anew(rig, clip=NORM)
    assert kept.names() == (), "nothing has been put away yet"
    train(rig, 3)
    assert kept.names() == ("clip none",)
    (ghost,) = kept.ghosts(Curves(iterations=np.arange(3), losses=np.full(3, 9.0), count=3))
    assert ghost.curves.iterations.tolist() == list(range(12))
    assert ghost.curves.count == 12
    begin_anew(rig, learning_rate=0.5)
    train(rig, 5)
    assert len(kept.names()) == 1, "three iterations are not worth a curve"


def test_a_run_that_was_changed_on_its_way_says_where(rig: Rig) -> None:
    kept = Comparisons(rig.document)
    train(rig, 12)
    rig.document.edit_experiment(experiment(clip=NORM))
    rig.show()
    train(rig, 20)
    rig.document.edit_experiment(experiment(units=3, clip=NORM))
    assert kept.names() == ("4 units, changed at 12",)


def test_a_run_that_undo_has_brought_back_is_no_ghost_beside_itself(rig: Rig) -> None:
    kept = Comparisons(rig.document)
    train(rig, 12)
    own = rig.document.state.log
    begin_anew(rig, clip=NORM)
    train(rig, 3)
    rig.document.undo_stack.undo()
    assert rig.document.state.furthest == 12
    back = Curves(iterations=own.iterations, losses=own.column("losses"), count=12)
    assert kept.ghosts(back) == ()


def test_a_run_that_an_edit_puts_away_stays_and_none_of_another_task_is_drawn(rig: Rig) -> None:
    kept = Comparisons(rig.document)
    train(rig, 12)
    rig.document.edit_experiment(experiment(units=3))
    assert kept.names() == ("4 units",)
    assert len(kept.ghosts(Curves())) == 1
    of = experiment(units=3)
    rig.document.edit_experiment(replace(of, model=replace(of.model, loss="cross_entropy"), task=CopyTask()))
    assert kept.ghosts(Curves()) == ()


def test_with_one_more_than_three_the_oldest_goes_and_those_asked_for_stay(rig: Rig) -> None:
    kept = Comparisons(rig.document)
    assert not kept.keep(), "nothing has been trained"
    train(rig, 12)
    assert kept.keep()
    assert kept.keep(), "the same run is not kept twice"
    assert len(kept.names()) == 1
    for rate in (0.5, 0.25, 0.125, 0.0625):
        begin_anew(rig, learning_rate=rate)
        train(rig, 12)
    assert len(kept.names()) <= MOST
    assert kept.names()[0] == "lr 0.1", "somebody has asked for it"
    kept.remove(0)
    assert "lr 0.1" not in kept.names()
    rig.document.open(State(tracks=("norms",), experiment=experiment()), View(), title="another")
    assert kept.names() == ()


# -- how they look ----------------------------------------------------------------------------------------------------


def run(losses: np.ndarray, **more: Any) -> Curves:
    count = len(losses)
    norms = np.full(count, 1.0)
    of = {"iterations": np.arange(count), "losses": losses, "grad_norms": norms, "clipped_norms": norms}
    return Curves(**{**of, "clipped": np.zeros(count, bool), "count": count, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_ghost_is_drawn_as_far_as_it_went_and_says_its_numbers(qtbot: QtBot, theme: str) -> None:
    theming.apply(theme)  # type: ignore[arg-type]
    ghost = Ghost("clip none", 0, run(np.full(20, 0.5), grad_norms=np.full(20, 8.0)))
    view = CurvesView()
    qtbot.addWidget(view)
    view.resize(900, 300)
    view.set_curves(run(np.full(5, 1.0), ghosts=(ghost,)), anew=True)
    assert view.last == 20, "the axis has room for it"
    box = view._boxes().loss
    image = view.grab().toImage()
    y = box.bottom() - float(view.axes[0].places(np.array([0.5]))[0]) * box.height()
    drawn = [
        image.pixelColor(x, round(y) + dy).name() == theming.current().forward.lower()
        for x in range(round(view.x_of(12)), round(view.x_of(18)))
        for dy in (-1, 0, 1)
    ]
    assert sum(drawn) > 20
    assert at_iteration(view._curves, 3)[-1] == "clip none: loss 0.5, norm 8"
    assert at_iteration(view._curves, 15)[1:] == ("not trained on yet", "clip none: loss 0.5, norm 8")
    assert at_iteration(view._curves, 20)[1:] == ("not trained on yet",)
    for entries in view._legends():
        assert "clip none" in legends.said(entries)


def test_a_ghost_that_ran_away_leaves_the_axes_to_the_present_run(qtbot: QtBot) -> None:
    away = Ghost("clip none", 0, run(10.0 ** np.arange(20), grad_norms=10.0 ** np.arange(20)))
    view = CurvesView()
    qtbot.addWidget(view)
    view.resize(900, 300)
    view.set_curves(run(np.full(20, 0.8), ghosts=(away,)), anew=True)
    assert view.axes[0].kind == "linear"
    assert view.axes[0].high == 1.0
    view.grab()


def test_a_ghost_leaves_the_plot_where_it_runs_away_instead_of_ending_in_it() -> None:
    losses = np.where(np.arange(20) < 10, 0.5, 50.0)
    axis = Axis("linear", 0.0, 1.0)
    found = ink.Rows.at(np.arange(20.0), 1).cut(losses, axis)
    assert found.low.tolist() == [0.5] * 10 + [2.0] * 10
    assert np.isnan(ink.Rows.at(np.arange(2.0), 1).cut(np.array([0.5, np.nan]), axis).low[1])


def test_every_ghost_is_solid_and_has_a_colour_that_is_none_of_the_present_run() -> None:
    theme = theming.current()
    pens = [ink.ghost_pen(number, theme) for number in range(MOST)]
    assert all(pen.style() == Qt.PenStyle.SolidLine for pen in pens)
    own = {QColor(one).name() for one in (theme.loss, theme.backward, theme.clip, theme.muted, theme.text)}
    colours = {pen.color().name() for pen in pens}
    assert len(colours) == MOST
    assert not colours & own
    after = ink.ghost_pen(0, theme, after=True)
    assert after.style() == Qt.PenStyle.CustomDashLine
    assert after.color() == pens[0].color()


def test_the_name_of_a_ghost_stands_where_its_line_is_seen_last(qtbot: QtBot) -> None:
    box, pen = QRectF(0, 0, 100, 100), ink.ghost_pen(0, theming.current())
    image = QImage(100, 100, QImage.Format.Format_ARGB32)
    painter, axis = QPainter(image), Axis("linear", 0.0, 1.0)
    rows = ink.Rows.at(np.array([10.0, 20.0, 30.0]), 1)
    ends = [
        ink.draw_ghost(painter, box, axis, np.array(values), rows, pen)
        for values in ([0.2, 0.4, 0.6], [0.2, 0.5, 1.5], [0.5, 1.5, 1.5], [3.0, 3.0, 3.0])
    ]
    painter.end()
    assert ends == [QPointF(30, 40), QPointF(25, 0), QPointF(15, 0), None]


def test_names_of_ghosts_that_end_together_stand_apart(qtbot: QtBot) -> None:
    image = QImage(400, 120, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter, box = QPainter(image), QRectF(10, 10, 380, 100)
    pens = [ink.ghost_pen(number, theming.current()) for number in range(2)]
    names = [(name, QPointF(380, 60), pen) for name, pen in zip(("clip none", "lr 0.1"), pens, strict=True)]
    draw_names(painter, box, names)
    painter.end()
    rows: list[set[int]] = []
    for pen in pens:
        found = {y for y in range(120) for x in range(400) if image.pixelColor(x, y) == pen.color()}
        assert len(found) > 5, "its mark is there"
        rows.append(found)
    assert not rows[0] & rows[1]


def test_the_menu_keeps_and_removes(qtbot: QtBot) -> None:
    tab = TrainingTab()
    qtbot.addWidget(tab)
    assert tab.keep_button.accessibleName() == "Keep as comparison"
    assert "not saved" in tab.keep_button.toolTip()
    tab.curves.set_curves(run(np.full(5, 1.0)))
    tab.set_kept(("clip none", "lr 0.1"))
    gone: list[int] = []
    tab.removeWanted.connect(gone.append)
    entries = {entry.text(): entry for entry in tab.menu().actions()}
    entries["Remove comparison “lr 0.1”"].trigger()
    assert gone == [1]
    with qtbot.waitSignal(tab.clearWanted):
        entries["&Remove all comparisons"].trigger()
    with qtbot.waitSignal(tab.keepWanted):
        entries["&Keep this run as comparison"].trigger()
