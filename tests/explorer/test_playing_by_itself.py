"""The tape begins to play by itself where nobody is quicker: it says so, and a press that crosses it is no pause."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from engine import presets
from engine.tape import Phase
from explorer.app import Explorer
from explorer.bindings import tape
from explorer.document import opening


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.show(opening.of_preset(presets.default()))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def begin(explorer: Explorer) -> None:
    explorer.bindings.tape.show_off(explorer.document.tape.span(Phase.BACKWARD)[-1])


def test_it_says_that_it_plays_and_a_press_that_crosses_it_goes_on(qtbot: QtBot, explorer: Explorer) -> None:
    begin(explorer)
    assert "Space pauses" in explorer.window.statusBar().currentMessage()
    explorer.commands.actions["play"].trigger()
    assert explorer.player.playing
    explorer.commands.actions["play"].trigger()
    assert not explorer.player.playing, "the second press is no accident"


def test_a_press_that_comes_later_pauses(qtbot: QtBot, explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "_CROSSED_MS", -1)
    begin(explorer)
    explorer.commands.actions["play"].trigger()
    assert not explorer.player.playing


def test_playing_that_somebody_began_is_paused_by_any_press(explorer: Explorer) -> None:
    explorer.commands.actions["play"].trigger()
    explorer.commands.actions["play"].trigger()
    assert not explorer.player.playing
