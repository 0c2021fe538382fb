"""The analysis panel in its window, with the real engine: of the trace on screen, and out of the way of the next."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine import operations, presets
from engine.analysis_requests import AskFlow
from engine.spec import WhatIf
from explorer.analysis.panel import SECTIONS
from explorer.app import Explorer
from explorer.document import opening
from explorer.settings import Settings


@pytest.fixture
def explorer_settings() -> Settings:
    return Settings(theme="dark", analyses=("flow",))


def opened(qtbot: QtBot, explorer: Explorer, slug: str = "vanilla-rnn-forgets", steps: int = 52) -> None:
    explorer.show(opening.of_preset(presets.load(slug)))
    settle(qtbot, explorer)
    experiment = explorer.document.experiment
    assert experiment is not None
    replace = msgspec.structs.replace
    model = replace(experiment.model, readout=replace(experiment.model.readout, at="every"))
    explorer.document.edit_experiment(replace(experiment, model=model, task=replace(experiment.task, steps=steps)))
    settle(qtbot, explorer)


def settle(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.controller.settled and explorer.desk.settled, timeout=60_000)


def test_the_matrix_on_screen_is_the_engines_and_follows_a_what_if(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    for scale in (1.0, 0.5):
        explorer.document.edit_what_if(WhatIf(recurrent_scale=scale))
        settle(qtbot, explorer)
        source = explorer.controller.shown_source
        assert source is not None
        assert source.what_if.recurrent_scale == scale  # type: ignore[union-attr]
        expected = operations.run("analysis", AskFlow(source, "l0", count=52))
        shown = explorer.window.analysis.flow._result
        assert shown is not None
        np.testing.assert_array_equal(shown.norms, expected.norms)
        assert explorer.window.analysis.sections["flow"].header.state == ""


def test_a_picked_pair_is_marked_on_the_stage_and_stays_while_the_tape_moves(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    flow, stage = explorer.window.analysis.flow, explorer.window.stage
    assert stage.marks.steps is None
    qtbot.mouseClick(flow, Qt.MouseButton.LeftButton, pos=flow._box_of(9, 3).center().toPoint())
    assert stage.marks.steps == (10, 4)
    view, data = stage.canvas.view, stage.canvas.data_box
    assert view is not None
    for step, line in zip((10, 4), stage.marks._lines, strict=True):
        assert line.isVisible()
        assert abs(line.geometry().center().x() - (data.left() + view.centre(step))) <= 1
    assert [label.text for label in stage.marks._labels] == ["loss t = 10", "source k = 4"]
    explorer.bindings.tape.to_end()
    assert stage.marks.steps == (10, 4)
    stage.time_range.set(6, 52)
    assert [line.isVisible() for line in stage.marks._lines] == [True, False]
    explorer.show(opening.of_preset(presets.load("one-gate")))
    settle(qtbot, explorer)
    assert stage.marks.steps is None
    assert not any(line.isVisible() for line in stage.marks._lines)


def test_a_picked_pair_goes_by_the_same_click_and_by_escape(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    flow, stage = explorer.window.analysis.flow, explorer.window.stage
    at = flow._box_of(9, 3).center().toPoint()

    def pick() -> None:
        qtbot.mouseClick(flow, Qt.MouseButton.LeftButton, pos=at)

    pick()
    pick()
    assert stage.marks.steps is None
    for widget in (flow, stage):
        pick()
        assert stage.marks.steps == (10, 4)
        widget.setFocus()
        qtbot.keyClick(widget, Qt.Key.Key_Escape)
        assert stage.marks.steps is None
        assert not any(line.isVisible() for line in stage.marks._lines)


def test_marks_stay_where_they_are_while_tracks_are_scrolled(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    stage = explorer.window.stage
    explorer.document.edit_tracks(
        (*explorer.document.state.tracks, "values.h", "grads.h", "saturation", "growth"), "Add tracks"
    )
    settle(qtbot, explorer)
    stage.set_marks(10, 4)
    bar = stage.canvas.verticalScrollBar()
    bar.setValue(0)
    marks = [*stage.marks._lines, *stage.marks._labels]
    before = [mark.geometry() for mark in marks]
    bar.setValue(bar.maximum())
    assert bar.maximum() >= 50
    assert [mark.geometry() for mark in marks] == before


def test_a_step_of_the_tape_asks_for_no_analysis_and_repaints_no_mark(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    explorer.window.stage.set_marks(3, 2)
    QApplication.processEvents()
    asked: list[str] = []
    ask = explorer.courier.ask
    explorer.courier.ask = lambda channel, *rest, **more: asked.append(channel) or ask(channel, *rest, **more)  # type: ignore
    for _ in range(5):
        explorer.controller.step(-1)
        QApplication.processEvents()
    assert not [channel for channel in asked if channel.startswith("analysis")]


def test_nothing_is_computed_while_the_panel_or_the_section_is_closed(qtbot: QtBot, explorer: Explorer) -> None:
    explorer.window.analysis.set_open(())
    asked: list[str] = []
    ask = explorer.courier.ask
    explorer.courier.ask = lambda channel, *rest, **more: asked.append(channel) or ask(channel, *rest, **more)  # type: ignore
    opened(qtbot, explorer)
    assert not [channel for channel in asked if channel.startswith("analysis")]
    explorer.commands.actions["show_analysis"].trigger()
    explorer.window.analysis.set_open(("weights",))
    assert not [channel for channel in asked if channel.startswith("analysis")]
    explorer.commands.actions["show_analysis"].trigger()
    settle(qtbot, explorer)
    assert set(asked) & {f"analysis.{name}" for name in SECTIONS} == {"analysis.weights"}


@pytest.mark.parametrize("slug", ["number-overflows", "off-the-cliff", "cell-state-carousel", "one-gate"])
def test_every_section_of_every_kind_of_preset_is_computed_and_painted(
    slug: str, qtbot: QtBot, explorer: Explorer
) -> None:
    explorer.window.analysis.set_open(SECTIONS)
    opened(qtbot, explorer, slug)
    panel = explorer.window.analysis
    assert {explorer.desk.standing(name).kind for name in SECTIONS} == {"there"}
    panel.grab()
    for name, section in panel.sections.items():
        assert section.table_button.isEnabled(), name


def test_which_sections_are_open_is_remembered(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    header = explorer.window.analysis.sections["histogram"].header
    header.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(header, Qt.Key.Key_Space)
    assert explorer.files.settings.analyses == ("flow", "histogram")


def test_layers_of_a_stack_can_be_chosen(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer)
    experiment = explorer.document.experiment
    assert experiment is not None
    replace: Any = msgspec.structs.replace
    layer = replace(experiment.layer, bidirectional=True)
    explorer.document.edit_experiment(replace(experiment, model=replace(experiment.model, layers=(layer, layer))))
    settle(qtbot, explorer)
    panel = explorer.window.analysis
    assert panel.layer.isVisible()
    keys = [panel.layer.itemData(n) for n in range(panel.layer.count())]
    assert keys == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert panel.layer.currentData() == "l1"  # what the read-out reads, forward
    assert panel.layer.itemText(3).endswith("←")
    panel.layer.set_value("l1_reverse")
    panel.layer.chosen.emit("l1_reverse")
    settle(qtbot, explorer)
    result = panel.flow._result
    assert result is not None
    # A reverse layer of the last level: a loss reaches its own step and those after it.
    np.testing.assert_array_equal(result.reached, np.triu(np.ones((52, 52), bool)))
