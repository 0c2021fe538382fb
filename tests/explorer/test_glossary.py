"""Help ▸ Words: every word of the interface has its entry, found as it is written on screen, by keys alone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from explorer.help.entries import GROUPS
from explorer.help.glossary import Glossary, found
from explorer.menus import ShortcutSheet

ON_SCREEN = {
    "dec. a step": "Decades a step (dec. a step)",
    "2 decades a band": "2 decades a band",
    "Pascanu's bound": "Pascanu’s bound",
    "leak past the weights": "Leak past the weights",
    "of what goes on": "Of what goes on",
    "below 0: against it": "Below 0: against it",
    "overlined": "Bar over a number",
    "Σ‖vᵣ‖": "Routes cancel: Σ‖vᵣ‖ = 1.56 ‖v‖",
    "3 subnormal": "Subnormal (3 subnormal, ≈2.8e-45)",
    "0*": "0*",
    "iterations before": "Iteration, iterations before",
    "carousel": "Cell-state carousel",
    "flow matrix": "Flow matrix",
    "hatched": "Below the scale, above the scale (▽, ▲)",
    "verdict": "Vanishing, healthy, exploding",
    "autograd": "Match with autograd",
}


@pytest.mark.parametrize(("typed", "word"), ON_SCREEN.items())
def test_what_stands_on_screen_is_found_first(typed: str, word: str) -> None:
    assert found(typed)[0].word == word


def test_every_entry_is_a_sentence_and_named_once() -> None:
    entries = [entry for group in GROUPS.values() for entry in group]
    assert len({entry.word for entry in entries}) == len(entries)
    assert [entry.word for entry in entries if not entry.text.endswith(".")] == []


def test_it_is_searched_and_walked_by_keys_alone(qtbot: QtBot) -> None:
    glossary = Glossary()
    qtbot.addWidget(glossary)
    glossary.show_it()
    first = glossary.entry()
    assert first is not None  # the groups' names are passed over
    for key in (Qt.Key.Key_Down, Qt.Key.Key_PageDown, Qt.Key.Key_PageDown):
        before = glossary.entry()
        qtbot.keyClick(glossary.field, key)
        assert glossary.entry() not in (None, before)
    qtbot.keyClicks(glossary.field, "leak")
    entry = glossary.entry()
    assert entry is not None
    assert entry.word == "Leak past the weights"
    assert "diag(z<sub>t</sub>)" in glossary.text.text()
    assert "diag(z_t)" in glossary.plain()
    qtbot.keyClicks(glossary.field, "zzzz")
    assert glossary.entry() is None
    assert glossary.list.item(0).text() == "No word here is called that."
    qtbot.keyClick(glossary.field, Qt.Key.Key_Escape)
    assert glossary.isHidden()


def test_the_shortcut_sheet_has_the_gestures_of_the_mouse(qtbot: QtBot) -> None:
    sheet = ShortcutSheet()
    qtbot.addWidget(sheet)
    said = {label.text() for label in sheet.findChildren(QLabel)}
    assert {"Wheel", "Shift+Wheel", "Drag", "Double click", "Right click"} <= said
