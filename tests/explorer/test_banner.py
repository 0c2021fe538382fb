"""The banner says one sentence at a time, and nobody takes away what another has said."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from explorer.app import Explorer
from explorer.document.opening import of_nothing
from explorer.stage.banner import Banner

WAYS = [("Lower rate", "A tenth of it")]


@pytest.fixture
def banner(qtbot: QtBot) -> Banner:
    found = Banner()
    qtbot.addWidget(found)
    return found


def test_each_voice_takes_back_its_own_sentence_alone(banner: Banner) -> None:
    first, second = banner.voice(), banner.voice()
    first.say("The engine stopped.", WAYS)
    second.say("The loss has run away.")
    first.take_back()
    assert (banner.text(), banner.buttons) == ("The loss has run away.", ())
    assert (first.stands, second.stands) == (False, True)
    second.take_back()
    assert (banner.text(), banner.speaker) == ("", None)


def test_what_stood_there_before_is_seen_again_with_its_ways_out(banner: Banner) -> None:
    first, second = banner.voice(), banner.voice()
    first.say("Training met NaN.", WAYS)
    second.say("The engine stopped.")
    assert (banner.text(), banner.buttons) == ("The engine stopped.", ())
    second.take_back()
    assert banner.text() == "Training met NaN."
    assert [button.text() for button in banner.buttons] == ["Lower rate"]
    assert first.stands
    second.say("The engine stopped.")
    banner.clear()
    assert (banner.text(), first.stands, second.stands) == ("", False, False)


def test_the_same_words_of_two_voices_are_two_sentences(banner: Banner) -> None:
    first, second = banner.voice(), banner.voice()
    first.say("The engine stopped.")
    second.say("The engine stopped.")
    first.take_back()
    assert banner.text() == "The engine stopped."


def test_a_way_out_is_taken_by_who_has_offered_it(banner: Banner) -> None:
    taken: list[tuple[str, int]] = []
    first, second = banner.voice(), banner.voice()
    first.chosen.connect(lambda number: taken.append(("first", number)))
    second.chosen.connect(lambda number: taken.append(("second", number)))
    first.say("The loss has run away.", WAYS)
    second.say("Training met NaN.", [*WAYS, ("Clip at 1", "The norm")])
    QTest.mouseClick(banner.buttons[1], Qt.MouseButton.LeftButton)
    assert taken == [("second", 1)]


def test_another_document_begins_without_the_sentence_about_the_one_before(explorer: Explorer) -> None:
    explorer.show(of_nothing())
    explorer.window.stage.banner.voice().say("Iteration 7 is not as it was recorded.")
    explorer.show(of_nothing())
    assert explorer.window.stage.banner.text() == ""
