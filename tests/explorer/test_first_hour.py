"""What somebody sees who opens a preset for the first time, in a window of 1280 by 800: answers without scrolling."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine import presets
from engine.quantities import ROUTES
from engine.spec import WhatIf
from engine.tape import Phase
from explorer.app import Explorer
from explorer.compute.inline import InlineExecutor
from explorer.dock.slider_row import clip_position
from explorer.document import opening
from explorer.settings import Settings


@pytest.fixture
def explorer(explorer: Explorer) -> Explorer:
    explorer.window.resize(1280, 800)
    return explorer


def opened(qtbot: QtBot, explorer: Explorer, slug: str, at: str | None = None) -> None:
    found = opening.of_preset(presets.load(slug))
    explorer.show(found if at is None else found.at(at))
    qtbot.waitUntil(lambda: explorer.controller.settled and explorer.desk.settled, timeout=60_000)
    QApplication.processEvents()


def seen(part: QWidget, box: QRect, within: QWidget) -> bool:
    """Whether a part's box lies inside of what `within` shows of it."""
    corner = part.mapTo(within, QPoint(0, 0))
    return within.rect().contains(box.translated(corner))


def test_the_carousels_routes_are_seen_without_scrolling(qtbot: QtBot, explorer: Explorer) -> None:
    """On the stage over time, and in the cell panel all of one step's."""
    opened(qtbot, explorer, "cell-state-carousel", "backward:20")
    canvas = explorer.window.stage.canvas
    place = explorer.document.state.tracks.index("routes")
    slot = canvas.slots[place]
    assert 0 <= slot.top < slot.bottom <= canvas.viewport().height()
    routes, panel = explorer.window.cell.routes, explorer.window.cell
    assert len(routes.rows) == len(ROUTES["lstm"])
    for pick in routes.picks():
        assert seen(routes, pick.box.toAlignedRect(), panel._scroll.viewport()), pick.key


@pytest.mark.parametrize("slug", ["vanilla-rnn-forgets", "cell-state-carousel"])
def test_the_buttons_of_the_flow_matrix_are_seen_without_scrolling(qtbot: QtBot, explorer: Explorer, slug: str) -> None:
    opened(qtbot, explorer, slug)
    panel = explorer.window.analysis
    section = panel.sections["flow"]
    for button in (section.table_button, section.copy_button, panel.whole):
        assert button.isVisible()
        assert seen(button, button.rect(), panel.area.viewport()), button.text()


def test_the_flow_matrix_gives_nothing_away_and_goes_with_the_tape(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    flow, tape = explorer.window.analysis.flow, explorer.document.tape
    assert flow._known_columns() == (50, 50)
    explorer.bindings.tape.scrub(tape.position(tape.parse("backward:20")))
    assert flow._known_columns() == (19, 50)
    explorer.bindings.tape.scrub(tape.span(Phase.UPDATE)[0])
    assert flow._known_columns() == (0, 50)


def test_the_stage_counts_in_one_sample_and_an_event_in_all_and_both_say_so(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "number-overflows", "backward:20")
    excerpt = explorer.controller.excerpt
    assert excerpt is not None
    overflow = next(e for e in excerpt.events if e.kind == "overflow" and e.phase == "backward")
    assert f"of all {excerpt.batch_size} samples" in overflow.sentence
    track, now = explorer.window.stage.track("grads.h"), explorer.window.stage.canvas.now
    assert track is not None
    assert now is not None
    said = track.hover_scale(now)
    assert said is not None
    assert "counts of sample 1:" in said.values
    assert any("sample 1" in line for line in track._lines(200))  # type: ignore[attr-defined]


def end(explorer: Explorer) -> int:
    return len(explorer.document.tape) - 1


def test_playing_stops_at_the_end_and_plays_the_same_iteration_again(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    bindings, player = explorer.bindings, explorer.player
    bindings.tape.scrub(end(explorer) - 3)
    player.set_speed(60)
    bindings.tape.toggle_play()
    qtbot.waitUntil(lambda: not player.playing)
    assert (explorer.document.view.iteration, explorer.document.view.position) == (0, end(explorer))
    assert "iteration 1" in explorer.window.statusBar().currentMessage()
    bindings.tape.toggle_play()
    assert player.playing
    assert explorer.document.view.position < 10
    bindings.tape.toggle_play()
    assert explorer.document.view.iteration == 0


def test_playing_stays_at_the_loss_and_at_clipping_long_enough_to_be_read(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    explorer.player.set_speed(60)
    tape = explorer.document.tape
    stays = {tape.span(phase)[0] for phase in (Phase.LOSS, Phase.CLIP)}
    seen: dict[int, float] = {}
    explorer.document.viewChanged.connect(lambda: seen.setdefault(explorer.document.view.position, time.monotonic()))
    for place in sorted(stays):
        explorer.bindings.tape.scrub(place - 3)
        seen.clear()
        explorer.bindings.tape.toggle_play()
        qtbot.waitUntil(lambda place=place: place + 1 in seen, timeout=8000)  # type: ignore[misc]
        explorer.player.pause()
        assert seen[place + 1] - seen[place] >= 1.2, "at any speed"
    explorer.bindings.tape.scrub(0)
    explorer.bindings.tape.steps_due(8)
    assert explorer.document.view.position == 8
    explorer.bindings.tape.scrub(min(stays) - 2)
    explorer.bindings.tape.steps_due(8)
    assert explorer.document.view.position == min(stays), "a late timer does not jump over it"


def test_a_preset_just_opened_is_played_from_the_start_of_the_forward_pass(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    assert explorer.document.tape.moment(explorer.document.view.position).phase is Phase.LOSS
    explorer.bindings.tape.toggle_play()
    explorer.player.pause()
    assert explorer.document.view.position == 0
    explorer.bindings.tape.scrub(end(explorer) // 2)
    explorer.bindings.tape.toggle_play()  # it has been moved: from there on
    explorer.player.pause()
    assert explorer.document.view.position == end(explorer) // 2


def test_a_double_clicked_row_of_a_table_is_where_the_tape_goes(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    tape = explorer.document.tape
    explorer.bindings.tape.scrub(tape.span(Phase.BACKWARD)[-1])
    window = explorer.bindings.tracks.tables.open("norms")
    assert window is not None
    window.view.doubleClicked.emit(window.model.index(16, 0))
    moment = tape.moment(explorer.document.view.position)
    assert (moment.phase, moment.step) == (Phase.BACKWARD, 17)


def test_an_event_that_a_slider_brings_moves_no_track(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    line = explorer.window.stage.events
    assert explorer.controller.excerpt is not None
    top, events = explorer.window.stage.canvas.y(), explorer.controller.excerpt.events
    explorer.window.dock.whatIfEdited.emit(WhatIf(recurrent_scale=0.32))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    QApplication.processEvents()
    assert explorer.controller.excerpt.events != events
    assert line.isVisible()
    assert explorer.window.stage.canvas.y() == top


def test_the_slider_of_the_clip_threshold_stands_where_the_training_clips(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "cliff-with-a-rope")
    row, experiment = explorer.window.dock.what_if.clip, explorer.document.experiment
    assert experiment is not None
    assert row.slider.value() == clip_position(experiment.training.clip.max_norm)
    explorer.document.edit_what_if(WhatIf(clip_norm=0.1))
    assert row.slider.value() == clip_position(0.1)
    explorer.document.undo_stack.undo()
    assert row.slider.value() == clip_position(experiment.training.clip.max_norm)


def test_the_menu_of_speeds_has_the_one_that_holds(explorer: Explorer) -> None:
    speed = explorer.window.transport.speed
    assert speed.speed() == explorer.player.speed
    ticked = [entry.text() for entry in speed.menu().actions() if entry.isChecked() and "per second" in entry.text()]
    assert ticked == ["8 per second"]
    speed.set_speed(7)
    assert not any(entry.isChecked() for entry in speed.menu().actions() if "per second" in entry.text())


def test_playing_goes_on_where_that_has_been_chosen(qtbot: QtBot, explorer: Explorer) -> None:
    opened(qtbot, explorer, "vanilla-rnn-forgets")
    bindings = explorer.bindings
    explorer.commands.actions["at_end_repeat"].trigger()
    assert explorer.files.settings.at_end == "repeat"
    bindings.tape.scrub(end(explorer))
    bindings.tape.steps_due(1)
    assert (explorer.document.view.iteration, explorer.document.view.position) == (0, 0)
    explorer.commands.actions["at_end_next"].trigger()
    assert explorer.commands.actions["at_end_next"].isChecked()
    bindings.tape.scrub(end(explorer))
    bindings.tape.steps_due(1)
    qtbot.waitUntil(lambda: explorer.document.view.iteration == 1, timeout=60_000)
    assert explorer.document.view.position == 0


def test_what_playing_does_at_the_end_is_remembered(qtbot: QtBot) -> None:
    made = Explorer(InlineExecutor(), Settings(theme="dark", at_end="next"))
    try:
        assert made.bindings.tape.at_end == "next"
        assert made.commands.actions["at_end_next"].isChecked()
    finally:
        made.close()
        made.window.deleteLater()
        QApplication.processEvents()
